/* SPDX-License-Identifier: MIT
 *
 * Defines what typed_shared.h declares.
 */
#include "typed_shared.h"

long shared_sum(const long *numbers, size_t count)
{
    long sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += numbers[i];
    return sum;
}

void shared_store(struct pair *there, struct pair value) { *there = value; }

int shared_none(void) { return 77; }

long sum_elsewhere(struct pinion_io *io, const long *numbers, size_t count)
{
    struct shared_sum_future future = shared_sum_async(io, numbers, count);
    return shared_sum_await(io, &future);
}
