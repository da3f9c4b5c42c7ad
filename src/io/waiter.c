/* SPDX-License-Identifier: MIT */
#include "waiter.h"

#include <errno.h>
#include <sched.h>
#include <stdalign.h>
#include <stddef.h>
#include <sys/sysinfo.h>

#include "atomic.h"
#include "futex.h"

/* How many pauses pass between two looks at the clock: about a microsecond's worth. */
#define PAUSES_PER_LOOK 32

void pn_waiter_init(struct pn_waiter *waiter)
{
    pn_store_relaxed(&waiter->word, 0); /* published by whatever publishes the waiter */
    waiter->wake = NULL;
    waiter->interrupt = NULL;
}

void pn_waiter_signal(struct pn_waiter *waiter, uint32_t what)
{
    void (*wake)(struct pn_waiter *) = waiter->wake;
    uint32_t seen = pn_load_relaxed(&waiter->word);
    /* Release: what the signaler wrote, pairs with the acquire loads in satisfied(). One step for
     * signal and PARKED, so that of several signalers exactly one wakes. */
    while (!pn_cas_acq_rel(&waiter->word, &seen, (seen + what) & ~PN_WAITER_PARKED))
        continue;
    if (!(seen & PN_WAITER_PARKED))
        return;
    if (wake)
        wake(waiter);
    else
        pn_futex_wake(&waiter->word, 1);
}

static bool satisfied(const struct pn_waiter *waiter, uint32_t fired, bool or_canceled,
                      uint32_t *seen)
{
    *seen = pn_load_acquire(&waiter->word); /* pairs with the release in pn_waiter_signal */
    return *seen / PN_WAITER_FIRED >= fired || (or_canceled && (*seen & PN_WAITER_CANCELED));
}

/* Who spins takes a CPU from who is to end its wait. So at most as many threads spin as leave one
 * CPU free, and each spins the shorter the more of its last spins were in vain: shift halves, from
 * the whole spin_ns (0) down to a 128th. */
#define SHIFT_MAX 7u

static alignas(PN_LINE_PAIR) _Atomic(unsigned) spinners;
static _Thread_local unsigned shift;

static unsigned spinners_max(void)
{
    static _Atomic(unsigned) cpus; /* 0: not asked yet */
    unsigned known = pn_load_relaxed(&cpus);
    if (!known) {
        const int saved = errno;
        cpu_set_t set;
        /* A mask of more CPUs than fit is EINVAL: then there are many. */
        known = sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1024;
        known = known > 1 ? known : (unsigned)get_nprocs(); /* the mask of a pinned thread */
        errno = saved;
        pn_store_relaxed(&cpus, known);
    }
    return known - 1;
}

/* Helps for as long as it can: whether it could. Who helps doesn't spin. */
static bool has_helped(const struct pn_help *help)
{
    void *found = help ? help->find(help->context) : NULL;
    if (!found)
        return false;
    pn_fetch_sub_relaxed(&spinners, 1u);
    do
        help->run(help->context, found);
    while ((found = help->find(help->context)));
    pn_fetch_add_relaxed(&spinners, 1u);
    return true;
}

/* True once satisfied, false at the deadline or when it has looked for spin_ns in vain. */
static bool spin_until(const struct pn_waiter *waiter, uint32_t fired, bool or_canceled,
                       int64_t deadline, int64_t spin_ns, const struct pn_help *help)
{
    uint32_t seen;
    int64_t until = 0;
    for (;;) {
        for (int i = 0; i < PAUSES_PER_LOOK; i++) {
            if (satisfied(waiter, fired, or_canceled, &seen))
                return true;
            pn_pause();
        }
        if (has_helped(help))
            until = 0;
        if (spin_ns == INT64_MAX && deadline == INT64_MAX)
            continue;
        const int64_t now = pn_now();
        if (until == 0)
            until = spin_ns < INT64_MAX - now ? now + spin_ns : INT64_MAX;
        if (now >= until || now >= deadline)
            return false;
    }
}

/* True once satisfied, false after spin_ns at the most or at the deadline. */
static bool spin(const struct pn_waiter *waiter, uint32_t fired, bool or_canceled,
                 int64_t deadline, int64_t spin_ns, const struct pn_help *help)
{
    bool is_over = false;
    /* Relaxed: a number to keep small, no order. */
    const bool may_spin = pn_fetch_add_relaxed(&spinners, 1u) < spinners_max();
    if (spin_ns == INT64_MAX) {
        is_over = spin_until(waiter, fired, or_canceled, deadline, spin_ns, help);
    } else if (may_spin) {
        is_over = spin_until(waiter, fired, or_canceled, deadline, spin_ns >> shift, help);
        if (is_over)
            shift -= shift > 0;
        else
            shift += shift < SHIFT_MAX;
    }
    pn_fetch_sub_relaxed(&spinners, 1u);
    return is_over;
}

static bool wait(struct pn_waiter *waiter, uint32_t fired, bool or_canceled, int64_t deadline,
                 int64_t spin_ns, const struct pn_help *help)
{
    uint32_t seen;
    if (satisfied(waiter, fired, or_canceled, &seen))
        return true;
    if (spin_ns > 0 && spin(waiter, fired, or_canceled, deadline, spin_ns, help))
        return true;
    while (!satisfied(waiter, fired, or_canceled, &seen)) {
        /* Relaxed is enough: PARKED carries no data, and a signal between the load and here makes
         * the exchange fail. */
        if (!(seen & PN_WAITER_PARKED) &&
            !pn_cas_relaxed(&waiter->word, &seen, seen | PN_WAITER_PARKED))
            continue;
        if (pn_futex_wait(&waiter->word, seen | PN_WAITER_PARKED, deadline) == -ETIMEDOUT) {
            pn_fetch_and_acq_rel(&waiter->word, ~PN_WAITER_PARKED);
            return satisfied(waiter, fired, or_canceled, &seen);
        }
    }
    return true;
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
