/* SPDX-License-Identifier: MIT
 *
 * The interface's calls on a loop: where a new task goes.
 */
#include <errno.h>
#include <sched.h>

#include "detail.h"
#include "loop.h"
#include "parking.h"
#include "queueing.h"
#include "task_quick.h"

/* So many tasks that have not begun stand in a queue before async runs more in their maker: what is
 * queued may overlap in its waits, so many is better than few, but there must be an end. */
#define QUEUED_MAX 65536

/* Whether somebody is there to run what an outside thread queues: a worker of ours, or one in
 * pinion_loop_run. */
static bool is_staffed(struct pn_crew *crew, unsigned node)
{
    return pn_load_acquire(&pn_loop_of(crew)->is_staffed) || pn_crew_is_staffed(crew, node);
}

/* The same for a slot's thread: a worker is that itself. */
static bool is_staffed_for(struct pn_worker *worker)
{
    return worker->role == PN_BASE || is_staffed(worker->crew, worker->neighbors->home);
}

/* Of a task that is queued. */
static uintptr_t state_of(const struct pn_spawn *spawn)
{
    return (spawn->kind == PN_CONCURRENT ? PN_TASK_RUNNING : PN_TASK_QUEUED) | PN_TASK_IN_QUEUE;
}

/* NULL when out of memory. */
static struct pinion_task *worker_queue(struct pn_worker *worker, const struct pn_spawn *spawn)
{
    if (!pn_deque_has_room(worker->deque, true))
        return NULL;
    struct pinion_task *task = pn_task_create_quickly(spawn, state_of(spawn), worker->slab,
                                                      worker->node->arena);
    if (task) {
        pn_task_publish(task);
        pn_worker_push(worker, task);
        pn_worker_offer(worker, false);
    }
    return task;
}

static struct pinion_task *outside_queue(struct pn_crew *crew, struct pn_crew_node *node,
                                         const struct pn_spawn *spawn)
{
    struct pinion_task *task = pn_node_inject(node, spawn, state_of(spawn));
    if (task)
        pn_crew_wake(crew, node->neighbors, &node->record->counters);
    return task;
}

static bool loop_queue(struct pinion_io *io, const struct pn_spawn *spawn,
                       struct pinion_task **queued)
{
    struct pn_crew *crew = pn_crew_of(io);
    struct pn_worker *worker = pn_membership_find(crew);
    struct pinion_task *task = NULL;
    if (worker) {
        const bool is_full = pn_deque_count(worker->deque) >= QUEUED_MAX && !pn_is_stack_low();
        if (!is_full && is_staffed_for(worker))
            task = worker_queue(worker, spawn);
        if (!task && !spawn->is_optional)
            pn_tally_plain(&worker->head->shared.inlined, 1);
    } else {
        struct pn_crew_node *node = pn_crew_node_here(crew);
        const bool is_full = pn_lane_count(&node->lane) >= QUEUED_MAX;
        if (!is_full && is_staffed(crew, node->neighbors->home))
            task = outside_queue(crew, node, spawn);
        if (!task && !spawn->is_optional)
            pn_tally_shared(&node->record->inlined, UINT64_C(1));
    }
    if (task)
        *queued = task; /* without a future the task may be gone, and nobody reads this */
    return task != NULL;
}

static int no_staff(void)
{
    return pn_error(EAGAIN, "nobody is there to run a concurrent task: cpu_count is 1 and no "
                            "thread is in pinion_loop_run, or no thread can be had");
}

static int spawn_fiber(struct pn_crew *crew, const struct pn_spawn *spawn,
                       struct pinion_task **started)
{
    if (PN_UNLIKELY(spawn->stack_bytes != 0)) {
        const int error = pn_loop_try_stack(pn_loop_of(crew), spawn->stack_bytes);
        if (error)
            return error;
    }
    struct pn_worker *worker = pn_membership_find(crew);
    struct pinion_task *task;
    if (worker) {
        if (!is_staffed_for(worker))
            return no_staff();
        task = worker_queue(worker, spawn);
    } else {
        struct pn_crew_node *node = pn_crew_node_here(crew);
        if (!is_staffed(crew, node->neighbors->home))
            return no_staff();
        task = outside_queue(crew, node, spawn);
    }
    if (!task)
        return pn_error(ENOMEM, "out of memory for a task of %zu + %zu bytes",
                        spawn->call->context_size, spawn->call->result_size);
    *started = task;
    return 0;
}

/* What is neither concurrent nor parallel is a call that blocks its thread (lookup.c). */
static int loop_spawn(struct pinion_io *io, const struct pn_spawn *spawn,
                      struct pinion_task **started)
{
    if (spawn->kind == PN_CONCURRENT)
        return spawn_fiber(pn_crew_of(io), spawn, started);
    return pn_crew_spawn(io, spawn, started);
}

/* Who waits looks for nothing else: a fiber lets the others on its thread run, which is what there
 * is to do; and what a thread would take could wait for what the thread waits for. */
static void *find_no_help(struct pinion_io *io, struct pinion_task *awaited)
{
    (void)io;
    (void)awaited;
    return NULL;
}

/* By a thread: it has no others to run. */
static void loop_yield(struct pinion_io *io)
{
    if (pn_crew_of(io)->idle_mode != PINION_IDLE_POLL)
        (void)sched_yield();
}

static void loop_blocking(struct pinion_io *io)
{
    struct pn_worker *worker = pn_membership_find(pn_crew_of(io));
    if (worker)
        pn_worker_flush(worker);
}

const struct pn_io_vtable pn_loop_vtable = {
    .queue = loop_queue,
    .spawn = loop_spawn,
    .take_own = pn_crew_take_own,
    .claimed = pn_crew_claimed,
    .find_help = find_no_help,
    .drop = pn_crew_drop,
    .timed = pn_crew_timed,
    .yield = loop_yield,
    .park = pn_parking_park,
    .unpark = pn_parking_unpark,
    .blocking = loop_blocking,
};
