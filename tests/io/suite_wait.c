/* SPDX-License-Identifier: MIT
 *
 * The suite's part on what is the same for every call of sync.h and queue.h that waits: when it
 * gives -ECANCELED and -ETIMEDOUT, and that it then has done nothing.
 */
#include "suite_wait.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>

/* One call in a task, from the first look to the last. */
struct trial {
    const struct wait *wait;
    struct object object;
    int (*call)(struct within *within); /* one of the forms below */
    int64_t deadline;
};

static int call_plain(struct within *within)
{
    struct trial *trial = within->extra;
    return trial->wait->plain(within->io, &trial->object);
}

static int call_until(struct within *within)
{
    struct trial *trial = within->extra;
    return trial->wait->until(within->io, &trial->object, trial->deadline);
}

static int call_uncancelable(struct within *within)
{
    struct trial *trial = within->extra;
    return trial->wait->uncancelable(within->io, &trial->object);
}

static void after(struct within *within)
{
    struct trial *trial = within->extra;
    wait_after(trial->wait, within->io, &trial->object);
}

static void open_it(struct within *within)
{
    struct trial *trial = within->extra;
    trial->wait->open(within->io, &trial->object);
}

/* It was left as it was: shut, and open lets one through. The request of who calls is not pending,
 * nor is it changed. */
static void expect_untouched(struct within *within)
{
    struct trial *trial = within->extra;
    EXPECT(trial->wait->until(within->io, &trial->object, 0) == -ETIMEDOUT);
    if (trial->wait->is_meeting)
        return;
    open_it(within);
    EXPECT(call_plain(within) == 0);
    after(within);
    EXPECT(trial->wait->until(within->io, &trial->object, 0) == -ETIMEDOUT);
}

/* Runs body for each call, in each of the two forms that can be canceled (until: with a deadline
 * that is far). `without` goes on in the caller, and may be NULL. */
static void for_each(struct suite *suite, bool is_canceled, void (*body)(struct within *within),
                     void (*without)(struct within *within, int round))
{
    for (unsigned i = 0; i < suite_wait_count * 3; i++) {
        struct within within;
        struct trial trial = {.wait = &suite_waits[i / 3],
                              .call = i % 3 == 0 ? call_plain : call_until,
                              .deadline = i % 3 == 1 ? PINION_FOREVER
                                                     : suite_now() + INT64_C(1000000000000)};
        suite_note(trial.wait->name);
        wait_shut(trial.wait, suite->io, &trial.object);
        within_start(suite, &within, body, &trial, is_canceled);
        if (without)
            without(&within, (int)(i + suite->of->workers));
        within_end(&within);
    }
    suite_note(NULL);
}

/* ---- on entry ---- */

static void call_on_entry(struct within *within)
{
    struct trial *trial = within->extra;
    EXPECT(trial->call(within) == -ECANCELED);
    EXPECT(pinion_cancel_requested(within->io));
    EXPECT(pinion_check_cancel(within->io) == 0);
    expect_untouched(within);
    for (int i = 0; i < 2; i++) {
        pinion_recancel(within->io);
        EXPECT(trial->call(within) == -ECANCELED);
        EXPECT(pinion_check_cancel(within->io) == 0);
    }
    expect_untouched(within);
}

static void a_pending_request_ends_each_call_on_entry_and_once(struct suite *suite)
{
    for_each(suite, true, call_on_entry, NULL);
}

static void call_open_on_entry(struct within *within)
{
    struct trial *trial = within->extra;
    if (trial->wait->is_meeting)
        return;
    open_it(within);
    EXPECT(trial->call(within) == -ECANCELED);
    EXPECT(trial->call(within) == 0);
    after(within);
    pinion_recancel(within->io);
    EXPECT(trial->wait->until(within->io, &trial->object, 0) == -ECANCELED);
    expect_untouched(within);
}

static void a_pending_request_comes_before_what_would_not_wait(struct suite *suite)
{
    for_each(suite, true, call_open_on_entry, NULL);
}

static void call_with_past_deadline(struct within *within)
{
    struct trial *trial = within->extra;
    EXPECT(trial->wait->until(within->io, &trial->object, 0) == -ECANCELED);
    EXPECT(trial->wait->until(within->io, &trial->object, 0) == -ETIMEDOUT);
}

static void a_pending_request_comes_before_a_deadline_that_has_passed(struct suite *suite)
{
    for_each(suite, true, call_with_past_deadline, NULL);
}

/* ---- while it waits ---- */

static void call_while_waiting(struct within *within)
{
    struct trial *trial = within->extra;
    atomic_store(&within->reached, 1);
    EXPECT(trial->call(within) == -ECANCELED);
    EXPECT(pinion_cancel_requested(within->io));
    EXPECT(pinion_check_cancel(within->io) == 0);
    expect_untouched(within);
}

static void request(struct within *within, int round)
{
    suite_until(&within->reached, 1);
    suite_linger(round);
    pinion_request_cancel(within->suite->io, &within->future);
}

static void a_request_ends_each_call_while_it_waits(struct suite *suite)
{
    for (int i = 0; i < 2; i++)
        for_each(suite, false, call_while_waiting, request);
}

static void call_until_opened(struct within *within)
{
    struct trial *trial = within->extra;
    atomic_store(&within->reached, 1);
    EXPECT(trial->call(within) == 0);
    after(within);
    EXPECT(trial->wait->until(within->io, &trial->object, 0) == -ETIMEDOUT);
}

static void open_from_without(struct within *within, int round)
{
    suite_until(&within->reached, 1);
    suite_linger(round);
    open_it(within);
}

static void each_call_waits_until_it_is_let_through(struct suite *suite)
{
    for (int i = 0; i < 2; i++)
        for_each(suite, false, call_until_opened, open_from_without);
}

/* ---- what requests don't interrupt ---- */

static void call_protected(struct within *within)
{
    struct trial *trial = within->extra;
    EXPECT(!pinion_cancel_protect(within->io, true));
    EXPECT(trial->wait->until(within->io, &trial->object, 0) == -ETIMEDOUT);
    call_until_opened(within);
    EXPECT(pinion_cancel_protect(within->io, false));
    EXPECT(trial->call(within) == -ECANCELED);
    expect_untouched(within);
}

static void protection_holds_requests_back_from_each_call(struct suite *suite)
{
    for_each(suite, true, call_protected, open_from_without);
}

static void request_then_open(struct within *within, int round)
{
    request(within, round);
    suite_linger(round + 3);
    open_it(within);
}

static void protection_holds_back_what_comes_while_it_waits(struct suite *suite)
{
    for_each(suite, false, call_protected, request_then_open);
}

static void call_twin(struct within *within)
{
    struct trial *trial = within->extra;
    atomic_store(&within->reached, 1);
    EXPECT(call_uncancelable(within) == 0);
    after(within);
    suite_until(&within->reached, 2); /* the request has come */
    EXPECT(trial->call(within) == -ECANCELED);
    expect_untouched(within);
}

static void open_and_tell(struct within *within, int round)
{
    open_from_without(within, round);
    atomic_store(&within->reached, 2);
}

static void the_uncancelable_twin_leaves_a_pending_request_pending(struct suite *suite)
{
    for_each(suite, true, call_twin, open_and_tell);
}

static void request_then_open_and_tell(struct within *within, int round)
{
    request_then_open(within, round);
    atomic_store(&within->reached, 2);
}

static void the_uncancelable_twin_is_not_interrupted(struct suite *suite)
{
    for_each(suite, false, call_twin, request_then_open_and_tell);
}

/* ---- a request, a deadline and a wake at the same time ---- */

/* How many races there are: each takes longer where who waits takes a CPU. */
static int races(const struct suite *suite) { return suite->of->polls ? 2 : SUITE_ROUNDS(10); }

struct opener {
    pthread_t thread;
    struct within *within;
    int round;
};

static void *open_elsewhere(void *argument)
{
    struct opener *opener = argument;
    open_from_without(opener->within, opener->round);
    return NULL;
}

static void call_in_race(struct within *within)
{
    struct trial *trial = within->extra;
    atomic_store(&within->reached, 1);
    const int error = trial->call(within);
    EXPECT(error == 0 || error == -ECANCELED);
    suite_until(&within->reached, 2); /* the request has come */
    EXPECT(pinion_check_cancel(within->io) == (error ? 0 : -ECANCELED));
    if (error) /* then the wake is still to be had */
        EXPECT(call_uncancelable(within) == 0);
    after(within);
    EXPECT(trial->wait->until(within->io, &trial->object, 0) == -ETIMEDOUT);
}

static void request_and_open(struct within *within, int round)
{
    struct opener opener = {.within = within, .round = round / 7};
    assert_int_equal(pthread_create(&opener.thread, NULL, open_elsewhere, &opener), 0);
    request(within, round);
    atomic_store(&within->reached, 2);
    assert_int_equal(pthread_join(opener.thread, NULL), 0);
}

static void a_wake_that_races_a_request_is_taken_or_left_and_never_lost(struct suite *suite)
{
    for (int i = 0; i < races(suite); i++)
        for_each(suite, false, call_in_race, request_and_open);
}

static void call_near_the_deadline(struct within *within)
{
    struct trial *trial = within->extra;
    uint32_t seed = (uint32_t)suite_now() | 1;
    trial->deadline = suite_now() + suite_random(&seed) % 200000;
    atomic_store(&within->reached, 1);
    const int error = call_until(within);
    EXPECT(error == 0 || error == -ETIMEDOUT);
    EXPECT(error == 0 || suite_now() >= trial->deadline);
    if (error)
        EXPECT(call_plain(within) == 0);
    after(within);
    EXPECT(trial->wait->until(within->io, &trial->object, 0) == -ETIMEDOUT);
}

static void a_wake_that_races_a_deadline_is_taken_or_left_and_never_lost(struct suite *suite)
{
    for (int i = 0; i < races(suite); i++)
        for_each(suite, false, call_near_the_deadline, open_from_without);
}

/* ---- deadlines, outside tasks ---- */

static void a_deadline_that_has_passed_polls(struct suite *suite)
{
    const int64_t past[] = {INT64_MIN, -1, 0, 1, suite_now()};
    for (unsigned i = 0; i < suite_wait_count; i++) {
        const struct wait *wait = &suite_waits[i];
        struct object object;
        suite_note(wait->name);
        wait_shut(wait, suite->io, &object);
        for (unsigned j = 0; j < sizeof past / sizeof past[0]; j++) {
            EXPECT(wait->until(suite->io, &object, past[j]) == -ETIMEDOUT);
            if (wait->is_meeting)
                continue;
            wait->open(suite->io, &object);
            EXPECT(wait->until(suite->io, &object, past[j]) == 0);
            wait_after(wait, suite->io, &object);
        }
    }
}

static void a_deadline_ends_the_wait_and_not_before_it_has_come(struct suite *suite)
{
    for (unsigned i = 0; i < suite_wait_count; i++) {
        const struct wait *wait = &suite_waits[i];
        struct object object;
        suite_note(wait->name);
        wait_shut(wait, suite->io, &object);
        for (int64_t ns = 1000; ns < 1000000; ns *= 9) {
            const int64_t deadline = suite_now() + ns;
            EXPECT(wait->until(suite->io, &object, deadline) == -ETIMEDOUT);
            EXPECT(suite_now() >= deadline);
        }
        if (wait->is_meeting)
            continue;
        wait->open(suite->io, &object);
        EXPECT(wait->plain(suite->io, &object) == 0);
        wait_after(wait, suite->io, &object);
        EXPECT(wait->until(suite->io, &object, 0) == -ETIMEDOUT);
    }
}

static void what_is_open_does_not_wait(struct suite *suite)
{
    for (unsigned i = 0; i < suite_wait_count; i++) {
        const struct wait *wait = &suite_waits[i];
        struct object object;
        suite_note(wait->name);
        if (wait->is_meeting)
            continue;
        wait_shut(wait, suite->io, &object);
        wait->open(suite->io, &object);
        EXPECT(wait->plain(suite->io, &object) == 0);
        wait_after(wait, suite->io, &object);
        wait->open(suite->io, &object);
        EXPECT(wait->until(suite->io, &object, PINION_FOREVER) == 0);
        wait_after(wait, suite->io, &object);
        wait->open(suite->io, &object);
        EXPECT(wait->uncancelable(suite->io, &object) == 0);
    }
}

static void calls_leave_errno_alone(struct suite *suite)
{
    for (unsigned i = 0; i < suite_wait_count; i++) {
        const struct wait *wait = &suite_waits[i];
        struct object object;
        suite_note(wait->name);
        wait_shut(wait, suite->io, &object);
        errno = 4711;
        EXPECT(wait->until(suite->io, &object, 0) == -ETIMEDOUT);
        EXPECT(wait->until(suite->io, &object, suite_now() + 300000) == -ETIMEDOUT);
        EXPECT(errno == 4711);
    }
}

/* ---- who waits: plain threads, with foreign signals, with an io of another ---- */

static void note_signal(int signal) { (void)signal; }

static void *wait_in_thread(void *argument)
{
    call_until_opened(argument);
    return NULL;
}

/* Each call in a plain thread, which is sent signals meanwhile. */
static void a_foreign_signal_does_not_show(struct suite *suite)
{
    struct sigaction former, action = {.sa_handler = note_signal};
    assert_int_equal(sigaction(SIGUSR1, &action, &former), 0);
    for (unsigned i = 0; i < suite_wait_count * 2; i++) {
        struct trial trial = {.wait = &suite_waits[i / 2],
                              .call = i % 2 ? call_until : call_uncancelable,
                              .deadline = PINION_FOREVER};
        struct within within = {.suite = suite, .io = suite->io, .extra = &trial};
        pthread_t thread;
        suite_note(trial.wait->name);
        wait_shut(trial.wait, suite->io, &trial.object);
        assert_int_equal(pthread_create(&thread, NULL, wait_in_thread, &within), 0);
        suite_until(&within.reached, 1);
        for (int j = 0; j < 5; j++) {
            suite_linger(j);
            assert_int_equal(pthread_kill(thread, SIGUSR1), 0);
        }
        trial.wait->open(suite->io, &trial.object);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    assert_int_equal(sigaction(SIGUSR1, &former, NULL), 0);
}

static struct suite other;

static void call_with_another_io(struct within *within)
{
    struct pinion_io *own = within->io;
    within->io = other.io;
    call_while_waiting(within);
    within->io = own;
}

static void a_request_ends_a_wait_whichever_io_is_passed(struct suite *suite)
{
    other = *suite;
    assert_int_equal(suite->of->make(suite->of, &other.io, &other.made), 0);
    for_each(suite, false, call_with_another_io, request);
    suite->of->destroy(other.made);
}

static void open_with_another_io(struct within *within, int round)
{
    struct trial *trial = within->extra;
    suite_until(&within->reached, 1);
    suite_linger(round);
    trial->wait->open(other.io, &trial->object);
}

static void who_waits_with_one_io_is_woken_with_another(struct suite *suite)
{
    other = *suite;
    assert_int_equal(suite->of->make(suite->of, &other.io, &other.made), 0);
    for_each(suite, false, call_until_opened, open_with_another_io);
    suite->of->destroy(other.made);
}

/* ---- many at once ---- */

#define CREW 12

struct many {
    const struct wait *wait;
    struct object object;
    _Atomic int through;
};

static void get_through(struct pinion_io *io, void *context, unsigned index)
{
    struct many *many = context;
    if (index % 2)
        EXPECT(many->wait->uncancelable(io, &many->object) == 0);
    else
        EXPECT(many->wait->plain(io, &many->object) == 0);
    wait_after(many->wait, io, &many->object);
    atomic_fetch_add(&many->through, 1);
}

static void each_open_lets_one_of_many_through(struct suite *suite)
{
    const int count = (int)crew_size(suite, CREW);
    for (unsigned i = 0; i < suite_wait_count; i++) {
        struct many many = {.wait = &suite_waits[i]};
        struct crew crew = {0};
        if (!many.wait->is_for_many)
            continue;
        suite_note(many.wait->name);
        wait_shut(many.wait, suite->io, &many.object);
        crew_start(suite, &crew, (unsigned)count, get_through, &many);
        for (int j = 0; j < count; j++) {
            EXPECT(atomic_load(&many.through) <= j);
            many.wait->open(suite->io, &many.object);
            if (many.wait->is_lock || j % 4 == 3) /* else several at a time */
                suite_until(&many.through, j + 1);
        }
        crew_end(&crew);
        EXPECT(many.wait->until(suite->io, &many.object, 0) == -ETIMEDOUT);
    }
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(a_pending_request_ends_each_call_on_entry_and_once),
    SUITE_TEST(a_pending_request_comes_before_what_would_not_wait),
    SUITE_TEST(a_pending_request_comes_before_a_deadline_that_has_passed),
    SUITE_TEST(a_request_ends_each_call_while_it_waits),
    SUITE_TEST(each_call_waits_until_it_is_let_through),
    SUITE_TEST(protection_holds_requests_back_from_each_call),
    SUITE_TEST(protection_holds_back_what_comes_while_it_waits),
    SUITE_TEST(the_uncancelable_twin_leaves_a_pending_request_pending),
    SUITE_TEST(the_uncancelable_twin_is_not_interrupted),
    SUITE_TEST(a_wake_that_races_a_request_is_taken_or_left_and_never_lost),
    SUITE_TEST(a_wake_that_races_a_deadline_is_taken_or_left_and_never_lost),
    SUITE_TEST(a_deadline_that_has_passed_polls),
    SUITE_TEST(a_deadline_ends_the_wait_and_not_before_it_has_come),
    SUITE_TEST(what_is_open_does_not_wait),
    SUITE_TEST(calls_leave_errno_alone),
    SUITE_TEST(a_foreign_signal_does_not_show),
    SUITE_TEST(a_request_ends_a_wait_whichever_io_is_passed),
    SUITE_TEST(who_waits_with_one_io_is_woken_with_another),
    SUITE_TEST(each_open_lets_one_of_many_through),
    {NULL, NULL},
};
