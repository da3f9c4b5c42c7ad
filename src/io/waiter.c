/* SPDX-License-Identifier: MIT */
#include "waiter.h"

#include <errno.h>
#include <stddef.h>

#include "atomic.h"
#include "futex.h"
#include "sleeper.h"
#include "spin.h"
#include "trace.h"

void pn_waiter_init(struct pn_waiter *waiter)
{
    pn_store_relaxed(&waiter->word, 0); /* published by whatever publishes the waiter */
    waiter->sleeper = pn_sleeper_here();
    waiter->interrupt = NULL;
}

void pn_waiter_signal(struct pn_waiter *waiter, uint32_t what)
{
    struct pn_sleeper *sleeper = waiter->sleeper;
    uint32_t seen = pn_load_relaxed(&waiter->word);
    /* Release: what the signaler wrote, pairs with the acquire loads in satisfied(). One step for
     * signal and PARKED, so that of several signalers exactly one wakes. */
    while (!pn_cas_acq_rel(&waiter->word, &seen, (seen + what) & ~PN_WAITER_PARKED))
        continue;
    if (!(seen & PN_WAITER_PARKED))
        return;
    if (sleeper) {
        sleeper->ways->wake(sleeper);
        return;
    }
    PN_EVENT(wake, waiter, 0, 0);
    pn_futex_wake(&waiter->word, 1);
}

static bool satisfied(const struct pn_waiter *waiter, uint32_t fired, bool or_canceled,
                      uint32_t *seen)
{
    *seen = pn_load_acquire(&waiter->word); /* pairs with the release in pn_waiter_signal */
    return *seen / PN_WAITER_FIRED >= fired || (or_canceled && (*seen & PN_WAITER_CANCELED));
}

/* What a thread that spins waits for. */
struct sought {
    const struct pn_waiter *waiter;
    uint32_t fired;
    bool or_canceled;
};

static bool is_satisfied(const void *what)
{
    const struct sought *sought = what;
    uint32_t seen;
    return satisfied(sought->waiter, sought->fired, sought->or_canceled, &seen);
}

/* Sleeps until a signal comes, or also for no reason; false: until the deadline. PARKED is set. */
static bool sleep_parked(struct pn_waiter *waiter, uint32_t seen, int64_t deadline)
{
    struct pn_sleeper *sleeper = waiter->sleeper;
    if (sleeper)
        return sleeper->ways->sleep(sleeper, waiter, deadline);
    if (pn_futex_wait(&waiter->word, seen, deadline) != -ETIMEDOUT) {
        PN_EVENT(woken, waiter, 0, 0);
        return true;
    }
    pn_fetch_and_acq_rel(&waiter->word, ~PN_WAITER_PARKED);
    return false;
}

static bool wait_long(struct pn_waiter *waiter, uint32_t fired, bool or_canceled, int64_t deadline,
                      int64_t spin_ns, const struct pn_help *help)
{
    uint32_t seen;
    const struct sought sought = {.waiter = waiter, .fired = fired, .or_canceled = or_canceled};
    if (spin_ns > 0 && !waiter->sleeper &&
        pn_spin(is_satisfied, &sought, deadline, spin_ns, help))
        return true;
    while (!satisfied(waiter, fired, or_canceled, &seen)) {
        /* Release: a fiber is the waker's from here on; pairs with the acquire in
         * pn_waiter_signal. A signal between the load and here makes the exchange fail. */
        if (!(seen & PN_WAITER_PARKED) &&
            !pn_cas_acq_rel(&waiter->word, &seen, seen | PN_WAITER_PARKED))
            continue;
        if (!sleep_parked(waiter, seen | PN_WAITER_PARKED, deadline))
            return satisfied(waiter, fired, or_canceled, &seen);
    }
    return true;
}

/* What a fiber waits for is not its thread's wait. */
static bool wait(struct pn_waiter *waiter, uint32_t fired, bool or_canceled, int64_t deadline,
                 int64_t spin_ns, const struct pn_help *help)
{
    uint32_t seen;
    if (satisfied(waiter, fired, or_canceled, &seen))
        return true;
    if (waiter->sleeper)
        return wait_long(waiter, fired, or_canceled, deadline, spin_ns, help);
    PN_EVENT(wait_begin, waiter, help != NULL, 0);
    const bool is_over = wait_long(waiter, fired, or_canceled, deadline, spin_ns, help);
    PN_EVENT(wait_end, waiter, 0, 0);
    return is_over;
}

bool pn_waiter_wait(struct pn_waiter *waiter, uint32_t fired, bool or_canceled, int64_t deadline,
                    int64_t spin_ns)
{
    return wait(waiter, fired, or_canceled, deadline, spin_ns, NULL);
}

void pn_waiter_wait_helping(struct pn_waiter *waiter, int64_t spin_ns, const struct pn_help *help)
{
    (void)wait(waiter, 1, false, INT64_MAX, spin_ns, help);
}

void pn_waiter_wait_canceled(struct pn_waiter *waiter)
{
    /* The canceler is between taking the waiter and signaling it: a short way, but it may have been
     * preempted on it, so this sleeps rather than spins. */
    (void)pn_waiter_wait(waiter, UINT32_MAX, true, INT64_MAX, 0);
}
