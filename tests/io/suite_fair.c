/* SPDX-License-Identifier: MIT
 *
 * The suite's part on fairness: many wait while a few take the same thing again and again. Each
 * that waits must have its turn. Turns of the others are counted, not time: they end after so many,
 * and then who had none has starved.
 */
#include "suite.h"

#include <errno.h>
#include <stdatomic.h>

#define WAITERS 64
#define HAMMERS 3

/* Far above what comes before each has had its turn; far below what a hammer reaches in the time
 * that a test may take. */
#define TURNS_MAX 50000000L

struct contest {
    struct pinion_mutex mutex;
    struct pinion_semaphore semaphore;
    struct pinion_rwlock lock;
    struct pinion_queue queue;
    char storage[4];
    void (*open)(struct pinion_io *io, struct contest *contest); /* what all wait for at first */
    void (*wait)(struct pinion_io *io, struct contest *contest); /* the turn of one that waits */
    void (*hammer)(struct pinion_io *io, struct contest *contest);
    _Atomic int waiting, served;
    _Atomic long turns;
};

static void wait_for_turn(struct pinion_io *io, void *context, unsigned index)
{
    struct contest *contest = context;
    (void)index;
    atomic_fetch_add(&contest->waiting, 1);
    contest->wait(io, contest);
    atomic_fetch_add(&contest->served, 1);
}

static void hammer(struct pinion_io *io, void *context, unsigned index)
{
    struct contest *contest = context;
    (void)index;
    while (atomic_load(&contest->served) < WAITERS &&
           atomic_fetch_add(&contest->turns, 1) < TURNS_MAX)
        contest->hammer(io, contest);
}

/* What they want is shut: first those are there that wait, then the others, then it is opened. */
static void hold_contest(struct suite *suite, struct contest *contest)
{
    struct crew waiters = {0}, hammers = {0};
    crew_start(suite, &waiters, WAITERS, wait_for_turn, contest);
    suite_until(&contest->waiting, WAITERS);
    suite_linger(5);
    assert_int_equal(atomic_load(&contest->served), 0);
    crew_start(suite, &hammers, HAMMERS, hammer, contest);
    while (atomic_load(&contest->turns) < HAMMERS)
        suite_yield();
    contest->open(suite->io, contest);
    const int64_t end = suite_now() + INT64_C(120000000000);
    while (atomic_load(&contest->served) < WAITERS && suite_now() < end) {
        if (atomic_load(&contest->turns) >= TURNS_MAX)
            fail_msg("%d of %d had no turn", WAITERS - atomic_load(&contest->served), WAITERS);
        suite_yield();
    }
    pinion_queue_close(suite->io, &contest->queue);
    crew_end(&waiters);
    crew_end(&hammers);
    assert_int_equal(atomic_load(&contest->served), WAITERS);
}

static void lock_mutex(struct pinion_io *io, struct contest *contest)
{
    EXPECT(pinion_mutex_lock(io, &contest->mutex) == 0);
    pinion_mutex_unlock(io, &contest->mutex);
}

static void unlock_mutex(struct pinion_io *io, struct contest *contest)
{
    pinion_mutex_unlock(io, &contest->mutex);
}

static void who_waits_for_a_mutex_is_not_starved(struct suite *suite)
{
    struct contest contest = {.open = unlock_mutex, .wait = lock_mutex, .hammer = lock_mutex};
    pinion_queue_init(&contest.queue, contest.storage, 1, 1);
    assert_true(pinion_mutex_try_lock(&contest.mutex));
    hold_contest(suite, &contest);
}

static void take_permit(struct pinion_io *io, struct contest *contest)
{
    EXPECT(pinion_semaphore_wait(io, &contest->semaphore) == 0);
    pinion_semaphore_post(io, &contest->semaphore);
}

static void post_permit(struct pinion_io *io, struct contest *contest)
{
    pinion_semaphore_post(io, &contest->semaphore);
}

static void who_waits_for_a_permit_is_not_starved(struct suite *suite)
{
    struct contest contest = {.open = post_permit, .wait = take_permit, .hammer = take_permit};
    pinion_queue_init(&contest.queue, contest.storage, 1, 1);
    hold_contest(suite, &contest);
}

static void read_it(struct pinion_io *io, struct contest *contest)
{
    EXPECT(pinion_rwlock_read_lock(io, &contest->lock) == 0);
    pinion_rwlock_read_unlock(io, &contest->lock);
}

static void write_it(struct pinion_io *io, struct contest *contest)
{
    EXPECT(pinion_rwlock_write_lock(io, &contest->lock) == 0);
    pinion_rwlock_write_unlock(io, &contest->lock);
}

static void unlock_write(struct pinion_io *io, struct contest *contest)
{
    pinion_rwlock_write_unlock(io, &contest->lock);
}

static void at_rwlock(struct suite *suite, struct contest *contest)
{
    contest->open = unlock_write;
    pinion_queue_init(&contest->queue, contest->storage, 1, 1);
    assert_true(pinion_rwlock_try_write_lock(&contest->lock));
    hold_contest(suite, contest);
}

static void readers_are_not_starved_by_writers(struct suite *suite)
{
    struct contest contest = {.wait = read_it, .hammer = write_it};
    at_rwlock(suite, &contest);
}

static void writers_are_not_starved_by_readers(struct suite *suite)
{
    struct contest contest = {.wait = write_it, .hammer = read_it};
    at_rwlock(suite, &contest);
}

static void writers_are_not_starved_by_writers(struct suite *suite)
{
    struct contest contest = {.wait = write_it, .hammer = write_it};
    at_rwlock(suite, &contest);
}

/* The other side of the queue, which comes once all wait, and is never tired. */
static struct crew across;

static void drain(struct pinion_io *io, void *context, unsigned index)
{
    struct contest *contest = context;
    char item;
    (void)index;
    while (pinion_queue_get_uncancelable(io, &contest->queue, &item, 1, 1) == 1)
        continue;
}

static void fill(struct pinion_io *io, void *context, unsigned index)
{
    struct contest *contest = context;
    (void)index;
    while (pinion_queue_put_uncancelable(io, &contest->queue, "x", 1, 1) == 1)
        continue;
}

static void put_one(struct pinion_io *io, struct contest *contest)
{
    const ssize_t moved = pinion_queue_put(io, &contest->queue, "x", 1, 1);
    EXPECT(moved == 1 || moved == -EPIPE);
}

static void get_one(struct pinion_io *io, struct contest *contest)
{
    char item;
    const ssize_t moved = pinion_queue_get(io, &contest->queue, &item, 1, 1);
    EXPECT(moved == 1 || moved == -EPIPE);
}

static void come(struct pinion_io *io, struct contest *contest)
{
    (void)io;
    crew_start(across.suite, &across, 1, contest->wait == put_one ? drain : fill, contest);
}

static void at_queue(struct suite *suite, size_t capacity, bool is_put)
{
    struct contest contest = {.open = come,
                              .wait = is_put ? put_one : get_one,
                              .hammer = is_put ? put_one : get_one};
    across = (struct crew){.suite = suite};
    pinion_queue_init(&contest.queue, capacity ? contest.storage : NULL, 1, capacity);
    if (is_put && capacity) /* full */
        assert_int_equal(pinion_queue_put(suite->io, &contest.queue, "abcd", capacity, capacity),
                         capacity);
    hold_contest(suite, &contest);
    crew_end(&across);
}

static void who_puts_is_not_starved(struct suite *suite)
{
    at_queue(suite, 0, true);
    at_queue(suite, 4, true);
}

static void who_gets_is_not_starved(struct suite *suite)
{
    at_queue(suite, 0, false);
    at_queue(suite, 4, false);
}

/* ---- who never has to wait ---- */

#define HOGS 4

/* Whether all had begun before it had very many turns. */
PINION_TASK(bool, hog, (struct pinion_io *, io), (_Atomic int *, begun))
{
    struct pinion_mutex own = {0};
    atomic_fetch_add(begun, 1);
    for (long turns = 0; turns < TURNS_MAX; turns++) {
        if (atomic_load(begun) == HOGS)
            return true;
        EXPECT(pinion_mutex_lock(io, &own) == 0);
        pinion_mutex_unlock(io, &own);
    }
    return false;
}

/* Also if there are fewer workers: each has a turn though none sleeps. */
static void who_never_has_to_wait_leaves_turns_to_others(struct suite *suite)
{
    struct hog_future futures[HOGS];
    _Atomic int begun = 0;
    int met = 0;
    if (!suite->of->has_concurrent)
        skip();
    for (int i = 0; i < HOGS; i++)
        assert_int_equal(hog_concurrent(suite->io, &futures[i], suite->io, &begun), 0);
    for (int i = 0; i < HOGS; i++)
        met += hog_await(suite->io, &futures[i]);
    assert_int_equal(met, HOGS);
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(who_waits_for_a_mutex_is_not_starved),
    SUITE_TEST(who_waits_for_a_permit_is_not_starved),
    SUITE_TEST(readers_are_not_starved_by_writers),
    SUITE_TEST(writers_are_not_starved_by_readers),
    SUITE_TEST(writers_are_not_starved_by_writers),
    SUITE_TEST(who_puts_is_not_starved),
    SUITE_TEST(who_gets_is_not_starved),
    SUITE_TEST(who_never_has_to_wait_leaves_turns_to_others),
    {NULL, NULL},
};
