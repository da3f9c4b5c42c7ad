/* SPDX-License-Identifier: MIT
 *
 * The suite's part on semaphores. What they have in common with all that waits is in suite_wait.c.
 */
#include "suite.h"

#include <errno.h>
#include <stdatomic.h>

static struct pinion_semaphore three = PINION_SEMAPHORE_INIT(3);

static void permits_are_taken_one_by_one(struct suite *suite)
{
    static struct pinion_semaphore none; /* all zero */
    struct pinion_semaphore zero = PINION_SEMAPHORE_INIT(0);
    assert_false(pinion_semaphore_try_wait(&none));
    assert_false(pinion_semaphore_try_wait(&zero));
    assert_int_equal(pinion_semaphore_wait_until(suite->io, &none, 0), -ETIMEDOUT);
    assert_true(pinion_semaphore_try_wait(&three));
    assert_int_equal(pinion_semaphore_wait(suite->io, &three), 0);
    assert_int_equal(pinion_semaphore_wait_until(suite->io, &three, 0), 0);
    assert_false(pinion_semaphore_try_wait(&three));
    assert_int_equal(pinion_semaphore_wait_until(suite->io, &three, 0), -ETIMEDOUT);
    assert_int_equal(
        pinion_semaphore_wait_until(suite->io, &three, suite_now() + 100000), -ETIMEDOUT);
    for (int i = 0; i < 3; i++)
        pinion_semaphore_post(suite->io, &three);
    assert_int_equal(pinion_semaphore_wait_uncancelable(suite->io, &three), 0);
    pinion_semaphore_post(suite->io, &three);
}

struct bench {
    struct pinion_semaphore seats;
    int rounds;
    _Atomic int inside, peak, through, waiting;
    _Atomic long taken, posted;
};

/* ---- at most as many inside as there are permits ---- */

static void take_seat(struct pinion_io *io, struct pinion_semaphore *seats, uint32_t how)
{
    if (how % 4 == 0) {
        EXPECT(pinion_semaphore_wait(io, seats) == 0);
    } else if (how % 4 == 1) {
        EXPECT(pinion_semaphore_wait_uncancelable(io, seats) == 0);
    } else if (how % 4 == 2) {
        while (pinion_semaphore_wait_until(io, seats, suite_now() + 2000))
            continue;
    } else {
        while (!pinion_semaphore_try_wait(seats))
            suite_yield();
    }
}

static void sit_down(struct pinion_io *io, void *context, unsigned index)
{
    struct bench *bench = context;
    uint32_t seed = index + 1;
    for (int i = 0; i < bench->rounds; i++) {
        take_seat(io, &bench->seats, suite_random(&seed));
        const int inside = atomic_fetch_add(&bench->inside, 1) + 1;
        EXPECT(inside <= 3);
        if (suite_random(&seed) % 16 == 0)
            suite_yield();
        atomic_fetch_sub(&bench->inside, 1);
        pinion_semaphore_post(io, &bench->seats);
    }
}

static void no_more_are_inside_than_there_are_permits(struct suite *suite)
{
    struct bench bench = {.seats = PINION_SEMAPHORE_INIT(3), .rounds = SUITE_ROUNDS(250)};
    struct suite second = *suite;
    struct crew crew = {0};
    assert_int_equal(suite->of->make(suite->of, &second.io, &second.made), 0);
    crew.second = second.io;
    crew_start(suite, &crew, crew_size(suite, 8), sit_down, &bench);
    crew_end(&crew);
    suite->of->destroy(second.made);
    for (int i = 0; i < 3; i++)
        assert_true(pinion_semaphore_try_wait(&bench.seats));
    assert_false(pinion_semaphore_try_wait(&bench.seats));
}

/* ---- as many get through as were posted ---- */

static void wait_once(struct pinion_io *io, void *context, unsigned index)
{
    struct bench *bench = context;
    (void)index;
    atomic_fetch_add(&bench->waiting, 1);
    EXPECT(pinion_semaphore_wait(io, &bench->seats) == 0);
    atomic_fetch_add(&bench->through, 1);
}

static void each_post_lets_one_through(struct suite *suite)
{
    const int waiters = suite->of->polls ? 3 : 15;
    struct bench bench = {0};
    struct crew crew = {0};
    crew_start(suite, &crew, (unsigned)waiters, wait_once, &bench);
    suite_until(&bench.waiting, waiters);
    suite_linger(4);
    for (int posted = 0, batch = 1; posted < waiters; batch++) { /* 1, 2, … 5 at once */
        for (int i = 0; i < batch; i++)
            pinion_semaphore_post(suite->io, &bench.seats);
        posted += batch;
        suite_until(&bench.through, posted);
        suite_linger(1);
        assert_int_equal(atomic_load(&bench.through), posted);
    }
    crew_end(&crew);
    assert_false(pinion_semaphore_try_wait(&bench.seats));
}

static void post_and_take(struct pinion_io *io, void *context, unsigned index)
{
    struct bench *bench = context;
    uint32_t seed = index + 1;
    for (int i = 0; i < bench->rounds; i++) {
        if (index % 2) {
            pinion_semaphore_post(io, &bench->seats);
            atomic_fetch_add(&bench->posted, 1);
        } else if (i % 2) {
            atomic_fetch_add(&bench->taken, pinion_semaphore_wait(io, &bench->seats) == 0);
        } else {
            const int64_t deadline = suite_now() + suite_random(&seed) % 20000;
            atomic_fetch_add(
                &bench->taken, pinion_semaphore_wait_until(io, &bench->seats, deadline) == 0);
        }
    }
}

static void permits_are_neither_lost_nor_made(struct suite *suite)
{
    struct bench bench = {.rounds = SUITE_ROUNDS(400)};
    struct crew crew = {0};
    const unsigned count = crew_size(suite, 8);
    crew_start(suite, &crew, count, post_and_take, &bench);
    crew_end(&crew);
    while (pinion_semaphore_try_wait(&bench.seats))
        atomic_fetch_add(&bench.taken, 1);
    assert_int_equal(atomic_load(&bench.posted), count / 2 * (unsigned)bench.rounds);
    assert_int_equal(atomic_load(&bench.taken), atomic_load(&bench.posted));
}

/* ---- the most ---- */

static void post_above_the_most(struct pinion_io *io, void *context)
{
    (void)context;
    struct pinion_semaphore full = PINION_SEMAPHORE_INIT(PINION_SEMAPHORE_MAX);
    struct pinion_semaphore last = PINION_SEMAPHORE_INIT(PINION_SEMAPHORE_MAX);
    EXPECT(pinion_semaphore_try_wait(&last));
    EXPECT(pinion_semaphore_wait(io, &last) == 0);
    pinion_semaphore_post(io, &last);
    pinion_semaphore_post(io, &last);
    const uint32_t word = atomic_load(&full.word);
    EXPECT(atomic_load(&last.word) == word);
    pinion_semaphore_post(io, &full);
    EXPECT(atomic_load(&full.word) == word);
    EXPECT(pinion_semaphore_try_wait(&full));
}

static void a_post_above_the_most_asserts_or_adds_none(struct suite *suite)
{
    assert_int_equal(PINION_SEMAPHORE_MAX, INT32_MAX);
    if (!PN_DEBUG)
        post_above_the_most(suite->io, NULL);
    assert_int_equal(suite_stops(suite, post_above_the_most, NULL), PN_DEBUG);
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(permits_are_taken_one_by_one),
    SUITE_TEST(no_more_are_inside_than_there_are_permits),
    SUITE_TEST(each_post_lets_one_through),
    SUITE_TEST(permits_are_neither_lost_nor_made),
    SUITE_TEST(a_post_above_the_most_asserts_or_adds_none),
    {NULL, NULL},
};
