/* SPDX-License-Identifier: MIT
 *
 * The suite's part on events. What they have in common with all that waits is in suite_wait.c.
 */
#include "suite.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

static void an_event_is_unset_then_set_then_reset(struct suite *suite)
{
    static struct pinion_event event; /* all zero */
    pinion_event_reset(&event);
    assert_false(pinion_event_is_set(&event));
    assert_int_equal(pinion_event_wait_until(suite->io, &event, 0), -ETIMEDOUT);
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 2; j++) {
            pinion_event_set(suite->io, &event);
            assert_true(pinion_event_is_set(&event));
            assert_int_equal(pinion_event_wait(suite->io, &event), 0);
            assert_int_equal(pinion_event_wait_uncancelable(suite->io, &event), 0);
            assert_int_equal(pinion_event_wait_until(suite->io, &event, 0), 0);
        }
        pinion_event_reset(&event);
        pinion_event_reset(&event);
        assert_false(pinion_event_is_set(&event));
        assert_int_equal(pinion_event_wait_until(suite->io, &event, 0), -ETIMEDOUT);
        assert_int_equal(
            pinion_event_wait_until(suite->io, &event, suite_now() + 100000), -ETIMEDOUT);
    }
}

/* ---- signaling: two take turns ---- */

struct turns {
    struct pinion_event to[2];
    int value, rounds;
};

static void take_turns(struct pinion_io *io, void *context, unsigned index)
{
    struct turns *turns = context;
    for (int i = 0; i < turns->rounds; i++) {
        EXPECT(pinion_event_wait(io, &turns->to[index]) == 0);
        pinion_event_reset(&turns->to[index]);
        EXPECT(turns->value == 2 * i + (int)index); /* what was written before the set is seen */
        turns->value++;
        pinion_event_set(io, &turns->to[1 - index]);
    }
}

static void two_signal_each_other(struct suite *suite)
{
    struct turns turns = {.rounds = SUITE_ROUNDS(500)};
    struct crew crew = {0};
    crew_start(suite, &crew, 2, take_turns, &turns);
    pinion_event_set(suite->io, &turns.to[0]);
    crew_end(&crew);
    assert_int_equal(turns.value, 2 * turns.rounds);
    assert_true(pinion_event_is_set(&turns.to[0]));
    assert_false(pinion_event_is_set(&turns.to[1]));
}

/* ---- broadcast ---- */

#define WAITERS 16

struct shared {
    struct pinion_event event;
    _Atomic int waiting, through;
    int told;
};

static void wait_for_set(struct pinion_io *io, void *context, unsigned index)
{
    struct shared *shared = context;
    atomic_fetch_add(&shared->waiting, 1);
    EXPECT((index % 2 ? pinion_event_wait(io, &shared->event)
                      : pinion_event_wait_uncancelable(io, &shared->event)) == 0);
    EXPECT(shared->told == 7);
    atomic_fetch_add(&shared->through, 1);
}

static void set_lets_all_through_those_that_wait_and_those_to_come(struct suite *suite)
{
    const int waiters = (int)crew_size(suite, WAITERS);
    struct shared shared = {0};
    struct crew crew = {0};
    crew_start(suite, &crew, (unsigned)waiters, wait_for_set, &shared);
    suite_until(&shared.waiting, waiters);
    suite_linger((int)suite->of->workers);
    assert_int_equal(atomic_load(&shared.through), 0);
    shared.told = 7;
    pinion_event_set(suite->io, &shared.event);
    crew_start(suite, &crew, (unsigned)waiters, wait_for_set, &shared);
    crew_end(&crew);
    assert_int_equal(atomic_load(&shared.through), 2 * waiters);
    assert_true(pinion_event_is_set(&shared.event));
}

/* Nobody but the sets wakes them, and each is reset before they can look. */
static void set_wakes_all_who_wait_also_if_it_is_reset_right_after(struct suite *suite)
{
    const int waiters = (int)crew_size(suite, WAITERS);
    struct shared shared = {.told = 7};
    struct crew crew = {0};
    const int64_t end = suite_now() + INT64_C(60000000000);
    crew_start(suite, &crew, (unsigned)waiters, wait_for_set, &shared);
    suite_until(&shared.waiting, waiters);
    while (atomic_load(&shared.through) < waiters && suite_now() < end) {
        pinion_event_set(suite->io, &shared.event);
        pinion_event_reset(&shared.event);
        suite_linger(4);
    }
    assert_int_equal(atomic_load(&shared.through), waiters);
    crew_end(&crew);
    assert_false(pinion_event_is_set(&shared.event));
}

/* ---- the event may be gone as soon as it was seen to be set ---- */

struct letter {
    struct pinion_event arrived;
    int text;
};

static void post(struct pinion_io *io, void *context, unsigned index)
{
    (void)index;
    struct pinion_queue *letters = context;
    struct letter *letter;
    while (pinion_queue_get(io, letters, &letter, 1, 1) == 1) {
        letter->text = 11;
        pinion_event_set(io, &letter->arrived);
    }
}

static void who_waited_may_free_the_event_at_once(struct suite *suite)
{
    struct pinion_queue letters;
    struct letter *storage[4];
    struct crew crew = {0};
    pinion_queue_init(&letters, storage, sizeof storage[0], 4);
    crew_start(suite, &crew, 1, post, &letters);
    for (int i = 0; i < SUITE_ROUNDS(300); i++) {
        struct letter *letter = calloc(1, sizeof *letter);
        assert_non_null(letter);
        assert_int_equal(pinion_queue_put(suite->io, &letters, &letter, 1, 1), 1);
        if (i % 3 == 0)
            while (!pinion_event_is_set(&letter->arrived))
                suite_yield();
        else if (i % 3 == 1)
            while (pinion_event_wait_until(suite->io, &letter->arrived, suite_now() + 5000))
                continue;
        else
            assert_int_equal(pinion_event_wait(suite->io, &letter->arrived), 0);
        assert_int_equal(letter->text, 11);
        free(letter);
    }
    pinion_queue_close(suite->io, &letters);
    crew_end(&crew);
}

/* One event after the other at the same place; `phase` says which is there. */
struct place {
    struct pinion_event event;
    int rounds;
    _Atomic int phase, is_told;
};

static void busy_until(int64_t end)
{
    while (suite_now() < end)
        continue;
}

static void set_each(struct pinion_io *io, void *context, unsigned index)
{
    struct place *place = context;
    (void)index;
    for (int i = 0; i < place->rounds; i++) {
        suite_until(&place->phase, 2 * i + 1);
        busy_until(suite_now() + i * 37 % 6000);
        pinion_event_set(io, &place->event);
        suite_until(&place->phase, 2 * i + 2);
        busy_until(suite_now() + 10000);
        atomic_store(&place->is_told, 1);
        pinion_event_set(io, &place->event);
    }
}

/* Who waits for the first leaves at a deadline, sees it set, and waits for the next in its place
 * while the set of the first may still be looking for whom to wake. */
static void a_set_wakes_nobody_who_waits_for_the_next_event_in_its_place(struct suite *suite)
{
    struct place place = {.rounds = suite->of->polls ? 100 : SUITE_ROUNDS(2000)};
    struct crew crew = {0};
    crew_start(suite, &crew, 1, set_each, &place);
    for (int i = 0; i < place.rounds; i++) {
        atomic_store(&place.is_told, 0);
        atomic_store(&place.event.word, 0);
        atomic_store(&place.phase, 2 * i + 1);
        while (pinion_event_wait_until(suite->io, &place.event, suite_now() + i * 53 % 3000))
            continue;
        atomic_store(&place.event.word, 0);
        atomic_store(&place.phase, 2 * i + 2);
        EXPECT(pinion_event_wait(suite->io, &place.event) == 0);
        EXPECT(atomic_load(&place.is_told));
        suite_until(&place.is_told, 1);
        EXPECT(pinion_event_wait(suite->io, &place.event) == 0);
    }
    crew_end(&crew);
}

static void hammer(struct pinion_io *io, void *context, unsigned index)
{
    struct shared *shared = context;
    for (int i = 0; i < SUITE_ROUNDS(1000); i++) {
        if (index % 3 == 0)
            pinion_event_set(io, &shared->event);
        else if (index % 3 == 1)
            pinion_event_reset(&shared->event);
        else
            (void)pinion_event_wait_until(io, &shared->event, suite_now() + 1000);
    }
    if (index % 3 == 0)
        pinion_event_set(io, &shared->event);
}

static void set_and_reset_from_many_at_once_end_in_one_of_both(struct suite *suite)
{
    struct shared shared = {0};
    struct crew crew = {0};
    crew_start(suite, &crew, 6, hammer, &shared);
    crew_end(&crew);
    pinion_event_reset(&shared.event);
    assert_int_equal(pinion_event_wait_until(suite->io, &shared.event, 0), -ETIMEDOUT);
    pinion_event_set(suite->io, &shared.event);
    assert_int_equal(pinion_event_wait(suite->io, &shared.event), 0);
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(an_event_is_unset_then_set_then_reset),
    SUITE_TEST(two_signal_each_other),
    SUITE_TEST(set_lets_all_through_those_that_wait_and_those_to_come),
    SUITE_TEST(set_wakes_all_who_wait_also_if_it_is_reset_right_after),
    SUITE_TEST(who_waited_may_free_the_event_at_once),
    SUITE_TEST(a_set_wakes_nobody_who_waits_for_the_next_event_in_its_place),
    SUITE_TEST(set_and_reset_from_many_at_once_end_in_one_of_both),
    {NULL, NULL},
};
