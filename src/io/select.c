/* SPDX-License-Identifier: MIT
 *
 * Waiting for the first of several futures. The claim is per wait: each future's task names this
 * wait's waiter while it runs and forgets it after; a task that is done stays done, whoever looked.
 */
#include <errno.h>
#include <limits.h>
#include <stddef.h>

#include "cancel.h"
#include "detail.h"
#include "interface.h"

/* The lowest future that is done, -1 if none. */
static int first_done(struct pinion_future *const *futures, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!futures[i]->task || pn_task_is_done(futures[i]->task))
            return (int)i;
    return -1;
}

/* Runs here the first task that nobody took: true if there was one. */
static bool run_one(struct pinion_io *io, struct pinion_future *const *futures, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct pinion_task *task = futures[i]->task;
        if (!pn_task_claim(task))
            continue;
        pn_run_claimed(io, task);
        return true;
    }
    return false;
}

/* Puts the waiter on every task that runs. Returns how many took it; a future that is named twice
 * takes it once. Stops at one that is done. */
static uint32_t add_to_all(struct pinion_future *const *futures, size_t count,
                           struct pn_waiter *waiter)
{
    uint32_t added = 0;
    for (size_t i = 0; i < count; i++) {
        if (pn_task_add_waiter(futures[i]->task, waiter))
            added++;
        else if (pn_task_is_done(futures[i]->task))
            break;
    }
    return added;
}

/* Takes it back. Returns from how many. */
static uint32_t remove_from_all(struct pinion_future *const *futures, size_t count,
                                struct pn_waiter *waiter)
{
    uint32_t removed = 0;
    for (size_t i = 0; i < count; i++)
        removed += pn_task_remove_waiter(futures[i]->task, waiter);
    return removed;
}

/* Waits for one of the tasks, which all run. 0, or -ETIMEDOUT or -ECANCELED if that came before. */
static int wait_for_one(struct pinion_io *io, struct pinion_future *const *futures, size_t count,
                        int64_t deadline)
{
    struct pinion_task *caller = pn_cancel_target();
    struct pn_waiter waiter;
    pn_waiter_init(&waiter);
    if (caller && !pn_cancel_enter(caller, &waiter))
        return -ECANCELED;

    const uint32_t added = add_to_all(futures, count, &waiter);
    int error = 0;
    if (first_done(futures, count) < 0 &&
        !pn_waiter_wait(&waiter, 1, true, deadline, io->spin_ns))
        error = -ETIMEDOUT;

    /* What could not be taken back has signaled or will; until then this frame must stand. */
    const uint32_t owed = added - remove_from_all(futures, count, &waiter);
    (void)pn_waiter_wait(&waiter, owed, false, INT64_MAX, 0);
    if (caller && pn_cancel_leave(caller, &waiter))
        error = -ECANCELED;
    return error;
}

int pinion_select(struct pinion_io *io, struct pinion_future *const *futures, size_t count,
                  int64_t deadline)
{
    if (count == 0 || count > INT_MAX)
        return pn_error(EINVAL, "select of %zu futures: it takes 1 to %d", count, INT_MAX);
    if (pn_cancel_deliver(pn_cancel_target()))
        return -ECANCELED;
    int index = first_done(futures, count);
    if (index >= 0)
        return index;
    const int refusal = pn_io_refusal(io);
    if (refusal)
        return refusal;
    if (run_one(io, futures, count))
        return first_done(futures, count);

    const int error = wait_for_one(io, futures, count, deadline);
    /* A task that is done goes before a deadline or a request, which stays pending. */
    index = first_done(futures, count);
    if (index >= 0)
        return index;
    if (error == -ECANCELED)
        (void)pn_cancel_deliver(pn_cancel_target());
    return error;
}
