/* SPDX-License-Identifier: MIT
 *
 * System calls as they are asked for: what to call, and what it waits for where it would not wait
 * itself. A thread blocks in them; how a fiber waits meanwhile is its sleeper's.
 */
#ifndef PN_CALL_H
#define PN_CALL_H

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "interface.h"
#include "interrupt.h"
#include "trace.h"

/* The kernel's sigset_t is the beginning of libc's. */
#define PN_KERNEL_SIGSET_BYTES (_NSIG / 8)

/* A call to be made. When it gives -EAGAIN, readable and writable are waited for, one after the
 * other, and it is made again, so it makes no difference whether a descriptor is O_NONBLOCK; where
 * both are -1, -EAGAIN is its result. */
struct pn_operation {
    struct pn_system_call call;
    int readable, writable; /* descriptors that it needs to be so; -1: none */
    size_t sigpipe_below; /* it may have raised SIGPIPE if it gives less than this; 0: never */
    bool has_timeout;     /* argument 2 is set to the time left, a struct timespec */
    bool never_waits;     /* it gives -EAGAIN instead, by a flag in its arguments */
};

/* One that needs nothing, and what else it is to be set afterwards. A function, since a compiler
 * clears first what an initializer leaves out, which takes longer than all the rest. */
static inline struct pn_operation pn_operation(long number, long a0, long a1, long a2, long a3,
                                               long a4, long a5)
{
    struct pn_operation operation;
    operation.call = (struct pn_system_call){number, {a0, a1, a2, a3, a4, a5}};
    operation.readable = operation.writable = -1;
    operation.sigpipe_below = 0;
    operation.has_timeout = operation.never_waits = false;
    return operation;
}

/* Whether nothing is to be done but the call, unless it would wait. */
static inline bool pn_is_simple(const struct pn_operation *operation, const struct pn_how *how)
{
    return (how->deadline == INT64_MAX || operation->never_waits) && !operation->has_timeout &&
           (!operation->sigpipe_below || pn_interrupt_here.is_own);
}

/* After a simple call: SIGPIPE is taken if it was raised. Returns the result. */
long pn_perform_end(const struct pn_operation *operation, long result);

/* The part of pn_perform that may wait, in the calling thread. */
long pn_perform_in_thread(const struct pn_operation *operation, const struct pn_how *how);

/* The same as pn_perform_here, while a trace is on. */
long pn_perform_traced(const struct pn_operation *operation, const struct pn_how *how);

/* The call, made by the calling thread, which blocks in it. */
static inline long pn_perform_here(const struct pn_operation *operation, bool is_simple,
                                   bool is_cancelable, long sigpipe_below,
                                   const struct pn_how *how)
{
    if (PN_LIKELY(is_simple)) {
        const long result = pn_syscall_quickly(&operation->call, is_cancelable);
        if (PN_LIKELY(result >= sigpipe_below))
            return result;
        if (result != -EINTR && result != -EAGAIN)
            return pn_perform_end(operation, result);
    }
    return pn_perform_in_thread(operation, how);
}

/* Makes the call: what it gives, 0 or more, or -errno, never -EINTR. Keeps errno. Also:
 * -ECANCELED: a cancelation point if `how` is cancelable, before it does anything or while it
 * waits. -ETIMEDOUT: the deadline has passed, and it had nothing to give (with has_timeout it gives
 * itself what it gives then). What the kernel gave is never dropped for either. SIGPIPE is not
 * raised. Any thread; -ENOTSUP, -ECHILD with the detail where the io refuses. */
static inline long pn_perform(struct pinion_io *io, const struct pn_operation *operation,
                              const struct pn_how *how)
{
    /* Read first: they are constants, which compilers forget at the first atomic access. */
    const bool is_simple = pn_is_simple(operation, how), is_cancelable = how->is_cancelable;
    const long sigpipe_below = (long)operation->sigpipe_below;
    const int refusal = pn_io_refusal(io);
    if (PN_UNLIKELY(refusal))
        return refusal;
    struct pn_sleeper *sleeper = pn_sleeper_here();
    if (PN_UNLIKELY(sleeper != NULL))
        return sleeper->ways->perform(sleeper, operation, how);
    if (pn_trace_is_on())
        return pn_perform_traced(operation, how);
    return pn_perform_here(operation, is_simple, is_cancelable, sigpipe_below, how);
}

/* poll(2) of descriptors: how many are as their events ask, 0 at the deadline; errors as
 * pn_perform. */
int pn_poll(struct pinion_io *io, struct pollfd *descriptors, nfds_t count,
            const struct pn_how *how);

/* What poll calls ready isn't always so (an eventfd that is nearly full, a peer's full queue): so
 * long, in ns, is the pause before the next try of a call that was tried in vain so many times. */
int64_t pn_pause_in_vain(unsigned times);

/* The sum of the parts, SIZE_MAX if it is more; 0 where the kernel will have none of them. */
size_t pn_bytes_of(const struct iovec *parts, int part_count);

#endif
