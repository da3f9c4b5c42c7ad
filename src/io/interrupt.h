/* SPDX-License-Identifier: MIT
 *
 * System calls that a request to cancel reaches, and the signal that it reaches them by.
 *
 * The canceler of a task that is in such a call marks the call (caller.h) and sends its thread the
 * signal. The handler looks where the thread is: on the way to the system call, it moves it to the
 * way out; elsewhere it does nothing. The handler restarts calls (SA_RESTART), and the signal has
 * arrived before the call that it was meant for returns, so no code but the call ever sees an EINTR
 * of it. Where there is no stub for the processor (see stub.h) the handler does not restart, and
 * the canceler sends the signal again and again until the call has ended. A deadline ends a call in
 * the same way: by a timer of the thread's, which sends the signal (alarm.h).
 *
 * The signal is SIGURG, which is ignored by default; or, if the program has done something about
 * that, the first real-time signal with which it has not. It is for threads that wait in such a
 * call only: one that comes from elsewhere ends no wait.
 */
#ifndef PN_INTERRUPT_H
#define PN_INTERRUPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alarm.h"
#include "caller.h"
#include "cancel.h"
#include "check.h"
#include "stub.h"

/* Who counts on cancels that interrupt (a pool, from before its first thread to after its last).
 * The first installs the handler, where the disposition was the default; the last restores that,
 * unless the program has replaced the handler meanwhile. */
void pn_interrupt_hold(void);
void pn_interrupt_release(void);

/* The signal; 0: none is free, or nobody holds. */
int pn_interrupt_signal(void);

/* The calling thread is one of ours: it doesn't block the signal, blocks all others but faults, and
 * never does otherwise, so that calls needn't look. On others they unblock the signal. A task that
 * changes that there is not reached. */
void pn_interrupt_own_thread(void);

/* The calling thread. is_own: as above. is_quick: it is, and is known to cancelers, who have heavy
 * fences. has_begun: its call with an alarm was made before it was called off. */
struct pn_interrupt_thread {
    struct pn_caller caller;
    struct pn_alarm alarm;
    _Atomic(bool) has_begun; /* the handler's, too */
    bool is_own, is_quick;
};
extern _Thread_local __attribute__((tls_model("initial-exec"), visibility("hidden")))
struct pn_interrupt_thread pn_interrupt_here;

/* In words: "cancels interrupt system calls by SIGURG". */
#define PN_INTERRUPT_WORDS 128
void pn_interrupt_describe(char *words, size_t size);

/* After a request to cancel a task that is in no other wait: ends the call that it is in. */
void pn_interrupt_task(const struct pinion_task *task);

/* Makes a system call: what it gives, 0 or more, or -errno. Keeps errno. With is_cancelable it is a
 * cancelation point of the task that runs here: -ECANCELED, and then the call did nothing. A call
 * that did something returns that, and the request stays pending. deadline: when (ns of
 * CLOCK_MONOTONIC) it is ended, if it still waits, and gives PN_LATE; one that has passed leaves it
 * the time to take what is there. INT64_MAX: never; nor where no signal is free. When a signal of
 * the program interrupts it, it is made again: so not for calls with a relative timeout. */
long pn_syscall(const struct pn_system_call *call, bool is_cancelable, int64_t deadline);
#define PN_LATE (-4096L) /* no error of the kernel's */

/* As pn_syscall without deadline, but gives -EINTR when a signal of the program interrupts it. */
long pn_syscall_once(const struct pn_system_call *call, bool is_cancelable);

/* What a call gives that a request came to; -EINTR: to be made again. */
long pn_interrupt_settle(struct pinion_task *task, long result);

/* The way of most calls: pn_syscall_once, where being cancelable takes no more than a look at what
 * a canceler may have written: outside tasks, and on threads of ours. -EINTR: it was not made, or a
 * signal interrupted it; that is left to pn_syscall. */
static inline long pn_syscall_quickly(const struct pn_system_call *call, bool is_cancelable)
{
#if PN_STUB
    struct pn_interrupt_thread *here = &pn_interrupt_here;
    struct pinion_task *task = is_cancelable ? pn_cancel_target() : NULL;
    if (PN_UNLIKELY(task && (!here->is_quick || !pn_caller_enter(&here->caller, task))))
        return -EINTR;
    const long result = pn_stub_run(&here->caller.stub, call);
    if (PN_UNLIKELY(task && pn_caller_leave(&here->caller, task)))
        return pn_interrupt_settle(task, result);
    return result;
#else
    (void)call, (void)is_cancelable;
    return -EINTR;
#endif
}

/* A call; the arguments that are left out are 0. */
#define PN_SYSTEM_CALL(of, ...)                                                                    \
    (&(const struct pn_system_call){.number = (of), .arguments = {__VA_ARGS__}})
#define PN_ADDRESS(pointer) ((long)(uintptr_t)(pointer))

#endif
