/* SPDX-License-Identifier: MIT */
#include "overflow.h"

#include <errno.h>
#include <pinion/fiber.h>
#include <signal.h>
#include <string.h>
#include <linux/auxvec.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "atomic.h"
#include "check.h"
#include "fiber.h"
#include "task.h"

/* For the program's handler and the one before it, besides the signal's frame. */
#define HANDLER_BYTES ((size_t)60 * 1024)

/* context and guard_bytes are written before handler. former: before the signal's handler is
 * there. */
static struct {
    _Atomic(pinion_fiber_overflow_fn *) handler;
    void *context;
    size_t guard_bytes;
    struct sigaction former;
} its;

int pn_overflow_thread_begin(struct pn_overflow_thread *thread)
{
    stack_t now, wanted = {.ss_size = HANDLER_BYTES + (size_t)getauxval(AT_MINSIGSTKSZ)};
    *thread = (struct pn_overflow_thread){0};
    if (sigaltstack(NULL, &now) != 0 || !(now.ss_flags & SS_DISABLE))
        return 0;
    wanted.ss_sp = mmap(NULL, wanted.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                        -1, 0);
    if (wanted.ss_sp == MAP_FAILED)
        return -ENOMEM;
    (void)sigaltstack(&wanted, NULL); /* there is none and its size is enough, so it can't fail */
    *thread = (struct pn_overflow_thread){wanted.ss_sp, wanted.ss_size};
    return 0;
}

void pn_overflow_thread_end(struct pn_overflow_thread *thread)
{
    const stack_t none = {.ss_flags = SS_DISABLE};
    if (!thread->stack)
        return;
    (void)sigaltstack(&none, NULL);
    (void)munmap(thread->stack, thread->bytes);
}

/* Calls the program's handler if it is for it. */
static void tell(const char *address)
{
    /* Acquire: what comes with it, pairs with the release in pinion_fiber_on_overflow. */
    pinion_fiber_overflow_fn *const handler = pn_load_acquire(&its.handler);
    const struct pn_fiber *const fiber = pn_fiber_running();
    if (!handler || !fiber || (uintptr_t)address >= (uintptr_t)fiber->stack.low ||
        (uintptr_t)fiber->stack.low - (uintptr_t)address > its.guard_bytes)
        return;
    const struct pinion_task *const task = pn_context()->task;
    const struct pinion_fiber_overflow overflow = {
        .address = address,
        .stack = fiber->stack.low,
        .stack_bytes = fiber->stack.bytes,
        .start = task ? task->start : NULL,
    };
    handler(&overflow, its.context);
}

/* As if ours weren't there: the default, and the kernel's way of ignoring faults, end the program
 * when the instruction is tried again. */
static void pass_on(int number, siginfo_t *info, void *interrupted)
{
    if (its.former.sa_flags & SA_SIGINFO) {
        its.former.sa_sigaction(number, info, interrupted);
    } else if (its.former.sa_handler != SIG_DFL && its.former.sa_handler != SIG_IGN) {
        its.former.sa_handler(number);
    } else if (info->si_code > 0) {
        (void)sigaction(number, &its.former, NULL);
    } else if (its.former.sa_handler == SIG_DFL) { /* someone has sent it */
        (void)sigaction(number, &its.former, NULL);
        (void)raise(number);
    }
}

static void on_fault(int number, siginfo_t *info, void *interrupted)
{
    const int saved = errno;
    if (info->si_code > 0)
        tell(info->si_addr);
    pass_on(number, info, interrupted);
    errno = saved;
}

static int install(void)
{
    struct sigaction now, ours = {.sa_sigaction = on_fault};
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    (void)sigemptyset(&ours.sa_mask);
    if (sigaction(SIGSEGV, NULL, &now) != 0)
        return -errno;
    if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_fault)
        return 0;
    its.former = now;
    return sigaction(SIGSEGV, &ours, NULL) == 0 ? 0 : -errno;
}

static void uninstall(void)
{
    struct sigaction now;
    if (sigaction(SIGSEGV, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) &&
        now.sa_sigaction == on_fault)
        (void)sigaction(SIGSEGV, &its.former, NULL);
}

int pinion_fiber_on_overflow(pinion_fiber_overflow_fn *handler, void *context)
{
    if (!handler) {
        uninstall();
        pn_store_relaxed(&its.handler, NULL); /* tells nothing */
        return 0;
    }
    if (pn_load_relaxed(&its.handler)) /* written by this thread's kind alone */
        return -EBUSY;
    its.context = context;
    its.guard_bytes = pn_stack_guard_bytes();
    /* Release: what comes with it, pairs with the acquire in tell. */
    pn_store_release(&its.handler, handler);
    const int error = install();
    if (error)
        pn_store_relaxed(&its.handler, NULL); /* as above */
    return error;
}
