/* SPDX-License-Identifier: MIT
 *
 * The crew: threads laid out on the machine by a plan, their slots, queues and memory. What a pool
 * and a loop are made of, each of which says by a struct pn_crew_kind what its workers do.
 *
 *   crew.c        makes and ends a crew: options, settings, what is degraded
 *   nodes.c       its nodes, places and slots
 *   queueing.*    putting tasks where workers find them, and waking those
 *   threads.c     starting, handing over, retiring and joining threads: the capacity rule
 *   rest.c        how a thread sleeps and is woken; the life of a reserve thread
 *   record.*      what other processes may see of it
 *   seat.c        the thread and its CPU
 *   membership.c  which worker a thread is
 *   stats.c       what others may know
 *   times.c       how long tasks waited and ran
 *   strict.*      what would degrade later is tried at the start
 *
 * Terms: a *slot* is a struct pn_worker, which stays until the crew ends; the thread in it may
 * change. Base slots run async tasks, one a seat; a reserve slot runs the one task that it was
 * handed. A thread of the program's has the plan's caller seat: that which made the crew, in the
 * caller's slot, which only queues; or, in a crew whose kind has a *program seat*, whoever comes to
 * work there, in base slot 0, which no thread of ours ever has.
 */
#ifndef PN_CREW_H
#define PN_CREW_H

#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include <pinion/pool.h>

#include "ask.h"
#include "atomic.h"
#include "binding.h"
#include "context.h"
#include "histogram.h"
#include "interface.h"
#include "lane.h"
#include "lock.h"
#include "modes.h"
#include "neighbors.h"
#include "record.h"
#include "scheduler.h"
#include "trace.h"

struct pinion_arena;
struct pn_slab;

struct pn_command;
struct pn_crew;
struct pn_worker;

/* What an implementation says of itself. */
struct pn_crew_kind {
    const struct pn_io_vtable *vtable;
    const char *noun;      /* in messages: "pool"; static */
    size_t worker_bytes;   /* its struct that begins with struct pn_worker, aligned as that;
                              all zero behind it in a new slot */
    bool has_program_seat; /* base slot 0 is for a thread of the program's */
    /* What the thread of a base slot does, which whoever asked for it counted as searching; returns
     * the slot that it goes on in, or NULL: it ends. A thread that blocked is in that slot already,
     * and not in the former any more. */
    struct pn_worker *(*base_live)(struct pn_worker *worker);
    /* A reserve thread runs the task that it was handed, or returns in a child of its process. */
    void (*run_reserved)(struct pn_worker *worker, struct pinion_task *task);
    /* The crew ends: the reserve thread runs what its task queued last, which base workers may have
     * left behind, since they stay while there is work, not while there may be. It went to the
     * lane. */
    void (*run_the_rest)(struct pn_worker *worker);
    /* The thread of a reserve slot ends, or goes on in a base slot. By it. May be NULL. */
    void (*leave_reserved)(struct pn_worker *worker);
    /* Wakes the thread of a slot whose signal it has set to PN_SIGNAL_WAITING. Any thread.
     * May be NULL if it never does. */
    void (*wake)(struct pn_worker *worker);
};

/* What an implementation takes from its own options; what they mean, and what 0 means, stands at
 * struct pinion_pool_options. */
struct pn_crew_options {
    const struct pinion_topology *topology;
    unsigned cpu_count;
    struct pinion_plan_options plan;
    enum pinion_idle idle;
    unsigned spin_us;
    size_t stack_bytes;
    unsigned max_parallel;
    int64_t retire_after;
    bool strict;
    bool has_no_caller; /* no thread of the program's has a seat: every CPU has a base slot */
    size_t base_queue, reserve_queue; /* entries that a slot's deque begins with */
};

/* Of tasks that were timed (pn_task_timing). One writer at a time. */
struct pn_times {
    struct pn_histogram waited; /* from when they were made until they began */
    struct pn_histogram ran;    /* from then on until they ended */
};

/* What outside threads of a node share. The record's counters and times are written under the
 * lane's lock. */
struct pn_crew_node {
    unsigned node;              /* OS index, PINION_NO_NODE: the machine names none */
    struct pinion_arena *arena; /* constant */
    struct pn_neighbors *neighbors;     /* base workers by their distance from this node */
    struct pn_cpu_mask *mask;   /* its allowed CPUs; NULL: threads are not pinned */
    struct pn_lane lane;
    struct pn_slab *slab; /* owned by who holds the lane's lock */
    struct pn_record *record;
    _Atomic(struct pn_times *) times; /* NULL: none yet */
};

/* What a reserve thread is to do. Written under crew->lock by who took it off the idle list, then
 * signal becomes SIGNALED; read by the thread after it saw that. */
struct pn_command {
    struct pinion_task *task;        /* run this … */
    const struct pn_crew_node *node; /* … on this node's CPUs, or else */
    struct pn_worker *become;        /* go to this base slot, or else (both NULL) end */
};

/* signal of a base slot: CALM -> SLEEPING, or WAITING if it sleeps in a way of its kind's (by the
 * thread, before it does) -> SIGNALED (by who wakes it) -> CALM (by the thread). Of a reserve slot:
 * CALM -> SIGNALED (under crew->lock, by who hands over a command) -> CALM (by the thread); that it
 * sleeps is said by is_asleep. */
enum { PN_SIGNAL_CALM, PN_SIGNAL_SLEEPING, PN_SIGNAL_WAITING, PN_SIGNAL_SIGNALED };

struct pn_worker {
    /* Constant while the slot has a thread. */
    struct pn_crew *crew;
    enum pn_role role;
    unsigned index; /* among its role */
    struct pinion_seat seat;
    struct pn_crew_node *node;
    struct pn_neighbors *neighbors; /* base slots by their distance from here */
    struct pn_slab *slab;   /* owned by the slot's thread */
    struct pn_record *record;
    /* In the record. */
    struct pn_head *head;
    struct pn_deque *deque;
    struct pn_counters *counters;

    /* The thread's own, but what of the scout is constant. */
    struct pn_scout scout;
    unsigned tombstones; /* at most so many claimed entries are in the deque */
    bool is_announced;   /* counted in scheduler.announced */
    bool is_loose;       /* its mask was widened by pinion_affinity_restore */

    /* Under crew->lock. A hand-over to a thread that is awake reads this line and does not write
     * it. */
    alignas(PN_LINE) struct pn_worker *next; /* in one of the crew's lists of slots */
    bool has_thread;
    bool is_expiring; /* reserve: ends if unused for retire_after. Written by its thread */
    bool is_asleep;   /* reserve: the thread sleeps, or is about to; not signaled */
    bool is_retired;  /* its thread is no longer counted, and about to end */
    /* The thread's own; also read under crew->lock while it is listed. */
    const struct pn_crew_node *floats; /* reserve: whose CPUs it may use; NULL: not said yet */

    _Atomic(struct pn_times *) times; /* written by the thread, once; NULL: none yet */

    /* What an idle thread looks at, and nothing else: written once a hand-over. */
    alignas(PN_LINE_PAIR) _Atomic uint32_t signal;
    struct pn_command command;
};

/* A thread of the crew, from before it is created until it is joined. In one of the two lists of
 * the crew, under its lock. */
struct pn_thread {
    pthread_t handle;
    struct pn_worker *first; /* the slot that it begins in */
    struct pn_thread *next, **link;
};

/* Which slot a thread has in which crew: an entry of the thread's own list. */
struct pn_membership {
    uint64_t crew_id; /* ids are never used again, so a stale entry matches no crew */
    struct pn_worker *worker; /* dangles in a stale entry */
    struct pn_head *head;     /* of the worker */
    struct pn_segment *segment; /* of the caller's slot: holds it, since its thread may go on when
                                   the crew is gone */
    bool is_caller;           /* the thread made the crew; the entry is on the heap */
    struct pn_membership *next;
};

/* Reserve slots are found by index in chunks that double, so that the array grows under readers. */
#define PN_RESERVE_CHUNKS 24
#define PN_RESERVE_FIRST  8u

/* Under lock:
 *   capacity == cpu_count - 1 + parallel_count, threads <= the highest capacity so far
 *   base_taken <= cpu_count - 1
 *   parallel_count == accepted and not ended concurrent and parallel tasks, and base workers'
 *     tasks that blocked and have not ended
 *   threads == base slots with a thread + reserve slots with one, those being started included
 *   idle_reserves: reserve slots whose thread has no task and no command
 *   listed is_expiring slots >= threads - capacity: a thread becomes surplus only by the end of a
 *   reservation, whose thread then expires; a reservation that takes an expiring one has raised the
 *   capacity; a seat takes one only where all idle ones expire, which are more than the surplus
 *   then
 */
struct pn_crew {
    struct pinion_io io;
    uint64_t id;

    /* Constant after pn_crew_init. */
    const struct pn_crew_kind *kind;
    unsigned cpu_count, base_limit; /* base_limit == cpu_count - 1: threads of ours on base seats */
    unsigned max_parallel;
    enum pinion_idle idle_mode;
    int64_t spin_ns, retire_after;
    size_t stack_bytes;
    size_t base_queue, reserve_queue;
    bool is_pinning;
    bool has_caller; /* a thread of the program's has a seat */
    struct pinion_plan *plan;
    struct pn_node_distances distances;
    struct pn_place *places; /* of the distinct seats of base slots */
    struct pn_place caller_place;
    unsigned place_count;
    struct pn_crew_node *nodes;
    unsigned node_count;
    struct pn_lane **lanes;  /* those of the nodes */
    unsigned *node_of_place; /* index in nodes */
    uint32_t *node_of_cpu; /* by OS index of the CPU: index in nodes */
    unsigned node_of_cpu_count;
    struct pn_segment *segment; /* of the records */
    struct pn_record_header *header;
    struct pn_cpu_mask *original_mask; /* the program's, when the crew was made; NULL: unknown */
    struct pn_modes modes;             /* of the thread that made the crew */
    struct pn_worker *caller; /* NULL: there is a program seat */
    _Atomic(struct pn_worker *) *base; /* pn_crew_base_slots; set below scheduler.high */

    struct pn_scheduler scheduler;

    /* Read on every spawn, written seldom. */
    alignas(PN_LINE_PAIR) _Atomic bool ending;
    _Atomic unsigned base_alive;    /* base slots with a thread of ours, counted when it is sure */
    _Atomic unsigned base_missing;  /* seats without a thread: base_limit - base_taken */
    _Atomic unsigned reserve_count; /* reserve slots made */
    _Atomic int64_t grow_after;     /* a thread could not be had: no new try before (pn_now) */
    _Atomic(struct pn_worker **) reserves[PN_RESERVE_CHUNKS];

    /* Held while a seat gets its thread, so that one does it at a time. */
    alignas(PN_LINE_PAIR) pthread_mutex_t grow_lock;
    struct pn_worker *free_base; /* seats that lost theirs: it could not be created */

    /* Held for what takes longer than lock may be held; taken before it. */
    pthread_mutex_t slow_lock;
    char degraded[2048];
    size_t degraded_length;
    int degraded_error; /* of the first rung; negative */

    struct pn_crew *next_crew; /* in the registry, under its lock */
    _Atomic(bool) is_shown;    /* pn_crew_show */

    /* All that a reservation changes of the crew is on this line. */
    alignas(PN_LINE_PAIR) _Atomic(uint32_t) lock;
    unsigned parallel_count, threads, threads_peak, base_taken;
    _Atomic(uint32_t) starting; /* written under lock; who ends the crew sleeps on it */
    struct pn_worker *idle_reserves, *free_reserves;
    struct pn_thread *alive, *ended;
};

static inline struct pn_crew *pn_crew_of(struct pinion_io *io)
{
    return (struct pn_crew *)(void *)io; /* its first member */
}

/* Whether this process was forked from the one that made the crew: its threads are not here, and
 * its locks may be held for ever. */
static inline bool pn_crew_is_lost(const struct pn_crew *crew)
{
    return pn_io_is_refused(&crew->io);
}

static inline unsigned pn_crew_capacity_locked(const struct pn_crew *crew)
{
    return crew->base_limit + crew->parallel_count;
}

static inline unsigned pn_crew_base_slots(const struct pn_crew *crew)
{
    return crew->base_limit + (crew->kind->has_program_seat ? 1u : 0u);
}

/* Where a base slot sits: slot i where slot i % place_count does. So where seats wrap round the
 * program's is the last of the distinct ones, not the plan's caller seat. */
static inline struct pinion_seat pn_crew_seat(const struct pn_crew *crew, unsigned index)
{
    const struct pinion_plan *plan = crew->plan;
    if (!crew->kind->has_program_seat)
        return plan->seats[index];
    if (index)
        return plan->seats[index - 1];
    return crew->base_limit < crew->place_count ? plan->caller : plan->seats[crew->place_count - 1];
}

static inline bool pn_worker_is_program_seat(const struct pn_worker *worker)
{
    return worker->role == PN_BASE && worker->index == 0 && worker->crew->kind->has_program_seat;
}

/* crew.c */

/* 0, or -EINVAL with the detail: an options struct's reserved fields are not all zero. */
int pn_crew_check_reserved(const uint64_t reserved[static 8]);
/* Zeroed memory for what begins with a crew; NULL when out of memory. free() frees it. */
void *pn_crew_allocate(size_t bytes);

/* Makes a crew of what is zero, on the topology given or the one that it discovers; kind is
 * borrowed. 0, or the errors of pinion_pool_create, with their detail, and then nothing of it
 * remains. */
int pn_crew_init(struct pn_crew *crew, const struct pn_crew_kind *kind,
                 const struct pn_crew_options *options);
/* Runs what is queued, joins every thread and frees all but *crew itself. In the process that made
 * it, by no thread of its own. */
void pn_crew_fini(struct pn_crew *crew);
/* Notes that something is degraded, a line for the report; the same line once. error: -errno of it.
 * Takes slow_lock. */
void pn_crew_degrade(struct pn_crew *crew, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* nodes.c */

/* Makes what the crew has on each node and each place of a plan that was made: all but slots. 0 or
 * -errno; what was made by then is freed by pn_crew_drain_nodes, too. */
int pn_crew_make_nodes(struct pn_crew *crew, const struct pinion_plan_options *options,
                       const struct pinion_topology *topology);
/* Of a crew without slots. */
void pn_crew_drain_nodes(struct pn_crew *crew);
/* The node of the CPU that the caller is on. */
struct pn_crew_node *pn_crew_node_here(struct pn_crew *crew);
/* Makes a slot on its seat's node; role PN_RESERVE: on the node given. NULL when out of memory. */
struct pn_worker *pn_worker_create(struct pn_crew *crew, enum pn_role role, unsigned index,
                                   struct pinion_seat seat);
void pn_worker_destroy(struct pn_worker *worker);
/* Adds the next base slot, by one thread at a time; there are not all yet. NULL when out of
 * memory. */
struct pn_worker *pn_crew_add_base(struct pn_crew *crew);
/* The i-th reserve slot, below reserve_count. */
struct pn_worker *pn_crew_reserve(struct pn_crew *crew, unsigned index);

/* rest.c */

/* What the thread of a slot does; returns the slot that it goes on in, or NULL: it ends. A thread
 * that blocked is in that slot already, and not in the former any more. */
struct pn_worker *pn_worker_live(struct pn_worker *worker);
/* Wakes the thread of a base slot. */
void pn_worker_signal(struct pn_worker *worker);
/* The thread of a base slot, which has lain down, sleeps until it is signaled. */
void pn_worker_sleep(struct pn_worker *worker);
/* ns for the scheduler, by a worker that has looked so often without a task. */
int64_t pn_worker_time_of_look(const struct pn_worker *worker, int64_t looks);
/* The task of a reservation has run, on its slot's thread: what it queued goes where others look,
 * and the reservation ends. Before the completion is visible. False: the crew ends. */
bool pn_worker_end_reservation(struct pn_worker *worker);

/* seat.c */

/* Gives the calling thread the name of its slot. */
void pn_worker_name_thread(const struct pn_worker *worker);
/* Puts the calling thread where its slot sits. */
void pn_worker_take_seat(struct pn_worker *worker);
/* Lets the calling thread, that of a reserve slot, use the CPUs of a node: that of whoever asked
 * for its task. No CPU of its own is free. */
void pn_worker_float_over(struct pn_worker *worker, const struct pn_crew_node *node);
/* A thread begins with the mask of the one that created it, which may be any of the program's: one
 * that is pinned, say. Gives it the program's own; if the kernel refuses it keeps that. */
void pn_worker_unpin(const struct pn_worker *worker);

/* record.c */

/* Makes the crew's segment, and the records of its nodes. 0 or -ENOMEM. */
int pn_crew_make_records(struct pn_crew *crew);
void pn_crew_drop_records(struct pn_crew *crew);
/* One of that role, on a node, zeroed but for that; NULL when out of memory. It is shown, unless
 * there are very many. Any thread. */
struct pn_record *pn_record_create(struct pn_crew *crew, enum pn_role role, unsigned index,
                                   const struct pinion_seat *seat);
void pn_record_destroy(struct pn_crew *crew, struct pn_record *record);
/* The calling thread is in the worker's slot from now on; or nobody is. */
void pn_record_enter(struct pn_worker *worker);
void pn_record_leave(struct pn_worker *worker);
/* Shows how many threads and reservations there are. Under crew->lock. */
void pn_crew_show_counts_locked(struct pn_crew *crew);

/* stats.c: what pinion_pool_stats, _workers and _degraded say (pool.h). */
void pn_crew_stats(struct pn_crew *crew, struct pinion_pool_stats *stats);
size_t pn_crew_workers(struct pn_crew *crew, struct pinion_worker_stats *workers, size_t count);
size_t pn_crew_degraded(struct pn_crew *crew, char *buffer, size_t size);
/* As pinion_worker_stats has it. */
void pn_worker_name(const struct pn_worker *worker, char name[static 16]);
/* Calls visit for every slot that was made: the caller's, base slots, reserve slots. */
void pn_crew_each_slot(struct pn_crew *crew, void (*visit)(struct pn_worker *worker, void *context),
                       void *context);

/* times.c */

/* When nobody writes to them any more. */
void pn_times_free(_Atomic(struct pn_times *) *times, struct pinion_arena *arena);

/* threads.c */

/* Blocks the signals that threads of ours don't take, all but those of their own faults and the one
 * that cancels use: the program's handlers run on the program's threads. Around the creation of
 * each thread. */
void pn_block_signals(sigset_t *former);

/* Gives one more seat a thread: an idle reserve thread, or a new one, counted as searching (until
 * its seat is known, on the node of the caller, which is given). False if all seats have one, or
 * none can be had: then who relied on it was let down, and the caller is to look who else can
 * come. */
bool pn_crew_grow(struct pn_crew *crew, unsigned node);
/* Hands a task to a thread that nobody else can occupy: an idle reserve thread or a new one. 0,
 * -EAGAIN or -ENOMEM, and then nothing of it remains. */
int pn_crew_reserve_run(struct pn_crew *crew, struct pinion_task *task,
                        const struct pn_crew_node *node);
/* A reserve thread's task has run: its reservation ends, the thread is idle. False: the crew ends,
 * and the thread is to end. */
bool pn_crew_reserve_ended(struct pn_worker *worker);
/* Makes a reservation for the calling thread, that of a base slot, which gets another: an idle
 * reserve thread, or a new one. The reserve slot that the caller is in now; NULL: none can be had,
 * and all is as it was. */
struct pn_worker *pn_crew_stand_in(struct pn_worker *base);
/* An idle reserve thread is about to sleep until it is signaled. False: it has been. */
bool pn_crew_lie_down(struct pn_worker *worker);
/* An idle reserve thread has waited long enough: true if it is surplus and is to end now. */
bool pn_crew_retire(struct pn_worker *worker);
/* How large its threads' stacks are, in bytes. */
size_t pn_crew_thread_stack(const struct pn_crew *crew);
/* No new threads; every thread runs what is queued, and is joined. */
void pn_crew_join(struct pn_crew *crew);

/* membership.c */

/* The slot that the calling thread has in a crew, NULL if none. */
struct pn_worker *pn_membership_search(const struct pn_crew *crew);
static inline struct pn_worker *pn_membership_find(const struct pn_crew *crew)
{
    const struct pinion_head *shared = pn_thread()->head;
    const struct pn_head *head = (const void *)shared; /* which is its first member */
    if (PN_LIKELY(shared != &pn_head_none && head->crew_id == crew->id))
        return head->worker;
    return pn_membership_search(crew);
}
/* The caller's slot ends: its thread runs no more of the crew's tasks in place. */
void pn_head_clear(struct pn_head *head);
/* The slot that the calling thread lives in, if it is a crew's own thread, else NULL. */
struct pn_worker *pn_membership_own(void);
/* A crew's thread begins in a slot, goes on in another, and ends. The entry is on its stack. */
void pn_membership_enter(struct pn_membership *entry, struct pn_worker *worker);
void pn_membership_move(struct pn_membership *entry, struct pn_worker *worker);
void pn_membership_leave(void);
/* A thread of the program's comes to the program seat, and goes. The entry is on its stack. */
void pn_membership_visit(struct pn_membership *entry, struct pn_worker *worker);
void pn_membership_unvisit(struct pn_membership *entry);
/* The calling thread, a crew's own, is in another slot of it now. */
void pn_membership_move_own(struct pn_worker *worker);
/* Registers a new crew, and gives the calling thread its caller's slot if it has a caller. 0 or
 * -ENOMEM. */
int pn_membership_register(struct pn_crew *crew);
/* The crew ends: no thread that exits looks at it any more. */
void pn_membership_unregister(struct pn_crew *crew);
/* The same for a crew of the parent of this process, of which the caller's entry is all that was
 * left. */
void pn_membership_forget(const struct pn_crew *crew);
uint64_t pn_membership_new_id(void);
/* A crew, and what its kind has of its own, is made: from now on others may look at it. */
void pn_crew_show(struct pn_crew *crew);
/* For who looks at the crews of others: the first, and the one after; NULL: no more. Between enter
 * and leave none of them ends: who wants to end one waits, and nobody else. Any thread; not in the
 * middle of itself. */
struct pn_crew *pn_crews_enter(void);
struct pn_crew *pn_crews_next(const struct pn_crew *crew);
void pn_crews_leave(void);

#endif
