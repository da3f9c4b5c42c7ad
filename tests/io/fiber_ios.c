/* SPDX-License-Identifier: MIT
 *
 * A pool and a loop for the conformance suite, whose caller is a fiber of another loop: who calls
 * decides how to wait, not what is called.
 */
#include "loops.h"
#include "pools.h"

const struct suite_io suite_ios[] = {POOL(2, ADAPTIVE, false, "adaptive"),
                                     LOOP(2, ADAPTIVE, IO_URING, "io_uring")};
const size_t suite_io_count = sizeof suite_ios / sizeof suite_ios[0];
const bool suite_calls_from_fiber = true;
