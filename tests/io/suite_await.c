/* SPDX-License-Identifier: MIT
 *
 * The suite's part on awaiting and selecting, as far as nothing is canceled.
 */
#include "suite.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

PINION_TASK(int, twice, (int, n)) { return 2 * n; }

PINION_TASK(pthread_t, where, (int, unused))
{
    (void)unused;
    return pthread_self();
}

/* A task that runs until its gate is opened. */
PINION_TASK(int, through, (struct gate *, gate), (int, n))
{
    gate_enter(gate);
    return n;
}

static void start_through(struct suite *suite, struct gate *gate, int n,
                          struct through_future *future)
{
    if (!suite->of->has_parallel)
        skip();
    const int before = atomic_load(&gate->inside);
    assert_int_equal(through_parallel(suite->io, future, gate, n), 0);
    suite_until(&gate->inside, before + 1);
}

static int64_t now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* ---- await ---- */

static void await_again_does_nothing(struct suite *suite)
{
    struct pinion_call call = twice_call(&(const struct twice_args){21});
    struct pinion_future future;
    for (int parallel = 0; parallel < (suite->of->has_parallel ? 2 : 1); parallel++) {
        int result = 0;
        if (parallel)
            assert_int_equal(pinion_async_parallel(suite->io, &call, &future), 0);
        else
            pinion_async(suite->io, &call, &result, &future);
        pinion_await(suite->io, &future, &result);
        assert_int_equal(result, 42);
        assert_null(future.task);
        result = 5;
        pinion_await(suite->io, &future, &result);
        pinion_cancel(suite->io, &future, &result);
        assert_int_equal(result, 5);
    }
}

static void a_future_may_be_copied(struct suite *suite)
{
    struct twice_future first = twice_async(suite->io, 4);
    struct twice_future second = first;
    memset(&first, 0xEE, sizeof first);
    assert_int_equal(twice_await(suite->io, &second), 8);
    assert_int_equal(twice_await(suite->io, &second), 8);
    if (suite->of->has_parallel) {
        assert_int_equal(twice_parallel(suite->io, &first, 5), 0);
        second = first;
        assert_int_equal(twice_await(suite->io, &second), 10);
    }
}

static void await_of_a_queued_task_runs_it_here(struct suite *suite)
{
    struct held held;
    suite_hold(suite, &held);
    struct where_future future = where_async(suite->io, 0);
    assert_true(pthread_equal(where_await(suite->io, &future), pthread_self()));
    suite_release(suite, &held);
}

static void queued_tasks_may_be_awaited_in_any_order(struct suite *suite)
{
    static const int orders[][6] = {
        {0, 1, 2, 3, 4, 5}, {5, 4, 3, 2, 1, 0}, {3, 0, 5, 1, 4, 2}, {2, 5, 0, 4, 3, 1}};
    struct held held;
    suite_hold(suite, &held);
    for (size_t order = 0; order < sizeof orders / sizeof orders[0]; order++) {
        for (int rounds = 0; rounds < 3; rounds++) {
            struct twice_future futures[6];
            for (int i = 0; i < 6; i++)
                futures[i] = twice_async(suite->io, i);
            for (int i = 0; i < 6; i++)
                assert_int_equal(twice_await(suite->io, &futures[orders[order][i]]),
                                 2 * orders[order][i]);
        }
    }
    suite_release(suite, &held);
}

/* Queues more than any bound, and awaits the oldest first, so that all but it become tombstones. */
static void more_tasks_than_a_queue_holds_are_all_awaited(struct suite *suite)
{
    enum { N = 3000 };
    static struct twice_future futures[N];
    struct held held;
    suite_hold(suite, &held);
    for (int i = 0; i < N; i++)
        futures[i] = twice_async(suite->io, i);
    for (int i = 0; i < N; i += 2)
        assert_int_equal(twice_await(suite->io, &futures[i]), 2 * i);
    for (int i = 1; i < N; i += 2)
        assert_int_equal(twice_await(suite->io, &futures[i]), 2 * i);
    suite_release(suite, &held);
}

struct opener {
    struct gate *gate;
    pthread_t thread;
};

static void *open_later(void *argument)
{
    struct opener *opener = argument;
    for (int i = 0; i < 50; i++)
        suite_yield();
    gate_open(opener->gate);
    return NULL;
}

static void await_waits_for_a_task_that_runs_elsewhere(struct suite *suite)
{
    for (int i = 0; i < SUITE_ROUNDS(10); i++) {
        struct gate gate;
        struct through_future future;
        gate_init(&gate);
        start_through(suite, &gate, 17, &future);
        struct opener opener = {.gate = &gate};
        assert_int_equal(pthread_create(&opener.thread, NULL, open_later, &opener), 0);
        assert_int_equal(through_await(suite->io, &future), 17);
        assert_int_equal(pthread_join(opener.thread, NULL), 0);
        gate_fini(&gate);
    }
}

struct handed {
    struct pinion_io *io;
    struct twice_future future;
    int result;
};

static void *await_handed(void *argument)
{
    struct handed *handed = argument;
    handed->result = twice_await(handed->io, &handed->future);
    return NULL;
}

static void another_thread_may_await_what_this_one_made(struct suite *suite)
{
    struct held held;
    for (int is_queued = 0; is_queued < 2; is_queued++) {
        if (is_queued)
            suite_hold(suite, &held);
        struct handed handed[8];
        pthread_t threads[8];
        for (int i = 0; i < 8; i++) {
            handed[i] = (struct handed){.io = suite->io, .future = twice_async(suite->io, i)};
            assert_int_equal(pthread_create(&threads[i], NULL, await_handed, &handed[i]), 0);
        }
        for (int i = 0; i < 8; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_int_equal(handed[i].result, 2 * i);
        }
        if (is_queued)
            suite_release(suite, &held);
    }
}

/* Plain memory, written by tasks and read by who awaited them. */
PINION_TASK(void, write_there, (int *, there), (int, value)) { *there = value; }

static void what_a_task_wrote_is_seen_after_its_await(struct suite *suite)
{
    enum { N = 64 };
    int memory[N] = {0};
    struct write_there_future futures[N];
    for (int round = 1; round <= SUITE_ROUNDS(16); round++) {
        for (int i = 0; i < N; i++)
            futures[i] = write_there_async(suite->io, &memory[i], i + round);
        for (int i = 0; i < N; i++) {
            write_there_await(suite->io, &futures[i]);
            assert_int_equal(memory[i], i + round);
        }
    }
}

/* Parents on every worker that each make a child and await it at once. */
PINION_TASK(int, parent, (struct pinion_io *, io), (int, n))
{
    struct twice_future child = twice_async(io, n);
    return twice_await(io, &child) + 1;
}

static void parents_on_every_worker_await_their_children(struct suite *suite)
{
    enum { N = 200 };
    struct parent_future futures[N];
    for (int i = 0; i < N; i++)
        futures[i] = parent_async(suite->io, suite->io, i);
    for (int i = N; i-- > 0;)
        assert_int_equal(parent_await(suite->io, &futures[i]), 2 * i + 1);
}

/* ---- select ---- */

static int select_of(struct suite *suite, struct pinion_future **list, size_t count,
                     int64_t deadline)
{
    return pinion_select(suite->io, list, count, deadline);
}

static void select_of_nothing_is_an_error(struct suite *suite)
{
    struct pinion_future future = {NULL};
    struct pinion_future *const list[1] = {&future};
    assert_int_equal(pinion_select(suite->io, list, 0, PINION_FOREVER), -EINVAL);
    assert_int_equal(pinion_select(suite->io, list, 0, 0), -EINVAL);
    assert_int_equal(pinion_select(suite->io, list, (size_t)INT_MAX + 1, 0), -EINVAL);
    assert_int_equal(pinion_select(suite->io, list, SIZE_MAX, 0), -EINVAL);
}

static void select_gives_the_lowest_index_that_is_done(struct suite *suite)
{
    struct gate gate;
    struct through_future running[2];
    struct pinion_future complete = {NULL};
    gate_init(&gate);
    start_through(suite, &gate, 1, &running[0]);
    start_through(suite, &gate, 2, &running[1]);
    struct pinion_future *const list[] = {&running[0].future, &complete, &running[1].future,
                                          &complete};
    for (int i = 0; i < 3; i++)
        assert_int_equal(pinion_select(suite->io, list, 4, PINION_FOREVER), 1);
    assert_int_equal(pinion_select(suite->io, list, 4, 0), 1);
    gate_open(&gate);
    assert_int_equal(through_await(suite->io, &running[0]), 1);
    assert_int_equal(pinion_select(suite->io, list, 4, PINION_FOREVER), 0);
    assert_int_equal(through_await(suite->io, &running[1]), 2);
    gate_fini(&gate);
}

static void a_deadline_that_has_passed_polls(struct suite *suite)
{
    struct gate gate;
    struct through_future running;
    gate_init(&gate);
    start_through(suite, &gate, 1, &running);
    struct pinion_future *const list[] = {&running.future, &running.future};
    const int64_t past[] = {0, 1, -1, INT64_MIN, now(), now() - 1000000000};
    for (size_t i = 0; i < sizeof past / sizeof past[0]; i++) {
        assert_int_equal(pinion_select(suite->io, list, 1, past[i]), -ETIMEDOUT);
        assert_int_equal(pinion_select(suite->io, list, 2, past[i]), -ETIMEDOUT);
    }
    gate_open(&gate);
    assert_int_equal(pinion_select(suite->io, list, 1, PINION_FOREVER), 0);
    assert_int_equal(pinion_select(suite->io, list, 1, 0), 0);
    assert_int_equal(through_await(suite->io, &running), 1);
    gate_fini(&gate);
}

static void a_deadline_to_come_ends_the_wait_when_it_has_come(struct suite *suite)
{
    struct gate gate;
    struct through_future running;
    gate_init(&gate);
    start_through(suite, &gate, 1, &running);
    struct pinion_future *const list[] = {&running.future};
    const int64_t deadline = now() + 2000000;
    assert_int_equal(pinion_select(suite->io, list, 1, deadline), -ETIMEDOUT);
    assert_true(now() >= deadline); /* not before; how much later is the machine's matter */
    gate_open(&gate);
    assert_int_equal(pinion_select(suite->io, list, 1, INT64_MAX - 1), 0);
    assert_int_equal(through_await(suite->io, &running), 1);
    gate_fini(&gate);
}

static void select_waits_for_the_first_that_ends(struct suite *suite)
{
    enum { N = 4 };
    struct gate gates[N];
    struct through_future running[N];
    struct pinion_future *list[N];
    for (int i = 0; i < N; i++) {
        gate_init(&gates[i]);
        start_through(suite, &gates[i], i, &running[i]);
        list[i] = &running[i].future;
    }
    static const int order[N] = {2, 0, 3, 1};
    for (int i = 0; i < N; i++) {
        struct opener opener = {.gate = &gates[order[i]]};
        assert_int_equal(pthread_create(&opener.thread, NULL, open_later, &opener), 0);
        const int index = select_of(suite, list, (size_t)(N - i), PINION_FOREVER);
        assert_int_equal(pthread_join(opener.thread, NULL), 0);
        assert_ptr_equal(list[index], &running[order[i]].future);
        assert_int_equal(through_await(suite->io, &running[order[i]]), order[i]);
        list[index] = list[N - i - 1];
    }
    for (int i = 0; i < N; i++)
        gate_fini(&gates[i]);
}

/* What is done stays done, whoever looked: two that are ready, one taken, then again. */
static void a_future_that_is_done_stays_done_however_often_it_is_selected(struct suite *suite)
{
    struct gate gate;
    struct through_future running[3];
    struct pinion_future *list[3];
    gate_init(&gate);
    for (int i = 0; i < 3; i++) {
        start_through(suite, &gate, 10 + i, &running[i]);
        list[i] = &running[i].future;
    }
    gate_open(&gate);
    for (int left = 3; left > 0; left--) {
        const int index =
            select_of(suite, list, (size_t)left, PINION_FOREVER);
        assert_in_range(index, 0, left - 1);
        const int again =
            select_of(suite, list, (size_t)left, 0);
        assert_in_range(again, 0, index); /* a lower one may have ended meanwhile */
        struct through_future *done = (struct through_future *)(void *)list[index];
        const int result = through_await(suite->io, done);
        assert_int_equal(result, 10 + (int)(done - running));
        list[index] = list[left - 1];
    }
    gate_fini(&gate);
}

static void select_consumes_nothing(struct suite *suite)
{
    struct twice_future future = twice_async(suite->io, 3);
    struct pinion_future *const list[] = {&future.future};
    for (int i = 0; i < 5; i++)
        assert_int_equal(pinion_select(suite->io, list, 1, PINION_FOREVER), 0);
    assert_int_equal(twice_await(suite->io, &future), 6);
}

static void select_runs_a_queued_task_here_before_it_waits(struct suite *suite)
{
    struct held held;
    suite_hold(suite, &held);
    struct where_future futures[3];
    struct pinion_future *list[3];
    for (int i = 0; i < 3; i++) {
        futures[i] = where_async(suite->io, i);
        list[i] = &futures[i].future;
    }
    /* The deadline bounds the wait, not that run. */
    const int index = select_of(suite, list, 3, 0);
    assert_in_range(index, 0, 2);
    assert_true(pthread_equal(where_await(suite->io, &futures[index]), pthread_self()));
    for (int i = 0; i < 3; i++)
        assert_true(pthread_equal(where_await(suite->io, &futures[i]), pthread_self()));
    suite_release(suite, &held);
}

static void select_takes_a_queued_task_among_running_ones(struct suite *suite)
{
    struct gate gate;
    struct held held;
    struct through_future running;
    gate_init(&gate);
    start_through(suite, &gate, 1, &running);
    suite_hold(suite, &held);
    struct twice_future queued = twice_async(suite->io, 8);
    struct pinion_future *const list[] = {&running.future, &queued.future, &running.future};
    assert_int_equal(pinion_select(suite->io, list, 3, PINION_FOREVER), 1);
    assert_int_equal(pinion_select(suite->io, list, 3, 0), 1);
    assert_int_equal(twice_await(suite->io, &queued), 16);
    suite_release(suite, &held);
    gate_open(&gate);
    assert_int_equal(through_await(suite->io, &running), 1);
    gate_fini(&gate);
}

static void a_future_may_be_named_more_than_once(struct suite *suite)
{
    struct gate gate;
    struct through_future running;
    gate_init(&gate);
    start_through(suite, &gate, 4, &running);
    struct pinion_future *const list[] = {&running.future, &running.future, &running.future};
    assert_int_equal(pinion_select(suite->io, list, 3, now() + 1000000), -ETIMEDOUT);
    struct opener opener = {.gate = &gate};
    assert_int_equal(pthread_create(&opener.thread, NULL, open_later, &opener), 0);
    assert_int_equal(pinion_select(suite->io, list, 3, PINION_FOREVER), 0);
    assert_int_equal(pthread_join(opener.thread, NULL), 0);
    assert_int_equal(through_await(suite->io, &running), 4);
    gate_fini(&gate);
}

static void select_takes_many_futures(struct suite *suite)
{
    enum { N = 300 };
    static struct twice_future futures[N];
    static struct pinion_future *list[N];
    int sum = 0;
    for (int i = 0; i < N; i++) {
        futures[i] = twice_async(suite->io, i);
        list[i] = &futures[i].future;
    }
    for (int left = N; left > 0; left--) {
        const int index =
            select_of(suite, list, (size_t)left, PINION_FOREVER);
        assert_in_range(index, 0, left - 1);
        sum += twice_await(suite->io, (struct twice_future *)(void *)list[index]);
        list[index] = list[left - 1];
    }
    assert_int_equal(sum, N * (N - 1));
}

/* Tasks that end while select puts its waiter on them and takes it back, with and without a
 * deadline. */
static void select_races_the_ends_of_its_tasks(struct suite *suite)
{
    enum { N = 5 };
    if (!suite->of->has_parallel)
        skip();
    for (int round = 0; round < SUITE_ROUNDS(10); round++) {
        struct gate gate;
        struct through_future running[N];
        struct pinion_future *list[N];
        gate_init(&gate);
        for (int i = 0; i < N; i++) {
            assert_int_equal(through_parallel(suite->io, &running[i], &gate, i), 0);
            list[i] = &running[i].future;
        }
        struct opener opener = {.gate = &gate};
        assert_int_equal(pthread_create(&opener.thread, NULL, open_later, &opener), 0);
        for (int left = N; left > 0;) {
            const int64_t deadline = round % 2 ? PINION_FOREVER : now() + 10000 * (round % 7);
            const int index =
                select_of(suite, list, (size_t)left, deadline);
            if (index == -ETIMEDOUT)
                continue;
            assert_in_range(index, 0, left - 1);
            struct through_future *done = (struct through_future *)(void *)list[index];
            assert_int_equal(through_await(suite->io, done), done - running);
            list[index] = list[--left];
        }
        assert_int_equal(pthread_join(opener.thread, NULL), 0);
        gate_fini(&gate);
    }
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(await_again_does_nothing),
    SUITE_TEST(a_future_may_be_copied),
    SUITE_TEST(await_of_a_queued_task_runs_it_here),
    SUITE_TEST(queued_tasks_may_be_awaited_in_any_order),
    SUITE_TEST(more_tasks_than_a_queue_holds_are_all_awaited),
    SUITE_TEST(await_waits_for_a_task_that_runs_elsewhere),
    SUITE_TEST(another_thread_may_await_what_this_one_made),
    SUITE_TEST(what_a_task_wrote_is_seen_after_its_await),
    SUITE_TEST(parents_on_every_worker_await_their_children),
    SUITE_TEST(select_of_nothing_is_an_error),
    SUITE_TEST(select_gives_the_lowest_index_that_is_done),
    SUITE_TEST(a_deadline_that_has_passed_polls),
    SUITE_TEST(a_deadline_to_come_ends_the_wait_when_it_has_come),
    SUITE_TEST(select_waits_for_the_first_that_ends),
    SUITE_TEST(a_future_that_is_done_stays_done_however_often_it_is_selected),
    SUITE_TEST(select_consumes_nothing),
    SUITE_TEST(select_runs_a_queued_task_here_before_it_waits),
    SUITE_TEST(select_takes_a_queued_task_among_running_ones),
    SUITE_TEST(a_future_may_be_named_more_than_once),
    SUITE_TEST(select_takes_many_futures),
    SUITE_TEST(select_races_the_ends_of_its_tasks),
    {NULL, NULL},
};
