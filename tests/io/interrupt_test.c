/* SPDX-License-Identifier: MIT
 *
 * System calls that a request to cancel reaches, seen from inside: which, what else they do, and
 * the signal's disposition.
 */
#include "interrupt_support.h"

static _Atomic uint32_t word; /* a futex */

static _Atomic int handled;

static void count_handled(int signal)
{
    (void)signal;
    pn_fetch_add_relaxed(&handled, 1);
}

/* ---- calls that don't block ---- */

static void a_call_gives_what_the_kernel_gives(void **state)
{
    (void)state;
    struct pinion_task task;
    char page[4] = {0};
    const long size = sysconf(_SC_PAGESIZE);
    const int file = memfd_create("six arguments", MFD_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(pwrite(file, "two", 3, size), 3);
    for (int round = 0; round < 2; round++) { /* outside a task, then in one */
        errno = 78;
        assert_int_equal(pn_syscall(PN_SYSTEM_CALL(SYS_getppid, 0), true, INT64_MAX), getppid());
        assert_int_equal(pn_syscall(PN_SYSTEM_CALL(SYS_read, -1, 0, 0), true, INT64_MAX), -EBADF);
        assert_int_equal(pn_syscall_once(PN_SYSTEM_CALL(SYS_read, -1, 0, 0), true), -EBADF);
        const long address =
            pn_syscall(PN_SYSTEM_CALL(SYS_mmap, 0, size, PROT_READ, MAP_SHARED, file, size), true,
                       INT64_MAX);
        assert_true(address > 0);
        memcpy(page, (const void *)address, 3);
        assert_string_equal(page, "two");
        assert_int_equal(munmap((void *)address, (size_t)size), 0);
        assert_int_equal(errno, 78);
        enter_task(&task);
    }
    pn_context()->task = NULL;
    assert_int_equal(close(file), 0);
}

static void a_pending_request_is_delivered_before_the_call_does_anything(void **state)
{
    (void)state;
    struct pinion_task task;
    enter_task(&task);
    pn_cancel_request(&task);
    const struct pn_system_call *call = PN_SYSTEM_CALL(SYS_write, pipe_ends[1], PN_ADDRESS("a"), 1);
    assert_int_equal(pn_syscall(call, true, INT64_MAX), -ECANCELED);
    assert_true(pipe_is_empty());
    assert_int_equal(pn_syscall(call, true, INT64_MAX), 1);
    pinion_recancel(NULL);
    assert_int_equal(pn_syscall_once(call, true), -ECANCELED);
    pinion_recancel(NULL);
    assert_int_equal(pn_syscall(call, false, INT64_MAX), 1);
    task.is_protected = true;
    assert_int_equal(pn_syscall(call, true, INT64_MAX), 1);
    task.is_protected = false;
    assert_true(pn_cancel_deliver(&task)); /* it stayed pending */
    pn_context()->task = NULL;
    char bytes[4];
    assert_int_equal(read(pipe_ends[0], bytes, sizeof bytes), 3);
}

/* ---- calls that block ---- */

static void a_request_ends_any_call_that_blocks(void **state)
{
    (void)state;
    char byte;
    struct pollfd poller = {.fd = pipe_ends[0], .events = POLLIN};
    struct epoll_event event;
    struct timespec hour = {.tv_sec = 3600};
    siginfo_t info;
    sigset_t usr2;
    (void)sigemptyset(&usr2);
    (void)sigaddset(&usr2, SIGUSR2);
    expect_canceled(PN_SYSTEM_CALL(SYS_read, pipe_ends[0], PN_ADDRESS(&byte), 1));
    expect_canceled(PN_SYSTEM_CALL(SYS_accept4, listener, 0, 0, SOCK_CLOEXEC));
    expect_canceled(PN_SYSTEM_CALL(SYS_recvfrom, idle_socket, PN_ADDRESS(&byte), 1));
    expect_canceled(PN_SYSTEM_CALL(SYS_ppoll, PN_ADDRESS(&poller), 1, 0, 0));
    expect_canceled(PN_SYSTEM_CALL(SYS_ppoll, PN_ADDRESS(&poller), 1, PN_ADDRESS(&hour), 0));
    expect_canceled(PN_SYSTEM_CALL(SYS_epoll_pwait, epoll, PN_ADDRESS(&event), 1, -1));
    expect_canceled(PN_SYSTEM_CALL(SYS_epoll_pwait, epoll, PN_ADDRESS(&event), 1, 3600000));
    expect_canceled(PN_SYSTEM_CALL(SYS_futex, PN_ADDRESS(&word), FUTEX_WAIT_PRIVATE));
    expect_canceled(PN_SYSTEM_CALL(SYS_futex, PN_ADDRESS(&word), FUTEX_WAIT_PRIVATE, 0,
                                   PN_ADDRESS(&hour)));
    expect_canceled(PN_SYSTEM_CALL(SYS_rt_sigtimedwait, PN_ADDRESS(&usr2), PN_ADDRESS(&info), 0,
                                   _NSIG / 8));
    hour.tv_sec = 3600;
    expect_canceled(PN_SYSTEM_CALL(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, PN_ADDRESS(&hour),
                                   PN_ADDRESS(&hour)));
}

static void a_request_ends_a_wait_for_a_ring(void **state)
{
    (void)state;
    struct io_uring_params parameters = {0};
    const int ring = (int)syscall(SYS_io_uring_setup, 4, &parameters);
    if (ring < 0) {
        print_message("io_uring is not to be had: error %d\n", errno);
        skip();
    }
    expect_canceled(PN_SYSTEM_CALL(SYS_io_uring_enter, ring, 0, 1, IORING_ENTER_GETEVENTS));
    assert_int_equal(close(ring), 0);
}

static void a_request_ends_a_write_and_a_connect_that_block(void **state)
{
    (void)state;
    int full[2];
    char page[4096] = {0};
    assert_int_equal(pipe2(full, O_CLOEXEC | O_NONBLOCK), 0);
    while (write(full[1], page, sizeof page) > 0)
        continue;
    assert_int_equal(fcntl(full[1], F_SETFL, 0), 0);
    expect_canceled(PN_SYSTEM_CALL(SYS_write, full[1], PN_ADDRESS(page), sizeof page));
    assert_int_equal(close(full[0]) | close(full[1]), 0);

    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    int waiting[3];
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    for (int i = 0; i < 2; i++) { /* as many as listen's backlog lets through */
        waiting[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(waiting[i], (struct sockaddr *)&address, length), 0);
    }
    waiting[2] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    expect_canceled(PN_SYSTEM_CALL(SYS_connect, waiting[2], PN_ADDRESS(&address), (long)length));
    for (int i = 0; i < 2; i++)
        assert_int_equal(close(accept(listener, NULL, NULL)), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(close(waiting[i]), 0);
}

static void a_request_ends_a_wait_for_a_lock_of_a_file(void **state)
{
    (void)state;
    char name[64];
    const int mine = memfd_create("lock", MFD_CLOEXEC);
    (void)snprintf(name, sizeof name, "/proc/self/fd/%d", mine);
    const int other = open(name, O_RDWR | O_CLOEXEC);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    assert_true(mine >= 0 && other >= 0);
    assert_int_equal(fcntl(mine, F_OFD_SETLK, &lock), 0);
    expect_canceled(PN_SYSTEM_CALL(SYS_fcntl, other, F_OFD_SETLKW, PN_ADDRESS(&lock)));
    assert_int_equal(close(mine) | close(other), 0);
}

static void a_call_that_may_not_be_canceled_goes_on(void **state)
{
    (void)state;
    for (int round = 0; round < 4; round++) {
        struct caller caller = {.is_uncancelable = round < 2, .is_protected = round >= 2};
        char byte = 0;
        read_byte(&caller, &byte);
        until_blocked(&caller);
        pn_cancel_request(&caller.task);
        until_blocked(&caller);
        put_byte('u');
        end(&caller);
        assert_int_equal(caller.result, 1);
        assert_int_equal(byte, 'u');
        assert_int_equal(caller.check, -ECANCELED);
    }
}

static void errno_and_the_mask_stay_as_they_were(void **state)
{
    (void)state;
    for (int round = 0; round < 4; round++) {
        struct caller caller = {.has_blocked_all = round % 2};
        char byte;
        read_byte(&caller, &byte);
        until_blocked(&caller);
        if (round < 2)
            pn_cancel_request(&caller.task);
        else
            put_byte('m');
        end(&caller);
        assert_int_equal(caller.result, round < 2 ? -ECANCELED : 1);
        assert_int_equal(caller.error_number, 77);
        assert_false(caller.is_pending);
        for (int signal = 1; signal <= SIGRTMAX; signal++)
            if (signal != SIGKILL && signal != SIGSTOP && (signal < 32 || signal >= SIGRTMIN))
                assert_int_equal(sigismember(&caller.mask, signal), round % 2);
    }
}

/* ---- signals of others ---- */


/* So many that some come in each place. */
static void send_strays(struct caller *caller, int signal)
{
    for (int i = 0; i < ROUNDS(200); i++) {
        assert_int_equal(pthread_kill(caller->thread, signal), 0);
        if (i % 3 == 0)
            until_blocked(caller);
    }
    until_blocked(caller);
}

static void a_stray_signal_ends_no_wait(void **state)
{
    (void)state;
    /* A read that is not resumed by us is by the kernel, if there is the stub. */
    struct caller reader = {.has_blocked_all = true, .once = PN_STUB}, poller = {0};
    struct pollfd ready = {.fd = pipe_ends[0], .events = POLLIN};
    char byte = 0;
    start(&poller, PN_SYSTEM_CALL(SYS_ppoll, PN_ADDRESS(&ready), 1, 0, 0));
    until_blocked(&poller);
    send_strays(&poller, pn_interrupt_signal());
    put_byte('p');
    end(&poller);
    assert_int_equal(poller.result, 1);
    assert_int_equal(read(pipe_ends[0], &byte, 1), 1);

    read_byte(&reader, &byte);
    until_blocked(&reader);
    send_strays(&reader, pn_interrupt_signal());
    put_byte('s');
    end(&reader);
    assert_int_equal(reader.result, 1);
    assert_int_equal(byte, 's');
}

static void a_signal_of_the_program_interrupts_only_who_asks_for_it(void **state)
{
    (void)state;
    struct caller resuming = {0}, once = {.once = true};
    char byte = 0;
    handle_by(SIGUSR1, count_handled, 0);
    pn_store_relaxed(&handled, 0);
    read_byte(&resuming, &byte);
    until_blocked(&resuming);
    send_strays(&resuming, SIGUSR1);
    assert_true(pn_load_relaxed(&handled) > 0);
    pn_cancel_request(&resuming.task);
    end(&resuming);
    assert_int_equal(resuming.result, -ECANCELED);

    read_byte(&once, &byte);
    until_blocked(&once);
    assert_int_equal(pthread_kill(once.thread, SIGUSR1), 0);
    end(&once);
    assert_int_equal(once.result, -EINTR);
    assert_int_equal(once.check, 0);
    handle_by(SIGUSR1, SIG_DFL, 0);
}

/* A handler of the program that is on top of the call when the request comes: it returns when that
 * was made, and some more turns have passed. */
static _Atomic(struct pinion_task *) interrupted;
static _Atomic int inside;

static void stay_until_requested(int signal)
{
    (void)signal;
    const int saved = errno;
    struct pinion_task *task = pn_load_acquire(&interrupted);
    pn_store_release(&inside, 1);
    while (!(pn_load_acquire(&task->cancel) & PN_CANCEL_REQUESTED))
        (void)sched_yield();
    for (int i = 0; i < 20; i++)
        (void)sched_yield();
    errno = saved;
}

static void a_request_that_comes_under_a_handler_of_the_program_waits_for_it(void **state)
{
    (void)state;
    if (UNDER_TSAN)
        skip(); /* it puts handlers of the program off until a call that it knows */
    for (int round = 0; round < ROUNDS(400); round++) {
        struct caller caller = {0};
        char byte;
        handle_by(SIGUSR1, stay_until_requested, round % 2 ? SA_RESTART : 0);
        pn_store_relaxed(&inside, 0);
        pn_store_release(&interrupted, &caller.task);
        read_byte(&caller, &byte);
        if (round % 4 < 2)
            until_blocked(&caller);
        else
            until(pn_load_acquire(&caller.tid));
        assert_int_equal(pthread_kill(caller.thread, SIGUSR1), 0);
        until(pn_load_acquire(&inside));
        pn_cancel_request(&caller.task);
        end(&caller);
        assert_int_equal(caller.result, -ECANCELED);
        assert_false(caller.is_pending);
        assert_false(sigismember(&caller.mask, pn_interrupt_signal()));
    }
    handle_by(SIGUSR1, SIG_DFL, 0);
}

/* ---- code that knows of none of this ---- */

static _Atomic int foreign_tid;

static void *read_by_libc(void *task)
{
    char byte = 0;
    pn_context()->task = task;
    pn_store_release(&foreign_tid, (int)gettid());
    must(read(pipe_ends[0], &byte, 1) == 1 && byte == 'f');
    return NULL;
}

static void a_read_of_other_code_is_not_interrupted(void **state)
{
    (void)state;
    struct pinion_task task = {0};
    pthread_t thread;
    start_thread(&thread, read_by_libc, &task);
    until(pn_load_acquire(&foreign_tid) && sleeps(pn_load_relaxed(&foreign_tid)));
    pn_cancel_request(&task);
#if PN_STUB /* else the handler doesn't restart calls; then it is sent to who waits only */
    for (int i = 0; i < 100; i++)
        assert_int_equal(pthread_kill(thread, pn_interrupt_signal()), 0);
#endif
    until(sleeps(pn_load_relaxed(&foreign_tid)));
    put_byte('f');
    join_thread(thread);
    assert_true(pn_cancel_deliver(&task));
}

/* ---- the disposition. These hold and release by themselves ---- */

static void assert_is_default(int signal)
{
    struct sigaction action;
    assert_int_equal(sigaction(signal, NULL, &action), 0);
    assert_true(action.sa_handler == SIG_DFL);
}

static void assert_describes(const char *words)
{
    char given[PN_INTERRUPT_WORDS];
    pn_interrupt_describe(given, sizeof given);
    assert_string_equal(given, words);
}

static void expect_read_canceled(void)
{
    char byte;
    expect_canceled(PN_SYSTEM_CALL(SYS_read, pipe_ends[0], PN_ADDRESS(&byte), 1));
}

static int set_up_pipe(void **state)
{
    (void)state;
    return pipe2(pipe_ends, O_CLOEXEC);
}

static int tear_down_pipe(void **state)
{
    (void)state;
    return close(pipe_ends[0]) | close(pipe_ends[1]);
}

static void the_last_holder_restores_the_default(void **state)
{
    (void)state;
    struct sigaction action;
    for (int round = 0; round < 2; round++) {
        assert_is_default(SIGURG);
        assert_int_equal(pn_interrupt_signal(), 0);
        pn_interrupt_hold();
        pn_interrupt_hold();
        assert_int_equal(pn_interrupt_signal(), SIGURG);
        assert_describes("cancels interrupt system calls by SIGURG");
        assert_int_equal(sigaction(SIGURG, NULL, &action), 0);
        assert_true(action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN);
        assert_int_equal(action.sa_flags & (SA_SIGINFO | SA_ONSTACK), SA_SIGINFO | SA_ONSTACK);
        assert_int_equal(action.sa_flags & SA_RESTART, PN_STUB ? SA_RESTART : 0);
        pn_interrupt_release();
        assert_int_equal(pn_interrupt_signal(), SIGURG);
        expect_read_canceled();
        pn_interrupt_release();
    }
    assert_is_default(SIGURG);
    assert_int_equal(pn_interrupt_signal(), 0);
}

static void a_handler_of_the_program_is_left_alone_and_the_next_signal_taken(void **state)
{
    (void)state;
    struct sigaction action;
    char words[PN_INTERRUPT_WORDS];
    pn_store_relaxed(&handled, 0);
    handle_by(SIGURG, count_handled, 0);
    for (int taken = 0; taken < 3; taken++) {
        const int signal = SIGRTMIN + taken;
        pn_interrupt_hold();
        assert_int_equal(pn_interrupt_signal(), signal);
        (void)snprintf(words, sizeof words,
                       taken ? "cancels interrupt system calls by SIGRTMIN+%d, since the program "
                               "handles SIGURG"
                             : "cancels interrupt system calls by SIGRTMIN, since the program "
                               "handles SIGURG",
                       taken);
        assert_describes(words);
        expect_read_canceled();
        pn_interrupt_release();
        assert_is_default(signal);
        assert_int_equal(sigaction(SIGURG, NULL, &action), 0);
        assert_true(action.sa_handler == count_handled);
        handle_by(signal, count_handled, 0);
    }
    assert_int_equal(pn_load_relaxed(&handled), 0);
    assert_int_equal(raise(SIGURG), 0);
    assert_int_equal(pn_load_relaxed(&handled), 1);
    for (int signal = SIGRTMIN; signal < SIGRTMIN + 3; signal++)
        handle_by(signal, SIG_DFL, 0);
    handle_by(SIGURG, SIG_IGN, 0);
    pn_interrupt_hold();
    assert_describes("cancels interrupt system calls by SIGRTMIN, since the program ignores "
                     "SIGURG");
    pn_interrupt_release();
    handle_by(SIGURG, SIG_DFL, 0);
}

static void a_handler_that_was_replaced_meanwhile_is_not_touched(void **state)
{
    (void)state;
    struct sigaction action;
    pn_interrupt_hold();
    handle_by(SIGURG, count_handled, 0);
    assert_describes("cancels do not interrupt system calls, since the program has replaced the "
                     "handler of SIGURG");
    pn_interrupt_release();
    assert_int_equal(sigaction(SIGURG, NULL, &action), 0);
    assert_true(action.sa_handler == count_handled);
    handle_by(SIGURG, SIG_DFL, 0);
}

static void without_a_free_signal_calls_are_canceled_before_they_begin_only(void **state)
{
    (void)state;
    struct caller caller = {0};
    char byte = 0;
    handle_by(SIGURG, count_handled, 0);
    for (int signal = SIGRTMIN; signal <= SIGRTMAX; signal++)
        handle_by(signal, SIG_IGN, 0);
    pn_interrupt_hold();
    assert_int_equal(pn_interrupt_signal(), 0);
    assert_describes("cancels do not interrupt system calls, since the program handles SIGURG and "
                     "all real-time signals are taken");
    read_byte(&caller, &byte);
    until_blocked(&caller);
    pn_cancel_request(&caller.task);
    until_blocked(&caller);
    put_byte('w');
    end(&caller);
    assert_int_equal(caller.result, 1);
    assert_int_equal(byte, 'w');
    assert_int_equal(caller.check, -ECANCELED);
    pn_interrupt_release();
    handle_by(SIGURG, SIG_DFL, 0);
    for (int signal = SIGRTMIN; signal <= SIGRTMAX; signal++)
        handle_by(signal, SIG_DFL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_gives_what_the_kernel_gives),
        cmocka_unit_test(a_pending_request_is_delivered_before_the_call_does_anything),
        cmocka_unit_test(a_request_ends_any_call_that_blocks),
        cmocka_unit_test(a_request_ends_a_wait_for_a_ring),
        cmocka_unit_test(a_request_ends_a_write_and_a_connect_that_block),
        cmocka_unit_test(a_request_ends_a_wait_for_a_lock_of_a_file),
        cmocka_unit_test(a_call_that_may_not_be_canceled_goes_on),
        cmocka_unit_test(errno_and_the_mask_stay_as_they_were),
        cmocka_unit_test(a_stray_signal_ends_no_wait),
        cmocka_unit_test(a_signal_of_the_program_interrupts_only_who_asks_for_it),
        cmocka_unit_test(a_request_that_comes_under_a_handler_of_the_program_waits_for_it),
        cmocka_unit_test(a_read_of_other_code_is_not_interrupted),
    };
    const struct CMUnitTest dispositions[] = {
        cmocka_unit_test(the_last_holder_restores_the_default),
        cmocka_unit_test(a_handler_of_the_program_is_left_alone_and_the_next_signal_taken),
        cmocka_unit_test(a_handler_that_was_replaced_meanwhile_is_not_touched),
        cmocka_unit_test(without_a_free_signal_calls_are_canceled_before_they_begin_only),
    };
    const int failed = cmocka_run_group_tests(tests, set_up, tear_down);
    return cmocka_run_group_tests(dispositions, set_up_pipe, tear_down_pipe) || failed;
}
