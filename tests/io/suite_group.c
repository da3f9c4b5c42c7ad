/* SPDX-License-Identifier: MIT
 *
 * The suite's part on groups, but for their cancelation.
 */
#include "suite.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS_MAX 1024

PINION_TASK(void, count, (_Atomic int *, runs))
{
    atomic_fetch_add(runs, 1);
}

/* ---- awaiting ---- */

static void every_member_runs_once_before_await_returns(struct suite *suite)
{
    static const int counts[] = {1, 2, 7, 64, MEMBERS_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct pinion_group group = PINION_GROUP_INIT;
        _Atomic int runs = 0;
        for (int j = 0; j < counts[i]; j++)
            count_group(suite->io, &group, &runs);
        assert_int_equal(pinion_group_await(suite->io, &group), 0);
        assert_int_equal(atomic_load(&runs), counts[i]);
    }
}

static void an_empty_group_is_awaited_and_canceled_at_once(struct suite *suite)
{
    struct pinion_group group = PINION_GROUP_INIT;
    assert_int_equal(pinion_group_await(suite->io, &group), 0);
    assert_int_equal(pinion_group_await(suite->io, &group), 0);
    pinion_group_cancel(suite->io, &group);
    pinion_group_cancel(suite->io, &group);
    assert_int_equal(pinion_group_await(suite->io, &group), 0);
}

static void a_zeroed_group_is_ready_and_a_group_is_used_again(struct suite *suite)
{
    struct pinion_group group;
    _Atomic int runs = 0;
    memset(&group, 0, sizeof group);
    for (int i = 1; i <= 20; i++) {
        for (int j = 0; j < 10; j++)
            count_group(suite->io, &group, &runs);
        if (i % 3)
            assert_int_equal(pinion_group_await(suite->io, &group), 0);
        else
            pinion_group_cancel(suite->io, &group);
        assert_int_equal(atomic_load(&runs), 10 * i);
        assert_int_equal(pinion_group_await(suite->io, &group), 0); /* empty again */
    }
}

/* ---- the call ---- */

PINION_TASK(void, add_up, (_Atomic int *, sum), (int, first), (int, last))
{
    for (int i = first; i < last; i++)
        atomic_fetch_add(sum, i);
}

static void each_member_has_a_copy_of_its_own_context(struct suite *suite)
{
    struct pinion_group group = PINION_GROUP_INIT;
    _Atomic int sums[100];
    for (int i = 0; i < 100; i++) {
        atomic_init(&sums[i], 0);
        add_up_group(suite->io, &group, &sums[i], i, i + 10);
    }
    assert_int_equal(pinion_group_await(suite->io, &group), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(atomic_load(&sums[i]), 10 * i + 45);
}

#define WIDE 70000

struct wide {
    _Atomic int *runs;
    size_t result_size, result_align;
    unsigned char bytes[WIDE];
};

static void check_wide(const void *context, void *result)
{
    const struct wide *wide = context;
    for (size_t i = 0; i < WIDE; i += 999)
        EXPECT(wide->bytes[i] == (unsigned char)i);
    if (wide->result_size) {
        EXPECT(result != NULL);
        EXPECT(((uintptr_t)result & (wide->result_align - 1)) == 0);
        memset(result, 0xa5, wide->result_size);
    } else {
        EXPECT(result == NULL);
    }
    atomic_fetch_add(wide->runs, 1);
}

/* Starts the call in all the ways that there are. Returns how many. */
static int start_in_every_way(struct suite *suite, struct pinion_group *group,
                              const struct pinion_call *call)
{
    pinion_group_async(suite->io, group, call);
    int count = 1;
    if (suite->of->has_concurrent) {
        assert_int_equal(pinion_group_concurrent(suite->io, group, call), 0);
        count++;
    }
    if (suite->of->has_parallel) {
        assert_int_equal(pinion_group_parallel(suite->io, group, call), 0);
        count++;
    }
    return count;
}

static void contexts_and_discarded_results_may_be_of_any_size(struct suite *suite)
{
    static const size_t sizes[] = {0, 1, 64, 300, 448, 5000, 100000};
    struct wide *wide = calloc(1, sizeof *wide);
    _Atomic int runs = 0;
    int started = 0;
    assert_non_null(wide);
    for (size_t i = 0; i < WIDE; i++)
        wide->bytes[i] = (unsigned char)i;
    wide->runs = &runs;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t align = 8; align <= PINION_ALIGN_MAX; align *= 512) {
            struct pinion_group group = PINION_GROUP_INIT;
            wide->result_size = sizes[i];
            wide->result_align = align;
            const struct pinion_call call = {.start = check_wide,
                                             .context = wide,
                                             .context_size = sizeof *wide,
                                             .context_align = alignof(struct wide),
                                             .result_size = sizes[i],
                                             .result_align = align};
            started += start_in_every_way(suite, &group, &call);
            assert_int_equal(pinion_group_await(suite->io, &group), 0);
            assert_int_equal(atomic_load(&runs), started);
        }
    }
    free(wide);
}

static void fill_small(const void *context, void *result)
{
    _Atomic int *runs = *(_Atomic int *const *)context;
    memset(result, 0x5a, 40);
    atomic_fetch_add(runs, 1);
}

static void small_results_are_discarded_wherever_the_member_runs(struct suite *suite)
{
    struct pinion_group group = PINION_GROUP_INIT;
    _Atomic int runs = 0;
    void *pointer = (void *)&runs;
    struct pinion_call call = suite_call(fill_small, &pointer);
    call.result_size = 40;
    for (int i = 0; i < 100; i++)
        pinion_group_async(suite->io, &group, &call);
    assert_int_equal(pinion_group_await(suite->io, &group), 0);
    assert_int_equal(atomic_load(&runs), 100);
}

static void a_bad_call_is_refused_and_is_no_member(struct suite *suite)
{
    struct pinion_group group = PINION_GROUP_INIT;
    _Atomic int runs = 0;
    void *pointer = (void *)&runs;
    const struct pinion_call good = suite_call(fill_small, &pointer);
    struct pinion_call bad[] = {good, good, good, good};
    bad[0].start = NULL;
    bad[1].context_align = 3;
    bad[2].result_align = 2 * PINION_ALIGN_MAX;
    bad[3].context = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(pinion_group_concurrent(suite->io, &group, &bad[i]), -EINVAL);
        assert_int_equal(pinion_group_parallel(suite->io, &group, &bad[i]), -EINVAL);
    }
    assert_int_equal(pinion_group_await(suite->io, &group), 0);
    assert_int_equal(atomic_load(&runs), 0);
}

/* In debug builds it asserts. */
#if !PN_DEBUG
static void check_mended(const void *context, void *result)
{
    _Atomic int *runs = *(_Atomic int *const *)context;
    EXPECT(((uintptr_t)context & (PINION_ALIGN_MAX - 1)) == 0);
    EXPECT(((uintptr_t)result & (PINION_ALIGN_MAX - 1)) == 0);
    memset(result, 0x5a, 40);
    atomic_fetch_add(runs, 1);
}

static void an_async_member_with_a_bad_alignment_is_mended(struct suite *suite)
{
    struct pinion_group group = PINION_GROUP_INIT;
    _Atomic int runs = 0;
    void *pointer = (void *)&runs;
    struct pinion_call call = suite_call(check_mended, &pointer);
    call.result_size = 40;
    call.context_align = 3;
    call.result_align = 2 * PINION_ALIGN_MAX;
    for (int i = 0; i < 10; i++)
        pinion_group_async(suite->io, &group, &call);
    assert_int_equal(pinion_group_await(suite->io, &group), 0);
    assert_int_equal(atomic_load(&runs), 10);
}
#endif

/* ---- who runs members ---- */

struct where {
    pthread_t caller;
    _Atomic int here, elsewhere, runs;
};

PINION_TASK(void, note_where, (struct where *, where))
{
    if (pthread_equal(pthread_self(), where->caller))
        atomic_fetch_add(&where->here, 1);
    else
        atomic_fetch_add(&where->elsewhere, 1);
    atomic_fetch_add(&where->runs, 1);
}

static void await_runs_here_the_members_that_nobody_took(struct suite *suite)
{
    struct held held;
    suite_hold(suite, &held);
    struct pinion_group group = PINION_GROUP_INIT;
    struct where where = {.caller = pthread_self()};
    for (int i = 0; i < 30; i++)
        note_where_group(suite->io, &group, &where);
    assert_int_equal(pinion_group_await(suite->io, &group), 0);
    assert_int_equal(atomic_load(&where.here), 30);
    assert_int_equal(atomic_load(&where.elsewhere), 0);
    suite_release(suite, &held);
}

struct outside {
    struct suite *suite;
    struct pinion_group group;
    struct where where;
};

static void *group_of_an_outside_thread(void *argument)
{
    struct outside *outside = argument;
    outside->where.caller = pthread_self();
    for (int i = 0; i < 30; i++)
        note_where_group(outside->suite->io, &outside->group, &outside->where);
    EXPECT(pinion_group_await(outside->suite->io, &outside->group) == 0);
    return NULL;
}

static void members_of_an_outside_thread_are_claimed_by_its_await(struct suite *suite)
{
    struct held held;
    suite_hold(suite, &held);
    struct outside outside = {.suite = suite};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, group_of_an_outside_thread, &outside), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(atomic_load(&outside.where.here), 30);
    assert_int_equal(atomic_load(&outside.where.elsewhere), 0);
    suite_release(suite, &held);
}

/* Several threads, all of them outside, each with groups of its own. */
static void *many_groups(void *argument)
{
    struct suite *suite = argument;
    for (int i = 0; i < SUITE_ROUNDS(200); i++) {
        struct pinion_group group = PINION_GROUP_INIT;
        _Atomic int runs = 0;
        for (int j = 0; j < 20; j++)
            count_group(suite->io, &group, &runs);
        EXPECT(pinion_group_await(suite->io, &group) == 0);
        EXPECT(atomic_load(&runs) == 20);
    }
    return NULL;
}

static void threads_use_groups_of_their_own_at_the_same_time(struct suite *suite)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, many_groups, suite), 0);
    (void)many_groups(suite);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* One group that several threads fill; a member holds it open meanwhile. */
struct shared {
    struct suite *suite;
    struct pinion_group group;
    struct gate gate;
    _Atomic int runs, filled;
};

#define FILLERS    3
#define FILL_COUNT 300

static void *fill(void *argument)
{
    struct shared *shared = argument;
    for (int i = 0; i < FILL_COUNT; i++)
        count_group(shared->suite->io, &shared->group, &shared->runs);
    if (atomic_fetch_add(&shared->filled, 1) == FILLERS - 1)
        gate_open(&shared->gate);
    return NULL;
}

PINION_TASK(void, hold_open, (struct gate *, gate))
{
    gate_enter(gate);
}

static void threads_fill_a_group_that_another_awaits(struct suite *suite)
{
    struct shared shared = {.suite = suite};
    struct hold_open_args args = {&shared.gate};
    const struct pinion_call call = hold_open_call(&args);
    pthread_t threads[FILLERS];
    if (!suite->of->has_parallel)
        skip();
    gate_init(&shared.gate);
    assert_int_equal(pinion_group_parallel(suite->io, &shared.group, &call), 0);
    for (int i = 0; i < FILLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fill, &shared), 0);
    assert_int_equal(pinion_group_await(suite->io, &shared.group), 0);
    assert_int_equal(atomic_load(&shared.runs), FILLERS * FILL_COUNT);
    for (int i = 0; i < FILLERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    gate_fini(&shared.gate);
}

/* ---- members that start members ---- */

struct tree {
    struct pinion_io *io;
    struct pinion_group group;
    _Atomic int leaves;
};

PINION_TASK(void, grow, (struct tree *, tree), (int, depth))
{
    if (depth == 0) {
        atomic_fetch_add(&tree->leaves, 1);
        return;
    }
    grow_group(tree->io, &tree->group, tree, depth - 1);
    grow_group(tree->io, &tree->group, tree, depth - 1);
}

static void members_start_members_of_their_own_group(struct suite *suite)
{
    for (int i = 0; i < SUITE_ROUNDS(8); i++) {
        struct tree tree = {.io = suite->io};
        grow_group(suite->io, &tree.group, &tree, 9);
        assert_int_equal(pinion_group_await(suite->io, &tree.group), 0);
        assert_int_equal(atomic_load(&tree.leaves), 1 << 9);
    }
}

/* Every worker is busy and the group's owner waits, when a member queues what it then needs. */
struct needy {
    struct suite *suite;
    struct pinion_group group;
    struct where where;
    _Atomic int waits;
};

PINION_TASK(void, need, (struct needy *, needy))
{
    suite_until(&needy->waits, 1);
    for (int i = 0; i < 50; i++) /* so that the owner sleeps, mostly */
        suite_yield();
    note_where_group(needy->suite->io, &needy->group, &needy->where);
    suite_until(&needy->where.runs, 1);
}

static void await_that_sleeps_runs_what_a_member_queues_when_nobody_else_can(struct suite *suite)
{
    struct held held;
    if (!suite->of->has_parallel)
        skip();
    suite_hold(suite, &held);
    for (int i = 0; i < 5; i++) {
        struct needy needy = {.suite = suite, .where = {.caller = pthread_self()}};
        struct need_args args = {&needy};
        const struct pinion_call call = need_call(&args);
        assert_int_equal(pinion_group_parallel(suite->io, &needy.group, &call), 0);
        atomic_store(&needy.waits, 1);
        assert_int_equal(pinion_group_await(suite->io, &needy.group), 0);
        assert_int_equal(atomic_load(&needy.where.here), suite->of->workers > 0);
        assert_int_equal(atomic_load(&needy.where.elsewhere), suite->of->workers == 0);
    }
    suite_release(suite, &held);
}

/* Each member makes the next and ends: the group is never empty, and never holds more than two. */
PINION_TASK(void, relay, (struct tree *, tree), (int, left))
{
    atomic_fetch_add(&tree->leaves, 1);
    if (left)
        relay_group(tree->io, &tree->group, tree, left - 1);
}

static void a_chain_of_members_is_awaited_to_its_end(struct suite *suite)
{
    struct tree tree = {.io = suite->io};
    relay_group(suite->io, &tree.group, &tree, 500);
    assert_int_equal(pinion_group_await(suite->io, &tree.group), 0);
    assert_int_equal(atomic_load(&tree.leaves), 501);
}

/* ---- members that wait ---- */

PINION_TASK(int, deep, (struct pinion_io *, io), (int, n))
{
    if (n < 2)
        return n;
    struct deep_future left = deep_async(io, io, n - 1);
    const int right = deep(io, n - 2);
    return right + deep_await(io, &left);
}

PINION_TASK(void, fork_and_wait, (struct pinion_io *, io), (_Atomic int *, runs))
{
    struct pinion_group group = PINION_GROUP_INIT;
    for (int i = 0; i < 3; i++)
        count_group(io, &group, runs);
    struct deep_future future = deep_async(io, io, 4);
    EXPECT(pinion_group_await(io, &group) == 0);
    EXPECT(deep_await(io, &future) == 3);
}

static void a_thousand_members_that_each_spawn_and_wait_do_not_hang(struct suite *suite)
{
    struct pinion_group group = PINION_GROUP_INIT;
    _Atomic int runs = 0;
    for (int i = 0; i < MEMBERS_MAX; i++)
        fork_and_wait_group(suite->io, &group, suite->io, &runs);
    assert_int_equal(pinion_group_await(suite->io, &group), 0);
    assert_int_equal(atomic_load(&runs), 3 * MEMBERS_MAX);
}

PINION_TASK(void, nest, (struct pinion_io *, io), (_Atomic int *, leaves), (int, depth))
{
    struct pinion_group group = PINION_GROUP_INIT;
    if (depth == 0) {
        atomic_fetch_add(leaves, 1);
        return;
    }
    for (int i = 0; i < 3; i++)
        nest_group(io, &group, io, leaves, depth - 1);
    EXPECT(pinion_group_await(io, &group) == 0);
}

static void groups_within_members_of_groups_end(struct suite *suite)
{
    _Atomic int leaves = 0;
    nest(suite->io, &leaves, 6);
    assert_int_equal(atomic_load(&leaves), 729);
}

/* ---- concurrent and parallel members ---- */

PINION_TASK(void, meet, (_Atomic int *, inside), (int, all))
{
    atomic_fetch_add(inside, 1);
    suite_until(inside, all);
}

static void concurrent_and_parallel_members_run_at_the_same_time(struct suite *suite)
{
    if (!suite->of->has_concurrent || !suite->of->has_parallel)
        skip();
    for (int i = 0; i < 10; i++) {
        struct pinion_group group = PINION_GROUP_INIT;
        _Atomic int inside = 0;
        const struct meet_args args = {&inside, 4};
        const struct pinion_call call = meet_call(&args);
        for (int j = 0; j < 2; j++) {
            assert_int_equal(pinion_group_concurrent(suite->io, &group, &call), 0);
            assert_int_equal(pinion_group_parallel(suite->io, &group, &call), 0);
        }
        assert_int_equal(pinion_group_await(suite->io, &group), 0);
        assert_int_equal(atomic_load(&inside), 4);
    }
}

static void a_group_holds_members_of_all_kinds(struct suite *suite)
{
    for (int i = 0; i < SUITE_ROUNDS(10); i++) {
        struct pinion_group group = PINION_GROUP_INIT;
        _Atomic int runs = 0;
        int started = 0;
        struct count_args args = {&runs};
        const struct pinion_call call = count_call(&args);
        for (int j = 0; j < 3; j++)
            started += start_in_every_way(suite, &group, &call);
        assert_int_equal(pinion_group_await(suite->io, &group), 0);
        assert_int_equal(atomic_load(&runs), started);
    }
}

/* ---- the group's memory ---- */

static void a_group_may_vanish_when_await_returns(struct suite *suite)
{
    for (int i = 0; i < SUITE_ROUNDS(2000); i++) {
        struct pinion_group *group = calloc(1, sizeof *group);
        _Atomic int runs = 0;
        assert_non_null(group);
        for (int j = 0; j < 1 + i % 3; j++)
            count_group(suite->io, group, &runs);
        assert_int_equal(pinion_group_await(suite->io, group), 0);
        memset(group, 0xff, sizeof *group);
        free(group);
    }
}

static void a_group_of_reserved_members_may_vanish_when_await_returns(struct suite *suite)
{
    if (!suite->of->has_parallel)
        skip();
    for (int i = 0; i < SUITE_ROUNDS(80); i++) {
        struct pinion_group *group = calloc(1, sizeof *group);
        _Atomic int runs = 0;
        struct count_args args = {&runs};
        const struct pinion_call call = count_call(&args);
        assert_non_null(group);
        for (int j = 0; j < 1 + i % 2; j++)
            assert_int_equal(pinion_group_parallel(suite->io, group, &call), 0);
        assert_int_equal(pinion_group_await(suite->io, group), 0);
        memset(group, 0xff, sizeof *group);
        free(group);
    }
}

/* ---- the task's pointer ---- */

PINION_TASK(void, check_local, (struct pinion_io *, io), (void *, expected), (_Atomic int *, runs))
{
    EXPECT(pinion_task_local(io) == expected);
    pinion_task_local_set(io, runs);
    atomic_fetch_add(runs, 1);
}

static void a_member_inherits_its_makers_pointer_and_has_its_own(struct suite *suite)
{
    struct pinion_group group = PINION_GROUP_INIT;
    _Atomic int runs = 0;
    int mine = 0;
    pinion_task_local_set(suite->io, &mine);
    for (int i = 0; i < 50; i++) {
        check_local_group(suite->io, &group, suite->io, &mine, &runs);
        assert_ptr_equal(pinion_task_local(suite->io), &mine);
    }
    assert_int_equal(pinion_group_await(suite->io, &group), 0);
    assert_ptr_equal(pinion_task_local(suite->io), &mine);
    assert_int_equal(atomic_load(&runs), 50);
    pinion_task_local_set(suite->io, NULL);
}

static void errno_is_left_alone(struct suite *suite)
{
    struct pinion_group group = PINION_GROUP_INIT;
    _Atomic int runs = 0;
    errno = ENOTTY;
    for (int i = 0; i < 50; i++)
        count_group(suite->io, &group, &runs);
    assert_int_equal(errno, ENOTTY);
    assert_int_equal(pinion_group_await(suite->io, &group), 0);
    assert_int_equal(errno, ENOTTY);
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(every_member_runs_once_before_await_returns),
    SUITE_TEST(an_empty_group_is_awaited_and_canceled_at_once),
    SUITE_TEST(a_zeroed_group_is_ready_and_a_group_is_used_again),
    SUITE_TEST(each_member_has_a_copy_of_its_own_context),
    SUITE_TEST(contexts_and_discarded_results_may_be_of_any_size),
    SUITE_TEST(small_results_are_discarded_wherever_the_member_runs),
    SUITE_TEST(a_bad_call_is_refused_and_is_no_member),
#if !PN_DEBUG
    SUITE_TEST(an_async_member_with_a_bad_alignment_is_mended),
#endif
    SUITE_TEST(await_runs_here_the_members_that_nobody_took),
    SUITE_TEST(members_of_an_outside_thread_are_claimed_by_its_await),
    SUITE_TEST(threads_use_groups_of_their_own_at_the_same_time),
    SUITE_TEST(threads_fill_a_group_that_another_awaits),
    SUITE_TEST(members_start_members_of_their_own_group),
    SUITE_TEST(await_that_sleeps_runs_what_a_member_queues_when_nobody_else_can),
    SUITE_TEST(a_chain_of_members_is_awaited_to_its_end),
    SUITE_TEST(a_thousand_members_that_each_spawn_and_wait_do_not_hang),
    SUITE_TEST(groups_within_members_of_groups_end),
    SUITE_TEST(concurrent_and_parallel_members_run_at_the_same_time),
    SUITE_TEST(a_group_holds_members_of_all_kinds),
    SUITE_TEST(a_group_may_vanish_when_await_returns),
    SUITE_TEST(a_group_of_reserved_members_may_vanish_when_await_returns),
    SUITE_TEST(a_member_inherits_its_makers_pointer_and_has_its_own),
    SUITE_TEST(errno_is_left_alone),
    {NULL, NULL},
};
