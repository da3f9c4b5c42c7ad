/* SPDX-License-Identifier: MIT
 *
 * The suite's part on cancelation.
 */
#include "suite.h"

#include <errno.h>
#include <stdatomic.h>
#include <time.h>

/* ---- a task that was canceled, to look at cancelation from within ---- */

/* Runs body in a task that runs elsewhere and was asked to cancel before. */
static void canceled(struct suite *suite, void (*body)(struct within *within))
{
    struct within within;
    within_start(suite, &within, body, NULL, true);
    within_end(&within);
}

/* Runs body in a task that is asked to cancel once it has reached 1. */
static void canceled_later(struct suite *suite, void (*body)(struct within *within))
{
    struct within within;
    within_start(suite, &within, body, NULL, false);
    suite_until(&within.reached, 1);
    suite_linger(2);
    pinion_request_cancel(suite->io, &within.future);
    within_end(&within);
}

/* Runs body in a task that nobody cancels. */
static void uncanceled(struct suite *suite, void (*body)(struct within *within))
{
    struct within within;
    within_start(suite, &within, body, NULL, false);
    within_end(&within);
}

/* Does so while all workers are held: what body queues is run by who awaits it. */
static void while_held(struct suite *suite,
                       void (*start)(struct suite *suite, void (*body)(struct within *within)),
                       void (*body)(struct within *within))
{
    struct held held;
    suite_hold(suite, &held);
    start(suite, body);
    suite_release(suite, &held);
}

/* ---- delivery ---- */

static void check_once(struct within *within)
{
    EXPECT(pinion_check_cancel(within->io) == -ECANCELED);
    for (int i = 0; i < 3; i++) {
        EXPECT(pinion_check_cancel(within->io) == 0);
        EXPECT(pinion_cancel_requested(within->io));
    }
}

static void a_request_is_delivered_once_and_stays_to_be_seen(struct suite *suite)
{
    canceled(suite, check_once);
}

static void check_recancel(struct within *within)
{
    for (int i = 0; i < 3; i++) {
        EXPECT(pinion_check_cancel(within->io) == -ECANCELED);
        EXPECT(pinion_check_cancel(within->io) == 0);
        pinion_recancel(within->io);
        pinion_recancel(within->io);
        EXPECT(pinion_cancel_requested(within->io));
    }
    EXPECT(pinion_check_cancel(within->io) == -ECANCELED);
}

static void recancel_makes_a_delivered_request_pending_again(struct suite *suite)
{
    canceled(suite, check_recancel);
}

static void check_untouched(struct within *within)
{
    EXPECT(!pinion_cancel_requested(within->io));
    EXPECT(pinion_check_cancel(within->io) == 0);
    pinion_recancel(within->io);
    EXPECT(pinion_check_cancel(within->io) == 0);
    EXPECT(!pinion_cancel_requested(within->io));
}

static void recancel_does_nothing_where_nothing_was_delivered(struct suite *suite)
{
    uncanceled(suite, check_untouched);
}

static void check_protect(struct within *within)
{
    struct pinion_future complete = {NULL};
    struct pinion_future *const list[] = {&complete};
    EXPECT(!pinion_cancel_protect(within->io, true));
    EXPECT(pinion_cancel_protect(within->io, true));
    EXPECT(pinion_check_cancel(within->io) == 0);
    EXPECT(pinion_select(within->io, list, 1, 0) == 0);
    EXPECT(pinion_cancel_requested(within->io)); /* protection does not hide it */
    EXPECT(pinion_cancel_protect(within->io, false));
    EXPECT(!pinion_cancel_protect(within->io, false));
    EXPECT(pinion_check_cancel(within->io) == -ECANCELED);
    EXPECT(pinion_check_cancel(within->io) == 0);
}

static void protection_holds_a_request_back_and_does_not_hide_it(struct suite *suite)
{
    canceled(suite, check_protect);
}

static void outside_tasks_nothing_is_canceled(struct suite *suite)
{
    if (suite_calls_from_fiber) /* that is a task's */
        skip();
    assert_false(pinion_cancel_requested(suite->io));
    assert_int_equal(pinion_check_cancel(suite->io), 0);
    pinion_recancel(suite->io);
    assert_int_equal(pinion_check_cancel(suite->io), 0);
    assert_false(pinion_cancel_protect(suite->io, true));
    assert_false(pinion_cancel_protect(suite->io, true));
    assert_false(pinion_cancel_protect(suite->io, false));
}

static void check_other_io(struct within *within)
{
    struct suite other = *within->suite;
    EXPECT(other.of->make(other.of, &other.io, &other.made) == 0);
    EXPECT(pinion_cancel_requested(other.io));
    EXPECT(pinion_check_cancel(other.io) == -ECANCELED);
    EXPECT(pinion_check_cancel(within->io) == 0);
    other.of->destroy(other.made);
}

static void the_current_task_is_the_threads_whichever_io_is_passed(struct suite *suite)
{
    canceled(suite, check_other_io);
}

/* ---- pinion_cancel and pinion_request_cancel ---- */

struct seen {
    _Atomic int runs;
    bool requested;
    int checked;
};

PINION_TASK(int, look, (struct pinion_io *, io), (struct seen *, seen), (int, result))
{
    atomic_fetch_add(&seen->runs, 1);
    seen->requested = pinion_cancel_requested(io);
    seen->checked = pinion_check_cancel(io);
    return result;
}

static void a_task_that_is_canceled_before_it_started_still_runs(struct suite *suite)
{
    struct held held;
    suite_hold(suite, &held);
    struct seen seen = {0};
    struct look_future future = look_async(suite->io, suite->io, &seen, 9);
    const bool was_queued = future.future.task != NULL;
    assert_int_equal(look_cancel(suite->io, &future), 9);
    assert_int_equal(atomic_load(&seen.runs), 1);
    assert_int_equal(seen.requested, was_queued);
    assert_int_equal(seen.checked, was_queued ? -ECANCELED : 0);
    assert_null(future.future.task);
    assert_int_equal(look_cancel(suite->io, &future), 9);
    assert_int_equal(look_await(suite->io, &future), 9);
    assert_int_equal(atomic_load(&seen.runs), 1);
    suite_release(suite, &held);
}

static void a_queued_task_whose_cancelation_was_requested_still_runs(struct suite *suite)
{
    struct held held;
    suite_hold(suite, &held);
    struct seen seen = {0};
    struct look_future future = look_async(suite->io, suite->io, &seen, 9);
    const bool was_queued = future.future.task != NULL;
    pinion_request_cancel(suite->io, &future.future);
    pinion_request_cancel(suite->io, &future.future);
    assert_int_equal(look_await(suite->io, &future), 9);
    assert_int_equal(seen.checked, was_queued ? -ECANCELED : 0);
    assert_int_equal(atomic_load(&seen.runs), 1);
    suite_release(suite, &held);
}

PINION_TASK(int, until_requested, (struct pinion_io *, io), (_Atomic int *, inside))
{
    atomic_fetch_add(inside, 1);
    while (!pinion_cancel_requested(io))
        suite_yield();
    return pinion_check_cancel(io);
}

static void cancel_reaches_a_task_that_runs_and_waits_for_it(struct suite *suite)
{
    if (!suite->of->has_parallel)
        skip();
    for (int i = 0; i < SUITE_ROUNDS(20); i++) {
        _Atomic int inside = 0;
        struct until_requested_future future;
        assert_int_equal(until_requested_parallel(suite->io, &future, suite->io, &inside), 0);
        if (i % 2)
            suite_until(&inside, 1);
        assert_int_equal(until_requested_cancel(suite->io, &future), -ECANCELED);
        assert_int_equal(atomic_load(&inside), 1);
    }
}

static void cancel_of_a_task_that_is_done_gives_its_result(struct suite *suite)
{
    struct seen seen = {0};
    struct look_future future;
    if (!suite->of->has_parallel)
        skip();
    assert_int_equal(look_parallel(suite->io, &future, suite->io, &seen, 6), 0);
    struct pinion_future *const list[] = {&future.future};
    assert_int_equal(pinion_select(suite->io, list, 1, PINION_FOREVER), 0);
    assert_int_equal(look_cancel(suite->io, &future), 6);
    assert_int_equal(seen.checked, 0);
}

static void requests_for_a_consumed_future_do_nothing(struct suite *suite)
{
    struct pinion_future complete = {NULL};
    int result = 3;
    pinion_request_cancel(suite->io, &complete);
    pinion_cancel(suite->io, &complete, &result);
    assert_int_equal(result, 3);
}

static void check_once_when_told(struct within *within)
{
    suite_until(&within->reached, 1);
    check_once(within);
}

static void two_requests_are_delivered_once(struct suite *suite)
{
    struct within within;
    within_start(suite, &within, check_once_when_told, NULL, true);
    pinion_request_cancel(suite->io, &within.future);
    atomic_store(&within.reached, 1);
    within_end(&within);
}

/* What the canceler wrote before is seen by a task that polls. */
PINION_TASK(int, read_when_requested, (struct pinion_io *, io), (const int *, value))
{
    while (!pinion_cancel_requested(io))
        suite_yield();
    return *value;
}

static void what_the_canceler_wrote_is_seen_by_who_sees_the_request(struct suite *suite)
{
    struct read_when_requested_future future;
    int value = 1;
    if (!suite->of->has_parallel)
        skip();
    assert_int_equal(read_when_requested_parallel(suite->io, &future, suite->io, &value), 0);
    value = 2;
    assert_int_equal(read_when_requested_cancel(suite->io, &future), 2);
}

struct requester {
    pthread_t thread;
    struct pinion_io *io;
    struct pinion_future *future;
    pthread_barrier_t *start, *end;
    _Atomic int *stop;
};

static void *request_again_and_again(void *argument)
{
    const struct requester *requester = argument;
    for (;;) {
        (void)pthread_barrier_wait(requester->start);
        if (atomic_load(requester->stop))
            return NULL;
        pinion_request_cancel(requester->io, requester->future);
        (void)pthread_barrier_wait(requester->end);
    }
}

/* The request comes before, while or after another thread's await lets go of the task; the future
 * itself stays. */
static void requests_may_race_the_end_of_the_await(struct suite *suite)
{
    struct look_future future;
    struct requester requesters[2];
    pthread_barrier_t start, end;
    _Atomic int stop = 0;
    assert_int_equal(pthread_barrier_init(&start, NULL, 3), 0);
    assert_int_equal(pthread_barrier_init(&end, NULL, 3), 0);
    for (int i = 0; i < 2; i++) {
        requesters[i] = (struct requester){.io = suite->io, .future = &future.future,
                                           .start = &start, .end = &end, .stop = &stop};
        assert_int_equal(pthread_create(&requesters[i].thread, NULL, request_again_and_again,
                                        &requesters[i]),
                         0);
    }
    for (int i = 0; i < SUITE_ROUNDS(100); i++) {
        struct seen seen = {0};
        const bool is_parallel = suite->of->has_parallel && i % 3 == 0;
        if (!is_parallel)
            future = look_async(suite->io, suite->io, &seen, i);
        else
            assert_int_equal(look_parallel(suite->io, &future, suite->io, &seen, i), 0);
        (void)pthread_barrier_wait(&start);
        assert_int_equal(look_await(suite->io, &future), i);
        assert_int_equal(atomic_load(&seen.runs), 1);
        (void)pthread_barrier_wait(&end);
    }
    atomic_store(&stop, 1);
    (void)pthread_barrier_wait(&start);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(requesters[i].thread, NULL), 0);
    assert_int_equal(pthread_barrier_destroy(&start), 0);
    assert_int_equal(pthread_barrier_destroy(&end), 0);
}

/* ---- await passes requests on ---- */

static void start_until_requested(struct within *within, struct until_requested_future *child,
                                  _Atomic int *inside)
{
    EXPECT(until_requested_parallel(within->io, child, within->io, inside) == 0);
    suite_until(inside, 1);
}

static void await_child_elsewhere(struct within *within)
{
    _Atomic int inside = 0;
    struct until_requested_future child;
    start_until_requested(within, &child, &inside);
    atomic_store(&within->reached, 1);
    EXPECT(until_requested_await(within->io, &child) == -ECANCELED);
    EXPECT(pinion_cancel_requested(within->io));
    EXPECT(pinion_check_cancel(within->io) == 0); /* consumed: the child was given it */
}

static void await_passes_on_a_request_that_came_before_it(struct suite *suite)
{
    canceled(suite, await_child_elsewhere);
}

static void await_passes_on_a_request_that_comes_while_it_waits(struct suite *suite)
{
    for (int i = 0; i < SUITE_ROUNDS(8); i++)
        canceled_later(suite, await_child_elsewhere);
}

PINION_TASK(int, ignore_request, (struct pinion_io *, io), (_Atomic int *, inside))
{
    atomic_fetch_add(inside, 1);
    while (!pinion_cancel_requested(io))
        suite_yield();
    return 5;
}

static void await_child_that_ignores(struct within *within)
{
    _Atomic int inside = 0;
    struct ignore_request_future child;
    EXPECT(ignore_request_parallel(within->io, &child, within->io, &inside) == 0);
    atomic_store(&within->reached, 1);
    EXPECT(ignore_request_await(within->io, &child) == 5);
    EXPECT(pinion_check_cancel(within->io) == -ECANCELED);
    EXPECT(pinion_check_cancel(within->io) == 0);
}

static void a_request_that_the_awaited_task_was_not_given_stays_pending(struct suite *suite)
{
    canceled(suite, await_child_that_ignores);
    canceled_later(suite, await_child_that_ignores);
}

PINION_TASK(int, pass_back, (struct pinion_io *, io), (_Atomic int *, inside))
{
    atomic_fetch_add(inside, 1);
    while (pinion_check_cancel(io) == 0)
        suite_yield();
    pinion_recancel(io);
    return 5;
}

static void await_child_that_recancels(struct within *within)
{
    _Atomic int inside = 0;
    struct pass_back_future child;
    EXPECT(pass_back_parallel(within->io, &child, within->io, &inside) == 0);
    EXPECT(pass_back_await(within->io, &child) == 5);
    EXPECT(pinion_cancel_requested(within->io));
    EXPECT(pinion_check_cancel(within->io) == -ECANCELED);
}

static void a_request_that_the_awaited_task_made_pending_again_stays_so(struct suite *suite)
{
    canceled(suite, await_child_that_recancels);
}

static void await_claimed_children(struct within *within)
{
    struct seen seen = {0};
    struct look_future child = look_async(within->io, within->io, &seen, 4);
    const bool was_queued = child.future.task != NULL;
    EXPECT(look_await(within->io, &child) == 4);
    /* Either way it was this task's request that was delivered: shared, or passed on. */
    EXPECT(seen.requested && seen.checked == -ECANCELED);
    EXPECT(pinion_check_cancel(within->io) == 0);
    EXPECT(was_queued || within->suite->of->workers == 0 || atomic_load(&seen.runs) == 1);
}

static void await_passes_a_request_on_to_a_task_that_it_runs_here(struct suite *suite)
{
    while_held(suite, canceled, await_claimed_children);
}

/* A task that await runs here and that is canceled from outside while it runs. */
static void await_claimed_until_requested(struct within *within)
{
    struct until_requested_future child =
        until_requested_async(within->io, within->io, &within->reached);
    EXPECT(until_requested_await(within->io, &child) == -ECANCELED);
    EXPECT(pinion_cancel_requested(within->io));
    EXPECT(pinion_check_cancel(within->io) == 0);
}

static void a_request_that_comes_while_await_runs_the_task_here_reaches_it(struct suite *suite)
{
    while_held(suite, canceled_later, await_claimed_until_requested);
}

static void await_done_child(struct within *within)
{
    struct seen seen = {0};
    struct look_future child;
    struct pinion_future *const list[] = {&child.future};
    EXPECT(pinion_check_cancel(within->io) == -ECANCELED);
    EXPECT(look_parallel(within->io, &child, within->io, &seen, 2) == 0);
    EXPECT(pinion_select(within->io, list, 1, PINION_FOREVER) == 0);
    pinion_recancel(within->io);
    EXPECT(look_await(within->io, &child) == 2);
    EXPECT(look_await(within->io, &child) == 2); /* nor does one that is complete consume it */
    EXPECT(seen.checked == 0);
    EXPECT(pinion_check_cancel(within->io) == -ECANCELED);
}

static void await_of_a_task_that_is_done_leaves_the_request_pending(struct suite *suite)
{
    canceled(suite, await_done_child);
}

static void await_protected(struct within *within)
{
    struct seen seen = {0};
    struct look_future child;
    (void)pinion_cancel_protect(within->io, true);
    EXPECT(look_parallel(within->io, &child, within->io, &seen, 2) == 0);
    EXPECT(look_await(within->io, &child) == 2);
    EXPECT(!seen.requested && seen.checked == 0);
    struct look_future queued = look_async(within->io, within->io, &seen, 3);
    if (queued.future.task) {
        EXPECT(look_await(within->io, &queued) == 3);
        EXPECT(!seen.requested && seen.checked == 0);
    }
    (void)pinion_cancel_protect(within->io, false);
    EXPECT(pinion_check_cancel(within->io) == -ECANCELED);
}

static void a_protected_task_passes_nothing_on(struct suite *suite)
{
    while_held(suite, canceled, await_protected);
}

PINION_TASK(int, chain, (struct pinion_io *, io), (int, length), (_Atomic int *, inside))
{
    if (length == 0)
        return until_requested(io, inside);
    struct chain_future next;
    EXPECT(chain_parallel(io, &next, io, length - 1, inside) == 0);
    const int result = chain_await(io, &next);
    EXPECT(pinion_cancel_requested(io));
    EXPECT(pinion_check_cancel(io) == 0);
    return result;
}

static void a_request_goes_down_a_chain_of_awaits(struct suite *suite)
{
    _Atomic int inside = 0;
    struct chain_future future;
    if (!suite->of->has_parallel)
        skip();
    assert_int_equal(chain_parallel(suite->io, &future, suite->io, 4, &inside), 0);
    suite_until(&inside, 1);
    assert_int_equal(chain_cancel(suite->io, &future), -ECANCELED);
}

static void cancel_child(struct within *within)
{
    _Atomic int inside = 0;
    struct until_requested_future child;
    start_until_requested(within, &child, &inside);
    EXPECT(until_requested_cancel(within->io, &child) == -ECANCELED);
    EXPECT(pinion_check_cancel(within->io) == -ECANCELED); /* still this task's own */
}

static void cancel_is_no_cancelation_point(struct suite *suite)
{
    canceled(suite, cancel_child);
}

static void cancel_own_child(struct within *within)
{
    _Atomic int inside = 0;
    struct until_requested_future child;
    start_until_requested(within, &child, &inside);
    EXPECT(until_requested_cancel(within->io, &child) == -ECANCELED);
    check_untouched(within);
}

static void canceling_a_child_does_not_cancel_its_maker(struct suite *suite)
{
    uncanceled(suite, cancel_own_child);
}

/* ---- whose request it is ---- */

PINION_TASK(bool, protect_here, (struct pinion_io *, io))
{
    return pinion_cancel_protect(io, true);
}

static void share_in_place(struct within *within)
{
    struct seen seen = {0};
    bool was_in_place = false;
    /* Queues until the io runs one in place; where it never does there is nothing to see. */
    struct look_future futures[64];
    for (int i = 0; i < 64; i++) {
        const int before = atomic_load(&seen.runs);
        if (!was_in_place)
            seen.checked = 1;
        futures[i] = look_async(within->io, within->io, &seen, i);
        if (futures[i].future.task == NULL && !was_in_place) {
            was_in_place = true;
            EXPECT(before == 0 && seen.checked == -ECANCELED);
        }
    }
    if (was_in_place)
        EXPECT(pinion_check_cancel(within->io) == 0);
    (void)pinion_cancel_protect(within->io, true);
    for (int i = 0; i < 64; i++)
        (void)look_await(within->io, &futures[i]);
}

static void a_task_that_async_runs_in_the_caller_shares_its_request(struct suite *suite)
{
    while_held(suite, canceled, share_in_place);
}

static void protect_in_place(struct within *within)
{
    struct protect_here_future future = protect_here_async(within->io, within->io);
    const bool was_in_place = future.future.task == NULL;
    EXPECT(!protect_here_await(within->io, &future));
    EXPECT(pinion_cancel_protect(within->io, false) == was_in_place);
}

static void protection_belongs_to_the_task_that_async_made_or_ran_in(struct suite *suite)
{
    while_held(suite, uncanceled, protect_in_place);
}

static void check_claimed_own(struct within *within)
{
    struct seen seen = {0};
    struct look_future future = look_async(within->io, within->io, &seen, 1);
    if (future.future.task) {
        pinion_request_cancel(within->io, &future.future);
        EXPECT(look_await(within->io, &future) == 1);
        EXPECT(seen.requested && seen.checked == -ECANCELED);
    }
    check_untouched(within);
}

static void a_task_that_await_runs_here_has_a_request_of_its_own(struct suite *suite)
{
    while_held(suite, uncanceled, check_claimed_own);
}

/* ---- select ---- */

static void select_canceled(struct within *within)
{
    _Atomic int inside = 0;
    struct until_requested_future child;
    struct pinion_future complete = {NULL};
    struct pinion_future *const list[] = {&child.future, &complete};
    start_until_requested(within, &child, &inside);
    EXPECT(pinion_select(within->io, list, 0, 0) == -EINVAL);
    EXPECT(pinion_select(within->io, list, 2, PINION_FOREVER) == -ECANCELED);
    EXPECT(pinion_select(within->io, list, 2, PINION_FOREVER) == 1);
    EXPECT(pinion_select(within->io, list, 1, 0) == -ETIMEDOUT);
    pinion_recancel(within->io);
    EXPECT(pinion_select(within->io, list, 1, 0) == -ECANCELED);
    EXPECT(child.future.task != NULL);
    EXPECT(until_requested_cancel(within->io, &child) == -ECANCELED);
}

static void select_delivers_a_pending_request_whether_or_not_it_would_wait(struct suite *suite)
{
    canceled(suite, select_canceled);
}

static void select_while_canceled(struct within *within)
{
    _Atomic int inside = 0;
    struct until_requested_future child;
    struct pinion_future *const list[] = {&child.future, &child.future};
    start_until_requested(within, &child, &inside);
    atomic_store(&within->reached, 1);
    EXPECT(pinion_select(within->io, list, 2, PINION_FOREVER) == -ECANCELED);
    EXPECT(pinion_check_cancel(within->io) == 0);
    EXPECT(pinion_cancel_requested(within->io));
    pinion_request_cancel(within->io, &child.future); /* select passes nothing on: not its own */
    EXPECT(pinion_select(within->io, list, 2, PINION_FOREVER) == 0);
    EXPECT(until_requested_await(within->io, &child) == -ECANCELED);
}

static void a_request_ends_a_select_that_waits_and_consumes_nothing(struct suite *suite)
{
    for (int i = 0; i < SUITE_ROUNDS(8); i++)
        canceled_later(suite, select_while_canceled);
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(a_request_is_delivered_once_and_stays_to_be_seen),
    SUITE_TEST(recancel_makes_a_delivered_request_pending_again),
    SUITE_TEST(recancel_does_nothing_where_nothing_was_delivered),
    SUITE_TEST(protection_holds_a_request_back_and_does_not_hide_it),
    SUITE_TEST(outside_tasks_nothing_is_canceled),
    SUITE_TEST(the_current_task_is_the_threads_whichever_io_is_passed),
    SUITE_TEST(a_task_that_is_canceled_before_it_started_still_runs),
    SUITE_TEST(a_queued_task_whose_cancelation_was_requested_still_runs),
    SUITE_TEST(cancel_reaches_a_task_that_runs_and_waits_for_it),
    SUITE_TEST(cancel_of_a_task_that_is_done_gives_its_result),
    SUITE_TEST(requests_for_a_consumed_future_do_nothing),
    SUITE_TEST(two_requests_are_delivered_once),
    SUITE_TEST(what_the_canceler_wrote_is_seen_by_who_sees_the_request),
    SUITE_TEST(requests_may_race_the_end_of_the_await),
    SUITE_TEST(await_passes_on_a_request_that_came_before_it),
    SUITE_TEST(await_passes_on_a_request_that_comes_while_it_waits),
    SUITE_TEST(a_request_that_the_awaited_task_was_not_given_stays_pending),
    SUITE_TEST(a_request_that_the_awaited_task_made_pending_again_stays_so),
    SUITE_TEST(await_passes_a_request_on_to_a_task_that_it_runs_here),
    SUITE_TEST(a_request_that_comes_while_await_runs_the_task_here_reaches_it),
    SUITE_TEST(await_of_a_task_that_is_done_leaves_the_request_pending),
    SUITE_TEST(a_protected_task_passes_nothing_on),
    SUITE_TEST(a_request_goes_down_a_chain_of_awaits),
    SUITE_TEST(cancel_is_no_cancelation_point),
    SUITE_TEST(canceling_a_child_does_not_cancel_its_maker),
    SUITE_TEST(a_task_that_async_runs_in_the_caller_shares_its_request),
    SUITE_TEST(protection_belongs_to_the_task_that_async_made_or_ran_in),
    SUITE_TEST(a_task_that_await_runs_here_has_a_request_of_its_own),
    SUITE_TEST(select_delivers_a_pending_request_whether_or_not_it_would_wait),
    SUITE_TEST(a_request_ends_a_select_that_waits_and_consumes_nothing),
    {NULL, NULL},
};
