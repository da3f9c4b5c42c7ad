/* SPDX-License-Identifier: MIT
 *
 * Makes and ends a pool.
 */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>

#include "detail.h"

/* Entries that a deque begins with, and without `eager` ends with. */
#define DEQUE_SIZE         1024
#define DEQUE_SIZE_RESERVE 128

const struct pn_crew_kind pn_pool_kind = {
    .vtable = &pn_pool_vtable,
    .noun = "pool",
    .worker_bytes = sizeof(struct pn_worker),
    .base_live = pn_pool_base_live,
    .run_reserved = pn_pool_run_reserved,
    .run_the_rest = pn_pool_run_the_rest,
};

static struct pn_crew_options crew_options(const struct pinion_pool_options *options,
                                           bool has_caller)
{
    return (struct pn_crew_options){
        .topology = options->topology,
        .cpu_count = options->cpu_count,
        .plan = options->plan,
        .idle = options->idle,
        .spin_us = options->spin_us,
        .stack_bytes = options->stack_bytes,
        .max_parallel = options->max_parallel,
        .retire_after = options->retire_after,
        .strict = options->strict,
        .has_no_caller = !has_caller,
        .base_queue = DEQUE_SIZE,
        .reserve_queue = DEQUE_SIZE_RESERVE,
    };
}

static int create(bool has_caller, const struct pinion_pool_options *options,
                  struct pinion_pool **result)
{
    static const struct pinion_pool_options defaults;
    if (!options)
        options = &defaults;
    int error = pn_crew_check_reserved(options->reserved);
    if (error)
        return error;
    struct pinion_pool *pool = pn_crew_allocate(sizeof *pool);
    if (!pool)
        return pn_error(ENOMEM, "out of memory for a pool");
    pool->is_eager = options->eager;
    const struct pn_crew_options chosen = crew_options(options, has_caller);
    error = pn_crew_init(&pool->crew, &pn_pool_kind, &chosen);
    if (error) {
        free(pool);
        return error;
    }
    pn_crew_show(&pool->crew);
    *result = pool;
    return 0;
}

int pinion_pool_create(const struct pinion_pool_options *options, struct pinion_pool **pool)
{
    const int saved = errno;
    const int error = create(true, options, pool);
    errno = saved;
    return error;
}

int pn_pool_create_without_caller(struct pinion_pool **pool) { return create(false, NULL, pool); }

void pinion_pool_destroy(struct pinion_pool *pool)
{
    if (!pool)
        return;
    if (pn_crew_is_lost(&pool->crew)) {
        pn_membership_forget(&pool->crew);
        return;
    }
    const int saved = errno;
    pn_crew_fini(&pool->crew);
    free(pool);
    errno = saved;
}

struct pinion_io *pinion_pool_io(struct pinion_pool *pool) { return &pool->crew.io; }

/* ---- what others may know ---- */

void pinion_pool_stats(struct pinion_pool *pool, struct pinion_pool_stats *stats)
{
    pn_crew_stats(&pool->crew, stats);
}

size_t pinion_pool_workers(struct pinion_pool *pool, struct pinion_worker_stats *workers,
                           size_t count)
{
    return pn_crew_workers(&pool->crew, workers, count);
}

size_t pinion_pool_degraded(struct pinion_pool *pool, char *buffer, size_t size)
{
    return pn_crew_degraded(&pool->crew, buffer, size);
}
