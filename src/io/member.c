/* SPDX-License-Identifier: MIT */
#include "member.h"

#include <stddef.h>

#include "cancel.h"
#include "check.h"
#include "context.h"
#include "interface.h"
#include "lock.h"

_Static_assert(offsetof(struct pn_member_here, member) == sizeof(struct pinion_task),
               "the member stands right behind its task");

static struct pn_member *member_of(struct pinion_task *task)
{
    PN_ASSERT(task->is_member);
    return (struct pn_member *)(void *)(task + 1);
}

/* ---- the lists, under the group's lock ---- */

static void link_locked(struct pinion_task **list, struct pinion_task *task)
{
    struct pn_member *member = member_of(task);
    member->next = *list;
    member->link = list;
    if (member->next)
        member_of(member->next)->link = &member->next;
    *list = task;
}

static void unlink_locked(struct pinion_group *group, struct pinion_task *task)
{
    struct pn_member *member = member_of(task);
    if (group->cursor == task)
        group->cursor = member->next;
    *member->link = member->next;
    if (member->next)
        member_of(member->next)->link = member->link;
}

static bool is_empty_locked(const struct pinion_group *group)
{
    return !group->fresh && !group->seen;
}

static struct pn_waiter *take_waiter_locked(struct pinion_group *group)
{
    struct pn_waiter *waiter = group->waiter;
    group->waiter = NULL;
    return waiter;
}

/* ---- members come and go ---- */

void pn_member_init(struct pinion_task *task, struct pinion_group *group)
{
    task->is_member = true;
    *member_of(task) = (struct pn_member){.group = group};
}

void pn_member_enter(struct pinion_task *task)
{
    struct pinion_group *group = member_of(task)->group;
    struct pn_waiter *waiter = NULL;
    const bool is_fresh = (pn_load_relaxed(&task->state) & PN_TASK_PHASE) == PN_TASK_QUEUED;
    pn_lock(&group->lock);
    if (group->is_canceled)
        pn_store_relaxed(&task->cancel, PN_CANCEL_REQUESTED | PN_CANCEL_ARMED);
    link_locked(is_fresh ? &group->fresh : &group->seen, task);
    if (is_fresh) /* perhaps no worker is free for it, and the member waits for what it does */
        waiter = take_waiter_locked(group);
    pn_unlock(&group->lock);
    if (waiter)
        pn_waiter_signal(waiter, PN_WAITER_FIRED);
}

/* Waits until the canceler lets go of the task. Gives up the lock meanwhile. */
static void wait_until_let_go_locked(struct pinion_group *group, struct pinion_task *task)
{
    struct pn_waiter waiter;
    pn_waiter_init(&waiter);
    member_of(task)->ender = &waiter;
    pn_unlock(&group->lock);
    (void)pn_waiter_wait(&waiter, 1, false, INT64_MAX, 0);
    pn_lock(&group->lock);
}

void pn_member_leave(struct pinion_task *task)
{
    struct pinion_group *group = member_of(task)->group;
    struct pn_waiter *waiter = NULL;
    pn_lock(&group->lock);
    if (member_of(task)->is_held)
        wait_until_let_go_locked(group, task);
    unlink_locked(group, task);
    if (is_empty_locked(group))
        waiter = take_waiter_locked(group);
    pn_unlock(&group->lock);
    if (waiter)
        pn_waiter_signal(waiter, PN_WAITER_FIRED);
}

void pn_member_begin(struct pn_member_here *here, struct pinion_group *group)
{
    struct pn_context *context = pn_context();
    struct pinion_task *maker = context->task;
    here->maker = maker;
    here->local = pn_thread()->local; /* with which the member begins */
    here->task = (struct pinion_task){.is_protected = false};
    pn_store_relaxed(&here->task.state, PN_TASK_RUNNING); /* published by the group's lock */
    /* Relaxed: the maker's delivery was by this thread. */
    const uintptr_t word = maker ? pn_load_relaxed(&maker->cancel) : 0;
    if ((word & PN_CANCEL_REQUESTED) && !(word & PN_CANCEL_ARMED))
        pn_store_relaxed(&here->task.cancel, PN_CANCEL_REQUESTED | PN_CANCEL_INHERITED);
    pn_member_init(&here->task, group);
    pn_member_enter(&here->task);
    context->task = &here->task;
}

void pn_member_end(struct pn_member_here *here)
{
    pn_context()->task = here->maker;
    pn_thread()->local = here->local;
    pn_member_leave(&here->task);
}

/* ---- who awaits ---- */

bool pn_member_next(struct pinion_group *group, struct pn_waiter *waiter,
                    struct pinion_task **claimed)
{
    struct pinion_task *task;
    bool is_claimed = false;
    pn_lock(&group->lock);
    /* Each is looked at once: claimed or not, it is not to be claimed again. */
    while (!is_claimed && (task = group->fresh)) {
        unlink_locked(group, task);
        link_locked(&group->seen, task);
        is_claimed = pn_task_claim(task);
    }
    const bool is_empty = is_empty_locked(group);
    if (!is_claimed && !is_empty)
        group->waiter = waiter;
    pn_unlock(&group->lock);
    *claimed = is_claimed ? task : NULL;
    return !is_empty;
}

static void run_claimed(struct pinion_io *io, struct pinion_task *task)
{
    pn_run_claimed(io, task);
    pn_member_leave(task);
    io->vtable->drop(io, task);
}

void pn_group_wait(struct pinion_io *io, struct pinion_group *group, struct pn_waiter *waiter)
{
    struct pinion_task *task;
    while (pn_member_next(group, waiter, &task)) {
        if (task) {
            run_claimed(io, task);
        } else {
            (void)pn_waiter_wait(waiter, 1, false, INT64_MAX, io->spin_ns);
            /* Relaxed: the signal was seen, and no other is owed. */
            pn_fetch_sub_relaxed(&waiter->word, PN_WAITER_FIRED);
        }
    }
}

/* ---- who cancels ---- */

/* Requests it of one. The task stays meanwhile, and so does the group; the lock is not held, since
 * a request may take long: it wakes, and may interrupt, whoever waits in the task. */
static void request_locked(struct pinion_group *group, struct pinion_task *task)
{
    member_of(task)->is_held = true;
    pn_unlock(&group->lock);
    pn_cancel_request(task);
    pn_lock(&group->lock);
    member_of(task)->is_held = false;
    struct pn_waiter *ender = member_of(task)->ender;
    if (!ender)
        return;
    pn_unlock(&group->lock);
    pn_waiter_signal(ender, PN_WAITER_FIRED);
    pn_lock(&group->lock);
}

/* What enters later is asked by who enters it, and what goes over from fresh to seen before its
 * turn is met there. */
static void request_list_locked(struct pinion_group *group, struct pinion_task *first)
{
    struct pinion_task *task;
    group->cursor = first;
    while ((task = group->cursor)) {
        group->cursor = member_of(task)->next;
        request_locked(group, task);
    }
}

void pn_group_request_cancel(struct pinion_group *group)
{
    pn_lock(&group->lock);
    if (!is_empty_locked(group)) {
        group->is_canceled = true;
        request_list_locked(group, group->fresh);
        request_list_locked(group, group->seen);
    }
    pn_unlock(&group->lock);
}

bool pn_group_renew(struct pinion_group *group)
{
    pn_lock(&group->lock);
    const bool was_canceled = group->is_canceled;
    PN_ASSERT(is_empty_locked(group));
    group->is_canceled = false;
    pn_unlock(&group->lock);
    return was_canceled;
}
