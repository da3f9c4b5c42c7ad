/* SPDX-License-Identifier: MIT
 *
 * Pools for the parts of the suite on waiting: how a thread waits depends on the idle mode, hardly
 * on anything else.
 */
#include "pools.h"

const struct suite_io suite_ios[] = {
    POOL(1, ADAPTIVE, false, "adaptive"),
    POOL(2, PARK, false, "park"),
    POOL(8, ADAPTIVE, true, "adaptive, eager"),
    POLLING_POOL(2, false, "poll"),
};
const size_t suite_io_count = sizeof suite_ios / sizeof suite_ios[0];
const bool suite_calls_from_fiber = false;
