/* SPDX-License-Identifier: MIT */
#include "timers.h"

#include <string.h>

#include "check.h"

_Static_assert(PN_TIMERS_LEVELS *PN_TIMERS_BITS >= 63, "every time has a slot");
_Static_assert(PN_TIMERS_SLOTS == 64 && PN_TIMERS_LEVELS <= 32, "a bit each");

struct place {
    unsigned level, slot;
};

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- places ---- */

static struct place place_of(const struct pn_timers *timers, int64_t deadline)
{
    const uint64_t time = (uint64_t)later(deadline, timers->passed);
    const uint64_t differs = time ^ (uint64_t)timers->passed;
    const unsigned level = (63 - (unsigned)__builtin_clzll(differs | 1)) / PN_TIMERS_BITS;
    return (struct place){level, time >> level * PN_TIMERS_BITS & (PN_TIMERS_SLOTS - 1)};
}

/* Of what expires first. There is something. */
static struct place first_place(const struct pn_timers *timers)
{
    const unsigned level = (unsigned)__builtin_ctz(timers->levels);
    return (struct place){level, (unsigned)__builtin_ctzll(timers->filled[level])};
}

/* When the first of its ns begins. */
static int64_t start_of(const struct pn_timers *timers, struct place place)
{
    const unsigned shift = place.level * PN_TIMERS_BITS;
    const uint64_t below = (uint64_t)PN_TIMERS_SLOTS << shift; /* 0: none is above this digit */
    const uint64_t above = (uint64_t)timers->passed & -below;
    return (int64_t)(above | (uint64_t)place.slot << shift);
}

static void mark_empty(struct pn_timers *timers, struct place place)
{
    timers->filled[place.level] &= ~(UINT64_C(1) << place.slot);
    if (!timers->filled[place.level])
        timers->levels &= ~(UINT32_C(1) << place.level);
}

/* ---- lists ---- */

static void link_at(struct pn_timer **link, struct pn_timer *timer)
{
    timer->next = *link;
    if (timer->next)
        timer->next->link = &timer->next;
    timer->link = link;
    *link = timer;
}

static void unlink_timer(struct pn_timer *timer)
{
    *timer->link = timer->next;
    if (timer->next)
        timer->next->link = timer->link;
    timer->link = NULL;
}

static void insert(struct pn_timers *timers, struct pn_timer *timer)
{
    const struct place place = place_of(timers, timer->deadline);
    struct pn_timers_slot *slot = &timers->slots[place.level][place.slot];
    if (!slot->first) {
        timers->filled[place.level] |= UINT64_C(1) << place.slot;
        timers->levels |= UINT32_C(1) << place.level;
        slot->earliest = timer->deadline;
    }
    slot->earliest = earlier(slot->earliest, timer->deadline);
    link_at(&slot->first, timer);
}

/* ---- calls ---- */

void pn_timers_init(struct pn_timers *timers, int64_t now)
{
    PN_ASSERT(now >= 0);
    memset(timers, 0, sizeof *timers);
    timers->passed = now;
}

void pn_timers_arm(struct pn_timers *timers, struct pn_timer *timer, int64_t deadline)
{
    PN_ASSERT(!timer->link);
    timer->deadline = deadline;
    insert(timers, timer);
}

bool pn_timers_cancel(struct pn_timers *timers, struct pn_timer *timer)
{
    if (!timer->link)
        return false;
    unlink_timer(timer);
    /* Of one that is due already this is some slot, which is marked as it is. */
    const struct place place = place_of(timers, timer->deadline);
    if (!timers->slots[place.level][place.slot].first)
        mark_empty(timers, place);
    return true;
}

int64_t pn_timers_next(const struct pn_timers *timers)
{
    if (!timers->levels)
        return INT64_MAX;
    const struct place place = first_place(timers);
    return timers->slots[place.level][place.slot].earliest;
}

/* Takes what is in the first slot, which time has reached, to the list's end if it is due, else to
 * lower levels. Returns the list's end. */
static struct pn_timer **open_slot(struct pn_timers *timers, struct place place, int64_t now,
                                   struct pn_timer **end)
{
    struct pn_timers_slot *slot = &timers->slots[place.level][place.slot];
    struct pn_timer *timer = slot->first;
    slot->first = NULL;
    mark_empty(timers, place);
    timers->passed = later(timers->passed, earlier(slot->earliest, now));
    while (timer) {
        struct pn_timer *next = timer->next;
        if (timer->deadline <= timers->passed) {
            timer->next = NULL;
            timer->link = end;
            *end = timer;
            end = &timer->next;
        } else {
            insert(timers, timer);
        }
        timer = next;
    }
    return end;
}

/* Links all that are due in the order of their deadlines. */
static void take_due(struct pn_timers *timers, int64_t now, struct pn_timer **first)
{
    while (timers->levels) {
        const struct place place = first_place(timers);
        if (start_of(timers, place) > now)
            break;
        first = open_slot(timers, place, now, first);
    }
    /* No slot lies between: those that time has reached were opened. */
    timers->passed = later(timers->passed, now);
}

unsigned pn_timers_expire(struct pn_timers *timers, int64_t now)
{
    struct pn_timer *due = NULL;
    unsigned count = 0;
    take_due(timers, now, &due);
    while (due) {
        struct pn_timer *timer = due;
        unlink_timer(timer);
        count++;
        timer->expired(timer);
    }
    return count;
}
