/* SPDX-License-Identifier: MIT */
#include "cancel.h"

#include <errno.h>

#include "check.h"
#include "context.h"
#include "interrupt.h"

void pn_cancel_request(struct pinion_task *task)
{
    uintptr_t seen = pn_load_relaxed(&task->cancel);
    do {
        if ((seen & PN_CANCEL_REQUESTED) && !(seen & PN_CANCEL_INHERITED))
            return;
        /* Acquire: the waiter's fields, pairs with pn_cancel_enter. Release: what the canceler did
         * before, for a task that polls pinion_cancel_requested. */
    } while (!pn_cas_acq_rel(&task->cancel, &seen, PN_CANCEL_REQUESTED | PN_CANCEL_ARMED));

    struct pn_waiter *waiter = (struct pn_waiter *)(seen & ~PN_CANCEL_FLAGS);
    if (!waiter) {
        pn_interrupt_task(task);
        return;
    }
    if (waiter->interrupt)
        waiter->interrupt(waiter);
    pn_waiter_signal(waiter, PN_WAITER_CANCELED);
}

bool pn_cancel_enter(struct pinion_task *task, struct pn_waiter *waiter)
{
    uintptr_t seen = pn_load_relaxed(&task->cancel);
    do {
        PN_ASSERT(!(seen & ~PN_CANCEL_FLAGS));
        if (seen & PN_CANCEL_ARMED)
            return false;
        /* Release: the waiter's fields, pairs with pn_cancel_request. */
    } while (!pn_cas_acq_rel(&task->cancel, &seen, seen | (uintptr_t)waiter));
    return true;
}

bool pn_cancel_leave(struct pinion_task *task, struct pn_waiter *waiter)
{
    uintptr_t seen = pn_load_relaxed(&task->cancel);
    while ((seen & ~PN_CANCEL_FLAGS) == (uintptr_t)waiter) /* pn_cancel_show may change the flags */
        if (pn_cas_acq_rel(&task->cancel, &seen, seen & PN_CANCEL_FLAGS))
            return false;
    pn_waiter_wait_canceled(waiter); /* the canceler has it; it may not vanish yet */
    return true;
}

/* ---- awaits ---- */

static void forward_cancel(struct pn_waiter *waiter)
{
    pn_cancel_request(PN_CONTAINER_OF(waiter, struct pn_await, waiter)->awaited);
}

static void enter(struct pn_await *await)
{
    pn_waiter_init(&await->waiter);
    await->waiter.interrupt = forward_cancel;
    await->is_entered = pn_cancel_enter(await->caller, &await->waiter);
    if (!await->is_entered)
        pn_cancel_request(await->awaited);
}

void pn_await_enter_all(void)
{
    struct pn_await *await;
    while ((await = pn_context()->awaits)) {
        pn_context()->awaits = await->outer;
        enter(await);
    }
}

void pn_await_begin(struct pn_await *await, struct pinion_task *caller,
                    struct pinion_task *awaited)
{
    await->caller = caller;
    await->awaited = awaited;
    await->is_entered = false;
    if (caller)
        enter(await);
    else
        pn_waiter_init(&await->waiter);
}

void pn_await_end(struct pn_await *await)
{
    if (await->is_entered)
        (void)pn_cancel_leave(await->caller, &await->waiter);
}

/* ---- what a task sees ---- */

void pn_cancel_show(struct pinion_task *task)
{
    uintptr_t seen = pn_load_relaxed(&task->cancel);
    do {
        if (seen & PN_CANCEL_REQUESTED)
            return;
        /* Release: pairs with pinion_cancel_requested. A waiter stays where it is. */
    } while (!pn_cas_acq_rel(&task->cancel, &seen,
                             seen | PN_CANCEL_REQUESTED | PN_CANCEL_INHERITED));
}

void pn_cancel_renew(struct pinion_task *task, bool is_inherited)
{
    uintptr_t seen = pn_load_relaxed(&task->cancel), wanted;
    do {
        if ((seen & PN_CANCEL_REQUESTED) && !(seen & PN_CANCEL_INHERITED))
            wanted = PN_CANCEL_REQUESTED | PN_CANCEL_ARMED;
        else
            wanted = is_inherited ? PN_CANCEL_REQUESTED | PN_CANCEL_INHERITED : 0;
        if (seen == wanted) /* so it is nearly always */
            return;
        /* Pairs with pn_cancel_request, as pn_cancel_deliver. */
    } while (!pn_cas_acq_rel(&task->cancel, &seen, wanted));
}

bool pinion_cancel_requested(struct pinion_io *io)
{
    (void)io; /* the current task is the thread's, whichever io is passed */
    (void)pn_cancel_target(); /* what its awaits pass on shows, also while it is protected */
    struct pinion_task *task = pn_context()->task;
    /* Acquire: pairs with pn_cancel_request, so that who sees the flag sees why. */
    return task && (pn_load_acquire(&task->cancel) & PN_CANCEL_REQUESTED);
}

int pinion_check_cancel(struct pinion_io *io)
{
    (void)io;
    return pn_cancel_deliver(pn_cancel_target()) ? -ECANCELED : 0;
}

void pinion_recancel(struct pinion_io *io)
{
    (void)io;
    struct pinion_task *task = pn_context()->task;
    /* Relaxed: only this thread arms a request that was made. */
    if (task && (pn_load_relaxed(&task->cancel) & PN_CANCEL_REQUESTED))
        pn_fetch_or_relaxed(&task->cancel, PN_CANCEL_ARMED);
}

bool pinion_cancel_protect(struct pinion_io *io, bool blocked)
{
    (void)io;
    struct pinion_task *task = pn_context()->task;
    if (!task)
        return false;
    const bool former = task->is_protected;
    task->is_protected = blocked;
    return former;
}

void pinion_task_local_set(struct pinion_io *io, void *value)
{
    (void)io;
    pn_thread()->local = value;
}

void *pinion_task_local(struct pinion_io *io)
{
    (void)io;
    return pn_thread()->local;
}
