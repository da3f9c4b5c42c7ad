/* SPDX-License-Identifier: MIT
 *
 * What a loop's thread waits in: io_uring, or epoll where the kernel denies that. A backend has
 * operations under way and tells when each has ended. Who waits for them, and what runs meanwhile,
 * is not its affair; nor are deadlines of single operations: who has one cancels at its deadline.
 *
 * A backend belongs to the thread that made it; all calls but pn_backend_wake are that thread's. It
 * must block SIGPIPE, and be one of ours (pn_interrupt_own_thread), while someone holds the
 * interrupts (pn_interrupt_hold): a call that turns out to wait is ended by them.
 */
#ifndef PN_BACKEND_H
#define PN_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "call.h"

/* One that is under way, in the memory of who waits: it stays where it is until done was called,
 * and so do the operation and all that its arguments point to. done is called once, on the
 * backend's thread, within reap or wait, when the backend has let go of it; it may start others,
 * and must call none of reap, wait, flush and destroy. result: as the call's, or -errno; never
 * -EINTR. -ECANCELED: nothing was done; where nobody has asked for that, since the kernel could not
 * make a thread for it: a signal kept it from that, or a limit. */
struct pn_completion {
    void (*done)(struct pn_completion *completion);
    long result;

    /* The backend's. */
    const struct pn_operation *operation; /* NULL: readiness alone is waited for */
    struct pn_completion *next;           /* in the queue that it is in */
    size_t moved;                         /* by a write so far */
    int descriptor;                       /* that it awaits, */
    short events;                         /* and these */
    uint8_t step;
    uint8_t tries; /* how often in vain */
    uint8_t held;  /* ring: entries of the kernel's and of the backlog that name it */
    bool is_asked; /* to be canceled */
    bool is_queued, is_over;
    union {
        int64_t until; /* of a pause; epoll */
        int64_t pause[2];
        struct {
            struct iovec part;
            struct msghdr message;
        };
    };
};

enum pn_backend_kind { PN_BACKEND_AUTO, PN_BACKEND_RING, PN_BACKEND_EPOLL };

struct pn_backend_options {
    enum pn_backend_kind kind; /* auto: a ring, epoll where there can be none */
    unsigned ring_entries;     /* 1 to 32768, rounded up to a power of two; 0: 256 */
    bool sqpoll;               /* a thread of the kernel's takes what is started: a CPU's worth */
};
#define PN_RING_ENTRIES_MAX     32768u
#define PN_RING_ENTRIES_DEFAULT 256u

/* What a kernel may have; taken or refused. Their names: pinion_backend_feature_name (loop.h). */
enum pn_backend_feature {
    PN_FEATURE_SINGLE_ISSUER,
    PN_FEATURE_DEFER_TASKRUN,
    PN_FEATURE_COOP_TASKRUN, /* only without the one before */
    PN_FEATURE_TASKRUN_FLAG,
    PN_FEATURE_SUBMIT_ALL,
    PN_FEATURE_SQPOLL,
    PN_FEATURE_REGISTERED_RING,
    PN_FEATURE_NO_IOWAIT,
    PN_FEATURE_NANOSECONDS, /* epoll: epoll_pwait2 */
    PN_FEATURES
};

struct pn_backend_report {
    enum pn_backend_kind kind; /* never auto */
    int ring_error;            /* why it is no ring, -errno; 0: it is, or none was asked for */
    unsigned entries, completions; /* of a ring: what can be submitted, and ended, at once */
    unsigned taken, refused;       /* 1u << feature */
};
/* "EPERM, by a seccomp filter", say, of a ring_error. Static. */
const char *pn_backend_reason(int error);
/* "io_uring, 256 entries: single_issuer, …; refused: …" or "epoll: nanoseconds; no io_uring:
 * EPERM, by sysctl …". */
#define PN_BACKEND_WORDS 320
void pn_backend_report_describe(const struct pn_backend_report *report, char *words, size_t size);

struct pn_backend;
struct pn_loop_counters;

/* 0, or -EINVAL with the detail; -EMFILE, -ENOMEM, …; with PN_BACKEND_RING also what the kernel
 * refuses that with, with the detail. */
int pn_backend_create(const struct pn_backend_options *options, struct pn_backend **backend);
/* Counts there, too, what it does from now on; borrowed. */
void pn_backend_show(struct pn_backend *backend, struct pn_loop_counters *counters);
/* Nothing is under way. */
void pn_backend_destroy(struct pn_backend *backend);

const struct pn_backend_report *pn_backend_report(const struct pn_backend *backend);
/* What a backend made here would be. Errors as create. */
int pn_backend_probe(const struct pn_backend_options *options, struct pn_backend_report *report);

/* Whether it is a call that waits for nobody, which is best made at once and where one is; of those
 * that a flag keeps from waiting a ring makes something else: it waits for what never comes
 * (MSG_ERRQUEUE), or knows no more than that it might have to (RWF_NOWAIT of an eventfd). */
bool pn_operation_is_quick(const struct pn_operation *operation);

/* Begins a call, or keeps it to be begun at the next flush or wait. False: it can't be done here,
 * and a thread has to. It waits whether or not its descriptors are O_NONBLOCK, where it says for
 * which (readable, writable); a write or send that has moved a part and is canceled or fails gives
 * that part. has_timeout is not looked at. A descriptor that is closed meanwhile: the ring's
 * operation goes on with what it was, epoll's waits until it is canceled, or for what has got that
 * number since. */
bool pn_backend_start(struct pn_backend *backend, const struct pn_operation *operation,
                      struct pn_completion *completion);

/* Waits once for readiness, as poll(2) of one descriptor: the result is its revents; -EBADF; of a
 * file without readiness the ring says that it is ready, epoll gives -EPERM. */
void pn_backend_poll(struct pn_backend *backend, int descriptor, short events,
                     struct pn_completion *completion);

/* Asks to end it: its done is called in any case, with what it came to or -ECANCELED. Asking again,
 * and after it ended but before done, does nothing. */
void pn_backend_cancel(struct pn_backend *backend, struct pn_completion *completion);

/* Whether there is one whose done was not called yet. */
bool pn_backend_has_pending(const struct pn_backend *backend);

/* Submits what was started, and lets the kernel deliver what has ended; doesn't wait. 0, or -errno
 * of the kernel's, and then all that is under way stays so, and it can be tried again. What may
 * pass (-EAGAIN, -EBUSY, -EINTR) is not given, but tried again by the next. */
int pn_backend_flush(struct pn_backend *backend);

/* Whether a reap, or a flush and a reap, would find something. No system call. */
bool pn_backend_is_ready(const struct pn_backend *backend);

/* Calls done of those that are known to have ended; how many. No system call but to go on with
 * those that have not. */
unsigned pn_backend_reap(struct pn_backend *backend);

/* Flushes, waits until one has ended, wake was called or the deadline (ns of CLOCK_MONOTONIC;
 * INT64_MAX: none; one in the past: doesn't wait), and reaps. Errors as flush. */
int pn_backend_wait(struct pn_backend *backend, int64_t deadline);

/* Ends the present wait, or the next one. Any thread, and a signal's handler; keeps errno. A system
 * call: the caller sees to it that there is one a sleep. */
void pn_backend_wake(struct pn_backend *backend);

#endif
