/* SPDX-License-Identifier: MIT
 *
 * The waiter, and the future against its requesters.
 */
#include "../sched/stress.h"

#include <sched.h>
#include <stdlib.h>

#include <pinion/io.h>

#include "atomic.h"
#include "future.h"
#include "futex.h"
#include "sleeper.h"
#include "waiter.h"

static void a_signal_that_came_before_the_wait_counts(void **state)
{
    struct pn_waiter waiter;
    (void)state;
    pn_waiter_init(&waiter);
    assert_true(pn_waiter_wait(&waiter, 0, false, INT64_MAX, 0));
    pn_waiter_signal(&waiter, PN_WAITER_FIRED);
    assert_true(pn_waiter_wait(&waiter, 1, false, INT64_MAX, 0));
    assert_true(pn_waiter_wait(&waiter, 1, false, 0, INT64_MAX));
    assert_false(pn_waiter_wait(&waiter, 2, false, 0, 0));
    pn_waiter_signal(&waiter, PN_WAITER_FIRED);
    assert_true(pn_waiter_wait(&waiter, 2, false, INT64_MAX, 0));
}

static void a_cancelation_ends_only_waits_that_ask_for_it(void **state)
{
    struct pn_waiter waiter;
    (void)state;
    pn_waiter_init(&waiter);
    pn_waiter_signal(&waiter, PN_WAITER_CANCELED);
    assert_true(pn_waiter_wait(&waiter, 1, true, INT64_MAX, 0));
    assert_false(pn_waiter_wait(&waiter, 1, false, pn_now() + 100000, 0));
    pn_waiter_wait_canceled(&waiter);
    pn_waiter_signal(&waiter, PN_WAITER_FIRED);
    assert_true(pn_waiter_wait(&waiter, 1, false, INT64_MAX, 0));
}

static void a_deadline_ends_a_wait_that_looks_and_one_that_sleeps(void **state)
{
    struct pn_waiter waiter;
    (void)state;
    pn_waiter_init(&waiter);
    for (int64_t ahead = -1000000; ahead <= 1000000; ahead += 1000000) {
        int64_t deadline = pn_now() + ahead;
        assert_false(pn_waiter_wait(&waiter, 1, true, deadline, 0));
        assert_true(pn_now() >= deadline);
        deadline = pn_now() + ahead;
        assert_false(pn_waiter_wait(&waiter, 1, true, deadline, INT64_MAX));
        assert_true(pn_now() >= deadline);
    }
    assert_false(pn_waiter_wait(&waiter, 1, false, INT64_MIN, 100));
    assert_int_equal(pn_load_relaxed(&waiter.word), 0); /* nobody would be woken for nothing */
}

static int wakes;
static void count_wake(struct pn_sleeper *sleeper)
{
    (void)sleeper;
    wakes++;
}

static void of_several_signalers_the_one_that_clears_parked_wakes(void **state)
{
    static const struct pn_ways ways = {.wake = count_wake};
    struct pn_sleeper fiber = {.ways = &ways};
    struct pn_waiter waiter;
    (void)state;
    pn_waiter_init(&waiter);
    waiter.sleeper = &fiber;
    pn_waiter_signal(&waiter, PN_WAITER_FIRED);
    assert_int_equal(wakes, 0);
    pn_fetch_or_relaxed(&waiter.word, PN_WAITER_PARKED);
    pn_waiter_signal(&waiter, PN_WAITER_FIRED);
    pn_waiter_signal(&waiter, PN_WAITER_CANCELED);
    assert_int_equal(wakes, 1);
    assert_int_equal(pn_load_relaxed(&waiter.word), 2 * PN_WAITER_FIRED | PN_WAITER_CANCELED);
}

/* ---- stress: the waiter's memory is gone the moment that its signals have come ---- */

#define SIGNALERS 3

static struct {
    _Atomic(struct pn_waiter *) waiter;
    unsigned data[SIGNALERS];
    pthread_barrier_t start, end;
} shared;

static void *signal_each(void *argument)
{
    const unsigned self = (unsigned)(uintptr_t)argument;
    for (unsigned i = 1; i <= (unsigned)ROUNDS(1500); i++) {
        (void)pthread_barrier_wait(&shared.start);
        shared.data[self] = i;
        pn_waiter_signal(pn_load_acquire(&shared.waiter), PN_WAITER_FIRED);
        (void)pthread_barrier_wait(&shared.end);
    }
    return NULL;
}

static void all_signals_are_counted_and_what_came_before_them_is_seen(void **state)
{
    pthread_t threads[SIGNALERS];
    (void)state;
    assert_int_equal(pthread_barrier_init(&shared.start, NULL, SIGNALERS + 1), 0);
    assert_int_equal(pthread_barrier_init(&shared.end, NULL, SIGNALERS + 1), 0);
    for (uintptr_t i = 0; i < SIGNALERS; i++)
        start_thread(&threads[i], signal_each, (void *)i);
    for (unsigned i = 1; i <= (unsigned)ROUNDS(1500); i++) {
        struct pn_waiter *waiter = aligned_alloc(PN_WAITER_ALIGN, sizeof *waiter);
        assert_non_null(waiter);
        pn_waiter_init(waiter);
        pn_store_release(&shared.waiter, waiter);
        (void)pthread_barrier_wait(&shared.start);
        assert_true(pn_waiter_wait(waiter, SIGNALERS, false, INT64_MAX, i % 3 ? 0 : 20000));
        for (int j = 0; j < SIGNALERS; j++)
            assert_int_equal(shared.data[j], i);
        free(waiter);
        (void)pthread_barrier_wait(&shared.end);
    }
    for (int i = 0; i < SIGNALERS; i++)
        join_thread(threads[i]);
    assert_int_equal(pthread_barrier_destroy(&shared.start), 0);
    assert_int_equal(pthread_barrier_destroy(&shared.end), 0);
}

/* ---- stress: a future is retired and its task freed while others hold and look ---- */

#define REQUESTERS 2

struct pinion_task { /* stands for one: only that it is there */
    unsigned magic;
};
#define MAGIC 0x5AFEu

static struct {
    struct pinion_future future;
    _Atomic bool is_over;
    _Atomic unsigned broken;
} held;

static void *hold_and_look(void *unused)
{
    (void)unused;
    while (!pn_load_relaxed(&held.is_over)) {
        const struct pinion_task *task = pn_future_hold(&held.future);
        if (task && task->magic != MAGIC)
            pn_fetch_add_relaxed(&held.broken, 1u);
        pn_future_let_go(&held.future);
        (void)sched_yield(); /* it is a request now and then, not a storm */
    }
    return NULL;
}

static void a_task_is_not_freed_while_a_requester_holds_it(void **state)
{
    pthread_t threads[REQUESTERS];
    (void)state;
    for (int i = 0; i < REQUESTERS; i++)
        start_thread(&threads[i], hold_and_look, NULL);
    for (int i = 0; i < ROUNDS(20000); i++) {
        struct pinion_task *task = malloc(sizeof *task);
        assert_non_null(task);
        task->magic = MAGIC;
        pn_plain_store_seq_cst(&held.future.task, task);
        if (i % 16 == 0)
            (void)sched_yield();
        pn_future_retire(&held.future);
        assert_null(held.future.task);
        task->magic = 0;
        free(task);
    }
    pn_store_relaxed(&held.is_over, true);
    for (int i = 0; i < REQUESTERS; i++)
        join_thread(threads[i]);
    assert_int_equal(pn_load_relaxed(&held.broken), 0);
}

static void a_consumed_future_can_be_held_and_has_no_task(void **state)
{
    struct pinion_future future = {NULL};
    (void)state;
    assert_null(pn_future_hold(&future));
    assert_null(pn_future_hold(&future)); /* by two at once */
    pn_future_let_go(&future);
    pn_future_let_go(&future);
    pn_future_retire(&future);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_that_came_before_the_wait_counts),
        cmocka_unit_test(a_cancelation_ends_only_waits_that_ask_for_it),
        cmocka_unit_test(a_deadline_ends_a_wait_that_looks_and_one_that_sleeps),
        cmocka_unit_test(of_several_signalers_the_one_that_clears_parked_wakes),
        cmocka_unit_test(all_signals_are_counted_and_what_came_before_them_is_seen),
        cmocka_unit_test(a_consumed_future_can_be_held_and_has_no_task),
        cmocka_unit_test(a_task_is_not_freed_while_a_requester_holds_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
