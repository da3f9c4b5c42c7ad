/* SPDX-License-Identifier: MIT
 *
 * What a thread (or, on a loop, a fiber) is doing, for whoever asks on it: above all the task that
 * runs here. It belongs to the thread or fiber, whichever io is passed.
 */
#ifndef PN_CONTEXT_H
#define PN_CONTEXT_H

#include <pinion/inline.h>

struct pinion_task;
struct pn_await;
struct pn_run;
struct pn_sleeper;

struct pn_context {
    struct pn_sleeper *sleeper; /* the fiber (sleeper.h); NULL: the caller has a thread */
    struct pinion_task *task; /* NULL outside tasks */
    struct pn_await *awaits;  /* that no canceler knows yet, innermost first (cancel.h) */
    struct pn_run *runs;      /* of tasks whose runner is told, innermost first (task.h) */
};

/* initial-exec: a direct access instead of a call, and few enough bytes for a library that is
 * loaded late. */
extern _Thread_local __attribute__((tls_model("initial-exec"), visibility("hidden")))
struct pn_context pn_context_of_thread;

/* The calling thread's or fiber's. The address passes through a register that the compiler knows
 * nothing of: gcc 12's null check (-fsanitize=null) takes its answer from the flags of the
 * instruction that adds the offset, which the linker replaces by one that sets none. */
static inline struct pn_context *pn_context(void)
{
    struct pn_context *here = &pn_context_of_thread;
    __asm__("" : "+r"(here));
    return here;
}

/* The same for what the typed macros read too. */
static inline struct pinion_thread *pn_thread(void)
{
    struct pinion_thread *here = &pinion_thread_1;
#if defined(__SANITIZE_ADDRESS__) /* builds for tests, which have the null check too; it costs */
    __asm__("" : "+r"(here));
#endif
    return here;
}

/* A thread begins to be used: from now on it knows where its stack ends. */
void pn_thread_note_stack(void);

/* Whether so little is left of the stack that tasks are to run elsewhere if they can. */
static inline bool pn_is_stack_low(void)
{
    return pinion_stack_pointer_() < pn_thread()->stack_low;
}

/* The head of a thread that has none. */
extern struct pinion_head pn_head_none __attribute__((visibility("hidden")));

#endif
