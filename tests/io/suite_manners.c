/* SPDX-License-Identifier: MIT
 *
 * The suite's part on what calls leave as it was: errno, the signal mask and the floating-point
 * modes of the caller, also when a task that ran in the caller changed them.
 */
#include "suite.h"

#include <errno.h>
#include <fenv.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

static const int roundings[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
enum { ROUNDINGS = sizeof roundings / sizeof roundings[0], OURS = ENOTTY, THEIRS = EDOM };

/* A task without manners. */
PINION_TASK(int, spoil, (int, rounding))
{
    errno = THEIRS;
    (void)fesetround(rounding);
    return 1;
}

static void spoil_raw(const void *context, void *result)
{
    (void)context;
    (void)result;
    (void)spoil(FE_UPWARD);
}

static void spoil_part(void *context, size_t begin, size_t end)
{
    (void)begin;
    (void)end;
    (void)spoil(*(const int *)context);
}

/* What must be the same after a call as before. */
struct manners {
    int rounding;
    sigset_t mask;
};

static void take_note(struct manners *manners)
{
    errno = OURS;
    manners->rounding = fegetround();
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &manners->mask), 0);
}

static void check(const struct manners *manners, const char *after)
{
    sigset_t mask;
    if (errno != OURS)
        fail_msg("errno is %d after %s", errno, after);
    if (fegetround() != manners->rounding)
        fail_msg("the rounding is %d, not %d, after %s", fegetround(), manners->rounding, after);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
    for (int signal = 1; signal < 32; signal++)
        if (sigismember(&mask, signal) != sigismember(&manners->mask, signal))
            fail_msg("signal %d of the mask is another after %s", signal, after);
    errno = OURS;
}

/* Not by the typed wrapper, which may be a plain call of the function. */
static struct spoil_future spoil_untyped(struct pinion_io *io, int rounding)
{
    const struct spoil_args arguments = {rounding};
    const struct pinion_call call = spoil_call(&arguments);
    struct spoil_future future;
    pinion_async(io, &call, &future.result, &future.future);
    return future;
}

static void call_all(struct suite *suite, int rounding)
{
    struct pinion_io *io = suite->io;
    const struct pinion_call call = {.start = spoil_raw};
    struct manners manners;
    struct spoil_future future;
    struct pinion_future *futures[] = {&future.future};
    take_note(&manners);

    future = spoil_untyped(io, rounding);
    check(&manners, "async");
    pinion_request_cancel(io, &future.future);
    check(&manners, "request_cancel");
    assert_int_equal(pinion_select(io, futures, 1, PINION_FOREVER), 0);
    check(&manners, "select");
    assert_int_equal(spoil_await(io, &future), 1);
    check(&manners, "await");
    future = spoil_untyped(io, rounding);
    check(&manners, "async");
    assert_int_equal(spoil_cancel(io, &future), 1);
    check(&manners, "cancel");
    pinion_async_detached(io, &call);
    check(&manners, "detached");
    if (spoil_concurrent(io, &future, rounding) == 0) {
        check(&manners, "concurrent");
        assert_int_equal(spoil_await(io, &future), 1);
        check(&manners, "await");
    }
    if (spoil_parallel(io, &future, rounding) == 0) {
        check(&manners, "parallel");
        assert_int_equal(spoil_await(io, &future), 1);
        check(&manners, "await");
    }
    assert_int_equal(pinion_blocking(io, &call, NULL), 0);
    check(&manners, "blocking");
    pinion_yield(io);
    check(&manners, "yield");
    struct pinion_group group = PINION_GROUP_INIT;
    for (int i = 0; i < 4; i++)
        pinion_group_async(io, &group, &call);
    check(&manners, "group_async");
    assert_int_equal(pinion_group_await(io, &group), 0);
    check(&manners, "group_await");
    pinion_group_async(io, &group, &call);
    pinion_group_cancel(io, &group);
    check(&manners, "group_cancel");
    pinion_parallel_for(io, 0, 8, 1, spoil_part, &rounding);
    check(&manners, "parallel_for");
    struct pinion_semaphore semaphore = {0};
    assert_int_equal(pinion_semaphore_wait_until(io, &semaphore, 0), -ETIMEDOUT);
    check(&manners, "semaphore_wait_until");
    assert_int_equal(pinion_sleep(io, 1000), 0);
    check(&manners, "sleep");
}

static void calls_leave_errno_mask_and_modes_as_they_were(struct suite *suite)
{
    sigset_t some, former;
    (void)sigemptyset(&some);
    (void)sigaddset(&some, SIGUSR1);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &some, &former), 0);
    const int rounding = fegetround();
    for (int ours = 0; ours < ROUNDINGS; ours++)
        for (int theirs = 0; theirs < ROUNDINGS; theirs++) {
            assert_int_equal(fesetround(roundings[ours]), 0);
            call_all(suite, roundings[theirs]);
        }
    assert_int_equal(fesetround(rounding), 0);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &former, NULL), 0);
}

/* Queued tasks that nobody else takes: they run in the await and in the select. */
static void claimed_tasks_leave_errno_and_modes_as_they_were(struct suite *suite)
{
    struct held held;
    struct manners manners;
    suite_hold(suite, &held);
    take_note(&manners);
    for (int i = 0; i < ROUNDINGS; i++) {
        struct spoil_future first = spoil_untyped(suite->io, roundings[i]);
        struct spoil_future second = spoil_untyped(suite->io, roundings[i]);
        struct pinion_future *futures[] = {&first.future, &second.future};
        check(&manners, "async");
        assert_true(pinion_select(suite->io, futures, 2, PINION_FOREVER) >= 0);
        check(&manners, "select");
        assert_int_equal(spoil_await(suite->io, &first), 1);
        check(&manners, "await");
        assert_int_equal(spoil_await(suite->io, &second), 1);
        check(&manners, "await");
    }
    suite_release(suite, &held);
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(calls_leave_errno_mask_and_modes_as_they_were),
    SUITE_TEST(claimed_tasks_leave_errno_and_modes_as_they_were),
    {NULL, NULL},
};
