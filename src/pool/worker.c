/* SPDX-License-Identifier: MIT
 *
 * What the threads of a pool do: a base worker looks for async tasks, a reserve thread runs what it
 * is handed.
 */
#include "futex.h"
#include "pool.h"
#include "queueing.h"
#include "slab.h"
#include "spin.h"
#include "trace.h"

/* ---- base workers ---- */

/* The slot that the thread is in afterwards, another one if the task blocked; NULL: it ends. */
static struct pn_worker *run(struct pn_worker *worker, struct pinion_task *task)
{
    bool goes_on = true;
    pn_ask(&worker->head->shared); /* an entry less */
    pn_task_run_at(task, worker, pn_deque_bottom(worker->deque));
    if (pn_crew_is_lost(worker->crew))
        return NULL;
    pn_modes_set(&worker->crew->modes); /* for the next, whatever this one made of them */
    struct pn_worker *now = pn_membership_own();
    if (now != worker)
        goes_on = pn_worker_end_reservation(now);
    pn_task_end(task, now->slab);
    if (now == worker && worker->is_loose)
        pn_worker_take_seat(worker);
    if (goes_on)
        return now;
    pn_pool_run_the_rest(now);
    return NULL;
}

void pn_pool_run_the_rest(struct pn_worker *worker)
{
    struct pinion_task *task;
    while (!pn_crew_is_lost(worker->crew) && (task = pn_scout_injected(&worker->scout)))
        (void)run(worker, task);
}

/* Between two rounds. Those who poll where others do too stay off the others' lines for longer the
 * longer nothing came. */
#define PAUSES_MAX 64u

static void pause_between(const struct pn_worker *worker, unsigned *pauses)
{
    const struct pn_idle *idle = &worker->crew->scheduler.idle;
    const bool is_crowded = pn_idle_excess(idle, worker->neighbors->home) > 0;
    *pauses = is_crowded && *pauses < PAUSES_MAX ? *pauses * 2 : is_crowded ? PAUSES_MAX : 1;
    for (unsigned i = 0; i < *pauses; i++)
        pn_pause();
}

/* Sleeps until there may be work. The worker has lain down. */
static void sleep_for_work(struct pn_worker *worker)
{
    struct pn_crew *crew = worker->crew;
    pn_slab_flush(worker->slab);
    if (!pn_load_seq_cst(&crew->ending)) {
        pn_tally(&worker->counters->parked, 1);
        PN_EVENT(park_begin, worker, 0, 0);
        pn_worker_sleep(worker);
        PN_EVENT(park_end, worker, 0, 0);
    }
    /* A signal that comes after this, from who picked this worker meanwhile, wakes it once in vain.
     * Acquire: what came before one that is overwritten here, as that the pool ends; pairs with
     * pn_worker_signal. */
    (void)pn_exchange_acquire(&worker->signal, PN_SIGNAL_CALM);
    pn_scheduler_rise(&crew->scheduler, &worker->scout);
}

/* Searches until there is a task to run, and wakes another if there are more; NULL: the pool
 * ends. */
static struct pinion_task *next_task(struct pn_worker *worker)
{
    struct pn_crew *crew = worker->crew;
    unsigned pauses = 1;
    for (int64_t looks = 0;; looks++) {
        const int64_t now = worker->scout.is_searching ? pn_worker_time_of_look(worker, looks) : 0;
        const struct pn_step step = pn_scheduler_step(&crew->scheduler, &worker->scout, now);
        if (step.kind == PN_STEP_RUN) {
            if (step.wants_another)
                pn_crew_wake(crew, worker->neighbors, worker->counters);
            return step.task;
        }
        if (step.kind == PN_STEP_SLEEP)
            sleep_for_work(worker);
        if (step.kind == PN_STEP_LOOK && !step.is_vain)
            continue;
        if (pn_load_seq_cst(&crew->ending) && !pn_scheduler_has_work(&crew->scheduler))
            return NULL;
        pn_slab_flush(worker->slab); /* now idle: what it holds of others goes home */
        pause_between(worker, &pauses);
    }
}

struct pn_worker *pn_pool_base_live(struct pn_worker *worker)
{
    struct pinion_task *task;
    pn_scout_begin(&worker->scout); /* whoever started the thread counted it */
    while ((task = next_task(worker))) {
        if (!pn_deque_count(worker->deque))
            worker->tombstones = 0;
        struct pn_worker *now = run(worker, task);
        if (now != worker)
            return now;
    }
    (void)pn_idle_found(&worker->crew->scheduler.idle, worker->neighbors->home);
    return NULL;
}

/* ---- reserve threads ---- */

void pn_pool_run_reserved(struct pn_worker *worker, struct pinion_task *task)
{
    pn_task_run_at(task, worker, pn_deque_bottom(worker->deque));
}

void pn_pool_make_way(void)
{
    struct pn_worker *worker = pn_membership_own();
    if (!worker || worker->role != PN_BASE || worker->crew->kind != &pn_pool_kind ||
        pn_crew_is_lost(worker->crew))
        return;
    struct pn_worker *reserve = pn_crew_stand_in(worker);
    if (!reserve)
        return;
    pn_worker_name_thread(reserve);
    if (!reserve->is_loose)
        pn_worker_float_over(reserve, reserve->node);
}
