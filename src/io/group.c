/* SPDX-License-Identifier: MIT
 *
 * The public functions of groups.
 */
#include <errno.h>
#include <stddef.h>

#include <pinion/group.h>

#include "cancel.h"
#include "check.h"
#include "context.h"
#include "interface.h"
#include "member.h"

/* The maker of a member that runs in it, as a canceler of the maker sees it: it passes the request
 * on, as its await of the group would if the member ran elsewhere. If the maker is protected the
 * member only sees it. */
struct making {
    struct pn_waiter waiter;
    struct pinion_task *member;
    bool is_protected;
};

static void forward(const struct making *making)
{
    if (making->is_protected)
        pn_cancel_show(making->member);
    else
        pn_cancel_request(making->member);
}

static void forward_to_member(struct pn_waiter *waiter)
{
    forward(PN_CONTAINER_OF(waiter, struct making, waiter));
}

static void run_here(struct pinion_group *group, const struct pinion_call *call)
{
    struct pn_member_here here;
    struct making making = {.member = &here.task};
    pn_waiter_init(&making.waiter);
    making.waiter.interrupt = forward_to_member;
    pn_member_begin(&here, group);
    making.is_protected = here.maker && here.maker->is_protected;
    const bool is_entered = here.maker && pn_cancel_enter(here.maker, &making.waiter);
    if (here.maker && !is_entered)
        forward(&making);
    if (PN_LIKELY(pn_call_is_aligned(call)))
        pn_call_run(call, NULL);
    else
        pn_call_run_mended(call, NULL);
    if (is_entered) /* a request that came is still pending for the maker */
        (void)pn_cancel_leave(here.maker, &making.waiter);
    pn_member_end(&here);
}

void pinion_group_async(struct pinion_io *io, struct pinion_group *group,
                        const struct pinion_call *call)
{
    const struct pn_spawn spawn = {.call = call, .io = io, .kind = PN_ASYNC, .group = group};
    struct pinion_task *unused;
    PN_ASSERT(pn_call_is_valid(call));
    if (PN_UNLIKELY(!pn_call_is_aligned(call)) || pn_io_is_refused(io) ||
        !io->vtable->queue(io, &spawn, &unused))
        run_here(group, call);
}

int pinion_group_concurrent(struct pinion_io *io, struct pinion_group *group,
                            const struct pinion_call *call)
{
    const struct pn_spawn spawn = {.call = call, .io = io, .kind = PN_CONCURRENT, .group = group};
    struct pinion_task *unused;
    return pn_spawn(io, &spawn, &unused);
}

int pinion_group_parallel(struct pinion_io *io, struct pinion_group *group,
                          const struct pinion_call *call)
{
    const struct pn_spawn spawn = {.call = call, .io = io, .kind = PN_PARALLEL, .group = group};
    struct pinion_task *unused;
    return pn_spawn(io, &spawn, &unused);
}

/* An await of a group as a canceler of who awaits sees it. */
struct group_await {
    struct pn_waiter waiter;
    struct pinion_group *group;
};

static void forward_to_group(struct pn_waiter *waiter)
{
    pn_group_request_cancel(PN_CONTAINER_OF(waiter, struct group_await, waiter)->group);
}

/* Members that another process made don't end here. */
static bool is_of_another_process(const struct pinion_io *io, const struct pinion_group *group)
{
    return pn_io_is_refused(io) && (group->fresh || group->seen);
}

int pinion_group_await(struct pinion_io *io, struct pinion_group *group)
{
    if (is_of_another_process(io, group))
        return pn_io_refusal(io);
    struct pinion_task *caller = pn_cancel_target();
    struct group_await await = {.group = group};
    pn_waiter_init(&await.waiter);
    await.waiter.interrupt = forward_to_group;
    const bool is_entered = caller && pn_cancel_enter(caller, &await.waiter);
    const bool was_pending = caller && !is_entered;
    if (was_pending)
        pn_group_request_cancel(group);
    pn_group_wait(io, group, &await.waiter);
    if (is_entered)
        (void)pn_cancel_leave(caller, &await.waiter);
    /* A request that found no member any more stays pending. */
    if (!pn_group_renew(group) && !was_pending)
        return 0;
    (void)pn_cancel_deliver(caller);
    return -ECANCELED;
}

void pinion_group_cancel(struct pinion_io *io, struct pinion_group *group)
{
    struct pn_waiter waiter;
    PN_ASSERT(!is_of_another_process(io, group));
    if (is_of_another_process(io, group))
        return;
    pn_waiter_init(&waiter);
    pn_group_request_cancel(group);
    pn_group_wait(io, group, &waiter);
    (void)pn_group_renew(group);
}
