/* SPDX-License-Identifier: MIT
 *
 * What it costs to fork and join: a task a call of a recursion, and how well work that forks unlike
 * parts uses the CPUs.
 *
 * fib forks at every call and does nothing else: an operation is one fork and its join, with the
 * call beside it. The other workloads have leaves of some 0.1 to 10 µs; an operation is the whole.
 * Their floor is as many processes as CPUs, each with its share of the repeats and plain calls
 * alone: nothing is divided within a repeat, nothing is waited for but the end.
 *
 * Unfair in it: rayon and oneTBB have no futures, so nothing outlives its join; their forks carry
 * no cancelation of a single task. oneTBB's and OpenMP's tasks are all queued, as pinion's are when
 * it is eager; lazy pinion and Go's scheduler decide for themselves. Slow contenders get a smaller
 * fib: it is the time of one fork that is compared.
 */
#include "contest.h"

#define ROUNDS 15

static const char about[] =
    "What it costs to fork and join: fib, a task a call, by the fork; and an unbalanced tree, a\n"
    "sort, a product of matrices and the queens by the whole, beside as many processes as CPUs\n"
    "that each do a share of the repeats. --size small, usual, large: fib of 16, 30, 35 for the\n"
    "fast ones.\n";

/* Forks of a fib(n): its calls that are above 1. */
static uint64_t forks(uint64_t n)
{
    uint64_t a = 1, b = 1; /* forks(n) + 1 = fib(n + 1) */
    for (uint64_t i = 1; i < n + 1; i++) {
        const uint64_t next = a + b;
        a = b;
        b = next;
    }
    return a - 1;
}

struct forker {
    struct contender *contender;
    uint64_t n[3]; /* by size */
};

#define FAST {16, 30, 35}

/* shares: into how many the repeats are divided. */
static struct rounds_row *add_fib(struct rounds *rounds, const struct forker *forker,
                                  unsigned threads, unsigned shares)
{
    const uint64_t n = forker->n[rounds->size];
    const struct contest contest = {.workload = "fork", .threads = threads, .size = n,
                                    .operations = forks(n), .repeats_min = shares};
    char title[32];
    (void)snprintf(title, sizeof title, "fork, %u thread%s", threads, threads > 1 ? "s" : "");
    return contest_row(rounds, forker->contender, &contest, title);
}

/* Ours beside all the others of so many threads, the bare call, and that in as many processes. */
static void add_fibs(struct rounds *rounds, unsigned threads, const struct rounds_row *call)
{
    static const struct forker shares = {&contest_processes, FAST};
    static const struct forker peers[] = {
        {&contest_rayon, FAST},           {&contest_tbb, {16, 26, 30}},
        {&contest_libgomp, {12, 22, 26}}, {&contest_libomp, {12, 22, 26}},
        {&contest_tokio, {12, 20, 24}},   {&contest_go, {12, 22, 26}},
        {&contest_fiber, {10, 17, 20}},   {&contest_uncounted, FAST},
    };
    static const struct forker ours[] = {{&contest_lazy, FAST},
                                         {&contest_eager, {16, 27, 32}}};
    const struct rounds_row *rows[sizeof peers / sizeof peers[0]];
    const struct rounds_row *floor =
        threads > 1 ? add_fib(rounds, &shares, threads, threads) : NULL;
    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++)
        rows[i] = add_fib(rounds, &peers[i], threads, 1);
    for (size_t i = 0; i < 2; i++) {
        struct rounds_row *row = add_fib(rounds, &ours[i], threads, 1);
        contest_compare(row, call);
        contest_compare(row, floor);
        for (size_t j = 0; j < sizeof peers / sizeof peers[0]; j++)
            contest_compare(row, rows[j]);
    }
}

struct workload {
    const char *name, *title;
    uint64_t size[3];
};

static void add_workload(struct rounds *rounds, const struct workload *workload, unsigned threads)
{
    static struct contender *const peers[] = {&contest_rayon, &contest_tbb, &contest_libgomp,
                                              &contest_libomp};
    const struct contest contest = {
        .workload = workload->name, .threads = threads, .size = workload->size[rounds->size]};
    struct contest shares = contest;
    shares.repeats_min = threads;
    const struct rounds_row *rows[1 + sizeof peers / sizeof peers[0]];
    rows[0] = contest_row(rounds, &contest_processes, &shares, workload->title);
    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++)
        rows[i + 1] = contest_row(rounds, peers[i], &contest, workload->title);
    struct rounds_row *row = contest_row(rounds, &contest_lazy, &contest, workload->title);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        contest_compare(row, rows[i]);
}

int main(int argc, char **argv)
{
    static const struct workload workloads[] = {
        {"tree", "tree", {4, 15, 19}},
        {"sort", "sort", {10000, 1000000, 10000000}},
        {"matrix", "matrices", {64, 512, 1024}},
        {"queens", "queens", {8, 11, 13}},
    };
    static struct contender plain = {.name = "plain call", .program = "bench-bare"};
    static const struct forker call = {&plain, FAST};
    static struct rounds rounds;
    const unsigned cpus = contest_cpus();
    rounds_begin(&rounds, "fork", about, ROUNDS, argc, argv);
    const struct rounds_row *bare = add_fib(&rounds, &call, 1, 1);
    add_fibs(&rounds, 1, bare);
    if (cpus > 1)
        add_fibs(&rounds, cpus, bare);
    for (size_t i = 0; i < sizeof workloads / sizeof workloads[0]; i++)
        add_workload(&rounds, &workloads[i], cpus);
    rounds_note(&rounds, "without mutex+condition: it deadlocks as soon as a task awaits one that "
                         "is queued behind all threads");
    rounds_run(&rounds);
    child_end_all();
    return rounds_end(&rounds);
}
