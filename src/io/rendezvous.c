/* SPDX-License-Identifier: MIT
 *
 * A queue without room: items go from a put to a get that are there at the same time, straight from
 * the one's memory to the other's. Who has the turn of its side and finds nobody on the other
 * leaves a meeting, and waits until the other side has met it.
 *
 * queue->meeting, and the fields of the meeting that it points to, are under queue->lock; the one
 * that waits owns the rest. At most one side waits: who finds the other's meeting serves it.
 */
#include <errno.h>
#include <string.h>

#include "check.h"
#include "mutex.h"
#include "queue.h"

struct meeting {
    struct pn_move *move;
    _Atomic uint32_t is_over; /* its waiter goes on */
};

static void lock(struct pinion_io *io, struct pinion_queue *queue)
{
    (void)pn_mutex_lock(io, &queue->lock, PN_UNCANCELABLE(INT64_MAX));
}

static void unlock(struct pinion_io *io, struct pinion_queue *queue)
{
    pinion_mutex_unlock(io, &queue->lock);
}

/* Ends the meeting that waits: its memory may be gone after the store. */
static void end_locked(struct pinion_io *io, struct pinion_queue *queue)
{
    struct meeting *meeting = queue->meeting;
    struct pn_unpark unpark = {.address = &meeting->is_over};
    queue->meeting = NULL;
    /* Sequentially consistent: pairs with is_not_over, which is after the count of the lot. */
    pn_store_seq_cst(&meeting->is_over, 1u);
    io->vtable->unpark(io, &unpark);
}

static void hand_items(struct pn_move *a, struct pn_move *b)
{
    struct pn_move *from = a->is_put ? a : b, *to = a->is_put ? b : a;
    const size_t can_give = from->count - from->moved, can_take = to->count - to->moved;
    const size_t n = can_give < can_take ? can_give : can_take;
    if (n)
        memcpy(pn_move_next(to), pn_move_next(from), n * from->queue->item_size);
    from->moved += n;
    to->moved += n;
}

/* With who waits on the other side, if anyone does. */
static void meet_locked(struct pinion_io *io, struct pn_move *move)
{
    struct meeting *meeting = move->queue->meeting;
    if (!meeting || meeting->move->is_put == move->is_put)
        return;
    hand_items(move, meeting->move);
    if (meeting->move->moved >= meeting->move->min)
        end_locked(io, move->queue);
}

static bool is_not_over(struct pn_park *park)
{
    return !pn_load_seq_cst((const _Atomic uint32_t *)(uintptr_t)park->address);
}

/* Waits to be met. What ended the wait before that, or 0. */
static int wait_to_be_met(struct pinion_io *io, struct meeting *meeting, const struct pn_how *how)
{
    struct pinion_queue *queue = meeting->move->queue;
    struct pn_park park = {.address = &meeting->is_over, .may_sleep = is_not_over};
    int outcome = 0;
    /* Acquire in the look: what was handed over, pairs with the store in end_locked. */
    while (!pn_load_acquire(&meeting->is_over) && outcome >= 0)
        outcome = io->vtable->park(io, &park, how);
    if (outcome >= 0)
        return 0;
    lock(io, queue); /* it is not touched any more once it is off the queue */
    if (queue->meeting == meeting)
        queue->meeting = NULL;
    unlock(io, queue);
    return outcome;
}

int pn_rendezvous_move(struct pinion_io *io, struct pn_move *move, const struct pn_how *how)
{
    struct pinion_queue *queue = move->queue;
    for (;;) {
        struct meeting meeting = {.move = move};
        lock(io, queue);
        const bool is_closed = pn_load_relaxed(&queue->is_closed);
        if (!is_closed)
            meet_locked(io, move);
        const bool is_enough = move->moved >= move->min;
        if (!is_closed && !is_enough)
            queue->meeting = &meeting;
        unlock(io, queue);
        if (is_closed)
            return -EPIPE;
        if (is_enough)
            return 0;
        const int error = wait_to_be_met(io, &meeting, how);
        if (move->moved >= move->min)
            return error == -ECANCELED ? error : 0;
        if (error)
            return error;
    }
}

void pn_rendezvous_close(struct pinion_io *io, struct pinion_queue *queue)
{
    lock(io, queue);
    pn_store_relaxed(&queue->is_closed, 1u); /* under the lock */
    if (queue->meeting)
        end_locked(io, queue);
    unlock(io, queue);
}
