/* SPDX-License-Identifier: MIT
 *
 * Blocks on their way home: a stack that any thread pushes on and one thread, the owner, takes
 * whole.
 *
 * Owner: whoever owns the slab that it is part of; only it takes. Writers of head: any pusher, and
 * the owner. A pusher owns its block until its push, the owner from the take on.
 * Invariant: blocks pushed = blocks taken + blocks on the list.
 * Progress: push is lock-free (a push fails only because another one, or a take, succeeded), take
 * is wait-free. Reuse: since nobody takes a single block, a head that went away and came back does
 * no harm: the pushed block's next is then right again.
 */
#ifndef PN_REMOTE_H
#define PN_REMOTE_H

#include <stddef.h>

#include "atomic.h"
#include "guard.h"

/* A block that is in no use. What follows the link is closed to everyone. */
struct pn_block {
    struct pn_block *next;
};

struct pn_remote {
    _Atomic(struct pn_block *) head;
};

/* Any thread. */
static inline void pn_remote_push(struct pn_remote *remote, struct pn_block *block)
{
    /* relaxed: the value is only compared, never followed */
    struct pn_block *head = pn_load_relaxed(&remote->head);
    do {
        pn_guard_peek(block, sizeof(*block));
        block->next = head;
        pn_guard_close(block, sizeof(*block));
        /* release head: pairs with acquire in pn_remote_take, for next and for what the last user
         * of the block did to it. An earlier push is ordered too: each compare-and-swap goes on
         * with the release sequence of those below it. */
    } while (!pn_cas_acq_rel(&remote->head, &head, block));
}

/* The blocks that were pushed, last one first; NULL if none. Owner only. */
static inline struct pn_block *pn_remote_take(struct pn_remote *remote)
{
    /* relaxed: a look that spares the exchange; what it misses, the next take finds */
    if (pn_load_relaxed(&remote->head) == NULL)
        return NULL;
    /* acquire head: pairs with release in pn_remote_push */
    return pn_exchange_acquire(&remote->head, NULL);
}

#endif
