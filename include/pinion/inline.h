/* SPDX-License-Identifier: MIT
 *
 * What the typed macros (task.h) read to run an async task in its caller without a call into the
 * library, which is a head that each thread has, and to tell names to traces. Not for use by
 * programs.
 *
 * Programs are compiled with this layout, so it is versioned: a library that needs another one
 * exports it under another name, and goes on to keep this one for programs that were compiled
 * before.
 */
#ifndef PINION_INLINE_H
#define PINION_INLINE_H

#include <stdbool.h>
#include <stdint.h>

#include <pinion/api.h>

/* 0: tasks that run in place are not counted. Builds of the library with -Dcounters=false set it,
 * and so do programs that measure what counting costs. */
#ifndef PINION_COUNTERS
#define PINION_COUNTERS 1
#endif

PINION_BEGIN

struct pinion_io;

/* What a thread has in one io. */
struct pinion_head {
    struct pinion_io *runs; /* the io whose async tasks this thread runs in place for now: enough
                               are queued and nobody is hungry. NULL: it asks the library. Set by
                               the thread, cleared by any (atomic) */
    uint64_t inlined;       /* tasks that were; the thread's own, read by any (atomic) */
};

/* head: in the io that the thread used last; never NULL. local: the pointer of the task that runs
 * here (pinion_task_local), outside tasks the thread's. stack_low: an address; where the stack has
 * grown below it, tasks are queued rather than run in place. Read and written by the thread
 * alone. */
struct pinion_thread {
    struct pinion_head *head;
    void *local;
    uintptr_t stack_low;
};

/* initial-exec: a direct access instead of a call. */
extern PINION_API __thread struct pinion_thread pinion_thread_1
    __attribute__((tls_model("initial-exec")));

/* About where the stack of the caller ends. */
static inline PINION_UNUSED uintptr_t pinion_stack_pointer_(void)
{
#if defined(__x86_64__)
    uintptr_t pointer;
    __asm__("movq %%rsp, %0" : "=r"(pointer));
    return pointer;
#elif defined(__aarch64__)
    uintptr_t pointer;
    __asm__("mov %0, sp" : "=r"(pointer));
    return pointer;
#else
    return (uintptr_t)__builtin_frame_address(0);
#endif
}

/* Whether an async task of io may be run in the caller without asking; then it is counted. */
static inline PINION_UNUSED bool pinion_runs_inline_(const struct pinion_io *io)
{
    struct pinion_head *head = pinion_thread_1.head;
    if (__builtin_expect(__atomic_load_n(&head->runs, __ATOMIC_RELAXED) != io, 0) ||
        __builtin_expect(pinion_stack_pointer_() < pinion_thread_1.stack_low, 0))
        return false;
#if PINION_COUNTERS
    __atomic_store_n(&head->inlined, __atomic_load_n(&head->inlined, __ATOMIC_RELAXED) + 1,
                     __ATOMIC_RELAXED);
#endif
    return true;
}

/* Which trace is on, counted from 1; 0: none. Written by the library. */
extern PINION_API uint32_t pinion_trace_1;

/* Whether a trace is on in which the name of a task's function was not told yet (trace.h): then it
 * is to be told now. told: one a function, 0 at first. */
static inline PINION_UNUSED bool pinion_tells_name_(uint32_t *told)
{
    const uint32_t trace = __atomic_load_n(&pinion_trace_1, __ATOMIC_RELAXED);
    if (__builtin_expect(trace == 0, 1) || __atomic_load_n(told, __ATOMIC_RELAXED) == trace)
        return false;
    __atomic_store_n(told, trace, __ATOMIC_RELAXED);
    return true;
}

PINION_END

#endif
