/* SPDX-License-Identifier: MIT
 *
 * The public functions that start, await and cancel tasks.
 */
#include "interface.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cancel.h"
#include "check.h"
#include "context.h"
#include "detail.h"
#include "future.h"
#include "spin.h"
#include "task_quick.h"
#include "trace.h"

int pn_io_refuse(const struct pinion_io *io)
{
    if (io->process == PN_PROCESS_NONE)
        return pn_error(ENOTSUP, "this io refuses all but to run tasks in their caller");
    return pn_error(ECHILD, "this io was made by a parent of this process; make one after fork");
}

static bool is_power_of_two_up_to_max(size_t align)
{
    return align <= PINION_ALIGN_MAX && (align & (align - 1)) == 0;
}

/* On copies that have the greatest alignment. Without memory for that it runs on what there is. */
__attribute__((noinline)) void pn_call_run_mended(const struct pinion_call *call, void *result)
{
    const int saved = errno;
    const size_t room = PINION_ALIGN_MAX;
    const size_t context_bytes = (call->context_size + room - 1) / room * room;
    const size_t result_bytes = (call->result_size + room - 1) / room * room;
    struct pinion_call mended = *call;
    if (!is_power_of_two_up_to_max(call->context_align))
        mended.context_align = room;
    if (!is_power_of_two_up_to_max(call->result_align))
        mended.result_align = room;
    char *memory = aligned_alloc(room, context_bytes + result_bytes + room);
    errno = saved;
    if (!memory) {
        mended.context_align = mended.result_align = 1;
        pn_call_run(&mended, result);
        return;
    }
    mended.context = memory;
    if (call->context_size)
        memcpy(memory, call->context, call->context_size);
    pn_call_run(&mended, memory + context_bytes);
    if (result && call->result_size)
        memcpy(result, memory + context_bytes, call->result_size);
    free(memory);
}

void pinion_async(struct pinion_io *io, const struct pinion_call *call, void *result,
                  struct pinion_future *future)
{
    const struct pn_spawn spawn = {.call = call, .io = io, .kind = PN_ASYNC};
    PN_ASSERT(pn_call_is_valid(call));
    if (PN_UNLIKELY(!pn_call_is_aligned(call)))
        pn_call_run_mended(call, result);
    else if (!pinion_runs_inline_(io) && !pn_io_is_refused(io) &&
             io->vtable->queue(io, &spawn, &future->task))
        return;
    else
        pn_call_run(call, result);
    future->task = NULL;
}

void pinion_async_detached(struct pinion_io *io, const struct pinion_call *call)
{
    const struct pn_spawn spawn = {.call = call, .io = io, .kind = PN_DETACHED};
    struct pinion_task *unused;
    PN_ASSERT(pn_call_is_valid(call));
    if (PN_UNLIKELY(!pn_call_is_aligned(call)))
        pn_call_run_mended(call, NULL);
    else if (pinion_runs_inline_(io) || pn_io_is_refused(io) ||
             !io->vtable->queue(io, &spawn, &unused))
        pn_call_run(call, NULL);
}

int pn_call_check(const struct pinion_call *call)
{
    if (pn_call_is_valid(call))
        return 0;
    return pn_error(EINVAL, "a call needs a start function, alignments that are powers of two up "
                            "to %d, and a context if its size is not 0",
                    PINION_ALIGN_MAX);
}

int pn_spawn(struct pinion_io *io, const struct pn_spawn *spawn, struct pinion_task **task)
{
    int error = pn_call_check(spawn->call);
    if (!error)
        error = pn_io_refusal(io);
    return error ? error : io->vtable->spawn(io, spawn, task);
}

int pinion_async_concurrent(struct pinion_io *io, const struct pinion_call *call,
                            struct pinion_future *future)
{
    const struct pn_spawn spawn = {.call = call, .io = io, .kind = PN_CONCURRENT};
    return pn_spawn(io, &spawn, &future->task);
}

int pinion_async_concurrent_sized(struct pinion_io *io, const struct pinion_call *call,
                                  size_t stack_bytes, struct pinion_future *future)
{
    const struct pn_spawn spawn = {
        .call = call, .io = io, .kind = PN_CONCURRENT, .stack_bytes = stack_bytes};
    return pn_spawn(io, &spawn, &future->task);
}

int pinion_async_parallel(struct pinion_io *io, const struct pinion_call *call,
                          struct pinion_future *future)
{
    const struct pn_spawn spawn = {.call = call, .io = io, .kind = PN_PARALLEL};
    return pn_spawn(io, &spawn, &future->task);
}

/* What who waits for a task does meanwhile. */
struct awaited {
    struct pinion_io *io;
    struct pinion_task *task;
};

static void *find_help(void *context)
{
    const struct awaited *awaited = context;
    if (pn_is_stack_low())
        return NULL;
    return awaited->io->vtable->find_help(awaited->io, awaited->task);
}

static void run_help(void *context, void *found)
{
    const struct awaited *awaited = context;
    awaited->io->vtable->run_help(awaited->io, found);
}

static bool is_done(const void *task) { return pn_task_is_done(task); }

/* Waits for a task that runs elsewhere. First without a waiter, whose line the runner would have to
 * fetch. target: to which the caller's requests are passed on, the task or the one that it runs. */
static __attribute__((noinline)) void wait_elsewhere(struct pinion_io *io,
                                                     struct pinion_task *task,
                                                     struct pinion_task *target,
                                                     struct pinion_task *caller)
{
    struct awaited awaited = {.io = io, .task = task};
    const struct pn_help help = {.find = find_help, .run = run_help, .context = &awaited};
    struct pn_await await;
    const bool passes_on = caller && (pn_load_relaxed(&caller->cancel) & PN_CANCEL_ARMED);
    if (pn_io_spin_ns(io) && !passes_on && pn_glance(is_done, task))
        return;
    pn_await_enter_all();
    pn_await_begin(&await, caller, target);
    if (pn_task_add_waiter(task, &await.waiter))
        pn_waiter_wait_helping(&await.waiter, io->spin_ns, &help);
    pn_await_end(&await);
}

/* ---- tasks that the caller has taken ---- */

/* A task that nobody else runs or will run, for who has taken it. */
struct taken {
    struct pinion_task *task;
    bool is_own;  /* nobody else knows it any more, and its result goes to: */
    void *result; /* may be NULL */
};

static inline void run_taken(const struct taken *taken)
{
    if (taken->is_own)
        pn_task_run_own(taken->task, taken->result);
    else
        pn_task_run_claimed(taken->task);
}

static void start_taken(const void *context, void *unused)
{
    (void)unused;
    PN_TASK_IS(start_taken, "await on another stack");
    run_taken(*(const struct taken *const *)context);
}

/* Runs it on a thread of its own, for a caller whose stack is nearly used up, and waits. The state
 * of the task is the caller's meanwhile, as if it ran here. False: no thread can be had. */
static __attribute__((noinline)) bool run_elsewhere(struct pinion_io *io,
                                                    const struct taken *taken,
                                                    struct pinion_task *caller)
{
    const struct pinion_call call = {.start = start_taken, .context = &taken,
                                     .context_size = sizeof taken,
                                     .context_align = alignof(const struct taken *)};
    const struct pn_spawn spawn = {.call = &call, .io = io, .kind = PN_CONCURRENT};
    struct pinion_task *errand;
    const int saved = errno;
    const int error = io->vtable->spawn(io, &spawn, &errand);
    errno = saved;
    if (error)
        return false;
    wait_elsewhere(io, errand, taken->task, caller);
    io->vtable->drop(io, errand);
    return true;
}

/* caller: the task that passes requests on, or NULL. */
static inline void run_here(struct pinion_io *io, const struct taken *taken,
                            struct pinion_task *caller)
{
    struct pn_await await;
    if (PN_UNLIKELY(pn_is_stack_low()) && run_elsewhere(io, taken, caller))
        return;
    if (caller)
        pn_await_begin_here(&await, caller, taken->task);
    run_taken(taken);
    if (caller)
        pn_await_end_here(&await);
}

static inline void run_claimed(struct pinion_io *io, struct pinion_task *task,
                               struct pinion_task *caller)
{
    io->vtable->claimed(io, task);
    run_here(io, &(struct taken){.task = task}, caller);
}

void pn_run_claimed(struct pinion_io *io, struct pinion_task *task) { run_claimed(io, task, NULL); }

/* ---- futures ---- */

/* A task of the parent that was not done when this process began: nobody here ends it, and nobody
 * here may run it, since the parent does. The future is consumed, its task left alone. */
static __attribute__((noinline)) void abandon(struct pinion_future *future)
{
    PN_ASSERT(pn_task_is_done(future->task));
    pn_future_retire(future);
}

static inline void consume(struct pinion_io *io, struct pinion_future *future, void *result)
{
    struct pinion_task *task = future->task;
    if (result)
        pn_task_copy_result(task, result);
    PN_EVENT(awaited, task, 0, 0);
    pn_future_retire(future);
    io->vtable->drop(io, task);
}

/* Returns when the task, which was not done, is: run here, if nobody took it, or waited for. True
 * if its result has gone to `result`. caller: the task whose requests are passed on, or NULL. */
static inline bool complete(struct pinion_io *io, struct pinion_task *task, void *result,
                            struct pinion_task *caller)
{
    if (io->vtable->take_own(io, task)) {
        run_here(io, &(struct taken){.task = task, .is_own = true, .result = result}, caller);
        return true;
    }
    if (pn_task_claim(task)) {
        run_claimed(io, task, caller);
        return false;
    }
    wait_elsewhere(io, task, task, caller);
    return false;
}

void pinion_await(struct pinion_io *io, struct pinion_future *future, void *result)
{
    struct pinion_task *task = future->task;
    if (!task)
        return;
    if (!pn_task_is_done(task)) {
        if (pn_io_is_refused(io)) {
            abandon(future);
            return;
        }
        struct pinion_task *caller = pn_cancel_reachable();
        if (complete(io, task, result, caller))
            result = NULL; /* it is in place */
        if (caller && pn_cancel_was_delivered(task))
            (void)pn_cancel_deliver(caller);
    }
    consume(io, future, result);
}

void pinion_cancel(struct pinion_io *io, struct pinion_future *future, void *result)
{
    struct pinion_task *task = future->task;
    if (!task)
        return;
    if (pn_io_is_refused(io)) { /* it can't be reached by a request; an await says what it is */
        pinion_await(io, future, result);
        return;
    }
    pn_cancel_request(task);
    if (!pn_task_is_done(task) && complete(io, task, result, NULL))
        result = NULL;
    consume(io, future, result);
}

void pinion_request_cancel(struct pinion_io *io, struct pinion_future *future)
{
    if (pn_io_is_refused(io)) /* the threads that wait in the task are not in this process */
        return;
    struct pinion_task *task = pn_future_hold(future);
    if (task)
        pn_cancel_request(task);
    pn_future_let_go(future);
}

void pinion_yield(struct pinion_io *io)
{
    struct pn_sleeper *sleeper = pn_sleeper_here();
    if (pn_io_is_refused(io))
        return;
    if (sleeper)
        sleeper->ways->yield(sleeper);
    else
        io->vtable->yield(io);
}
