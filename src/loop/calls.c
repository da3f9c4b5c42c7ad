/* SPDX-License-Identifier: MIT
 *
 * How a fiber makes system calls: those that wait for nobody at once, the others by its thread's
 * backend, and what that can't do on a thread of the crew's. A call is given up by asking the
 * backend to cancel it, on the thread that it was started on, and then waiting for what came of it:
 * what the kernel gave is never dropped, and nothing of it is under way when it returns.
 */
#include <errno.h>
#include <stdalign.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend.h"
#include "call.h"
#include "cancel.h"
#include "check.h"
#include "engine.h"
#include "futex.h"
#include "loop.h"
#include "queueing.h"
#include "trace.h"
#include "waiter.h"

/* ---- waiting for completions ---- */

/* Of one call, or of several polls. left: whose done is to come. */
struct waiting {
    struct pn_waiter waiter;
    unsigned left;
    bool is_signaled;
};

struct one {
    struct pn_completion completion;
    struct waiting *waiting;
};

static void tell(struct pn_completion *completion)
{
    struct waiting *waiting = PN_CONTAINER_OF(completion, struct one, completion)->waiting;
    waiting->left--;
    if (waiting->is_signaled)
        return;
    waiting->is_signaled = true;
    pn_waiter_signal(&waiting->waiter, PN_WAITER_FIRED);
}

/* Waits until all are done, on the engine's own: the signals so far are used up. */
static void wait_for_all(struct waiting *waiting)
{
    while (waiting->left) {
        pn_waiter_init(&waiting->waiter);
        waiting->is_signaled = false;
        (void)pn_waiter_wait(&waiting->waiter, 1, false, INT64_MAX, 0);
    }
}

/* Waits for the first of them. 0, or why it was given up: -ECANCELED, -ETIMEDOUT; then and else all
 * the rest are canceled, and have ended. */
static int wait_for_first(struct pn_engine *engine, struct waiting *waiting, struct one *ones,
                          unsigned count, struct pinion_task *task, int64_t deadline)
{
    (void)pn_waiter_wait(&waiting->waiter, 1, true, deadline, 0);
    const bool is_canceled = task && pn_cancel_leave(task, &waiting->waiter);
    const int error = waiting->is_signaled ? 0 : is_canceled ? -ECANCELED : -ETIMEDOUT;
    if (waiting->left)
        for (unsigned i = 0; i < count; i++)
            if (ones[i].waiting)
                pn_backend_cancel(engine->backend, &ones[i].completion);
    wait_for_all(waiting);
    return error;
}

/* A request that was waited for, and came. */
static long deliver(struct pinion_task *task)
{
    (void)pn_cancel_deliver(task);
    return -ECANCELED;
}

/* ---- one call ---- */

static bool start(struct pn_engine *engine, const struct pn_operation *operation, struct one *one)
{
    if (pn_backend_start(engine->backend, operation, &one->completion))
        return true;
    one->waiting = NULL;
    return false;
}

/* PN_LATE: the backend can't. */
static long call_by_backend(struct pn_engine *engine, const struct pn_operation *operation,
                            struct pinion_task *task, int64_t deadline)
{
    struct waiting waiting = {.left = 1};
    struct one one = {.completion = {.done = tell}, .waiting = &waiting};
    pn_waiter_init(&waiting.waiter);
    if (task && !pn_cancel_enter(task, &waiting.waiter))
        return deliver(task);
    if (!start(engine, operation, &one)) {
        if (task)
            (void)pn_cancel_leave(task, &waiting.waiter);
        return PN_LATE;
    }
    const int error = wait_for_first(engine, &waiting, &one, 1, task, deadline);
    const long result = one.completion.result;
    if (result != -ECANCELED)
        return result;
    if (!error) /* nobody asked: the kernel could not make the thread that it wanted for it */
        return PN_LATE;
    return error == -ECANCELED ? deliver(task) : error;
}

/* ---- on a thread ---- */

/* What another thread does for a fiber that waits for it; a parallel task does it itself. */
struct errand {
    const struct pn_operation *operation; /* this call … */
    const struct pn_how *how;
    const struct pinion_call *call; /* … or this function */
    void *result;
    long outcome;
};

static void run_errand(const void *context, void *unused)
{
    struct errand *errand = *(struct errand *const *)context;
    (void)unused;
    PN_TASK_IS(run_errand, "blocking call");
    if (errand->call)
        pn_call_run(errand->call, errand->result);
    else
        errand->outcome = pn_perform_in_thread(errand->operation, errand->how);
}

/* False: no thread can be had. Requests are passed on to the task that does it, unless the caller
 * holds them back. */
static bool dispatch(struct pn_engine *engine, struct errand *errand)
{
    struct pinion_io *io = &engine->slot->worker.crew->io;
    const struct pinion_call call = {.start = run_errand, .context = &errand,
                                     .context_size = sizeof errand,
                                     .context_align = alignof(struct errand *)};
    const struct pn_spawn spawn = {.call = &call, .io = io, .kind = PN_ERRAND};
    struct pinion_future future;
    if (pn_engine_is_alone(engine)) {
        pn_call_run(&call, NULL);
        return true;
    }
    const int saved = errno;
    const int error = pn_crew_spawn(io, &spawn, &future.task);
    errno = saved;
    if (error)
        return false;
    pinion_await(io, &future, NULL);
    return true;
}

static long call_on_thread(struct pn_engine *engine, const struct pn_operation *operation,
                           const struct pn_how *how)
{
    struct errand errand = {.operation = operation, .how = how};
    bool was_protected = false;
    if (!how->is_cancelable)
        was_protected = pinion_cancel_protect(NULL, true);
    const bool is_sent = dispatch(engine, &errand);
    if (!how->is_cancelable)
        (void)pinion_cancel_protect(NULL, was_protected);
    /* Where there is no thread it holds up the others here: that is better than no call. */
    return is_sent ? errand.outcome : pn_perform_in_thread(operation, how);
}

bool pn_loop_run_apart(struct pn_sleeper *sleeper, const struct pinion_call *call, void *result)
{
    struct errand errand = {.call = call, .result = result};
    return dispatch(pn_loop_fiber_of(sleeper)->engine, &errand);
}

/* ---- poll ---- */

#define FEW_POLLED 8

static long poll_now(struct pollfd *descriptors, nfds_t count)
{
    const int saved = errno;
    const int ready = poll(descriptors, count, 0);
    const long result = ready < 0 ? -errno : ready;
    errno = saved;
    return result == -EINTR ? 0 : result;
}

/* Waits until one may be ready. 0; -ETIMEDOUT, -ECANCELED, -ENOMEM. */
static long wait_for_ready(struct pn_engine *engine, const struct pollfd *descriptors,
                           nfds_t count, struct pinion_task *task, int64_t deadline)
{
    struct waiting waiting = {.left = 0};
    struct one few[FEW_POLLED], *ones = few;
    pn_waiter_init(&waiting.waiter);
    if (count > FEW_POLLED && !(ones = malloc(count * sizeof *ones)))
        return -ENOMEM;
    long error = -ECANCELED;
    if (!task || pn_cancel_enter(task, &waiting.waiter)) {
        for (nfds_t i = 0; i < count; i++) {
            ones[i] = (struct one){.completion = {.done = tell}};
            if (descriptors[i].fd < 0)
                continue;
            ones[i].waiting = &waiting;
            waiting.left++;
            pn_backend_poll(engine->backend, descriptors[i].fd, descriptors[i].events,
                            &ones[i].completion);
        }
        error = wait_for_first(engine, &waiting, ones, (unsigned)count, task, deadline);
    }
    if (ones != few)
        free(ones);
    return error == -ECANCELED ? deliver(task) : error;
}

static long poll_on_fiber(struct pn_engine *engine, struct pollfd *descriptors, nfds_t count,
                          struct pinion_task *task, int64_t deadline)
{
    for (;;) {
        long ready = poll_now(descriptors, count);
        if (ready)
            return ready;
        if (deadline <= pn_now())
            return pn_cancel_deliver(task) ? -ECANCELED : 0;
        const long error = wait_for_ready(engine, descriptors, count, task, deadline);
        if (error == -ETIMEDOUT)
            return poll_now(descriptors, count);
        if (error)
            return error;
    }
}

/* ---- any call ---- */

/* A deadline that is so near may pass before a thread of the kernel's has begun. */
#define NEAR_NS INT64_C(1000000)

static long call_at_once(const struct pn_operation *operation)
{
    const struct pn_system_call *call = &operation->call;
    const int saved = errno;
    long result;
    do {
        result = syscall(call->number, call->arguments[0], call->arguments[1], call->arguments[2],
                         call->arguments[3], call->arguments[4], call->arguments[5]);
        result = result < 0 ? -errno : result;
    } while (result == -EINTR);
    errno = saved;
    return operation->sigpipe_below ? pn_perform_end(operation, result) : result;
}

/* Whether the call might have had something, for all that its descriptors tell. */
static bool is_promising(const struct pn_operation *operation)
{
    struct pollfd needed[2] = {{.fd = operation->readable, .events = POLLIN},
                               {.fd = operation->writable, .events = POLLOUT}};
    return poll_now(needed, 2) == (needed[0].fd >= 0) + (needed[1].fd >= 0) &&
           !((needed[0].revents | needed[1].revents) & POLLNVAL);
}

/* A ring leaves some calls to threads of the kernel's, which come too late for a deadline that has
 * passed, or does on the way, whatever is there: then another thread makes the call after all. Not
 * after a wait: by then the descriptor may be closed, and its number another's. */
static long call_elsewhere(struct pn_engine *engine, const struct pn_operation *operation,
                           struct pinion_task *task, const struct pn_how *how)
{
    const bool is_near = how->deadline != INT64_MAX && how->deadline <= pn_now() + NEAR_NS;
    const long result = call_by_backend(engine, operation, task, how->deadline);
    if (result == PN_LATE || (result == -ETIMEDOUT && is_near && is_promising(operation)))
        return call_on_thread(engine, operation, how);
    return result;
}

static long call_and_wait(struct pn_engine *engine, const struct pn_operation *operation,
                          struct pinion_task *task, const struct pn_how *how)
{
    if (operation->has_timeout && operation->call.number == SYS_ppoll)
        return poll_on_fiber(engine, (struct pollfd *)operation->call.arguments[0],
                             (nfds_t)operation->call.arguments[1], task, how->deadline);
    if (operation->has_timeout)
        return call_on_thread(engine, operation, how);
    return call_elsewhere(engine, operation, task, how);
}

long pn_loop_perform(struct pn_sleeper *sleeper, const struct pn_operation *operation,
                     const struct pn_how *how)
{
    struct pn_loop_fiber *self = pn_loop_fiber_of(sleeper);
    struct pn_engine *engine = self->engine;
    struct pinion_task *task = how->is_cancelable ? pn_cancel_target() : NULL;
    if (pn_cancel_deliver(task))
        return -ECANCELED;
    if (!operation->has_timeout && pn_operation_is_quick(operation))
        return call_at_once(operation);
    self->wait.operation = operation;
    const long result = call_and_wait(engine, operation, task, how);
    self->wait.operation = NULL;
    return result;
}
