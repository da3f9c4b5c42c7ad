/* SPDX-License-Identifier: MIT
 *
 * The pool's own objects: the pool, its nodes, its workers.
 *
 *   pool.c        makes and ends a pool
 *   spawn.c       the interface's calls: where a new task goes
 *   worker.c      what a base worker and a reserve thread do; finding work
 *   threads.c     starting, handing over, retiring and joining threads: the capacity rule
 *   membership.c  which worker a thread is
 *   default.c     the one pool that a process has without making it
 *   stats.c       what others may know
 *
 * Terms: a *slot* is a struct pn_worker, which stays until the pool ends; the thread in it may
 * change. Base slots run async tasks, one a seat; a reserve slot runs the one task that it was
 * handed; the caller's slot is that of the thread that made the pool.
 */
#ifndef PN_POOL_H
#define PN_POOL_H

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
#include "counters.h"
#include "deque.h"
#include "interface.h"
#include "lane.h"
#include "lock.h"
#include "modes.h"
#include "neighbors.h"
#include "scheduler.h"

struct pinion_arena;
struct pn_slab;

enum pn_role { PN_BASE, PN_RESERVE, PN_CALLER };

/* What the slot's thread reads to run tasks in place (inline.h). Lives in the slot; the caller's
 * apart, since its thread may go on when the pool is gone. runs: set by the thread, when enough is
 * queued in its deque and nobody is hungry, cleared by it when it takes an entry out, and by
 * thieves that take one or miss one (ask.h). */
struct pn_head {
    struct pinion_head shared;
    uint64_t pool_id;
    struct pn_worker *worker;
    unsigned holders; /* of the caller's: the slot and its thread's membership, under their lock */
};

/* What outside threads of a node share. queued and injected are counted under the lane's lock, the
 * rest with locked instructions. */
struct pn_pool_node {
    unsigned node;              /* OS index, PINION_NO_NODE: the machine names none */
    struct pinion_arena *arena; /* constant */
    struct pn_neighbors *neighbors;     /* base workers by their distance from this node */
    struct pn_cpu_mask *mask;   /* its allowed CPUs; NULL: threads are not pinned */
    struct pn_lane lane;
    struct pn_slab *slab; /* owned by who holds the lane's lock */
    alignas(PN_LINE_PAIR) struct pn_counters counters;
    _Atomic uint64_t injected, inlined;
};

/* What a reserve thread is to do. Written under pool->lock by who took it off the idle list, then
 * signal becomes SIGNALED; read by the thread after it saw that. */
struct pn_command {
    struct pinion_task *task;        /* run this … */
    const struct pn_pool_node *node; /* … on this node's CPUs, or else */
    struct pn_worker *become;        /* go to this base slot, or else (both NULL) end */
};

/* signal of a base slot: CALM -> SLEEPING (by the thread, before it sleeps) -> SIGNALED (by who
 * wakes it) -> CALM (by the thread). Of a reserve slot: CALM -> SIGNALED (under pool->lock, by who
 * hands over a command) -> CALM (by the thread); that it sleeps is said by is_asleep. */
enum { PN_SIGNAL_CALM, PN_SIGNAL_SLEEPING, PN_SIGNAL_SIGNALED };

struct pn_worker {
    /* Constant while the slot has a thread. */
    struct pinion_pool *pool;
    enum pn_role role;
    unsigned index; /* among its role */
    struct pinion_seat seat;
    struct pn_pool_node *node;
    struct pn_neighbors *neighbors; /* base slots by their distance from here */
    struct pn_slab *slab;   /* owned by the slot's thread */
    struct pn_head *head;

    /* The thread's own, but what of the scout is constant. */
    struct pn_scout scout;
    unsigned tombstones; /* at most so many claimed entries are in the deque */
    bool is_announced;   /* counted in scheduler.announced */
    bool is_loose;       /* its mask was widened by pinion_affinity_restore */

    /* Under pool->lock. A hand-over to a thread that is awake reads this line and does not write
     * it. */
    alignas(PN_LINE) struct pn_worker *next; /* in one of the pool's lists of slots */
    bool has_thread;
    bool is_expiring; /* reserve: ends if unused for retire_after. Written by its thread */
    bool is_asleep;   /* reserve: the thread sleeps, or is about to; not signaled */
    bool is_retired;  /* its thread is no longer counted, and about to end */
    /* The thread's own; also read under pool->lock while it is listed. */
    const struct pn_pool_node *floats; /* reserve: whose CPUs it may use; NULL: not said yet */

    /* Read back from the kernel by the thread, shown to others. */
    _Atomic int pinned_cpu;

    alignas(PN_LINE_PAIR) struct pn_deque deque;
    /* What an idle thread looks at, and nothing else: written once a hand-over. */
    alignas(PN_LINE_PAIR) _Atomic uint32_t signal;
    struct pn_command command;
    alignas(PN_LINE_PAIR) struct pn_counters counters;
    alignas(PN_LINE_PAIR) struct pn_head own_head; /* but the caller's */
};

/* A thread of the pool, from before it is created until it is joined. In one of the two lists of
 * the pool, under its lock. */
struct pn_thread {
    pthread_t handle;
    struct pn_worker *first; /* the slot that it begins in */
    struct pn_thread *next, **link;
};

/* Which slot a thread has in which pool: an entry of the thread's own list. */
struct pn_membership {
    uint64_t pool_id; /* ids are never used again, so a stale entry matches no pool */
    struct pn_worker *worker; /* dangles in a stale entry */
    struct pn_head *head;     /* of the worker */
    bool is_caller;           /* the thread made the pool; the entry is on the heap */
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
struct pinion_pool {
    struct pinion_io io;
    uint64_t id;

    /* Constant after create. */
    unsigned cpu_count, base_limit; /* base_limit == cpu_count - 1 */
    unsigned max_parallel;
    enum pinion_idle idle_mode;
    int64_t spin_ns, retire_after;
    size_t stack_bytes;
    bool is_eager, is_pinning;
    bool has_caller; /* else no thread is in the caller's slot, and every CPU has a base slot */
    struct pinion_plan *plan;
    struct pn_node_distances distances;
    struct pn_place *places; /* of the distinct seats */
    struct pn_place caller_place;
    unsigned place_count;
    struct pn_pool_node *nodes;
    unsigned node_count;
    struct pn_lane **lanes;  /* those of the nodes */
    unsigned *node_of_place; /* index in nodes */
    uint32_t *node_of_cpu; /* by OS index of the CPU: index in nodes */
    unsigned node_of_cpu_count;
    struct pn_cpu_mask *original_mask; /* the program's, when the pool was made; NULL: unknown */
    struct pn_modes modes;             /* of the thread that made the pool */
    struct pn_worker *caller;
    _Atomic(struct pn_worker *) *base; /* base_limit; set below scheduler.high */

    struct pn_scheduler scheduler;

    /* Read on every spawn, written seldom. */
    alignas(PN_LINE_PAIR) _Atomic bool ending;
    _Atomic unsigned base_alive;    /* base slots that have a thread, counted when it is sure */
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

    struct pinion_pool *next_pool; /* in the registry, under its lock */

    /* All that a reservation changes of the pool is on this line. */
    alignas(PN_LINE_PAIR) _Atomic(uint32_t) lock;
    unsigned parallel_count, threads, threads_peak, base_taken;
    _Atomic(uint32_t) starting; /* written under lock; who ends the pool sleeps on it */
    struct pn_worker *idle_reserves, *free_reserves;
    struct pn_thread *alive, *ended;
};

static inline struct pinion_pool *pn_pool_of(struct pinion_io *io)
{
    return (struct pinion_pool *)(void *)io; /* its first member */
}

/* Whether this process was forked from the one that made the pool: its threads are not here, and
 * its locks may be held for ever. */
static inline bool pn_pool_is_lost(const struct pinion_pool *pool)
{
    return pn_io_is_refused(&pool->io);
}

static inline unsigned pn_pool_capacity_locked(const struct pinion_pool *pool)
{
    return pool->base_limit + pool->parallel_count;
}

/* pool.c */

/* Notes that something is degraded, a line for the report; the same line once. error: -errno of it.
 * Takes the lock. */
void pn_pool_degrade(struct pinion_pool *pool, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Makes a pool with a base slot for every CPU and with default options; no thread is its caller.
 * Errors as pinion_pool_create. */
int pn_pool_create_without_caller(struct pinion_pool **pool);
/* Makes a slot on its seat's node; role PN_RESERVE: on the node given. NULL when out of memory. */
struct pn_worker *pn_worker_create(struct pinion_pool *pool, enum pn_role role, unsigned index,
                                   struct pinion_seat seat);
void pn_worker_destroy(struct pn_worker *worker);
/* The node of the CPU that the caller is on. */
struct pn_pool_node *pn_pool_node_here(struct pinion_pool *pool);

/* spawn.c */

extern const struct pn_io_vtable pn_pool_vtable;
/* Moves what is left in a slot's deque to its node's lane, and sends home the blocks of others that
 * its slab holds. By the slot's thread, or when it has none. */
void pn_worker_flush(struct pn_worker *worker);
/* Something was queued: wakes a worker, or starts one, if that is called for. */
void pn_pool_wake(struct pinion_pool *pool, const struct pn_neighbors *neighbors,
                  struct pn_counters *counters);

/* worker.c */

/* What the thread of a slot does; returns the slot that it goes on in, or NULL: it ends. A thread
 * that blocked is in that slot already, and not in the former any more. */
struct pn_worker *pn_worker_live(struct pn_worker *worker);
/* The calling thread is about to block. If it is that of a base slot, another takes the slot over
 * and it goes on in a reserve slot until its task ends, as a reservation; if none can be had all
 * stays as it is. No pointer to the caller's slot may be used beyond this, nor beyond a call of any
 * function of a task: pn_membership_find tells the slot anew. */
void pn_worker_make_way(void);
/* The i-th reserve slot, below reserve_count. */
struct pn_worker *pn_pool_reserve(struct pinion_pool *pool, unsigned index);
/* Wakes the thread of a base slot. */
void pn_worker_signal(struct pn_worker *worker);

/* threads.c */

/* Blocks the signals that threads of ours don't take, all but those of their own faults and the one
 * that cancels use: the program's handlers run on the program's threads. Around the creation of
 * each thread. */
void pn_block_signals(sigset_t *former);

/* Gives one more seat a thread: an idle reserve thread, or a new one, counted as searching (until
 * its seat is known, on the node of the caller, which is given). False if all seats have one, or
 * none can be had: then who relied on it was let down, and the caller is to look who else can
 * come. */
bool pn_pool_grow(struct pinion_pool *pool, unsigned node);
/* Hands a task to a thread that nobody else can occupy: an idle reserve thread or a new one. 0,
 * -EAGAIN or -ENOMEM, and then nothing of it remains. */
int pn_pool_reserve_run(struct pinion_pool *pool, struct pinion_task *task,
                        const struct pn_pool_node *node);
/* A reserve thread's task has run: its reservation ends, the thread is idle. False: the pool ends,
 * and the thread is to end. */
bool pn_pool_reserve_ended(struct pn_worker *worker);
/* Makes a reservation for the calling thread, that of a base slot, which gets another: an idle
 * reserve thread, or a new one. The reserve slot that the caller is in now; NULL: none can be had,
 * and all is as it was. */
struct pn_worker *pn_pool_stand_in(struct pn_worker *base);
/* An idle reserve thread is about to sleep until it is signaled. False: it has been. */
bool pn_pool_lie_down(struct pn_worker *worker);
/* An idle reserve thread has waited long enough: true if it is surplus and is to end now. */
bool pn_pool_retire(struct pn_worker *worker);
/* No new threads; every thread runs what is queued, and is joined. */
void pn_pool_join(struct pinion_pool *pool);

/* membership.c */

/* The slot that the calling thread has in a pool, NULL if none. */
struct pn_worker *pn_membership_search(const struct pinion_pool *pool);
static inline struct pn_worker *pn_membership_find(const struct pinion_pool *pool)
{
    const struct pinion_head *shared = pn_thread()->head;
    const struct pn_head *head = (const void *)shared; /* which is its first member */
    if (PN_LIKELY(shared != &pn_head_none && head->pool_id == pool->id))
        return head->worker;
    return pn_membership_search(pool);
}
/* The head of a caller's slot, and what lets go of it. NULL when out of memory. */
struct pn_head *pn_head_create(struct pn_worker *worker);
void pn_head_let_go(struct pn_head *head);
/* The slot that the calling thread lives in, if it is a pool's own thread, else NULL. */
struct pn_worker *pn_membership_own(void);
/* A pool's thread begins in a slot, goes on in another, and ends. The entry is on its stack. */
void pn_membership_enter(struct pn_membership *entry, struct pn_worker *worker);
void pn_membership_move(struct pn_membership *entry, struct pn_worker *worker);
void pn_membership_leave(void);
/* The calling thread, a pool's own, is in another slot of it now. */
void pn_membership_move_own(struct pn_worker *worker);
/* Registers a new pool, and gives the calling thread its caller's slot if it has a caller. 0 or
 * -ENOMEM. */
int pn_membership_register(struct pinion_pool *pool);
/* The pool ends: no thread that exits looks at it any more. */
void pn_membership_unregister(struct pinion_pool *pool);
/* The same for a pool of the parent of this process, of which the caller's entry is all that was
 * left. */
void pn_membership_forget(const struct pinion_pool *pool);
uint64_t pn_membership_new_id(void);

#endif
