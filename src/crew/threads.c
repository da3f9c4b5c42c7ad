/* SPDX-License-Identifier: MIT
 *
 * Threads come and go: the capacity rule, whose invariants stand at struct pn_crew.
 *
 * A thread is counted (threads) in the same step that looks whether there is room for it, and
 * created outside the lock; if that fails it is uncounted. There is always room for a reserved
 * task: without an idle reserve thread, threads <= base_taken + (parallel_count - 1) < capacity.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "check.h"
#include "crew.h"
#include "detail.h"
#include "futex.h"
#include "interrupt.h"
#include "queueing.h"
#include "trace.h"

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
static struct pn_worker *take_idle_locked(struct pn_crew *crew,
                                          const struct pn_crew_node *node, bool for_seat)
{
    struct pn_worker **best = NULL;
    unsigned best_rank = 0;
    for (struct pn_worker **link = &crew->idle_reserves; *link; link = &(*link)->next) {
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
    /* Release: the command, pairs with the acquire in is_signaled (rest.c). Plain stores alone go
     * to the line that the thread looks at, so that it has to come here once only. */
    pn_store_release(&idle->signal, PN_SIGNAL_SIGNALED);
    return was_asleep;
}

static void wake(struct pn_worker *idle)
{
    PN_EVENT(wake, idle, 0, 0);
    pn_futex_wake(&idle->signal, 1);
}

static void hand_over(struct pn_worker *idle, const struct pn_command *command)
{
    struct pn_crew *crew = idle->crew;
    pn_lock(&crew->lock);
    const bool sleeps = hand_over_locked(idle, command);
    pn_unlock(&crew->lock);
    if (sleeps)
        wake(idle);
}

/* ---- creating a thread ---- */

/* The thread of a slot goes on elsewhere, or ends: a reserve slot is free for the next. */
static void vacate_locked(struct pn_worker *slot)
{
    slot->has_thread = false;
    pn_record_leave(slot);
    if (slot->role == PN_RESERVE)
        push_locked(&slot->crew->free_reserves, slot);
}

static void *thread_main(void *argument)
{
    struct pn_thread *thread = argument;
    struct pn_worker *worker = thread->first, *next;
    struct pn_crew *crew = worker->crew;
    struct pn_membership membership;
    pn_membership_enter(&membership, worker);
    pn_interrupt_own_thread();
    pn_modes_set(&crew->modes); /* it has those of its maker, whoever that was */
    while ((next = pn_worker_live(worker))) {
        if (membership.worker == worker) { /* else it left that slot to another thread before */
            pn_lock(&crew->lock);
            vacate_locked(worker);
            pn_unlock(&crew->lock);
            pn_membership_move(&membership, next);
        }
        worker = next;
    }
    worker = membership.worker;
    pn_membership_leave();
    if (pn_crew_is_lost(crew)) /* a child that this thread's task forked ends with it */
        return NULL;
    pn_lock(&crew->lock);
    vacate_locked(worker);
    if (!worker->is_retired) /* pn_crew_retire has uncounted it */
        crew->threads--;
    pn_crew_show_counts_locked(crew);
    worker->is_retired = false;
    thread_unlink_locked(thread);
    thread_link_locked(&crew->ended, thread);
    pn_unlock(&crew->lock);
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

size_t pn_crew_thread_stack(const struct pn_crew *crew)
{
    pthread_attr_t usual;
    size_t bytes = crew->stack_bytes;
    if (bytes || pthread_getattr_default_np(&usual))
        return bytes;
    (void)pthread_attr_getstacksize(&usual, &bytes);
    (void)pthread_attr_destroy(&usual);
    return bytes;
}

static int create_handle(struct pn_crew *crew, struct pn_thread *thread)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes))
        return -ENOMEM;
    int error = 0;
    if (crew->stack_bytes)
        error = pthread_attr_setstacksize(&attributes, crew->stack_bytes);
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
static void reap(struct pn_crew *crew)
{
    for (;;) {
        pn_lock(&crew->lock);
        /* In the end pn_crew_join does it, and a thread is joined once. */
        struct pn_thread *thread = pn_load_relaxed(&crew->ending) ? NULL : crew->ended;
        if (thread)
            thread_unlink_locked(thread);
        pn_unlock(&crew->lock);
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
    struct pn_crew *crew = worker->crew;
    struct pn_thread *thread = malloc(sizeof *thread);
    if (!thread) {
        errno = saved;
        return -ENOMEM;
    }
    thread->first = worker;
    pn_lock(&crew->lock);
    thread_link_locked(&crew->alive, thread);
    pn_unlock(&crew->lock);
    const int error = create_handle(crew, thread);
    if (error) {
        pn_lock(&crew->lock);
        thread_unlink_locked(thread);
        pn_unlock(&crew->lock);
        free(thread);
    }
    errno = saved;
    return error;
}

/* A start has come to its end, well or not. */
static void end_start_locked(struct pn_crew *crew, bool is_well)
{
    if (is_well && crew->threads > crew->threads_peak)
        crew->threads_peak = crew->threads;
    if (!is_well)
        crew->threads--;
    pn_count(&crew->starting, -1u);
    pn_crew_show_counts_locked(crew);
    if (pn_load_relaxed(&crew->ending) && pn_load_relaxed(&crew->starting) == 0)
        pn_futex_wake(&crew->starting, INT_MAX);
}

static void count_start_locked(struct pn_crew *crew)
{
    crew->threads++;
    pn_count(&crew->starting, 1u);
}

/* ---- base slots ---- */

static bool is_all_made(const struct pn_crew *crew)
{
    return pn_load_relaxed(&crew->scheduler.high) == pn_crew_base_slots(crew);
}

/* A seat without a thread; NULL if there is none or no memory for it. By who holds grow_lock. */
static struct pn_worker *free_base_slot(struct pn_crew *crew)
{
    if (crew->free_base)
        return pop_locked(&crew->free_base);
    return is_all_made(crew) ? NULL : pn_crew_add_base(crew);
}

/* Takes an idle reserve thread for the slot, or counts a new one. False if there may be none (the
 * crew ends). */
static bool seat_locked(struct pn_worker *slot, struct pn_worker **idle)
{
    struct pn_crew *crew = slot->crew;
    if (pn_load_relaxed(&crew->ending))
        return false;
    *idle = take_idle_locked(crew, slot->node, true);
    if (!*idle) {
        if (crew->threads >= pn_crew_capacity_locked(crew))
            return false;
        count_start_locked(crew);
    }
    crew->base_taken++;
    slot->has_thread = true;
    pn_fetch_sub_relaxed(&crew->base_missing, 1u);
    return true;
}

static void unseat_locked(struct pn_worker *slot)
{
    struct pn_crew *crew = slot->crew;
    crew->base_taken--;
    slot->has_thread = false;
    pn_fetch_add_relaxed(&crew->base_missing, 1u);
}

/* Gives the slot a thread. */
static bool seat(struct pn_worker *slot)
{
    struct pn_crew *crew = slot->crew;
    struct pn_worker *idle;
    pn_lock(&crew->lock);
    bool is_well = seat_locked(slot, &idle);
    pn_unlock(&crew->lock);
    if (!is_well)
        return false;
    if (idle) {
        hand_over(idle, &(struct pn_command){.become = slot});
        return true;
    }
    is_well = start_thread(slot) == 0;
    pn_lock(&crew->lock);
    end_start_locked(crew, is_well);
    if (!is_well)
        unseat_locked(slot);
    pn_unlock(&crew->lock);
    return is_well;
}

/* The same of a free slot, if there is one; the searcher that was counted on a node is now the one
 * that comes there. */
static bool seat_free(struct pn_crew *crew, unsigned node, bool *is_full)
{
    struct pn_idle *idle = &crew->scheduler.idle;
    struct pn_worker *slot = free_base_slot(crew);
    *is_full = !slot && is_all_made(crew);
    if (slot) {
        pn_idle_search(idle, slot->neighbors->home);
        (void)pn_idle_found(idle, node);
        node = slot->neighbors->home;
        if (seat(slot))
            return true;
        push_locked(&crew->free_base, slot);
    }
    (void)pn_idle_found(idle, node); /* the caller looks whether somebody relied on it */
    return false;
}

bool pn_crew_grow(struct pn_crew *crew, unsigned node)
{
    const int64_t grow_after = pn_load_relaxed(&crew->grow_after);
    if (grow_after && pn_now() < grow_after)
        return false;
    /* From here on, so that others don't ask for more than they need. */
    pn_idle_search(&crew->scheduler.idle, node);
    /* Waits for who is at it: that one's thread may be the caller, which found more to do. */
    (void)pthread_mutex_lock(&crew->grow_lock);
    bool is_full;
    const bool is_well = seat_free(crew, node, &is_full);
    pn_store_relaxed(&crew->grow_after, is_well || is_full ? 0 : pn_now() + GROW_BACKOFF_NS);
    if (is_well)
        /* Release: the thread is there, pairs with the loads of those who queue for it. */
        pn_fetch_add_acq_rel(&crew->base_alive, 1u);
    (void)pthread_mutex_unlock(&crew->grow_lock);
    reap(crew);
    return is_well;
}

/* ---- reserve slots ---- */

static struct pinion_seat floating_seat(const struct pn_crew_node *node)
{
    return (struct pinion_seat){.cpu = -1, .node = node->node};
}

/* Adds a slot at the end of the chunks. By who holds slow_lock. */
static bool add_reserve_slot_locked(struct pn_crew *crew, const struct pn_crew_node *node)
{
    const unsigned index = pn_load_relaxed(&crew->reserve_count);
    unsigned chunk = 0, size = PN_RESERVE_FIRST, offset = index;
    for (; offset >= size; size *= 2, chunk++)
        offset -= size;
    if (chunk == PN_RESERVE_CHUNKS)
        return false;
    struct pn_worker **workers = pn_load_relaxed(&crew->reserves[chunk]);
    if (!workers) {
        workers = calloc(size, sizeof *workers);
        if (!workers)
            return false;
        /* Release, as reserve_count: pairs with pn_crew_reserve and those who count up to it. */
        pn_store_release(&crew->reserves[chunk], workers);
    }
    struct pn_worker *slot = pn_worker_create(crew, PN_RESERVE, index, floating_seat(node));
    if (!slot)
        return false;
    workers[offset] = slot;
    pn_store_release(&crew->reserve_count, index + 1);
    pn_scheduler_add_reserve(&crew->scheduler, &slot->scout);
    pn_lock(&crew->lock);
    push_locked(&crew->free_reserves, slot);
    pn_unlock(&crew->lock);
    return true;
}

/* What a reservation took. */
struct reservation {
    struct pn_worker *idle; /* the thread that is to run what it is for; NULL: a new one, counted */
    struct pn_worker *slot; /* a free reserve slot; NULL: none is needed */
    bool sleeps;            /* idle has its command, and is to be woken */
};

enum refusal { NOTHING_REFUSED, CREW_ENDS, TOO_MANY, NO_SLOT };

/* Counts a reservation. command: for the idle thread, if there is one. NULL: the caller hands it
 * over later, and needs a slot in any case, not only for a new thread. */
static enum refusal reserve_locked(struct pn_crew *crew, const struct pn_crew_node *node,
                                   const struct pn_command *command,
                                   struct reservation *reservation)
{
    if (pn_load_relaxed(&crew->ending))
        return CREW_ENDS;
    if (crew->max_parallel && crew->parallel_count >= crew->max_parallel)
        return TOO_MANY;
    struct pn_worker *slot = NULL;
    if (!command || !crew->idle_reserves) {
        slot = pop_locked(&crew->free_reserves);
        if (!slot)
            return NO_SLOT;
        slot->floats = NULL; /* its next thread has not moved yet */
        slot->has_thread = true;
    }
    reservation->slot = slot;
    reservation->idle = take_idle_locked(crew, node, false);
    if (!reservation->idle)
        count_start_locked(crew);
    reservation->sleeps =
        reservation->idle && command && hand_over_locked(reservation->idle, command);
    crew->parallel_count++;
    pn_crew_show_counts_locked(crew);
    PN_ASSERT(crew->threads <= pn_crew_capacity_locked(crew) || reservation->idle);
    return NOTHING_REFUSED;
}

static enum refusal reserve(struct pn_crew *crew, const struct pn_crew_node *node,
                            const struct pn_command *command, struct reservation *reservation)
{
    for (;;) {
        pn_lock(&crew->lock);
        const enum refusal refusal = reserve_locked(crew, node, command, reservation);
        pn_unlock(&crew->lock);
        if (refusal != NO_SLOT)
            return refusal;
        (void)pthread_mutex_lock(&crew->slow_lock);
        const bool is_added = add_reserve_slot_locked(crew, node);
        (void)pthread_mutex_unlock(&crew->slow_lock);
        if (!is_added)
            return NO_SLOT;
    }
}

static int refuse(const struct pn_crew *crew, enum refusal refusal)
{
    if (refusal == NO_SLOT)
        return pn_error(ENOMEM, "out of memory for a reserve thread");
    if (refusal == CREW_ENDS)
        return pn_error(EAGAIN, "the %s is being destroyed", crew->kind->noun);
    return pn_error(EAGAIN, "max_parallel is %u, and so many parallel and concurrent tasks run",
                    crew->max_parallel);
}

static int start_reserve(struct pn_worker *slot, const struct pn_command *command)
{
    struct pn_crew *crew = slot->crew;
    slot->command = *command;
    pn_store_relaxed(&slot->signal, PN_SIGNAL_SIGNALED); /* published by the thread's creation */
    const int error = start_thread(slot);
    pn_lock(&crew->lock);
    end_start_locked(crew, !error);
    if (error) {
        pn_store_relaxed(&slot->signal, PN_SIGNAL_CALM);
        vacate_locked(slot);
        crew->parallel_count--;
        pn_crew_show_counts_locked(crew);
    }
    pn_unlock(&crew->lock);
    reap(crew);
    if (error)
        return pn_error(-error, "no thread can be had: the system refused one more (see ulimit -u, "
                                "pids.max and memory limits)");
    return 0;
}

int pn_crew_reserve_run(struct pn_crew *crew, struct pinion_task *task,
                        const struct pn_crew_node *node)
{
    struct reservation reservation;
    const struct pn_command command = {.task = task, .node = node};
    const enum refusal refusal = reserve(crew, node, &command, &reservation);
    if (PN_UNLIKELY(refusal))
        return refuse(crew, refusal);
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
    struct pn_crew *crew = base->crew;
    pn_membership_move_own(base);
    base->is_loose = reserve->is_loose;
    reserve->is_loose = false;
    pn_lock(&crew->lock);
    end_start_locked(crew, false);
    crew->parallel_count--;
    pn_crew_show_counts_locked(crew);
    vacate_locked(reserve);
    pn_unlock(&crew->lock);
    /* Others relied on the thread that was to come. */
    if (pn_idle_found(&crew->scheduler.idle, base->neighbors->home) &&
        pn_scheduler_has_work(&crew->scheduler))
        pn_crew_wake(crew, base->neighbors, base->counters);
}

struct pn_worker *pn_crew_stand_in(struct pn_worker *base)
{
    struct pn_crew *crew = base->crew;
    struct reservation reservation;
    if (reserve(crew, base->node, NULL, &reservation))
        return NULL;
    /* From the hand-over on, all of the base slot is the other thread's. */
    reservation.slot->is_loose = base->is_loose;
    base->is_loose = false;
    pn_task_forget_runner();
    pn_membership_move_own(reservation.slot);
    pn_idle_search(&crew->scheduler.idle, base->neighbors->home); /* on behalf of that thread */
    if (reservation.idle) {
        hand_over(reservation.idle, &(struct pn_command){.become = base});
        return reservation.slot;
    }
    if (start_thread(base)) {
        stay(base, reservation.slot);
        return NULL;
    }
    pn_lock(&crew->lock);
    end_start_locked(crew, true);
    pn_unlock(&crew->lock);
    reap(crew);
    return reservation.slot;
}

bool pn_crew_reserve_ended(struct pn_worker *worker)
{
    struct pn_crew *crew = worker->crew;
    pn_lock(&crew->lock);
    crew->parallel_count--;
    pn_crew_show_counts_locked(crew);
    const bool goes_on = !pn_load_relaxed(&crew->ending);
    if (goes_on) {
        const bool is_surplus = crew->threads > pn_crew_capacity_locked(crew);
        if (worker->is_expiring != is_surplus)
            worker->is_expiring = is_surplus;
        push_locked(&crew->idle_reserves, worker);
    }
    pn_unlock(&crew->lock);
    return goes_on;
}

bool pn_crew_lie_down(struct pn_worker *worker)
{
    struct pn_crew *crew = worker->crew;
    pn_lock(&crew->lock);
    /* Relaxed: signaled under the lock. */
    const bool is_asleep = pn_load_relaxed(&worker->signal) == PN_SIGNAL_CALM;
    if (is_asleep)
        worker->is_asleep = true;
    pn_unlock(&crew->lock);
    return is_asleep;
}

bool pn_crew_retire(struct pn_worker *worker)
{
    struct pn_crew *crew = worker->crew;
    pn_lock(&crew->lock);
    struct pn_worker **link = &crew->idle_reserves;
    while (*link && *link != worker)
        link = &(*link)->next;
    /* Not listed: a command is on the way. */
    const bool retires = *link && crew->threads > pn_crew_capacity_locked(crew);
    if (retires) {
        (void)pop_locked(link);
        worker->is_retired = true;
        crew->threads--;
        pn_crew_show_counts_locked(crew);
    }
    worker->is_asleep = false;
    /* Not surplus now: it stays, until a command comes. */
    worker->is_expiring = false;
    pn_unlock(&crew->lock);
    return retires;
}

/* ---- the end ---- */

void pn_crew_join(struct pn_crew *crew)
{
    pn_lock(&crew->lock);
    /* In the order of idle.h: who is about to sleep looks for this after it has said so. */
    pn_store_seq_cst(&crew->ending, true);
    for (uint32_t starting; (starting = pn_load_relaxed(&crew->starting));) {
        pn_unlock(&crew->lock);
        (void)pn_futex_wait(&crew->starting, starting, INT64_MAX);
        pn_lock(&crew->lock);
    }
    struct pn_worker *idle = crew->idle_reserves;
    crew->idle_reserves = NULL;
    pn_unlock(&crew->lock);

    while (idle) {
        struct pn_worker *worker = idle;
        idle = worker->next; /* before it ends, and its slot is listed elsewhere */
        hand_over(worker, &(struct pn_command){0});
    }
    const unsigned high = pn_load_acquire(&crew->scheduler.high);
    for (unsigned i = 0; i < high; i++)
        pn_worker_signal(pn_load_acquire(&crew->base[i]));

    for (;;) {
        pn_lock(&crew->lock);
        struct pn_thread *thread = crew->alive ? crew->alive : crew->ended;
        pn_unlock(&crew->lock);
        if (!thread)
            return;
        (void)pthread_join(thread->handle, NULL); /* it has gone over to ended by itself */
        pn_lock(&crew->lock);
        thread_unlink_locked(thread);
        pn_unlock(&crew->lock);
        free(thread);
    }
}
