/* SPDX-License-Identifier: MIT
 *
 * The suite's part on the one pointer that each task has.
 */
#include "suite.h"

#include <stdatomic.h>

static char first, second, third; /* things to point to */

PINION_TASK(void *, read_local, (struct pinion_io *, io)) { return pinion_task_local(io); }

PINION_TASK(void *, replace_local, (struct pinion_io *, io), (void *, value))
{
    void *inherited = pinion_task_local(io);
    pinion_task_local_set(io, value);
    EXPECT(pinion_task_local(io) == value);
    return inherited;
}

static void *other_thread(void *argument)
{
    struct pinion_io *io = argument;
    EXPECT(pinion_task_local(io) == NULL);
    pinion_task_local_set(io, &second);
    EXPECT(pinion_task_local(io) == &second);
    return NULL;
}

static void outside_tasks_it_is_the_threads(struct suite *suite)
{
    pthread_t thread;
    assert_null(pinion_task_local(suite->io));
    pinion_task_local_set(suite->io, &first);
    assert_int_equal(pthread_create(&thread, NULL, other_thread, suite->io), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_ptr_equal(pinion_task_local(suite->io), &first);
    pinion_task_local_set(suite->io, NULL);
    assert_null(pinion_task_local(suite->io));
}

static void every_form_of_task_inherits_it(struct suite *suite)
{
    struct read_local_future future;
    pinion_task_local_set(suite->io, &first);
    future = read_local_async(suite->io, suite->io);
    assert_ptr_equal(read_local_await(suite->io, &future), &first);
    if (suite->of->has_concurrent) {
        assert_int_equal(read_local_concurrent(suite->io, &future, suite->io), 0);
        assert_ptr_equal(read_local_await(suite->io, &future), &first);
    }
    if (suite->of->has_parallel) {
        assert_int_equal(read_local_parallel(suite->io, &future, suite->io), 0);
        assert_ptr_equal(read_local_await(suite->io, &future), &first);
    }
    pinion_task_local_set(suite->io, NULL);
}

static _Atomic(void *) found;
static _Atomic int runs;

PINION_TASK(void, report_local, (struct pinion_io *, io))
{
    atomic_store(&found, pinion_task_local(io));
    atomic_fetch_add(&runs, 1);
}

static void a_detached_task_inherits_it_too(struct suite *suite)
{
    atomic_store(&runs, 0);
    pinion_task_local_set(suite->io, &third);
    report_local_detached(suite->io, suite->io);
    pinion_task_local_set(suite->io, NULL);
    suite_until(&runs, 1);
    assert_ptr_equal(atomic_load(&found), &third);
}

static void it_is_inherited_when_the_task_is_made_not_when_it_starts(struct suite *suite)
{
    struct held held;
    suite_hold(suite, &held);
    pinion_task_local_set(suite->io, &first);
    struct read_local_future future = read_local_async(suite->io, suite->io);
    pinion_task_local_set(suite->io, &second);
    assert_ptr_equal(read_local_await(suite->io, &future), &first);
    assert_ptr_equal(pinion_task_local(suite->io), &second);
    pinion_task_local_set(suite->io, NULL);
    suite_release(suite, &held);
}

static void what_a_task_sets_is_not_seen_by_its_maker(struct suite *suite)
{
    struct held held;
    pinion_task_local_set(suite->io, &first);
    for (int is_queued = 0; is_queued < 2; is_queued++) {
        if (is_queued)
            suite_hold(suite, &held);
        struct replace_local_future futures[20];
        for (int i = 0; i < 20; i++) { /* enough that some run in place, unless eager */
            futures[i] = replace_local_async(suite->io, suite->io, &second);
            assert_ptr_equal(pinion_task_local(suite->io), &first);
        }
        for (int i = 0; i < 20; i++) {
            assert_ptr_equal(replace_local_await(suite->io, &futures[i]), &first);
            assert_ptr_equal(pinion_task_local(suite->io), &first);
        }
        if (is_queued)
            suite_release(suite, &held);
    }
    pinion_task_local_set(suite->io, NULL);
}

PINION_TASK(void, set_and_pass_on, (struct pinion_io *, io), (int, depth))
{
    char mine;
    void *const inherited = pinion_task_local(io);
    pinion_task_local_set(io, &mine);
    if (depth) {
        struct set_and_pass_on_future child = set_and_pass_on_async(io, io, depth - 1);
        struct read_local_future reader = read_local_async(io, io);
        EXPECT(pinion_task_local(io) == &mine);
        EXPECT(read_local_await(io, &reader) == &mine);
        set_and_pass_on_await(io, &child);
    }
    EXPECT(pinion_task_local(io) == &mine);
    EXPECT(inherited != NULL);
}

static void it_goes_down_generations_and_never_up(struct suite *suite)
{
    pinion_task_local_set(suite->io, &first);
    struct set_and_pass_on_future future = set_and_pass_on_async(suite->io, suite->io, 20);
    set_and_pass_on_await(suite->io, &future);
    set_and_pass_on(suite->io, 20);
    pinion_task_local_set(suite->io, NULL);
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(outside_tasks_it_is_the_threads),
    SUITE_TEST(every_form_of_task_inherits_it),
    SUITE_TEST(a_detached_task_inherits_it_too),
    SUITE_TEST(it_is_inherited_when_the_task_is_made_not_when_it_starts),
    SUITE_TEST(what_a_task_sets_is_not_seen_by_its_maker),
    SUITE_TEST(it_goes_down_generations_and_never_up),
    {NULL, NULL},
};
