/* SPDX-License-Identifier: MIT
 *
 * The suite's part on waiting for signals. The program's one thread blocks those that it waits for.
 */
#include "suite.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

static int64_t clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static sigset_t set_of(int one, int other)
{
    sigset_t set;
    (void)sigemptyset(&set);
    if (one)
        (void)sigaddset(&set, one);
    if (other)
        (void)sigaddset(&set, other);
    return set;
}

static void block(void)
{
    const sigset_t set = set_of(SIGUSR1, SIGUSR2);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
}

static void send_signal(int signal) { assert_int_equal(kill(getpid(), signal), 0); }

static bool is_pending(int signal)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, signal) == 1;
}

/* ---- outside tasks ---- */

static void a_signal_that_is_pending_is_taken_at_once(struct suite *suite)
{
    const sigset_t both = set_of(SIGUSR1, SIGUSR2), first = set_of(SIGUSR1, 0);
    block();
    errno = 77;
    send_signal(SIGUSR2);
    assert_int_equal(pinion_signal_wait(suite->io, &first, 0), -ETIMEDOUT);
    assert_true(is_pending(SIGUSR2));
    assert_int_equal(pinion_signal_wait(suite->io, &both, 0), SIGUSR2);
    assert_false(is_pending(SIGUSR2));
    send_signal(SIGUSR1);
    send_signal(SIGUSR2);
    const int one = pinion_signal_wait(suite->io, &both, PINION_FOREVER);
    const int other = pinion_signal_wait(suite->io, &both, clock_ns() + INT64_C(3600000000000));
    assert_true(one != other && one + other == SIGUSR1 + SIGUSR2);
    assert_int_equal(pinion_signal_wait(suite->io, &both, INT64_MIN), -ETIMEDOUT);
    assert_int_equal(errno, 77);
}

static void a_deadline_ends_the_wait_and_no_earlier(struct suite *suite)
{
    const sigset_t set = set_of(SIGUSR1, 0);
    block();
    for (int64_t ns = -1000000; ns <= 2000000; ns += 1000000) {
        const int64_t deadline = clock_ns() + ns;
        assert_int_equal(pinion_signal_wait(suite->io, &set, deadline), -ETIMEDOUT);
        assert_true(clock_ns() >= deadline);
    }
}

static void a_set_that_cannot_be_waited_for_is_refused(struct suite *suite)
{
    const sigset_t empty = set_of(0, 0), never[] = {set_of(SIGUSR1, SIGKILL),
                                                    set_of(SIGSTOP, SIGUSR1)};
    block();
    send_signal(SIGUSR1);
    assert_int_equal(pinion_signal_wait(suite->io, &empty, PINION_FOREVER), -EINVAL);
    assert_int_equal(pinion_signal_wait(suite->io, NULL, PINION_FOREVER), -EINVAL);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pinion_signal_wait(suite->io, &never[i], PINION_FOREVER), -EINVAL);
    const sigset_t set = set_of(SIGUSR1, 0);
    assert_int_equal(pinion_signal_wait(suite->io, &set, 0), SIGUSR1);
}

static _Atomic int handled, is_waiting;

static void count_handled(int signal)
{
    (void)signal;
    atomic_fetch_add(&handled, 1);
}

static void *wait_for_usr1(void *io)
{
    const sigset_t set = set_of(SIGUSR1, 0), other = set_of(SIGUSR2, 0);
    EXPECT(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    EXPECT(pthread_sigmask(SIG_UNBLOCK, &other, NULL) == 0);
    atomic_store(&is_waiting, 1);
    EXPECT(pinion_signal_wait(io, &set, PINION_FOREVER) == SIGUSR1);
    suite_until(&handled, 1); /* here: a sanitizer may put handlers off until a later call */
    return NULL;
}

static void the_handler_of_another_signal_ends_no_wait(struct suite *suite)
{
    struct sigaction action = {.sa_handler = count_handled}, former;
    pthread_t thread;
    block();
    atomic_store(&handled, 0);
    atomic_store(&is_waiting, 0);
    assert_int_equal(sigaction(SIGUSR2, &action, &former), 0);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_usr1, suite->io), 0);
    suite_until(&is_waiting, 1);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(pthread_kill(thread, SIGUSR2), 0);
        suite_yield();
    }
    assert_int_equal(pthread_kill(thread, SIGUSR1), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(sigaction(SIGUSR2, &former, NULL), 0);
}

/* ---- in tasks ---- */

struct waits {
    struct pinion_io *io;
    struct gate gate;
    bool is_requested; /* a request comes, soon or late */
    _Atomic int reached;
    int result, check;
};

PINION_TASK(void, wait_in_task, (struct waits *, waits))
{
    const sigset_t set = set_of(SIGUSR1, 0);
    gate_enter(&waits->gate);
    atomic_store(&waits->reached, 1);
    waits->result = pinion_signal_wait(waits->io, &set, PINION_FOREVER);
    while (waits->is_requested && !pinion_cancel_requested(waits->io))
        suite_yield();
    waits->check = pinion_check_cancel(waits->io);
}

static void start(struct suite *suite, struct waits *waits, struct wait_in_task_future *future)
{
    if (!suite->of->has_parallel)
        skip();
    block();
    waits->io = suite->io;
    gate_init(&waits->gate);
    assert_int_equal(wait_in_task_parallel(suite->io, future, waits), 0);
}

/* … and lets it go, mostly so far that it is in its wait. */
static void let_wait(struct waits *waits, int turns)
{
    gate_open(&waits->gate);
    suite_until(&waits->reached, 1);
    while (turns-- > 0)
        suite_yield();
}

static void end(struct waits *waits, int result)
{
    assert_int_equal(waits->result, result);
    assert_int_equal(waits->check, 0);
    gate_fini(&waits->gate);
}

static void a_task_is_given_the_signal_that_comes_while_it_waits(struct suite *suite)
{
    for (int i = 0; i < SUITE_ROUNDS(8); i++) {
        struct waits waits = {0};
        struct wait_in_task_future future;
        start(suite, &waits, &future);
        let_wait(&waits, i);
        send_signal(SIGUSR1);
        wait_in_task_await(suite->io, &future);
        end(&waits, SIGUSR1);
    }
}

static void a_request_ends_the_wait(struct suite *suite)
{
    for (int i = 0; i < SUITE_ROUNDS(16); i++) {
        struct waits waits = {0};
        struct wait_in_task_future future;
        start(suite, &waits, &future);
        let_wait(&waits, i);
        wait_in_task_cancel(suite->io, &future);
        end(&waits, -ECANCELED);
    }
}

static void a_request_that_came_before_is_delivered_and_the_signal_stays(struct suite *suite)
{
    const sigset_t set = set_of(SIGUSR1, 0);
    struct waits waits = {0};
    struct wait_in_task_future future;
    start(suite, &waits, &future);
    send_signal(SIGUSR1);
    pinion_request_cancel(suite->io, &future.future);
    gate_open(&waits.gate);
    wait_in_task_await(suite->io, &future);
    assert_int_equal(waits.result, -ECANCELED);
    assert_int_equal(pinion_signal_wait(suite->io, &set, 0), SIGUSR1);
    gate_fini(&waits.gate);
}

/* Signal and request at once: the signal is returned and the request stays, or the request is
 * delivered and the signal stays. */
static void a_signal_is_not_lost_to_a_request_that_comes_at_the_same_time(struct suite *suite)
{
    const sigset_t set = set_of(SIGUSR1, 0);
    for (int i = 0; i < SUITE_ROUNDS(100); i++) {
        struct waits waits = {.is_requested = true};
        struct wait_in_task_future future;
        start(suite, &waits, &future);
        gate_open(&waits.gate);
        suite_until(&waits.reached, i % 2);
        if (i % 4 < 2)
            send_signal(SIGUSR1);
        pinion_request_cancel(suite->io, &future.future);
        if (i % 4 >= 2)
            send_signal(SIGUSR1);
        wait_in_task_await(suite->io, &future);
        if (waits.result == -ECANCELED) {
            assert_int_equal(waits.check, 0);
            assert_int_equal(pinion_signal_wait(suite->io, &set, 0), SIGUSR1);
        } else {
            assert_int_equal(waits.result, SIGUSR1);
            assert_int_equal(waits.check, -ECANCELED);
        }
        assert_false(is_pending(SIGUSR1));
        gate_fini(&waits.gate);
    }
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(a_signal_that_is_pending_is_taken_at_once),
    SUITE_TEST(a_deadline_ends_the_wait_and_no_earlier),
    SUITE_TEST(a_set_that_cannot_be_waited_for_is_refused),
    SUITE_TEST(the_handler_of_another_signal_ends_no_wait),
    SUITE_TEST(a_task_is_given_the_signal_that_comes_while_it_waits),
    SUITE_TEST(a_request_ends_the_wait),
    SUITE_TEST(a_request_that_came_before_is_delivered_and_the_signal_stays),
    SUITE_TEST(a_signal_is_not_lost_to_a_request_that_comes_at_the_same_time),
    {NULL, NULL},
};
