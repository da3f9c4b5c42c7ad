/* SPDX-License-Identifier: MIT
 *
 * A thread of the program's works in a loop: it comes to the program seat, with an engine of its
 * own, runs main_task and what else there is, and goes again.
 */
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "cancel.h"
#include "check.h"
#include "context.h"
#include "detail.h"
#include "engine.h"
#include "interrupt.h"
#include "loop.h"
#include "queueing.h"
#include "task.h"
#include "trace.h"

/* What a thread has there, and what it had before. */
struct visit {
    struct pn_worker *worker;
    struct pn_engine *engine;
    struct pn_membership membership;
    struct pn_cpu_mask *mask; /* NULL: unknown, or it was not moved */
    struct pn_modes modes;
    sigset_t signals;
    bool had_sigpipe; /* pending */
};

/* ---- coming and going ---- */

static bool is_sigpipe_pending(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

/* The kernel raises it in the thread that submits a write, whose fiber is told by -EPIPE. */
static void block_sigpipe(struct visit *visit)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGPIPE);
    visit->had_sigpipe = is_sigpipe_pending();
    (void)pthread_sigmask(SIG_BLOCK, &set, &visit->signals);
}

/* One that was pending before is the program's to take; it may have been taken with one of ours. */
static void unblock_sigpipe(const struct visit *visit)
{
    const struct timespec now = {0, 0};
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGPIPE);
    if (visit->had_sigpipe && !is_sigpipe_pending())
        (void)pthread_kill(pthread_self(), SIGPIPE);
    while (!visit->had_sigpipe && is_sigpipe_pending())
        (void)sigtimedwait(&set, NULL, &now);
    (void)pthread_sigmask(SIG_SETMASK, &visit->signals, NULL);
}

static int come(struct pinion_loop *loop, struct visit *visit)
{
    struct pn_crew *crew = &loop->crew;
    visit->worker = pn_load_relaxed(&crew->base[0]);
    visit->mask = NULL;
    visit->modes = pn_modes_get();
    pn_membership_visit(&visit->membership, visit->worker);
    if (crew->is_pinning && pn_cpu_mask_get(&visit->mask) == 0)
        pn_worker_take_seat(visit->worker);
    block_sigpipe(visit);
    const int error = pn_engine_create(pn_loop_worker_of(visit->worker), &visit->engine);
    pn_lock(&crew->lock);
    visit->worker->has_thread = !error;
    pn_unlock(&crew->lock);
    return error;
}

static void restore(struct visit *visit)
{
    unblock_sigpipe(visit);
    if (visit->mask) {
        (void)pn_cpu_mask_apply(visit->mask);
        pn_cpu_mask_destroy(visit->mask);
        pn_store_relaxed(&visit->worker->record->pinned_cpu, -1);
    }
    pn_membership_unvisit(&visit->membership);
    pn_record_leave(visit->worker);
    pn_modes_set(&visit->modes);
}

/* What it queued and has not begun is for others; their threads start if there are none yet. */
static void go(struct pinion_loop *loop, struct visit *visit)
{
    struct pn_crew *crew = &loop->crew;
    pn_engine_destroy(visit->engine);
    pn_worker_flush(visit->worker);
    pn_lock(&crew->lock);
    visit->worker->has_thread = false;
    pn_unlock(&crew->lock);
    restore(visit);
}

/* main_task came back in a child of the loop's process. */
static int go_in_child(struct visit *visit)
{
    pn_engine_abandon(visit->engine);
    restore(visit);
    return pn_error(ECHILD, "the loop is of a parent of this process");
}

/* ---- working ---- */

/* main_task has ended, and what began here. Where no other worker can be, what has not begun is to
 * be run here, too. */
static bool is_over(struct pn_worker *worker, struct pn_engine *engine)
{
    struct pinion_loop *loop = pn_loop_of(worker->crew);
    if (pn_load_relaxed(&loop->is_stopped) && pn_exchange_acquire(&loop->is_stopped, false)) {
        struct pinion_task *task = pn_load_relaxed(&loop->main); /* set and cleared here */
        if (task)
            pn_cancel_request(task);
    }
    if (pn_load_relaxed(&loop->main) || pn_engine_has_fibers(engine))
        return false;
    return worker->crew->base_limit || !pn_scheduler_has_work(&worker->crew->scheduler);
}

static void work(struct visit *visit, bool (*is_over_now)(struct pn_worker *, struct pn_engine *))
{
    struct pn_worker *worker = visit->worker;
    pn_scout_begin(&worker->scout);
    pn_idle_search(&worker->crew->scheduler.idle, worker->neighbors->home);
    (void)pn_loop_work(worker, visit->engine, is_over_now);
}

/* ---- main_task ---- */

/* Runs in the fiber that main_task runs in: its end is that of the task as others may know it. */
struct mission {
    struct pinion_loop *loop;
    const struct pinion_call *call;
    void *result;
};

static void end_main(struct pinion_loop *loop)
{
    pn_store_seq_cst(&loop->main, NULL); /* before the look: pairs with pinion_loop_stop */
    while (pn_load_seq_cst(&loop->stoppers)) /* a short way; on another thread */
        pn_pause();
}

static void run_main(const void *context, void *unused)
{
    const struct mission *mission = *(const struct mission *const *)context;
    (void)unused;
    PN_TASK_IS(run_main, "main task");
    pn_store_seq_cst(&mission->loop->main, pn_context()->task);
    pn_call_run(mission->call, mission->result);
    if (!pn_crew_is_lost(&mission->loop->crew)) /* its stoppers are not there */
        end_main(mission->loop);
}

/* It is queued where none can take it but this worker, which begins with it. */
static int start_main(struct visit *visit, const struct mission *mission)
{
    const struct pinion_call call = {.start = run_main, .context = &mission,
                                     .context_size = sizeof mission,
                                     .context_align = alignof(const struct mission *)};
    const struct pn_spawn spawn = {.call = &call, .kind = PN_DETACHED};
    struct pn_worker *worker = visit->worker;
    struct pinion_task *task =
        pn_task_create(&spawn, PN_TASK_RUNNING, worker->slab, worker->node->arena);
    if (!task || !pn_engine_can_begin(visit->engine)) {
        if (task)
            pn_task_destroy(task, worker->slab);
        return pn_error(ENOMEM, "out of memory for the main task");
    }
    pn_engine_begin(visit->engine, task);
    return 0;
}

static int run(struct pinion_loop *loop, const struct mission *mission)
{
    struct visit visit;
    int error = come(loop, &visit);
    if (error) {
        restore(&visit);
        return pn_error(-error, "no backend or stack can be had for a worker");
    }
    pn_store_seq_cst(&loop->is_staffed, true); /* pairs with who queues from outside */
    error = start_main(&visit, mission);
    if (visit.engine->is_lost)
        return go_in_child(&visit);
    work(&visit, is_over);
    if (visit.engine->is_lost)
        return go_in_child(&visit);
    pn_store_seq_cst(&loop->is_staffed, false);
    go(loop, &visit);
    return error;
}

/* In a child of its process it is just a thread. */
static bool is_worker(void)
{
    const struct pn_worker *worker = pn_membership_own();
    return worker && !pn_crew_is_lost(worker->crew);
}

static int check(struct pinion_loop *loop, const struct pinion_call *call)
{
    int error = pn_call_check(call);
    if (!error)
        error = pn_io_refusal(&loop->crew.io);
    if (!error && (pn_sleeper_here() || is_worker()))
        error = pn_error(EDEADLK, "a fiber or a worker can't run a loop; use its io instead");
    return error;
}

int pinion_loop_run(struct pinion_loop *loop, const struct pinion_call *main_task, void *result)
{
    const struct mission mission = {.loop = loop, .call = main_task, .result = result};
    const int saved = errno;
    int error = check(loop, main_task);
    if (error)
        return error;
    bool was_run = false;
    /* Acquire and release: the slot, from the thread that was in it before. */
    if (!pn_cas_acq_rel(&loop->is_run, &was_run, true))
        return pn_error(EBUSY, "another thread is in this loop");
    error = run(loop, &mission);
    pn_store_release(&loop->is_run, false);
    errno = saved;
    return error;
}

/* ---- stop ---- */

/* In a signal's handler there is no taking part in what the interrupted thread may be in the middle
 * of: a task that waits in nothing is marked here, which is all that it takes; one that waits is
 * left to the loop's thread, which is woken. */
static void request(struct pinion_task *task)
{
    uintptr_t seen = pn_load_relaxed(&task->cancel);
    while (!(seen & ~PN_CANCEL_FLAGS) && !(seen & PN_CANCEL_REQUESTED))
        /* Release: as in pn_cancel_request. */
        if (pn_cas_acq_rel(&task->cancel, &seen, PN_CANCEL_REQUESTED | PN_CANCEL_ARMED))
            return;
}

void pinion_loop_stop(struct pinion_loop *loop)
{
    if (pn_crew_is_lost(&loop->crew))
        return;
    pn_fetch_add_seq_cst(&loop->stoppers, 1u); /* before the look: pairs with end_main */
    struct pinion_task *task = pn_load_seq_cst(&loop->main);
    if (task) {
        request(task);
        pn_store_release(&loop->is_stopped, true); /* before the signal; pairs with is_over */
        pn_worker_signal(pn_load_relaxed(&loop->crew.base[0]));
    }
    pn_fetch_sub_acq_rel(&loop->stoppers, 1u); /* pairs with end_main */
}

/* ---- the end ---- */

static bool is_all_done(struct pn_worker *worker, struct pn_engine *engine)
{
    return !pn_engine_has_fibers(engine) && !pn_scheduler_has_work(&worker->crew->scheduler);
}

void pn_loop_run_left(struct pinion_loop *loop)
{
    struct pn_crew *crew = &loop->crew;
    struct visit visit;
    if (crew->base_limit || !pn_scheduler_has_work(&crew->scheduler))
        return;
    while (come(loop, &visit)) { /* no memory, or no descriptor: what was queued must be run */
        restore(&visit);
        const struct timespec nap = {.tv_nsec = 1000000};
        (void)nanosleep(&nap, NULL);
    }
    work(&visit, is_all_done);
    go(loop, &visit);
}
