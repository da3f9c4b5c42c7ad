/* SPDX-License-Identifier: MIT
 *
 * From one stack to another, on one thread: in assembly on x86-64 (switch_x86_64.h) and aarch64
 * (switch.S), by ucontext (switch.c) elsewhere. What a function has to keep for its caller is kept:
 * registers and the floating-point modes, but not the flags of floating-point exceptions that were
 * raised, nor the signal mask. It knows nothing of fibers.
 */
#ifndef PN_SWITCH_H
#define PN_SWITCH_H

#if !defined(PN_NO_SWITCH) && defined(__linux__) && \
    ((defined(__x86_64__) && defined(__LP64__)) || (defined(__aarch64__) && defined(__LP64__)))
#define PN_SWITCH 1
#else
#define PN_SWITCH 0
#endif

/* By offsets, for the assembly. x86-64: the fields of struct pn_continuation. aarch64: how much of
 * a stack one that sleeps takes, from its stack pointer up, and where in it the function and its
 * argument lie that a new one begins with, and the modes. */
#if defined(__x86_64__)
#define PN_CONTINUATION_NEXT  8
#define PN_CONTINUATION_FRAME 16
#define PN_CONTINUATION_MODES 24
#define PN_CONTINUATION_X87   28
#elif defined(__aarch64__)
#define PN_SWITCH_BYTES    176
#define PN_SWITCH_MODES    160
#define PN_SWITCH_ARGUMENT 0  /* x19 */
#define PN_SWITCH_ENTRY    8  /* x20 */
#define PN_SWITCH_RETURN   88 /* x30 */
#endif

#ifndef __ASSEMBLER__

#include <stddef.h>
#include <stdint.h>

/* Where one that sleeps goes on. */
struct pn_continuation {
    void *stack_pointer;
#if PN_SWITCH && defined(__x86_64__)
    const void *next; /* instruction */
    void *frame;      /* rbp */
    uint32_t modes;   /* mxcsr */
    uint16_t x87;
#endif
};

/* What the first switch to a new stack needs, written below top. entry must never return. It
 * begins with the caller's floating-point modes. low: where the stack ends. */
void pn_switch_prepare(struct pn_continuation *at, void *low, void *top,
                       void (*entry)(void *argument), void *argument);

/* Saves where the caller is, and goes on at `to`; returns when someone switches to `from`. */
#if PN_SWITCH && defined(__x86_64__)

#include "switch_x86_64.h"

#else

void pn_switch(struct pn_continuation *from, const struct pn_continuation *to);

#endif
#endif
#endif
