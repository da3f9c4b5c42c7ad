/* SPDX-License-Identifier: MIT
 *
 * The mutex, for what is built on it.
 */
#ifndef PN_MUTEX_H
#define PN_MUTEX_H

#include <pinion/sync.h>

#include "cancel.h"
#include "interface.h"

/* The rest of locking, where the first try failed. */
int pn_mutex_wait(struct pinion_io *io, struct pinion_mutex *mutex, const struct pn_how *how);

/* Locks. 0, or what ended the wait. */
static inline int pn_mutex_lock(struct pinion_io *io, struct pinion_mutex *mutex,
                                const struct pn_how *how)
{
    const int error = pn_io_enter(io, how);
    if (error)
        return error;
    uint32_t seen = 0;
    /* Acquire: pairs with the release in pinion_mutex_unlock. 1: locked, nobody waits. */
    return pn_cas_acquire(&mutex->word, &seen, 1u) ? 0 : pn_mutex_wait(io, mutex, how);
}

#endif
