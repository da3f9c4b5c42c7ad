/* SPDX-License-Identifier: MIT
 *
 * What it costs to start a task and await it: run in the caller, queued, in batches; beside a pool
 * with one mutex and one condition (reference_pool.h). Rounds are interleaved, the figures are
 * medians, and the ratios are to the peer's figure of the same run.
 */
#include <inttypes.h>
#include <pinion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "reference_pool.h"

#define ROUNDS 15
#define BATCH  64

/* 32 bytes of context, 32 of result. */
struct words {
    uint64_t words[4];
};

static void work(const void *context, void *result)
{
    const struct words *in = context;
    struct words *out = result;
    for (int i = 0; i < 4; i++)
        out->words[i] = in->words[i] + 1;
}

static int64_t now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* One way to run n tasks, batch at a time; gives the sum of what came back. */
typedef uint64_t run_fn(void *pool, unsigned n, unsigned batch);

static uint64_t run_plain(void *unused, unsigned n, unsigned batch)
{
    struct words in = {{1}}, out;
    void (*volatile call)(const void *, void *) = work; /* not inlined: as a task is called */
    uint64_t sum = 0;
    (void)unused, (void)batch;
    for (unsigned i = 0; i < n; i++) {
        call(&in, &out);
        sum += out.words[0];
    }
    return sum;
}

static uint64_t run_pinion(void *pool, unsigned n, unsigned batch)
{
    struct pinion_io *io = pinion_pool_io(pool);
    struct words in = {{1}}, out[BATCH];
    struct pinion_future futures[BATCH];
    const struct pinion_call call = {work, &in, sizeof in, 0, sizeof out[0], 0};
    uint64_t sum = 0;
    for (unsigned done = 0; done < n; done += batch) {
        for (unsigned i = 0; i < batch; i++)
            pinion_async(io, &call, &out[i], &futures[i]);
        for (unsigned i = 0; i < batch; i++) {
            pinion_await(io, &futures[i], &out[i]);
            sum += out[i].words[0];
        }
    }
    return sum;
}

static uint64_t run_reference(void *pool, unsigned n, unsigned batch)
{
    struct words in = {{1}}, out;
    struct reference_task *tasks[BATCH];
    uint64_t sum = 0;
    for (unsigned done = 0; done < n; done += batch) {
        for (unsigned i = 0; i < batch; i++)
            if (!(tasks[i] = reference_async(pool, work, &in, sizeof in, sizeof out)))
                exit(1);
        for (unsigned i = 0; i < batch; i++) {
            reference_await(tasks[i], &out);
            sum += out.words[0];
        }
    }
    return sum;
}

struct row {
    const char *name;
    run_fn *run;
    void *pool;
    unsigned n, batch;
    int peer; /* the row that it is compared with, -1: none */
    double ns[ROUNDS];
};

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(const double *values)
{
    double sorted[ROUNDS];
    memcpy(sorted, values, sizeof sorted);
    qsort(sorted, ROUNDS, sizeof sorted[0], by_size);
    return sorted[ROUNDS / 2];
}

static struct pinion_pool *make_pool(unsigned cpu_count, bool eager)
{
    const struct pinion_pool_options options = {.cpu_count = cpu_count, .eager = eager};
    struct pinion_pool *pool;
    if (pinion_pool_create(&options, &pool)) {
        (void)fprintf(stderr, "spawn: %s\n", pinion_error_detail());
        exit(1);
    }
    return pool;
}

static void measure(struct row *rows, size_t count)
{
    for (int round = -1; round < ROUNDS; round++) { /* one to warm up */
        for (size_t i = 0; i < count; i++) {
            const int64_t start = now();
            const uint64_t sum = rows[i].run(rows[i].pool, rows[i].n, rows[i].batch);
            const int64_t end = now();
            if (sum != 2 * (uint64_t)rows[i].n) {
                (void)fprintf(stderr, "spawn: %s lost a task\n", rows[i].name);
                exit(1);
            }
            if (round >= 0)
                rows[i].ns[round] = (double)(end - start) / rows[i].n;
        }
    }
}

static void print_counters(const char *name, struct pinion_pool *pool)
{
    struct pinion_pool_stats stats;
    pinion_pool_stats(pool, &stats);
    printf("%-44s inlined %" PRIu64 ", queued %" PRIu64 ", claimed %" PRIu64 ", stolen %" PRIu64
           "\n",
           name, stats.inlined, stats.queued, stats.claimed,
           stats.stolen_near + stats.stolen_far);
}

/* Memory of the caller's closures while many tasks are queued that nobody may run yet. */
static void measure_bytes(void)
{
    enum { TASKS = 100000 };
    struct pinion_pool *pool = make_pool(2, true);
    struct pinion_io *io = pinion_pool_io(pool);
    static struct pinion_future futures[TASKS];
    static struct words in, out;
    const struct pinion_call call = {work, &in, sizeof in, 0, sizeof out, 0};
    for (int i = 0; i < TASKS; i++)
        pinion_async(io, &call, &out, &futures[i]);
    struct pinion_worker_stats caller;
    struct pinion_pool_stats stats;
    (void)pinion_pool_workers(pool, &caller, 1);
    pinion_pool_stats(pool, &stats);
    printf("%-44s %.1f bytes (closure, context and result; %" PRIu64 " tasks held)\n",
           "memory a queued task", (double)caller.arena_bytes / (double)stats.queued, stats.queued);
    for (int i = 0; i < TASKS; i++)
        pinion_await(io, &futures[i], &out);
    pinion_pool_destroy(pool);
}

int main(void)
{
    struct pinion_pool *alone = make_pool(1, false), *lazy = make_pool(2, false);
    struct pinion_pool *eager = make_pool(2, true);
    struct reference_pool *reference = reference_pool_create(1);
    if (!reference)
        return 1;
    struct row rows[] = {
        {"plain call", run_plain, NULL, 1000000, 1, -1, {0}},
        {"mutex+condition, one at a time", run_reference, reference, 2000, 1, -1, {0}},
        {"mutex+condition, 64 at a time", run_reference, reference, 64000, BATCH, -1, {0}},
        {"pinion, in the caller (cpu_count 1)", run_pinion, alone, 1000000, 1, 1, {0}},
        {"pinion, lazy, one at a time", run_pinion, lazy, 200000, 1, 1, {0}},
        {"pinion, lazy, 64 at a time", run_pinion, lazy, 64000, BATCH, 2, {0}},
        {"pinion, queued (eager), one at a time", run_pinion, eager, 200000, 1, 1, {0}},
        {"pinion, queued (eager), 64 at a time", run_pinion, eager, 64000, BATCH, 2, {0}},
    };
    const size_t count = sizeof rows / sizeof rows[0];
    measure(rows, count);
    printf("async + await of 32 bytes in and out, median of %d interleaved rounds\n", ROUNDS);
    for (size_t i = 0; i < count; i++) {
        printf("%-44s %10.1f ns", rows[i].name, median(rows[i].ns));
        if (rows[i].peer >= 0)
            printf("   %.4f x %s", median(rows[i].ns) / median(rows[rows[i].peer].ns),
                   rows[rows[i].peer].name);
        printf("\n");
    }
    print_counters("  cpu_count 1:", alone);
    print_counters("  lazy:", lazy);
    print_counters("  eager:", eager);
    measure_bytes();
    reference_pool_destroy(reference);
    pinion_pool_destroy(eager);
    pinion_pool_destroy(lazy);
    pinion_pool_destroy(alone);
    return 0;
}
