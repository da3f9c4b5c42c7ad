/* SPDX-License-Identifier: MIT
 *
 * Pools as implementations for the conformance suite. Included once by each list of them.
 */
#ifndef POOLS_H
#define POOLS_H

#include "suite.h"

#include <stdlib.h>

#include <pinion/metrics.h>

/* The machine is looked at once; pools borrow what was found. */
static struct pinion_topology *machine;

static void forget_machine(void) { pinion_topology_destroy(machine); }

static int make(const struct suite_io *self, struct pinion_io **io, void **made)
{
    struct pinion_pool *pool;
    struct pinion_pool_options options = *(const struct pinion_pool_options *)self->how;
    int error;
    if (!machine) {
        if ((error = pinion_topology_load(NULL, &machine)))
            return error;
        (void)atexit(forget_machine);
    }
    options.topology = machine;
    pinion_metrics_time_tasks(options.eager); /* so tasks of either layout meet every test */
    if ((error = pinion_pool_create(&options, &pool)))
        return error;
    *io = pinion_pool_io(pool);
    *made = pool;
    return 0;
}

static void destroy(void *made) { pinion_pool_destroy(made); }

#define POOL_WITH(cpus, mode, is_eager, retire_ns, words)                                          \
    {                                                                                              \
        .name = "pool of " #cpus ", " words, .workers = (cpus) - 1, .has_concurrent = true,        \
        .has_parallel = true, .polls = PINION_IDLE_##mode == PINION_IDLE_POLL, .make = make,       \
        .destroy = destroy, .how = &(const struct pinion_pool_options)                             \
        {                                                                                          \
            .cpu_count = (cpus), .idle = PINION_IDLE_##mode, .eager = (is_eager),                  \
            .retire_after = (retire_ns)                                                            \
        }                                                                                          \
    }
#define POOL(cpus, mode, is_eager, words) POOL_WITH(cpus, mode, is_eager, 0, words)

/* Its threads that are not needed end: those that poll would take the CPUs from those that are. */
#define POLLING_POOL(cpus, is_eager, words) POOL_WITH(cpus, POLL, is_eager, 1, words)

#endif
