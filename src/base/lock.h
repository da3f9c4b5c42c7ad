/* SPDX-License-Identifier: MIT
 *
 * A lock of one word, for a few instructions at a time: who waits looks a little, then sleeps. Not
 * fair, no cancelation, no fibers: nothing that may wait is done while it is held.
 */
#ifndef PN_LOCK_H
#define PN_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "atomic.h"

/* 0 free, 1 held, 2 held and someone may sleep. After Drepper, "Futexes are tricky" (2011). All
 * zero is free. */
struct pn_lock {
    _Atomic uint32_t word;
};

void pn_lock_wait(struct pn_lock *lock);
void pn_lock_wake(struct pn_lock *lock);

static inline void pn_lock_acquire(struct pn_lock *lock)
{
    uint32_t seen = 0;
    /* Acquire: pairs with the exchange in pn_lock_release. */
    if (!pn_cas_acquire(&lock->word, &seen, 1u))
        pn_lock_wait(lock);
}

static inline void pn_lock_release(struct pn_lock *lock)
{
    /* Release: what was done under it, pairs with the acquires of the next holder. The memory may
     * be gone after. */
    if (pn_exchange_acq_rel(&lock->word, 0u) == 2)
        pn_lock_wake(lock);
}

#endif
