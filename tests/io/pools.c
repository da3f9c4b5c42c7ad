/* SPDX-License-Identifier: MIT
 *
 * Pools for the conformance suite: of 1, 2 and 8 CPUs, in each idle mode, eager and not.
 */
#include "pools.h"

#define POOLS(cpus)                                                                                \
    POOL(cpus, ADAPTIVE, false, "adaptive"), POOL(cpus, ADAPTIVE, true, "adaptive, eager"),        \
        POOL(cpus, PARK, false, "park"), POOL(cpus, PARK, true, "park, eager"),                    \
        POOL(cpus, POLL, false, "poll"), POOL(cpus, POLL, true, "poll, eager")

const struct suite_io suite_ios[] = {POOLS(1), POOLS(2), POOLS(8)};
const size_t suite_io_count = sizeof suite_ios / sizeof suite_ios[0];
