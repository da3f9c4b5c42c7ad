/* SPDX-License-Identifier: MIT
 *
 * A lock of one word, for what is held for a few instructions: without a system call unless two
 * meet, ready when zero, and nothing to destroy. Who holds it must not wait for anything.
 */
#ifndef PN_LOCK_H
#define PN_LOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Makes a free lock. is_spinning: nobody makes a system call for it, however long that takes. */
void pn_lock_init(_Atomic(uint32_t) *lock, bool is_spinning);

/* Takes the lock. Spins a little, then sleeps. Keeps errno. */
void pn_lock(_Atomic(uint32_t) *lock);

/* Takes it if it is free. */
bool pn_lock_try(_Atomic(uint32_t) *lock);

/* Releases it. What holds the word may be gone as soon as the next one could take it: after the
 * store only its address is used. */
void pn_unlock(_Atomic(uint32_t) *lock);

#endif
