/* SPDX-License-Identifier: MIT
 *
 * From one stack to another, on one thread: in assembly (switch.S) on x86-64 and aarch64, by
 * ucontext (switch.c) elsewhere. What a function has to keep for its caller is kept: registers and
 * the floating-point modes, but not the flags of floating-point exceptions that were raised, nor
 * the signal mask. It knows nothing of fibers.
 */
#ifndef PN_SWITCH_H
#define PN_SWITCH_H

#if !defined(PN_NO_SWITCH) && defined(__linux__) && \
    ((defined(__x86_64__) && defined(__LP64__)) || (defined(__aarch64__) && defined(__LP64__)))
#define PN_SWITCH 1
#else
#define PN_SWITCH 0
#endif

/* How much of a stack one that sleeps takes, from its stack pointer up, and where in it the
 * function and its argument lie that a new one begins with, and the modes. */
#if defined(__x86_64__)
#define PN_SWITCH_BYTES    64
#define PN_SWITCH_MODES    0
#define PN_SWITCH_ARGUMENT 32 /* r12 */
#define PN_SWITCH_ENTRY    40 /* rbx */
#define PN_SWITCH_RETURN   56
#elif defined(__aarch64__)
#define PN_SWITCH_BYTES    176
#define PN_SWITCH_MODES    160
#define PN_SWITCH_ARGUMENT 0  /* x19 */
#define PN_SWITCH_ENTRY    8  /* x20 */
#define PN_SWITCH_RETURN   88 /* x30 */
#endif

#ifndef __ASSEMBLER__

#include <stddef.h>

/* Saves where the caller is, its stack pointer into *from, and goes on where `to` was saved;
 * returns when someone switches to what is in *from. */
void pn_switch(void **from, void *to);

/* What the first switch to a new stack needs, written below top; returns the `to` for it. entry
 * must never return. It begins with the caller's floating-point modes. low: where the stack
 * ends. */
void *pn_switch_prepare(void *low, void *top, void (*entry)(void *argument), void *argument);

#endif
#endif
