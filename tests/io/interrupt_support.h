/* SPDX-License-Identifier: MIT
 *
 * What the tests of interrupted system calls share: a thread with a task of its own that makes one
 * call, and things on which calls block. They are built twice: with the stub, and with
 * -DPN_NO_STUB, where the signal is sent until it has worked.
 */
#ifndef INTERRUPT_SUPPORT_H
#define INTERRUPT_SUPPORT_H

#include "../sched/stress.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "cancel.h"
#include "context.h"
#include "interrupt.h"
#include "stub.h"

#include "../threads.h"

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif
#ifndef UNDER_TSAN
#define UNDER_TSAN 0
#endif

static inline time_t seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

#define until(condition)                                                                           \
    do {                                                                                           \
        const time_t end_ = seconds() + patience_s();                                              \
        while (!(condition)) {                                                                     \
            must(seconds() <= end_);                                                               \
            (void)sched_yield();                                                                   \
        }                                                                                          \
    } while (0)

/* ---- a thread with a task, which makes one call ---- */

struct caller {
    struct pinion_task task;
    pthread_t thread;
    _Atomic int tid; /* set when the call is next */
    bool is_uncancelable, is_protected, once, has_blocked_all;
    struct pn_system_call call;
    long result;
    int check; /* what a cancelation point gives after it */
    sigset_t mask;
    bool is_pending; /* the signal, after it */
    int error_number;
};

static inline void enter_task(struct pinion_task *task)
{
    memset(task, 0, sizeof *task);
    pn_context()->task = task;
}

static inline void *call(void *argument)
{
    struct caller *caller = argument;
    sigset_t all, pending;
    pn_context()->task = &caller->task;
    caller->task.is_protected = caller->is_protected;
    (void)sigfillset(&all);
    must(pthread_sigmask(caller->has_blocked_all ? SIG_BLOCK : SIG_UNBLOCK, &all, NULL) == 0);
    errno = 77;
    pn_store_release(&caller->tid, (int)gettid());
    caller->result = caller->once ? pn_syscall_once(&caller->call, !caller->is_uncancelable)
                                  : pn_syscall(&caller->call, !caller->is_uncancelable, INT64_MAX);
    caller->error_number = errno;
    must(pthread_sigmask(SIG_SETMASK, NULL, &caller->mask) == 0);
    must(sigpending(&pending) == 0);
    caller->is_pending = sigismember(&pending, pn_interrupt_signal()) == 1;
    caller->task.is_protected = false;
    caller->check = pn_cancel_deliver(&caller->task) ? -ECANCELED : 0;
    return NULL;
}

static inline void start(struct caller *caller, const struct pn_system_call *what)
{
    caller->call = *what;
    start_thread(&caller->thread, call, caller);
}

/* Until the caller is blocked in its call, and nowhere before. */
static inline void until_blocked(struct caller *caller)
{
    until(pn_load_acquire(&caller->tid) && sleeps(pn_load_relaxed(&caller->tid)));
}

static inline void end(struct caller *caller) { join_thread(caller->thread); }

/* ---- what can block ---- */

static int pipe_ends[2], listener, epoll, idle_socket;

static inline int set_up(void **state)
{
    (void)state;
    assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr any = {.sa_family = AF_UNIX};
    assert_int_equal(bind(listener, &any, sizeof any.sa_family), 0);
    assert_int_equal(listen(listener, 1), 0);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    assert_true(epoll >= 0);
    idle_socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(idle_socket, &any, sizeof any.sa_family), 0);
    pn_interrupt_hold();
    assert_int_not_equal(pn_interrupt_signal(), 0);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    pn_interrupt_release();
    assert_int_equal(pn_interrupt_signal(), 0);
    return close(pipe_ends[0]) | close(pipe_ends[1]) | close(listener) | close(epoll) |
           close(idle_socket);
}

static inline void read_byte(struct caller *caller, char *byte)
{
    start(caller, PN_SYSTEM_CALL(SYS_read, pipe_ends[0], PN_ADDRESS(byte), 1));
}

static inline void put_byte(char byte) { must(write(pipe_ends[1], &byte, 1) == 1); }

static inline bool pipe_is_empty(void)
{
    struct pollfd poller = {.fd = pipe_ends[0], .events = POLLIN};
    return poll(&poller, 1, 0) == 0;
}

/* Blocks in a call, on threads that block the signal and that do not, and cancels it. */
static inline void expect_canceled(const struct pn_system_call *what)
{
    for (int round = 0; round < 4; round++) {
        struct caller caller = {.once = round % 2 == 1, .has_blocked_all = round >= 2};
        start(&caller, what);
        until_blocked(&caller);
        pn_cancel_request(&caller.task);
        end(&caller);
        assert_int_equal(caller.result, -ECANCELED);
        assert_int_equal(caller.check, 0);
        assert_int_equal(caller.error_number, 77);
    }
}

/* What the program does with a signal. */
static inline void handle_by(int signal, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    must(sigaction(signal, &action, NULL) == 0);
}

#endif
