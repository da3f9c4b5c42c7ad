/* SPDX-License-Identifier: MIT
 *
 * Which workers sleep, and how many look for work: who to wake, and whether to.
 *
 * Whoever queues a task then asks for a worker (pn_idle_pick), which is given only if nobody is
 * already looking: a searcher finds the task, and the last searcher that finds one asks for the
 * next worker. Nothing is lost, by one total order of sequentially consistent accesses:
 *
 *   who queues:  writes the queue  |  reads searching, then sleeping, then the bits
 *   who sleeps:  writes its bit, sleeping and searching  |  reads every queue
 *
 * Either the first reads that the other sleeps, or the second reads that there is a task.
 */
#ifndef PN_IDLE_H
#define PN_IDLE_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include "atomic.h"

struct pn_neighbors;

/* bits: one a worker, set by it when it goes to sleep, cleared by whoever wakes it or by itself.
 * sleeping: at least the number of set bits at any moment that a bit stays set; searching: workers
 * that are awake without a task, those just woken included. Lock-free. */
struct pn_idle {
    unsigned workers;
    _Atomic(uint64_t) *bits;
    alignas(PN_LINE_PAIR) _Atomic(unsigned) searching;
    alignas(PN_LINE_PAIR) _Atomic(unsigned) sleeping;
};

enum { PN_IDLE_NONE_NEEDED = -1, PN_IDLE_NONE_ASLEEP = -2 };

/* Makes a set of awake workers, of which none searches. 0 or -ENOMEM. */
int pn_idle_init(struct pn_idle *idle, unsigned workers);
void pn_idle_fini(struct pn_idle *idle);

/* Whether a worker has nothing to do. After a push it takes part in the order above. */
static inline bool pn_idle_is_hungry(const struct pn_idle *idle)
{
    return pn_load_seq_cst(&idle->sleeping) || pn_load_seq_cst(&idle->searching);
}

/* After queueing: the worker to wake, the nearest by the neighbors given, now counted as searching
 * and no longer asleep; or PN_IDLE_NONE_NEEDED, or PN_IDLE_NONE_ASLEEP. Any thread. */
int pn_idle_pick(struct pn_idle *idle, const struct pn_neighbors *neighbors);

/* A worker begins to search. */
static inline void pn_idle_search(struct pn_idle *idle)
{
    pn_fetch_add_seq_cst(&idle->searching, 1u);
}

/* A worker that searched has found a task: true if it was the last, and is to ask for another. */
static inline bool pn_idle_found(struct pn_idle *idle)
{
    return pn_fetch_sub_seq_cst(&idle->searching, 1u) == 1;
}

/* A worker that searched is about to sleep. It must look at every queue after this, and at what
 * pn_idle_rise says before it looks for work again. */
void pn_idle_lie_down(struct pn_idle *idle, unsigned worker);

/* It does not sleep any more; it searches. True if it rose by itself, false if it had been
 * picked. */
bool pn_idle_rise(struct pn_idle *idle, unsigned worker);

#endif
