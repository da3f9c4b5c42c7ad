/* SPDX-License-Identifier: MIT
 *
 * Defects that the design which pinion took its interface from had at first, each as a test that
 * fails where pinion has it too. They are known by their numbers in our notes on that design.
 *
 * Tested elsewhere: B.3 is documentation. B.12 and B.26 (a failed spawn counts up capacity; is told
 * as another error) need injected failures, B.14 and B.15 (surplus threads stay; threads start
 * while others are idle) the capacity rule: tests/pool. B.22 (an order too weak in the finisher)
 * shows under ThreadSanitizer in the suite's select_races_the_ends_of_its_tasks. B.4 to B.8, and
 * B.20 and B.28 as far as they are about queues, mutexes and conditions: defects_waiting_test.c.
 * B.18 and B.19 (signals that interrupt system calls): interrupt_test.c; B.29 (the signal's
 * disposition): tests/pool/interrupt_test.c. Cannot be: B.2 (a public function that never compiled)
 * as long as anything is tested; B.25 (a CPU count that is an error): cpu_count is a number of at
 * least 1.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <pthread.h>

#include <pinion.h>

#include "../threads.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define ROUNDS(n) ((n) / 10 + 1)
#else
#define ROUNDS(n) (n)
#endif

static struct pinion_pool *pool;
static struct pinion_io *io;

static void make_pool(unsigned cpu_count, bool eager)
{
    const struct pinion_pool_options options = {.cpu_count = cpu_count, .eager = eager};
    assert_int_equal(pinion_pool_create(&options, &pool), 0);
    io = pinion_pool_io(pool);
}

static void destroy_pool(void)
{
    pinion_pool_destroy(pool);
    pool = NULL;
    io = NULL;
}

static void until(const _Atomic int *value, int n)
{
    struct timespec begin, now;
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    while (atomic_load(value) < n) {
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec - begin.tv_sec > patience_s()) {
            (void)fprintf(stderr, "waited for %d s; this hangs\n", patience_s());
            abort();
        }
        (void)sched_yield();
    }
}

static _Atomic int count;

PINION_TASK(int, one_more, (int, n))
{
    atomic_fetch_add(&count, 1);
    return n + 1;
}

/* Waits for another thread's step, whoever calls. */
PINION_TASK(int, wait_until, (const _Atomic int *, value), (int, n))
{
    until(value, n);
    return n;
}

PINION_TASK(int, step, (_Atomic int *, value)) { return atomic_fetch_add(value, 1) + 1; }

/* B.1: concurrent had no way to say that it failed: a failure looked like a future whose result is
 * in place, and await gave bytes that nobody wrote. */
static void a_concurrent_task_that_could_not_start_is_an_error_and_not_a_result(void **state)
{
    const struct pinion_pool_options options = {.cpu_count = 2, .max_parallel = 1};
    _Atomic int go = 0;
    struct wait_until_future first;
    struct one_more_future second = {.result = -1};
    (void)state;
    assert_int_equal(pinion_pool_create(&options, &pool), 0);
    io = pinion_pool_io(pool);
    atomic_store(&count, 0);
    assert_int_equal(wait_until_concurrent(io, &first, &go, 1), 0);
    second.future.task = first.future.task; /* any: it stays as it is */
    assert_int_equal(one_more_concurrent(io, &second, 1), -EAGAIN);
    assert_int_equal(one_more_parallel(io, &second, 1), -EAGAIN);
    assert_ptr_equal(second.future.task, first.future.task);
    assert_int_equal(second.result, -1);
    assert_int_equal(atomic_load(&count), 0);
    assert_true(strlen(pinion_error_detail()) > 0);
    atomic_store(&go, 1);
    assert_int_equal(wait_until_await(io, &first), 1);
    assert_int_equal(one_more_concurrent(io, &second, 1), 0);
    assert_int_equal(one_more_await(io, &second), 2);
    destroy_pool();
}

/* B.9: with one CPU the capacity is 0: async queued the task all the same, no thread came, and
 * await waited for ever; a detached task never ran, and its memory leaked. */
static void on_one_cpu_async_and_detached_tasks_run(void **state)
{
    (void)state;
    for (int eager = 0; eager < 2; eager++) {
        make_pool(1, eager);
        atomic_store(&count, 0);
        struct one_more_future future = one_more_async(io, 1);
        assert_int_equal(one_more_await(io, &future), 2);
        one_more_detached(io, 1);
        destroy_pool();
        assert_int_equal(atomic_load(&count), 2);
    }
}

/* B.10: as many parents as there are workers, each awaiting a child that stands in the queue: await
 * blocked its thread, and no thread was left for the children. */
PINION_TASK(int, parent, (struct pinion_io *, through), (int, depth))
{
    if (depth == 0)
        return 1;
    struct parent_future left = parent_async(through, through, depth - 1);
    struct parent_future right = parent_async(through, through, depth - 1);
    return parent_await(through, &left) + parent_await(through, &right);
}

static void parents_that_fill_all_workers_do_not_starve_their_children(void **state)
{
    (void)state;
    for (unsigned cpu_count = 1; cpu_count <= 4; cpu_count++) {
        for (int eager = 0; eager < 2; eager++) {
            struct parent_future futures[16];
            make_pool(cpu_count, eager);
            for (int i = 0; i < 16; i++)
                futures[i] = parent_async(io, io, 5);
            for (int i = 0; i < 16; i++)
                assert_int_equal(parent_await(io, &futures[i]), 32);
            destroy_pool();
        }
    }
}

/* B.11: the worker looked at the task's kind after it had run it: a detached task was freed by
 * then, an awaited one might be, and a wrong answer counted the parallel tasks below 0. */
static void a_worker_does_not_look_at_a_task_that_it_finished(void **state)
{
    (void)state;
    make_pool(3, true);
    atomic_store(&count, 0);
    for (int i = 0; i < ROUNDS(2000); i++) {
        struct one_more_future future = one_more_async(io, i);
        one_more_detached(io, i);
        assert_int_equal(one_more_await(io, &future), i + 1);
        if (i % 16 == 0) {
            assert_int_equal(one_more_parallel(io, &future, i), 0);
            assert_int_equal(one_more_await(io, &future), i + 1);
            struct pinion_pool_stats stats;
            pinion_pool_stats(pool, &stats);
            assert_int_equal(stats.parallel_count, 0);
        }
    }
    destroy_pool();
    assert_int_equal(atomic_load(&count), 2 * ROUNDS(2000) + (ROUNDS(2000) + 15) / 16);
}

/* B.13: threads were interchangeable, and only their number was looked at: (1) a thread left over
 * from a parallel task that ended counted for the next one, although an async task had settled on
 * it, and waited for just that next one. */
static void a_parallel_task_gets_a_thread_although_one_is_left_that_is_busy(void **state)
{
    (void)state;
    for (unsigned cpu_count = 1; cpu_count <= 2; cpu_count++) {
        make_pool(cpu_count, true);
        for (int i = 0; i < 20; i++) {
            _Atomic int steps = 0;
            struct step_future first, second;
            struct wait_until_future between = {.future = {NULL}};
            assert_int_equal(step_parallel(io, &first, &steps), 0);
            assert_int_equal(step_await(io, &first), 1);
            if (cpu_count > 1) /* with one CPU it would run here at once, and for ever */
                between = wait_until_async(io, &steps, 2);
            assert_int_equal(step_parallel(io, &second, &steps), 0);
            assert_int_equal(step_await(io, &second), 2);
            wait_until_await(io, &between);
        }
        destroy_pool();
    }
}

/* (2): a thread that was made for the parallel task took the youngest task of the queue instead,
 * which waited for the parallel one. */
static void a_parallel_task_is_not_overtaken_by_async_tasks_that_wait_for_it(void **state)
{
    (void)state;
    make_pool(2, true);
    for (int i = 0; i < ROUNDS(100); i++) {
        _Atomic int steps = 0;
        struct step_future parallel;
        struct wait_until_future waiting[4];
        assert_int_equal(step_parallel(io, &parallel, &steps), 0);
        for (int j = 0; j < 4; j++)
            waiting[j] = wait_until_async(io, &steps, 1);
        for (int j = 0; j < 4; j++)
            assert_int_equal(wait_until_await(io, &waiting[j]), 1);
        assert_int_equal(step_await(io, &parallel), 1);
    }
    destroy_pool();
}

/* B.16: the queue was a stack, so that under a steady load the oldest task starved. Here the caller
 * queues in bursts and never awaits an old task; the worker must come to them. */
static void the_oldest_task_does_not_starve_under_a_steady_load(void **state)
{
    (void)state;
    make_pool(2, true);
    _Atomic int old = 0;
    struct step_future oldest = step_async(io, &old);
    struct one_more_future steady[64];
    for (int i = 0; i < 64; i++)
        steady[i] = one_more_async(io, i);
    for (int i = 0; atomic_load(&old) == 0; i = (i + 1) % 64) {
        assert_int_equal(one_more_await(io, &steady[i]), i + 1);
        steady[i] = one_more_async(io, i);
        (void)sched_yield();
    }
    for (int i = 0; i < 64; i++)
        (void)one_more_await(io, &steady[i]);
    assert_int_equal(step_await(io, &oldest), 1);
    destroy_pool();
}

/* B.17: a task that was canceled before it started was skipped: its result was whatever lay there,
 * what its context owned leaked, and a select on it never woke. */
PINION_TASK(int, release, (int *, owned))
{
    free(owned);
    return 12;
}

static void a_task_canceled_before_its_start_releases_what_it_owns_and_has_a_result(void **state)
{
    _Atomic int go = 0;
    (void)state;
    make_pool(2, true);
    struct wait_until_future busy = wait_until_async(io, &go, 1); /* the one worker's */
    for (int i = 0; i < 10; i++) {
        struct release_future future = release_async(io, malloc(sizeof(int)));
        assert_non_null(future.future.task);
        if (i % 2) {
            struct pinion_future *const list[] = {&future.future};
            pinion_request_cancel(io, &future.future);
            assert_int_equal(pinion_select(io, list, 1, PINION_FOREVER), 0);
        }
        assert_int_equal(release_cancel(io, &future), 12);
    }
    atomic_store(&go, 1);
    wait_until_await(io, &busy);
    destroy_pool();
}

/* B.20, as far as there is something to wait for: a cancel did not reach a task that waited in
 * select or await, and await did not pass it on. */
PINION_TASK(int, until_canceled, (struct pinion_io *, through), (_Atomic int *, inside))
{
    atomic_fetch_add(inside, 1);
    int error;
    while ((error = pinion_check_cancel(through)) == 0)
        (void)sched_yield();
    return error;
}

PINION_TASK(int, select_it, (struct pinion_io *, through), (struct until_canceled_future *, future))
{
    struct pinion_future *const list[] = {&future->future};
    return pinion_select(through, list, 1, PINION_FOREVER);
}

PINION_TASK(int, await_it, (struct pinion_io *, through), (struct until_canceled_future *, future))
{
    return until_canceled_await(through, future);
}

static void a_cancel_reaches_tasks_that_wait_in_select_and_await(void **state)
{
    (void)state;
    make_pool(2, false);
    for (int i = 0; i < ROUNDS(50); i++) {
        _Atomic int inside = 0;
        struct until_canceled_future child;
        struct select_it_future selecting;
        struct await_it_future awaiting;
        assert_int_equal(until_canceled_parallel(io, &child, io, &inside), 0);
        until(&inside, 1);
        assert_int_equal(select_it_parallel(io, &selecting, io, &child), 0);
        assert_int_equal(select_it_cancel(io, &selecting), -ECANCELED);
        assert_int_equal(await_it_parallel(io, &awaiting, io, &child), 0);
        assert_int_equal(await_it_cancel(io, &awaiting), -ECANCELED);
        assert_null(child.future.task);
    }
    destroy_pool();
}

/* B.21: select overwrote a task's "done" with its own mark. Two that ended during one select: the
 * second could not be selected or awaited any more. */
static void two_that_end_during_one_select_can_both_be_selected_after(void **state)
{
    (void)state;
    make_pool(2, false);
    for (int i = 0; i < ROUNDS(200); i++) {
        _Atomic int go = 0;
        struct wait_until_future futures[2];
        struct pinion_future *list[2] = {&futures[0].future, &futures[1].future};
        assert_int_equal(wait_until_parallel(io, &futures[0], &go, 1), 0);
        assert_int_equal(wait_until_parallel(io, &futures[1], &go, 1), 0);
        if (i % 2) {
            assert_int_equal(pinion_select(io, list, 2, 0), -ETIMEDOUT);
            atomic_store(&go, 1);
        } else {
            atomic_store(&go, 1);
        }
        const int first = pinion_select(io, list, 2, PINION_FOREVER);
        assert_in_range(first, 0, 1);
        struct pinion_future *other = list[1 - first];
        assert_int_equal(pinion_select(io, &other, 1, PINION_FOREVER), 0);
        assert_int_equal(pinion_select(io, &other, 1, 0), 0);
        assert_int_equal(pinion_select(io, list, 2, 0), 0);
        assert_int_equal(wait_until_await(io, &futures[1]), 1);
        assert_int_equal(wait_until_await(io, &futures[0]), 1);
    }
    destroy_pool();
}

/* B.23: a task's block was aligned as its header, and offsets were counted from 0: a context or
 * result that asks for more lay askew. */
static void aligned_start(const void *context, void *result)
{
    *(unsigned char *)result =
        (uintptr_t)context % 4096 == 0 && (uintptr_t)result % 64 == 0 ? 1 : 2;
}

static void over_aligned_contexts_and_results_are_aligned(void **state)
{
    _Alignas(4096) static const char context[5000];
    _Alignas(64) unsigned char result[64];
    const struct pinion_call call = {aligned_start, context, sizeof context, 4096, 64, 64};
    (void)state;
    make_pool(2, true);
    for (int i = 0; i < 50; i++) {
        struct pinion_future future;
        if (i % 2)
            assert_int_equal(pinion_async_parallel(io, &call, &future), 0);
        else
            pinion_async(io, &call, result, &future);
        pinion_await(io, &future, result);
        assert_int_equal(result[0], 1);
    }
    destroy_pool();
}

/* B.24: the end of the pool raced with tasks that make tasks: a thread might be added to the list
 * while it was walked, and a worker that had seen an empty queue was gone when a child came. */
PINION_TASK(void, breed, (struct pinion_io *, through), (int, depth))
{
    atomic_fetch_add(&count, 1);
    struct one_more_future parallel;
    if (depth == 0)
        return;
    breed_detached(through, through, depth - 1);
    const int error = one_more_parallel(through, &parallel, 1);
    if (error == 0)
        (void)one_more_await(through, &parallel);
    else
        atomic_fetch_add(&count, 1);
    breed_detached(through, through, depth - 1);
}

static void tasks_may_make_tasks_while_the_pool_is_destroyed(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS(60); i++) {
        make_pool(1 + (unsigned)i % 4, i % 3 == 0);
        atomic_store(&count, 0);
        breed_detached(io, io, 4);
        destroy_pool();
        assert_int_equal(atomic_load(&count), 31 + 15);
    }
}

/* So does one that runs on a reserved thread, whose future is never consumed. What it has queued
 * when it ends is moved to another queue, while the last worker looks whether there is any left. */
PINION_TASK(void, breed_late, (struct pinion_io *, through), (_Atomic int *, go))
{
    for (int i = 0; i < 5; i++)
        one_more_detached(through, 1);
    atomic_fetch_add(go, 1);
    until(go, 3);
}

PINION_TASK(void, keep_busy, (_Atomic int *, go))
{
    atomic_fetch_add(go, 1);
    until(go, 3);
}

static void what_a_reserved_task_queued_runs_though_it_ends_with_the_pool(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS(500); i++) {
        _Atomic int go = 0;
        struct breed_late_future future;
        make_pool(2, true);
        atomic_store(&count, 0);
        keep_busy_detached(io, &go);
        until(&go, 1);
        assert_int_equal(breed_late_parallel(io, &future, io, &go), 0);
        until(&go, 2);
        atomic_store(&go, 3);
        destroy_pool();
        assert_int_equal(atomic_load(&count), 5);
    }
}

/* B.27: once canceled, a task's every later call failed, so that it could not clean up after
 * itself. */
PINION_TASK(int, clean_up, (struct pinion_io *, through), (_Atomic int *, inside))
{
    atomic_fetch_add(inside, 1);
    while (!pinion_cancel_requested(through))
        (void)sched_yield();
    struct pinion_future complete = {NULL};
    struct pinion_future *const list[] = {&complete};
    if (pinion_select(through, list, 1, 0) != -ECANCELED)
        return 1;
    for (int i = 0; i < 3; i++)
        if (pinion_select(through, list, 1, 0) != 0 || pinion_check_cancel(through) != 0)
            return 2;
    struct one_more_future future = one_more_async(through, 40);
    return one_more_await(through, &future);
}

static void a_task_that_was_canceled_can_clean_up(void **state)
{
    _Atomic int inside = 0;
    struct clean_up_future future;
    (void)state;
    make_pool(2, true);
    assert_int_equal(clean_up_parallel(io, &future, io, &inside), 0);
    until(&inside, 1);
    assert_int_equal(clean_up_cancel(io, &future), 41);
    destroy_pool();
}

/* B.30: an assertion did part of the work, which a release build leaves out: this file also runs
 * with assertions off, in release builds; here is what did depend on it, a task taken back from the
 * queue. */
static void a_task_that_is_taken_back_from_the_queue_is_not_in_it_any_more(void **state)
{
    struct pinion_pool_stats stats;
    _Atomic int go = 0;
    (void)state;
    make_pool(2, true);
    struct wait_until_future busy = wait_until_async(io, &go, 1);
    atomic_store(&count, 0);
    for (int i = 0; i < 3000; i++) {
        struct one_more_future future = one_more_async(io, i);
        assert_int_equal(one_more_await(io, &future), i + 1);
    }
    pinion_pool_stats(pool, &stats);
    assert_in_range(stats.claimed, 3000, 3001);
    atomic_store(&go, 1);
    wait_until_await(io, &busy);
    destroy_pool();
    assert_int_equal(atomic_load(&count), 3000);
}

static int forget_pool(void **state)
{
    (void)state;
    pool = NULL;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_concurrent_task_that_could_not_start_is_an_error_and_not_a_result),
        cmocka_unit_test(on_one_cpu_async_and_detached_tasks_run),
        cmocka_unit_test(parents_that_fill_all_workers_do_not_starve_their_children),
        cmocka_unit_test(a_worker_does_not_look_at_a_task_that_it_finished),
        cmocka_unit_test(a_parallel_task_gets_a_thread_although_one_is_left_that_is_busy),
        cmocka_unit_test(a_parallel_task_is_not_overtaken_by_async_tasks_that_wait_for_it),
        cmocka_unit_test(the_oldest_task_does_not_starve_under_a_steady_load),
        cmocka_unit_test(a_task_canceled_before_its_start_releases_what_it_owns_and_has_a_result),
        cmocka_unit_test(a_cancel_reaches_tasks_that_wait_in_select_and_await),
        cmocka_unit_test(two_that_end_during_one_select_can_both_be_selected_after),
        cmocka_unit_test(over_aligned_contexts_and_results_are_aligned),
        cmocka_unit_test(tasks_may_make_tasks_while_the_pool_is_destroyed),
        cmocka_unit_test(what_a_reserved_task_queued_runs_though_it_ends_with_the_pool),
        cmocka_unit_test(a_task_that_was_canceled_can_clean_up),
        cmocka_unit_test(a_task_that_is_taken_back_from_the_queue_is_not_in_it_any_more),
    };
    return cmocka_run_group_tests(tests, forget_pool, NULL);
}
