/* SPDX-License-Identifier: MIT
 *
 * Loops for the conformance suite: of 1, 2 and 8 CPUs, over io_uring and epoll.
 */
#include "loops.h"

#define LOOPS(cpus)                                                                                \
    LOOP(cpus, ADAPTIVE, IO_URING, "io_uring"), LOOP(cpus, ADAPTIVE, EPOLL, "epoll")

const struct suite_io suite_ios[] = {LOOPS(1), LOOPS(2), LOOPS(8),
                                     LOOP(8, PARK, IO_URING, "io_uring, park")};
const size_t suite_io_count = sizeof suite_ios / sizeof suite_ios[0];
const bool suite_calls_from_fiber = false;
