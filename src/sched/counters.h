/* SPDX-License-Identifier: MIT
 *
 * What is counted of a worker, or of a node's outside threads.
 */
#ifndef PN_COUNTERS_H
#define PN_COUNTERS_H

#include "atomic.h"

/* Of a worker: written by its thread alone, read by anyone (relaxed: each is a number of its
 * own). */
struct pn_counters {
    _Atomic uint64_t tasks, queued, claimed, stolen_near, stolen_far, parked, woken, searched;
};

#endif
