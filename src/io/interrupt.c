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

#include "alarm.h"
#include "caller.h"
#include "cancel.h"
#include "check.h"
#include "futex.h"
#include "process.h"

static _Atomic int signal_used;

_Thread_local struct pn_interrupt_thread pn_interrupt_here;

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

#if defined(UNDER_TSAN) && defined(__clang__)
#define BARE __attribute__((disable_sanitizer_instrumentation))
#elif defined(UNDER_TSAN)
#define BARE __attribute__((no_sanitize_thread))
#else
#define BARE
#endif

/* Whether the call is not to be made, or not to be gone on with. The thread's own alarm says so
 * itself. Relaxed: a signal is sent after the store, and arrives after it. */
static BARE bool is_called_off(const siginfo_t *info)
{
    if (info->si_code == SI_TIMER)
        pn_store_relaxed(&pn_interrupt_here.caller.stub.is_canceled, 1u);
    return pn_load_relaxed(&pn_interrupt_here.caller.stub.is_canceled);
}

#if PN_STUB

#if defined(__x86_64__)
#define PROGRAM_COUNTER(context) ((context)->uc_mcontext.gregs[REG_RIP])
#else
#define PROGRAM_COUNTER(context) ((context)->uc_mcontext.pc)
#endif
#define SET_PROGRAM_COUNTER(context, to)                                                           \
    (PROGRAM_COUNTER(context) = (__typeof__(PROGRAM_COUNTER(context)))(uintptr_t)(to))

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
    ucontext_t *context = argument;
    if (!is_called_off(info))
        return;
    const uintptr_t at = (uintptr_t)PROGRAM_COUNTER(context);
    if (at == (uintptr_t)pn_stub_call)
        pn_store_relaxed(&pn_interrupt_here.has_begun, true);
    if (at >= (uintptr_t)pn_stub_begin && at <= (uintptr_t)pn_stub_call)
        SET_PROGRAM_COUNTER(context, pn_stub_canceled);
    else if (at >= (uintptr_t)pn_stub_begin && at < (uintptr_t)pn_stub_end)
        return; /* the kernel has given the result */
    else if (pn_load_relaxed(&pn_interrupt_here.caller.stub.is_inside)) /* this thread's own */
        put_off(context, signal);
}

#define HANDLER_FLAGS (SA_SIGINFO | SA_ONSTACK | SA_RESTART)

#else

/* That it comes is what matters. */
static BARE void handle(int signal, siginfo_t *info, void *argument)
{
    (void)signal;
    (void)argument;
    (void)is_called_off(info);
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
        pn_caller_keep_only(&pn_interrupt_here.caller);
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

/* ---- the thread ---- */

static pthread_key_t exit_key;
static bool has_exit_key;

static void leave_thread(void *unused)
{
    (void)unused;
    pn_interrupt_here.is_quick = false;
    pn_caller_unlist(&pn_interrupt_here.caller);
    pn_alarm_fini(&pn_interrupt_here.alarm);
}

__attribute__((constructor)) static void make_exit_key(void)
{
    has_exit_key = pthread_key_create(&exit_key, leave_thread) == 0;
}

/* Makes the thread known to cancelers, until it ends. False: it can't be. */
static bool join_thread(void)
{
    if (!has_exit_key || pthread_setspecific(exit_key, &pn_interrupt_here))
        return false;
    pn_caller_list(&pn_interrupt_here.caller);
    pn_interrupt_here.is_quick = pn_interrupt_here.is_own && pn_interrupt_here.caller.is_split;
    return true;
}

void pn_interrupt_own_thread(void) { pn_interrupt_here.is_own = true; }

/* Lets the signal through: true if the thread had blocked it. */
static bool unblock(sigset_t *former)
{
    sigset_t one;
    const int signal = pn_interrupt_signal();
    if (!signal)
        return false;
    (void)sigemptyset(&one);
    (void)sigaddset(&one, signal);
    (void)pthread_sigmask(SIG_UNBLOCK, &one, former);
    return sigismember(former, signal) == 1;
}

/* ---- the call ---- */

/* How long a call is given at least, the first time: longer than the way to it. */
#define ALARM_NS_MIN INT64_C(1000000)

/* Makes it without the stub. */
static long call_plainly(const struct pn_system_call *call)
{
    const long *a = call->arguments;
    const int saved = errno;
    long result = syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (result == -1)
        result = -errno;
    errno = saved;
    return result;
}

/* The thread stays where it is: it is in pn_caller_settle at the latest. */
static void call_off(struct pn_caller *caller)
{
    const int signal = pn_interrupt_signal();
    pn_store_relaxed(&caller->stub.is_canceled, 1u); /* before the signal is sent */
    if (signal)
        (void)pthread_kill(caller->thread, signal);
}

#if PN_STUB

#define RESEND_NS 0

void pn_interrupt_task(const struct pinion_task *task) { (void)pn_caller_find(task, call_off); }

static long run(const struct pn_system_call *call)
{
    return pn_stub_run(&pn_interrupt_here.caller.stub, call);
}

#else

#define RESEND_NS     INT64_C(4000000)
#define RESEND_NS_MIN INT64_C(1000)

/* What is missed now is seen after a resend. */
void pn_interrupt_task(const struct pinion_task *task)
{
    _Atomic(uint32_t) nothing = 0;
    for (int64_t pause = RESEND_NS_MIN; pn_interrupt_signal() && pn_caller_find(task, call_off);
         pause = pause < RESEND_NS / 2 ? pause * 2 : RESEND_NS)
        (void)pn_futex_wait(&nothing, 0, pn_now() + pause);
}

static long run(const struct pn_system_call *call)
{
    if (pn_load_relaxed(&pn_interrupt_here.caller.stub.is_canceled))
        return -EINTR;
    pn_store_relaxed(&pn_interrupt_here.has_begun, true);
    return call_plainly(call);
}

#endif

/* A signal was sent to this thread, which does not block it; at the latest when it next returns
 * from the kernel the handler has run. Otherwise it might interrupt a call of other code's. */
static void let_signal_arrive(void)
{
    (void)call_plainly(&(const struct pn_system_call){.number = SYS_gettid});
}

/* What a call gives that a request, an alarm or both came to; -EINTR: neither is its end. An alarm
 * that came before the call was made is none, or a busy machine would hide what is there. Relaxed:
 * the handler's thread is this. */
static long settle_any(struct pinion_task *task, long result, int64_t alarm)
{
    const bool is_called_off = pn_caller_settle(&pn_interrupt_here.caller);
    let_signal_arrive();
    if (result != -EINTR)
        return result;
    if (pn_cancel_deliver(task))
        return -ECANCELED;
    return is_called_off && pn_load_relaxed(&pn_interrupt_here.has_begun) && pn_now() >= alarm
               ? PN_LATE
               : -EINTR;
}

long pn_interrupt_settle(struct pinion_task *task, long result)
{
    return settle_any(task, result, INT64_MAX);
}

/* Without alarm, on a thread that is known to cancelers, or without task. */
static long call_once(struct pinion_task *task, const struct pn_system_call *call)
{
    long result = -EINTR;
    if (PN_LIKELY(pn_caller_enter(&pn_interrupt_here.caller, task)))
        result = run(call);
    if (PN_UNLIKELY(pn_caller_leave(&pn_interrupt_here.caller, task)))
        return settle_any(task, result, INT64_MAX);
    return result;
}

static long call_with_alarm(struct pinion_task *task, const struct pn_system_call *call,
                            int64_t alarm)
{
    long result = -EINTR;
    pn_store_relaxed(&pn_interrupt_here.has_begun, false);
    const bool has_alarm = pn_alarm_set(&pn_interrupt_here.alarm, alarm, RESEND_NS);
    if (pn_caller_enter(&pn_interrupt_here.caller, task))
        result = run(call);
    if (has_alarm)
        pn_alarm_clear(&pn_interrupt_here.alarm);
    if (pn_caller_leave(&pn_interrupt_here.caller, task))
        return settle_any(task, result, alarm);
    return result;
}

static long call_any(const struct pn_system_call *call, bool is_cancelable, int64_t alarm)
{
    struct pinion_task *task = is_cancelable ? pn_cancel_target() : NULL;
    sigset_t former;
    if (!task && alarm == INT64_MAX)
        return run(call);
    if (!pn_interrupt_here.caller.is_listed && !join_thread())
        return pn_cancel_deliver(task) ? -ECANCELED : run(call);
    const bool was_blocked = !pn_interrupt_here.is_own && unblock(&former);
    const long result =
        alarm == INT64_MAX ? call_once(task, call) : call_with_alarm(task, call, alarm);
    if (was_blocked)
        (void)pthread_sigmask(SIG_SETMASK, &former, NULL);
    return result;
}

long pn_syscall(const struct pn_system_call *call, bool is_cancelable, int64_t deadline)
{
    int64_t alarm = deadline, least = ALARM_NS_MIN;
    long result;
    if (deadline != INT64_MAX && deadline < pn_now() + least)
        alarm = pn_now() + least;
    while ((result = call_any(call, is_cancelable, alarm)) == -EINTR) {
        if (alarm <= pn_now())
            alarm = pn_now() + (least *= 2);
    }
    return result;
}

long pn_syscall_once(const struct pn_system_call *call, bool is_cancelable)
{
    return call_any(call, is_cancelable, INT64_MAX);
}
