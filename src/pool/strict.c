/* SPDX-License-Identifier: MIT */
#include "strict.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "detail.h"
#include "pool.h"

static int try_cpu(int cpu)
{
    struct pn_cpu_mask *mask;
    int error = pn_cpu_mask_of_cpu((unsigned)cpu, &mask);
    if (error)
        return error;
    error = pn_cpu_mask_apply(mask);
    pn_cpu_mask_destroy(mask);
    return error;
}

/* On a thread of its own, since trying moves the thread. */
static void *try_seats(void *argument)
{
    struct pinion_pool *pool = argument;
    for (unsigned i = 0; i < pool->place_count; i++) {
        const int cpu = pool->plan->seats[i].cpu;
        const int error = cpu >= 0 ? try_cpu(cpu) : 0;
        if (error)
            pn_pool_degrade(pool, error, "CPU %d can't be pinned to: the kernel refused (%s)", cpu,
                            strerrordesc_np(-error));
    }
    return NULL;
}

int pn_pool_check_strict(struct pinion_pool *pool)
{
    pthread_t thread;
    if (pool->is_pinning) {
        if (pthread_create(&thread, NULL, try_seats, pool))
            return pn_error(EAGAIN, "no thread can be had to try the seats");
        (void)pthread_join(thread, NULL);
    }
    if (!pool->degraded_length)
        return 0;
    return pn_error(-pool->degraded_error, "strict, and degraded: %.*s",
                    (int)strcspn(pool->degraded, "\n"), pool->degraded);
}
