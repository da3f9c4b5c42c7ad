/* SPDX-License-Identifier: MIT */
#include "reference_pool.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { UNSET, WAITED_FOR, SET };

struct reference_task {
    struct reference_task *next;
    void (*start)(const void *context, void *result);
    _Atomic uint32_t event;
    size_t context_size, result_size;
    alignas(max_align_t) char bytes[]; /* context, result */
};

struct reference_pool {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    struct reference_task *list;
    bool is_ending;
    unsigned thread_count;
    pthread_t threads[];
};

static size_t rounded(size_t size)
{
    return (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
}

static void finish(struct reference_task *task)
{
    if (atomic_exchange_explicit(&task->event, SET, memory_order_acq_rel) == WAITED_FOR)
        (void)syscall(SYS_futex, &task->event, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void *work(void *argument)
{
    struct reference_pool *pool = argument;
    (void)pthread_mutex_lock(&pool->mutex);
    for (;;) {
        struct reference_task *task;
        while ((task = pool->list)) {
            pool->list = task->next;
            (void)pthread_mutex_unlock(&pool->mutex);
            task->start(task->bytes, task->bytes + rounded(task->context_size));
            finish(task);
            (void)pthread_mutex_lock(&pool->mutex);
        }
        if (pool->is_ending)
            break;
        (void)pthread_cond_wait(&pool->condition, &pool->mutex);
    }
    (void)pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

struct reference_pool *reference_pool_create(unsigned threads)
{
    struct reference_pool *pool = calloc(1, sizeof *pool + threads * sizeof pool->threads[0]);
    if (!pool)
        return NULL;
    (void)pthread_mutex_init(&pool->mutex, NULL);
    (void)pthread_cond_init(&pool->condition, NULL);
    for (; pool->thread_count < threads; pool->thread_count++) {
        if (pthread_create(&pool->threads[pool->thread_count], NULL, work, pool)) {
            reference_pool_destroy(pool);
            return NULL;
        }
    }
    return pool;
}

void reference_pool_destroy(struct reference_pool *pool)
{
    (void)pthread_mutex_lock(&pool->mutex);
    pool->is_ending = true;
    (void)pthread_mutex_unlock(&pool->mutex);
    (void)pthread_cond_broadcast(&pool->condition);
    for (unsigned i = 0; i < pool->thread_count; i++)
        (void)pthread_join(pool->threads[i], NULL);
    (void)pthread_cond_destroy(&pool->condition);
    (void)pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

struct reference_task *reference_async(struct reference_pool *pool,
                                       void (*start)(const void *context, void *result),
                                       const void *context, size_t context_size,
                                       size_t result_size)
{
    struct reference_task *task = malloc(sizeof *task + rounded(context_size) + result_size);
    if (!task)
        return NULL;
    task->start = start;
    atomic_store_explicit(&task->event, UNSET, memory_order_relaxed);
    task->context_size = context_size;
    task->result_size = result_size;
    memcpy(task->bytes, context, context_size);
    (void)pthread_mutex_lock(&pool->mutex);
    task->next = pool->list;
    pool->list = task;
    (void)pthread_mutex_unlock(&pool->mutex);
    (void)pthread_cond_signal(&pool->condition);
    return task;
}

void reference_await(struct reference_task *task, void *result)
{
    for (;;) {
        uint32_t seen = atomic_load_explicit(&task->event, memory_order_acquire);
        if (seen == SET)
            break;
        if (seen == UNSET &&
            !atomic_compare_exchange_strong_explicit(&task->event, &seen, WAITED_FOR,
                                                     memory_order_acquire, memory_order_acquire))
            continue;
        (void)syscall(SYS_futex, &task->event, FUTEX_WAIT_PRIVATE, WAITED_FOR, NULL, NULL, 0);
    }
    memcpy(result, task->bytes + rounded(task->context_size), task->result_size);
    free(task);
}
