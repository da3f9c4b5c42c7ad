/* SPDX-License-Identifier: MIT
 *
 * The interface's calls on a pool: where a new task goes.
 */
#include <errno.h>
#include <sched.h>

#include "parking.h"
#include "pool.h"
#include "queueing.h"
#include "slab.h"
#include "task_quick.h"

/* So many entries in a worker's deque are enough work for thieves while none is hungry; more are
 * run in place, which is where they would be run in the end. Few, since a tree of tasks that keeps
 * k of them queued comes back to its queue about as often as its depth to the power of k. */
#define ENOUGH_QUEUED 3

/* So many in a lane for each worker are enough of what outside threads make, who is hungry or not:
 * twice what one takes at a time. */
#define ENOUGH_INJECTED 64

/* ---- workers ---- */

static bool is_eager(const struct pn_worker *worker)
{
    return pn_pool_of(&worker->crew->io)->is_eager;
}

static size_t enough(const struct pn_worker *worker)
{
    return ENOUGH_QUEUED + (size_t)worker->tombstones;
}

/* Whether a task is to be run in place for good reason. */
static bool is_enough(struct pn_worker *worker)
{
    struct pn_crew *crew = worker->crew;
    if (crew->base_limit == 0) {
        pn_plain_store_relaxed(&worker->head->shared.runs, &crew->io); /* there are no thieves */
        return true;
    }
    if (is_eager(worker) || pn_deque_count(worker->deque) < enough(worker) ||
        pn_crew_is_hungry(crew) || pn_deque_is_requested(worker->deque) || pn_is_stack_low())
        return false;
    pn_ask_no_more(&worker->head->shared, &crew->io, worker->deque, enough(worker));
    return true;
}

/* What its maker will await may stay private while nobody is hungry: with `eager`, where much is
 * queued that the maker takes back. Else little is, and it is for others. */
static bool may_keep(const struct pn_worker *worker, const struct pn_spawn *spawn)
{
    return is_eager(worker) && !spawn->group && spawn->kind != PN_DETACHED;
}

static bool worker_queue(struct pn_worker *worker, const struct pn_spawn *spawn,
                         struct pinion_task **queued)
{
    if (is_enough(worker) || !pn_crew_is_staffed(worker->crew, worker->neighbors->home) ||
        !pn_deque_has_room(worker->deque, is_eager(worker)))
        return false;
    struct pinion_task *task = pn_task_create_quickly(spawn, PN_TASK_QUEUED | PN_TASK_IN_QUEUE,
                                              worker->slab, worker->node->arena);
    if (!task)
        return false;
    *queued = task; /* before others know it: after, a task without a future may be gone */
    pn_task_publish(task);
    pn_worker_push(worker, task);
    pn_worker_offer(worker, may_keep(worker, spawn));
    return true;
}

/* ---- outside threads ---- */

static bool outside_queue(struct pinion_pool *pool, const struct pn_spawn *spawn,
                          struct pinion_task **queued)
{
    struct pn_crew *crew = &pool->crew;
    struct pn_crew_node *node = pn_crew_node_here(crew);
    const size_t count = pn_lane_count(&node->lane);
    const bool has_enough = !pool->is_eager && count >= ENOUGH_INJECTED * (size_t)crew->base_limit;
    struct pinion_task *task = NULL;
    if (crew->base_limit && !has_enough && pn_crew_is_staffed(crew, node->neighbors->home))
        task = pn_node_inject(node, spawn, PN_TASK_QUEUED | PN_TASK_IN_QUEUE);
    if (!task) {
        if (!spawn->is_optional)
            pn_tally_shared(&node->record->inlined, UINT64_C(1));
        return false;
    }
    *queued = task; /* without a future the task may be gone, and nobody reads this */
    pn_crew_wake(crew, node->neighbors, &node->record->counters);
    return true;
}

/* ---- the interface ---- */

static bool pool_queue(struct pinion_io *io, const struct pn_spawn *spawn,
                       struct pinion_task **queued)
{
    struct pn_worker *worker = pn_membership_find(pn_crew_of(io));
    if (!worker)
        return outside_queue(pn_pool_of(io), spawn, queued);
    if (worker_queue(worker, spawn, queued))
        return true;
    if (!spawn->is_optional)
        pn_tally_plain(&worker->head->shared.inlined, 1);
    return false;
}

/* ---- helping ---- */

/* Who waits for a task may take what its runner has queued since it began it: that task, and what
 * it waits for, made it. Nothing else, and nothing but async tasks that someone will await: what
 * runs on the waiting thread's stack is work that it waits for. */
struct helping {
    struct pinion_task *awaited;
    void *runner;
};

static bool may_help(struct pinion_task *task, void *context)
{
    const struct helping *helping = context;
    return task->kind == PN_ASYNC && !task->is_member &&
           pn_task_runs_at(helping->awaited, helping->runner);
}

static void *pool_find_help(struct pinion_io *io, struct pinion_task *awaited)
{
    struct helping helping = {.awaited = awaited, .runner = pn_task_runner(awaited)};
    struct pn_worker *runner = helping.runner;
    struct pn_worker *worker = runner ? pn_membership_find(pn_crew_of(io)) : NULL;
    struct pinion_task *task;
    if (!worker || worker == runner)
        return NULL;
    while ((task = pn_deque_steal_since(runner->deque, awaited->first, may_help, &helping))) {
        pn_let_ask(runner->scout.head);
        if (!pn_scout_take(&worker->scout, task))
            continue;
        pn_scout_count_stolen(&worker->scout, &runner->scout);
        return task;
    }
    if (pn_deque_count(runner->deque)) {
        pn_deque_request(runner->deque);
        pn_let_ask(runner->scout.head);
    }
    return NULL;
}

static void pool_run_help(struct pinion_io *io, void *found)
{
    struct pn_crew *crew = pn_crew_of(io);
    struct pn_worker *worker = pn_membership_find(crew);
    const struct pn_note note = pn_note_take();
    const int saved = errno;
    pn_task_run_at(found, worker, pn_deque_bottom(worker->deque));
    errno = saved;
    pn_note_recall(&note);
    worker = pn_membership_find(crew); /* it may have made way */
    pn_task_end(found, worker->slab);
}

static void pool_yield(struct pinion_io *io)
{
    /* Every task has a thread, and the kernel gives the turns. */
    if (pn_crew_of(io)->idle_mode != PINION_IDLE_POLL)
        (void)sched_yield();
}

/* What is in the caller's own queue goes to those who look there; a base worker's whole slot goes
 * to another thread. */
static void pool_blocking(struct pinion_io *io)
{
    pn_pool_make_way();
    struct pn_worker *worker = pn_membership_find(pn_crew_of(io));
    if (worker)
        pn_worker_flush(worker);
}

const struct pn_io_vtable pn_pool_vtable = {
    .queue = pool_queue,
    .spawn = pn_crew_spawn,
    .take_own = pn_crew_take_own,
    .claimed = pn_crew_claimed,
    .find_help = pool_find_help,
    .run_help = pool_run_help,
    .drop = pn_crew_drop,
    .timed = pn_crew_timed,
    .yield = pool_yield,
    .park = pn_parking_park,
    .unpark = pn_parking_unpark,
    .blocking = pool_blocking,
};
