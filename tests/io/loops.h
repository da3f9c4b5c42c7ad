/* SPDX-License-Identifier: MIT
 *
 * Loops as implementations for the conformance suite, whose callers are threads outside of them.
 * Included once by each list of them.
 */
#ifndef LOOPS_H
#define LOOPS_H

#include "suite.h"

#include <stdlib.h>

#include <pinion/metrics.h>

/* The machine is looked at once; loops borrow what was found. */
static struct pinion_topology *machine_of_loops;

static void forget_machine_of_loops(void) { pinion_topology_destroy(machine_of_loops); }

static int make_loop(const struct suite_io *self, struct pinion_io **io, void **made)
{
    struct pinion_loop *loop;
    struct pinion_loop_options options = *(const struct pinion_loop_options *)self->how;
    int error;
    if (!machine_of_loops) {
        if ((error = pinion_topology_load(NULL, &machine_of_loops)))
            return error;
        (void)atexit(forget_machine_of_loops);
    }
    options.topology = machine_of_loops;
    pinion_metrics_time_tasks(options.backend == PINION_BACKEND_EPOLL); /* as in pools.h */
    if ((error = pinion_loop_create(&options, &loop)))
        return error;
    *io = pinion_loop_io(loop);
    *made = loop;
    return 0;
}

static void destroy_loop(void *made) { pinion_loop_destroy(made); }

#define LOOP(cpus, mode, kind, words)                                                              \
    {                                                                                              \
        .name = "loop of " #cpus ", " words, .workers = (cpus) - 1,                                \
        .has_concurrent = (cpus) > 1, .has_parallel = true, .has_fibers = true,                   \
        .polls = PINION_IDLE_##mode == PINION_IDLE_POLL, .make = make_loop,                        \
        .destroy = destroy_loop, .how = &(const struct pinion_loop_options)                        \
        {                                                                                          \
            .cpu_count = (cpus), .idle = PINION_IDLE_##mode, .backend = PINION_BACKEND_##kind      \
        }                                                                                          \
    }

#endif
