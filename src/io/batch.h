/* SPDX-License-Identifier: MIT
 *
 * A batch's lists (pinion/batch.h), and the two ways of going on with what is in them.
 *
 * An operation that has not ended is in one of two lists: of those that are here, in the order in
 * which they were submitted, which is that in which they are served; and of those that are away, in
 * the order in which they left: a carrier has them under way (carrier.h). The line is a third list:
 * of those here that are to be tried, and of those that have ended.
 */
#ifndef PN_BATCH_H
#define PN_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include <pinion/batch.h>

#include "operation.h"

/* place: of one that is away: what is under way; of one that is polled: where; of one that is not:
 * it is left alone, or to be tried in any case. */
#define PN_CALL      0u
#define PN_READINESS 1u
#define PN_NOWHERE   UINT32_MAX
#define PN_AT_ONCE   (UINT32_MAX - 1)

/* ---- here ---- */

static inline void pn_batch_append(struct pinion_batch *batch, struct pinion_operation *operation)
{
    operation->previous = batch->last;
    operation->next = NULL;
    *(batch->last ? &batch->last->next : &batch->first) = operation;
    batch->last = operation;
    batch->count++;
}

static inline void pn_batch_prepend(struct pinion_batch *batch, struct pinion_operation *operation)
{
    operation->previous = NULL;
    operation->next = batch->first;
    *(batch->first ? &batch->first->previous : &batch->last) = operation;
    batch->first = operation;
    batch->count++;
}

static inline void pn_batch_unlink(struct pinion_batch *batch, struct pinion_operation *operation)
{
    struct pinion_operation *next = operation->next, *previous = operation->previous;
    *(next ? &next->previous : &batch->last) = previous;
    *(previous ? &previous->next : &batch->first) = next;
    batch->count--;
}

/* ---- the line ---- */

static inline void pn_batch_line_up(struct pinion_batch *batch, struct pinion_operation *operation)
{
    operation->state = PN_OPERATION_READY;
    operation->follower = NULL;
    *(batch->ready_first ? &batch->ready_last->follower : &batch->ready_first) = operation;
    batch->ready_last = operation;
}

/* ---- going on ---- */

/* By poll, in the thread that asks: lines up some, after a wait if it must be; 0, perhaps for no
 * reason; -ETIMEDOUT, -ECANCELED. None is away. */
int pn_batch_poll(struct pinion_io *io, struct pinion_batch *batch, int64_t deadline);

#endif
