/* SPDX-License-Identifier: MIT
 *
 * Calls are tried; those that would wait wait for readiness, and are tried again. A descriptor has
 * its waiters in the order in which they came, and is registered for all of them, once
 * (EPOLLONESHOT). One without waiters stays registered, for nothing, until it is closed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "attempt.h"
#include "backend_parts.h"
#include "futex.h"
#include "progress.h"

/* So many are taken from the kernel at a time. */
#define EVENTS 64

/* step of a completion: where it is while it waits. */
enum { NOWHERE, WATCHES, PAUSES };

struct watch {
    struct pn_completions waiters;
    uint32_t events; /* all that they wait for */
    bool is_registered; /* or was, with a file that is closed */
};

struct poller {
    struct pn_backend backend;
    int set;
    struct watch *watches; /* by descriptor: they are small numbers */
    size_t watch_count;
    struct pn_completions paused; /* in no order: few are */
};

static struct poller *poller_of(const struct pn_backend *backend)
{
    return PN_CONTAINER_OF(backend, struct poller, backend);
}

static void end(struct poller *poller, struct pn_completion *completion, long result)
{
    completion->step = NOWHERE;
    completion->is_over = true;
    completion->result = pn_progress_result(completion, result);
    if (completion->operation && completion->operation->sigpipe_below)
        (void)pn_perform_end(completion->operation, completion->result);
    pn_completions_push(&poller->backend.ended, completion);
}

/* ---- watching ---- */

static int control(struct poller *poller, int operation, int descriptor, uint32_t events)
{
    const int saved = errno;
    struct epoll_event event = {.events = events, .data.fd = descriptor};
    const int error = epoll_ctl(poller->set, operation, descriptor, &event) ? -errno : 0;
    errno = saved;
    return error;
}

/* Registers for what the waiters wait for. The number may be another file's than before. */
static int arm(struct poller *poller, int descriptor)
{
    struct watch *watch = &poller->watches[descriptor];
    const uint32_t events = watch->events | EPOLLONESHOT;
    int error = -ENOENT;
    if (watch->is_registered)
        error = control(poller, EPOLL_CTL_MOD, descriptor, events);
    if (error == -ENOENT)
        error = control(poller, EPOLL_CTL_ADD, descriptor, events);
    watch->is_registered = error == 0;
    return error;
}

static bool has_watch(struct poller *poller, int descriptor)
{
    size_t count = poller->watch_count ? poller->watch_count : 64;
    if ((size_t)descriptor < poller->watch_count)
        return true;
    while (count <= (size_t)descriptor)
        count *= 2;
    struct watch *watches = realloc(poller->watches, count * sizeof *watches);
    if (!watches)
        return false;
    memset(watches + poller->watch_count, 0, (count - poller->watch_count) * sizeof *watches);
    poller->watches = watches;
    poller->watch_count = count;
    return true;
}

static void leave(struct pn_completions *queue, const struct pn_completion *one)
{
    struct pn_completion *previous = NULL, *each = queue->first;
    for (; each != one; each = each->next)
        previous = each;
    *(previous ? &previous->next : &queue->first) = one->next;
    if (queue->last == one)
        queue->last = previous;
}

/* The events of an error come unasked. */
static int watch_for(struct poller *poller, struct pn_completion *completion)
{
    const int descriptor = completion->descriptor;
    if (descriptor < 0)
        return -EBADF;
    if (!has_watch(poller, descriptor))
        return -ENOMEM;
    struct watch *watch = &poller->watches[descriptor];
    if (!watch->waiters.first)
        watch->events = 0;
    watch->events |= (unsigned short)completion->events;
    pn_completions_push(&watch->waiters, completion);
    completion->step = WATCHES;
    const int error = arm(poller, descriptor);
    if (error)
        leave(&watch->waiters, completion);
    return error;
}

/* ---- trying ---- */

/* What the first try and the later ones wait for. */
static bool choose_events(struct pn_completion *completion)
{
    const struct pn_operation *operation = completion->operation;
    const int readable = operation->readable, writable = operation->writable;
    completion->descriptor = readable >= 0 ? readable : writable;
    completion->events = readable >= 0 ? POLLIN : POLLOUT;
    return (readable >= 0) != (writable >= 0);
}

/* poll(2) of one descriptor is as good as pn_backend_poll. */
static bool is_poll_of_one(const struct pn_completion *completion)
{
    const long *a = completion->operation->call.arguments;
    return completion->operation->call.number == SYS_ppoll && a[1] == 1 && a[3] == 0;
}

static bool begin_poll(struct poller *poller, struct pn_completion *completion)
{
    const struct pollfd *one = (const struct pollfd *)completion->operation->call.arguments[0];
    completion->descriptor = one->fd;
    completion->events = one->events;
    return one->fd >= 0 && watch_for(poller, completion) == 0;
}

static bool begin(struct pn_backend *backend, struct pn_completion *completion)
{
    struct poller *poller = poller_of(backend);
    if (!completion->operation) {
        const int error = watch_for(poller, completion);
        if (error)
            end(poller, completion, error);
        return true;
    }
    if (is_poll_of_one(completion))
        return begin_poll(poller, completion);
    const bool can_wait = choose_events(completion);
    const long result = pn_attempt(completion);
    if (result == PN_NOT_HERE)
        return false;
    if (result != -EAGAIN || !can_wait) {
        end(poller, completion, result);
        return true;
    }
    const int error = watch_for(poller, completion);
    if (error && completion->moved > 0)
        end(poller, completion, error);
    return !error || completion->moved > 0;
}

/* It is ready as far as poll knows. True: it still waits for the descriptor. */
static bool try_again(struct poller *poller, struct pn_completion *completion)
{
    const size_t before = completion->moved;
    const long result = pn_attempt(completion);
    if (result != -EAGAIN) {
        end(poller, completion, result == PN_NOT_HERE ? -EAGAIN : result);
        return false;
    }
    if (completion->moved > before)
        completion->tries = 0;
    const int64_t pause = pn_progress_pause(completion);
    if (pause == 0)
        return true;
    completion->step = PAUSES;
    completion->until = pn_now() + pause;
    pn_completions_push(&poller->paused, completion);
    return false;
}

static long poll_result(const struct pn_completion *completion, uint32_t events)
{
    if (!completion->operation)
        return (long)events;
    struct pollfd *one = (struct pollfd *)completion->operation->call.arguments[0];
    one->revents = (short)events;
    return 1;
}

/* Whether one is left waiting; *events: those that no earlier one has found used up. */
static bool offer(struct poller *poller, struct pn_completion *completion, uint32_t *events)
{
    const uint32_t wanted = (unsigned short)completion->events | EPOLLERR | EPOLLHUP;
    if (!(*events & wanted))
        return true;
    if (!completion->operation || is_poll_of_one(completion)) {
        end(poller, completion, poll_result(completion, *events & wanted));
        return false;
    }
    const bool waits = try_again(poller, completion);
    if (!completion->is_over)
        *events &= ~(unsigned short)completion->events;
    return waits;
}

static void take(struct poller *poller, int descriptor, uint32_t events)
{
    struct watch *watch = &poller->watches[descriptor];
    struct pn_completions waiters = watch->waiters;
    struct pn_completion *each;
    watch->waiters.first = NULL;
    watch->events = 0;
    while ((each = pn_completions_pop(&waiters))) {
        if (offer(poller, each, &events)) {
            watch->events |= (unsigned short)each->events;
            pn_completions_push(&watch->waiters, each);
        }
    }
    const int error = watch->waiters.first ? arm(poller, descriptor) : 0;
    while (error && (each = pn_completions_pop(&watch->waiters)))
        end(poller, each, error);
}

/* ---- pauses ---- */

static int64_t first_pause(const struct poller *poller)
{
    int64_t first = INT64_MAX;
    for (const struct pn_completion *each = poller->paused.first; each; each = each->next)
        first = each->until < first ? each->until : first;
    return first;
}

static void end_pauses(struct poller *poller)
{
    struct pn_completions paused = poller->paused;
    struct pn_completion *each;
    if (!paused.first)
        return;
    const int64_t now = pn_now();
    poller->paused.first = NULL;
    while ((each = pn_completions_pop(&paused))) {
        if (each->until > now) {
            pn_completions_push(&poller->paused, each);
            continue;
        }
        const int error = watch_for(poller, each);
        if (error)
            end(poller, each, error);
    }
}

/* ---- waiting ---- */

static int milliseconds(int64_t ns)
{
    return ns < INT64_C(1000000) * INT32_MAX ? (int)((ns + 999999) / 1000000) : INT32_MAX;
}

/* Until the deadline. How many events, or -errno. */
static int await_events(struct poller *poller, struct epoll_event *events, int64_t deadline)
{
    pn_tally(&poller->backend.counters->waits, UINT64_C(1));
    const int64_t ns = pn_is_past(deadline) ? 0 : deadline - pn_now();
    struct timespec left = {ns > 0 ? ns / 1000000000 : 0, ns > 0 ? ns % 1000000000 : 0};
    unsigned *refused = &poller->backend.report.refused;
    if (!(*refused & 1u << PN_FEATURE_NANOSECONDS)) {
        const long count = pn_syscall_once(
            PN_SYSTEM_CALL(SYS_epoll_pwait2, poller->set, PN_ADDRESS(events), EVENTS,
                           deadline == INT64_MAX ? 0 : PN_ADDRESS(&left), 0, 0),
            false);
        if (count != -ENOSYS)
            return (int)count;
        *refused |= 1u << PN_FEATURE_NANOSECONDS;
        poller->backend.report.taken = 0;
    }
    return (int)pn_syscall_once(PN_SYSTEM_CALL(SYS_epoll_pwait, poller->set, PN_ADDRESS(events),
                                               EVENTS,
                                               deadline == INT64_MAX ? -1 : milliseconds(ns), 0,
                                               0),
                                false);
}

static void take_wake(struct poller *poller)
{
    uint64_t count;
    (void)pn_syscall(PN_SYSTEM_CALL(SYS_read, poller->backend.event, PN_ADDRESS(&count),
                                    sizeof count),
                     false, INT64_MAX);
    poller->backend.is_woken = true;
}

static int wait_once(struct poller *poller, int64_t deadline)
{
    struct epoll_event events[EVENTS];
    const int count = await_events(poller, events, deadline);
    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == poller->backend.event)
            take_wake(poller);
        else
            take(poller, events[i].data.fd, events[i].events);
    }
    end_pauses(poller);
    return count < 0 && count != -EINTR ? count : 0;
}

static int flush(struct pn_backend *backend) { return wait_once(poller_of(backend), 0); }

static bool is_ready(const struct pn_backend *backend)
{
    (void)backend; /* what has ended is known; the rest the kernel knows alone */
    return false;
}

static int wait_until(struct pn_backend *backend, int64_t deadline)
{
    struct poller *poller = poller_of(backend);
    int error;
    do {
        const int64_t pause = first_pause(poller);
        const bool is_over = backend->ended.first || backend->is_woken;
        error = wait_once(poller, is_over ? 0 : pause < deadline ? pause : deadline);
    } while (!error && !backend->ended.first && !backend->is_woken && !pn_is_past(deadline));
    backend->is_woken = false;
    (void)pn_backend_tell(backend);
    return error;
}

static void cancel(struct pn_backend *backend, struct pn_completion *completion)
{
    struct poller *poller = poller_of(backend);
    leave(completion->step == PAUSES ? &poller->paused
                                     : &poller->watches[completion->descriptor].waiters,
          completion);
    end(poller, completion, -ECANCELED);
}

/* ---- made ---- */

static void destroy(struct pn_backend *backend)
{
    struct poller *poller = poller_of(backend);
    const int saved = errno;
    (void)close(poller->set);
    errno = saved;
    pn_backend_fini(backend);
    free(poller->watches);
    free(poller);
}

static const struct pn_backend_vtable epoll_vtable = {
    .destroy = destroy, .begin = begin, .cancel = cancel, .flush = flush,
    .is_ready = is_ready, .reap = pn_backend_tell, .wait = wait_until};

static int make_set(struct poller *poller)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = poller->backend.event};
    poller->set = epoll_create1(EPOLL_CLOEXEC);
    if (poller->set < 0)
        return -errno;
    if (epoll_ctl(poller->set, EPOLL_CTL_ADD, poller->backend.event, &event) == 0)
        return 0;
    const int error = -errno;
    (void)close(poller->set);
    return error;
}

int pn_epoll_create(struct pn_backend **backend)
{
    const int saved = errno;
    struct poller *poller = calloc(1, sizeof *poller);
    if (!poller)
        return -ENOMEM;
    poller->backend.report.kind = PN_BACKEND_EPOLL;
    poller->backend.report.taken = 1u << PN_FEATURE_NANOSECONDS;
    int error = pn_backend_init(&poller->backend, &epoll_vtable);
    if (error)
        goto no_event;
    error = make_set(poller);
    errno = saved;
    if (error)
        goto no_set;
    *backend = &poller->backend;
    return 0;
no_set:
    pn_backend_fini(&poller->backend);
no_event:
    free(poller);
    return error;
}
