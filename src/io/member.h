/* SPDX-License-Identifier: MIT
 *
 * The members of a group: how they are listed, found by who awaits or cancels the group, and how
 * they leave. The public functions are in group.c.
 *
 * The group (struct pinion_group), all under its lock:
 *   fresh   members that were queued, the youngest first: each may still be claimed
 *   seen    the others: handed over, run by their maker, claimed, or found to be taken
 *           (empty == both lists are; a member is in one of them from before it is published until
 *           it has ended)
 *   cursor  where a canceler goes on in the list that it walks
 *   waiter  who awaits the group and sleeps. Taken by the member that finds something for it to do
 *           (the group is empty, there is one to claim), which then owes it a signal
 *   is_canceled  whoever enters is asked to cancel at once
 *
 * Who may touch the group: a member until it has left, who is entitled to start one, who awaits or
 * cancels. The last member that leaves lets go of the lock before it signals, and after that it
 * touches nothing: the group may be gone.
 */
#ifndef PN_MEMBER_H
#define PN_MEMBER_H

#include <stdbool.h>

#include <pinion/group.h>

#include "task.h"
#include "waiter.h"

/* Makes what stands behind the task of a member. */
void pn_member_init(struct pinion_task *task, struct pinion_group *group);

/* A member enters its group, before anyone else knows it. */
void pn_member_enter(struct pinion_task *task);

/* A member has ended, or will not run after all. After this the group may be gone; the task is the
 * caller's alone. Waits for a canceler that is at the task. */
void pn_member_leave(struct pinion_task *task);

/* For who awaits the group: true with a member that the caller has claimed and is to run, then to
 * leave and drop; or true with NULL: waiter is put, and will be signaled once. False: it is
 * empty. */
bool pn_member_next(struct pinion_group *group, struct pn_waiter *waiter,
                    struct pinion_task **claimed);

/* Requests that all members be canceled, those that enter later too, until pn_group_renew. Does
 * nothing if there are none. By one thread at a time; the group must not vanish meanwhile. */
void pn_group_request_cancel(struct pinion_group *group);

/* An empty group is as new. Whether it was canceled. */
bool pn_group_renew(struct pinion_group *group);

/* Runs here or waits for members until there are none. waiter is the caller's, its FIRED 0. */
void pn_group_wait(struct pinion_io *io, struct pinion_group *group, struct pn_waiter *waiter);

/* A member that runs in its maker: a task of its own on the stack. */
struct pn_member_here {
    struct pinion_task task;
    struct pn_member member;
    struct pinion_task *maker; /* the task that ran before, NULL: none */
    void *local;               /* its pointer */
};

/* Enters it and makes it the current task, which begins with its maker's pointer and, to be seen
 * only, the request that was delivered to its maker. One that is pending there, or comes, is for
 * the caller to pass on. */
void pn_member_begin(struct pn_member_here *here, struct pinion_group *group);

/* Makes the maker the current task again, and leaves. */
void pn_member_end(struct pn_member_here *here);

#endif
