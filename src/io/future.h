/* SPDX-License-Identifier: MIT
 *
 * A future against its one other user: pinion_request_cancel may be called while another thread
 * awaits, so a task must not be freed while a requester is about to touch it.
 *
 * Requesters announce themselves in a counter chosen by the future's address, then read its task.
 * An await writes NULL to the future, then looks at the counter, and frees the task only when it is
 * 0. Of the two, at least one sees the other: announce and look are each a sequentially consistent
 * write followed by a sequentially consistent read of what the other wrote.
 */
#ifndef PN_FUTURE_H
#define PN_FUTURE_H

struct pinion_future;
struct pinion_task;

/* The future's task, which stays until let go; NULL if it was consumed. Pair each with a let go,
 * also where it is NULL. Any thread. */
struct pinion_task *pn_future_hold(struct pinion_future *future);
void pn_future_let_go(struct pinion_future *future);

/* Makes the future consumed, and returns when nobody holds its task any more. By who uses it. */
void pn_future_retire(struct pinion_future *future);

#endif
