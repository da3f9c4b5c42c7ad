/* SPDX-License-Identifier: MIT
 *
 * Pools for the conformance suite: of 1, 2 and 8 CPUs, in each idle mode, eager and not. Few poll,
 * and of few CPUs: where there are fewer, who polls takes them from who has work.
 */
#include "pools.h"

#define POOLS(cpus)                                                                                \
    POOL(cpus, ADAPTIVE, false, "adaptive"), POOL(cpus, ADAPTIVE, true, "adaptive, eager"),        \
        POOL(cpus, PARK, false, "park"), POOL(cpus, PARK, true, "park, eager")

const struct suite_io suite_ios[] = {POOLS(1), POOLS(2), POOLS(8), POLLING_POOL(1, false, "poll"),
                                     POLLING_POOL(2, false, "poll"),
                                     POLLING_POOL(3, true, "poll, eager")};
const size_t suite_io_count = sizeof suite_ios / sizeof suite_ios[0];
const bool suite_calls_from_fiber = false;
