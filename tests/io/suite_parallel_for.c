/* SPDX-License-Identifier: MIT
 *
 * The suite's part on pinion_parallel_for.
 */
#include "suite.h"

#include <errno.h>
#include <fenv.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- every iteration, once ---- */

#define COUNT_MAX 5000

struct marks {
    size_t begin, end, grain;
    _Atomic unsigned char runs[COUNT_MAX];
    _Atomic int parts;
};

static void mark(void *context, size_t begin, size_t end)
{
    struct marks *marks = context;
    EXPECT(begin < end);
    EXPECT(begin >= marks->begin && end <= marks->end);
    EXPECT(marks->grain == 0 || end - begin <= marks->grain);
    for (size_t i = begin; i < end; i++)
        atomic_fetch_add(&marks->runs[i - marks->begin], 1);
    atomic_fetch_add(&marks->parts, 1);
}

/* Memory for a loop of so many iterations from begin. */
static struct marks *marks_of(size_t begin, size_t count, size_t grain)
{
    struct marks *marks = calloc(1, sizeof *marks);
    if (!marks)
        abort();
    marks->begin = begin;
    marks->end = begin + count;
    marks->grain = grain;
    return marks;
}

/* Whether each ran once; frees it. */
static bool marked(struct marks *marks)
{
    bool is_well = true;
    for (size_t i = 0; i < COUNT_MAX; i++)
        is_well = is_well &&
                  atomic_load(&marks->runs[i]) == (i < marks->end - marks->begin ? 1 : 0);
    free(marks);
    return is_well;
}

static bool loop_marks(struct pinion_io *io, size_t begin, size_t count, size_t grain)
{
    struct marks *marks = marks_of(begin, count, grain);
    pinion_parallel_for(io, begin, begin + count, grain, mark, marks);
    return marked(marks);
}

static void every_iteration_runs_once_in_parts_no_larger_than_the_grain(struct suite *suite)
{
    static const size_t counts[] = {1, 2, 3, 4, 7, 8, 9, 100, 1000, 4097, COUNT_MAX};
    static const size_t grains[] = {0, 1, 2, 3, 7, 64, 1000, COUNT_MAX + 1, SIZE_MAX};
    static const size_t begins[] = {0, 1, 1000000, SIZE_MAX - COUNT_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        for (size_t j = 0; j < sizeof grains / sizeof grains[0]; j++)
            assert_true(loop_marks(suite->io, begins[(i + j) % 4], counts[i], grains[j]));
}

static void never(void *context, size_t begin, size_t end)
{
    (void)context;
    EXPECT(begin > end && begin < end);
}

static void an_empty_range_calls_nothing(struct suite *suite)
{
    pinion_parallel_for(suite->io, 0, 0, 0, never, NULL);
    pinion_parallel_for(suite->io, 7, 7, 1, never, NULL);
    pinion_parallel_for(suite->io, 8, 7, 0, never, NULL);
    pinion_parallel_for(suite->io, SIZE_MAX, 0, 5, never, NULL);
    pinion_parallel_for(suite->io, SIZE_MAX, SIZE_MAX, 0, never, NULL);
}

struct sum {
    _Atomic size_t iterations;
    _Atomic int parts;
};

static void sum_up(void *context, size_t begin, size_t end)
{
    struct sum *sum = context;
    atomic_fetch_add(&sum->iterations, end - begin);
    atomic_fetch_add(&sum->parts, 1);
}

static void as_many_iterations_as_there_can_be_take_a_bounded_number_of_parts(struct suite *suite)
{
    static const size_t begins[] = {0, 0, 0, 5}, ends[] = {(size_t)1 << 40, SIZE_MAX, 100000,
                                                          SIZE_MAX};
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
        struct sum sum = {0};
        pinion_parallel_for(suite->io, begins[i], ends[i], 0, sum_up, &sum);
        assert_true(atomic_load(&sum.iterations) == ends[i] - begins[i]);
        /* Twice as large, and half as large as the rest, each time, by each who takes part; with
         * room for parts that a preemption makes seem long. */
        assert_true(atomic_load(&sum.parts) < 100000);
    }
}

static void a_grain_makes_so_many_parts(struct suite *suite)
{
    struct sum sum = {0};
    pinion_parallel_for(suite->io, 0, SIZE_MAX, SIZE_MAX / 1000, sum_up, &sum);
    assert_true(atomic_load(&sum.iterations) == SIZE_MAX);
    assert_int_equal(atomic_load(&sum.parts), 1001);
}

/* ---- from anywhere ---- */

PINION_TASK(bool, loop_in_a_task, (struct pinion_io *, io), (size_t, count), (size_t, grain))
{
    return loop_marks(io, 3, count, grain);
}

static void a_task_may_loop(struct suite *suite)
{
    struct loop_in_a_task_future futures[20];
    for (size_t i = 0; i < 20; i++)
        futures[i] = loop_in_a_task_async(suite->io, suite->io, 100 * i + 1, i % 4);
    for (size_t i = 0; i < 20; i++)
        assert_true(loop_in_a_task_await(suite->io, &futures[i]));
    if (!suite->of->has_parallel)
        return;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(
            loop_in_a_task_parallel(suite->io, &futures[i], suite->io, 1000, i % 2), 0);
    for (size_t i = 0; i < 3; i++)
        assert_true(loop_in_a_task_await(suite->io, &futures[i]));
}

struct nested {
    struct pinion_io *io;
    int depth;
    _Atomic int leaves;
};

static void nest(void *context, size_t begin, size_t end)
{
    struct nested *nested = context;
    struct nested inner = {.io = nested->io, .depth = nested->depth - 1};
    for (size_t i = begin; i < end; i++) {
        if (nested->depth > 0)
            pinion_parallel_for(nested->io, 0, 5, i % 3, nest, &inner);
        else
            atomic_fetch_add(&nested->leaves, 1);
    }
    atomic_fetch_add(&nested->leaves, atomic_load(&inner.leaves));
}

static void a_body_may_loop(struct suite *suite)
{
    struct nested nested = {.io = suite->io, .depth = 4};
    pinion_parallel_for(suite->io, 0, 5, 1, nest, &nested);
    assert_int_equal(atomic_load(&nested.leaves), 3125);
}

static void *loop_outside(void *argument)
{
    struct suite *suite = argument;
    for (size_t i = 0; i < (size_t)SUITE_ROUNDS(100); i++)
        EXPECT(loop_marks(suite->io, i, 1 + 50 * i % COUNT_MAX, i % 5));
    return NULL;
}

static void outside_threads_loop_at_the_same_time(struct suite *suite)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, loop_outside, suite), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* ---- on several threads ---- */

struct meeting {
    struct pinion_io *io;
    _Atomic int inside;
    int all;
    pthread_t caller;
    _Atomic int callers;
};

static void meet(void *context, size_t begin, size_t end)
{
    struct meeting *meeting = context;
    if (pthread_equal(pthread_self(), meeting->caller))
        atomic_fetch_add(&meeting->callers, 1);
    atomic_fetch_add(&meeting->inside, (int)(end - begin));
    suite_until(&meeting->inside, meeting->all);
}

/* As many iterations as there are workers and the caller, none of which returns before all have
 * begun: each is on a thread of its own. */
static bool all_take_part(struct suite *suite, size_t grain)
{
    struct meeting meeting = {.io = suite->io,
                              .all = (int)suite->of->workers + 1,
                              .caller = pthread_self()};
    pinion_parallel_for(suite->io, 0, (size_t)meeting.all, grain, meet, &meeting);
    return atomic_load(&meeting.inside) == meeting.all && atomic_load(&meeting.callers) == 1;
}

static void every_worker_and_the_caller_take_part(struct suite *suite)
{
    for (int i = 0; i < 20; i++) {
        assert_true(all_take_part(suite, 1));
        assert_true(all_take_part(suite, 0));
    }
}

static void *take_part_outside(void *argument)
{
    for (int i = 0; i < 20; i++)
        EXPECT(all_take_part(argument, (size_t)i % 2));
    return NULL;
}

static void a_loop_of_an_outside_thread_spreads_over_the_workers(struct suite *suite)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, take_part_outside, suite), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* The workers are busy when the loop begins, and are free when some of it is done. */
struct late {
    struct suite *suite;
    struct held held;
    struct meeting meeting;
    _Atomic int parts;
};

static void help_comes(void *context, size_t begin, size_t end)
{
    struct late *late = context;
    if (atomic_fetch_add(&late->parts, 1) == 20)
        gate_open(&late->held.gate);
    if (begin >= 100)
        meet(&late->meeting, begin, end);
}

static void workers_that_become_free_take_part_in_a_loop_that_has_begun(struct suite *suite)
{
    struct late late = {.suite = suite};
    late.meeting = (struct meeting){.io = suite->io,
                                    .all = (int)suite->of->workers + 1,
                                    .caller = pthread_self()};
    suite_hold(suite, &late.held);
    pinion_parallel_for(suite->io, 0, 100 + (size_t)late.meeting.all, 1, help_comes, &late);
    assert_int_equal(atomic_load(&late.meeting.inside), late.meeting.all);
    suite_release(suite, &late.held);
}

static void a_loop_ends_though_every_worker_is_busy(struct suite *suite)
{
    struct held held;
    suite_hold(suite, &held);
    assert_true(loop_marks(suite->io, 0, COUNT_MAX, 0));
    assert_true(loop_marks(suite->io, 0, 100, 1));
    suite_release(suite, &held);
}

/* ---- cancelation ---- */

struct asked {
    struct pinion_io *io;
    struct gate gate;
    size_t count, grain;
    _Atomic int parts, requested, delivered, inside;
    bool protects;
    int after;
    bool requested_after;
};

static void ask(void *context, size_t begin, size_t end)
{
    struct asked *asked = context;
    (void)begin;
    (void)end;
    atomic_fetch_add(&asked->parts, 1);
    atomic_fetch_add(&asked->requested, pinion_cancel_requested(asked->io));
    atomic_fetch_add(&asked->delivered, pinion_check_cancel(asked->io) == -ECANCELED);
    EXPECT(pinion_check_cancel(asked->io) == 0);
    EXPECT(pinion_cancel_protect(asked->io, true) == asked->protects);
    pinion_task_local_set(asked->io, asked);
}

PINION_TASK(void, loop_and_look, (struct asked *, asked))
{
    if (asked->protects)
        (void)pinion_cancel_protect(asked->io, true);
    gate_enter(&asked->gate);
    pinion_parallel_for(asked->io, 0, asked->count, asked->grain, ask, asked);
    EXPECT(pinion_task_local(asked->io) == NULL);
    EXPECT(pinion_cancel_protect(asked->io, false) == asked->protects);
    asked->requested_after = pinion_cancel_requested(asked->io);
    asked->after = pinion_check_cancel(asked->io);
    EXPECT(pinion_check_cancel(asked->io) == 0);
}

/* Loops in a task that was asked to cancel before, or not. */
static struct asked look(struct suite *suite, bool is_canceled, bool protects)
{
    struct asked asked = {.io = suite->io, .count = 40, .grain = 1, .protects = protects};
    struct loop_and_look_future future;
    if (!suite->of->has_parallel)
        skip();
    gate_init(&asked.gate);
    assert_int_equal(loop_and_look_parallel(suite->io, &future, &asked), 0);
    suite_until(&asked.gate.inside, 1);
    if (is_canceled)
        pinion_request_cancel(suite->io, &future.future);
    gate_open(&asked.gate);
    loop_and_look_await(suite->io, &future);
    gate_fini(&asked.gate);
    assert_int_equal(atomic_load(&asked.parts), 40);
    return asked;
}

static void each_part_has_the_callers_request_which_stays_pending(struct suite *suite)
{
    const struct asked asked = look(suite, true, false);
    assert_int_equal(atomic_load(&asked.requested), 40);
    assert_int_equal(atomic_load(&asked.delivered), 40);
    assert_true(asked.requested_after);
    assert_int_equal(asked.after, -ECANCELED);
}

static void a_protected_callers_parts_see_the_request_and_are_protected(struct suite *suite)
{
    const struct asked asked = look(suite, true, true);
    assert_int_equal(atomic_load(&asked.requested), 40);
    assert_int_equal(atomic_load(&asked.delivered), 0);
    assert_int_equal(asked.after, -ECANCELED);
}

static void what_a_part_does_to_its_task_is_gone_with_it(struct suite *suite)
{
    const struct asked asked = look(suite, false, false);
    assert_int_equal(atomic_load(&asked.requested), 0);
    assert_int_equal(atomic_load(&asked.delivered), 0);
    assert_false(asked.requested_after);
    assert_int_equal(asked.after, 0);
}

static void until_requested(void *context, size_t begin, size_t end)
{
    struct asked *asked = context;
    (void)begin;
    (void)end;
    atomic_fetch_add(&asked->inside, 1);
    suite_until_holds(pinion_cancel_requested(asked->io));
    atomic_fetch_add(&asked->parts, 1);
}

PINION_TASK(int, loop_until_requested, (struct asked *, asked))
{
    pinion_parallel_for(asked->io, 0, asked->count, 1, until_requested, asked);
    return pinion_check_cancel(asked->io);
}

static void a_request_reaches_the_parts_that_run_and_those_to_come(struct suite *suite)
{
    if (!suite->of->has_parallel)
        skip();
    for (int i = 0; i < 10; i++) {
        struct asked asked = {.io = suite->io, .count = 50};
        struct loop_until_requested_future future;
        assert_int_equal(loop_until_requested_parallel(suite->io, &future, &asked), 0);
        suite_until(&asked.inside, i % 2 ? 1 : (int)suite->of->workers + 1);
        pinion_request_cancel(suite->io, &future.future);
        assert_int_equal(loop_until_requested_await(suite->io, &future), -ECANCELED);
        assert_int_equal(atomic_load(&asked.parts), 50);
    }
}

/* The caller was given its request before: parts see it, and are given none. */
PINION_TASK(void, loop_after_delivery, (struct asked *, asked))
{
    gate_enter(&asked->gate);
    EXPECT(pinion_check_cancel(asked->io) == -ECANCELED);
    pinion_parallel_for(asked->io, 0, asked->count, 1, ask, asked);
    EXPECT(pinion_check_cancel(asked->io) == 0);
    EXPECT(pinion_cancel_requested(asked->io));
}

static void a_request_that_was_delivered_to_the_caller_only_shows(struct suite *suite)
{
    struct asked asked = {.io = suite->io, .count = 30};
    struct loop_after_delivery_future future;
    if (!suite->of->has_parallel)
        skip();
    gate_init(&asked.gate);
    assert_int_equal(loop_after_delivery_parallel(suite->io, &future, &asked), 0);
    pinion_request_cancel(suite->io, &future.future);
    gate_open(&asked.gate);
    loop_after_delivery_await(suite->io, &future);
    gate_fini(&asked.gate);
    assert_int_equal(atomic_load(&asked.parts), 30);
    assert_int_equal(atomic_load(&asked.requested), 30);
    assert_int_equal(atomic_load(&asked.delivered), 0);
}

/* ---- the caller's thread ---- */

static void errno_and_the_rounding_mode_are_left_alone(struct suite *suite)
{
    const int mode = fegetround();
    struct sum sum = {0};
    assert_int_equal(fesetround(FE_UPWARD), 0);
    errno = ENOTTY;
    pinion_parallel_for(suite->io, 0, 10000, 1, sum_up, &sum);
    pinion_parallel_for(suite->io, 0, 10000, 0, sum_up, &sum);
    assert_int_equal(errno, ENOTTY);
    assert_int_equal(fegetround(), FE_UPWARD);
    assert_int_equal(fesetround(mode), 0);
}

struct pointed {
    struct pinion_io *io;
    _Atomic int parts;
    int mark;
};

static void point(void *context, size_t begin, size_t end)
{
    struct pointed *pointed = context;
    (void)begin;
    (void)end;
    EXPECT(pinion_task_local(pointed->io) == &pointed->mark);
    pinion_task_local_set(pointed->io, NULL);
    atomic_fetch_add(&pointed->parts, 1);
}

static void the_callers_pointer_is_each_parts_and_stays(struct suite *suite)
{
    struct pointed pointed = {.io = suite->io};
    pinion_task_local_set(suite->io, &pointed.mark);
    pinion_parallel_for(suite->io, 0, 100, 1, point, &pointed);
    assert_int_equal(atomic_load(&pointed.parts), 100);
    assert_ptr_equal(pinion_task_local(suite->io), &pointed.mark);
    pinion_task_local_set(suite->io, NULL);
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(every_iteration_runs_once_in_parts_no_larger_than_the_grain),
    SUITE_TEST(an_empty_range_calls_nothing),
    SUITE_TEST(as_many_iterations_as_there_can_be_take_a_bounded_number_of_parts),
    SUITE_TEST(a_grain_makes_so_many_parts),
    SUITE_TEST(a_task_may_loop),
    SUITE_TEST(a_body_may_loop),
    SUITE_TEST(outside_threads_loop_at_the_same_time),
    SUITE_TEST(every_worker_and_the_caller_take_part),
    SUITE_TEST(a_loop_of_an_outside_thread_spreads_over_the_workers),
    SUITE_TEST(workers_that_become_free_take_part_in_a_loop_that_has_begun),
    SUITE_TEST(a_loop_ends_though_every_worker_is_busy),
    SUITE_TEST(each_part_has_the_callers_request_which_stays_pending),
    SUITE_TEST(a_protected_callers_parts_see_the_request_and_are_protected),
    SUITE_TEST(what_a_part_does_to_its_task_is_gone_with_it),
    SUITE_TEST(a_request_reaches_the_parts_that_run_and_those_to_come),
    SUITE_TEST(a_request_that_was_delivered_to_the_caller_only_shows),
    SUITE_TEST(errno_and_the_rounding_mode_are_left_alone),
    SUITE_TEST(the_callers_pointer_is_each_parts_and_stays),
    {NULL, NULL},
};
