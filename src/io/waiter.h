/* SPDX-License-Identifier: MIT
 *
 * One wait of one thread or fiber: it lives on the stack of who waits, and others signal it.
 *
 * Not a lock and not a condition: whoever signals must be counted on to signal (see the users,
 * task.h and cancel.h), since the waiter may not leave while a signal is still owed to it.
 */
#ifndef PN_WAITER_H
#define PN_WAITER_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include "atomic.h"
#include "spin.h"

struct pn_sleeper;

/* word: PN_WAITER_PARKED | PN_WAITER_CANCELED | n × PN_WAITER_FIRED
 *   PARKED    who waits sleeps, or is about to, and must be woken by the signal that clears the
 *             bit. Set by the waiter, cleared by whoever signals (or by the waiter that gives up).
 *   CANCELED  set once, by the canceler that took the waiter out of its task's cancel word; it is
 *             the last thing that it does to the waiter.
 *   FIRED     counted up by each thing waited for that took the waiter out of its slot; likewise.
 * Aligned so that a pointer to it leaves four bits free for the words that hold one. */
#define PN_WAITER_PARKED   1u
#define PN_WAITER_CANCELED 2u
#define PN_WAITER_FIRED    4u
#define PN_WAITER_ALIGN    16

struct pn_waiter {
    alignas(PN_WAITER_ALIGN) _Atomic(uint32_t) word;
    /* Written by the waiter before it is published, read by whoever signals. */
    struct pn_sleeper *sleeper; /* the fiber that waits; NULL: a thread, which a futex wakes */
    void (*interrupt)(struct pn_waiter *); /* run by a canceler before it signals; or NULL */
};

/* Makes a waiter for the calling thread or fiber. */
void pn_waiter_init(struct pn_waiter *waiter);

/* Adds PN_WAITER_FIRED or PN_WAITER_CANCELED and wakes who waits. Once the word is changed the
 * waiter may be gone, unless it is a parked fiber. Any thread. */
void pn_waiter_signal(struct pn_waiter *waiter, uint32_t what);

/* Whether a signal has come. */
static inline bool pn_waiter_has_fired(const struct pn_waiter *waiter)
{
    /* Acquire: pairs with the release in pn_waiter_signal. */
    return pn_load_acquire(&waiter->word) >= PN_WAITER_FIRED;
}

/* Waits until at least `fired` signals have come, or also, with or_canceled, until it was canceled.
 * False if the deadline (ns of CLOCK_MONOTONIC, INT64_MAX: none) passed before. Whatever the
 * signalers wrote before they signaled is visible after. A thread, not a fiber, looks for
 * spin_ns (INT64_MAX: for ever) before it sleeps. */
bool pn_waiter_wait(struct pn_waiter *waiter, uint32_t fired, bool or_canceled, int64_t deadline,
                    int64_t spin_ns);

/* Waits for one signal, and helps while it would only look. */
void pn_waiter_wait_helping(struct pn_waiter *waiter, int64_t spin_ns, const struct pn_help *help);

/* Waits for the canceler that took this waiter to be done with it. */
void pn_waiter_wait_canceled(struct pn_waiter *waiter);

#endif
