/* SPDX-License-Identifier: MIT
 *
 * A future against its one other user: pinion_request_cancel may be called while another thread
 * awaits, so a task must not be freed while a requester is about to touch it.
 *
 * Requesters announce themselves in a counter chosen by the future's address, then read its task.
 * An await writes NULL to the future, then looks at the counter, and frees the task only when it is
 * 0. Of the two, at least one sees the other: announce and look are each a sequentially consistent
 * write followed by a sequentially consistent read of what the other wrote.
 *
 * Many programs never make a request of this kind. Until the first one of the process an await only
 * looks whether there was one, with a light fence between write and look; the first request says
 * so, then has a heavy fence (asymmetric.h).
 */
#ifndef PN_FUTURE_H
#define PN_FUTURE_H

#include <stdbool.h>
#include <stddef.h>

#include <pinion/io.h>

#include "asymmetric.h"
#include "check.h"

/* Whether there may be requesters. */
extern _Atomic(bool) pn_future_is_requested;

/* The future's task, which stays until let go; NULL if it was consumed. Pair each with a let go,
 * also where it is NULL. Any thread. */
struct pinion_task *pn_future_hold(struct pinion_future *future);
void pn_future_let_go(struct pinion_future *future);

/* The part of retire that waits. */
void pn_future_wait_retired(struct pinion_future *future);

/* Makes the future consumed, and returns when nobody holds its task any more. By who uses it. */
static inline void pn_future_retire(struct pinion_future *future)
{
    pn_plain_store_relaxed(&future->task, NULL); /* pairs with the load in pn_future_hold */
    pn_light_fence(); /* pairs with the heavy fence of the first request */
    if (PN_UNLIKELY(pn_load_relaxed(&pn_future_is_requested)))
        pn_future_wait_retired(future);
}

#endif
