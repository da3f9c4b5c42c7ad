/* SPDX-License-Identifier: MIT
 *
 * Makes system calls in the calling thread, which blocks in them.
 */
#include "call.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "futex.h"
#include "ticks.h"

/* A descriptor that is ready each time, and each time has nothing: so long are the pauses. */
#define VAIN_NS_MIN INT64_C(50000)
#define VAIN_NS_MAX INT64_C(10000000)

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

static long call_with_timeout(const struct pn_operation *operation, const struct pn_how *how)
{
    struct timespec left;
    struct pn_system_call call = operation->call;
    long result;
    do {
        call.arguments[2] = PN_ADDRESS(time_left(how->deadline, &left));
        result = pn_syscall_once(&call, how->is_cancelable);
    } while (result == -EINTR);
    return result;
}

/* ---- readiness ---- */

static struct pn_operation poll_of(struct pollfd *descriptors, nfds_t count)
{
    struct pn_operation poll = pn_operation(SYS_ppoll, PN_ADDRESS(descriptors), (long)count, 0, 0,
                                            PN_KERNEL_SIGSET_BYTES, 0);
    poll.has_timeout = true;
    return poll;
}

int pn_poll(struct pinion_io *io, struct pollfd *descriptors, nfds_t count,
            const struct pn_how *how)
{
    const struct pn_operation poll = poll_of(descriptors, count);
    return (int)pn_perform(io, &poll, how);
}

/* Without descriptors it waits for the deadline alone. */
static int await_ready(struct pollfd *descriptors, nfds_t count, const struct pn_how *how)
{
    const struct pn_operation poll = poll_of(descriptors, count);
    const long result = call_with_timeout(&poll, how);
    return result > 0 ? 0 : result == 0 ? -ETIMEDOUT : (int)result;
}

static int await_all(const struct pn_operation *operation, const struct pn_how *how)
{
    struct pollfd in = {.fd = operation->readable, .events = POLLIN};
    struct pollfd out = {.fd = operation->writable, .events = POLLOUT};
    const int error = in.fd >= 0 ? await_ready(&in, 1, how) : 0;
    return !error && out.fd >= 0 ? await_ready(&out, 1, how) : error;
}

int64_t pn_pause_in_vain(unsigned times)
{
    return times == 0 ? 0 : times < 8 ? VAIN_NS_MIN << times : VAIN_NS_MAX;
}

/* The more often in vain the longer, so that this does not spin. */
static int pause_in_vain(unsigned times, const struct pn_how *how)
{
    if (times == 0)
        return 0;
    const int64_t end = pn_now() + pn_pause_in_vain(times);
    const struct pn_how until = {.deadline = end < how->deadline ? end : how->deadline,
                                 .is_cancelable = how->is_cancelable};
    const int error = await_ready(NULL, 0, &until);
    return error == -ETIMEDOUT && end < how->deadline ? 0 : error;
}

/* ---- the call ---- */

static bool can_await(const struct pn_operation *operation)
{
    return operation->readable >= 0 || operation->writable >= 0;
}

/* Poll says before that the call would not wait, as far as it can; if it waits all the same, since
 * another thread was faster, say, the deadline ends it. */
static long call_by_deadline(const struct pn_operation *operation, const struct pn_how *how)
{
    const int error = await_all(operation, how);
    if (error)
        return error;
    return pn_syscall(&operation->call, how->is_cancelable,
                      operation->never_waits ? INT64_MAX : how->deadline);
}

/* Reads with a deadline begin with one that does not wait, where the kernel has that: it spares
 * poll and alarm. -EAGAIN: nothing is there, or it can't be told. */
static long read_what_is_there(const struct pn_operation *operation, const struct pn_how *how)
{
    const struct pn_system_call *read = &operation->call;
    const bool has_parts = read->number == SYS_readv;
    struct iovec one = {has_parts ? NULL : (void *)read->arguments[1],
                        has_parts ? 0 : (size_t)read->arguments[2]};
    const struct pn_system_call call = {
        SYS_preadv2,
        {read->arguments[0], has_parts ? read->arguments[1] : PN_ADDRESS(&one),
         has_parts ? read->arguments[2] : 1, -1, -1, RWF_NOWAIT}};
    const long result = pn_syscall(&call, how->is_cancelable, INT64_MAX);
    return result == -EOPNOTSUPP || result == -ENOSYS ? -EAGAIN : result;
}

/* As long as there is nothing, or what was there has gone to others. */
static long call_again(const struct pn_operation *operation, const struct pn_how *how)
{
    for (unsigned times = 0;; times++) {
        const long result = call_by_deadline(operation, how);
        if (result == PN_LATE)
            return -ETIMEDOUT;
        if (result != -EAGAIN || !can_await(operation))
            return result;
        const int error = pause_in_vain(times, how);
        if (error)
            return error;
    }
}

static long call(const struct pn_operation *operation, const struct pn_how *how)
{
    if (how->deadline == INT64_MAX || operation->never_waits) {
        const long result = pn_syscall(&operation->call, how->is_cancelable, INT64_MAX);
        if (result != -EAGAIN || !can_await(operation))
            return result;
    } else if (operation->call.number == SYS_read || operation->call.number == SYS_readv) {
        const long result = read_what_is_there(operation, how);
        if (result != -EAGAIN)
            return result;
    }
    return call_again(operation, how);
}

/* ---- SIGPIPE ---- */

/* The kernel raises it at once, in the thread that writes. */
static sigset_t set_of_sigpipe(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGPIPE);
    return set;
}

static bool may_be_raised(const struct pn_operation *operation, long result)
{
    return result == -EPIPE || (result >= 0 && (size_t)result < operation->sigpipe_below);
}

static void take_sigpipe(void)
{
    const struct timespec now = {0, 0};
    const sigset_t set = set_of_sigpipe();
    const int saved = errno;
    while (sigtimedwait(&set, NULL, &now) < 0 && errno == EINTR)
        continue;
    errno = saved;
}

/* On a thread that may not block it: it is blocked meanwhile. One that was pending before is the
 * program's to take. */
static long call_with_sigpipe_blocked(const struct pn_operation *operation,
                                      const struct pn_how *how)
{
    const sigset_t set = set_of_sigpipe();
    sigset_t former, pending;
    (void)pthread_sigmask(SIG_BLOCK, &set, &former);
    const bool was_blocked = sigismember(&former, SIGPIPE) == 1;
    const bool was_pending =
        was_blocked && sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
    const long result = call(operation, how);
    if (!was_pending && may_be_raised(operation, result))
        take_sigpipe();
    if (!was_blocked)
        (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return result;
}

long pn_perform_end(const struct pn_operation *operation, long result)
{
    if (may_be_raised(operation, result))
        take_sigpipe();
    return result;
}

/* A call that took so long has waited, for somebody or for the disk. */
#define WAITED_NS INT64_C(10000)

long pn_perform_traced(const struct pn_operation *operation, const struct pn_how *how)
{
    const int64_t began = pn_now();
    const uint64_t ticks = pn_ticks();
    const long result =
        pn_perform_here(operation, pn_is_simple(operation, how), how->is_cancelable,
                        (long)operation->sigpipe_below, how);
    if (pn_now() - began >= WAITED_NS)
        pn_trace_add(PN_TRACE_call, ticks, 0, (uint32_t)operation->call.number);
    return result;
}

long pn_perform_in_thread(const struct pn_operation *operation, const struct pn_how *how)
{
    if (operation->has_timeout)
        return call_with_timeout(operation, how);
    if (!operation->sigpipe_below)
        return call(operation, how);
    if (!pn_interrupt_here.is_own)
        return call_with_sigpipe_blocked(operation, how);
    return pn_perform_end(operation, call(operation, how));
}
