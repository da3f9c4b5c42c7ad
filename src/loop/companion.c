/* SPDX-License-Identifier: MIT
 *
 * Parallel tasks. Each has a thread, and that has a backend of its own, in which the task waits as
 * fibers do: its calls can be canceled and have deadlines without a signal to the thread. It runs
 * on the thread's own stack, and alone: home is a small fiber beside it, which looks for what it
 * waits for. Where a backend can't be had, it waits as threads do.
 */
#include <string.h>

#include "backend.h"
#include "check.h"
#include "engine.h"
#include "loop.h"
#include "queueing.h"
#include "task.h"
#include "trace.h"

/* ---- home ---- */

/* Looks for a while, as the idle mode says, and then sleeps: at once where the kernel is to end the
 * wait, as a thread does in a call. */
static void attend(void *argument)
{
    struct pn_engine *engine = argument;
    struct pn_worker *worker = &engine->slot->worker;
    int64_t looks = 0, since = 0;
    while (!engine->is_over) {
        pn_engine_collect(engine);
        if (pn_engine_is_ready(engine)) {
            pn_engine_turn(engine);
            looks = 0;
            continue;
        }
        const int64_t now = pn_worker_time_of_look(worker, looks);
        if (looks++ == 0)
            since = now;
        if (!pn_backend_has_pending(engine->backend) && now - since < worker->crew->spin_ns) {
            pn_pause();
        } else {
            pn_loop_sleep(worker, engine, INT64_MAX);
            looks = 0;
        }
    }
    engine->ended = engine->home;
    engine->running = &engine->thread;
    PN_EVENT(fiber_switch, &engine->thread, engine->home, 0);
    pn_fiber_exit_to(engine->home, &engine->thread);
}

/* NULL: it can't be had now. */
static struct pn_engine *create(struct pn_worker *worker)
{
    struct pn_engine *engine;
    int error = pn_engine_create(pn_loop_worker_of(worker), &engine);
    if (!error && !pn_engine_can_begin(engine)) {
        pn_engine_destroy(engine);
        error = -ENOMEM;
    }
    if (error) {
        pn_crew_degrade(worker->crew, error, "a parallel task waits as threads do: %s",
                        strerrordesc_np(-error));
        return NULL;
    }
    engine->home = engine->spare;
    engine->spare = NULL;
    pn_fiber_prepare(engine->home, attend, engine);
    return engine;
}

/* ---- the task ---- */

/* Until nobody who woke the task is at the slot: the thread's signal is for commands again. */
static void part_from_wakers(struct pn_loop_worker *slot)
{
    while (pn_load_seq_cst(&slot->visitors)) /* a short way; pairs with post (engine.c) */
        pn_pause();
    pn_store_relaxed(&slot->worker.signal, PN_SIGNAL_CALM);
}

static void run_in(struct pn_engine *engine, struct pinion_task *task)
{
    struct pn_loop_fiber self = {.sleeper = {.ways = &pn_loop_ways,
                                             .carrier = pn_loads_carrier(&engine->loads)},
                                 .engine = engine,
                                 .fiber = &engine->thread};
    self.wait.function = (uintptr_t)task->start;
    pn_context()->sleeper = &self.sleeper;
    pn_task_run(task);
    pn_context()->sleeper = NULL;
    pn_wait_fini(&engine->waits, &self.wait);
}

void pn_loop_run_reserved(struct pn_worker *worker, struct pinion_task *task)
{
    struct pn_loop_worker *slot = pn_loop_worker_of(worker);
    struct pn_engine *engine = pn_load_relaxed(&slot->engine); /* this thread's own */
    if (!engine && task->kind == PN_PARALLEL)
        engine = create(worker);
    if (!engine || task->kind != PN_PARALLEL) {
        pn_task_run(task);
        return;
    }
    run_in(engine, task);
    if (pn_crew_is_lost(worker->crew))
        return;
    pn_loads_give_back(&engine->loads); /* nobody looks at the ring till the next task */
    part_from_wakers(slot);
}

void pn_loop_run_the_rest(struct pn_worker *worker)
{
    struct pinion_task *task;
    while (!pn_crew_is_lost(worker->crew) && (task = pn_scout_injected(&worker->scout))) {
        pn_task_run(task);
        pn_task_end(task, worker->slab);
        pn_worker_flush(worker);
    }
}

void pn_loop_leave_reserved(struct pn_worker *worker)
{
    struct pn_engine *engine = pn_load_relaxed(&pn_loop_worker_of(worker)->engine);
    if (!engine)
        return;
    if (pn_crew_is_lost(worker->crew)) {
        pn_engine_abandon(engine);
        return;
    }
    engine->is_over = true;
    pn_engine_switch_to(engine, engine->home);
    pn_engine_destroy(engine);
}
