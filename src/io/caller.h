/* SPDX-License-Identifier: MIT
 *
 * The threads that make system calls, for who cancels the task that one of them makes a call for.
 *
 * A call that does not wait should cost hardly more for being cancelable, so its thread only writes
 * which task it is for, then looks whether a request is pending; and the same when it has come
 * back. A canceler makes its request, has a heavy fence (asymmetric.h), and then looks for a thread
 * with that task. Of the two, at least one sees the other: either the thread knows of the request
 * before the call, or the canceler interrupts it; either the canceler finds the thread gone from
 * the call, or the thread knows that it may be interrupted, and waits until that is over.
 */
#ifndef PN_CALLER_H
#define PN_CALLER_H

#include <pthread.h>
#include <stdbool.h>

#include "asymmetric.h"
#include "atomic.h"
#include "check.h"
#include "stub.h"
#include "task.h"

/* A thread. task: for which it makes a call, NULL: none; written by the thread. is_split: its
 * fences are light; else full, as those of cancelers, where the kernel knows no heavy ones.
 * is_listed: else no canceler knows the thread; its own. next, link: under the list's lock. */
struct pn_caller {
    struct pn_stub stub;
    _Atomic(struct pinion_task *) task;
    bool is_split, is_listed;
    struct pn_caller *next, **link;
    pthread_t thread;
};

/* Lists the calling thread. */
void pn_caller_list(struct pn_caller *caller);
/* Takes it off again. When it returns no canceler is at it. */
void pn_caller_unlist(struct pn_caller *caller);

/* In the child of a fork: no other thread is there. */
void pn_caller_keep_only(struct pn_caller *caller);

static inline void pn_caller_fence(const struct pn_caller *caller)
{
    if (PN_LIKELY(caller->is_split))
        pn_light_fence(); /* pairs with the heavy one in pn_caller_find */
    else
        pn_fence_seq_cst(); /* pairs with the first one there */
}

/* Whether a request is pending, or the call was called off. */
static inline bool pn_caller_is_asked(const struct pn_caller *caller,
                                      const struct pinion_task *task)
{
    /* Relaxed: the fence has ordered it, and what the canceler wrote is for pn_cancel_deliver. */
    return (task && (pn_load_relaxed(&task->cancel) & PN_CANCEL_ARMED)) ||
           pn_load_relaxed(&caller->stub.is_canceled);
}

/* About to make a call for the task, which the calling thread runs; NULL: for none. False: a
 * request is pending, so it may not be made. Either way leave follows. */
static inline bool pn_caller_enter(struct pn_caller *caller, struct pinion_task *task)
{
    if (!task)
        return true;
    /* Release: the delivery of a request before this, pairs with the acquire in pn_caller_find. */
    pn_store_release(&caller->task, task);
    pn_caller_fence(caller);
    return !(pn_load_relaxed(&task->cancel) & PN_CANCEL_ARMED);
}

/* Has made it. True: it may have been called off, or be about to be: settle follows. */
static inline bool pn_caller_leave(struct pn_caller *caller, struct pinion_task *task)
{
    pn_store_relaxed(&caller->task, NULL); /* the fence orders it */
    pn_caller_fence(caller);
    return pn_caller_is_asked(caller, task);
}

/* When it returns no canceler is at the thread, and the next call is not called off. Whether this
 * one was. */
bool pn_caller_settle(struct pn_caller *caller);

/* After a request to cancel a task: calls off the call that is made for it, by call_off, which may
 * not wait. False: there is none, now. */
bool pn_caller_find(const struct pinion_task *task, void (*call_off)(struct pn_caller *caller));

#endif
