/* SPDX-License-Identifier: MIT
 *
 * How calls fail: they return -errno and leave their results alone. Where a number does not say
 * enough, the words are here.
 */
#ifndef PINION_ERROR_H
#define PINION_ERROR_H

#include <pinion/api.h>

PINION_BEGIN

/* What the calling thread's last failed load, plan or create found wrong, and what would be right:
 * one line without a newline, for instance
 * "cpu 9 is outside this cgroup's cpuset (0-3); ask for one of those, or widen cpuset.cpus".
 * Never NULL; "" before the first failure. Owned by the thread, valid until its next failure. */
PINION_API const char *pinion_error_detail(void);

PINION_END

#endif
