/* SPDX-License-Identifier: MIT
 *
 * The kernel's futex as pinion uses it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>

#include <cmocka.h>
#include <pthread.h>

#include "atomic.h"
#include "futex.h"

static void a_deadline_that_has_passed_times_out_at_once(void **state)
{
    _Atomic uint32_t word = 7;
    const int64_t past[] = {0, -1, INT64_MIN, 1, pn_now(), pn_now() - 1};
    (void)state;
    for (size_t i = 0; i < sizeof past / sizeof past[0]; i++)
        assert_int_equal(pn_futex_wait(&word, 7, past[i]), -ETIMEDOUT);
}

static void a_deadline_to_come_is_not_cut_short(void **state)
{
    _Atomic uint32_t word = 7;
    const int64_t deadline = pn_now() + 2000000;
    (void)state;
    while (pn_futex_wait(&word, 7, deadline) == 0) /* which may be for no reason */
        continue;
    assert_true(pn_now() >= deadline);
}

static void a_value_that_differs_does_not_wait(void **state)
{
    _Atomic uint32_t word = 7;
    (void)state;
    assert_int_equal(pn_futex_wait(&word, 8, INT64_MAX), 0);
    assert_int_equal(pn_futex_wait(&word, 8, INT64_MAX - 1), 0);
    assert_int_equal(pn_futex_wait(&word, 8, 0), 0);
}

static void errno_is_kept(void **state)
{
    _Atomic uint32_t word = 7;
    (void)state;
    errno = E2BIG;
    (void)pn_futex_wait(&word, 7, 0);
    assert_int_equal(errno, E2BIG);
    (void)pn_futex_wait(&word, 8, INT64_MAX);
    assert_int_equal(errno, E2BIG);
    pn_futex_wake(&word, 1);
    assert_int_equal(errno, E2BIG);
}

static void waking_memory_that_is_gone_is_harmless(void **state)
{
    (void)state;
    pn_futex_wake((_Atomic uint32_t *)(uintptr_t)64, 1);
}

static _Atomic uint32_t turn;

static void *answer(void *rounds)
{
    for (uint32_t i = 0; i < (uint32_t)(uintptr_t)rounds; i++) {
        while (pn_load_acquire(&turn) != 2 * i + 1)
            (void)pn_futex_wait(&turn, 2 * i, INT64_MAX);
        pn_store_release(&turn, 2 * i + 2);
        pn_futex_wake(&turn, 1);
    }
    return NULL;
}

static void two_threads_wake_each_other(void **state)
{
    pthread_t thread;
    const uint32_t rounds = 500;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, answer, (void *)(uintptr_t)rounds), 0);
    for (uint32_t i = 0; i < rounds; i++) {
        pn_store_release(&turn, 2 * i + 1);
        pn_futex_wake(&turn, 1);
        while (pn_load_acquire(&turn) != 2 * i + 2)
            (void)pn_futex_wait(&turn, 2 * i + 1, INT64_MAX);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void the_clock_does_not_go_back(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        const int64_t before = pn_now();
        assert_true(pn_now() >= before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_that_has_passed_times_out_at_once),
        cmocka_unit_test(a_deadline_to_come_is_not_cut_short),
        cmocka_unit_test(a_value_that_differs_does_not_wait),
        cmocka_unit_test(errno_is_kept),
        cmocka_unit_test(waking_memory_that_is_gone_is_harmless),
        cmocka_unit_test(two_threads_wake_each_other),
        cmocka_unit_test(the_clock_does_not_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
