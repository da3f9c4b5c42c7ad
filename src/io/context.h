/* SPDX-License-Identifier: MIT
 *
 * What a thread (or, on a loop, a fiber) is doing, for whoever asks on it: above all the task that
 * runs here. It belongs to the thread or fiber, whichever io is passed.
 */
#ifndef PN_CONTEXT_H
#define PN_CONTEXT_H

struct pinion_task;

struct pn_context {
    struct pinion_task *task; /* NULL outside tasks */
    void *local;              /* pinion_task_local outside tasks */
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

/* Where the task's (or outside tasks the thread's) one pointer is. */
void **pn_context_local(void);

#endif
