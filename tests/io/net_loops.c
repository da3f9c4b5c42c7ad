/* SPDX-License-Identifier: MIT
 *
 * The two loops for the parts of the suite that wait for the kernel's timers, of a second or so.
 */
#include "loops.h"

const struct suite_io suite_ios[] = {LOOP(2, ADAPTIVE, IO_URING, "io_uring"),
                                     LOOP(8, ADAPTIVE, EPOLL, "epoll")};
const size_t suite_io_count = sizeof suite_ios / sizeof suite_ios[0];
const bool suite_calls_from_fiber = false;
