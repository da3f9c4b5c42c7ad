/* SPDX-License-Identifier: MIT
 *
 * Putting tasks where a crew's workers find them, and waking those: on the deque of the calling
 * thread's slot, or by an outside thread into a node's lane. Not whether a task is to be queued,
 * which is for pool or loop to say.
 */
#ifndef PN_QUEUEING_H
#define PN_QUEUEING_H

#include "crew.h"
#include "trace.h"

struct pn_spawn;

/* Whether a worker is without a task, or could be had: a seat without a thread. */
static inline bool pn_crew_is_hungry(const struct pn_crew *crew)
{
    return pn_idle_is_hungry(&crew->scheduler.idle) || pn_load_relaxed(&crew->base_missing);
}

/* Whether a task is to be queued at all: a thread of ours must be there to run it, and is started
 * if there is none. node: the caller's. */
static inline bool pn_crew_is_staffed(struct pn_crew *crew, unsigned node)
{
    if (pn_load_relaxed(&crew->ending))
        return false;
    /* Acquire: pairs with pn_crew_grow. */
    return pn_load_acquire(&crew->base_alive) || pn_crew_grow(crew, node) ||
           pn_load_acquire(&crew->base_alive);
}

/* Something was queued: wakes a worker, or starts one, if that is called for. */
void pn_crew_wake(struct pn_crew *crew, const struct pn_neighbors *neighbors,
                  struct pn_counters *counters);

/* Puts a task on the deque of the calling thread's slot, where there is room. */
static inline void pn_worker_push(struct pn_worker *worker, struct pinion_task *task)
{
    if (PN_UNLIKELY(worker->role == PN_RESERVE) && !worker->is_announced) {
        /* Before the push, so that who looks for work and sees none here is who must be woken. */
        pn_fetch_add_seq_cst(&worker->crew->scheduler.announced, 1u);
        worker->is_announced = true;
    }
    PN_EVENT(queued, task, task->start, pn_deque_count(worker->deque) + 1);
    pn_count(&worker->counters->queued, 1); /* before it can be found: it may pay for a wake */
    pn_deque_add(worker->deque, task);
}

/* After a push: shows it to others and wakes one, if they want it. may_keep: it may stay private
 * else. */
static inline void pn_worker_offer(struct pn_worker *worker, bool may_keep)
{
    struct pn_crew *crew = worker->crew;
    const bool is_wanted = pn_crew_is_hungry(crew) || pn_deque_is_requested(worker->deque);
    if (is_wanted || !may_keep)
        pn_deque_publish(worker->deque);
    if (is_wanted)
        pn_crew_wake(crew, worker->neighbors, worker->counters);
}

/* Moves what is left in a slot's deque to its node's lane, and sends home the blocks of others that
 * its slab holds. By the slot's thread, or when it has none. */
void pn_worker_flush(struct pn_worker *worker);

/* Makes a task in a node's memory, by a thread that has no slot. Not published. NULL when out of
 * memory. */
struct pinion_task *pn_node_create_task(struct pn_crew_node *node, const struct pn_spawn *spawn,
                                        uintptr_t state);
/* The same, published and put into the node's lane: it may be gone after. The caller is to wake a
 * worker (pn_crew_wake). */
struct pinion_task *pn_node_inject(struct pn_crew_node *node, const struct pn_spawn *spawn,
                                   uintptr_t state);

/* Entries of the vtable (interface.h): those that are the same for pool and loop, and spawn for a
 * task that is to have a thread of its own. */
int pn_crew_spawn(struct pinion_io *io, const struct pn_spawn *spawn,
                  struct pinion_task **started);
bool pn_crew_take_own(struct pinion_io *io, struct pinion_task *task);
void pn_crew_claimed(struct pinion_io *io, struct pinion_task *task);
void pn_crew_drop(struct pinion_io *io, struct pinion_task *task);
void pn_crew_timed(struct pinion_io *io, int64_t waited, int64_t ran); /* times.c */

#endif
