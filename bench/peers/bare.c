/* SPDX-License-Identifier: MIT */
#include "bare.h"

#include <stdlib.h>
#include <string.h>

#include "cases.h"

/* ---- what a queued task costs at the least: memory, and a call through a pointer ---- */

struct block {
    void (*start)(uint64_t *sum, uint64_t word);
    uint64_t word;
    char rest[48];
};

static void add(uint64_t *sum, uint64_t word)
{
    *sum += word;
}

static int64_t run_many(unsigned threads, uint64_t n, uint64_t repeats)
{
    int64_t ns = 0;
    (void)threads;
    struct block **blocks = malloc(n * sizeof blocks[0]);
    for (uint64_t round = 0; round < repeats; round++) {
        uint64_t sum = 0;
        const int64_t start = serve_now();
        for (uint64_t i = 0; i < n; i++) {
            if (!(blocks[i] = malloc(sizeof *blocks[i])))
                serve_die("out of memory");
            blocks[i]->start = add;
            blocks[i]->word = i + 1;
        }
        for (uint64_t i = 0; i < n; i++) {
            blocks[i]->start(&sum, blocks[i]->word);
            free(blocks[i]);
        }
        ns += serve_now() - start;
        if (sum != n * (n + 1) / 2)
            serve_die("a block was lost");
    }
    free(blocks);
    return ns;
}

/* usage: bench-bare [apart], which is: threads that wait for each other have a CPU each. */
int main(int argc, char **argv)
{
    static const struct serve_workload workloads[] = {
        {"fork", bare_fork},     {"many", run_many},
        {"tree", bare_tree},     {"sort", bare_sort},
        {"matrix", bare_matrix}, {"queens", bare_queens},
        {"loop", bare_loop},     {"mailbox", bare_mailbox},
        {"futex", bare_futex},   {"fan", bare_fan},
        {"burst", bare_burst},   {"eventfd", bare_eventfd},
        {"queue", bare_queue},   {NULL, NULL},
    };
    if (argc > 1 && !strcmp(argv[1], "apart"))
        serve_stay();
    else if (argc > 1)
        serve_die("there is no argument '%s'", argv[1]);
    return serve(workloads);
}
