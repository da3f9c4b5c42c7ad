/* SPDX-License-Identifier: MIT
 *
 * The interface: code takes a struct pinion_io * and says what may run at the same time; the
 * implementation behind it (a pool of threads, say) decides how. It means the same on all of them.
 *
 * Four ways to start a task, by what the caller needs:
 *   async       may run at the same time; may also run before the call returns. Never fails.
 *   concurrent  makes progress while every other task waits through this interface.
 *   parallel    has a thread of its own while it runs, whatever every other task does.
 *   detached    as async, without a future: nobody awaits it, it cleans up after itself.
 *
 * Every function here may be called from any thread. A future is used by one thread at a time
 * (pinion_request_cancel excepted), with the io that made it. The design is that of Zig's std.Io
 * (commit f762597724), whose asyncConcurrent and asyncParallel these are.
 *
 * The library's threads begin with the floating-point modes of the thread that made the io, and
 * with all signals blocked but those of faults and the one that cancels use. No call changes its
 * caller's errno, its signal mask or its floating-point modes, nor do tasks that it runs in the
 * caller meanwhile: errno, and the modes that <fenv.h> knows, are put back after each. (The typed
 * name_async and name_detached of task.h may be a plain call of the function, and then leave what
 * it leaves.) A task leaves its thread's signal mask, and modes of other kinds (flushing to zero),
 * as it found them, as any function does; on a thread of the library the modes are put back in any
 * case.
 *
 * After fork, in the child, an io of the parent starts nothing and waits for nothing: calls that
 * return int give -ECHILD, async and detached run in the caller, requests to cancel do nothing, and
 * to await a task of the parent that is not done is a programming error, which asserts in debug
 * builds; in others the future is consumed and result left as it is. Tasks that are done can be
 * awaited and selected. The child may exec, exit, or make an io of its own; if it was forked by a
 * task that a worker runs, it ends when that task returns.
 */
#ifndef PINION_IO_H
#define PINION_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pinion/api.h>

PINION_BEGIN

struct pinion_io;

/* A deadline that never comes. Deadlines are absolute, in nanoseconds of CLOCK_MONOTONIC; one that
 * has passed polls. */
#define PINION_FOREVER INT64_MAX

/* The largest alignment that a context or a result may ask for. */
#define PINION_ALIGN_MAX 4096

/* A task's function. context: the bytes that its call named, or a copy of them. result: writable
 * storage of the call's result_size bytes, indeterminate when it is called, NULL if 0. */
typedef void pinion_start_fn(const void *context, void *result);

/* What to run. Neither size has an upper limit; an alignment is a power of two up to
 * PINION_ALIGN_MAX, or 0 for that of max_align_t. */
struct pinion_call {
    pinion_start_fn *start;
    const void *context; /* copied before the spawning call returns; may be NULL if the size is 0 */
    size_t context_size, context_align;
    size_t result_size, result_align;
};

struct pinion_task;

/* A task's result to come. A NULL task is complete, its result already in place, and awaiting it
 * does nothing. May be copied if the old copy is then left alone. */
struct pinion_future {
    struct pinion_task *task;
};

/* Starts call, or runs it at once: then result is written and *future is complete. When this
 * returns, the function has completed, or will complete with nobody's help but an await of it, so
 * nesting to any depth on any number of CPUs never deadlocks.
 * result: where the result goes if the function runs before this returns; NULL discards it. It has
 * the alignment that the call names, and may be handed to start as it is.
 * The future must be consumed by pinion_await or pinion_cancel, else its memory is held until the
 * io is destroyed. Never fails; a bad call (no start, an alignment that is none) asserts in debug
 * builds and is aligned to PINION_ALIGN_MAX in others. */
PINION_API void pinion_async(struct pinion_io *io, const struct pinion_call *call, void *result,
                             struct pinion_future *future);

/* Starts call so that it makes progress while every other task waits through this interface. 0, or
 * an error, and then nothing ran and *future is as it was: -EAGAIN (no thread or fiber can be had;
 * where a loop needs its first thread, and the system has refused one, it is not asked for another
 * 10 ms), -ENOMEM, -ENOTSUP (not with this implementation), -EINVAL (a bad call). */
PINION_API int pinion_async_concurrent(struct pinion_io *io, const struct pinion_call *call,
                                       struct pinion_future *future);

/* The same on a stack of at least so many bytes, for one task that needs more than the others: a
 * deep recursion, a library that is fond of large arrays. 0: what the io gives to all. On a loop
 * the fiber has a stack of that size of its own. A pool's threads have stacks of one size (its
 * stack_bytes); to ask for more is -EINVAL, which says how large they are. Errors as
 * pinion_async_concurrent; -ENOMEM also if no such stack can be had, with
 * pinion_error_detail(). */
PINION_API int pinion_async_concurrent_sized(struct pinion_io *io, const struct pinion_call *call,
                                             size_t stack_bytes, struct pinion_future *future);

/* Starts call on a thread that it has for itself while it runs. Errors as
 * pinion_async_concurrent. */
PINION_API int pinion_async_parallel(struct pinion_io *io, const struct pinion_call *call,
                                     struct pinion_future *future);

/* Runs call when a worker is free, at the latest when the io is destroyed, which waits for it, or
 * at once. The result is discarded. It is async, not concurrent: it must not be waited for by
 * something that it waits for. Never fails; a bad call as pinion_async. */
PINION_API void pinion_async_detached(struct pinion_io *io, const struct pinion_call *call);

/* Waits until the task is done, runs it here if nobody took it yet, and consumes the future: its
 * task becomes NULL, and to await again does nothing. result: where result_size bytes go, unless
 * they are already there; NULL discards them. While it waits it may run tasks that the awaited task
 * made: don't hold across an await a lock that those take.
 * A cancelation point in this sense: a request to cancel the caller is passed on to the awaited
 * task, which is then still waited for; if that task was given -ECANCELED, the caller's request is
 * consumed, else it stays pending. */
PINION_API void pinion_await(struct pinion_io *io, struct pinion_future *future, void *result);

/* Requests that the task be canceled, then awaits it. The task decides what becomes of the request;
 * its result is a result as any other. One that has not started still runs. Not a cancelation
 * point. */
PINION_API void pinion_cancel(struct pinion_io *io, struct pinion_future *future, void *result);

/* Requests cancelation and returns. Consumes nothing; may be called while another thread awaits the
 * same future, but not after it was consumed. */
PINION_API void pinion_request_cancel(struct pinion_io *io, struct pinion_future *future);

/* The lowest index of a future that can be awaited without blocking. Consumes nothing; a later
 * select sees the same futures done. Before it waits, it runs here a task among them that nobody
 * took yet; the deadline bounds the waiting, not that run. A future may be named more than once.
 * Errors: -ETIMEDOUT, -ECANCELED (a cancelation point), -EINVAL (count is 0 or above INT_MAX). */
PINION_API int pinion_select(struct pinion_io *io, struct pinion_future *const *futures,
                             size_t count, int64_t deadline);

/* Whether the task that runs here was asked to cancel: a stop flag, which stays true once set,
 * whatever was delivered or protected. false outside a task. Takes a few instructions. */
PINION_API bool pinion_cancel_requested(struct pinion_io *io);

/* A cancelation point that does nothing else: -ECANCELED once for a request, else 0. */
PINION_API int pinion_check_cancel(struct pinion_io *io);

/* Makes a request that was delivered pending again, for the next cancelation point. Does nothing
 * where none was delivered, or outside a task. */
PINION_API void pinion_recancel(struct pinion_io *io);

/* Holds requests back from this task's cancelation points (true), or lets them through (false).
 * Returns the former state. Does nothing outside a task. */
PINION_API bool pinion_cancel_protect(struct pinion_io *io, bool blocked);

/* Lets others run first, where the implementation has a turn to give. Never needed for progress. */
PINION_API void pinion_yield(struct pinion_io *io);

/* One pointer a task, inherited by the tasks that it makes; outside tasks, one a thread. */
PINION_API void pinion_task_local_set(struct pinion_io *io, void *value);
PINION_API void *pinion_task_local(struct pinion_io *io);

/* Runs call once, in the calling thread, where it may block that thread (in another library, say)
 * without holding up tasks: on a pool another thread takes over what this one would have run, a
 * reservation like a parallel task's, until the calling task ends. Where none can be had it runs in
 * place all the same. result: where its result goes, NULL discards it. 0; or -ECANCELED (a
 * cancelation point, before it runs, not while), -EINVAL (a bad call), and then it did not run. */
PINION_API int pinion_blocking(struct pinion_io *io, const struct pinion_call *call, void *result);

/* An io for tests of what code does when it is refused: async, detached and group tasks run in the
 * caller, everything that can fail does, with -ENOTSUP. Never NULL, never destroyed. */
PINION_API struct pinion_io *pinion_io_failing(void);

PINION_END

#endif
