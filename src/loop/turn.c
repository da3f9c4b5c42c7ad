/* SPDX-License-Identifier: MIT
 *
 * What the threads of a loop do. A worker takes turns: what others have woken, what the kernel
 * tells and what is due; then the fibers that are ready; then tasks that have not begun, of its own
 * queue first. Where there is none of these it searches, and then sleeps: in the backend if
 * something is under way there, else in a futex.
 */
#include <string.h>
#include <time.h>

#include "check.h"
#include "engine.h"
#include "futex.h"
#include "loop.h"
#include "queueing.h"
#include "slab.h"
#include "task.h"
#include "trace.h"

/* So many tasks begin in a turn, before those that have begun go on. */
#define TURN_BEGINS 16u

/* To look at the clock takes a tenth of the shortest turn. */
#define TURNS_A_LOOK 32u

/* ---- sleeping ---- */

static void nap(void)
{
    const struct timespec while_ = {.tv_nsec = PN_NO_STACK_NS};
    (void)nanosleep(&while_, NULL);
}

/* An error passes, or comes again: where a filter was set up since, say. Then it is told, and not
 * asked for without a pause. */
static void wait_in_backend(struct pn_worker *worker, struct pn_engine *engine, int64_t deadline)
{
    const int error = pn_backend_wait(engine->backend, deadline);
    if (PN_LIKELY(!error))
        return;
    pn_crew_degrade(worker->crew, error, "worker %u can't wait for what is under way: %s",
                    worker->index, strerrordesc_np(-error));
    nap();
}

static void rest(struct pn_worker *worker, struct pn_engine *engine, int64_t deadline)
{
    struct pn_loop_worker *slot = engine->slot;
    if (pn_timers_next(&engine->timers) < deadline)
        deadline = pn_timers_next(&engine->timers);
    const bool waits = pn_backend_has_pending(engine->backend);
    uint32_t seen = PN_SIGNAL_CALM;
    pn_slab_flush(worker->slab);
    pn_tally(&worker->counters->parked, 1);
    /* Sequentially consistent, and then the looks at what others leave: pairs with post (engine.c)
     * and push (carrier.c). */
    if (!pn_cas_seq_cst(&worker->signal, &seen, waits ? PN_SIGNAL_WAITING : PN_SIGNAL_SLEEPING) ||
        pn_load_seq_cst(&slot->inbox) || pn_load_seq_cst(&engine->loads.carrier.recalls))
        return;
    pn_store_relaxed(&worker->counters->state, PN_STATE_PARKED);
    if (waits) {
        wait_in_backend(worker, engine, deadline);
        return;
    }
    while (pn_load_acquire(&worker->signal) == PN_SIGNAL_SLEEPING) /* pairs with who signals */
        if (pn_futex_wait(&worker->signal, PN_SIGNAL_SLEEPING, deadline) == -ETIMEDOUT)
            return;
}

void pn_loop_sleep(struct pn_worker *worker, struct pn_engine *engine, int64_t deadline)
{
    pn_waits_look(&engine->waits, true);
    PN_EVENT(park_begin, worker, 0, 0);
    rest(worker, engine, deadline);
    PN_EVENT(park_end, worker, 0, 0);
    pn_waits_tick(&engine->waits);
    /* Acquire: what came before a signal that is overwritten here; pairs with pn_worker_signal. */
    (void)pn_exchange_acquire(&worker->signal, PN_SIGNAL_CALM);
    pn_store_relaxed(&worker->counters->state,
                     worker->scout.is_searching ? PN_STATE_SEARCHING : PN_STATE_RUNNING);
}

void pn_loop_wake_waiting(struct pn_worker *worker)
{
    struct pn_loop_worker *slot = pn_loop_worker_of(worker);
    pn_fetch_add_seq_cst(&slot->visitors, 1u); /* before the look: pairs with pn_engine_destroy */
    struct pn_engine *engine = pn_load_seq_cst(&slot->engine);
    if (engine)
        pn_backend_wake(engine->backend);
    pn_fetch_sub_acq_rel(&slot->visitors, 1u);
}

/* ---- turns ---- */

static void stop_searching(struct pn_worker *worker)
{
    struct pn_crew *crew = worker->crew;
    if (worker->scout.is_searching && pn_scheduler_stop(&crew->scheduler, &worker->scout))
        pn_crew_wake(crew, worker->neighbors, worker->counters);
}

static void begin(struct pn_worker *worker, struct pn_engine *engine, struct pinion_task *task)
{
    if (!pn_deque_count(worker->deque))
        worker->tombstones = 0;
    pn_engine_begin(engine, task);
}

/* What is ready, and some of what has not begun. Whether there was any. */
static bool run_some(struct pn_worker *worker, struct pn_engine *engine)
{
    struct pn_scheduler *scheduler = &worker->crew->scheduler;
    struct pinion_task *task;
    bool was_busy = pn_engine_is_ready(engine);
    if (was_busy) {
        stop_searching(worker);
        pn_engine_turn(engine);
    }
    for (unsigned i = 0; i < TURN_BEGINS && !worker->scout.is_searching && !engine->is_lost; i++) {
        if (!pn_engine_can_begin(engine) ||
            !(task = pn_scheduler_own(scheduler, &worker->scout)))
            break;
        begin(worker, engine, task);
        was_busy = true;
    }
    return was_busy;
}

/* One step of a search. */
static void seek(struct pn_worker *worker, struct pn_engine *engine, int64_t looks)
{
    struct pn_crew *crew = worker->crew;
    const int64_t now = worker->scout.is_searching ? pn_worker_time_of_look(worker, looks) : 0;
    const struct pn_step step = pn_scheduler_step(&crew->scheduler, &worker->scout, now);
    if (step.kind == PN_STEP_RUN) {
        if (step.wants_another)
            pn_crew_wake(crew, worker->neighbors, worker->counters);
        begin(worker, engine, step.task);
    } else if (step.kind == PN_STEP_SLEEP) {
        /* Who would wake it when the crew ends has done so: it waits for the others' work to end,
         * unless it has fibers, whose ends wake it. */
        if (!pn_load_seq_cst(&crew->ending) || pn_engine_has_fibers(engine))
            pn_loop_sleep(worker, engine, INT64_MAX);
        pn_scheduler_rise(&crew->scheduler, &worker->scout);
    } else if (step.is_vain) {
        pn_slab_flush(worker->slab);
        pn_pause();
    }
}

bool pn_loop_work(struct pn_worker *worker, struct pn_engine *engine,
                  bool (*is_over)(struct pn_worker *worker, struct pn_engine *engine))
{
    unsigned turns = 0;
    for (int64_t looks = 0; !engine->is_lost; looks++) {
        pn_engine_collect(engine);
        /* Asked each turn, before who was woken after a stop runs: it looks for that, too. */
        const bool ends = is_over(worker, engine);
        if (run_some(worker, engine)) {
            looks = 0;
            if (++turns % TURNS_A_LOOK == 0)
                pn_waits_look(&engine->waits, false);
            continue;
        }
        if (ends) {
            stop_searching(worker);
            return true;
        }
        if (pn_engine_can_begin(engine)) {
            seek(worker, engine, looks);
        } else { /* it takes no task from those who can; fibers that end leave their stacks */
            stop_searching(worker);
            pn_loop_sleep(worker, engine, pn_now() + PN_NO_STACK_NS);
        }
    }
    return false;
}

/* ---- base workers ---- */

static bool crew_ends(struct pn_worker *worker, struct pn_engine *engine)
{
    struct pn_crew *crew = worker->crew;
    return pn_load_seq_cst(&crew->ending) && !pn_engine_has_fibers(engine) &&
           !pn_scheduler_has_work(&crew->scheduler);
}

/* Whether it searches, as who asks for workers counts on, is up to those who can. */
static void nap_without_engine(struct pn_worker *worker, int error)
{
    struct pn_crew *crew = worker->crew;
    pn_crew_degrade(crew, error, "worker %u had to wait for what it waits in: %s", worker->index,
                    strerrordesc_np(-error));
    stop_searching(worker);
    nap();
    pn_scout_begin(&worker->scout);
    pn_idle_search(&crew->scheduler.idle, worker->neighbors->home);
}

/* What was queued counts on this thread, so it does not end without an engine: it asks again. */
static bool create_engine(struct pn_worker *worker, struct pn_engine **engine)
{
    struct pn_crew *crew = worker->crew;
    int error;
    while ((error = pn_engine_create(pn_loop_worker_of(worker), engine))) {
        if (pn_load_seq_cst(&crew->ending) && !pn_scheduler_has_work(&crew->scheduler))
            return false;
        nap_without_engine(worker, error);
    }
    return true;
}

struct pn_worker *pn_loop_base_live(struct pn_worker *worker)
{
    struct pn_engine *engine;
    pn_scout_begin(&worker->scout); /* whoever started the thread counted it */
    if (!create_engine(worker, &engine)) {
        stop_searching(worker);
        return NULL;
    }
    if (!pn_loop_work(worker, engine, crew_ends))
        return NULL; /* the child of a fork; this thread is all there is of it */
    pn_engine_destroy(engine);
    return NULL;
}
