/* SPDX-License-Identifier: MIT
 *
 * What the threads of a pool do: a base worker looks for async tasks, a reserve thread runs what it
 * is handed.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>

#include "check.h"
#include "futex.h"
#include "pool.h"
#include "slab.h"
#include "spin.h"

struct pn_worker *pn_pool_reserve(struct pinion_pool *pool, unsigned index)
{
    unsigned chunk = 0, size = PN_RESERVE_FIRST;
    while (index >= size) {
        index -= size;
        size *= 2;
        chunk++;
    }
    return pn_load_acquire(&pool->reserves[chunk])[index]; /* pairs with reserve_slot_locked */
}

/* ---- sleeping and waking ---- */

void pn_worker_signal(struct pn_worker *worker)
{
    /* Release: the command, pairs with the acquire loads and exchanges of the thread. */
    if (pn_exchange_acq_rel(&worker->signal, PN_SIGNAL_SIGNALED) == PN_SIGNAL_SLEEPING)
        pn_futex_wake(&worker->signal, 1);
}

static void sleep_until_signaled(struct pn_worker *worker)
{
    uint32_t seen = PN_SIGNAL_CALM;
    /* Acquire: pairs with pn_worker_signal. */
    if (!pn_cas_acq_rel(&worker->signal, &seen, PN_SIGNAL_SLEEPING))
        return;
    while (pn_load_acquire(&worker->signal) == PN_SIGNAL_SLEEPING)
        (void)pn_futex_wait(&worker->signal, PN_SIGNAL_SLEEPING, INT64_MAX);
}

/* ---- the thread and its CPU ---- */

static void name_thread(const struct pn_worker *worker)
{
    char name[16];
    (void)snprintf(name, sizeof name, worker->role == PN_BASE ? "pinion/%u" : "pinion/r%u",
                   worker->index);
    (void)pthread_setname_np(pthread_self(), name);
}

/* What to do where the kernel refuses to pin a thread. */
#define ADVICE "widen the process's CPU mask or its cpuset, or ask for placement none"

static const char *cpus_of_node(const struct pn_pool_node *node, char *text, size_t size)
{
    if (node->node == PINION_NO_NODE)
        (void)snprintf(text, size, "the allowed CPUs");
    else
        (void)snprintf(text, size, "the CPUs of node %u", node->node);
    return text;
}

static void note_pin(struct pn_worker *worker, int error, const char *what)
{
    pn_store_relaxed(&worker->pinned_cpu, error ? -1 : pn_pinned_cpu());
    if (error)
        pn_pool_degrade(worker->pool, error,
                        "worker %u is not pinned: the kernel refused %s (error %d); " ADVICE,
                        worker->index, what, -error);
}

static void pin_to_cpu(struct pn_worker *worker)
{
    struct pn_cpu_mask *mask;
    char what[32];
    (void)snprintf(what, sizeof what, "CPU %d", worker->seat.cpu);
    int error = pn_cpu_mask_of_cpu((unsigned)worker->seat.cpu, &mask);
    if (!error) {
        error = pn_cpu_mask_apply(mask);
        pn_cpu_mask_destroy(mask);
    }
    note_pin(worker, error, what);
}

static void pin_to_node(struct pn_worker *worker)
{
    if (!worker->node->mask)
        return;
    char what[48];
    note_pin(worker, pn_cpu_mask_apply(worker->node->mask),
             cpus_of_node(worker->node, what, sizeof what));
}

/* A thread begins with the mask of the one that created it, which may be any of the program's: one
 * that is pinned, say. If the kernel refuses it keeps that. */
static void unpin(const struct pn_worker *worker)
{
    if (worker->pool->original_mask)
        (void)pn_cpu_mask_apply(worker->pool->original_mask);
}

/* Puts the thread where its slot sits. */
static void take_seat(struct pn_worker *worker)
{
    worker->is_loose = false;
    if (!worker->pool->is_pinning)
        return;
    if (worker->seat.cpu >= 0)
        pin_to_cpu(worker);
    else
        pin_to_node(worker);
}

int pinion_affinity_restore(void)
{
    struct pn_worker *worker = pn_membership_own();
    if (!worker)
        return -ESRCH;
    if (!worker->pool->original_mask)
        return -ENOTSUP;
    const int error = pn_cpu_mask_apply(worker->pool->original_mask);
    if (!error)
        worker->is_loose = true;
    return error;
}

/* ---- base workers ---- */

static void run_the_rest(struct pn_worker *worker);

/* The task of a reservation has run: what it queued goes where others look, and the reservation
 * ends, before the completion is visible. False: the pool ends. */
static bool end_reservation(struct pn_worker *worker)
{
    pn_worker_flush(worker);
    if (worker->is_loose) {
        worker->is_loose = false;
        worker->floats = NULL;
    }
    return pn_pool_reserve_ended(worker);
}

/* The slot that the thread is in afterwards, another one if the task blocked; NULL: it ends. */
static struct pn_worker *run(struct pn_worker *worker, struct pinion_task *task)
{
    bool goes_on = true;
    pn_ask(&worker->head->shared); /* an entry less */
    pn_task_run_at(task, worker, pn_deque_bottom(&worker->deque));
    if (pn_pool_is_lost(worker->pool))
        return NULL;
    pn_modes_set(&worker->pool->modes); /* for the next, whatever this one made of them */
    struct pn_worker *now = pn_membership_own();
    if (now != worker)
        goes_on = end_reservation(now);
    pn_task_end(task, now->slab);
    if (now == worker && worker->is_loose)
        take_seat(worker);
    if (goes_on)
        return now;
    run_the_rest(now);
    return NULL;
}

/* ns, for the scheduler. To poll means no system call, which the clock is on some machines: there
 * time is counted in looks, each of which takes about so long. */
#define LOOK_NS 100

static int64_t time_of_look(const struct pn_worker *worker, int64_t looks)
{
    return worker->pool->idle_mode == PINION_IDLE_POLL ? looks * LOOK_NS : pn_now();
}

/* Between two rounds. Those who poll where others do too stay off the others' lines for longer the
 * longer nothing came. */
#define PAUSES_MAX 64u

static void pause_between(const struct pn_worker *worker, unsigned *pauses)
{
    const struct pn_idle *idle = &worker->pool->scheduler.idle;
    const bool is_crowded = pn_idle_excess(idle, worker->neighbors->home) > 0;
    *pauses = is_crowded && *pauses < PAUSES_MAX ? *pauses * 2 : is_crowded ? PAUSES_MAX : 1;
    for (unsigned i = 0; i < *pauses; i++)
        pn_pause();
}

/* Sleeps until there may be work. The worker has lain down. */
static void sleep_for_work(struct pn_worker *worker)
{
    struct pinion_pool *pool = worker->pool;
    pn_slab_flush(worker->slab);
    if (!pn_load_seq_cst(&pool->ending)) {
        pn_count(&worker->counters.parked, 1);
        sleep_until_signaled(worker);
    }
    /* A signal that comes after this, from who picked this worker meanwhile, wakes it once in vain.
     * Acquire: what came before one that is overwritten here, as that the pool ends; pairs with
     * pn_worker_signal. */
    (void)pn_exchange_acquire(&worker->signal, PN_SIGNAL_CALM);
    pn_scheduler_rise(&pool->scheduler, &worker->scout);
}

/* Searches until there is a task to run, and wakes another if there are more; NULL: the pool
 * ends. */
static struct pinion_task *next_task(struct pn_worker *worker)
{
    struct pinion_pool *pool = worker->pool;
    unsigned pauses = 1;
    for (int64_t looks = 0;; looks++) {
        const int64_t now = worker->scout.is_searching ? time_of_look(worker, looks) : 0;
        const struct pn_step step = pn_scheduler_step(&pool->scheduler, &worker->scout, now);
        if (step.kind == PN_STEP_RUN) {
            if (step.wants_another)
                pn_pool_wake(pool, worker->neighbors, &worker->counters);
            return step.task;
        }
        if (step.kind == PN_STEP_SLEEP)
            sleep_for_work(worker);
        if (step.kind == PN_STEP_LOOK && !step.is_vain)
            continue;
        if (pn_load_seq_cst(&pool->ending) && !pn_scheduler_has_work(&pool->scheduler))
            return NULL;
        pn_slab_flush(worker->slab); /* now idle: what it holds of others goes home */
        pause_between(worker, &pauses);
    }
}

/* The slot that the thread goes on in, or NULL: it ends. */
static struct pn_worker *base_live(struct pn_worker *worker)
{
    struct pinion_task *task;
    pn_scout_begin(&worker->scout); /* whoever started the thread counted it */
    while ((task = next_task(worker))) {
        if (!pn_deque_count(&worker->deque))
            worker->tombstones = 0;
        struct pn_worker *now = run(worker, task);
        if (now != worker)
            return now;
    }
    (void)pn_idle_found(&worker->pool->scheduler.idle, worker->neighbors->home);
    return NULL;
}

/* ---- reserve threads ---- */

/* They float over the node of whoever asked for the task; no CPU of their own is free. */
static void float_over(struct pn_worker *worker, const struct pn_pool_node *node)
{
    if (worker->floats == node || !worker->pool->is_pinning || !node->mask)
        return;
    char what[48];
    const int error = pn_cpu_mask_apply(node->mask);
    if (!error)
        worker->floats = node;
    else
        pn_pool_degrade(worker->pool, error,
                        "reserve threads are not pinned: the kernel refused %s (error %d); " ADVICE,
                        cpus_of_node(node, what, sizeof what), -error);
}

/* False: the pool ends, and the thread with it. */
static bool run_reserved(struct pn_worker *worker, const struct pn_command *command)
{
    struct pinion_task *task = command->task;
    pn_prefetch_write(&worker->pool->lock); /* for the end: it comes while the task's lines do */
    float_over(worker, command->node);
    pn_count(&worker->counters.handed, 1);
    pn_task_run_at(task, worker, pn_deque_bottom(&worker->deque));
    if (pn_pool_is_lost(worker->pool))
        return false;
    pn_modes_set(&worker->pool->modes);
    const bool goes_on = end_reservation(worker); /* before the completion is visible */
    pn_task_end(task, worker->slab);
    return goes_on;
}

/* When a thread that is idle from now on has been so for retire_after. */
static int64_t retire_deadline(const struct pinion_pool *pool)
{
    const int64_t now = pn_now();
    return pool->retire_after < INT64_MAX - now ? now + pool->retire_after : INT64_MAX;
}

static bool is_signaled(const void *worker)
{
    /* Acquire: pairs with hand_over_locked. */
    return pn_load_acquire(&((const struct pn_worker *)worker)->signal) == PN_SIGNAL_SIGNALED;
}

/* Waits for a signal the way the pool's idle mode says. False at the deadline. */
static bool wait_for_signal(struct pn_worker *worker, int64_t deadline)
{
    const int64_t spin_ns = worker->pool->spin_ns;
    if (spin_ns && pn_spin(is_signaled, worker, deadline, spin_ns, NULL))
        return true;
    if (spin_ns == INT64_MAX)
        return false;
    if (pn_pool_lie_down(worker))
        while (!is_signaled(worker))
            if (pn_futex_wait(&worker->signal, PN_SIGNAL_CALM, deadline) == -ETIMEDOUT)
                return false;
    return true;
}

/* Waits for a command; false: the thread is surplus, and ends. */
static bool wait_for_command(struct pn_worker *worker)
{
    struct pinion_pool *pool = worker->pool;
    pn_slab_flush(worker->slab);
    for (;;) {
        const int64_t deadline = worker->is_expiring ? retire_deadline(pool) : INT64_MAX;
        if (wait_for_signal(worker, deadline)) {
            /* Relaxed: it is signaled once a command, under the lock, after it was listed there. */
            pn_store_relaxed(&worker->signal, PN_SIGNAL_CALM);
            return true;
        }
        if (pn_pool_retire(worker))
            return false;
    }
}

/* Base workers of a pool that ends stay while there is work, not while there may be: what the task
 * of this thread queued last, they may have left behind. It went to the lane. */
static void run_the_rest(struct pn_worker *worker)
{
    struct pinion_task *task;
    while (!pn_pool_is_lost(worker->pool) && (task = pn_scout_injected(&worker->scout)))
        (void)run(worker, task);
}

/* The slot that the thread goes on in, or NULL: it ends. */
static struct pn_worker *reserve_live(struct pn_worker *worker)
{
    while (wait_for_command(worker)) {
        const struct pn_command command = worker->command;
        if (command.become)
            return command.become;
        if (!command.task)
            break;
        if (!run_reserved(worker, &command)) {
            run_the_rest(worker);
            break;
        }
    }
    return NULL;
}

struct pn_worker *pn_worker_live(struct pn_worker *worker)
{
    name_thread(worker);
    if (!worker->pool->is_pinning)
        unpin(worker);
    if (worker->role == PN_RESERVE)
        return reserve_live(worker);
    take_seat(worker);
    return base_live(worker);
}

void pn_worker_make_way(void)
{
    struct pn_worker *worker = pn_membership_own();
    if (!worker || worker->role != PN_BASE || pn_pool_is_lost(worker->pool))
        return;
    struct pn_worker *reserve = pn_pool_stand_in(worker);
    if (!reserve)
        return;
    name_thread(reserve);
    if (!reserve->is_loose)
        float_over(reserve, reserve->node);
}
