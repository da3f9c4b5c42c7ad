/* SPDX-License-Identifier: MIT
 *
 * The few loops for the parts of the suite that take long.
 */
#include "loops.h"

const struct suite_io suite_ios[] = {LOOP(2, ADAPTIVE, IO_URING, "io_uring"),
                                     LOOP(2, ADAPTIVE, EPOLL, "epoll"),
                                     LOOP(8, PARK, IO_URING, "io_uring, park"),
                                     LOOP(8, ADAPTIVE, EPOLL, "epoll")};
const size_t suite_io_count = sizeof suite_ios / sizeof suite_ios[0];
const bool suite_calls_from_fiber = false;
