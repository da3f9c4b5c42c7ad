/* SPDX-License-Identifier: MIT
 *
 * The timers of one thread: what shall be called once its time has come. A hierarchical timing
 * wheel; a timer is a node of it that lives with who waits, so arming takes no memory and can't
 * fail. It reads no clock and never sleeps: its user does both.
 *
 * Times are ns of CLOCK_MONOTONIC. A tick is 1 ns, so nothing is rounded: timers expire exactly in
 * the order of their deadlines, none early, and none later than its user looks. Coarser ticks would
 * save levels, but a level that holds nothing costs nothing, and since each slot knows its earliest
 * deadline no sleep ends early to move timers down.
 *
 * After Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (1987), scheme 7; that a
 * timer's level is the highest digit in which its time differs from the wheel's is tokio's.
 */
#ifndef PN_TIMERS_H
#define PN_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PN_TIMERS_BITS   6 /* of a time, a level: as many slots as a word has bits */
#define PN_TIMERS_SLOTS  (1 << PN_TIMERS_BITS)
#define PN_TIMERS_LEVELS 11 /* for 63 bits: no time is negative */

/* Whoever waits has it, and fills in expired; the rest is timers.c's. Zeroed, it is not armed. */
struct pn_timer {
    struct pn_timer *next, **link; /* link: what points at it; NULL: it is not armed */
    int64_t deadline;
    void (*expired)(struct pn_timer *timer);
};

struct pn_timers_slot {
    struct pn_timer *first;
    int64_t earliest; /* if there is a first: no deadline is before it; exact unless canceled */
};

/* One thread's; no other looks at it.
 *
 *   a deadline before `passed` counts as `passed`
 *   a timer's level is that of the highest digit in which its deadline differs from `passed`, its
 *     slot that digit; so each level's timers expire before those of all levels above, and each
 *     slot's before those of the slots behind
 *   a bit of levels is set if and only if one of filled[level] is, and that one if and only if its
 *     slot has a first */
struct pn_timers {
    int64_t passed; /* what is due until then was taken out */
    uint32_t levels;
    uint64_t filled[PN_TIMERS_LEVELS];
    struct pn_timers_slot slots[PN_TIMERS_LEVELS][PN_TIMERS_SLOTS];
};

/* now: the time, not negative. */
void pn_timers_init(struct pn_timers *timers, int64_t now);

/* Has expired called by the first pn_timers_expire whose now is at least deadline: any, past and
 * negative ones too. The timer is not armed, and stays where it is until it has expired or was
 * canceled. O(1). */
void pn_timers_arm(struct pn_timers *timers, struct pn_timer *timer, int64_t deadline);

/* False: it is not armed, or expired has been called or is being called. O(1). */
bool pn_timers_cancel(struct pn_timers *timers, struct pn_timer *timer);

/* Until when pn_timers_expire need not be called: the earliest deadline, or an earlier time if what
 * had it was canceled; INT64_MAX if none is armed. A sleep that ends early by that, and calls
 * pn_timers_expire, moves what is left to a lower level: that happens less than PN_TIMERS_LEVELS
 * times to a timer. O(1). */
int64_t pn_timers_next(const struct pn_timers *timers);

/* Calls expired of all timers whose deadline is now or before, in the order of their deadlines
 * (those that were past when they were armed, and equal ones, in any), and returns of how many. It
 * may arm and cancel any; what it arms expires in a later call, even if that is past. The timer is
 * not touched after its call. now is never before that of a former call.
 *
 * A timer moves at most PN_TIMERS_LEVELS times in its life, each O(1). */
unsigned pn_timers_expire(struct pn_timers *timers, int64_t now);

#endif
