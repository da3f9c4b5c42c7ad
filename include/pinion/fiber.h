/* SPDX-License-Identifier: MIT
 *
 * What a program can know of the fibers that tasks run on.
 */
#ifndef PINION_FIBER_H
#define PINION_FIBER_H

#include <stddef.h>

#include <pinion/api.h>
#include <pinion/io.h>

PINION_BEGIN

/* A stack that was too small. */
struct pinion_fiber_overflow {
    const void *address;    /* what was touched, below the stack */
    const void *stack;      /* where the stack ends: its lowest byte */
    size_t stack_bytes;
    pinion_start_fn *start; /* the function of the task that ran on it; NULL: none */
};

/* Is called on a stack of its own, in a signal's handler: only what is async-signal-safe may be
 * used. context: as it was given. */
typedef void pinion_fiber_overflow_fn(const struct pinion_fiber_overflow *overflow, void *context);

/* Has handler called when a fiber's stack overflows onto its guard. It is for last words: when it
 * returns, the signal goes to whom it would have gone without it, which ends most programs; it may
 * also end the program itself, or leave by siglongjmp. Other faults, and those of threads' own
 * stacks, are not seen by it. handler NULL: no more; then no fiber may overflow meanwhile.
 *
 * Installs a handler of SIGSEGV, which knows the one before it; not before this is called. One
 * thread at a time. Errors: -EBUSY (there is a handler already). */
PINION_API int pinion_fiber_on_overflow(pinion_fiber_overflow_fn *handler, void *context);

PINION_END

#endif
