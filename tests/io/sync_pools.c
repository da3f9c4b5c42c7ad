/* SPDX-License-Identifier: MIT
 *
 * Pools for the parts of the suite on waiting: how a thread waits depends on the idle mode, hardly
 * on anything else. Where they poll, threads that are not needed end, so that they don't take the
 * CPUs from those that are.
 */
#include "pools.h"

#define POLLING                                                                                    \
    &(const struct pinion_pool_options)                                                            \
    {                                                                                              \
        .cpu_count = 2, .idle = PINION_IDLE_POLL, .retire_after = 1                                \
    }

const struct suite_io suite_ios[] = {
    POOL(1, ADAPTIVE, false, "adaptive"),
    POOL(2, PARK, false, "park"),
    POOL(8, ADAPTIVE, true, "adaptive, eager"),
    {.name = "pool of 2, poll", .workers = 1, .has_concurrent = true, .has_parallel = true,
     .polls = true, .make = make, .destroy = destroy, .how = POLLING}};
const size_t suite_io_count = sizeof suite_ios / sizeof suite_ios[0];
