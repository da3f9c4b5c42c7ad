/* SPDX-License-Identifier: MIT
 *
 * The suite's part on what is the same for every call that waits for a descriptor.
 */
#include "suite_descriptor.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

typedef void body_fn(struct suite *suite, const struct waiting *waiting, void *on);

static void for_each_of(const struct waiting *waitings, struct suite *suite, body_fn *body)
{
    for (const struct waiting *waiting = waitings; waiting->name; waiting++) {
        suite_note(waiting->name);
        for (int is_nonblocking = 0; is_nonblocking < 2; is_nonblocking++) {
            void *on = waiting->init(is_nonblocking);
            if (!on) {
                print_message("no %s: it can't be had here\n", waiting->name);
                continue;
            }
            body(suite, waiting, on);
            waiting->fini(on, is_nonblocking);
        }
    }
    suite_note(NULL);
}

/* Runs body for each of them, with O_NONBLOCK and without. */
static void for_each(struct suite *suite, body_fn *body)
{
    for_each_of(pipe_waitings, suite, body);
    for_each_of(socket_waitings, suite, body);
}

static void expect_result(const struct waiting *waiting, ssize_t result)
{
    if (waiting->result) {
        EXPECT(result == waiting->result);
        return;
    }
    EXPECT(result >= 0);
    EXPECT(fcntl((int)result, F_GETFD) == FD_CLOEXEC);
    EXPECT((fcntl((int)result, F_GETFL) & O_NONBLOCK) == 0);
    EXPECT(close((int)result) == 0);
}

/* ---- outside tasks ---- */

static void give_what_is_there(struct suite *suite, const struct waiting *waiting,
                               void *on)
{
    waiting->let(on);
    errno = 77;
    expect_result(waiting, waiting->call(suite->io, on, PINION_FOREVER));
    assert_int_equal(errno, 77);
}

static void a_call_that_need_not_wait_does_not(struct suite *suite)
{
    for_each(suite, give_what_is_there);
}

static void be_late(struct suite *suite, const struct waiting *waiting, void *on)
{
    errno = 77;
    for (int64_t ns = -MS; ns <= 2 * MS; ns += MS) {
        const int64_t deadline = suite_now() + ns;
        assert_int_equal(waiting->call(suite->io, on, deadline), -ETIMEDOUT);
        assert_true(suite_now() >= deadline);
    }
    assert_int_equal(waiting->call(suite->io, on, INT64_MIN), -ETIMEDOUT);
    assert_int_equal(waiting->call(suite->io, on, 0), -ETIMEDOUT);
    assert_int_equal(errno, 77);
}

static void a_deadline_ends_the_wait_and_no_earlier(struct suite *suite)
{
    for_each(suite, be_late);
}

static void poll_what_is_there(struct suite *suite, const struct waiting *waiting,
                               void *on)
{
    waiting->let(on);
    expect_result(waiting, waiting->call(suite->io, on, INT64_MIN));
}

static void a_deadline_that_has_passed_gives_what_is_there(struct suite *suite)
{
    for_each(suite, poll_what_is_there);
}

static void poll_soon(struct suite *suite, const struct waiting *waiting, void *on)
{
    static uint32_t seed = 1;
    waiting->let(on);
    const int64_t deadline = suite_now() + suite_random(&seed) % (MS / 10);
    expect_result(waiting, waiting->call(suite->io, on, deadline));
}

/* Not of sockets: what was sent over the network may be on its way itself. */
static void a_deadline_that_passes_on_the_way_gives_what_is_there(struct suite *suite)
{
    for (int i = 0; i < SUITE_ROUNDS(16); i++)
        for_each_of(pipe_waitings, suite, poll_soon);
}

static void be_in_time(struct suite *suite, const struct waiting *waiting, void *on)
{
    waiting->let(on);
    expect_result(waiting, waiting->call(suite->io, on, suite_now() + HOUR));
}

static void a_deadline_that_is_far_changes_nothing(struct suite *suite)
{
    for_each(suite, be_in_time);
}

static void block_all_and_be_late(struct suite *suite, const struct waiting *waiting,
                                  void *on)
{
    sigset_t all, former, now;
    (void)sigfillset(&all);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &all, &former), 0);
    be_late(suite, waiting, on);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &former, &now), 0);
    for (int signal = 1; signal < 32; signal++)
        assert_int_equal(sigismember(&now, signal), signal != SIGKILL && signal != SIGSTOP);
}

static void a_thread_that_blocks_all_signals_has_deadlines_too(struct suite *suite)
{
    for_each(suite, block_all_and_be_late);
}

/* ---- in tasks ---- */

/* A call on a thread of its own, in a task. */
struct in_task {
    const struct waiting *waiting;
    void *on;
    int64_t deadline;
    _Atomic int tid; /* it is about to call */
    bool is_requested; /* a request comes, soon or late */
    ssize_t result;
    int check, after; /* cancelation points that follow */
};

static void call_it(struct within *within)
{
    struct in_task *call = within->extra;
    errno = 77;
    atomic_store(&call->tid, (int)gettid());
    call->result = call->waiting->call(within->io, call->on, call->deadline);
    EXPECT(errno == 77);
    while (call->is_requested && !pinion_cancel_requested(within->io))
        suite_yield();
    call->check = pinion_check_cancel(within->io);
    call->after = pinion_check_cancel(within->io);
}

static void start(struct suite *suite, struct within *within, struct in_task *call, bool canceled)
{
    within_start(suite, within, call_it, call, canceled);
}

static void until_asleep(const struct in_task *call)
{
    suite_until_holds(atomic_load(&call->tid) && sleeps(atomic_load(&call->tid)));
}

static void cancel_it_first(struct suite *suite, const struct waiting *waiting, void *on)
{
    for (int i = 0; i < 3; i++) {
        struct within within;
        struct in_task call = {.waiting = waiting, .on = on,
                               .deadline = i == 0 ? PINION_FOREVER : i == 1 ? 0 : INT64_MAX - 1};
        start(suite, &within, &call, true);
        within_end(&within);
        assert_int_equal(call.result, -ECANCELED);
        assert_int_equal(call.check, 0);
    }
    waiting->let(on); /* also where it need not wait, and nothing was done */
    struct within within;
    struct in_task call = {.waiting = waiting, .on = on, .deadline = PINION_FOREVER};
    start(suite, &within, &call, true);
    within_end(&within);
    assert_int_equal(call.result, -ECANCELED);
    expect_result(waiting, waiting->call(suite->io, on, PINION_FOREVER));
}

static void a_request_that_came_before_is_delivered_and_nothing_done(struct suite *suite)
{
    for_each(suite, cancel_it_first);
}

static void cancel_it(struct suite *suite, const struct waiting *waiting, void *on)
{
    for (int i = 0; i < 3; i++) {
        struct within within;
        struct in_task call = {.waiting = waiting, .on = on,
                               .deadline = i == 0 ? PINION_FOREVER : suite_now() + HOUR};
        start(suite, &within, &call, false);
        if (i < 2)
            until_asleep(&call);
        pinion_request_cancel(suite->io, &within.future);
        within_end(&within);
        assert_int_equal(call.result, -ECANCELED);
        assert_int_equal(call.check, 0);
    }
}

static void a_request_ends_the_wait(struct suite *suite) { for_each(suite, cancel_it); }

static void let_it(struct suite *suite, const struct waiting *waiting, void *on)
{
    struct within within;
    struct in_task call = {.waiting = waiting, .on = on, .deadline = PINION_FOREVER};
    start(suite, &within, &call, false);
    until_asleep(&call);
    waiting->let(on);
    within_end(&within);
    expect_result(waiting, call.result);
    assert_int_equal(call.check, 0);
}

static void a_call_that_waits_goes_on_when_it_can(struct suite *suite) { for_each(suite, let_it); }

/* Either the call gives what is there and the request stays, or the request is delivered and what
 * is there stays. */
static void race_it(struct suite *suite, const struct waiting *waiting, void *on)
{
    struct within within;
    struct in_task call = {.waiting = waiting, .on = on, .deadline = PINION_FOREVER,
                           .is_requested = true};
    start(suite, &within, &call, false);
    if (suite_now() % 2)
        until_asleep(&call);
    waiting->let(on);
    pinion_request_cancel(suite->io, &within.future);
    within_end(&within);
    if (call.result == -ECANCELED) {
        assert_int_equal(call.check, 0);
        expect_result(waiting, waiting->call(suite->io, on, PINION_FOREVER));
    } else {
        expect_result(waiting, call.result);
        assert_int_equal(call.check, -ECANCELED);
    }
    assert_int_equal(call.after, 0);
}

static void a_request_at_the_same_time_loses_nothing(struct suite *suite)
{
    for (int i = 0; i < SUITE_ROUNDS(8); i++)
        for_each(suite, race_it);
}

static void count_nothing(int signal) { (void)signal; }

static void interrupt_it(struct suite *suite, const struct waiting *waiting, void *on)
{
    struct within within;
    struct in_task call = {.waiting = waiting, .on = on, .deadline = PINION_FOREVER};
    start(suite, &within, &call, false);
    until_asleep(&call);
    for (int i = 0; i < 5; i++) { /* it is the signal that cancels use */
        assert_int_equal(tgkill(getpid(), atomic_load(&call.tid), SIGURG), 0);
        suite_yield();
    }
    waiting->let(on);
    within_end(&within);
    expect_result(waiting, call.result);
}

static void a_stray_signal_ends_no_wait(struct suite *suite) { for_each(suite, interrupt_it); }

struct outside {
    struct pinion_io *io;
    const struct waiting *waiting;
    void *on;
    _Atomic int tid;
    ssize_t result;
};

static void *call_outside(void *argument)
{
    struct outside *outside = argument;
    atomic_store(&outside->tid, (int)gettid());
    outside->result = outside->waiting->call(outside->io, outside->on, suite_now() + HOUR);
    return NULL;
}

/* Its handler does not restart what it interrupts. */
static void handle_it(struct suite *suite, const struct waiting *waiting, void *on)
{
    struct outside outside = {.io = suite->io, .waiting = waiting, .on = on};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, call_outside, &outside), 0);
    suite_until_holds(atomic_load(&outside.tid) && sleeps(atomic_load(&outside.tid)));
    for (int i = 0; i < 5; i++) {
        assert_int_equal(pthread_kill(thread, SIGUSR1), 0);
        suite_yield();
    }
    waiting->let(on);
    assert_int_equal(pthread_join(thread, NULL), 0);
    expect_result(waiting, outside.result);
}

static void a_handler_of_the_program_ends_no_wait(struct suite *suite)
{
    struct sigaction action = {.sa_handler = count_nothing}, former;
    assert_int_equal(sigaction(SIGUSR1, &action, &former), 0);
    for_each(suite, handle_it);
    assert_int_equal(sigaction(SIGUSR1, &former, NULL), 0);
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(a_call_that_need_not_wait_does_not),
    SUITE_TEST(a_deadline_ends_the_wait_and_no_earlier),
    SUITE_TEST(a_deadline_that_has_passed_gives_what_is_there),
    SUITE_TEST(a_deadline_that_passes_on_the_way_gives_what_is_there),
    SUITE_TEST(a_deadline_that_is_far_changes_nothing),
    SUITE_TEST(a_thread_that_blocks_all_signals_has_deadlines_too),
    SUITE_TEST(a_request_that_came_before_is_delivered_and_nothing_done),
    SUITE_TEST(a_request_ends_the_wait),
    SUITE_TEST(a_call_that_waits_goes_on_when_it_can),
    SUITE_TEST(a_request_at_the_same_time_loses_nothing),
    SUITE_TEST(a_stray_signal_ends_no_wait),
    SUITE_TEST(a_handler_of_the_program_ends_no_wait),
    {NULL, NULL},
};
