/* SPDX-License-Identifier: MIT
 *
 * System calls as an implementation is asked for them: what to call, and what it waits for where it
 * would not wait itself. How the caller waits meanwhile is the implementation's.
 */
#ifndef PN_CALL_H
#define PN_CALL_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "interface.h"
#include "interrupt.h"

/* The kernel's sigset_t is the beginning of libc's. */
#define PN_KERNEL_SIGSET_BYTES (_NSIG / 8)

/* A call to be made. waits: what must be there before it can go on, each as for poll; events 0:
 * none. When it gives -EAGAIN these are waited for, one after the other, and it is made again, so
 * it makes no difference whether a descriptor is O_NONBLOCK. Without any, -EAGAIN is its result. */
struct pn_operation {
    struct pn_system_call call;
    struct pollfd waits[2];
    size_t sigpipe_below; /* it may have raised SIGPIPE if it gives less than this; 0: never */
    bool has_timeout;     /* argument 2 is set to the time left, a struct timespec */
    bool never_waits;     /* it gives -EAGAIN instead, by a flag in its arguments */
};

/* Makes the call: what it gives, 0 or more, or -errno, never -EINTR. Keeps errno. Also:
 * -ECANCELED: a cancelation point if `how` is cancelable, before it does anything or while it
 * waits. -ETIMEDOUT: the deadline has passed, and it had nothing to give (with has_timeout it gives
 * itself what it gives then). What the kernel gave is never dropped for either. SIGPIPE is not
 * raised. Any thread; -ENOTSUP, -ECHILD with the detail where the io refuses. */
static inline long pn_perform(struct pinion_io *io, const struct pn_operation *operation,
                              const struct pn_how *how)
{
    const int refusal = pn_io_refusal(io);
    return PN_UNLIKELY(refusal) ? refusal : io->vtable->perform(io, operation, how);
}

/* The entry of the vtable of an implementation whose callers wait in their threads. */
long pn_perform_in_thread(struct pinion_io *io, const struct pn_operation *operation,
                          const struct pn_how *how);

/* poll(2) of descriptors: how many are as their events ask, 0 at the deadline; errors as
 * pn_perform. */
int pn_poll(struct pinion_io *io, struct pollfd *descriptors, nfds_t count,
            const struct pn_how *how);

#endif
