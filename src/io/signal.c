/* SPDX-License-Identifier: MIT */
#include <pinion/signal.h>

#include <errno.h>
#include <sys/syscall.h>
#include <time.h>

#include "detail.h"
#include "futex.h"
#include "interrupt.h"

/* The kernel's sigset_t is the beginning of libc's. */
#define KERNEL_SIGSET_BYTES (_NSIG / 8)

static int check(const sigset_t *set)
{
    static const int never[] = {SIGKILL, SIGSTOP};
    if (!set || sigisemptyset(set))
        return pn_error(EINVAL, "a wait for a signal of an empty set");
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        if (sigismember(set, never[i]))
            return pn_error(EINVAL, "signal %d can't be waited for", never[i]);
    const int cancels = pn_interrupt_signal();
    if (cancels && sigismember(set, cancels))
        return pn_error(EINVAL, "signal %d is the one that cancels use; leave it out", cancels);
    return 0;
}

/* What is left until a deadline, 0 if it has passed; NULL: no end. */
static const struct timespec *time_left(int64_t deadline, struct timespec *left)
{
    if (deadline == INT64_MAX)
        return NULL;
    const int64_t now = pn_now();
    const int64_t ns = deadline > now ? deadline - now : 0;
    left->tv_sec = (time_t)(ns / 1000000000);
    left->tv_nsec = (long)(ns % 1000000000);
    return left;
}

int pinion_signal_wait(struct pinion_io *io, const sigset_t *set, int64_t deadline)
{
    (void)io; /* who calls decides how to wait */
    struct timespec left;
    long result = check(set);
    if (result)
        return (int)result;
    do
        result = pn_syscall_once(true, SYS_rt_sigtimedwait,
                                 PN_ARGUMENTS(PN_ADDRESS(set), 0,
                                              PN_ADDRESS(time_left(deadline, &left)),
                                              KERNEL_SIGSET_BYTES));
    while (result == -EINTR);
    return result == -EAGAIN ? -ETIMEDOUT : (int)result;
}
