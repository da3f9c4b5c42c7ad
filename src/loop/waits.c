/* SPDX-License-Identifier: MIT */
#include "waits.h"

#include <time.h>

#include "call.h"

/* So many are looked at when the clock has moved on, which it does every few milliseconds, and
 * before a rest when it has not but the one that is shown waits no longer: each may be a line from
 * memory. */
#define LOOKS_A_TICK 64u
#define LOOKS_FEW    4u

void pn_waits_init(struct pn_waits *waits, struct pn_wait_shown *shown)
{
    *waits = (struct pn_waits){.shown = shown, .at = &waits->ring};
    waits->ring.next = waits->ring.last = &waits->ring;
    pn_waits_tick(waits);
}

/* Of the last tick: five times as fast as the time itself. */
void pn_waits_tick(struct pn_waits *waits)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    waits->now = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void pn_wait_enlist(struct pn_waits *waits, struct pn_wait *wait)
{
    wait->next = &waits->ring;
    wait->last = waits->ring.last;
    wait->last->next = wait;
    waits->ring.last = wait;
}

void pn_wait_delist(struct pn_waits *waits, struct pn_wait *wait)
{
    wait->last->next = wait->next;
    wait->next->last = wait->last;
    if (waits->at == wait)
        waits->at = wait->next;
    if (waits->longest == wait)
        waits->longest = NULL;
}

static void consider(struct pn_waits *waits, const struct pn_wait *wait)
{
    if (wait->since && (!waits->longest || wait->since < waits->longest->since))
        waits->longest = wait;
}

static void look_at_some(struct pn_waits *waits, unsigned count)
{
    const struct pn_wait *first = waits->at;
    do {
        consider(waits, waits->at);
        waits->at = waits->at->next;
    } while (--count && waits->at != first);
}

/* Who reads sees all of one wait, or that it is being written: version is odd then. The fields'
 * releases keep them behind the first change of it, and its own keeps them before the second; they
 * pair with the acquires of who reads. */
static void show(struct pn_wait_shown *shown, const struct pn_wait *wait)
{
    static const struct pn_wait none;
    const struct pn_operation *operation = wait ? wait->operation : NULL;
    const uint32_t version = pn_load_relaxed(&shown->version); /* this thread's own */
    wait = wait ? wait : &none;
    pn_store_relaxed(&shown->version, version + 1);
    pn_store_release(&shown->since, wait->since);
    pn_store_release(&shown->fiber, wait->fiber);
    pn_store_release(&shown->function, wait->function);
    pn_store_release(&shown->call, operation ? (int32_t)operation->call.number : -1);
    pn_store_release(&shown->descriptor, !operation                ? -1
                                         : operation->readable >= 0 ? operation->readable
                                                                    : operation->writable);
    pn_store_release(&shown->version, version + 2);
}

void pn_waits_look(struct pn_waits *waits, bool rests)
{
    pn_waits_tick(waits);
    const bool is_due = waits->now != waits->looked_at;
    if (!is_due && !rests)
        return;
    if (waits->longest && waits->longest->since != waits->longest_since)
        waits->longest = NULL; /* that wait has ended */
    if (is_due || !waits->longest)
        look_at_some(waits, is_due ? LOOKS_A_TICK : LOOKS_FEW);
    waits->looked_at = waits->now;
    const int64_t since = waits->longest ? waits->longest->since : 0;
    if (since == waits->longest_since && waits->longest)
        return;
    if (since || waits->longest_since)
        show(waits->shown, waits->longest);
    waits->longest_since = since;
}
