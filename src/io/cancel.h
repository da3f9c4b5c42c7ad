/* SPDX-License-Identifier: MIT
 *
 * Requests to cancel, and the waits that they reach. The words are in task.h.
 */
#ifndef PN_CANCEL_H
#define PN_CANCEL_H

#include <errno.h>
#include <stdbool.h>

#include "check.h"
#include "context.h"
#include "interface.h"
#include "sleeper.h"
#include "task.h"

/* Requests that a task be canceled; once. The caller holds the task's future, or is in a wait that
 * keeps it. */
void pn_cancel_request(struct pinion_task *task);

/* An await as a canceler of who awaits sees it: it passes the request on to the awaited task.
 *
 * Where the awaited task runs in the awaiting thread itself, the canceler is told only once the
 * awaited task comes to a cancelation point; until then the await stands in its thread's list, and
 * costs no more than that. */
struct pn_await {
    struct pn_waiter waiter;
    struct pinion_task *caller, *awaited;
    struct pn_await *outer;
    bool is_entered; /* the caller's cancel word has, or had, the waiter */
};

/* Begins an await of a task that another thread runs, and ends it. caller may be NULL. */
void pn_await_begin(struct pn_await *await, struct pinion_task *caller,
                    struct pinion_task *awaited);
void pn_await_end(struct pn_await *await);

/* Enters the awaits that the calling thread is in: requests to their callers are passed on now. */
void pn_await_enter_all(void);

/* Begins an await of a task that the calling thread is going to run, and ends it. */
static inline void pn_await_begin_here(struct pn_await *await, struct pinion_task *caller,
                                       struct pinion_task *awaited)
{
    struct pn_context *context = pn_context();
    await->caller = caller;
    await->awaited = awaited;
    await->is_entered = false;
    await->outer = context->awaits;
    if (PN_UNLIKELY(pn_load_relaxed(&caller->cancel) & PN_CANCEL_ARMED))
        pn_cancel_request(awaited);
    context->awaits = await;
}

static inline void pn_await_end_here(struct pn_await *await)
{
    struct pn_context *context = pn_context();
    if (PN_LIKELY(context->awaits == await))
        context->awaits = await->outer;
    else
        pn_await_end(await);
}

/* The task that runs here if a request can reach it: not outside tasks, nor while it is
 * protected. */
static inline struct pinion_task *pn_cancel_reachable(void)
{
    struct pinion_task *task = pn_context()->task;
    return task && !task->is_protected ? task : NULL;
}

/* The same at a cancelation point. */
static inline struct pinion_task *pn_cancel_target(void)
{
    if (PN_UNLIKELY(pn_context()->awaits != NULL))
        pn_await_enter_all();
    return pn_cancel_reachable();
}

/* Delivers a pending request: true once, the cancelation point gives -ECANCELED. task may be
 * NULL. */
static inline bool pn_cancel_deliver(struct pinion_task *task)
{
    /* A plain look first: cancelation points are many, requests few. */
    if (!task || PN_LIKELY(!(pn_load_relaxed(&task->cancel) & PN_CANCEL_ARMED)))
        return false;
    /* Acquire: pairs with pn_cancel_request, as in pinion_cancel_requested. */
    pn_fetch_and_acq_rel(&task->cancel, ~PN_CANCEL_ARMED);
    return true;
}

/* What every waiting call does first: 0, or -ECANCELED where that is due, or why the io can't wait
 * (pn_io_refusal). */
static inline int pn_io_enter(const struct pinion_io *io, const struct pn_how *how)
{
    const int refusal = pn_io_refusal(io);
    if (refusal)
        return refusal;
    pn_sleeper_count();
    return how->is_cancelable && pn_cancel_deliver(pn_cancel_target()) ? -ECANCELED : 0;
}

/* The same, where it is 0 and does nothing but count: true. Else false, and it has done nothing. */
static inline bool pn_io_enter_quickly(const struct pinion_io *io)
{
    const struct pn_context *here = pn_context();
    if (pn_io_is_refused(io) || PN_UNLIKELY(here->awaits != NULL))
        return false;
    if (here->task && PN_UNLIKELY(pn_load_relaxed(&here->task->cancel) & PN_CANCEL_ARMED))
        return false;
    return pn_sleeper_count_quickly();
}

/* A request that was delivered to a call which then had something else to return: the next one gets
 * it. */
static inline void pn_cancel_put_back(void) { pinion_recancel(NULL); }

/* Begins a wait that a request reaches: false if one is pending already. */
bool pn_cancel_enter(struct pinion_task *task, struct pn_waiter *waiter);

/* Ends it: whether a request came meanwhile, which is pending now (see pn_cancel_deliver). After
 * it, no canceler knows the waiter. */
bool pn_cancel_leave(struct pinion_task *task, struct pn_waiter *waiter);

/* Makes a request that is not the task's own show there (see PN_CANCEL_INHERITED). */
void pn_cancel_show(struct pinion_task *task);

/* The task that runs here begins something new: a request of its own that was delivered is pending
 * again; one of its maker's, if is_inherited, is to be seen and not to be delivered. */
void pn_cancel_renew(struct pinion_task *task, bool is_inherited);

/* Whether the task, which is done, was given -ECANCELED. */
static inline bool pn_cancel_was_delivered(struct pinion_task *task)
{
    /* Relaxed: the runner's last change of it came before it made the task DONE, which was seen. */
    const uintptr_t word = pn_load_relaxed(&task->cancel);
    return (word & PN_CANCEL_REQUESTED) && !(word & PN_CANCEL_ARMED);
}

#endif
