/* SPDX-License-Identifier: MIT
 *
 * The one place that wakes, and that moves tasks between queues.
 */
#include "queueing.h"

#include <errno.h>

#include "detail.h"
#include "slab.h"
#include "task_quick.h"

/* Wakes who should be; false if nobody sleeps. */
static bool wake_sleeper(struct pn_crew *crew, const struct pn_neighbors *neighbors,
                         struct pn_counters *counters)
{
    const int picked = pn_idle_pick(&crew->scheduler.idle, neighbors, counters);
    if (picked >= 0) {
        struct pn_worker *sleeper = pn_load_acquire(&crew->base[picked]); /* pn_crew_add_base's */
        PN_EVENT(wake, sleeper, 0, 0);
        pn_worker_signal(sleeper);
    }
    return picked != PN_IDLE_NONE_ASLEEP;
}

void pn_crew_wake(struct pn_crew *crew, const struct pn_neighbors *neighbors,
                  struct pn_counters *counters)
{
    if (wake_sleeper(crew, neighbors, counters) || !pn_load_relaxed(&crew->base_missing))
        return;
    if (!pn_crew_grow(crew, neighbors->home))
        (void)wake_sleeper(crew, neighbors, counters);
}

void pn_worker_flush(struct pn_worker *worker)
{
    struct pinion_task *task;
    bool has_moved = false;
    pn_ask(&worker->head->shared);
    while ((task = pn_deque_pop(worker->deque))) {
        pn_lane_push(&worker->node->lane, task);
        has_moved = true;
    }
    pn_slab_flush(worker->slab);
    worker->tombstones = 0;
    if (worker->is_announced)
        pn_fetch_sub_seq_cst(&worker->crew->scheduler.announced, 1u);
    worker->is_announced = false;
    if (has_moved)
        pn_crew_wake(worker->crew, worker->neighbors, worker->counters);
}

/* ---- outside threads ---- */

/* Under the lane's lock, which keeps the node's slab and counters too. */
static struct pinion_task *create_locked(struct pn_crew_node *node, const struct pn_spawn *spawn,
                                         uintptr_t state)
{
    return pn_task_create_quickly(spawn, state, node->slab, node->arena);
}

struct pinion_task *pn_node_inject(struct pn_crew_node *node, const struct pn_spawn *spawn,
                                   uintptr_t state)
{
    pn_lock(&node->lane.lock);
    struct pinion_task *task = create_locked(node, spawn, state);
    if (task && spawn->group) { /* it enters its group first, which takes the group's lock */
        pn_unlock(&node->lane.lock);
        pn_task_publish(task);
        pn_lock(&node->lane.lock);
    }
    if (task) {
        PN_EVENT(queued, task, task->start, pn_lane_count(&node->lane) + 1);
        pn_count(&node->record->counters.queued, 1); /* as in pn_worker_push */
        pn_lane_push_locked(&node->lane, task);
    }
    pn_unlock(&node->lane.lock);
    return task;
}

struct pinion_task *pn_node_create_task(struct pn_crew_node *node, const struct pn_spawn *spawn,
                                        uintptr_t state)
{
    pn_lock(&node->lane.lock);
    struct pinion_task *task = create_locked(node, spawn, state);
    pn_unlock(&node->lane.lock);
    return task;
}

/* ---- entries of the vtable ---- */

int pn_crew_spawn(struct pinion_io *io, const struct pn_spawn *spawn,
                  struct pinion_task **started)
{
    struct pn_crew *crew = pn_crew_of(io);
    struct pn_worker *worker = pn_membership_find(crew);
    struct pn_crew_node *node = worker ? worker->node : pn_crew_node_here(crew);
    if (PN_UNLIKELY(spawn->stack_bytes != 0) && spawn->stack_bytes > pn_crew_thread_stack(crew))
        return pn_error(EINVAL, "a stack of %zu bytes: the threads have %zu (stack_bytes)",
                        spawn->stack_bytes, pn_crew_thread_stack(crew));
    pn_prefetch_write(&crew->lock); /* which the thread that ended last has */
    /* Running from the start: it is never queued, and an await can't claim it. */
    struct pinion_task *task =
        worker ? pn_task_create_quickly(spawn, PN_TASK_RUNNING, worker->slab, node->arena)
               : pn_node_create_task(node, spawn, PN_TASK_RUNNING);
    if (!task)
        return pn_error(ENOMEM, "out of memory for a task of %zu + %zu bytes",
                        spawn->call->context_size, spawn->call->result_size);
    pn_task_publish(task);
    PN_EVENT(queued, task, task->start, 0);
    const int error = pn_crew_reserve_run(crew, task, node);
    if (error)
        (void)pn_task_withdraw(task, worker ? worker->slab : NULL);
    else
        *started = task; /* a member may be gone by now */
    return error;
}

/* Entries that were claimed are in the way of the owner's later pops: takes the youngest ones
 * out. */
static void sweep_tombstones(struct pn_worker *worker)
{
    struct pinion_task *task;
    while (worker->tombstones && (task = pn_deque_pop(worker->deque))) {
        if (!pn_task_is_tombstone(task)) { /* only this thread's claims are looked for */
            if (!pn_deque_push(worker->deque, task, false)) /* cannot be: there was room */
                pn_lane_push(&worker->node->lane, task);
            return;
        }
        if (pn_task_take(task, worker->slab)) { /* cannot be either: it was claimed */
            pn_store_relaxed(&task->state, PN_TASK_QUEUED | PN_TASK_IN_QUEUE);
            pn_lane_push(&worker->node->lane, task);
        }
        worker->tombstones--;
    }
    worker->tombstones = 0;
}

bool pn_crew_take_own(struct pinion_io *io, struct pinion_task *task)
{
    struct pn_worker *worker = pn_membership_find(pn_crew_of(io));
    if (!worker || PN_UNLIKELY(pn_task_stack_bytes(task) != 0) ||
        !pn_deque_pop_if(worker->deque, task))
        return false;
    pn_store_relaxed(&task->state, PN_TASK_RUNNING); /* nobody else knows it */
    pn_ask(&worker->head->shared); /* an entry less */
    pn_count(&worker->counters->claimed, 1);
    if (worker->tombstones)
        sweep_tombstones(worker);
    return true;
}

void pn_crew_claimed(struct pinion_io *io, struct pinion_task *task)
{
    struct pn_crew *crew = pn_crew_of(io);
    struct pn_worker *worker = pn_membership_find(crew);
    if (!worker) {
        pn_fetch_add_relaxed(&pn_crew_node_here(crew)->record->counters.claimed, UINT64_C(1));
        return;
    }
    pn_ask(&worker->head->shared);
    pn_count(&worker->counters->claimed, 1);
    if (pn_deque_pop_if(worker->deque, task)) {
        pn_fetch_and_acq_rel(&task->state, ~PN_TASK_IN_QUEUE); /* out of the queue already */
        if (worker->tombstones)
            sweep_tombstones(worker);
    } else if (pn_deque_count(worker->deque) > worker->tombstones) {
        worker->tombstones++; /* unless it stood elsewhere: it is an upper bound */
    }
}

void pn_crew_drop(struct pinion_io *io, struct pinion_task *task)
{
    struct pn_worker *worker = pn_membership_find(pn_crew_of(io));
    pn_task_drop_quickly(task, worker ? worker->slab : NULL);
}
