/* SPDX-License-Identifier: MIT */
#include "lock.h"

#include "atomic.h"
#include "futex.h"

/* FREE -> HELD -> FREE, or by way of CONTENDED: someone may sleep, so who releases wakes one. After
 * the second mutex of Drepper, "Futexes Are Tricky" (2011). With SPINNING set nobody sleeps, and
 * there is no CONTENDED. */
enum { FREE, HELD, CONTENDED, SPINNING = 4 };

/* Some microseconds: longer than the lock is held by a thread that is not preempted. */
#ifndef PN_LOCK_SPINS
#define PN_LOCK_SPINS 100u
#endif

void pn_lock_init(_Atomic(uint32_t) *lock, bool is_spinning)
{
    pn_store_relaxed(lock, is_spinning ? SPINNING : FREE); /* published with what it locks */
}

bool pn_lock_try(_Atomic(uint32_t) *lock)
{
    uint32_t seen = pn_load_relaxed(lock);
    /* Acquire: pairs with the release in pn_unlock. */
    return !(seen & (HELD | CONTENDED)) && pn_cas_acquire(lock, &seen, seen | HELD);
}

void pn_lock(_Atomic(uint32_t) *lock)
{
    for (unsigned i = 0; i < PN_LOCK_SPINS; i++) {
        if (pn_lock_try(lock))
            return;
        const uint32_t seen = pn_load_relaxed(lock);
        if (seen == CONTENDED)
            break;
        i -= (seen & SPINNING) != 0; /* for ever */
        pn_pause();
    }
    /* Acquire: as above. Taken as CONTENDED, since others may sleep. */
    while (pn_exchange_acquire(lock, CONTENDED) != FREE)
        (void)pn_futex_wait(lock, CONTENDED, INT64_MAX);
}

void pn_unlock(_Atomic(uint32_t) *lock)
{
    /* Release: what was done under the lock, pairs with the acquires in pn_lock. (And it takes in
     * nothing that matters: acquire comes with the exchange.) */
    if (pn_load_relaxed(lock) & SPINNING)
        pn_store_release(lock, SPINNING);
    else if (pn_exchange_acq_rel(lock, FREE) == CONTENDED)
        pn_futex_wake(lock, 1);
}
