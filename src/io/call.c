/* SPDX-License-Identifier: MIT
 *
 * Makes system calls in the calling thread, which blocks in them.
 */
#include "call.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

#include "futex.h"

/* The kernel's sigset_t is the beginning of libc's. */
#define KERNEL_SIGSET_BYTES (_NSIG / 8)

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
    long result, arguments[6];
    for (int i = 0; i < 6; i++)
        arguments[i] = operation->arguments[i];
    do {
        arguments[2] = PN_ADDRESS(time_left(how->deadline, &left));
        result = pn_syscall_once(how->is_cancelable, operation->number, arguments);
    } while (result == -EINTR);
    return result;
}

/* ---- readiness ---- */

static struct pn_operation poll_of(struct pollfd *descriptors, nfds_t count)
{
    return (struct pn_operation){
        .number = SYS_ppoll,
        .arguments = {PN_ADDRESS(descriptors), (long)count, 0, 0, KERNEL_SIGSET_BYTES},
        .has_timeout = true};
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
    for (size_t i = 0; i < sizeof operation->waits / sizeof operation->waits[0]; i++) {
        struct pollfd one = operation->waits[i];
        const int error = one.events ? await_ready(&one, 1, how) : 0;
        if (error)
            return error;
    }
    return 0;
}

/* What poll calls ready isn't always so (an eventfd that is nearly full, a peer's full queue): the
 * more often it was in vain the longer the pause, so that this does not spin. */
static int pause_in_vain(unsigned times, const struct pn_how *how)
{
    if (times == 0)
        return 0;
    const int64_t ns = times < 8 ? VAIN_NS_MIN << times : VAIN_NS_MAX;
    const int64_t end = pn_now() + ns;
    const struct pn_how until = {.deadline = end < how->deadline ? end : how->deadline,
                                 .is_cancelable = how->is_cancelable};
    const int error = await_ready(NULL, 0, &until);
    return error == -ETIMEDOUT && end < how->deadline ? 0 : error;
}

/* ---- the call ---- */

static long call(const struct pn_operation *operation, const struct pn_how *how)
{
    const bool can_wait = operation->waits[0].events != 0;
    for (unsigned times = 0;; times++) {
        int error = how->deadline == INT64_MAX ? 0 : await_all(operation, how);
        if (error)
            return error;
        const long result =
            pn_syscall(how->is_cancelable, operation->number, operation->arguments);
        if (PN_LIKELY(result != -EAGAIN || !can_wait))
            return result;
        error = pause_in_vain(times, how);
        if (!error)
            error = await_all(operation, how);
        if (error)
            return error;
    }
}

/* ---- SIGPIPE ---- */

/* The kernel raises it at once, in the thread that writes. Threads of ours block it; on others it
 * is blocked meanwhile. */
struct pipe_guard {
    sigset_t set, former;
    bool is_ours;
    bool was_pending; /* one that the program has to take */
};

static void guard(struct pipe_guard *guard)
{
    guard->is_ours = pn_interrupt_is_own_thread();
    guard->was_pending = false;
    (void)sigemptyset(&guard->set);
    (void)sigaddset(&guard->set, SIGPIPE);
    if (guard->is_ours)
        return;
    (void)pthread_sigmask(SIG_BLOCK, &guard->set, &guard->former);
    sigset_t pending;
    if (sigismember(&guard->former, SIGPIPE) == 1)
        guard->was_pending = sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

static void unguard(struct pipe_guard *guard, bool may_be_raised)
{
    const struct timespec now = {0, 0};
    if (may_be_raised && !guard->was_pending)
        while (sigtimedwait(&guard->set, NULL, &now) < 0 && errno == EINTR)
            continue;
    if (!guard->is_ours && sigismember(&guard->former, SIGPIPE) != 1)
        (void)pthread_sigmask(SIG_UNBLOCK, &guard->set, NULL);
}

static long call_without_sigpipe(const struct pn_operation *operation, const struct pn_how *how)
{
    const int saved = errno;
    struct pipe_guard pipe;
    guard(&pipe);
    const long result = call(operation, how);
    unguard(&pipe, result == -EPIPE || (result >= 0 && (size_t)result < operation->sigpipe_below));
    errno = saved;
    return result;
}



long pn_perform_in_thread(struct pinion_io *io, const struct pn_operation *operation,
                          const struct pn_how *how)
{
    (void)io; /* who calls decides how to wait */
    if (operation->has_timeout)
        return call_with_timeout(operation, how);
    if (operation->sigpipe_below)
        return call_without_sigpipe(operation, how);
    return call(operation, how);
}
