/* SPDX-License-Identifier: MIT
 *
 * What is counted of a worker, or of a node's outside threads.
 */
#ifndef PN_COUNTERS_H
#define PN_COUNTERS_H

#include <pinion/inline.h>

#include "atomic.h"

/* What is counted for people alone: what a build with -Dcounters=false leaves out, to measure what
 * it costs. _plain: of what is not _Atomic; _shared: with more than one writer. */
#if PINION_COUNTERS
#define pn_tally(p, n)        pn_count((p), (n))
#define pn_tally_plain(p, n)  pn_plain_count((p), (n))
#define pn_tally_shared(p, n) ((void)pn_fetch_add_relaxed((p), (n)))
#else
#define pn_tally(p, n)        ((void)(p))
#define pn_tally_plain(p, n)  ((void)(p))
#define pn_tally_shared(p, n) ((void)(p))
#endif

/* What a worker's thread does: it has something to run, it looks for that, or sleeps until there
 * is. */
enum { PN_STATE_RUNNING, PN_STATE_SEARCHING, PN_STATE_PARKED };

/* Of a worker: written by its thread alone but for woken, read by anyone (relaxed: each is a number
 * of its own, but for those that idle.h is about).
 *
 *   tasks: taken from a queue, to be run; handed: got without one
 *   woken: by anyone, for a task that was queued here
 *
 *   woken <= queued */
struct pn_counters {
    _Atomic(uint64_t) tasks, handed, queued, claimed;
    _Atomic(uint64_t) stolen_near, stolen_far, parked, woken, searched;
    _Atomic(uint32_t) state;
    struct pn_counters *next; /* in idle.counted; constant once it is there */
};

#endif
