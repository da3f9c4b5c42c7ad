/* SPDX-License-Identifier: MIT */
#include <pinion/signal.h>

#include <errno.h>
#include <sys/syscall.h>

#include "call.h"
#include "detail.h"

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

int pinion_signal_wait(struct pinion_io *io, const sigset_t *set, int64_t deadline)
{
    struct pn_operation wait = pn_operation(SYS_rt_sigtimedwait, PN_ADDRESS(set), 0, 0,
                                            PN_KERNEL_SIGSET_BYTES, 0, 0);
    wait.has_timeout = true;
    const int error = check(set);
    if (error)
        return error;
    const long result = pn_perform(io, &wait, PN_CANCELABLE(deadline));
    return result == -EAGAIN ? -ETIMEDOUT : (int)result;
}
