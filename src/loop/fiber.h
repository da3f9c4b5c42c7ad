/* SPDX-License-Identifier: MIT
 *
 * A fiber: a stack, and where on it a thread goes on. Here it is made and switched to; who runs
 * when is decided elsewhere. It never leaves the thread that it first ran on, so thread-local
 * addresses, errno's too, hold for its life.
 *
 * Its struct lies at the top of its own stack, so that one that sleeps takes few pages. One that
 * ends, or is to be seen by other threads, must be let go of by the next that runs, on another
 * stack: while it runs its stack is in use.
 */
#ifndef PN_FIBER_H
#define PN_FIBER_H

#include <stddef.h>
#include <stdint.h>

#include "check.h"
#include "context.h"
#include "stack.h"
#include "switch.h"

#if defined(__SANITIZE_ADDRESS__)
#define PN_FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PN_FIBER_ASAN 1
#endif
#endif
#ifndef PN_FIBER_ASAN
#define PN_FIBER_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#define PN_FIBER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PN_FIBER_TSAN 1
#endif
#endif
#ifndef PN_FIBER_TSAN
#define PN_FIBER_TSAN 0
#endif

/* For debuggers, which find fibers by it in the stacks' mappings. */
#define PN_FIBER_ALIVE UINT64_C(0x6e6f696e69506276) /* it runs or sleeps */
#define PN_FIBER_ENDED UINT64_C(0x6e6f696e69506245)

struct pn_fiber {
    struct pn_continuation at;  /* where it goes on, while it sleeps */
    struct pn_fiber *next;     /* for whoever holds it */
    struct pn_context context; /* these while it sleeps: what it does, … */
    void *local;               /* … pn_thread()->local, … */
    uintptr_t stack_low;       /* … ->stack_low, … */
    int saved_errno;           /* … and errno */
    unsigned valgrind;         /* its number there */
    int *errno_place;          /* &errno, of its thread: to ask is a call */
    uint64_t magic;
    struct pn_stack stack;     /* all 0: the thread's own */
    void (*entry)(void *argument);
    void *argument;
    void *asan, *tsan; /* what the sanitizers know it by */
#if PN_FIBER_ASAN
    struct pn_stack bounds; /* of the stack that it runs on, the thread's own too */
#endif
};

/* Where an object of so many bytes lies at the top of a stack, that begins with a struct pn_fiber:
 * a multiple of 64. */
static inline void *pn_stack_top(const struct pn_stack *stack, size_t bytes)
{
    return (void *)(((uintptr_t)stack->low + stack->bytes - bytes) & ~(uintptr_t)63);
}

/* The calling thread's own stack as a fiber, from which the first switch is made. It is the one
 * that runs. */
void pn_fiber_init_thread(struct pn_fiber *fiber);

/* The thread has no fibers any more. It runs on the stack that it ran on before: its own, or in the
 * child of a fork that of the fiber that forked. */
void pn_fiber_fini_thread(struct pn_fiber *fiber);

/* A fiber at the top of a stack, which it takes note of. It must be prepared before it runs. */
void pn_fiber_init(struct pn_fiber *fiber, const struct pn_stack *stack);

/* The next switch to it runs entry(argument), which never returns, with nothing in its context, no
 * task-local pointer, errno 0 and the caller's floating-point modes. It has not begun, or has
 * ended; then it may be prepared anew. By the thread that will run it. */
void pn_fiber_prepare(struct pn_fiber *fiber, void (*entry)(void *argument), void *argument);

/* By fiber.c, and by pn_fiber_switch: the one that runs on the calling thread. A signal's handler
 * reads it, too. */
extern _Thread_local __attribute__((tls_model("initial-exec"), visibility("hidden")))
struct pn_fiber *pn_fiber_here;

/* What belongs to the fiber and lies in the thread is put there. */
static inline void pn_fiber_enter(struct pn_fiber *to)
{
    struct pinion_thread *const thread = pn_thread();
    PN_ASSERT(to->magic == PN_FIBER_ALIVE);
    pn_fiber_here = to;
    *pn_context() = to->context;
    thread->local = to->local;
    thread->stack_low = to->stack_low;
    *to->errno_place = to->saved_errno;
}

/* From the fiber that runs to another; it leaves what lies in the thread. */
static inline void pn_fiber_leave(struct pn_fiber *from, struct pn_fiber *to)
{
    PN_ASSERT(pn_fiber_here == from && from != to);
    from->context = *pn_context();
    from->local = pn_thread()->local;
    from->stack_low = pn_thread()->stack_low;
    from->saved_errno = *from->errno_place;
    pn_fiber_enter(to);
}

/* From the fiber that runs to another. Returns when someone switches back. */
#if PN_FIBER_ASAN || PN_FIBER_TSAN
void pn_fiber_switch(struct pn_fiber *from, struct pn_fiber *to);
#else
static inline void pn_fiber_switch(struct pn_fiber *from, struct pn_fiber *to)
{
    pn_fiber_leave(from, to);
    pn_switch(&from->at, &to->at);
}
#endif

/* The same for the last time: `from` ends. */
_Noreturn void pn_fiber_exit_to(struct pn_fiber *from, struct pn_fiber *to);

/* The one that runs on the calling thread; NULL if it has none. */
static inline struct pn_fiber *pn_fiber_running(void) { return pn_fiber_here; }

#endif
