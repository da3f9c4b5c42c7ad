/* SPDX-License-Identifier: MIT
 *
 * Which workers sleep, and how many look for work: who to wake, and whether to. A wake is paid for
 * by a task that was queued, and each task pays once.
 *
 * Whoever queues a task then asks for a worker (pn_idle_pick), which is given only if nobody of the
 * node is already looking: a searcher finds the task, and the last searcher of a node that finds
 * one asks for the next worker. The rule that holds whenever nobody is in the middle of a step:
 *
 *   a task is queued and a worker sleeps  =>  somebody searches
 *
 * It is kept by one total order of sequentially consistent accesses:
 *
 *   who queues:  writes the queue  |  reads searching and sleeping, then the bits
 *   the last that stops searching:  writes bits, sleeping, searching  |  reads every queue
 *
 * Either the first reads that nobody searches and who sleeps, or the second reads that there is a
 * task. Who isn't the last leaves the rule to those that still search.
 *
 * Who is to wake one must find a task to pay with, so this holds too, of all that is counted
 * together (a task is taken by who runs it):
 *
 *   woken <= queued, and woken - taken <= workers that were woken and still search
 *
 * When nobody searches, no more were woken than tasks are taken, and each that is still queued can
 * pay. The first is kept by changes of woken. For the second, who was woken and finds nothing
 * searches on until it has seen woken <= taken.
 */
#ifndef PN_IDLE_H
#define PN_IDLE_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include "atomic.h"
#include "counters.h"

struct pn_neighbors;

/* searching: workers that are awake without a task, those just woken included. sleeping: at least
 * the number of the node's bits that stay set. Signed: who was picked may be awake, and stop
 * searching, before the picker has counted it. */
struct pn_idle_node {
    alignas(PN_LINE_PAIR) _Atomic(int) searching;
    _Atomic(int) sleeping;
    unsigned workers; /* constant */
};

/* bits: one a worker, set by it when it goes to sleep, cleared by whoever wakes it or by itself.
 * Lock-free. */
struct pn_idle {
    unsigned workers, places, node_count;
    const unsigned *node_of_place; /* borrowed; worker i is on node_of_place[i % places] */
    struct pn_idle_node *nodes;
    _Atomic(uint64_t) *bits;
    _Atomic(struct pn_counters *) counted; /* the newest first; they stay */
    _Atomic(struct pn_counters *) payer;   /* paid for one that queued nothing, lately. A hint */
};

enum { PN_IDLE_NONE_NEEDED = -1, PN_IDLE_NONE_ASLEEP = -2 };

/* Makes a set of awake workers, of which none searches. places is not 0 unless workers is; nodes
 * are below node_count, which isn't 0. 0 or -ENOMEM. */
int pn_idle_init(struct pn_idle *idle, unsigned workers, const unsigned *node_of_place,
                 unsigned places, unsigned node_count);
void pn_idle_fini(struct pn_idle *idle);

/* Tasks will be queued or taken that are counted here; borrowed. Any thread. */
void pn_idle_add(struct pn_idle *idle, struct pn_counters *counters);

static inline unsigned pn_idle_node_of(const struct pn_idle *idle, unsigned worker)
{
    return idle->node_of_place[worker % idle->places];
}

/* Whether a worker has nothing to do. After a push it takes part in the order above. */
bool pn_idle_is_hungry(const struct pn_idle *idle);

/* Whether anybody searches. */
bool pn_idle_is_searched(const struct pn_idle *idle);

/* After queueing: the worker to wake, paid for, now counted as searching and no longer asleep: the
 * nearest by the neighbors given, one of another node only if all of the neighbors' own are awake
 * and nobody searches anywhere. Or PN_IDLE_NONE_NEEDED, or PN_IDLE_NONE_ASLEEP. counters: the
 * caller's, which pay if they can. Any thread. */
int pn_idle_pick(struct pn_idle *idle, const struct pn_neighbors *neighbors,
                 struct pn_counters *counters);

/* Whether there was a moment, just now, at which as many tasks had been taken as workers were
 * woken: then who was woken for nothing may lie down. */
bool pn_idle_is_settled(const struct pn_idle *idle);

/* A worker of a node begins to search. */
static inline void pn_idle_search(struct pn_idle *idle, unsigned node)
{
    pn_fetch_add_seq_cst(&idle->nodes[node].searching, 1);
}

/* By how many more of a node's workers search than are of use, which is half of them, and one at
 * least. A hint. */
static inline int pn_idle_excess(const struct pn_idle *idle, unsigned node)
{
    const int half = (int)(idle->nodes[node].workers / 2);
    return pn_load_relaxed(&idle->nodes[node].searching) - (half ? half : 1);
}

/* A worker that searched stops, and stays awake. True if it was its node's last: if there is more
 * to do on its node, or anywhere and nobody searches, it is to ask for another. */
static inline bool pn_idle_found(struct pn_idle *idle, unsigned node)
{
    return pn_fetch_sub_seq_cst(&idle->nodes[node].searching, 1) <= 1;
}

/* A worker that searched is about to sleep. True if it was its node's last: then it must look at
 * every queue, and rise if there is something. */
bool pn_idle_lie_down(struct pn_idle *idle, unsigned worker);

/* It does not sleep any more; it searches. True if it rose by itself, false if it had been
 * picked. */
bool pn_idle_rise(struct pn_idle *idle, unsigned worker);

#endif
