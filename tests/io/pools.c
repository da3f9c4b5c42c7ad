/* SPDX-License-Identifier: MIT
 *
 * Pools for the conformance suite: of 1, 2 and 8 CPUs, in each idle mode, eager and not. Those that
 * poll have no more than 3, since they run beside each other poorly where CPUs are fewer.
 */
#include "pools.h"

#define POOLS(cpus)                                                                                \
    POOL(cpus, ADAPTIVE, false, "adaptive"), POOL(cpus, ADAPTIVE, true, "adaptive, eager"),        \
        POOL(cpus, PARK, false, "park"), POOL(cpus, PARK, true, "park, eager")
#define POLLING_POOLS(cpus)                                                                        \
    POLLING_POOL(cpus, false, "poll"), POLLING_POOL(cpus, true, "poll, eager")

const struct suite_io suite_ios[] = {POOLS(1),         POOLS(2),         POOLS(8),
                                     POLLING_POOLS(1), POLLING_POOLS(2), POLLING_POOLS(3)};
const size_t suite_io_count = sizeof suite_ios / sizeof suite_ios[0];
