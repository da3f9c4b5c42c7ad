/* SPDX-License-Identifier: MIT
 *
 * An injection lane: the queue of one NUMA node for tasks of threads that are no workers. First in,
 * first out, so that none starves.
 *
 * What it holds stands in a ring, so that who takes several can fetch them all at a time: each of
 * them is in the cache of who made it. What the ring has no room for is linked behind it.
 */
#ifndef PN_LANE_H
#define PN_LANE_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "atomic.h"

struct pinion_task;
struct pn_deque;

#define PN_LANE_RING 1024 /* entries, a power of two */

/* All under the lock but count, which anyone reads:
 *
 *   count >= ring_count + length of the list head … tail, and more only while who took some has not
 *     shown them yet
 *   the ring's are older than the list's: while the list has any, what is pushed goes there
 *
 * Blocking, for as long as some pointers are copied. */
struct pn_lane {
    alignas(PN_LINE_PAIR) _Atomic(size_t) count;
    _Atomic(uint32_t) lock;
    unsigned ring_first, ring_count;
    struct pinion_task *head, *tail; /* linked by link */
    alignas(PN_LINE_PAIR) struct pinion_task *ring[PN_LANE_RING];
};

/* is_spinning: as of pn_lock_init. */
void pn_lane_init(struct pn_lane *lane, bool is_spinning);

/* Adds at the end. Any thread; _locked: who holds lane->lock. */
void pn_lane_push(struct pn_lane *lane, struct pinion_task *task);
void pn_lane_push_locked(struct pn_lane *lane, struct pinion_task *task);

/* Takes the oldest, NULL if there is none. Any thread; takes no lock if it is seen to be empty. */
struct pinion_task *pn_lane_pop(struct pn_lane *lane);

/* The same, and moves some of those that follow to the caller's own deque, which is empty: its fair
 * share if `takers` take from the lane, few enough that one lock pays. Who looks at the lane before
 * the deque misses none of them. */
struct pinion_task *pn_lane_pop_share(struct pn_lane *lane, unsigned takers,
                                      struct pn_deque *deque);

/* How many there are, tombstones too; at once out of date. As pn_deque_count, for the same
 * reason. */
static inline size_t pn_lane_count(const struct pn_lane *lane)
{
    return pn_load_seq_cst(&lane->count);
}

#endif
