/* SPDX-License-Identifier: MIT
 *
 * What an implementation of the interface provides. It embeds a struct pinion_io in its own object
 * and finds itself from it; the public functions check and dispatch, and do themselves what is the
 * same for all: awaiting, selecting, canceling, grouping, and what is built on park and unpark.
 */
#ifndef PN_INTERFACE_H
#define PN_INTERFACE_H

#include <stdbool.h>
#include <stdint.h>

#include <pinion/io.h>

#include "check.h"
#include "process.h"
#include "sleeper.h"
#include "task.h"

/* How long a call waits, and whether a request to cancel its task ends the wait. */
struct pn_how {
    int64_t deadline; /* ns of CLOCK_MONOTONIC; INT64_MAX: none */
    bool is_cancelable;
};
#define PN_CANCELABLE(until)   (&(const struct pn_how){.deadline = (until), .is_cancelable = true})
#define PN_UNCANCELABLE(until) (&(const struct pn_how){.deadline = (until), .is_cancelable = false})

/* Parking: waiting at an address until someone unparks who is there, the futex that all of sync.h
 * is built on. Deciding to sleep and deciding to wake are each one step, under a lock that belongs
 * to the address, so that neither misses the other.
 *
 * may_sleep is called under that lock: whether what is waited for is still not there. It may change
 * the word, so as to say that someone is parked. It must not block, wake or park. An unpark without
 * settle skips the lock where nobody seems to be parked: then the look of may_sleep is sequentially
 * consistent, against the change of the word that came before the unpark. */
struct pn_park {
    const volatile void *address;
    bool (*may_sleep)(struct pn_park *park);
    /* Called without the lock once who waits can be unparked, before it sleeps. May be NULL. */
    void (*parked)(struct pn_park *park, struct pinion_io *io);
    uint32_t kind;   /* the caller's own, for who unparks */
    bool goes_first; /* before all others: it was woken, but was not the fastest */
};

/* What park gives, or what unpark hands on: PN_DECLINED: it did not sleep. Above it: what the
 * unparker said. Below 0: -ETIMEDOUT, -ECANCELED. Who was unparked is told so, whatever came at the
 * same time. PN_WOKEN may be for no reason: an unpark that comes after its object is gone finds
 * who is parked at what stands there now. PN_HANDED is given in the step that changes the word. */
enum { PN_DECLINED, PN_WOKEN, PN_HANDED };

/* Unparking: takes those that are parked at the address, in their order, up to `most`; with choose
 * only those that it says, which is called for each, under the address' lock. Then settle is called
 * there, once. Both may be NULL, may change the word, must not block, wake or park. */
enum pn_choice { PN_LEAVE, PN_TAKE, PN_STOP };
struct pn_unpark {
    const volatile void *address;
    unsigned most; /* 0: no limit */
    /* What to do with one: PN_LEAVE it, PN_TAKE it, with what its park gives in *outcome (PN_WOKEN
     * beforehand), PN_STOP: leave it and all that follow. */
    enum pn_choice (*choose)(struct pn_unpark *unpark, const struct pn_park *parked, int *outcome);
    /* After all: remaining: whether any is left parked at the address. */
    void (*settle)(struct pn_unpark *unpark, bool remaining);
    unsigned taken; /* so far */
};

struct pn_io_vtable {
    /* As pinion_async and its kin: kind is PN_ASYNC or PN_DETACHED, the call is valid. False if the
     * caller is to run it at once. *task is the future's, if it has one; else the task may be gone
     * by then. */
    bool (*queue)(struct pinion_io *io, const struct pn_spawn *spawn, struct pinion_task **task);
    /* As pinion_async_concurrent and _parallel and their kin: kind is PN_CONCURRENT or
     * PN_PARALLEL. */
    int (*spawn)(struct pinion_io *io, const struct pn_spawn *spawn, struct pinion_task **task);
    /* Takes a task out of the caller's own queue if it is the youngest there: then nobody else
     * takes it, and it is RUNNING. By who awaits it, so that nobody claims it meanwhile. */
    bool (*take_own)(struct pinion_io *io, struct pinion_task *task);
    /* A task was claimed by the caller, which is about to run it. For its queue and its
     * counters. */
    void (*claimed)(struct pinion_io *io, struct pinion_task *task);
    /* What the caller can do while it waits for a task that runs elsewhere: a task that this one
     * made, taken; NULL: none is to be had. Then runs it. */
    void *(*find_help)(struct pinion_io *io, struct pinion_task *awaited);
    void (*run_help)(struct pinion_io *io, void *found);
    /* The future lets go of a done task: pn_task_drop, with the caller's slab. */
    void (*drop)(struct pinion_io *io, struct pinion_task *task);
    /* A task that is timed has run on the calling thread: it waited and ran for so many ns. */
    void (*timed)(struct pinion_io *io, int64_t waited, int64_t ran);
    void (*yield)(struct pinion_io *io);
    /* The caller, no fiber, is about to block its thread, whichever io this is: others are to have
     * what the thread would run. NULL: nothing is to be done. */
    void (*blocking)(struct pinion_io *io);
    /* See above. park waits in the way of the calling thread or fiber, whichever io this is; it is
     * a cancelation point if `how` is cancelable. */
    int (*park)(struct pinion_io *io, struct pn_park *park, const struct pn_how *how);
    void (*unpark)(struct pinion_io *io, struct pn_unpark *unpark);
};

struct pinion_io {
    const struct pn_io_vtable *vtable;
    int64_t spin_ns; /* how long a thread that waits looks before it sleeps; INT64_MAX: for ever */
    unsigned width;  /* so many queued tasks can run at a time; 0: none is ever queued */
    unsigned process; /* pn_process() of who made it; PN_PROCESS_NONE: it refuses everyone */
};

/* How long who waits looks first: a fiber not at all, since others could use its thread. */
static inline int64_t pn_io_spin_ns(const struct pinion_io *io)
{
    return pn_sleeper_here() ? 0 : io->spin_ns;
}

/* 0, or -EINVAL with the detail: it is no call (pn_call_is_valid). */
int pn_call_check(const struct pinion_call *call);

/* Whether the io starts nothing and waits for nothing here: another process made it, or it is the
 * one that refuses everyone. Then no entry of the vtable may be called but drop. */
static inline bool pn_io_is_refused(const struct pinion_io *io)
{
    return PN_UNLIKELY(io->process != pn_process());
}

/* The same for a call that can fail: 0, or -ECHILD or -ENOTSUP with the detail. */
int pn_io_refuse(const struct pinion_io *io);
static inline int pn_io_refusal(const struct pinion_io *io)
{
    return pn_io_is_refused(io) ? pn_io_refuse(io) : 0;
}

/* Runs a task that the caller has claimed: here, or if little is left of the caller's stack on a
 * thread of its own, and then waits for it. */
void pn_run_claimed(struct pinion_io *io, struct pinion_task *task);

/* Runs in the caller a call that can't fail and has an invalid alignment. */
void pn_call_run_mended(const struct pinion_call *call, void *result);

/* Checks the call, then spawns it: the errors of pinion_async_concurrent. */
int pn_spawn(struct pinion_io *io, const struct pn_spawn *spawn, struct pinion_task **task);

#endif
