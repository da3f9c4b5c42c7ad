/* SPDX-License-Identifier: MIT
 *
 * A task: one block that holds its state, its function, and room for context and result (closure).
 * This file knows how a task is laid out, run, claimed, waited for and let go; not where it is
 * queued.
 *
 * Who may hold a task: its future, the queue that it stands in, and the thread that runs it. It is
 * freed when the first two have let go of it (a detached one and a group's member, which have no
 * future: when they ended).
 */
#ifndef PN_TASK_H
#define PN_TASK_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include <pinion/group.h>
#include <pinion/io.h>

#include "atomic.h"
#include "check.h"
#include "waiter.h"

struct pinion_arena;
struct pinion_io;
struct pn_slab;

/* The state word: one of three phases, two flags, and the waiter.
 *
 *   QUEUED -> RUNNING -> DONE      never back
 *
 *   phase   QUEUED: no one runs it. Taken to RUNNING by one compare-and-swap: by who took it out of
 *           its queue (then IN_QUEUE is cleared with it) or by who awaits it (claim; IN_QUEUE
 *           stays, and what stands in the queue is a tombstone). DONE: context used up, result in
 *           place.
 *           A concurrent task that stands in a queue is RUNNING from the start: an await that waits
 *           does not claim it, and whoever takes it out of the queue runs it.
 *   IN_QUEUE  a queue's slot points here. Set before the task is published; cleared by who takes
 *           the slot's content out.
 *   DROPPED  the future is consumed. Of IN_QUEUE's clearing and DROPPED's setting, the later frees.
 *   waiter  who waits for DONE, 0 if nobody. Set and cleared by the thread that uses the future,
 *           only while RUNNING; taken by the runner when it sets DONE, which then owes it a signal.
 *           One is enough: a future is used by one thread at a time.
 */
#define PN_TASK_QUEUED    ((uintptr_t)0)
#define PN_TASK_RUNNING   ((uintptr_t)1)
#define PN_TASK_DONE      ((uintptr_t)2)
#define PN_TASK_PHASE     ((uintptr_t)3)
#define PN_TASK_IN_QUEUE  ((uintptr_t)4)
#define PN_TASK_DROPPED   ((uintptr_t)8)
#define PN_TASK_FLAGS     ((uintptr_t)(PN_WAITER_ALIGN - 1))

/* The cancel word: what was asked, and where the task waits, which is what a cancel aims at.
 *
 *   REQUESTED  a cancel was requested. Never cleared.
 *   ARMED    it has not been delivered yet. Set with REQUESTED, cleared by the delivery of
 *            -ECANCELED, set again by recancel. So "was given -ECANCELED" is REQUESTED without
 *            ARMED.
 *   INHERITED  the request is not this task's but its maker's, delivered or held back there, and
 *            shows here too. Cleared by a request of its own, which is delivered as any.
 *   waiter   the cancelable wait that the task is in, 0 if none. Set and cleared by the thread that
 *            runs the task; taken by the canceler, which then owes it the signal CANCELED.
 */
#define PN_CANCEL_REQUESTED ((uintptr_t)1)
#define PN_CANCEL_ARMED     ((uintptr_t)2)
#define PN_CANCEL_INHERITED ((uintptr_t)4)
#define PN_CANCEL_FLAGS     ((uintptr_t)(PN_WAITER_ALIGN - 1))

enum pn_task_kind {
    PN_ASYNC,
    PN_DETACHED,
    PN_CONCURRENT,
    PN_PARALLEL,
    PN_ERRAND /* a call that blocks its thread, for a fiber that waits for it: as PN_PARALLEL */
};

/* 48 bytes, then what a member has, then what one that is timed has, then the context, then the
 * result. Who writes what: state and cancel, above. link: while QUEUED, who owns the queue that it
 * stands in: the next one there. From RUNNING on, who runs it: its own name, for who waits (the
 * implementation's; NULL until it is told). first: with that. local: until then. is_protected: who
 * runs it. The rest: who made it, before it is published. */
struct pinion_task {
    _Atomic(uintptr_t) state;
    _Atomic(uintptr_t) cancel;
    pinion_start_fn *start;
    _Atomic(void *) link;
    union {
        void *local;   /* the pointer that it begins with */
        int64_t first; /* where in its runner's queue what it makes begins */
    };
    uint16_t result_offset; /* from the task; 0: there is none, or it is large */
    uint16_t result_small;  /* bytes of the result, unless it is large */
    uint8_t context_offset; /* 0: context and result are large, a struct pn_task_large follows */
    uint8_t kind;           /* enum pn_task_kind */
    bool is_member : 1;     /* of a group: a struct pn_member follows */
    bool is_timed : 1;      /* a struct pn_timing follows, behind that */
    bool is_protected;      /* cancelation points don't see the request */
};
_Static_assert(sizeof(struct pinion_task) == 48, "32 bytes of context and of result fit 112");

/* Whether context and result are not in the task's own block. */
static inline bool pn_task_is_large(const struct pinion_task *task)
{
    return task->context_offset == 0;
}

/* Behind the task of a group's member. All but group: under the group's lock. */
struct pn_member {
    struct pinion_group *group;        /* constant */
    struct pinion_task *next, **link;  /* in one of the group's lists */
    struct pn_waiter *ender;           /* it has ended, and waits until it is not held */
    bool is_held;                      /* a canceler is at it */
};

/* Behind that, of a task that was made while tasks are timed (pn_task_timing). Constant. */
struct pn_timing {
    struct pinion_io *io; /* whose task it is */
    int64_t made;         /* when: pn_now() */
};

/* Whether new tasks are timed, those of all ios. Read on every start of a task, written by
 * pinion_metrics_time_tasks. */
extern _Atomic(bool) pn_task_timing __attribute__((visibility("hidden")));

/* Behind that, where context and result do not fit a slab's block, or a stack is asked for. */
struct pn_task_large {
    struct pinion_arena *arena;
    void *payload; /* context, then result; NULL once it was freed */
    void *result;  /* NULL if there is none */
    size_t payload_bytes;
    size_t result_bytes;
    size_t stack_bytes; /* that it asked for */
};

/* Whether a call can be run as a task: a function, alignments that are powers of two up to
 * PINION_ALIGN_MAX, sizes whose sum is one. */
bool pn_call_is_valid(const struct pinion_call *call);

/* Whether its alignments are valid. */
static inline bool pn_call_is_aligned(const struct pinion_call *call)
{
    return ((call->context_align & (call->context_align - 1)) |
            (call->result_align & (call->result_align - 1))) == 0 &&
           call->context_align <= PINION_ALIGN_MAX && call->result_align <= PINION_ALIGN_MAX;
}

/* What is to be started, and how. */
struct pn_spawn {
    const struct pinion_call *call;
    struct pinion_io *io; /* where; NULL: it is not to be timed */
    enum pn_task_kind kind;
    struct pinion_group *group; /* that it is to be a member of, or NULL */
    bool is_optional;           /* if it isn't queued nobody runs it */
    size_t stack_bytes;         /* that a concurrent one asks for; 0: what is usual */
};

/* Makes a task of a valid call in the state given (PN_TASK_QUEUED | PN_TASK_IN_QUEUE, or
 * PN_TASK_RUNNING if it is handed over), its context copied. slab is the caller's; what does not
 * fit its blocks comes from arena. NULL when out of memory. */
struct pinion_task *pn_task_create(const struct pn_spawn *spawn, uintptr_t state,
                                   struct pn_slab *slab, struct pinion_arena *arena);

/* Frees a task that nobody else knows (any more). mine: the caller's slab or NULL. */
void pn_task_destroy(struct pinion_task *task, struct pn_slab *mine);

/* Before a task is pushed or handed over: a member enters its group. Who awaits that may claim it
 * from now on, if it is QUEUED, even before the push. */
void pn_task_publish(struct pinion_task *task);

/* A task that was published could not be pushed or handed over: true, it will not run and is gone.
 * False: who awaits its group has claimed it, so it is as if it had been queued. mine: the caller's
 * slab or NULL. */
bool pn_task_withdraw(struct pinion_task *task, struct pn_slab *mine);

/* Runs call in the caller, as part of the task that runs here. result: where its result goes, or
 * NULL to discard it. Waits for memory where a discarded result of over 16 KiB needs some and there
 * is none. */
void pn_call_run(const struct pinion_call *call, void *result);

static inline struct pn_timing *pn_task_timing_of(struct pinion_task *task)
{
    char *behind = (char *)(task + 1);
    return (struct pn_timing *)(void *)(behind + (task->is_member ? sizeof(struct pn_member) : 0));
}

static inline struct pn_task_large *pn_task_large(struct pinion_task *task)
{
    char *behind = (char *)pn_task_timing_of(task);
    return (struct pn_task_large *)(void *)(behind +
                                            (task->is_timed ? sizeof(struct pn_timing) : 0));
}

/* Where its context and its result are; a result of 0 bytes is NULL. */
static inline const void *pn_task_context(struct pinion_task *task)
{
    return PN_UNLIKELY(pn_task_is_large(task)) ? pn_task_large(task)->payload
                                               : (char *)task + task->context_offset;
}

static inline void *pn_task_result(struct pinion_task *task)
{
    if (PN_UNLIKELY(pn_task_is_large(task)))
        return pn_task_large(task)->result;
    return task->result_offset ? (char *)task + task->result_offset : NULL;
}

/* The stack that it asked for; 0: what is usual. */
static inline size_t pn_task_stack_bytes(struct pinion_task *task)
{
    return PN_UNLIKELY(pn_task_is_large(task)) ? pn_task_large(task)->stack_bytes : 0;
}

/* timing.c: a task is made, which has room for its timing; and calls the function of one that is
 * timed, and tells its io how long it waited and ran. */
void pn_task_begin_timing(struct pinion_task *task, struct pinion_io *io);
void pn_task_start_timed(struct pinion_task *task, void *result);

/* Runs the function of a task that the caller has taken or claimed. Its result goes into the
 * task. */
void pn_task_run(struct pinion_task *task);

/* The same as pn_task_run, for a task that others may await meanwhile: they are told who runs it,
 * and where in the runner's queue what it makes begins (pn_task_runner). */
void pn_task_run_at(struct pinion_task *task, void *runner, int64_t first);

/* The calling thread gives up the queue that it named to those who await what it runs. */
void pn_task_forget_runner(void);

/* Who runs a task that runs, NULL: nobody has said so. Then first is to be read. */
static inline void *pn_task_runner(const struct pinion_task *task)
{
    return pn_load_acquire(&task->link); /* pairs with the release in pn_task_run_at */
}

/* Whether a task is done; then its result may be read. */
static inline bool pn_task_is_done(const struct pinion_task *task)
{
    /* Pairs with the release in pn_task_finish. */
    return (pn_load_acquire(&task->state) & PN_TASK_PHASE) == PN_TASK_DONE;
}

/* Whether it still runs there: what the runner has queued since it began it is made by it. */
static inline bool pn_task_runs_at(const struct pinion_task *task, const void *runner)
{
    return pn_task_runner(task) == runner && !pn_task_is_done(task);
}

/* Makes the state DONE and signals who waits. The task may be gone when this returns. For a task
 * with a future that was taken from a queue or handed over. */
void pn_task_finish(struct pinion_task *task);

/* What follows pn_task_run for any task that was taken from a queue or handed over: finishes it, or
 * frees it if it has no future. mine: the caller's slab or NULL. */
void pn_task_end(struct pinion_task *task, struct pn_slab *mine);

/* What came out of a queue: true and it is the caller's to run, or false, it was claimed by an
 * await (freed here if the future is consumed). mine: the caller's slab or NULL. */
bool pn_task_take(struct pinion_task *task, struct pn_slab *mine);

/* Whether a queue's entry is a tombstone: an await has claimed it. Only whether it was so then. */
static inline bool pn_task_is_tombstone(const struct pinion_task *task)
{
    /* Relaxed: what was claimed stays so. */
    return task->kind != PN_CONCURRENT &&
           (pn_load_relaxed(&task->state) & PN_TASK_PHASE) != PN_TASK_QUEUED;
}

/* Claims a task that nobody has taken: true and it is the caller's to run. */
static inline bool pn_task_claim(struct pinion_task *task)
{
    uintptr_t seen = pn_load_relaxed(&task->state);
    if (seen != (PN_TASK_QUEUED | PN_TASK_IN_QUEUE))
        return false;
    /* Acquire: the closure's content, pairs with the release that queued it, which the future's
     * holder usually did itself. Release is for the order of the whole word: pairs with
     * pn_task_take. */
    return pn_cas_acq_rel(&task->state, &seen, PN_TASK_RUNNING | PN_TASK_IN_QUEUE);
}

/* Runs a claimed task, makes it DONE and frees what is large of its context. */
void pn_task_run_claimed(struct pinion_task *task);

/* Puts a waiter, or takes it out again, for the caller, who uses the future. add: false if the task
 * is done. remove: false if the runner has taken it, which signals it. */
bool pn_task_add_waiter(struct pinion_task *task, struct pn_waiter *waiter);
bool pn_task_remove_waiter(struct pinion_task *task, struct pn_waiter *waiter);

/* Copies the result of a done task, wholly, unless result is NULL. */
void pn_task_copy_result(const struct pinion_task *task, void *result);

/* The future lets go of a done task. mine: the caller's slab or NULL. */
void pn_task_drop(struct pinion_task *task, struct pn_slab *mine);

#endif
