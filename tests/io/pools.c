/* SPDX-License-Identifier: MIT
 *
 * Pools for the conformance suite: of 1, 2 and 8 CPUs, in each idle mode, eager and not.
 */
#include "suite.h"

#include <stdlib.h>

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
    if ((error = pinion_pool_create(&options, &pool)))
        return error;
    *io = pinion_pool_io(pool);
    *made = pool;
    return 0;
}

static void destroy(void *made) { pinion_pool_destroy(made); }

#define POOL(cpus, mode, is_eager, words)                                                          \
    {                                                                                              \
        .name = "pool of " #cpus ", " words, .workers = (cpus) - 1, .has_concurrent = true,        \
        .has_parallel = true, .make = make, .destroy = destroy,                                    \
        .how = &(const struct pinion_pool_options)                                                 \
        {                                                                                          \
            .cpu_count = (cpus), .idle = PINION_IDLE_##mode, .eager = (is_eager)                   \
        }                                                                                          \
    }
#define POOLS(cpus)                                                                                \
    POOL(cpus, ADAPTIVE, false, "adaptive"), POOL(cpus, ADAPTIVE, true, "adaptive, eager"),        \
        POOL(cpus, PARK, false, "park"), POOL(cpus, PARK, true, "park, eager"),                    \
        POOL(cpus, POLL, false, "poll"), POOL(cpus, POLL, true, "poll, eager")

const struct suite_io suite_ios[] = {POOLS(1), POOLS(2), POOLS(8)};
const size_t suite_io_count = sizeof suite_ios / sizeof suite_ios[0];
