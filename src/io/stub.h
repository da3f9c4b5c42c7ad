/* SPDX-License-Identifier: MIT
 *
 * A system call that can be called off up to the instruction that makes it, in assembly (stub.S):
 * a signal's handler that finds the program there moves it to the exit, so that a request which
 * comes between the look at is_canceled and the call is not lost.
 */
#ifndef PN_STUB_H
#define PN_STUB_H

#if !defined(PN_NO_STUB) && defined(__linux__) && \
    ((defined(__x86_64__) && defined(__LP64__)) || (defined(__aarch64__) && defined(__LP64__)))
#define PN_STUB 1
#else
#define PN_STUB 0
#endif

/* Where the fields lie, for stub.S. */
#define PN_STUB_CANCELED  0
#define PN_STUB_INSIDE    4
#define PN_CALL_NUMBER    0
#define PN_CALL_ARGUMENTS 8

#ifndef __ASSEMBLER__

#include <stddef.h>
#include <stdint.h>

/* A system call: its number, and its arguments, each a number or an address. */
struct pn_system_call {
    long number;
    long arguments[6];
};

/* Of one thread. is_canceled: it is not to be made, set before the signal that says so is sent, or
 * by the handler itself. is_inside: the stub's own; while it is set and the program is elsewhere,
 * it is in a handler on top of the stub. */
struct pn_stub {
    _Atomic(uint32_t) is_canceled;
    _Atomic(uint32_t) is_inside;
};

#if PN_STUB

_Static_assert(offsetof(struct pn_stub, is_canceled) == PN_STUB_CANCELED, "stub.S");
_Static_assert(offsetof(struct pn_stub, is_inside) == PN_STUB_INSIDE, "stub.S");
_Static_assert(offsetof(struct pn_system_call, number) == PN_CALL_NUMBER, "stub.S");
_Static_assert(offsetof(struct pn_system_call, arguments) == PN_CALL_ARGUMENTS, "stub.S");

/* Makes the system call, unless is_canceled is seen before. What the kernel gives, or -EINTR. */
long pn_stub_run(struct pn_stub *stub, const struct pn_system_call *call);

/* From begin up to and including call nothing has happened, or the kernel is about to do the call
 * again; then canceled is the way out. end is that of the whole. */
extern const char pn_stub_begin[], pn_stub_call[], pn_stub_canceled[], pn_stub_end[];

#endif
#endif
#endif
