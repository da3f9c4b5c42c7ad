/* SPDX-License-Identifier: MIT */
#include <pinion/clock.h>

#include <errno.h>
#include <time.h>

#include "cancel.h"
#include "futex.h"

int64_t pinion_now(struct pinion_io *io, clockid_t clock)
{
    (void)io;
    const int saved = errno;
    struct timespec now;
    if (clock_gettime(clock, &now)) {
        errno = saved;
        return -EINVAL;
    }
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The thread sleeps, also where the io never does: it was asked to. */
static int sleep_until(int64_t deadline)
{
    struct pinion_task *task = pn_cancel_target();
    struct pn_waiter waiter;
    if (pn_cancel_deliver(task))
        return -ECANCELED;
    if (deadline <= pn_now())
        return 0;
    pn_waiter_init(&waiter);
    if (!task) {
        (void)pn_waiter_wait(&waiter, 1, true, deadline, 0);
        return 0;
    }
    if (pn_cancel_enter(task, &waiter)) {
        (void)pn_waiter_wait(&waiter, 1, true, deadline, 0);
        if (!pn_cancel_leave(task, &waiter))
            return 0;
    }
    (void)pn_cancel_deliver(task);
    return -ECANCELED;
}

int pinion_sleep(struct pinion_io *io, int64_t duration)
{
    (void)io; /* who calls decides how to wait */
    return sleep_until(pn_deadline_after(duration));
}

int pinion_sleep_until(struct pinion_io *io, int64_t deadline)
{
    (void)io;
    return sleep_until(deadline);
}
