/* SPDX-License-Identifier: MIT
 *
 * How a crew's threads sleep and are woken, and the life of a reserve thread, which runs what it is
 * handed.
 */
#include <errno.h>

#include "crew.h"
#include "futex.h"
#include "queueing.h"
#include "slab.h"
#include "spin.h"
#include "trace.h"

void pn_worker_signal(struct pn_worker *worker)
{
    /* Release: the command, pairs with the acquire loads and exchanges of the thread. */
    const uint32_t was = pn_exchange_acq_rel(&worker->signal, PN_SIGNAL_SIGNALED);
    if (was == PN_SIGNAL_SLEEPING)
        pn_futex_wake(&worker->signal, 1);
    else if (was == PN_SIGNAL_WAITING)
        worker->crew->kind->wake(worker);
}

void pn_worker_sleep(struct pn_worker *worker)
{
    uint32_t seen = PN_SIGNAL_CALM;
    /* Acquire: pairs with pn_worker_signal. */
    if (!pn_cas_acq_rel(&worker->signal, &seen, PN_SIGNAL_SLEEPING))
        return;
    pn_store_relaxed(&worker->counters->state, PN_STATE_PARKED);
    while (pn_load_acquire(&worker->signal) == PN_SIGNAL_SLEEPING)
        (void)pn_futex_wait(&worker->signal, PN_SIGNAL_SLEEPING, INT64_MAX);
}

/* To poll means no system call, which the clock is on some machines: there time is counted in
 * looks, each of which takes about so long. */
#define LOOK_NS 100

int64_t pn_worker_time_of_look(const struct pn_worker *worker, int64_t looks)
{
    return worker->crew->idle_mode == PINION_IDLE_POLL ? looks * LOOK_NS : pn_now();
}

/* ---- reserve threads ---- */

/* When a thread that is idle from now on has been so for retire_after. */
static int64_t retire_deadline(const struct pn_crew *crew)
{
    const int64_t now = pn_now();
    return crew->retire_after < INT64_MAX - now ? now + crew->retire_after : INT64_MAX;
}

static bool is_signaled(const void *worker)
{
    /* Acquire: pairs with hand_over_locked. */
    return pn_load_acquire(&((const struct pn_worker *)worker)->signal) == PN_SIGNAL_SIGNALED;
}

/* False: at the deadline. */
static bool sleep_until_signaled(struct pn_worker *worker, int64_t deadline)
{
    while (!is_signaled(worker))
        if (pn_futex_wait(&worker->signal, PN_SIGNAL_CALM, deadline) == -ETIMEDOUT)
            return false;
    return true;
}

/* Waits for a signal the way the crew's idle mode says. False at the deadline. */
static bool wait_for_signal(struct pn_worker *worker, int64_t deadline)
{
    const int64_t spin_ns = worker->crew->spin_ns;
    if (spin_ns && pn_spin(is_signaled, worker, deadline, spin_ns, NULL))
        return true;
    if (spin_ns == INT64_MAX)
        return false;
    pn_store_relaxed(&worker->counters->state, PN_STATE_PARKED);
    if (!pn_crew_lie_down(worker))
        return true;
    PN_EVENT(park_begin, worker, 0, 0);
    const bool was_signaled = sleep_until_signaled(worker, deadline);
    PN_EVENT(park_end, worker, 0, 0);
    return was_signaled;
}

/* Waits for a command; false: the thread is surplus, and ends. */
static bool wait_for_command(struct pn_worker *worker)
{
    struct pn_crew *crew = worker->crew;
    pn_slab_flush(worker->slab);
    pn_store_relaxed(&worker->counters->state, PN_STATE_SEARCHING);
    for (;;) {
        const int64_t deadline = worker->is_expiring ? retire_deadline(crew) : INT64_MAX;
        if (wait_for_signal(worker, deadline)) {
            /* Relaxed: it is signaled once a command, under the lock, after it was listed there. */
            pn_store_relaxed(&worker->signal, PN_SIGNAL_CALM);
            pn_store_relaxed(&worker->counters->state, PN_STATE_RUNNING);
            return true;
        }
        if (pn_crew_retire(worker))
            return false;
    }
}

bool pn_worker_end_reservation(struct pn_worker *worker)
{
    pn_worker_flush(worker);
    if (worker->is_loose) {
        worker->is_loose = false;
        worker->floats = NULL;
    }
    return pn_crew_reserve_ended(worker);
}

/* False: the crew ends, and the thread with it. */
static bool run_reserved(struct pn_worker *worker, const struct pn_command *command)
{
    const struct pn_crew_kind *kind = worker->crew->kind;
    struct pinion_task *task = command->task;
    pn_prefetch_write(&worker->crew->lock); /* for the end: it comes while the task's lines do */
    pn_worker_float_over(worker, command->node);
    pn_tally(&worker->counters->handed, 1);
    kind->run_reserved(worker, task);
    if (pn_crew_is_lost(worker->crew))
        return false;
    pn_modes_set(&worker->crew->modes);
    const bool goes_on = pn_worker_end_reservation(worker); /* before the completion is visible */
    pn_task_end(task, worker->slab);
    if (!goes_on)
        kind->run_the_rest(worker);
    return goes_on;
}

/* The slot that the thread goes on in, or NULL: it ends. */
static struct pn_worker *run_commands(struct pn_worker *worker)
{
    while (wait_for_command(worker)) {
        const struct pn_command command = worker->command;
        if (command.become)
            return command.become;
        if (!command.task)
            break;
        if (!run_reserved(worker, &command))
            break;
    }
    return NULL;
}

static struct pn_worker *reserve_live(struct pn_worker *worker)
{
    struct pn_worker *next = run_commands(worker);
    if (worker->crew->kind->leave_reserved)
        worker->crew->kind->leave_reserved(worker);
    return next;
}

struct pn_worker *pn_worker_live(struct pn_worker *worker)
{
    pn_worker_name_thread(worker);
    if (!worker->crew->is_pinning)
        pn_worker_unpin(worker);
    if (worker->role == PN_RESERVE)
        return reserve_live(worker);
    pn_worker_take_seat(worker);
    return worker->crew->kind->base_live(worker);
}
