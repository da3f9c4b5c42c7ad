/* SPDX-License-Identifier: MIT */
#include "cases.h"

#include <stdlib.h>
#include <string.h>

#include "serve.h"

int64_t case_fib(case_fib_fn *fib, uint64_t n, uint64_t repeats)
{
    const uint64_t wanted = work_fib(n);
    const int64_t start = serve_now();
    for (uint64_t i = 0; i < repeats; i++)
        if (fib(n) != wanted)
            serve_die("a fork was lost");
    return serve_now() - start;
}

int64_t case_tree(case_tree_fn *tree, uint64_t levels, uint64_t repeats)
{
    const uint64_t wanted = work_tree_count(levels);
    const int64_t start = serve_now();
    for (uint64_t i = 0; i < repeats; i++)
        if (tree(work_tree_root(levels)) != wanted)
            serve_die("a node was lost");
    return serve_now() - start;
}

static void *memory(size_t count, size_t size)
{
    void *block = calloc(count, size);
    if (!block)
        serve_die("out of memory");
    return block;
}

int64_t case_sort(case_sort_fn *sort, uint64_t n, uint64_t repeats)
{
    uint32_t *numbers = memory(n, sizeof *numbers), *scratch = memory(n, sizeof *scratch);
    int64_t ns = 0;
    for (uint64_t i = 0; i < repeats; i++) {
        work_sort_fill(numbers, n);
        const int64_t start = serve_now();
        sort(numbers, scratch, n);
        ns += serve_now() - start;
        work_sort_check(numbers, n);
    }
    free(numbers);
    free(scratch);
    return ns;
}

int64_t case_matrix(case_matrix_fn *matrix, uint64_t n, uint64_t repeats)
{
    double *a = memory(n * n, sizeof *a), *b = memory(n * n, sizeof *b);
    double *c = memory(n * n, sizeof *c);
    int64_t ns = 0;
    work_matrix_fill(a, n, 1);
    work_matrix_fill(b, n, 2);
    for (uint64_t i = 0; i < repeats; i++) {
        memset(c, 0, n * n * sizeof *c);
        const int64_t start = serve_now();
        matrix(a, b, c, n);
        ns += serve_now() - start;
    }
    work_matrix_check(a, b, c, n);
    free(a);
    free(b);
    free(c);
    return ns;
}

int64_t case_queens(case_queens_fn *queens, uint64_t size, uint64_t repeats)
{
    const struct work_board empty = {.size = (uint8_t)size};
    const int64_t start = serve_now();
    for (uint64_t i = 0; i < repeats; i++)
        if (queens(&empty) != work_queens_count(size))
            serve_die("a queen was lost");
    return serve_now() - start;
}

int64_t case_loop(case_loop_fn *loop, uint64_t end, uint64_t repeats)
{
    static uint64_t last_end, wanted;
    if (end != last_end) {
        wanted = work_sum(0, end);
        last_end = end;
    }
    const int64_t start = serve_now();
    for (uint64_t i = 0; i < repeats; i++)
        if (loop(end) != wanted)
            serve_die("an iteration was lost");
    return serve_now() - start;
}

int64_t case_fan(case_fan_fn *fan, uint64_t steps, uint64_t repeats)
{
    const int64_t start = serve_now();
    for (uint64_t i = 0; i < repeats; i++)
        fan(steps);
    return serve_now() - start;
}
