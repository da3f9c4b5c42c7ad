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

/* A worker looks at its node's lane before its own deque once in so many turns, so that what was
 * injected starts however much the workers queue themselves. A prime, so that it does not beat with
 * the shape of a program. */
#define LANE_TURNS 61

/* How many looks in vain pass between two looks at the clock. */
#define SWEEPS_PER_LOOK 16

/* ---- finding work ---- */

/* The task if it is the caller's to run, else NULL: it was a tombstone. */
static struct pinion_task *taken(struct pn_worker *worker, struct pinion_task *task)
{
    return task && pn_task_take(task, worker->slab) ? task : NULL;
}

static struct pinion_task *from_lane(struct pn_worker *worker, struct pn_lane *lane)
{
    struct pinion_task *task;
    while ((task = pn_lane_pop(lane)))
        if (taken(worker, task))
            return task;
    return NULL;
}

static struct pinion_task *from_own_deque(struct pn_worker *worker)
{
    struct pinion_task *task;
    while ((task = pn_deque_pop(&worker->deque)))
        if (taken(worker, task))
            return task;
    worker->tombstones = 0;
    return NULL;
}

static struct pinion_task *own_work(struct pn_worker *worker)
{
    struct pinion_task *task = NULL;
    if (++worker->turns % LANE_TURNS == 0)
        task = from_lane(worker, &worker->node->lane);
    if (!task)
        task = from_own_deque(worker);
    if (!task)
        task = from_lane(worker, &worker->node->lane);
    return task;
}

void pn_worker_count_stolen(struct pn_worker *worker, const struct pn_worker *victim)
{
    if (victim->node == worker->node)
        pn_count(&worker->counters.stolen_near, 1);
    else
        pn_count(&worker->counters.stolen_far, 1);
}

static struct pinion_task *steal_from(struct pn_worker *worker, struct pn_worker *victim)
{
    bool lost;
    do {
        lost = false;
        struct pinion_task *task;
        while ((task = pn_deque_steal(&victim->deque, &lost))) {
            pn_worker_let_ask(victim);
            if (!taken(worker, task))
                continue;
            pn_worker_count_stolen(worker, victim);
            return task;
        }
    } while (lost); /* another thief or the owner is at it: someone makes progress */
    if (pn_deque_count(&victim->deque)) {
        pn_deque_request(&victim->deque);
        pn_worker_let_ask(victim);
    }
    return NULL;
}

static uint32_t next_random(struct pn_worker *worker)
{
    uint32_t x = worker->random; /* xorshift32, Marsaglia 2003 */
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return worker->random = x;
}

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

static struct pinion_task *steal_from_reserves(struct pn_worker *worker)
{
    struct pinion_pool *pool = worker->pool;
    if (!pn_load_seq_cst(&pool->announced))
        return NULL;
    const unsigned count = pn_load_acquire(&pool->reserve_count);
    for (unsigned i = 0; i < count; i++) {
        struct pinion_task *task = steal_from(worker, pn_pool_reserve(pool, i));
        if (task)
            return task;
    }
    return NULL;
}

/* One look at everyone else's queues, the near ones first. */
static struct pinion_task *sweep(struct pn_worker *worker)
{
    struct pinion_pool *pool = worker->pool;
    struct pinion_task *task;
    const bool caller_is_near = pool->caller->node == worker->node;
    if (caller_is_near && (task = steal_from(worker, pool->caller)))
        return task;
    const unsigned high = pn_load_acquire(&pool->base_high); /* pairs with take_base_locked */
    struct pn_neighbor_walk walk = pn_neighbor_walk(worker->neighbors, next_random(worker));
    for (unsigned i; pn_neighbor_next(&walk, high, &i);) {
        struct pn_worker *victim = pn_load_acquire(&pool->base[i]);
        if (victim && victim != worker && (task = steal_from(worker, victim)))
            return task;
    }
    if (!caller_is_near && (task = steal_from(worker, pool->caller)))
        return task;
    if ((task = steal_from_reserves(worker)))
        return task;
    for (unsigned i = 0; i < pool->node_count; i++)
        if ((task = from_lane(worker, &pool->nodes[i].lane)))
            return task;
    return NULL;
}

bool pn_pool_has_work(struct pinion_pool *pool)
{
    for (unsigned i = 0; i < pool->node_count; i++)
        if (pn_lane_count(&pool->nodes[i].lane))
            return true;
    if (pn_deque_count(&pool->caller->deque))
        return true;
    const unsigned high = pn_load_seq_cst(&pool->base_high);
    for (unsigned i = 0; i < high; i++) {
        struct pn_worker *worker = pn_load_acquire(&pool->base[i]);
        if (worker && pn_deque_count(&worker->deque))
            return true;
    }
    if (!pn_load_seq_cst(&pool->announced))
        return false;
    const unsigned count = pn_load_acquire(&pool->reserve_count);
    for (unsigned i = 0; i < count; i++)
        if (pn_deque_count(&pn_pool_reserve(pool, i)->deque))
            return true;
    return false;
}

/* ---- sleeping and waking ---- */

void pn_worker_signal(struct pn_worker *worker)
{
    /* Release: the command, pairs with the acquire loads and exchanges of the thread. */
    if (pn_exchange_acq_rel(&worker->signal, PN_SIGNAL_SIGNALED) == PN_SIGNAL_SLEEPING)
        pn_futex_wake(&worker->signal, 1);
}

/* Sleeps until signaled: true, or until the deadline: false. */
static bool sleep_until_signaled(struct pn_worker *worker, int64_t deadline)
{
    uint32_t seen = PN_SIGNAL_CALM;
    /* Acquire: pairs with pn_worker_signal. */
    if (!pn_cas_acq_rel(&worker->signal, &seen, PN_SIGNAL_SLEEPING))
        return true;
    while (pn_load_acquire(&worker->signal) == PN_SIGNAL_SLEEPING) {
        if (pn_futex_wait(&worker->signal, PN_SIGNAL_SLEEPING, deadline) != -ETIMEDOUT)
            continue;
        seen = PN_SIGNAL_SLEEPING;
        return !pn_cas_acq_rel(&worker->signal, &seen, PN_SIGNAL_CALM);
    }
    return true;
}


static void calm(struct pn_worker *worker)
{
    pn_store_relaxed(&worker->signal, PN_SIGNAL_CALM); /* nobody signals a thread twice */
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
    pn_count(&worker->counters.tasks, 1);
    pn_plain_store_relaxed(&worker->head->shared.runs, NULL); /* an entry less */
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

/* The worker had been searching and has a task: someone else is to search, if there is more. */
static void stop_searching(struct pn_worker *worker)
{
    struct pinion_pool *pool = worker->pool;
    if (pn_idle_found(&pool->idle) && pn_pool_has_work(pool))
        pn_pool_wake(pool, worker->neighbors, &worker->counters);
}

/* Looks again and again, as the idle mode says. A task, or NULL: nothing came. */
static struct pinion_task *look_around(struct pn_worker *worker)
{
    struct pinion_pool *pool = worker->pool;
    struct pinion_task *task = sweep(worker);
    if (task || pool->spin_ns == 0)
        return task;
    const bool forever = pool->spin_ns == INT64_MAX;
    const int64_t until = forever ? INT64_MAX : pn_now() + pool->spin_ns;
    for (unsigned tries = 1;; tries++) {
        pn_slab_flush(worker->slab); /* now idle: what it holds of others goes home */
        if ((task = own_work(worker)) || (task = sweep(worker)))
            return task;
        if (pn_load_acquire(&pool->ending))
            return NULL;
        if (!forever && tries % SWEEPS_PER_LOOK == 0 && pn_now() >= until)
            return NULL;
        pn_pause();
    }
}

static void force_all(struct pinion_pool *pool)
{
    pn_deque_force(&pool->caller->deque);
    const unsigned high = pn_load_acquire(&pool->base_high);
    for (unsigned i = 0; i < high; i++)
        if (pn_load_acquire(&pool->base[i]))
            pn_deque_force(&pn_load_acquire(&pool->base[i])->deque);
    const unsigned count = pn_load_acquire(&pool->reserve_count);
    for (unsigned i = 0; i < count; i++)
        pn_deque_force(&pn_pool_reserve(pool, i)->deque);
}

/* Sleeps until there may be work. The worker searches before and after. */
static void sleep_for_work(struct pn_worker *worker)
{
    struct pinion_pool *pool = worker->pool;
    pn_slab_flush(worker->slab);
    pn_idle_lie_down(&pool->idle, worker->index);
    if (pn_pool_has_work(pool)) {
        force_all(pool);
    } else if (!pn_load_seq_cst(&pool->ending)) {
        pn_count(&worker->counters.parked, 1);
        (void)sleep_until_signaled(worker, INT64_MAX);
    }
    /* A signal that comes after this, from who picked this worker meanwhile, wakes it once in
     * vain. */
    calm(worker);
    (void)pn_idle_rise(&pool->idle, worker->index);
}

/* The slot that the thread goes on in, or NULL: it ends. */
static struct pn_worker *base_live(struct pn_worker *worker)
{
    struct pinion_pool *pool = worker->pool;
    bool is_searching = true; /* whoever started the thread counted it */
    for (;;) {
        struct pinion_task *task = own_work(worker);
        if (!task) {
            if (!is_searching)
                pn_idle_search(&pool->idle);
            is_searching = true;
            task = look_around(worker);
        }
        if (task) {
            if (is_searching)
                stop_searching(worker);
            is_searching = false;
            struct pn_worker *now = run(worker, task);
            if (now != worker)
                return now;
        } else if (pn_load_seq_cst(&pool->ending)) {
            if (!pn_pool_has_work(pool))
                break;
            force_all(pool);
        } else if (pool->idle_mode != PINION_IDLE_POLL) {
            sleep_for_work(worker);
        }
    }
    (void)pn_idle_found(&pool->idle);
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
    pn_count(&worker->counters.tasks, 1);
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
            calm(worker);
            return true;
        }
        if (pn_pool_retire(worker))
            return false;
    }
}

/* Base workers of a pool that ends stay while there is work, not while there may be: what the task
 * of this thread queued last, they may have left behind. */
static void run_the_rest(struct pn_worker *worker)
{
    struct pinion_task *task;
    while (!pn_pool_is_lost(worker->pool) && (task = own_work(worker)))
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
