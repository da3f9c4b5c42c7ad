/* SPDX-License-Identifier: MIT */
#include "interrupt.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "cancel.h"
#include "check.h"
#include "context.h"
#include "futex.h"
#include "process.h"
#include "stub.h"

/* A call as its canceler sees it, on the stack of who makes it. */
struct call {
    struct pn_waiter waiter;
    struct pn_stub stub;
    pthread_t thread;
#if !PN_STUB
    _Atomic uint32_t is_over; /* it has come back: no more signals are needed */
#endif
};

static _Atomic int signal_used;

/* ---- the handler ---- */

/* ThreadSanitizer puts handlers off, and calls them with a copy of the context: ours must not go
 * through it, nor be instrumented. */
#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif

#ifdef UNDER_TSAN
int __sigaction(int signal, const struct sigaction *act, struct sigaction *former);
#define sigaction_of_libc __sigaction
#else
#define sigaction_of_libc sigaction
#endif

#if PN_STUB

#if defined(UNDER_TSAN) && defined(__clang__)
#define BARE __attribute__((disable_sanitizer_instrumentation))
#elif defined(UNDER_TSAN)
#define BARE __attribute__((no_sanitize_thread))
#else
#define BARE
#endif

#if defined(__x86_64__)
#define PROGRAM_COUNTER(context) ((context)->uc_mcontext.gregs[REG_RIP])
#else
#define PROGRAM_COUNTER(context) ((context)->uc_mcontext.pc)
#endif
#define SET_PROGRAM_COUNTER(context, to)                                                           \
    (PROGRAM_COUNTER(context) = (__typeof__(PROGRAM_COUNTER(context)))(uintptr_t)(to))

/* The stub that this thread is in, or about to enter or leave: for the handler. */
static _Thread_local
    __attribute__((tls_model("initial-exec"))) struct pn_stub *volatile current;

/* The thread is in a handler of the program that interrupted the stub: the signal waits until that
 * returns, which brings back the mask that the stub had. */
static BARE void put_off(ucontext_t *context, int signal)
{
    const int saved = errno;
    (void)sigaddset(&context->uc_sigmask, signal);
    (void)syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signal);
    errno = saved;
}

static BARE void handle(int signal, siginfo_t *info, void *argument)
{
    (void)info;
    ucontext_t *context = argument;
    struct pn_stub *stub = current;
    /* Relaxed: a signal is sent after the store, and arrives after it. */
    if (!stub || !pn_load_relaxed(&stub->is_canceled))
        return;
    const uintptr_t at = (uintptr_t)PROGRAM_COUNTER(context);
    if (at >= (uintptr_t)pn_stub_begin && at <= (uintptr_t)pn_stub_call)
        SET_PROGRAM_COUNTER(context, pn_stub_canceled);
    else if (at >= (uintptr_t)pn_stub_begin && at < (uintptr_t)pn_stub_end)
        return; /* the kernel has given the result */
    else if (pn_load_relaxed(&stub->is_inside)) /* this thread's own */
        put_off(context, signal);
}

#define HANDLER_FLAGS (SA_SIGINFO | SA_ONSTACK | SA_RESTART)

#else

/* That it comes is what matters. */
static void handle(int signal, siginfo_t *info, void *argument)
{
    (void)signal;
    (void)info;
    (void)argument;
}

#define HANDLER_FLAGS (SA_SIGINFO | SA_ONSTACK)

#endif

/* ---- the disposition ---- */

/* holders: how many; is_ignoring: the program ignores SIGURG, rather than handles it. */
static pthread_mutex_t holders_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned holders;
static bool is_ignoring;

static bool is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == handle;
}

static bool is_default(const struct sigaction *action)
{
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == SIG_DFL;
}

static struct sigaction disposition(int signal)
{
    struct sigaction action = {.sa_handler = SIG_IGN};
    (void)sigaction_of_libc(signal, NULL, &action);
    return action;
}

/* Replaces a disposition that is as expected. The look before, so that another is disturbed only if
 * the program sets it at this very moment; then it is put back. */
static bool replace(int signal, bool (*is_expected)(const struct sigaction *),
                    const struct sigaction *with)
{
    struct sigaction former = disposition(signal);
    if (!is_expected(&former) || sigaction_of_libc(signal, with, &former))
        return false;
    if (is_expected(&former))
        return true;
    (void)sigaction_of_libc(signal, &former, NULL);
    return false;
}

static bool install(int signal)
{
    struct sigaction action = {.sa_flags = HANDLER_FLAGS};
    action.sa_sigaction = handle;
    (void)sigemptyset(&action.sa_mask);
    return replace(signal, is_default, &action);
}

static int install_any(void)
{
    if (install(SIGURG))
        return SIGURG;
    const struct sigaction urgent = disposition(SIGURG);
    is_ignoring = !(urgent.sa_flags & SA_SIGINFO) && urgent.sa_handler == SIG_IGN;
    for (int signal = SIGRTMIN; signal <= SIGRTMAX; signal++)
        if (install(signal))
            return signal;
    return 0;
}

void pn_interrupt_hold(void)
{
    (void)pthread_mutex_lock(&holders_lock);
    if (holders++ == 0)
        pn_store_relaxed(&signal_used, install_any()); /* who holds it began after this */
    (void)pthread_mutex_unlock(&holders_lock);
}

static void remove_locked(void)
{
    const struct sigaction normal = {.sa_handler = SIG_DFL};
    const int signal = pn_exchange_relaxed(&signal_used, 0);
    if (signal)
        (void)replace(signal, is_ours, &normal);
}

void pn_interrupt_release(void)
{
    (void)pthread_mutex_lock(&holders_lock);
    PN_ASSERT(holders > 0);
    if (--holders == 0)
        remove_locked();
    (void)pthread_mutex_unlock(&holders_lock);
}

static void before_fork(void) { (void)pthread_mutex_lock(&holders_lock); }

/* Who held it in the parent does not let go of it in the child. */
static void after_fork(bool is_child)
{
    if (is_child) {
        holders = 0;
        remove_locked();
    }
    (void)pthread_mutex_unlock(&holders_lock);
}

__attribute__((constructor)) static void watch_forks(void)
{
    pn_fork_register(PN_FORK_INTERRUPTS, before_fork, after_fork);
}

int pn_interrupt_signal(void) { return pn_load_relaxed(&signal_used); }

void pn_interrupt_describe(char *words, size_t size)
{
    char name[16] = "SIGURG";
    (void)pthread_mutex_lock(&holders_lock);
    const int signal = pn_interrupt_signal();
    const char *why = is_ignoring ? "ignores" : "handles";
    if (signal > SIGRTMIN)
        (void)snprintf(name, sizeof name, "SIGRTMIN+%d", signal - SIGRTMIN);
    else if (signal == SIGRTMIN)
        (void)snprintf(name, sizeof name, "SIGRTMIN");
    const struct sigaction action = disposition(signal);
    if (!signal)
        (void)snprintf(words, size,
                       "cancels do not interrupt system calls, since the program %s SIGURG and all "
                       "real-time signals are taken",
                       why);
    else if (!is_ours(&action))
        (void)snprintf(words, size,
                       "cancels do not interrupt system calls, since the program has replaced the "
                       "handler of %s",
                       name);
    else if (signal == SIGURG)
        (void)snprintf(words, size, "cancels interrupt system calls by SIGURG");
    else
        (void)snprintf(words, size,
                       "cancels interrupt system calls by %s, since the program %s SIGURG", name,
                       why);
    (void)pthread_mutex_unlock(&holders_lock);
}

/* ---- the call ---- */

/* Makes it without the stub. */
static long call_plainly(long number, const long a[6])
{
    const int saved = errno;
    long result = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (result == -1)
        result = -errno;
    errno = saved;
    return result;
}

/* The thread stays until the canceler is done: it is in pn_cancel_leave at the latest. */
static void send_signal(const struct call *call)
{
    (void)pthread_kill(call->thread, pn_interrupt_signal());
}

#if PN_STUB

static void interrupt(struct pn_waiter *waiter)
{
    struct call *call = PN_CONTAINER_OF(waiter, struct call, waiter);
    pn_store_relaxed(&call->stub.is_canceled, 1u); /* before the signal is sent */
    send_signal(call);
}

static long run(struct call *call)
{
    current = &call->stub;
    const long result = pn_stub_run(&call->stub);
    current = NULL;
    return result;
}

static void be_over(struct call *call) { (void)call; }

#else

#define RESEND_NS_MIN INT64_C(1000)
#define RESEND_NS_MAX INT64_C(4000000)

static void interrupt(struct pn_waiter *waiter)
{
    struct call *call = PN_CONTAINER_OF(waiter, struct call, waiter);
    int64_t pause = RESEND_NS_MIN;
    pn_store_relaxed(&call->stub.is_canceled, 1u); /* what is missed now is seen after a resend */
    while (!pn_load_relaxed(&call->is_over)) {
        send_signal(call);
        (void)pn_futex_wait(&call->is_over, 0, pn_now() + pause);
        pause = pause < RESEND_NS_MAX / 2 ? pause * 2 : RESEND_NS_MAX;
    }
}

static long run(struct call *call)
{
    if (pn_load_relaxed(&call->stub.is_canceled))
        return -EINTR;
    return call_plainly(call->stub.number, call->stub.arguments);
}

/* A canceler that sleeps between two signals is not woken: it looks soon. */
static void be_over(struct call *call) { pn_store_relaxed(&call->is_over, 1u); }

#endif

static _Thread_local __attribute__((tls_model("initial-exec"))) bool is_own;

void pn_interrupt_own_thread(void) { is_own = true; }

bool pn_interrupt_is_own_thread(void) { return is_own; }

/* Lets the signal through: true if the thread had blocked it. */
static bool unblock(sigset_t *former)
{
    sigset_t one;
    if (is_own)
        return false;
    (void)sigemptyset(&one);
    (void)sigaddset(&one, pn_interrupt_signal());
    (void)pthread_sigmask(SIG_UNBLOCK, &one, former);
    return sigismember(former, pn_interrupt_signal()) == 1;
}

/* A signal was sent to this thread, which does not block it; at the latest when it next returns
 * from the kernel the handler has run. Otherwise it might interrupt a call of other code's. */
static void let_signal_arrive(void) { (void)call_plainly(SYS_gettid, PN_ARGUMENTS(0)); }

static long call_in_task(struct pinion_task *task, long number, const long arguments[6],
                         bool resumes)
{
    struct call call = {.stub = {.number = number}, .thread = pthread_self()};
    for (int i = 0; i < 6; i++)
        call.stub.arguments[i] = arguments[i];
    pn_waiter_init(&call.waiter);
    call.waiter.interrupt = interrupt;
    if (!pn_cancel_enter(task, &call.waiter)) {
        (void)pn_cancel_deliver(task);
        return -ECANCELED;
    }
    sigset_t former;
    const bool was_blocked = unblock(&former);
    long result;
    do {
        result = run(&call);
        /* Relaxed: if it is missed, its signal ends the next turn. */
    } while (result == -EINTR && resumes && !pn_load_relaxed(&call.stub.is_canceled));
    be_over(&call);
    const bool is_canceled = pn_cancel_leave(task, &call.waiter);
    if (is_canceled)
        let_signal_arrive();
    if (was_blocked)
        (void)pthread_sigmask(SIG_SETMASK, &former, NULL);
    if (result == -EINTR && is_canceled && pn_cancel_deliver(task))
        return -ECANCELED;
    return result;
}

static long call_any(bool is_cancelable, long number, const long arguments[6], bool resumes)
{
    struct pinion_task *task = is_cancelable ? pn_cancel_target() : NULL;
    if (pn_cancel_deliver(task))
        return -ECANCELED;
    if (task && pn_interrupt_signal())
        return call_in_task(task, number, arguments, resumes);
    long result;
    do
        result = call_plainly(number, arguments);
    while (result == -EINTR && resumes);
    return result;
}

long pn_syscall(bool is_cancelable, long number, const long arguments[6])
{
    return call_any(is_cancelable, number, arguments, true);
}

long pn_syscall_once(bool is_cancelable, long number, const long arguments[6])
{
    return call_any(is_cancelable, number, arguments, false);
}
