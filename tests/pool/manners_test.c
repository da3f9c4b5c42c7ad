/* SPDX-License-Identifier: MIT
 *
 * The floating-point modes that a pool's threads begin tasks with, and what making and ending a
 * pool leaves as it was.
 */
#include "support.h"

#include <fenv.h>
#include <signal.h>

#include "../flushing.h"

struct seen {
    int rounding;
    bool flushes;
};

static struct seen see(void) { return (struct seen){fegetround(), flushes()}; }

PINION_TASK(struct seen, look_and_spoil)
{
    const struct seen seen = see();
    (void)fesetround(FE_DOWNWARD);
    flush(true);
    return seen;
}

PINION_TASK(void, look_for_nobody, (struct seen *, seen), (atomic_uint *, done))
{
    *seen = look_and_spoil();
    atomic_fetch_add(done, 1);
}

/* Makes threads while the modes are others. */
PINION_TASK(struct seen, spoil_and_start, (struct pinion_io *, io))
{
    struct look_and_spoil_future future;
    (void)look_and_spoil();
    must(look_and_spoil_parallel(io, &future) == 0);
    return look_and_spoil_await(io, &future);
}

static void must_see(struct seen seen, int rounding)
{
    must(seen.rounding == rounding);
    must(!seen.flushes);
}

static void threads_begin_each_task_with_the_modes_of_who_made_the_pool(void **state)
{
    (void)state;
    const int roundings[] = {FE_UPWARD, FE_TONEAREST};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fesetround(roundings[i]), 0);
        struct pinion_pool *pool = pool_of(2);
        struct pinion_io *io = pinion_pool_io(pool);
        assert_int_equal(fesetround(FE_TOWARDZERO), 0);
        for (int round = 0; round < 5; round++) {
            struct look_and_spoil_future parallel;
            assert_int_equal(look_and_spoil_parallel(io, &parallel), 0);
            must_see(look_and_spoil_await(io, &parallel), roundings[i]);
            struct seen seen = {0};
            atomic_uint done = 0;
            look_for_nobody_detached(io, &seen, &done);
            wait_until(atomic_load(&done) == 1);
            must_see(seen, roundings[i]);
            struct spoil_and_start_future starter;
            assert_int_equal(spoil_and_start_concurrent(io, &starter, io), 0);
            must_see(spoil_and_start_await(io, &starter), roundings[i]);
        }
        pinion_pool_destroy(pool);
        assert_int_equal(fegetround(), FE_TOWARDZERO);
    }
    assert_int_equal(fesetround(FE_TONEAREST), 0);
}

static void must_be_ours(int rounding, const sigset_t *ours)
{
    sigset_t mask;
    must(errno == ENOTTY);
    must(fegetround() == rounding);
    must(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0);
    for (int signal = 1; signal < 32; signal++)
        must(sigismember(&mask, signal) == sigismember(ours, signal));
}

static void making_asking_and_ending_leave_errno_mask_and_modes(void **state)
{
    (void)state;
    sigset_t ours, former;
    (void)sigemptyset(&ours);
    (void)sigaddset(&ours, SIGUSR2);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &ours, &former), 0);
    assert_int_equal(fesetround(FE_UPWARD), 0);
    errno = ENOTTY;
    struct pinion_pool *pool = pool_of(3);
    must_be_ours(FE_UPWARD, &ours);
    struct pinion_worker_stats rows[8];
    (void)pinion_pool_workers(pool, rows, 8);
    (void)stats_of(pool);
    must_be_ours(FE_UPWARD, &ours);
    for (int i = 0; i < 20; i++) {
        struct look_and_spoil_future futures[2];
        for (int n = 0; n < 2; n++)
            assert_int_equal(look_and_spoil_parallel(pinion_pool_io(pool), &futures[n]), 0);
        for (int n = 0; n < 2; n++)
            (void)look_and_spoil_await(pinion_pool_io(pool), &futures[n]);
    }
    must_be_ours(FE_UPWARD, &ours);
    pinion_pool_destroy(pool);
    must_be_ours(FE_UPWARD, &ours);
    (void)pinion_default_io();
    must_be_ours(FE_UPWARD, &ours);
    assert_int_equal(fesetround(FE_TONEAREST), 0);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &former, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_begin_each_task_with_the_modes_of_who_made_the_pool),
        cmocka_unit_test(making_asking_and_ending_leave_errno_mask_and_modes),
    };
    return cmocka_run_group_tests_name("pool manners", tests, NULL, NULL);
}
