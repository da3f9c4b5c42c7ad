/* SPDX-License-Identifier: MIT
 *
 * What the tests of metrics share: something to count, and the text.
 */
#ifndef TESTS_OBSERVE_METRICS_H
#define TESTS_OBSERVE_METRICS_H

#include "../pool/support.h"

#include <pinion/metrics.h>

/* The text as it is now; the caller frees it. */
static inline char *metrics(void)
{
    size_t size = 0, length;
    char *text = NULL;
    while ((length = pinion_metrics_write(text, size)) >= size) {
        size = length + length / 8 + 1;
        free(text);
        text = malloc(size);
        must(text);
    }
    return text;
}

PINION_TASK(uint64_t, fib, (struct pinion_io *, io), (uint64_t, n))
{
    if (n < 2)
        return n;
    struct fib_future left = fib_async(io, io, n - 1);
    const uint64_t right = fib(io, n - 2);
    return fib_await(io, &left) + right;
}

static inline void *work_from_outside(void *io)
{
    atomic_uint count = 0;
    for (int i = 0; i < 100; i++)
        count_up_detached(io, &count);
    wait_until(atomic_load(&count) == 100);
    return NULL;
}

/* Tasks of every kind: forked, detached, from outside, with a thread of their own. All have ended,
 * but are perhaps not counted yet. */
static inline void work(struct pinion_io *io)
{
    struct thread_id_future ids[3];
    pthread_t outside;
    must(pthread_create(&outside, NULL, work_from_outside, io) == 0);
    for (int i = 0; i < 3; i++)
        must(thread_id_parallel(io, &ids[i]) == 0);
    must(fib(io, 12) == 144);
    for (int i = 0; i < 3; i++)
        (void)thread_id_await(io, &ids[i]);
    must(pthread_join(outside, NULL) == 0);
}

/* Nothing is counted any more. */
static inline bool is_idle(struct pinion_pool *pool)
{
    const struct pinion_pool_stats before = stats_of(pool);
    for (int i = 0; i < 20; i++)
        nap();
    const struct pinion_pool_stats after = stats_of(pool);
    return after.parallel_count == 0 && memcmp(&before, &after, sizeof before) == 0;
}

/* Those that were queued or handed over, and ran. */
static inline uint64_t tasks_of(struct pinion_pool *pool)
{
    struct pinion_worker_stats rows[16];
    uint64_t tasks = stats_of(pool).claimed;
    const size_t count = pinion_pool_workers(pool, rows, 16);
    must(count > 0 && count <= 16);
    for (size_t i = 0; i < count; i++)
        tasks += rows[i].tasks;
    return tasks;
}

#endif
