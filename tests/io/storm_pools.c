/* SPDX-License-Identifier: MIT
 *
 * The few pools for the parts of the suite that take long, or in which many threads wait at a time:
 * of 1, 2 and 8 CPUs, none that polls.
 */
#include "pools.h"

const struct suite_io suite_ios[] = {POOL(1, ADAPTIVE, false, "adaptive"),
                                     POOL(2, ADAPTIVE, false, "adaptive"),
                                     POOL(8, ADAPTIVE, false, "adaptive")};
const size_t suite_io_count = sizeof suite_ios / sizeof suite_ios[0];
const bool suite_calls_from_fiber = false;
