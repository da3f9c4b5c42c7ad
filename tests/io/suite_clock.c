/* SPDX-License-Identifier: MIT
 *
 * The suite's part on the clock.
 */
#include "suite.h"

#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#define MS INT64_C(1000000)

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- now ---- */

static void now_is_the_time_of_the_clock_that_is_asked_for(struct suite *suite)
{
    const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME,
                                CLOCK_THREAD_CPUTIME_ID};
    for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
        const int64_t before = clock_ns(clocks[i]);
        const int64_t now = pinion_now(suite->io, clocks[i]);
        assert_true(before <= now && now <= clock_ns(clocks[i]));
    }
}

static void now_of_an_unknown_clock_is_refused(struct suite *suite)
{
    errno = 77;
    assert_int_equal(pinion_now(suite->io, 9999), -EINVAL);
    assert_int_equal(errno, 77);
}

/* ---- outside tasks ---- */

static void a_sleep_ends_no_earlier_than_asked(struct suite *suite)
{
    for (int64_t ms = 0; ms <= 2; ms++) {
        int64_t deadline = clock_ns(CLOCK_MONOTONIC) + ms * MS;
        assert_int_equal(pinion_sleep(suite->io, ms * MS), 0);
        assert_true(clock_ns(CLOCK_MONOTONIC) >= deadline);
        deadline = clock_ns(CLOCK_MONOTONIC) + ms * MS;
        assert_int_equal(pinion_sleep_until(suite->io, deadline), 0);
        assert_true(clock_ns(CLOCK_MONOTONIC) >= deadline);
    }
}

static void a_sleep_of_nothing_or_less_does_not_wait(struct suite *suite)
{
    static const int64_t none[] = {0, -1, -MS, INT64_MIN};
    errno = 77;
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_int_equal(pinion_sleep(suite->io, none[i]), 0);
        assert_int_equal(pinion_sleep_until(suite->io, none[i]), 0);
    }
    assert_int_equal(pinion_sleep_until(suite->io, clock_ns(CLOCK_MONOTONIC)), 0);
    assert_int_equal(errno, 77);
}

/* ---- in tasks ---- */

struct sleeper {
    struct pinion_io *io;
    struct gate gate;
    int64_t duration; /* of a sleep, or */
    int64_t deadline; /* 0, or that of a sleep_until */
    _Atomic int reached;
    int result, check;
};

PINION_TASK(void, sleep_long, (struct sleeper *, sleeper))
{
    gate_enter(&sleeper->gate);
    atomic_store(&sleeper->reached, 1);
    sleeper->result = sleeper->deadline ? pinion_sleep_until(sleeper->io, sleeper->deadline)
                                        : pinion_sleep(sleeper->io, sleeper->duration);
    sleeper->check = pinion_check_cancel(sleeper->io);
}

/* Cancels a sleep on a thread of its own: before it, or about when it has begun. */
static void expect_canceled(struct suite *suite, bool before, int64_t duration, int64_t deadline)
{
    struct sleeper sleeper = {.io = suite->io, .duration = duration, .deadline = deadline};
    struct sleep_long_future future;
    if (!suite->of->has_parallel)
        skip();
    gate_init(&sleeper.gate);
    assert_int_equal(sleep_long_parallel(suite->io, &future, &sleeper), 0);
    if (before)
        pinion_request_cancel(suite->io, &future.future);
    gate_open(&sleeper.gate);
    suite_until(&sleeper.reached, 1);
    for (int i = 0; !before && i < 20; i++) /* so that it sleeps, mostly */
        suite_yield();
    sleep_long_cancel(suite->io, &future);
    assert_int_equal(sleeper.result, -ECANCELED);
    assert_int_equal(sleeper.check, 0);
    gate_fini(&sleeper.gate);
}

static void a_request_ends_a_sleep_without_end(struct suite *suite)
{
    for (int i = 0; i < SUITE_ROUNDS(8); i++) {
        expect_canceled(suite, false, PINION_FOREVER, 0);
        expect_canceled(suite, false, 0, PINION_FOREVER);
    }
}

static void a_duration_whose_end_is_beyond_all_clocks_is_without_end(struct suite *suite)
{
    expect_canceled(suite, false, PINION_FOREVER - 1, 0);
    expect_canceled(suite, false, PINION_FOREVER - clock_ns(CLOCK_MONOTONIC), 0);
    expect_canceled(suite, false, PINION_FOREVER / 2, 0);
    expect_canceled(suite, false, 0, PINION_FOREVER - 1);
}

static void a_request_that_came_before_is_delivered_whether_or_not_it_would_wait(
    struct suite *suite)
{
    expect_canceled(suite, true, PINION_FOREVER, 0);
    expect_canceled(suite, true, 0, PINION_FOREVER);
    expect_canceled(suite, true, 0, 0);
    expect_canceled(suite, true, -1, 0);
    expect_canceled(suite, true, 0, 1);
    expect_canceled(suite, true, 0, INT64_MIN);
}

PINION_TASK(void, sleep_protected, (struct sleeper *, sleeper))
{
    gate_enter(&sleeper->gate);
    (void)pinion_cancel_protect(sleeper->io, true);
    sleeper->result = pinion_sleep_until(sleeper->io, sleeper->deadline);
    sleeper->check = pinion_now(sleeper->io, CLOCK_MONOTONIC) >= sleeper->deadline;
    (void)pinion_cancel_protect(sleeper->io, false);
    EXPECT(pinion_sleep(sleeper->io, 0) == -ECANCELED);
}

static void a_protected_task_sleeps_to_the_end(struct suite *suite)
{
    struct sleeper sleeper = {.io = suite->io};
    struct sleep_protected_future future;
    if (!suite->of->has_parallel)
        skip();
    gate_init(&sleeper.gate);
    assert_int_equal(sleep_protected_parallel(suite->io, &future, &sleeper), 0);
    pinion_request_cancel(suite->io, &future.future);
    sleeper.deadline = clock_ns(CLOCK_MONOTONIC) + 2 * MS;
    gate_open(&sleeper.gate);
    sleep_protected_await(suite->io, &future);
    assert_int_equal(sleeper.result, 0);
    assert_true(sleeper.check);
    gate_fini(&sleeper.gate);
}

PINION_TASK(int, sleep_briefly, (struct pinion_io *, io), (int64_t, deadline))
{
    const int error = pinion_sleep_until(io, deadline);
    EXPECT(error || pinion_now(io, CLOCK_MONOTONIC) >= deadline);
    return error;
}

/* The request comes before, at or after the end of the sleep: it is delivered by it, or stays. */
static void a_request_may_race_the_end_of_a_sleep(struct suite *suite)
{
    if (!suite->of->has_parallel)
        skip();
    for (int i = 0; i < SUITE_ROUNDS(100); i++) {
        const int64_t deadline = clock_ns(CLOCK_MONOTONIC) + i % 10 * MS / 20;
        struct sleep_briefly_future future;
        assert_int_equal(sleep_briefly_parallel(suite->io, &future, suite->io, deadline), 0);
        while (clock_ns(CLOCK_MONOTONIC) < deadline)
            suite_yield();
        const int error = sleep_briefly_cancel(suite->io, &future);
        assert_true(error == 0 || error == -ECANCELED);
    }
}

static void sleeps_of_several_tasks_pass_at_the_same_time(struct suite *suite)
{
    struct sleep_briefly_future futures[16];
    if (!suite->of->has_concurrent)
        skip();
    const int64_t deadline = clock_ns(CLOCK_MONOTONIC) + 2 * MS;
    for (int i = 0; i < 16; i++)
        assert_int_equal(sleep_briefly_concurrent(suite->io, &futures[i], suite->io, deadline), 0);
    for (int i = 0; i < 16; i++)
        assert_int_equal(sleep_briefly_await(suite->io, &futures[i]), 0);
    assert_true(clock_ns(CLOCK_MONOTONIC) >= deadline);
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(now_is_the_time_of_the_clock_that_is_asked_for),
    SUITE_TEST(now_of_an_unknown_clock_is_refused),
    SUITE_TEST(a_sleep_ends_no_earlier_than_asked),
    SUITE_TEST(a_sleep_of_nothing_or_less_does_not_wait),
    SUITE_TEST(a_request_ends_a_sleep_without_end),
    SUITE_TEST(a_duration_whose_end_is_beyond_all_clocks_is_without_end),
    SUITE_TEST(a_request_that_came_before_is_delivered_whether_or_not_it_would_wait),
    SUITE_TEST(a_protected_task_sleeps_to_the_end),
    SUITE_TEST(a_request_may_race_the_end_of_a_sleep),
    SUITE_TEST(sleeps_of_several_tasks_pass_at_the_same_time),
    {NULL, NULL},
};
