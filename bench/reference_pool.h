/* SPDX-License-Identifier: MIT
 *
 * A peer to measure beside: a pool with one mutex, one condition and one LIFO list, a malloc a
 * task, and an event a task to wait on; the shape of the thread pool that pinion's interface comes
 * from (Zig's std.Io, commit f762597724), without its cancelation and select, so it does less work
 * than pinion does.
 */
#ifndef PINION_BENCH_REFERENCE_POOL_H
#define PINION_BENCH_REFERENCE_POOL_H

#include <stddef.h>

struct reference_pool;
struct reference_task;

/* A pool of so many threads, all started. NULL if it can't be had. */
struct reference_pool *reference_pool_create(unsigned threads);
void reference_pool_destroy(struct reference_pool *pool);

/* Queues start(context, result) with a copy of the context. NULL when out of memory. */
struct reference_task *reference_async(struct reference_pool *pool,
                                       void (*start)(const void *context, void *result),
                                       const void *context, size_t context_size,
                                       size_t result_size);

/* Waits for the task, copies its result and frees it. */
void reference_await(struct reference_task *task, void *result);

#endif
