/* SPDX-License-Identifier: MIT
 *
 * The one place that wakes, and that moves tasks between queues.
 */
#include "queueing.h"

#include "call.h"
#include "slab.h"
#include "task_quick.h"

/* Wakes who should be; false if nobody sleeps. */
static bool wake_sleeper(struct pn_crew *crew, const struct pn_neighbors *neighbors,
                         struct pn_counters *counters)
{
    const int picked = pn_idle_pick(&crew->scheduler.idle, neighbors, counters);
    if (picked >= 0)
        pn_worker_signal(pn_load_acquire(&crew->base[picked])); /* pairs with pn_crew_add_base */
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
    while ((task = pn_deque_pop(&worker->deque))) {
        pn_lane_push(&worker->node->lane, task);
        has_moved = true;
    }
    pn_slab_flush(worker->slab);
    worker->tombstones = 0;
    if (worker->is_announced)
        pn_fetch_sub_seq_cst(&worker->crew->scheduler.announced, 1u);
    worker->is_announced = false;
    if (has_moved)
        pn_crew_wake(worker->crew, worker->neighbors, &worker->counters);
}

/* ---- outside threads ---- */

/* Under the lane's lock, which keeps the node's slab and counters too. */
static struct pinion_task *create_locked(struct pn_crew_node *node, const struct pn_spawn *spawn,
                                         uintptr_t state)
{
    return pn_task_create_quickly(spawn, state, node->slab, node->arena);
}

struct pinion_task *pn_node_inject(struct pn_crew_node *node, const struct pn_spawn *spawn)
{
    pn_lock(&node->lane.lock);
    struct pinion_task *task = create_locked(node, spawn, PN_TASK_QUEUED | PN_TASK_IN_QUEUE);
    if (task && spawn->group) { /* it enters its group first, which takes the group's lock */
        pn_unlock(&node->lane.lock);
        pn_task_publish(task);
        pn_lock(&node->lane.lock);
    }
    if (task) {
        pn_count(&node->counters.queued, 1); /* as in pn_worker_push */
        pn_lane_push_locked(&node->lane, task);
        pn_count(&node->injected, 1);
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
