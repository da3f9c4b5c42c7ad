/* SPDX-License-Identifier: MIT */
#include "batch.h"

#include <errno.h>

#include "call.h"
#include "cancel.h"
#include "carrier.h"
#include "futex.h"

static struct pinion_operation *leave_line(struct pinion_batch *batch)
{
    struct pinion_operation *operation = batch->ready_first;
    if (operation)
        batch->ready_first = operation->follower;
    return operation;
}

/* Lines up some, after a wait if it must be: 0, perhaps for no reason; -ENOENT: there are none. */
static int find_ready(struct pinion_io *io, struct pinion_batch *batch, int64_t deadline)
{
    struct pn_carrier *carrier = pn_carrier_here();
    if (batch->count + batch->away_count == 0)
        return -ENOENT;
    batch->has_moved = false;
    return carrier ? pn_carry(carrier, batch, deadline) : pn_batch_poll(io, batch, deadline);
}

/* Waits for its next try: after a pause, if poll seems to call it ready for no reason, which is so
 * if nobody else had anything from what poll said. */
static void put_back(struct pinion_batch *batch, struct pinion_operation *operation, bool is_late)
{
    const bool is_in_vain = is_late || (operation->place != PN_AT_ONCE && !batch->has_moved);
    const int64_t pause = is_in_vain ? pn_pause_in_vain(operation->tries) : 0;
    operation->state = PN_OPERATION_WAITS;
    operation->time = pause ? pn_now() + pause : 0;
    operation->tries = (uint16_t)(operation->tries + (is_in_vain && operation->tries < UINT16_MAX));
}

/* Whether it has ended. */
static bool try_one(struct pinion_io *io, struct pinion_batch *batch,
                    struct pinion_operation *operation)
{
    const long result = pn_operation_try(io, operation);
    if (result == -EINPROGRESS || result == PN_LATE) {
        put_back(batch, operation, result == PN_LATE);
        return false;
    }
    pn_batch_unlink(batch, operation);
    operation->outcome = result;
    batch->has_moved = true;
    return true;
}

int pinion_batch_submit(struct pinion_io *io, struct pinion_batch *batch,
                        struct pinion_operation *operations, size_t count)
{
    const int refusal = pn_io_refusal(io);
    if (refusal)
        return refusal;
    pn_carry_home(batch);
    for (size_t i = 0; i < count; i++)
        if (operations[i].state != PN_OPERATION_IDLE)
            return -EBUSY;
    for (size_t i = 0; i < count; i++) {
        operations[i].result = operations[i].outcome = -EINPROGRESS;
        pn_operation_begin(&operations[i]);
        pn_batch_append(batch, &operations[i]);
    }
    return 0;
}

int pinion_batch_next_until(struct pinion_io *io, struct pinion_batch *batch,
                            struct pinion_operation **operation, int64_t deadline)
{
    int error = pn_io_enter(io, PN_CANCELABLE(deadline));
    if (!error)
        pn_carry_home(batch);
    while (!error) {
        struct pinion_operation *one = leave_line(batch);
        if (!one) {
            error = find_ready(io, batch, deadline);
        } else if (one->outcome != -EINPROGRESS || try_one(io, batch, one)) {
            one->state = PN_OPERATION_IDLE;
            one->result = one->outcome;
            *operation = one;
            return 0;
        }
    }
    return error;
}

int pinion_batch_next(struct pinion_io *io, struct pinion_batch *batch,
                      struct pinion_operation **operation)
{
    return pinion_batch_next_until(io, batch, operation, PINION_FOREVER);
}

/* One that stands in line stays there, so as to be taken. */
void pinion_batch_request_cancel(struct pinion_io *io, struct pinion_batch *batch,
                                 struct pinion_operation *operation)
{
    (void)io;
    pn_carry_home(batch);
    if (operation->state == PN_OPERATION_IDLE || operation->outcome != -EINPROGRESS)
        return;
    if (pn_operation_is_away(operation)) {
        pn_carry_cancel(batch, operation);
        return;
    }
    pn_batch_unlink(batch, operation);
    operation->result = operation->outcome = -ECANCELED;
    if (operation->state != PN_OPERATION_READY)
        pn_batch_line_up(batch, operation);
}

void pinion_batch_cancel(struct pinion_io *io, struct pinion_batch *batch)
{
    pn_carry_home(batch);
    for (struct pinion_operation *one = batch->away_first; one; one = one->next)
        pn_carry_cancel(batch, one);
    while (batch->first)
        pinion_batch_request_cancel(io, batch, batch->first);
    pn_carry_end(batch);
    for (struct pinion_operation *one = batch->ready_first; one; one = one->follower)
        one->result = one->outcome;
}
