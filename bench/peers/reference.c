/* SPDX-License-Identifier: MIT
 *
 * The pool of reference_pool.h among the contenders.
 */
#include "../reference_pool.h"

#include <stdlib.h>

#include "cases.h"
#include "pause.h"
#include "serve.h"
#include "tally.h"

static struct reference_pool *pool_of(unsigned threads)
{
    static struct reference_pool *pool;
    static unsigned pool_threads;
    if (pool_threads != threads) {
        if (pool)
            reference_pool_destroy(pool);
        pool = reference_pool_create(threads);
        pool_threads = threads;
    }
    if (!pool)
        serve_die("no threads for the pool");
    return pool;
}

static void count(const void *context, void *result)
{
    (void)result;
    tally_count(*(const uint64_t *)context);
}

static struct reference_task *spawn(struct reference_pool *pool,
                                    void (*start)(const void *, void *), uint64_t word)
{
    struct reference_task *task = reference_async(pool, start, &word, sizeof word, sizeof word);
    if (!task)
        serve_die("out of memory");
    return task;
}

/* It has no detached tasks: these are awaited, once all are queued. */
static int64_t run_many(unsigned threads, uint64_t n, uint64_t repeats)
{
    struct reference_pool *pool = pool_of(threads);
    struct reference_task **tasks = malloc(n * sizeof tasks[0]);
    uint64_t unused;
    int64_t ns = 0;
    if (!tasks)
        serve_die("out of memory");
    for (uint64_t round = 0; round < repeats; round++) {
        tally_reset();
        const int64_t start = serve_now();
        for (uint64_t i = 0; i < n; i++)
            tasks[i] = spawn(pool, count, i + 1);
        tally_wait(n);
        for (uint64_t i = 0; i < n; i++)
            reference_await(tasks[i], &unused);
        ns += serve_now() - start;
    }
    free(tasks);
    return ns;
}

static void next(const void *context, void *result)
{
    *(uint64_t *)result = *(const uint64_t *)context + 1;
}

static int64_t run_trip(unsigned threads, uint64_t gap_ns, uint64_t repeats)
{
    struct reference_pool *pool = pool_of(threads);
    int64_t ns = 0;
    for (uint64_t i = 0; i < repeats; i++) {
        uint64_t answer;
        pause_for(gap_ns);
        const int64_t start = serve_now();
        reference_await(spawn(pool, next, i), &answer);
        ns += serve_now() - start;
        if (answer != i + 1)
            serve_die("a task was lost");
    }
    return ns;
}

static struct reference_pool *fan_pool;

static void spin(const void *context, void *result)
{
    *(uint64_t *)result = work_spin(*(const uint64_t *)context);
}

static void fan_out(uint64_t steps)
{
    struct reference_task *tasks[CASE_FAN];
    uint64_t unused;
    for (int i = 0; i < CASE_FAN; i++)
        tasks[i] = spawn(fan_pool, spin, steps);
    for (int i = 0; i < CASE_FAN; i++)
        reference_await(tasks[i], &unused);
}

static int64_t run_fan(unsigned threads, uint64_t steps, uint64_t repeats)
{
    fan_pool = pool_of(threads);
    return case_fan(fan_out, steps, repeats);
}

int main(void)
{
    static const struct serve_workload workloads[] = {
        {"many", run_many}, {"trip", run_trip}, {"fan", run_fan}, {NULL, NULL}};
    return serve(workloads);
}
