/* SPDX-License-Identifier: MIT */
#include "lock.h"

#include "futex.h"

/* It is held for some tens of ns; who has waited for longer waits for a thread without a CPU. */
#define LOOKS 100

void pn_lock_wait(struct pn_lock *lock)
{
    for (int i = 0; i < LOOKS; i++) {
        uint32_t seen = pn_load_relaxed(&lock->word);
        /* Acquire: as in pn_lock_acquire. */
        if (seen == 0 && pn_cas_acquire(&lock->word, &seen, 1u))
            return;
        pn_pause();
    }
    while (pn_exchange_acquire(&lock->word, 2u) != 0)
        (void)pn_futex_wait(&lock->word, 2, INT64_MAX);
}

void pn_lock_wake(struct pn_lock *lock) { pn_futex_wake(&lock->word, 1); }
