/* SPDX-License-Identifier: MIT
 *
 * As defects_test.c: defects of the original design's queues, mutexes and conditions, each as a
 * test that fails where pinion has it too. More of the same, on every implementation, is in the
 * suite.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pinion.h>

static struct pinion_pool *pool;
static struct pinion_io *io;

static int make_pool(void **state)
{
    const struct pinion_pool_options options = {.cpu_count = 2};
    const int error = pinion_pool_create(&options, &pool);
    (void)state;
    io = error ? NULL : pinion_pool_io(pool);
    return error;
}

static int destroy_pool(void **state)
{
    (void)state;
    pinion_pool_destroy(pool);
    return 0;
}

/* Until it waits, mostly. */
static void linger(const _Atomic int *begun)
{
    while (!atomic_load(begun))
        (void)sched_yield();
    for (int i = 0; i < 100; i++)
        (void)sched_yield();
}

PINION_QUEUE(int, number_queue)

PINION_TASK(int, put_all, (struct number_queue *, queue), (const int *, items), (size_t, count),
            (_Atomic int *, begun))
{
    atomic_store(begun, 1);
    return (int)number_queue_put(io, queue, items, count, count);
}

PINION_TASK(int, get_some, (struct number_queue *, queue), (int *, items), (size_t, count),
            (size_t, min), (_Atomic int *, begun))
{
    atomic_store(begun, 1);
    return (int)number_queue_get(io, queue, items, count, min);
}

/* B.4: a ring that was full looked empty, and a put that wrapped round wrote over what was not yet
 * read. */
static void a_full_queue_is_not_empty_and_a_wrapped_put_overwrites_nothing(void **state)
{
    int storage[4], items[] = {1, 2, 3, 4, 5, 6, 7}, got[7] = {0};
    struct number_queue queue;
    (void)state;
    number_queue_init(&queue, storage, 4);
    assert_int_equal(number_queue_put(io, &queue, items, 4, 4), 4);
    assert_int_equal(number_queue_put(io, &queue, items, 1, 0), 0);
    assert_int_equal(number_queue_get(io, &queue, got, 3, 3), 3);
    assert_int_equal(number_queue_put(io, &queue, items + 4, 3, 1), 3);
    assert_int_equal(number_queue_put(io, &queue, items, 1, 0), 0);
    assert_int_equal(number_queue_get(io, &queue, got + 3, 4, 4), 4);
    assert_memory_equal(got, items, sizeof items);
}

/* B.5: where the items of a put that waits were taken over in two parts, the second was counted as
 * the first: items were skipped or came twice. */
static void a_put_that_waits_is_taken_over_in_parts_each_item_once(void **state)
{
    int storage[5], items[11], got[13];
    struct number_queue queue;
    (void)state;
    for (int i = 0; i < 11; i++)
        items[i] = i;
    for (size_t lead = 0; lead < 5; lead++) {
        _Atomic int begun = 0;
        struct put_all_future future;
        number_queue_init(&queue, storage, 5);
        assert_int_equal(number_queue_put(io, &queue, items, lead, lead), (ssize_t)lead);
        assert_int_equal(number_queue_get(io, &queue, got, lead, lead), (ssize_t)lead);
        assert_int_equal(put_all_concurrent(io, &future, &queue, items, 11, &begun), 0);
        linger(&begun);
        assert_int_equal(number_queue_get(io, &queue, got, 4, 4), 4);
        assert_int_equal(number_queue_get(io, &queue, got + 4, 9, 7), 7);
        assert_int_equal(put_all_await(io, &future), 11);
        assert_memory_equal(got, items, sizeof items);
    }
}

/* B.6: a put or get that was canceled stayed in the queue's list, and a later one wrote through its
 * stack, which was another's by then; and B.20: the cancel did not reach it at all. */
static void a_put_and_a_get_that_were_canceled_are_off_the_queue(void **state)
{
    int storage[1], one = 1, two = 2, got = 0;
    (void)state;
    for (size_t capacity = 0; capacity < 2; capacity++) {
        struct number_queue queue;
        _Atomic int begun = 0;
        struct get_some_future getter;
        struct put_all_future putter;
        number_queue_init(&queue, capacity ? storage : NULL, capacity);
        assert_int_equal(get_some_concurrent(io, &getter, &queue, &got, 1, 1, &begun), 0);
        linger(&begun);
        assert_int_equal(get_some_cancel(io, &getter), -ECANCELED);
        assert_int_equal(number_queue_put(io, &queue, &one, 1, 0), (ssize_t)capacity);
        assert_int_equal(got, 0);
        atomic_store(&begun, 0);
        assert_int_equal(put_all_concurrent(io, &putter, &queue, &two, 1, &begun), 0);
        linger(&begun);
        assert_int_equal(put_all_cancel(io, &putter), -ECANCELED);
        assert_int_equal(number_queue_get(io, &queue, &got, 1, 0), (ssize_t)capacity);
        assert_int_equal(got, (int)capacity);
        got = 0;
    }
}

/* B.7: a get that had to wait at all waited until its buffer was full, whatever its min. */
static void a_get_that_waited_returns_with_min(void **state)
{
    int storage[8], items[] = {1, 2, 3}, got[8];
    struct number_queue queue;
    struct get_some_future future;
    _Atomic int begun = 0;
    (void)state;
    number_queue_init(&queue, storage, 8);
    assert_int_equal(get_some_concurrent(io, &future, &queue, got, 8, 2, &begun), 0);
    linger(&begun);
    assert_int_equal(number_queue_put(io, &queue, items, 3, 3), 3);
    assert_int_equal(get_some_await(io, &future), 3);
}

/* B.8: there was no close, so who waited for more waited for ever; and a condition was for one
 * waiter. */
static void a_close_ends_who_waits_for_more(void **state)
{
    int storage[2], got[2];
    struct number_queue queue;
    struct get_some_future futures[2];
    (void)state;
    number_queue_init(&queue, storage, 2);
    for (int i = 0; i < 2; i++) {
        _Atomic int begun = 0;
        assert_int_equal(get_some_concurrent(io, &futures[i], &queue, &got[i], 1, 1, &begun), 0);
        linger(&begun);
    }
    number_queue_close(io, &queue);
    for (int i = 0; i < 2; i++)
        assert_int_equal(get_some_await(io, &futures[i]), -EPIPE);
}

static struct pinion_mutex mutex;
static struct pinion_condition condition;

PINION_TASK(int, lock_it, (_Atomic int *, begun))
{
    atomic_store(begun, 1);
    const int error = pinion_mutex_lock(io, &mutex);
    if (!error)
        pinion_mutex_unlock(io, &mutex);
    return error;
}

PINION_TASK(int, wait_for_it, (_Atomic int *, begun), (bool *, is_held))
{
    (void)pinion_mutex_lock_uncancelable(io, &mutex);
    atomic_store(begun, 1);
    const int error = pinion_condition_wait(io, &condition, &mutex);
    *is_held = !pinion_mutex_try_lock(&mutex);
    pinion_mutex_unlock(io, &mutex);
    return error;
}

/* B.20: a cancel did not reach a task that waited for a mutex or at a condition. B.28: where it was
 * canceled while it locked the mutex again, there was nothing but a panic. */
static void a_cancel_reaches_who_waits_for_a_mutex_and_at_a_condition(void **state)
{
    _Atomic int begun = 0;
    bool is_held = false;
    struct lock_it_future locker;
    struct wait_for_it_future waiter;
    (void)state;
    assert_true(pinion_mutex_try_lock(&mutex));
    assert_int_equal(lock_it_concurrent(io, &locker, &begun), 0);
    linger(&begun);
    assert_int_equal(lock_it_cancel(io, &locker), -ECANCELED);
    pinion_mutex_unlock(io, &mutex);
    atomic_store(&begun, 0);
    assert_int_equal(wait_for_it_concurrent(io, &waiter, &begun, &is_held), 0);
    linger(&begun);
    assert_int_equal(pinion_mutex_lock(io, &mutex), 0); /* it waits, or it would be held */
    pinion_request_cancel(io, &waiter.future);
    for (int i = 0; i < 100; i++)
        (void)sched_yield();
    pinion_mutex_unlock(io, &mutex);
    assert_int_equal(wait_for_it_await(io, &waiter), -ECANCELED);
    assert_true(is_held);
    assert_true(pinion_mutex_try_lock(&mutex));
    pinion_mutex_unlock(io, &mutex);
}

/* B.8 too: each of several is woken, by a signal of its own or by one broadcast. */
static void a_condition_serves_several(void **state)
{
    struct wait_for_it_future waiters[4];
    bool is_held[4];
    (void)state;
    for (int i = 0; i < 4; i++) {
        _Atomic int begun = 0;
        assert_int_equal(wait_for_it_concurrent(io, &waiters[i], &begun, &is_held[i]), 0);
        linger(&begun);
    }
    assert_int_equal(pinion_mutex_lock(io, &mutex), 0);
    pinion_condition_signal(io, &condition);
    pinion_mutex_unlock(io, &mutex);
    assert_int_equal(wait_for_it_await(io, &waiters[0]), 0);
    pinion_condition_broadcast(io, &condition);
    for (int i = 1; i < 4; i++)
        assert_int_equal(wait_for_it_await(io, &waiters[i]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_queue_is_not_empty_and_a_wrapped_put_overwrites_nothing),
        cmocka_unit_test(a_put_that_waits_is_taken_over_in_parts_each_item_once),
        cmocka_unit_test(a_put_and_a_get_that_were_canceled_are_off_the_queue),
        cmocka_unit_test(a_get_that_waited_returns_with_min),
        cmocka_unit_test(a_close_ends_who_waits_for_more),
        cmocka_unit_test(a_cancel_reaches_who_waits_for_a_mutex_and_at_a_condition),
        cmocka_unit_test(a_condition_serves_several),
    };
    return cmocka_run_group_tests(tests, make_pool, destroy_pool);
}
