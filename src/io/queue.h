/* SPDX-License-Identifier: MIT
 *
 * A move of items through a queue, for the two kinds of queue: with room (queue.c) and without
 * (rendezvous.c).
 */
#ifndef PN_QUEUE_H
#define PN_QUEUE_H

#include <pinion/queue.h>

#include "interface.h"

/* One call of put or get. */
struct pn_move {
    struct pinion_queue *queue;
    bool is_put;
    char *items;       /* read only if is_put */
    size_t count, min; /* items */
    size_t moved;      /* so far */
    bool has_looked;   /* in vain: it is not to look again before it sleeps */
};

static inline char *pn_move_next(const struct pn_move *move)
{
    return move->items + move->moved * move->queue->item_size;
}

/* Moves items from or to whoever is on the other side; by who has the turn of its side. 0, or what
 * ended the wait, or -EPIPE. */
int pn_rendezvous_move(struct pinion_io *io, struct pn_move *move, const struct pn_how *how);
void pn_rendezvous_close(struct pinion_io *io, struct pinion_queue *queue);

#endif
