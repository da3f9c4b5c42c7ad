/* SPDX-License-Identifier: MIT
 *
 * Freed blocks on their way home: a stack that any thread pushes on and one thread, the owner,
 * takes whole. Who frees gathers blocks and pushes many at a time, so that the line of the stack's
 * head moves seldom, and the lines of most blocks not at all.
 *
 * What is on the stack are batches: a batch lies in one of the freed blocks, and names others.
 */
#ifndef PN_REMOTE_H
#define PN_REMOTE_H

#include <stddef.h>

#include "atomic.h"
#include "guard.h"

/* Written by who freed the blocks until it is pushed, by nobody after. Closed to everyone else, as
 * all of a freed block is. */
struct pn_batch {
    struct pn_batch *next;
    size_t count; /* of others */
    void *others[];
};

/* Writers of head: any pusher, and the owner, who alone takes. A pusher owns its batches and their
 * blocks until its push, the owner from the take on.
 * Invariant: blocks pushed = blocks taken + blocks on the stack.
 * Progress: push is lock-free (a push fails only because another one, or a take, succeeded), take
 * is wait-free. Reuse: since nobody takes a single batch, a head that went away and came back does
 * no harm: the pushed batch's next is then right again. */
struct pn_remote {
    _Atomic(struct pn_batch *) head;
};

/* So many blocks are pushed at a time, if so many come. */
#ifndef PN_OUTGOING_MAX
#define PN_OUTGOING_MAX 32
#endif

/* Blocks that one thread gathers: batches from top to bottom, which is the oldest; NULL if none.
 * count = batches + what they name < PN_OUTGOING_MAX. */
struct pn_outgoing {
    struct pn_remote *home; /* of them all */
    struct pn_batch *top, *bottom;
    unsigned room; /* so many more the top can name */
    unsigned count;
};

/* Pushes batches that are linked from top to bottom. Any thread. */
static inline void pn_remote_push(struct pn_remote *remote, struct pn_batch *top,
                                  struct pn_batch *bottom)
{
    /* relaxed: the value is only compared, never followed */
    struct pn_batch *head = pn_load_relaxed(&remote->head);
    do {
        pn_guard_peek(bottom, sizeof(*bottom));
        bottom->next = head;
        pn_guard_close(bottom, sizeof(*bottom));
        /* release head: pairs with acquire in pn_remote_take, for the batches and for what the last
         * users of their blocks did to them. An earlier push is ordered too: each compare-and-swap
         * goes on with the release sequence of those below it. */
    } while (!pn_cas_acq_rel(&remote->head, &head, top));
}

/* The batches that were pushed, last one first; NULL if none. Owner only. */
static inline struct pn_batch *pn_remote_take(struct pn_remote *remote)
{
    /* relaxed: a look that spares the exchange; what it misses, the next take finds */
    if (pn_load_relaxed(&remote->head) == NULL)
        return NULL;
    /* acquire head: pairs with release in pn_remote_push */
    return pn_exchange_acquire(&remote->head, NULL);
}

/* Makes a freed block a batch of its own, above another, which may be NULL. */
static inline struct pn_batch *pn_batch_begin(void *block, struct pn_batch *below)
{
    struct pn_batch *batch = (struct pn_batch *)block;
    pn_guard_peek(batch, sizeof(*batch));
    batch->next = below;
    batch->count = 0;
    pn_guard_close(batch, sizeof(*batch));
    return batch;
}

/* Names a freed block in a batch that has room. */
static inline void pn_batch_add(struct pn_batch *batch, void *block)
{
    pn_guard_peek(batch, sizeof(*batch));
    void **other = &batch->others[batch->count++];
    pn_guard_close(batch, sizeof(*batch));
    pn_guard_peek(other, sizeof(*other));
    *other = block;
    pn_guard_close(other, sizeof(*other));
}

/* Pushes what was gathered, if anything. */
static inline void pn_outgoing_send(struct pn_outgoing *outgoing)
{
    if (outgoing->top == NULL)
        return;
    pn_remote_push(outgoing->home, outgoing->top, outgoing->bottom);
    *outgoing = (struct pn_outgoing){.top = NULL};
}

/* Gathers a freed block of so many bytes that is to go to home. What was for elsewhere is pushed
 * first. */
static inline void pn_outgoing_add(struct pn_outgoing *outgoing, struct pn_remote *home,
                                   void *block, size_t bytes)
{
    if (outgoing->home != home)
        pn_outgoing_send(outgoing);
    if (outgoing->room > 0) {
        pn_batch_add(outgoing->top, block);
        outgoing->room--;
    } else {
        outgoing->home = home;
        outgoing->top = pn_batch_begin(block, outgoing->top);
        outgoing->room = (unsigned)((bytes - sizeof(struct pn_batch)) / sizeof(void *));
        if (outgoing->bottom == NULL)
            outgoing->bottom = outgoing->top;
    }
    if (++outgoing->count == PN_OUTGOING_MAX)
        pn_outgoing_send(outgoing);
}

#endif
