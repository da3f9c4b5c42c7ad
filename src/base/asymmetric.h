/* SPDX-License-Identifier: MIT
 *
 * A fence of which the frequent side pays nothing. Two threads that each write and then read what
 * the other writes, one with a light fence between, one with a heavy fence, don't both miss the
 * other's write, as if both had a sequentially consistent fence. The light one is for the compiler
 * alone; the heavy one interrupts every CPU that runs a thread of this process (membarrier(2),
 * private expedited), which takes microseconds: for what is rare.
 *
 * Two light fences order nothing between each other.
 */
#ifndef PN_ASYMMETRIC_H
#define PN_ASYMMETRIC_H

#include <stdbool.h>

#include "atomic.h"

/* Whether this process can have heavy fences; the first call asks the kernel, which may take
 * milliseconds while other threads run. Where it refuses (a container's filter, before Linux 4.14)
 * both sides must use another way. */
bool pn_heavy_fence_prepare(void);

/* Only after prepare has said that it can be had. */
void pn_heavy_fence(void);

#endif
