/* SPDX-License-Identifier: MIT
 *
 * The suite's part on the cancelation of groups.
 */
#include "suite.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- members that look at what was asked of them ---- */

struct seen {
    struct pinion_io *io;
    _Atomic int inside, runs, requested, delivered;
};

PINION_TASK(void, look, (struct seen *, seen))
{
    atomic_fetch_add(&seen->inside, 1);
    const int first = pinion_check_cancel(seen->io), second = pinion_check_cancel(seen->io);
    EXPECT(!first || !second); /* delivered once */
    atomic_fetch_add(&seen->delivered, first == -ECANCELED || second == -ECANCELED);
    atomic_fetch_add(&seen->requested, pinion_cancel_requested(seen->io));
    atomic_fetch_add(&seen->runs, 1);
}

static void until_canceled(struct seen *seen)
{
    atomic_fetch_add(&seen->inside, 1);
    suite_until_holds(pinion_check_cancel(seen->io) == -ECANCELED);
    EXPECT(pinion_cancel_requested(seen->io));
    atomic_fetch_add(&seen->delivered, 1);
    atomic_fetch_add(&seen->runs, 1);
}

PINION_TASK(void, wait_for_cancel, (struct seen *, seen))
{
    until_canceled(seen);
}

static struct pinion_call call_of(struct wait_for_cancel_args *args, struct seen *seen)
{
    args->seen = seen;
    return wait_for_cancel_call(args);
}

/* Starts so many members that wait for the cancel, on threads of their own. */
static void start_waiting(struct suite *suite, struct pinion_group *group, struct seen *seen, int n)
{
    struct wait_for_cancel_args args;
    const struct pinion_call call = call_of(&args, seen);
    if (!suite->of->has_concurrent || !suite->of->has_parallel)
        skip();
    for (int i = 0; i < n; i++)
        if (i % 2)
            assert_int_equal(pinion_group_concurrent(suite->io, group, &call), 0);
        else
            assert_int_equal(pinion_group_parallel(suite->io, group, &call), 0);
}

/* ---- a task to look from ---- */

struct viewed {
    struct suite *suite;
    struct pinion_io *io;
    void (*body)(struct viewed *within);
    struct gate gate;
    _Atomic int reached;
    struct seen seen;
};

PINION_TASK(void, stand, (struct viewed *, within))
{
    gate_enter(&within->gate);
    within->body(within);
}

enum when { NEVER, BEFORE, LATER };

/* Runs body in a task that runs elsewhere, which is asked to cancel never, before it begins, or
 * once reached is 1. */
static void in_a_task(struct suite *suite, void (*body)(struct viewed *within), enum when when)
{
    struct viewed within = {.suite = suite, .io = suite->io, .body = body,
                            .seen = {.io = suite->io}};
    struct stand_args args = {&within};
    const struct pinion_call call = stand_call(&args);
    struct pinion_future future;
    if (!suite->of->has_parallel || !suite->of->has_concurrent)
        skip();
    gate_init(&within.gate);
    suite_start(suite, &call, &future);
    suite_until(&within.gate.inside, 1);
    if (when == BEFORE)
        pinion_request_cancel(suite->io, &future);
    gate_open(&within.gate);
    if (when == LATER) {
        suite_until(&within.reached, 1);
        for (int i = 0; i < 20; i++) /* so that it is in its wait, mostly */
            suite_yield();
        pinion_request_cancel(suite->io, &future);
    }
    pinion_await(suite->io, &future, NULL);
    gate_fini(&within.gate);
}

static void start_two(struct viewed *within, struct pinion_group *group)
{
    struct wait_for_cancel_args args;
    const struct pinion_call call = call_of(&args, &within->seen);
    EXPECT(pinion_group_concurrent(within->io, group, &call) == 0);
    EXPECT(pinion_group_parallel(within->io, group, &call) == 0);
}

/* ---- pinion_group_cancel ---- */

static void cancel_reaches_members_that_run_and_waits_for_them(struct suite *suite)
{
    for (int i = 0; i < SUITE_ROUNDS(12); i++) {
        struct pinion_group group = PINION_GROUP_INIT;
        struct seen seen = {.io = suite->io};
        start_waiting(suite, &group, &seen, 4);
        if (i % 2)
            suite_until(&seen.inside, 4);
        pinion_group_cancel(suite->io, &group);
        assert_int_equal(atomic_load(&seen.runs), 4);
        assert_int_equal(atomic_load(&seen.delivered), 4);
        assert_int_equal(pinion_group_await(suite->io, &group), 0);
    }
}

static void members_that_nobody_took_still_run_when_canceled(struct suite *suite)
{
    struct held held;
    suite_hold(suite, &held);
    struct pinion_group group = PINION_GROUP_INIT;
    struct seen seen = {.io = suite->io};
    int inlined = 0;
    for (int i = 0; i < 20; i++) {
        const int before = atomic_load(&seen.runs);
        look_group(suite->io, &group, &seen);
        inlined += atomic_load(&seen.runs) - before;
    }
    assert_true(suite->of->workers == 0 ? inlined == 20 : inlined < 20);
    pinion_group_cancel(suite->io, &group);
    assert_int_equal(atomic_load(&seen.runs), 20);
    assert_int_equal(atomic_load(&seen.requested), 20 - inlined);
    assert_int_equal(atomic_load(&seen.delivered), 20 - inlined);
    suite_release(suite, &held);
}

/* As upstream's: the request comes to a function that knows nothing of groups, where it waits. */
static void a_member_is_given_a_request_wherever_it_waits(struct suite *suite)
{
    struct pinion_group group = PINION_GROUP_INIT;
    struct seen seen = {.io = suite->io};
    start_waiting(suite, &group, &seen, 1);
    suite_until(&seen.inside, 1);
    pinion_group_cancel(suite->io, &group);
    assert_int_equal(atomic_load(&seen.delivered), 1);
}

static void after_a_cancel_the_group_is_fresh(struct suite *suite)
{
    struct pinion_group group = PINION_GROUP_INIT;
    for (int i = 0; i < 5; i++) {
        struct seen seen = {.io = suite->io}, next = {.io = suite->io};
        start_waiting(suite, &group, &seen, 2);
        pinion_group_cancel(suite->io, &group);
        for (int j = 0; j < 10; j++)
            look_group(suite->io, &group, &next);
        assert_int_equal(pinion_group_await(suite->io, &group), 0);
        assert_int_equal(atomic_load(&next.runs), 10);
        assert_int_equal(atomic_load(&next.requested), 0);
        assert_int_equal(atomic_load(&next.delivered), 0);
    }
}

static void a_cancel_of_an_empty_group_leaves_the_next_members_alone(struct suite *suite)
{
    struct pinion_group group = PINION_GROUP_INIT;
    struct seen seen = {.io = suite->io};
    pinion_group_cancel(suite->io, &group);
    for (int i = 0; i < 10; i++)
        look_group(suite->io, &group, &seen);
    assert_int_equal(pinion_group_await(suite->io, &group), 0);
    assert_int_equal(atomic_load(&seen.requested), 0);
}

/* A member that is asked to cancel starts others, in each way, which would wait for ever else. */
struct starter {
    struct pinion_io *io;
    struct pinion_group group;
    bool protects;
    _Atomic int waits;
    struct seen seen;
};

PINION_TASK(void, start_when_requested, (struct starter *, starter))
{
    struct wait_for_cancel_args args;
    const struct pinion_call call = call_of(&args, &starter->seen);
    if (starter->protects)
        (void)pinion_cancel_protect(starter->io, true);
    atomic_store(&starter->waits, 1);
    suite_until_holds(pinion_cancel_requested(starter->io));
    EXPECT(pinion_group_concurrent(starter->io, &starter->group, &call) == 0);
    EXPECT(pinion_group_parallel(starter->io, &starter->group, &call) == 0);
    for (int i = 0; i < 20; i++)
        pinion_group_async(starter->io, &starter->group, &call);
}

static void start_while_canceled(struct suite *suite, bool protects)
{
    for (int i = 0; i < SUITE_ROUNDS(6); i++) {
        struct starter starter = {
            .io = suite->io, .protects = protects, .seen = {.io = suite->io}};
        struct start_when_requested_args args = {&starter};
        const struct pinion_call call = start_when_requested_call(&args);
        if (!suite->of->has_parallel || !suite->of->has_concurrent)
            skip();
        assert_int_equal(pinion_group_parallel(suite->io, &starter.group, &call), 0);
        if (i % 2)
            suite_until(&starter.waits, 1);
        pinion_group_cancel(suite->io, &starter.group);
        assert_int_equal(atomic_load(&starter.seen.delivered), 22);
    }
}

static void members_started_in_a_group_that_is_being_canceled_are_canceled(struct suite *suite)
{
    start_while_canceled(suite, false);
}

static void so_are_those_of_a_member_that_is_protected(struct suite *suite)
{
    start_while_canceled(suite, true);
}

/* A member that runs in its maker is reached, too: on a pool without workers all of them do. */
PINION_TASK(void, make_one, (struct starter *, starter))
{
    wait_for_cancel_group(starter->io, &starter->group, &starter->seen);
    if (atomic_load(&starter->seen.runs)) /* here: its maker is asked too, perhaps later */
        suite_until_holds(pinion_cancel_requested(starter->io));
}

static void cancel_reaches_a_member_that_runs_in_its_maker(struct suite *suite)
{
    struct held held;
    if (!suite->of->has_parallel)
        skip();
    suite_hold(suite, &held);
    for (int i = 0; i < SUITE_ROUNDS(12); i++) {
        struct starter starter = {.io = suite->io, .seen = {.io = suite->io}};
        struct make_one_args args = {&starter};
        const struct pinion_call call = make_one_call(&args);
        assert_int_equal(pinion_group_parallel(suite->io, &starter.group, &call), 0);
        if (suite->of->workers == 0)
            suite_until(&starter.seen.inside, 1);
        pinion_group_cancel(suite->io, &starter.group);
        assert_int_equal(atomic_load(&starter.seen.delivered), 1);
    }
    suite_release(suite, &held);
}

static void check_not_a_point(struct viewed *within)
{
    struct pinion_group group = PINION_GROUP_INIT;
    start_two(within, &group);
    pinion_group_cancel(within->io, &group);
    EXPECT(atomic_load(&within->seen.runs) == 2);
    EXPECT(pinion_check_cancel(within->io) == -ECANCELED);
    EXPECT(pinion_check_cancel(within->io) == 0);
}

static void group_cancel_is_no_cancelation_point(struct suite *suite)
{
    in_a_task(suite, check_not_a_point, BEFORE);
}

/* ---- pinion_group_await as a cancelation point ---- */

static void check_fresh(struct viewed *within, struct pinion_group *group)
{
    struct seen next = {.io = within->io};
    struct look_args args = {&next};
    const struct pinion_call call = look_call(&args);
    EXPECT(pinion_group_parallel(within->io, group, &call) == 0);
    EXPECT(pinion_group_await(within->io, group) == 0);
    EXPECT(atomic_load(&next.runs) == 1);
    EXPECT(atomic_load(&next.requested) == 0);
    EXPECT(atomic_load(&next.delivered) == 0);
}

static void check_await(struct viewed *within)
{
    struct pinion_group group = PINION_GROUP_INIT;
    start_two(within, &group);
    atomic_store(&within->reached, 1);
    EXPECT(pinion_group_await(within->io, &group) == -ECANCELED);
    EXPECT(atomic_load(&within->seen.runs) == 2);
    EXPECT(pinion_check_cancel(within->io) == 0); /* the request was consumed */
    EXPECT(pinion_cancel_requested(within->io));
    EXPECT(pinion_group_await(within->io, &group) == 0);
    check_fresh(within, &group);
}

static void a_pending_request_cancels_the_members_and_is_consumed(struct suite *suite)
{
    in_a_task(suite, check_await, BEFORE);
}

static void a_request_that_comes_while_await_waits_cancels_the_members(struct suite *suite)
{
    for (int i = 0; i < SUITE_ROUNDS(6); i++)
        in_a_task(suite, check_await, LATER);
}

static void check_await_of_nothing(struct viewed *within)
{
    struct pinion_group group = PINION_GROUP_INIT;
    EXPECT(pinion_group_await(within->io, &group) == -ECANCELED);
    EXPECT(pinion_group_await(within->io, &group) == 0);
    EXPECT(pinion_check_cancel(within->io) == 0);
    check_fresh(within, &group);
}

static void a_pending_request_is_delivered_though_the_group_is_empty(struct suite *suite)
{
    in_a_task(suite, check_await_of_nothing, BEFORE);
}

static void check_recancel(struct viewed *within)
{
    struct pinion_group group = PINION_GROUP_INIT;
    EXPECT(pinion_check_cancel(within->io) == -ECANCELED);
    check_fresh(within, &group);
    pinion_recancel(within->io);
    start_two(within, &group);
    EXPECT(pinion_group_await(within->io, &group) == -ECANCELED);
    EXPECT(atomic_load(&within->seen.delivered) == 2);
    EXPECT(pinion_check_cancel(within->io) == 0);
}

static void a_delivered_request_cancels_no_group_until_recancel(struct suite *suite)
{
    in_a_task(suite, check_recancel, BEFORE);
}

static void check_protected(struct viewed *within)
{
    struct pinion_group group = PINION_GROUP_INIT;
    (void)pinion_cancel_protect(within->io, true);
    check_fresh(within, &group);
    (void)pinion_cancel_protect(within->io, false);
    EXPECT(pinion_check_cancel(within->io) == -ECANCELED);
}

static void a_protected_await_is_not_canceled(struct suite *suite)
{
    in_a_task(suite, check_protected, BEFORE);
}

/* The request comes while the group's owner runs, in its await, a member that it claimed. */
static void check_claimed(struct viewed *within)
{
    struct held held;
    suite_hold(within->suite, &held);
    struct pinion_group group = PINION_GROUP_INIT;
    wait_for_cancel_group(within->io, &group, &within->seen);
    EXPECT(pinion_group_await(within->io, &group) == -ECANCELED);
    EXPECT(atomic_load(&within->seen.runs) == 1);
    EXPECT(pinion_check_cancel(within->io) == 0);
    suite_release(within->suite, &held);
}

PINION_TASK(void, stand_claimed, (struct viewed *, within))
{
    check_claimed(within);
}

/* Where the member runs in its maker, the request reaches it there. */
static void a_request_reaches_a_member_that_its_await_or_its_maker_runs(struct suite *suite)
{
    if (!suite->of->has_parallel)
        skip();
    for (int i = 0; i < SUITE_ROUNDS(6); i++) {
        struct viewed within = {.suite = suite, .io = suite->io, .seen = {.io = suite->io}};
        struct stand_claimed_future future;
        assert_int_equal(stand_claimed_parallel(suite->io, &future, &within), 0);
        suite_until(&within.seen.inside, 1);
        pinion_request_cancel(suite->io, &future.future);
        stand_claimed_await(suite->io, &future);
    }
}

/* ---- members that run in their maker ---- */

/* Without workers every async member runs in its maker. */
static void only_without_workers(struct suite *suite)
{
    if (suite->of->workers)
        skip();
}

static void check_pending_here(struct viewed *within)
{
    struct pinion_group group = PINION_GROUP_INIT;
    for (int i = 1; i <= 3; i++) {
        look_group(within->io, &group, &within->seen);
        EXPECT(atomic_load(&within->seen.requested) == i);
        EXPECT(atomic_load(&within->seen.delivered) == i);
    }
    EXPECT(pinion_group_await(within->io, &group) == -ECANCELED);
    EXPECT(pinion_check_cancel(within->io) == 0);
}

static void a_member_in_a_canceled_maker_has_the_request_and_the_makers_stays(struct suite *suite)
{
    only_without_workers(suite);
    in_a_task(suite, check_pending_here, BEFORE);
}

static void check_delivered_here(struct viewed *within)
{
    struct pinion_group group = PINION_GROUP_INIT;
    EXPECT(pinion_check_cancel(within->io) == -ECANCELED);
    look_group(within->io, &group, &within->seen);
    EXPECT(atomic_load(&within->seen.requested) == 1);
    EXPECT(atomic_load(&within->seen.delivered) == 0);
    EXPECT(pinion_group_await(within->io, &group) == 0);
}

static void a_request_that_was_delivered_to_the_maker_only_shows_in_a_member(struct suite *suite)
{
    only_without_workers(suite);
    in_a_task(suite, check_delivered_here, BEFORE);
}

static void check_protected_here(struct viewed *within)
{
    struct pinion_group group = PINION_GROUP_INIT;
    (void)pinion_cancel_protect(within->io, true);
    look_group(within->io, &group, &within->seen);
    EXPECT(atomic_load(&within->seen.requested) == 1);
    EXPECT(atomic_load(&within->seen.delivered) == 0);
    EXPECT(pinion_group_await(within->io, &group) == 0);
    (void)pinion_cancel_protect(within->io, false);
    EXPECT(pinion_check_cancel(within->io) == -ECANCELED);
}

static void a_request_that_its_maker_holds_back_only_shows_in_a_member(struct suite *suite)
{
    only_without_workers(suite);
    in_a_task(suite, check_protected_here, BEFORE);
}

PINION_TASK(void, look_when_requested, (struct viewed *, within))
{
    atomic_store(&within->reached, 1);
    suite_until_holds(pinion_cancel_requested(within->io));
    EXPECT(pinion_check_cancel(within->io) == 0);
    EXPECT(!pinion_cancel_protect(within->io, false));
    atomic_fetch_add(&within->seen.runs, 1);
}

static void check_protected_later(struct viewed *within)
{
    struct pinion_group group = PINION_GROUP_INIT;
    (void)pinion_cancel_protect(within->io, true);
    look_when_requested_group(within->io, &group, within);
    EXPECT(pinion_group_await(within->io, &group) == 0);
    EXPECT(atomic_load(&within->seen.runs) == 1);
    (void)pinion_cancel_protect(within->io, false);
    EXPECT(pinion_check_cancel(within->io) == -ECANCELED);
}

static void so_does_one_that_comes_while_the_member_runs(struct suite *suite)
{
    only_without_workers(suite);
    in_a_task(suite, check_protected_later, LATER);
}

static void check_protection_is_its_own(struct viewed *within)
{
    struct pinion_group group = PINION_GROUP_INIT;
    look_group(within->io, &group, &within->seen);
    EXPECT(pinion_group_await(within->io, &group) == 0);
    EXPECT(!pinion_cancel_protect(within->io, false));
    EXPECT(atomic_load(&within->seen.requested) == 0);
}

static void what_is_asked_of_nobody_shows_nowhere(struct suite *suite)
{
    in_a_task(suite, check_protection_is_its_own, NEVER);
}

/* ---- groups within groups ---- */

struct level {
    struct pinion_io *io;
    int depth;
    struct seen *seen;
    _Atomic int *canceled;
};

PINION_TASK(void, descend, (const struct level *, level))
{
    struct pinion_group group = PINION_GROUP_INIT;
    const struct level below = {level->io, level->depth - 1, level->seen, level->canceled};
    struct descend_args args = {&below};
    struct wait_for_cancel_args last;
    const struct pinion_call call =
        level->depth ? descend_call(&args) : call_of(&last, level->seen);
    for (int i = 0; i < 2; i++)
        EXPECT(pinion_group_concurrent(level->io, &group, &call) == 0);
    atomic_fetch_add(level->canceled, pinion_group_await(level->io, &group) == -ECANCELED);
}

static void a_cancel_goes_down_through_groups_that_members_await(struct suite *suite)
{
    if (!suite->of->has_concurrent)
        skip();
    for (int i = 0; i < 3; i++) {
        struct pinion_group group = PINION_GROUP_INIT;
        struct seen seen = {.io = suite->io};
        _Atomic int canceled = 0;
        const struct level top = {suite->io, 2, &seen, &canceled};
        struct descend_args args = {&top};
        const struct pinion_call call = descend_call(&args);
        assert_int_equal(pinion_group_concurrent(suite->io, &group, &call), 0);
        if (i % 2)
            suite_until(&seen.inside, 8);
        pinion_group_cancel(suite->io, &group);
        assert_int_equal(atomic_load(&seen.delivered), 8);
        assert_int_equal(atomic_load(&canceled), 1 + 2 + 4);
    }
}

/* ---- races ---- */

static void a_cancel_races_the_ends_of_members(struct suite *suite)
{
    for (int i = 0; i < SUITE_ROUNDS(200); i++) {
        struct pinion_group *group = calloc(1, sizeof *group);
        struct seen seen = {.io = suite->io};
        struct look_args args = {&seen};
        const struct pinion_call call = look_call(&args);
        int started = 0;
        assert_non_null(group);
        for (int j = 0; j < i % 12; j++, started++)
            pinion_group_async(suite->io, group, &call);
        for (int j = 0; suite->of->has_parallel && i % 8 == 0 && j < 2; j++, started++)
            assert_int_equal(pinion_group_parallel(suite->io, group, &call), 0);
        pinion_group_cancel(suite->io, group);
        memset(group, 0xff, sizeof *group);
        free(group);
        assert_int_equal(atomic_load(&seen.runs), started);
        assert_true(atomic_load(&seen.delivered) <= atomic_load(&seen.requested));
    }
}

/* A task that makes and awaits groups, and is asked to cancel at any moment: exactly one await
 * says so, or the request is still pending. */
static void check_any_moment(struct viewed *within)
{
    int canceled = 0;
    for (int i = 0; i < 30; i++) {
        struct pinion_group group = PINION_GROUP_INIT;
        for (int j = 0; j < 4; j++)
            look_group(within->io, &group, &within->seen);
        if (i == 5)
            atomic_store(&within->reached, 1);
        canceled += pinion_group_await(within->io, &group) == -ECANCELED;
    }
    suite_until_holds(pinion_cancel_requested(within->io));
    canceled += pinion_check_cancel(within->io) == -ECANCELED;
    EXPECT(canceled == 1);
    EXPECT(atomic_load(&within->seen.runs) == 120);
}

static void a_request_that_comes_at_any_moment_is_delivered_once(struct suite *suite)
{
    for (int i = 0; i < SUITE_ROUNDS(12); i++)
        in_a_task(suite, check_any_moment, LATER);
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(cancel_reaches_members_that_run_and_waits_for_them),
    SUITE_TEST(members_that_nobody_took_still_run_when_canceled),
    SUITE_TEST(a_member_is_given_a_request_wherever_it_waits),
    SUITE_TEST(after_a_cancel_the_group_is_fresh),
    SUITE_TEST(a_cancel_of_an_empty_group_leaves_the_next_members_alone),
    SUITE_TEST(members_started_in_a_group_that_is_being_canceled_are_canceled),
    SUITE_TEST(so_are_those_of_a_member_that_is_protected),
    SUITE_TEST(cancel_reaches_a_member_that_runs_in_its_maker),
    SUITE_TEST(group_cancel_is_no_cancelation_point),
    SUITE_TEST(a_pending_request_cancels_the_members_and_is_consumed),
    SUITE_TEST(a_request_that_comes_while_await_waits_cancels_the_members),
    SUITE_TEST(a_pending_request_is_delivered_though_the_group_is_empty),
    SUITE_TEST(a_delivered_request_cancels_no_group_until_recancel),
    SUITE_TEST(a_protected_await_is_not_canceled),
    SUITE_TEST(a_request_reaches_a_member_that_its_await_or_its_maker_runs),
    SUITE_TEST(a_member_in_a_canceled_maker_has_the_request_and_the_makers_stays),
    SUITE_TEST(a_request_that_was_delivered_to_the_maker_only_shows_in_a_member),
    SUITE_TEST(a_request_that_its_maker_holds_back_only_shows_in_a_member),
    SUITE_TEST(so_does_one_that_comes_while_the_member_runs),
    SUITE_TEST(what_is_asked_of_nobody_shows_nowhere),
    SUITE_TEST(a_cancel_goes_down_through_groups_that_members_await),
    SUITE_TEST(a_cancel_races_the_ends_of_members),
    SUITE_TEST(a_request_that_comes_at_any_moment_is_delivered_once),
    {NULL, NULL},
};
