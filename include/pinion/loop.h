/* SPDX-License-Identifier: MIT
 *
 * The implementation whose unit of concurrency is a fiber: workers pinned to CPUs by a plan, each
 * with fibers over an io_uring of its own, or over epoll where the kernel denies that.
 *
 * async and async_concurrent queue a closure that any worker may take; it becomes a fiber when it
 * begins, and that fiber stays on its worker. Where a fiber waits, by whatever call of pinion and
 * whichever io it passes, the others of its worker run on; and now and then where it makes such
 * calls and never has to wait. async runs in the caller only where a queue is full or memory is
 * refused. A parallel task has a thread of its own.
 *
 * capacity = cpu_count - 1 + parallel_count, as in a pool (pool.h): cpu_count - 1 worker threads,
 * which start lazily, and one for each parallel task; the last worker is who calls pinion_loop_run.
 *
 * Environment, read at create: as for a pool, and PINION_BACKEND (auto, io_uring, epoll). A loop
 * keeps a descriptor as a pool does, and some for each of its workers.
 */
#ifndef PINION_LOOP_H
#define PINION_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <pinion/api.h>
#include <pinion/io.h>
#include <pinion/plan.h>
#include <pinion/pool.h>
#include <pinion/topology.h>

PINION_BEGIN

struct pinion_loop;

/* What a worker waits in. */
enum pinion_backend {
    PINION_BACKEND_AUTO,     /* io_uring; epoll where there can be none */
    PINION_BACKEND_IO_URING, /* where it is denied: epoll, and the report says so; with strict
                                create gives the kernel's error */
    PINION_BACKEND_EPOLL
};

struct pinion_loop_options {
    const struct pinion_topology *topology; /* as in struct pinion_pool_options, … */
    unsigned cpu_count;
    struct pinion_plan_options plan;
    enum pinion_idle idle;
    unsigned spin_us;
    unsigned max_parallel;   /* parallel tasks, and calls that block a thread, at a time */
    int64_t retire_after;
    bool strict;             /* … up to here */
    size_t stack_bytes;      /* of each fiber; 0: 256 KiB. At least what pinion_loop_stack_min says;
                                rounded up to 16 KiB and its doubles, above 4 MiB to pages */
    unsigned ring_entries;   /* operations that a worker submits at a time, 1 to 32768, rounded up
                                to a power of two; 0: 256 */
    bool sqpoll;             /* a thread of the kernel's takes what is submitted: no system calls
                                for that, but a CPU's worth of time for each worker. Where the
                                kernel refuses it: without, and the report says so; with strict
                                -EINVAL. Over epoll it means nothing */
    enum pinion_backend backend;
    uint64_t reserved[8]; /* zero */
};

/* Makes a loop; no thread starts yet. options may be NULL: all defaults. The caller of create owns
 * *loop. Signals as with pinion_pool_create.
 * Errors: those of pinion_pool_create; -EINVAL also for a stack that is too small or ring_entries
 * out of range; -ENOMEM also where not one stack of that size can be had; -EMFILE and the like;
 * what the kernel refuses a ring with, where io_uring and strict are asked for; with
 * pinion_error_detail(). */
PINION_API int pinion_loop_create(const struct pinion_loop_options *options,
                                  struct pinion_loop **loop);

/* Runs main_task as a fiber on the calling thread, which becomes a worker of the loop: pinned
 * meanwhile to the plan's caller seat, its mask restored after; SIGPIPE is blocked meanwhile, and
 * what writes raise of it is taken. Returns when main_task and every fiber that was started on this
 * thread have ended; the result is in `result`, which may be NULL. May be called again, from any
 * thread.
 * Errors, and then nothing ran: -EBUSY (another thread is in it), -EDEADLK (the caller is a fiber,
 * or a worker of a pool or loop), -EINVAL (no call), -ENOMEM, -EMFILE and the like; -ECHILD (the
 * loop was made by a parent of this process); with the detail. Also -ECHILD, when main_task returns
 * in a child that it forked: its fiber alone went on there, and may have used pools and loops that
 * it made there. */
PINION_API int pinion_loop_run(struct pinion_loop *loop, const struct pinion_call *main_task,
                               void *result);

/* Requests cancelation of the main_task of who is in pinion_loop_run; does nothing if nobody is.
 * Any thread, and a signal's handler. In a child of the process that made the loop it does
 * nothing. */
PINION_API void pinion_loop_stop(struct pinion_loop *loop);

/* Waits for detached tasks, joins every thread and frees the loop. Called once, by any thread but
 * the loop's own, with nobody in pinion_loop_run and no other call with this loop but its tasks'.
 * NULL is allowed. In a child of the process that made the loop it does nothing. */
PINION_API void pinion_loop_destroy(struct pinion_loop *loop);

/* The interface to it, valid until destroy. Threads that are no workers may use it, too. With
 * cpu_count 1 and nobody in pinion_loop_run, async runs in the caller and concurrent gives
 * -EAGAIN. */
PINION_API struct pinion_io *pinion_loop_io(struct pinion_loop *loop);

/* The least stack, in bytes, that a fiber can be given: what calls of the library need, and a
 * signal's frame on this processor. */
PINION_API size_t pinion_loop_stack_min(void);

struct pinion_loop_stats {
    unsigned cpu_count, parallel_count, capacity, threads, threads_peak; /* as a pool's. threads:
                                who is in pinion_loop_run is not counted */
    uint64_t inlined, queued, claimed, stolen_near, stolen_far, injected, parked, woken,
        remote_frees, searched; /* likewise */
    uint64_t fibers;       /* that have begun and not ended */
    uint64_t started;      /* that have begun */
    uint64_t stacks;       /* of fibers, in use or kept for the next */
    uint64_t stack_bytes;  /* of address space that they take */
    enum pinion_backend backend; /* never AUTO; this and the next of the last worker that began */
    unsigned ring_entries; /* operations that it submits at a time; 0: it has no ring */
    int ring_error;        /* -errno, why it is epoll though a ring was wanted; 0: it is not */
    unsigned features_taken, features_refused; /* of the kernel's: 1u << i, each in one at most;
                                pinion_backend_feature_name(i) */
    uint64_t reserved[6];
};

/* A snapshot, as pinion_pool_stats. Any thread. */
PINION_API void pinion_loop_stats(struct pinion_loop *loop, struct pinion_loop_stats *stats);

/* "defer_taskrun", say; after how the kernel's headers name it. NULL: i is above the last. Static.
 * Any thread. */
PINION_API const char *pinion_backend_feature_name(unsigned i);

/* As pinion_pool_workers. The first row, "caller", is who is in pinion_loop_run. Any thread. */
PINION_API size_t pinion_loop_workers(struct pinion_loop *loop, struct pinion_worker_stats *workers,
                                      size_t count);

/* As pinion_pool_degraded, and that there is no io_uring. */
PINION_API size_t pinion_loop_degraded(struct pinion_loop *loop, char *buffer, size_t size);

/* As pinion_pool_report, and what its workers wait in, with what the kernel refused. */
PINION_API int pinion_loop_report(struct pinion_loop *loop, FILE *stream);

PINION_END

#endif
