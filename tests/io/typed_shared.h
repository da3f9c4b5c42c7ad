/* SPDX-License-Identifier: MIT
 *
 * Typed tasks that two source files share, in C and in C++.
 */
#ifndef TYPED_SHARED_H
#define TYPED_SHARED_H

#include <pinion.h>

struct pair {
    long first;
    double second;
};

PINION_BEGIN
PINION_TASK_EXTERN(long, shared_sum, (const long *, numbers), (size_t, count));
PINION_TASK_EXTERN(void, shared_store, (struct pair *, there), (struct pair, value));
PINION_TASK_EXTERN(int, shared_none);

/* Uses the tasks from the file that defines them. */
long sum_elsewhere(struct pinion_io *io, const long *numbers, size_t count);
PINION_END

#endif
