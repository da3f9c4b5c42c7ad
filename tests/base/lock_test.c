/* SPDX-License-Identifier: MIT
 *
 * The lock of one word.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <sched.h>

#include <cmocka.h>
#include <pthread.h>

#include "atomic.h"
#include "lock.h"

#define THREADS 4
#define ROUNDS  20000

struct counted {
    _Atomic uint32_t lock;
    unsigned count; /* under lock */
    _Atomic unsigned done;
};

static void *count_up(void *argument)
{
    struct counted *counted = argument;
    for (int i = 0; i < ROUNDS; i++) {
        pn_lock(&counted->lock);
        counted->count++;
        pn_unlock(&counted->lock);
    }
    return NULL;
}

static void one_thread_holds_it_at_a_time(void **state)
{
    struct counted counted = {0};
    pthread_t threads[THREADS];
    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, &counted), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(counted.count, THREADS * ROUNDS);
    assert_int_equal(pn_load_relaxed(&counted.lock), 0); /* as a new one */
}

static void *take_once(void *argument)
{
    struct counted *counted = argument;
    errno = ENOTTY;
    pn_lock(&counted->lock);
    counted->count++;
    pn_unlock(&counted->lock);
    pn_fetch_add_relaxed(&counted->done, errno == ENOTTY ? 1u : 0u);
    return NULL;
}

static void who_sleeps_for_it_is_woken_one_after_the_other(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct counted counted = {0};
        pthread_t threads[THREADS];
        pn_lock(&counted.lock);
        const uint32_t held = pn_load_relaxed(&counted.lock);
        for (int j = 0; j < THREADS; j++)
            assert_int_equal(pthread_create(&threads[j], NULL, take_once, &counted), 0);
        while (pn_load_relaxed(&counted.lock) == held) /* until one is past its spinning */
            (void)sched_yield();
        assert_int_equal(counted.count, 0);
        pn_unlock(&counted.lock);
        for (int j = 0; j < THREADS; j++)
            assert_int_equal(pthread_join(threads[j], NULL), 0);
        assert_int_equal(counted.count, THREADS);
        assert_int_equal(pn_load_relaxed(&counted.done), THREADS); /* errno was kept */
        assert_int_equal(pn_load_relaxed(&counted.lock), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_holds_it_at_a_time),
        cmocka_unit_test(who_sleeps_for_it_is_woken_one_after_the_other),
    };
    return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
