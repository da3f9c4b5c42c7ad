/* SPDX-License-Identifier: MIT
 *
 * Who waits without blocking its thread: a fiber, as the interface sees it. A thread has no
 * sleeper: it blocks, in a futex or a system call. Which of the two a caller is does not depend on
 * the io that it passes, so this is no part of an io's vtable.
 */
#ifndef PN_SLEEPER_H
#define PN_SLEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "check.h"
#include "context.h"

struct pinion_call;
struct pn_carrier;
struct pn_how;
struct pn_operation;
struct pn_sleeper;
struct pn_waiter;

/* All but wake are called by the fiber itself. */
struct pn_ways {
    /* Returns once PARKED, which the caller has set, is no longer in the waiter's word: true: who
     * cleared it called wake. False: the deadline (ns of CLOCK_MONOTONIC; INT64_MAX: none) passed
     * before, and PARKED was cleared here. */
    bool (*sleep)(struct pn_sleeper *sleeper, struct pn_waiter *waiter, int64_t deadline);
    /* Ends its sleep. Once for each, by who cleared PARKED. Any thread. */
    void (*wake)(struct pn_sleeper *sleeper);
    /* As pn_perform (call.h), of an io that does not refuse. */
    long (*perform)(struct pn_sleeper *sleeper, const struct pn_operation *operation,
                    const struct pn_how *how);
    /* Runs a valid call that blocks its thread on another one, and waits, whatever is requested.
     * False: no thread can be had, and it has not run. */
    bool (*run_apart)(struct pn_sleeper *sleeper, const struct pinion_call *call, void *result);
    /* Lets the others on its thread run. */
    void (*yield)(struct pn_sleeper *sleeper);
    /* Whether nobody else would run on its thread now: then it may look for what it waits for, for
     * a few microseconds, and ask again meanwhile. */
    bool (*is_alone)(struct pn_sleeper *sleeper);
};

struct pn_sleeper {
    const struct pn_ways *ways;
    struct pn_carrier *carrier; /* of its batches' operations (carrier.h); NULL: it does them */
    unsigned calls; /* that may wait, so far */
};

/* The calling fiber; NULL: the caller has a thread. */
static inline struct pn_sleeper *pn_sleeper_here(void) { return pn_context()->sleeper; }

/* So many calls of a fiber, none of which need have waited, before others have a turn: who finds
 * a lock free each time may be who keeps it from a fiber of the same thread, behind which others
 * wait for it. As many as the switches in a turn of a loop's. */
#define PN_SLEEPER_CALLS 128u

/* Before a call that may wait. */
static inline void pn_sleeper_count(void)
{
    struct pn_sleeper *sleeper = pn_sleeper_here();
    if (sleeper && PN_UNLIKELY(++sleeper->calls % PN_SLEEPER_CALLS == 0))
        sleeper->ways->yield(sleeper);
}

/* The same, but if others are to have their turn: false, and it is not counted. */
static inline bool pn_sleeper_count_quickly(void)
{
    struct pn_sleeper *sleeper = pn_sleeper_here();
    if (sleeper && PN_UNLIKELY((sleeper->calls + 1) % PN_SLEEPER_CALLS == 0))
        return false;
    if (sleeper)
        sleeper->calls++;
    return true;
}

#endif
