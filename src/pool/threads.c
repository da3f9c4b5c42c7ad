/* SPDX-License-Identifier: MIT
 *
 * Threads come and go: the capacity rule, whose invariants stand at struct pinion_pool.
 *
 * A thread is counted (threads) in the same step that looks whether there is room for it, and
 * created outside the lock; if that fails it is uncounted. There is always room for a reserved
 * task: without an idle reserve thread, threads <= base_taken + (parallel_count - 1) < capacity.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "check.h"
#include "detail.h"
#include "futex.h"
#include "interrupt.h"
#include "pool.h"

/* When the system refuses a thread, async tasks don't ask again for so long. */
#define GROW_BACKOFF_NS INT64_C(10000000)

/* ---- lists, under the lock ---- */

static void push_locked(struct pn_worker **list, struct pn_worker *worker)
{
    if (worker->next != *list) /* else its line stays where it is */
        worker->next = *list;
    *list = worker;
}

static struct pn_worker *pop_locked(struct pn_worker **list)
{
    struct pn_worker *worker = *list;
    if (worker)
        *list = worker->next;
    return worker;
}

static void thread_link_locked(struct pn_thread **list, struct pn_thread *thread)
{
    thread->next = *list;
    thread->link = list;
    if (thread->next)
        thread->next->link = &thread->next;
    *list = thread;
}

static void thread_unlink_locked(struct pn_thread *thread)
{
    *thread->link = thread->next;
    if (thread->next)
        thread->next->link = thread->link;
}

/* The idle reserve thread to use: one that already is on the node, else the one that has been idle
 * for the shortest time. For a seat, which leaves the surplus as it is, one that stays if there is
 * one: at least as many idle threads as are surplus must be there to end. NULL if there is none. */
static struct pn_worker *take_idle_locked(struct pinion_pool *pool,
                                          const struct pn_pool_node *node, bool for_seat)
{
    struct pn_worker **best = NULL;
    unsigned best_rank = 0;
    for (struct pn_worker **link = &pool->idle_reserves; *link; link = &(*link)->next) {
        const bool stays = for_seat && !(*link)->is_expiring, is_here = (*link)->floats == node;
        const unsigned rank = 1 + (is_here ? 1u : 0u) + (stays ? 2u : 0u);
        if (rank > best_rank) {
            best_rank = rank;
            best = link;
        }
    }
    if (!best)
        return NULL;
    return pop_locked(best);
}

/* To a thread that was just taken off the list. True: it sleeps, and the caller is to wake it once
 * it has let go of the lock. */
static bool hand_over_locked(struct pn_worker *idle, const struct pn_command *command)
{
    const bool was_asleep = idle->is_asleep;
    if (was_asleep)
        idle->is_asleep = false;
    idle->command = *command;
    /* Release: the command, pairs with the acquire in is_signaled (worker.c). Plain stores alone go
     * to the line that the thread looks at, so that it has to come here once only. */
    pn_store_release(&idle->signal, PN_SIGNAL_SIGNALED);
    return was_asleep;
}

static void wake(struct pn_worker *idle) { pn_futex_wake(&idle->signal, 1); }

static void hand_over(struct pn_worker *idle, const struct pn_command *command)
{
    struct pinion_pool *pool = idle->pool;
    pn_lock(&pool->lock);
    const bool sleeps = hand_over_locked(idle, command);
    pn_unlock(&pool->lock);
    if (sleeps)
        wake(idle);
}

/* ---- creating a thread ---- */

/* The thread of a slot goes on elsewhere, or ends: a reserve slot is free for the next. */
static void vacate_locked(struct pn_worker *slot)
{
    slot->has_thread = false;
    if (slot->role == PN_RESERVE)
        push_locked(&slot->pool->free_reserves, slot);
}

static void *thread_main(void *argument)
{
    struct pn_thread *thread = argument;
    struct pn_worker *worker = thread->first, *next;
    struct pinion_pool *pool = worker->pool;
    struct pn_membership membership;
    pn_membership_enter(&membership, worker);
    pn_interrupt_own_thread();
    pn_modes_set(&pool->modes); /* it has those of its maker, whoever that was */
    while ((next = pn_worker_live(worker))) {
        if (membership.worker == worker) { /* else it left that slot to another thread before */
            pn_lock(&pool->lock);
            vacate_locked(worker);
            pn_unlock(&pool->lock);
            pn_membership_move(&membership, next);
        }
        worker = next;
    }
    worker = membership.worker;
    pn_membership_leave();
    if (pn_pool_is_lost(pool)) /* a child that this thread's task forked ends with it */
        return NULL;
    pn_lock(&pool->lock);
    vacate_locked(worker);
    if (!worker->is_retired) /* pn_pool_retire has uncounted it */
        pool->threads--;
    worker->is_retired = false;
    thread_unlink_locked(thread);
    thread_link_locked(&pool->ended, thread);
    pn_unlock(&pool->lock);
    return NULL;
}

void pn_block_signals(sigset_t *former)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigset_t all;
    (void)sigfillset(&all);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        (void)sigdelset(&all, faults[i]);
    if (pn_interrupt_signal())
        (void)sigdelset(&all, pn_interrupt_signal());
    (void)pthread_sigmask(SIG_SETMASK, &all, former);
}

static int create_handle(struct pinion_pool *pool, struct pn_thread *thread)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes))
        return -ENOMEM;
    int error = 0;
    if (pool->stack_bytes)
        error = pthread_attr_setstacksize(&attributes, pool->stack_bytes);
    if (!error) {
        sigset_t former;
        pn_block_signals(&former); /* inherited by the thread from its first instruction on */
        error = pthread_create(&thread->handle, &attributes, thread_main, thread);
        (void)pthread_sigmask(SIG_SETMASK, &former, NULL);
    }
    (void)pthread_attr_destroy(&attributes);
    return error ? -EAGAIN : 0;
}

/* Joins threads that have ended: they hold no lock of ours any more. */
static void reap(struct pinion_pool *pool)
{
    for (;;) {
        pn_lock(&pool->lock);
        /* In the end pn_pool_join does it, and a thread is joined once. */
        struct pn_thread *thread = pn_load_relaxed(&pool->ending) ? NULL : pool->ended;
        if (thread)
            thread_unlink_locked(thread);
        pn_unlock(&pool->lock);
        if (!thread)
            return;
        (void)pthread_join(thread->handle, NULL);
        free(thread);
    }
}

/* Starts the thread of a slot that was counted in threads and starting. What it is to do first
 * stands in the slot. */
static int start_thread(struct pn_worker *worker)
{
    const int saved = errno;
    struct pinion_pool *pool = worker->pool;
    struct pn_thread *thread = malloc(sizeof *thread);
    if (!thread) {
        errno = saved;
        return -ENOMEM;
    }
    thread->first = worker;
    pn_lock(&pool->lock);
    thread_link_locked(&pool->alive, thread);
    pn_unlock(&pool->lock);
    const int error = create_handle(pool, thread);
    if (error) {
        pn_lock(&pool->lock);
        thread_unlink_locked(thread);
        pn_unlock(&pool->lock);
        free(thread);
    }
    errno = saved;
    return error;
}

/* A start has come to its end, well or not. */
static void end_start_locked(struct pinion_pool *pool, bool is_well)
{
    if (is_well && pool->threads > pool->threads_peak)
        pool->threads_peak = pool->threads;
    if (!is_well)
        pool->threads--;
    pn_count(&pool->starting, -1u);
    if (pn_load_relaxed(&pool->ending) && pn_load_relaxed(&pool->starting) == 0)
        pn_futex_wake(&pool->starting, INT_MAX);
}

static void count_start_locked(struct pinion_pool *pool)
{
    pool->threads++;
    pn_count(&pool->starting, 1u);
}

/* ---- base slots ---- */

/* A seat without a thread; NULL if there is none or no memory for it. By who holds grow_lock. */
static struct pn_worker *free_base_slot(struct pinion_pool *pool)
{
    if (pool->free_base)
        return pop_locked(&pool->free_base);
    const unsigned index = pn_load_relaxed(&pool->scheduler.high);
    if (index == pool->base_limit)
        return NULL;
    struct pn_worker *slot = pn_worker_create(pool, PN_BASE, index, pool->plan->seats[index]);
    if (slot) {
        pn_store_release(&pool->base[index], slot); /* pairs with the loads of those who wake */
        pn_scheduler_add_base(&pool->scheduler, &slot->scout);
    }
    return slot;
}

/* Takes an idle reserve thread for the slot, or counts a new one. False if there may be none (the
 * pool ends). */
static bool seat_locked(struct pn_worker *slot, struct pn_worker **idle)
{
    struct pinion_pool *pool = slot->pool;
    if (pn_load_relaxed(&pool->ending))
        return false;
    *idle = take_idle_locked(pool, slot->node, true);
    if (!*idle) {
        if (pool->threads >= pn_pool_capacity_locked(pool))
            return false;
        count_start_locked(pool);
    }
    pool->base_taken++;
    slot->has_thread = true;
    pn_fetch_sub_relaxed(&pool->base_missing, 1u);
    return true;
}

static void unseat_locked(struct pn_worker *slot)
{
    struct pinion_pool *pool = slot->pool;
    pool->base_taken--;
    slot->has_thread = false;
    pn_fetch_add_relaxed(&pool->base_missing, 1u);
}

/* Gives the slot a thread. */
static bool seat(struct pn_worker *slot)
{
    struct pinion_pool *pool = slot->pool;
    struct pn_worker *idle;
    pn_lock(&pool->lock);
    bool is_well = seat_locked(slot, &idle);
    pn_unlock(&pool->lock);
    if (!is_well)
        return false;
    if (idle) {
        hand_over(idle, &(struct pn_command){.become = slot});
        return true;
    }
    is_well = start_thread(slot) == 0;
    pn_lock(&pool->lock);
    end_start_locked(pool, is_well);
    if (!is_well)
        unseat_locked(slot);
    pn_unlock(&pool->lock);
    return is_well;
}

/* The same of a free slot, if there is one; the searcher that was counted on a node is now the one
 * that comes there. */
static bool seat_free(struct pinion_pool *pool, unsigned node, bool *is_full)
{
    struct pn_idle *idle = &pool->scheduler.idle;
    struct pn_worker *slot = free_base_slot(pool);
    *is_full = !slot && pn_load_relaxed(&pool->scheduler.high) == pool->base_limit;
    if (slot) {
        pn_idle_search(idle, slot->neighbors->home);
        (void)pn_idle_found(idle, node);
        node = slot->neighbors->home;
        if (seat(slot))
            return true;
        push_locked(&pool->free_base, slot);
    }
    (void)pn_idle_found(idle, node); /* the caller looks whether somebody relied on it */
    return false;
}

bool pn_pool_grow(struct pinion_pool *pool, unsigned node)
{
    const int64_t grow_after = pn_load_relaxed(&pool->grow_after);
    if (grow_after && pn_now() < grow_after)
        return false;
    /* From here on, so that others don't ask for more than they need. */
    pn_idle_search(&pool->scheduler.idle, node);
    /* Waits for who is at it: that one's thread may be the caller, which found more to do. */
    (void)pthread_mutex_lock(&pool->grow_lock);
    bool is_full;
    const bool is_well = seat_free(pool, node, &is_full);
    pn_store_relaxed(&pool->grow_after, is_well || is_full ? 0 : pn_now() + GROW_BACKOFF_NS);
    if (is_well)
        /* Release: the thread is there, pairs with the loads of those who queue for it. */
        pn_fetch_add_acq_rel(&pool->base_alive, 1u);
    (void)pthread_mutex_unlock(&pool->grow_lock);
    reap(pool);
    return is_well;
}

/* ---- reserve slots ---- */

static struct pinion_seat floating_seat(const struct pn_pool_node *node)
{
    return (struct pinion_seat){.cpu = -1, .node = node->node};
}

/* Adds a slot at the end of the chunks. By who holds slow_lock. */
static bool add_reserve_slot_locked(struct pinion_pool *pool, const struct pn_pool_node *node)
{
    const unsigned index = pn_load_relaxed(&pool->reserve_count);
    unsigned chunk = 0, size = PN_RESERVE_FIRST, offset = index;
    for (; offset >= size; size *= 2, chunk++)
        offset -= size;
    if (chunk == PN_RESERVE_CHUNKS)
        return false;
    struct pn_worker **workers = pn_load_relaxed(&pool->reserves[chunk]);
    if (!workers) {
        workers = calloc(size, sizeof *workers);
        if (!workers)
            return false;
        /* Release, as reserve_count: pairs with pn_pool_reserve and those who count up to it. */
        pn_store_release(&pool->reserves[chunk], workers);
    }
    struct pn_worker *slot = pn_worker_create(pool, PN_RESERVE, index, floating_seat(node));
    if (!slot)
        return false;
    workers[offset] = slot;
    pn_store_release(&pool->reserve_count, index + 1);
    pn_scheduler_add_reserve(&pool->scheduler, &slot->scout);
    pn_lock(&pool->lock);
    push_locked(&pool->free_reserves, slot);
    pn_unlock(&pool->lock);
    return true;
}

/* What a reservation took. */
struct reservation {
    struct pn_worker *idle; /* the thread that is to run what it is for; NULL: a new one, counted */
    struct pn_worker *slot; /* a free reserve slot; NULL: none is needed */
    bool sleeps;            /* idle has its command, and is to be woken */
};

enum refusal { NOTHING_REFUSED, POOL_ENDS, TOO_MANY, NO_SLOT };

/* Counts a reservation. command: for the idle thread, if there is one. NULL: the caller hands it
 * over later, and needs a slot in any case, not only for a new thread. */
static enum refusal reserve_locked(struct pinion_pool *pool, const struct pn_pool_node *node,
                                   const struct pn_command *command,
                                   struct reservation *reservation)
{
    if (pn_load_relaxed(&pool->ending))
        return POOL_ENDS;
    if (pool->max_parallel && pool->parallel_count >= pool->max_parallel)
        return TOO_MANY;
    struct pn_worker *slot = NULL;
    if (!command || !pool->idle_reserves) {
        slot = pop_locked(&pool->free_reserves);
        if (!slot)
            return NO_SLOT;
        slot->floats = NULL; /* its next thread has not moved yet */
        slot->has_thread = true;
    }
    reservation->slot = slot;
    reservation->idle = take_idle_locked(pool, node, false);
    if (!reservation->idle)
        count_start_locked(pool);
    reservation->sleeps =
        reservation->idle && command && hand_over_locked(reservation->idle, command);
    pool->parallel_count++;
    PN_ASSERT(pool->threads <= pn_pool_capacity_locked(pool) || reservation->idle);
    return NOTHING_REFUSED;
}

static enum refusal reserve(struct pinion_pool *pool, const struct pn_pool_node *node,
                            const struct pn_command *command, struct reservation *reservation)
{
    for (;;) {
        pn_lock(&pool->lock);
        const enum refusal refusal = reserve_locked(pool, node, command, reservation);
        pn_unlock(&pool->lock);
        if (refusal != NO_SLOT)
            return refusal;
        (void)pthread_mutex_lock(&pool->slow_lock);
        const bool is_added = add_reserve_slot_locked(pool, node);
        (void)pthread_mutex_unlock(&pool->slow_lock);
        if (!is_added)
            return NO_SLOT;
    }
}

static int refuse(const struct pinion_pool *pool, enum refusal refusal)
{
    if (refusal == NO_SLOT)
        return pn_error(ENOMEM, "out of memory for a reserve thread");
    if (refusal == POOL_ENDS)
        return pn_error(EAGAIN, "the pool is being destroyed");
    return pn_error(EAGAIN, "max_parallel is %u, and so many parallel and concurrent tasks run",
                    pool->max_parallel);
}

static int start_reserve(struct pn_worker *slot, const struct pn_command *command)
{
    struct pinion_pool *pool = slot->pool;
    slot->command = *command;
    pn_store_relaxed(&slot->signal, PN_SIGNAL_SIGNALED); /* published by the thread's creation */
    const int error = start_thread(slot);
    pn_lock(&pool->lock);
    end_start_locked(pool, !error);
    if (error) {
        pn_store_relaxed(&slot->signal, PN_SIGNAL_CALM);
        vacate_locked(slot);
        pool->parallel_count--;
    }
    pn_unlock(&pool->lock);
    reap(pool);
    if (error)
        return pn_error(-error, "no thread can be had: the system refused one more (see ulimit -u, "
                                "pids.max and memory limits)");
    return 0;
}

int pn_pool_reserve_run(struct pinion_pool *pool, struct pinion_task *task,
                        const struct pn_pool_node *node)
{
    struct reservation reservation;
    const struct pn_command command = {.task = task, .node = node};
    const enum refusal refusal = reserve(pool, node, &command, &reservation);
    if (PN_UNLIKELY(refusal))
        return refuse(pool, refusal);
    if (PN_UNLIKELY(!reservation.idle))
        return start_reserve(reservation.slot, &command);
    if (PN_UNLIKELY(reservation.sleeps))
        wake(reservation.idle);
    return 0;
}

/* ---- standing in ---- */

/* No thread could be made: the caller is in its base slot as before. */
static void stay(struct pn_worker *base, struct pn_worker *reserve)
{
    struct pinion_pool *pool = base->pool;
    pn_membership_move_own(base);
    base->is_loose = reserve->is_loose;
    reserve->is_loose = false;
    pn_lock(&pool->lock);
    end_start_locked(pool, false);
    pool->parallel_count--;
    vacate_locked(reserve);
    pn_unlock(&pool->lock);
    /* Others relied on the thread that was to come. */
    if (pn_idle_found(&pool->scheduler.idle, base->neighbors->home) &&
        pn_scheduler_has_work(&pool->scheduler))
        pn_pool_wake(pool, base->neighbors, &base->counters);
}

struct pn_worker *pn_pool_stand_in(struct pn_worker *base)
{
    struct pinion_pool *pool = base->pool;
    struct reservation reservation;
    if (reserve(pool, base->node, NULL, &reservation))
        return NULL;
    /* From the hand-over on, all of the base slot is the other thread's. */
    reservation.slot->is_loose = base->is_loose;
    base->is_loose = false;
    pn_task_forget_runner();
    pn_membership_move_own(reservation.slot);
    pn_idle_search(&pool->scheduler.idle, base->neighbors->home); /* on behalf of that thread */
    if (reservation.idle) {
        hand_over(reservation.idle, &(struct pn_command){.become = base});
        return reservation.slot;
    }
    if (start_thread(base)) {
        stay(base, reservation.slot);
        return NULL;
    }
    pn_lock(&pool->lock);
    end_start_locked(pool, true);
    pn_unlock(&pool->lock);
    reap(pool);
    return reservation.slot;
}

bool pn_pool_reserve_ended(struct pn_worker *worker)
{
    struct pinion_pool *pool = worker->pool;
    pn_lock(&pool->lock);
    pool->parallel_count--;
    const bool goes_on = !pn_load_relaxed(&pool->ending);
    if (goes_on) {
        const bool is_surplus = pool->threads > pn_pool_capacity_locked(pool);
        if (worker->is_expiring != is_surplus)
            worker->is_expiring = is_surplus;
        push_locked(&pool->idle_reserves, worker);
    }
    pn_unlock(&pool->lock);
    return goes_on;
}

bool pn_pool_lie_down(struct pn_worker *worker)
{
    struct pinion_pool *pool = worker->pool;
    pn_lock(&pool->lock);
    /* Relaxed: signaled under the lock. */
    const bool is_asleep = pn_load_relaxed(&worker->signal) == PN_SIGNAL_CALM;
    if (is_asleep)
        worker->is_asleep = true;
    pn_unlock(&pool->lock);
    return is_asleep;
}

bool pn_pool_retire(struct pn_worker *worker)
{
    struct pinion_pool *pool = worker->pool;
    pn_lock(&pool->lock);
    struct pn_worker **link = &pool->idle_reserves;
    while (*link && *link != worker)
        link = &(*link)->next;
    /* Not listed: a command is on the way. */
    const bool retires = *link && pool->threads > pn_pool_capacity_locked(pool);
    if (retires) {
        (void)pop_locked(link);
        worker->is_retired = true;
        pool->threads--;
    }
    worker->is_asleep = false;
    /* Not surplus now: it stays, until a command comes. */
    worker->is_expiring = false;
    pn_unlock(&pool->lock);
    return retires;
}

/* ---- the end ---- */

void pn_pool_join(struct pinion_pool *pool)
{
    pn_lock(&pool->lock);
    /* In the order of idle.h: who is about to sleep looks for this after it has said so. */
    pn_store_seq_cst(&pool->ending, true);
    for (uint32_t starting; (starting = pn_load_relaxed(&pool->starting));) {
        pn_unlock(&pool->lock);
        (void)pn_futex_wait(&pool->starting, starting, INT64_MAX);
        pn_lock(&pool->lock);
    }
    struct pn_worker *idle = pool->idle_reserves;
    pool->idle_reserves = NULL;
    pn_unlock(&pool->lock);

    while (idle) {
        struct pn_worker *worker = idle;
        idle = worker->next; /* before it ends, and its slot is listed elsewhere */
        hand_over(worker, &(struct pn_command){0});
    }
    const unsigned high = pn_load_acquire(&pool->scheduler.high);
    for (unsigned i = 0; i < high; i++)
        pn_worker_signal(pn_load_acquire(&pool->base[i]));

    for (;;) {
        pn_lock(&pool->lock);
        struct pn_thread *thread = pool->alive ? pool->alive : pool->ended;
        pn_unlock(&pool->lock);
        if (!thread)
            return;
        (void)pthread_join(thread->handle, NULL); /* it has gone over to ended by itself */
        pn_lock(&pool->lock);
        thread_unlink_locked(thread);
        pn_unlock(&pool->lock);
        free(thread);
    }
}
