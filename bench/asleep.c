/* SPDX-License-Identifier: MIT
 *
 * Many fibers that sleep until one time: what each takes of memory, how soon all are made and
 * asleep, and how soon after that time all have been woken and have ended. On one thread; beside
 * goroutines and tokio's tasks. Who makes them yields after every 64, as one that accepts
 * connections waits for more of them: few are queued at a time.
 *
 * An operation is one of them. The memory is what the process' resident memory grew by until all
 * slept, of a process that made none before, so it has what the scheduler and the timers take too.
 *
 * Unfair in it: tokio's tasks have no stack, so they take no more than what they keep over a wait;
 * its timers are of 1 ms, and rounded up.
 */
#include "contest.h"

#define ROUNDS 3

static const char about[] =
    "1,000,000 fibers that sleep until one time (--size small: 1,000): made, woken, and the\n"
    "memory of each. An operation is one of them.\n";

static struct contender *const contenders[] = {&contest_go, &contest_tokio, &contest_loop};

#define COUNT (sizeof contenders / sizeof contenders[0])

static void add(struct rounds *rounds, const char *workload, uint64_t n, struct rounds_row **rows)
{
    const struct contest contest = {
        .workload = workload, .threads = 1, .size = n, .operations = n, .repeats_max = 1};
    for (size_t i = 0; i < COUNT; i++) {
        rows[i] = contest_row(rounds, contenders[i], &contest, workload);
        for (size_t j = 0; j < i; j++)
            contest_compare(rows[i], rows[j]);
    }
}

/* Each of a process that is new. */
static void add_figures(struct rounds *rounds, uint64_t n, struct rounds_row *const *rows)
{
    const struct contest bytes = {.workload = "bytes", .threads = 1, .size = n};
    const struct contest maps = {.workload = "maps", .threads = 1, .size = n};
    child_end_all();
    for (size_t i = 0; i < COUNT; i++) {
        if (!rounds_chose(rows[i]))
            continue;
        struct contender fresh = *contenders[i];
        fresh.child = (struct child){0};
        rounds_figure(rounds, (double)contest_ask(&fresh, &bytes) / (double)n, "bytes",
                      "memory of one asleep: %s", fresh.name);
        if (contenders[i] == &contest_loop)
            rounds_figure(rounds, (double)contest_ask(&fresh, &maps), "mappings",
                          "address space while all sleep: %s", fresh.name);
        child_end_all();
    }
}

int main(int argc, char **argv)
{
    static struct rounds rounds;
    struct rounds_row *made[COUNT], *woken[COUNT];
    rounds_begin(&rounds, "asleep", about, ROUNDS, argc, argv);
    const uint64_t n = rounds.size == ROUNDS_SMALL ? 1000 : 1000000;
    add(&rounds, "made", n, made);
    add(&rounds, "woken", n, woken);
    rounds_run(&rounds);
    add_figures(&rounds, n, made);
    child_end_all();
    return rounds_end(&rounds);
}
