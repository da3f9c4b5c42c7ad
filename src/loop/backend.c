/* SPDX-License-Identifier: MIT */
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <pinion/loop.h>

#include "backend_parts.h"
#include "detail.h"
#include "futex.h"

/* ---- what it is ---- */

static const char *const feature_names[PN_FEATURES] = {
    [PN_FEATURE_SINGLE_ISSUER] = "single_issuer",
    [PN_FEATURE_DEFER_TASKRUN] = "defer_taskrun",
    [PN_FEATURE_COOP_TASKRUN] = "coop_taskrun",
    [PN_FEATURE_TASKRUN_FLAG] = "taskrun_flag",
    [PN_FEATURE_SUBMIT_ALL] = "submit_all",
    [PN_FEATURE_SQPOLL] = "sqpoll",
    [PN_FEATURE_REGISTERED_RING] = "registered_ring",
    [PN_FEATURE_NO_IOWAIT] = "no_iowait",
    [PN_FEATURE_NANOSECONDS] = "nanoseconds",
};

const char *pinion_backend_feature_name(unsigned i)
{
    return i < PN_FEATURES ? feature_names[i] : NULL;
}

static size_t append(char *words, size_t size, size_t length, const char *first, const char *rest)
{
    const int added = length < size ? snprintf(words + length, size - length, "%s%s", first, rest)
                                    : 0;
    return added > 0 ? length + (size_t)added : length;
}

static size_t append_features(char *words, size_t size, size_t length, const char *before,
                              unsigned features)
{
    for (unsigned i = 0; i < PN_FEATURES; i++) {
        if (features & 1u << i) {
            length = append(words, size, length, before, feature_names[i]);
            before = ", ";
        }
    }
    return length;
}

/* 0: for nobody; 1: for most; 2: for all. -1: it can't be known, or there is no such setting. */
static int disabled_by_sysctl(void)
{
    const int saved = errno;
    char digit = '\0';
    const int file = open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC);
    const ssize_t got = file < 0 ? -1 : read(file, &digit, 1);
    if (file >= 0)
        (void)close(file);
    errno = saved;
    return got == 1 && digit >= '0' && digit <= '2' ? digit - '0' : -1;
}

static const char *who_denies(void)
{
    switch (disabled_by_sysctl()) {
    case 0:
        return "EPERM, by a seccomp filter";
    case 2:
        return "EPERM, by sysctl kernel.io_uring_disabled, which is 2";
    default:
        return "EPERM, by sysctl kernel.io_uring_disabled or a seccomp filter";
    }
}

const char *pn_backend_reason(int error)
{
    switch (error) {
    case -EPERM:
    case -EACCES:
        return who_denies();
    case -ENOSYS:
        return PN_URING ? "ENOSYS, by the kernel or a seccomp filter" : "built without it";
    case -ENOMEM:
        return "ENOMEM, too little memory may be locked (ulimit -l)";
    case -EINVAL:
        return "EINVAL, the kernel is older than 5.11";
    default:
        return "no descriptor or memory is left for it";
    }
}

void pn_backend_report_describe(const struct pn_backend_report *report, char *words, size_t size)
{
    size_t length = 0;
    char entries[64];
    (void)snprintf(entries, sizeof entries, ", %u entries", report->entries);
    if (report->kind == PN_BACKEND_RING)
        length = append(words, size, length, "io_uring", entries);
    else
        length = append(words, size, length, "epoll", "");
    length = append_features(words, size, length, ": ", report->taken);
    length = append_features(words, size, length, "; refused: ", report->refused);
    if (report->ring_error)
        (void)append(words, size, length, "; no io_uring: ", pn_backend_reason(report->ring_error));
}

const struct pn_backend_report *pn_backend_report(const struct pn_backend *backend)
{
    return &backend->report;
}

/* ---- made ---- */

int pn_backend_init(struct pn_backend *backend, const struct pn_backend_vtable *vtable)
{
    const int saved = errno;
    backend->vtable = vtable;
    backend->counters = &backend->own_counters;
    backend->event = eventfd(0, EFD_CLOEXEC);
    const int error = backend->event < 0 ? -errno : 0;
    errno = saved;
    return error;
}

void pn_backend_fini(struct pn_backend *backend)
{
    const int saved = errno;
    (void)close(backend->event);
    errno = saved;
}

#if !PN_URING
int pn_ring_create(const struct pn_backend_options *options, struct pn_backend **backend)
{
    (void)options, (void)backend;
    return -ENOSYS;
}
#endif

int pn_backend_create(const struct pn_backend_options *options, struct pn_backend **backend)
{
    int ring_error = 0;
    if (options->ring_entries > PN_RING_ENTRIES_MAX)
        return pn_error(EINVAL, "a ring of %u entries; it takes 1 to %u", options->ring_entries,
                        PN_RING_ENTRIES_MAX);
    if (options->kind != PN_BACKEND_EPOLL) {
        ring_error = pn_ring_create(options, backend);
        if (!ring_error)
            return 0;
        if (options->kind == PN_BACKEND_RING)
            return pn_error(-ring_error, "no io_uring: %s", pn_backend_reason(ring_error));
    }
    const int error = pn_epoll_create(backend);
    if (!error)
        (*backend)->report.ring_error = ring_error;
    return error;
}

void pn_backend_show(struct pn_backend *backend, struct pn_loop_counters *counters)
{
    backend->counters = counters;
}

void pn_backend_destroy(struct pn_backend *backend)
{
    PN_ASSERT(backend->under_way == 0);
    backend->vtable->destroy(backend);
}

int pn_backend_probe(const struct pn_backend_options *options, struct pn_backend_report *report)
{
    struct pn_backend *backend;
    const int error = pn_backend_create(options, &backend);
    if (error)
        return error;
    *report = backend->report;
    pn_backend_destroy(backend);
    return 0;
}

/* ---- under way ---- */

bool pn_operation_is_quick(const struct pn_operation *operation)
{
    if (operation->never_waits && operation->readable < 0 && operation->writable < 0)
        return true;
    switch (operation->call.number) {
    case SYS_socket:
    case SYS_socketpair:
    case SYS_bind:
    case SYS_listen:
    case SYS_shutdown:
    case SYS_getsockopt:
    case SYS_setsockopt:
    case SYS_pipe2:
        return true;
    default:
        return false;
    }
}

/* Not with an initializer: most of room is written when it is used, or never. */
static void prepare(struct pn_completion *completion, const struct pn_operation *operation)
{
    completion->operation = operation;
    completion->moved = 0;
    completion->descriptor = -1;
    completion->events = 0;
    completion->step = completion->tries = completion->held = 0;
    completion->is_asked = completion->is_queued = completion->is_over = false;
}

static void begun(struct pn_backend *backend)
{
    backend->under_way++;
    pn_tally(&backend->counters->submitted, UINT64_C(1));
}

bool pn_backend_start(struct pn_backend *backend, const struct pn_operation *operation,
                      struct pn_completion *completion)
{
    prepare(completion, operation);
    if (!backend->vtable->begin(backend, completion))
        return false;
    begun(backend);
    return true;
}

void pn_backend_poll(struct pn_backend *backend, int descriptor, short events,
                     struct pn_completion *completion)
{
    prepare(completion, NULL);
    completion->descriptor = descriptor;
    completion->events = events;
    (void)backend->vtable->begin(backend, completion);
    begun(backend);
}

void pn_backend_cancel(struct pn_backend *backend, struct pn_completion *completion)
{
    if (completion->is_asked || completion->is_over)
        return;
    completion->is_asked = true;
    backend->vtable->cancel(backend, completion);
}

bool pn_backend_has_pending(const struct pn_backend *backend) { return backend->under_way > 0; }

int pn_backend_flush(struct pn_backend *backend) { return backend->vtable->flush(backend); }

bool pn_backend_is_ready(const struct pn_backend *backend)
{
    return backend->ended.first || backend->vtable->is_ready(backend);
}

unsigned pn_backend_reap(struct pn_backend *backend) { return backend->vtable->reap(backend); }

unsigned pn_backend_tell(struct pn_backend *backend)
{
    struct pn_completions ended = backend->ended;
    struct pn_completion *one;
    unsigned count = 0;
    backend->ended.first = NULL;
    for (; (one = pn_completions_pop(&ended)); count++) {
        backend->under_way--;
        pn_tally(&backend->counters->completed, UINT64_C(1));
        one->done(one);
    }
    return count;
}

/* ---- waiting ---- */

bool pn_is_past(int64_t deadline)
{
    return deadline != INT64_MAX && (deadline <= 0 || deadline <= pn_now());
}

int pn_backend_wait(struct pn_backend *backend, int64_t deadline)
{
    return backend->vtable->wait(backend, deadline);
}

void pn_backend_wake(struct pn_backend *backend)
{
    const int saved = errno;
    const uint64_t one = 1;
    while (write(backend->event, &one, sizeof one) < 0 && errno == EINTR)
        continue;
    errno = saved;
}
