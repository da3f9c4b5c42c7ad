/* SPDX-License-Identifier: MIT
 *
 * The suite's part on mutexes and rwlocks. What they have in common with all that waits is in
 * suite_wait.c.
 */
#include "suite.h"

#include <errno.h>
#include <stdatomic.h>

/* ---- one at a time ---- */

static void a_mutex_is_held_by_one(struct suite *suite)
{
    static struct pinion_mutex mutex; /* all zero */
    for (int i = 0; i < 3; i++) {
        assert_true(pinion_mutex_try_lock(&mutex));
        assert_false(pinion_mutex_try_lock(&mutex));
        assert_int_equal(pinion_mutex_lock_until(suite->io, &mutex, 0), -ETIMEDOUT);
        pinion_mutex_unlock(suite->io, &mutex);
        assert_int_equal(pinion_mutex_lock(suite->io, &mutex), 0);
        assert_false(pinion_mutex_try_lock(&mutex));
        pinion_mutex_unlock(suite->io, &mutex);
        assert_int_equal(pinion_mutex_lock_until(suite->io, &mutex, 0), 0);
        assert_int_equal(
            pinion_mutex_lock_until(suite->io, &mutex, suite_now() + 100000), -ETIMEDOUT);
        pinion_mutex_unlock(suite->io, &mutex);
    }
}

static void a_rwlock_is_held_by_one_writer_or_many_readers(struct suite *suite)
{
    static struct pinion_rwlock lock; /* all zero */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pinion_rwlock_write_lock(suite->io, &lock), 0);
        assert_false(pinion_rwlock_try_read_lock(&lock));
        assert_false(pinion_rwlock_try_write_lock(&lock));
        assert_int_equal(pinion_rwlock_read_lock_until(suite->io, &lock, 0), -ETIMEDOUT);
        assert_int_equal(pinion_rwlock_write_lock_until(suite->io, &lock, 0), -ETIMEDOUT);
        pinion_rwlock_write_unlock(suite->io, &lock);
        assert_int_equal(pinion_rwlock_read_lock(suite->io, &lock), 0);
        assert_true(pinion_rwlock_try_read_lock(&lock));
        assert_int_equal(pinion_rwlock_read_lock_until(suite->io, &lock, 0), 0);
        for (int j = 0; j < 3; j++) {
            assert_false(pinion_rwlock_try_write_lock(&lock));
            assert_int_equal(pinion_rwlock_write_lock_until(suite->io, &lock, 0), -ETIMEDOUT);
            pinion_rwlock_read_unlock(suite->io, &lock);
        }
        assert_true(pinion_rwlock_try_write_lock(&lock));
        pinion_rwlock_write_unlock(suite->io, &lock);
    }
}

/* A writer that gave up has stopped nobody. */
static void who_gives_up_leaves_a_rwlock_to_the_others(struct suite *suite)
{
    struct pinion_rwlock lock = {0};
    assert_int_equal(pinion_rwlock_read_lock(suite->io, &lock), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            pinion_rwlock_write_lock_until(suite->io, &lock, suite_now() + 100000), -ETIMEDOUT);
        assert_true(pinion_rwlock_try_read_lock(&lock));
        assert_int_equal(pinion_rwlock_read_lock(suite->io, &lock), 0);
        pinion_rwlock_read_unlock(suite->io, &lock);
        pinion_rwlock_read_unlock(suite->io, &lock);
    }
    pinion_rwlock_read_unlock(suite->io, &lock);
    assert_true(pinion_rwlock_try_write_lock(&lock));
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            pinion_rwlock_read_lock_until(suite->io, &lock, suite_now() + 100000), -ETIMEDOUT);
    pinion_rwlock_write_unlock(suite->io, &lock);
    assert_true(pinion_rwlock_try_write_lock(&lock));
    pinion_rwlock_write_unlock(suite->io, &lock);
}

/* ---- by many, with two ios ---- */

struct shared {
    struct pinion_mutex mutex;
    struct pinion_rwlock lock;
    int rounds;
    long value, copy; /* under the lock, not atomic: equal outside of it */
    _Atomic int readers, writers, refused;
};

static void with_second_io(struct suite *suite, unsigned count,
                           void (*run)(struct pinion_io *io, void *context, unsigned index),
                           struct shared *shared)
{
    struct suite second = *suite;
    struct crew crew = {0};
    assert_int_equal(suite->of->make(suite->of, &second.io, &second.made), 0);
    crew.second = second.io;
    crew_start(suite, &crew, count, run, shared);
    crew_end(&crew);
    suite->of->destroy(second.made);
}

/* Takes the mutex in each way there is; with a deadline, only in the end. */
static void take_mutex(struct pinion_io *io, struct pinion_mutex *mutex, uint32_t how)
{
    if (how % 4 == 0) {
        EXPECT(pinion_mutex_lock(io, mutex) == 0);
    } else if (how % 4 == 1) {
        EXPECT(pinion_mutex_lock_uncancelable(io, mutex) == 0);
    } else if (how % 4 == 2) {
        while (pinion_mutex_lock_until(io, mutex, suite_now() + 2000))
            continue;
    } else {
        while (!pinion_mutex_try_lock(mutex))
            suite_yield();
    }
}

static void add_under_mutex(struct pinion_io *io, void *context, unsigned index)
{
    struct shared *shared = context;
    uint32_t seed = index + 1;
    for (int i = 0; i < shared->rounds; i++) {
        take_mutex(io, &shared->mutex, suite_random(&seed));
        EXPECT(shared->value == shared->copy);
        shared->value++;
        if (suite_random(&seed) % 16 == 0)
            suite_yield();
        shared->copy++;
        pinion_mutex_unlock(io, &shared->mutex);
    }
}

static void tasks_and_threads_of_two_ios_exclude_each_other(struct suite *suite)
{
    struct shared shared = {.rounds = SUITE_ROUNDS(250)};
    const unsigned count = crew_size(suite, 7);
    with_second_io(suite, count, add_under_mutex, &shared);
    assert_int_equal(shared.value, count * (unsigned)shared.rounds);
    assert_int_equal(shared.copy, shared.value);
    assert_true(pinion_mutex_try_lock(&shared.mutex));
    pinion_mutex_unlock(suite->io, &shared.mutex);
}

static void write_it(struct pinion_io *io, struct shared *shared, uint32_t how)
{
    if (how % 4 == 0) {
        EXPECT(pinion_rwlock_write_lock(io, &shared->lock) == 0);
    } else if (how % 4 == 1) {
        EXPECT(pinion_rwlock_write_lock_uncancelable(io, &shared->lock) == 0);
    } else if (how % 4 == 2) {
        while (pinion_rwlock_write_lock_until(io, &shared->lock, suite_now() + 2000))
            continue;
    } else if (!pinion_rwlock_try_write_lock(&shared->lock)) {
        return;
    }
    EXPECT(atomic_fetch_add(&shared->writers, 1) == 0 && atomic_load(&shared->readers) == 0);
    shared->value++;
    if (how % 64 < 4)
        suite_yield();
    shared->copy++;
    atomic_fetch_sub(&shared->writers, 1);
    pinion_rwlock_write_unlock(io, &shared->lock);
}

static void read_it(struct pinion_io *io, struct shared *shared, uint32_t how)
{
    if (how % 4 == 0) {
        EXPECT(pinion_rwlock_read_lock(io, &shared->lock) == 0);
    } else if (how % 4 == 1) {
        EXPECT(pinion_rwlock_read_lock_uncancelable(io, &shared->lock) == 0);
    } else if (how % 4 == 2) {
        while (pinion_rwlock_read_lock_until(io, &shared->lock, suite_now() + 2000))
            continue;
    } else if (!pinion_rwlock_try_read_lock(&shared->lock)) {
        return;
    }
    atomic_fetch_add(&shared->readers, 1);
    EXPECT(atomic_load(&shared->writers) == 0);
    EXPECT(shared->value == shared->copy);
    if (how % 64 < 4)
        suite_yield();
    atomic_fetch_sub(&shared->readers, 1);
    pinion_rwlock_read_unlock(io, &shared->lock);
}

static void read_and_write(struct pinion_io *io, void *context, unsigned index)
{
    struct shared *shared = context;
    uint32_t seed = index + 1;
    for (int i = 0; i < shared->rounds; i++) {
        const uint32_t how = suite_random(&seed);
        if ((how >> 16) % 3 == 0)
            write_it(io, shared, how);
        else
            read_it(io, shared, how);
    }
}

static void readers_and_writers_of_two_ios_exclude_each_other(struct suite *suite)
{
    struct shared shared = {.rounds = SUITE_ROUNDS(250)};
    with_second_io(suite, crew_size(suite, 7), read_and_write, &shared);
    assert_int_equal(shared.value, shared.copy);
    assert_true(shared.value > 0);
    assert_true(pinion_rwlock_try_write_lock(&shared.lock));
    pinion_rwlock_write_unlock(suite->io, &shared.lock);
}

/* ---- a mutex belongs to nobody ---- */

static void unlock_for_another(struct pinion_io *io, void *context, unsigned index)
{
    struct shared *shared = context;
    if (index == 0)
        pinion_mutex_unlock(io, &shared->mutex);
    else
        pinion_rwlock_write_unlock(io, &shared->lock);
}

static void another_may_unlock(struct suite *suite)
{
    struct shared shared = {0};
    struct crew crew = {0};
    assert_int_equal(pinion_mutex_lock(suite->io, &shared.mutex), 0);
    assert_int_equal(pinion_rwlock_write_lock(suite->io, &shared.lock), 0);
    crew_start(suite, &crew, 2, unlock_for_another, &shared);
    assert_int_equal(pinion_mutex_lock(suite->io, &shared.mutex), 0);
    assert_int_equal(pinion_rwlock_write_lock(suite->io, &shared.lock), 0);
    crew_end(&crew);
}

/* ---- who was woken, and gives up ---- */

static void lock_or_be_canceled(struct within *within)
{
    struct shared *shared = within->extra;
    atomic_store(&within->reached, 1);
    const int error = pinion_mutex_lock(within->io, &shared->mutex);
    EXPECT(error == 0 || error == -ECANCELED);
    if (!error)
        pinion_mutex_unlock(within->io, &shared->mutex);
}

static void lock_each(struct pinion_io *io, void *context, unsigned index)
{
    struct shared *shared = context;
    (void)index;
    for (int i = 0; i < shared->rounds; i++) {
        suite_until(&shared->readers, i + 1);
        atomic_store(&shared->writers, i + 1);
        EXPECT(pinion_mutex_lock_until(io, &shared->mutex,
                                       suite_now() + INT64_C(60000000000)) == 0);
        pinion_mutex_unlock(io, &shared->mutex);
        atomic_store(&shared->refused, i + 1);
    }
}

/* The first of two that wait is woken, finds that another was faster, and is canceled: it must see
 * to it that the second is woken in its place. */
static void who_was_woken_and_gives_up_wakes_the_next(struct suite *suite)
{
    struct shared shared = {.rounds = suite->of->polls ? 50 : SUITE_ROUNDS(1500)};
    struct crew crew = {0};
    crew_start(suite, &crew, 1, lock_each, &shared);
    for (int i = 0; i < shared.rounds; i++) {
        struct within first;
        const int64_t moment = i * 29 % 4000;
        take_mutex(suite->io, &shared.mutex, 1);
        within_start(suite, &first, lock_or_be_canceled, &shared, false);
        suite_until(&first.reached, 1);
        suite_linger(i % 3);
        atomic_store(&shared.readers, i + 1); /* now the second */
        suite_until(&shared.writers, i + 1);
        suite_linger(1 + i % 3);
        pinion_mutex_unlock(suite->io, &shared.mutex);
        const bool is_first = pinion_mutex_try_lock(&shared.mutex);
        pinion_request_cancel(suite->io, &first.future);
        for (const int64_t end = suite_now() + moment; suite_now() < end;)
            continue;
        if (is_first)
            pinion_mutex_unlock(suite->io, &shared.mutex);
        within_end(&first);
        suite_until(&shared.refused, i + 1);
    }
    crew_end(&crew);
}

/* ---- the phases of a rwlock ---- */

static void read_together(struct pinion_io *io, void *context, unsigned index)
{
    struct shared *shared = context;
    (void)index;
    EXPECT(pinion_rwlock_read_lock(io, &shared->lock) == 0);
    atomic_fetch_add(&shared->readers, 1);
    suite_until(&shared->readers, shared->rounds); /* all are inside at the same time */
    pinion_rwlock_read_unlock(io, &shared->lock);
}

static void all_readers_that_wait_are_let_in_together(struct suite *suite)
{
    for (int i = 0; i < 4; i++) {
        const unsigned readers = crew_size(suite, 9);
        struct shared shared = {.rounds = (int)readers};
        struct crew crew = {0};
        assert_int_equal(pinion_rwlock_write_lock(suite->io, &shared.lock), 0);
        crew_start(suite, &crew, readers, read_together, &shared);
        suite_linger(i + 2);
        assert_int_equal(atomic_load(&shared.readers), 0);
        pinion_rwlock_write_unlock(suite->io, &shared.lock);
        crew_end(&crew);
        assert_true(pinion_rwlock_try_write_lock(&shared.lock));
    }
}

/* Until a writer waits: then no reader gets in any more. */
static void until_a_writer_waits(struct suite *suite, struct pinion_rwlock *lock)
{
    const int64_t end = suite_now() + INT64_C(60000000000);
    while (pinion_rwlock_try_read_lock(lock)) {
        pinion_rwlock_read_unlock(suite->io, lock);
        assert_true(suite_now() < end);
        suite_yield();
    }
}

static void write_once(struct pinion_io *io, void *context, unsigned index)
{
    struct shared *shared = context;
    (void)index;
    EXPECT(pinion_rwlock_write_lock(io, &shared->lock) == 0);
    EXPECT(atomic_load(&shared->readers) == 0);
    shared->value++;
    pinion_rwlock_write_unlock(io, &shared->lock);
}

static void read_once(struct pinion_io *io, void *context, unsigned index)
{
    struct shared *shared = context;
    (void)index;
    EXPECT(pinion_rwlock_read_lock_until(io, &shared->lock, suite_now() + 50000) == -ETIMEDOUT);
    atomic_fetch_add(&shared->refused, 1);
    EXPECT(pinion_rwlock_read_lock(io, &shared->lock) == 0);
    pinion_rwlock_read_unlock(io, &shared->lock);
}

static void a_reader_that_comes_while_a_writer_waits_waits_for_it(struct suite *suite)
{
    for (int i = 0; i < 4; i++) {
        struct shared shared = {0};
        struct crew crew = {0};
        assert_int_equal(pinion_rwlock_read_lock(suite->io, &shared.lock), 0);
        crew_start(suite, &crew, 1, write_once, &shared);
        until_a_writer_waits(suite, &shared.lock);
        assert_int_equal(pinion_rwlock_read_lock_until(suite->io, &shared.lock, 0), -ETIMEDOUT);
        crew_start(suite, &crew, 5, read_once, &shared);
        suite_until(&shared.refused, 5);
        suite_linger(i + 2);
        pinion_rwlock_read_unlock(suite->io, &shared.lock);
        crew_end(&crew);
        assert_int_equal(shared.value, 1);
    }
}

static void write_until_canceled(struct within *within)
{
    struct shared *shared = within->extra;
    EXPECT(pinion_rwlock_write_lock(within->io, &shared->lock) == -ECANCELED);
}

static void write_until_deadline(struct within *within)
{
    struct shared *shared = within->extra;
    EXPECT(pinion_rwlock_write_lock_until(within->io, &shared->lock,
                                          suite_now() + 3000000) == -ETIMEDOUT);
}

/* Readers came while a writer waited. It goes without having had the lock: they must be let in to
 * the reader that holds it, since nobody else comes who would. */
static void a_writer_that_gives_up_lets_in_who_waits_behind_it(struct suite *suite)
{
    for (int i = 0; i < 6; i++) {
        const unsigned readers = crew_size(suite, 8);
        struct shared shared = {.rounds = (int)readers + 1};
        struct within writer;
        struct crew crew = {0};
        assert_int_equal(pinion_rwlock_read_lock(suite->io, &shared.lock), 0);
        atomic_store(&shared.readers, 1);
        within_start(suite, &writer, i % 2 ? write_until_canceled : write_until_deadline, &shared,
                     false);
        if (i % 2)
            until_a_writer_waits(suite, &shared.lock);
        crew_start(suite, &crew, readers, read_together, &shared);
        suite_linger(i);
        if (i % 2)
            pinion_request_cancel(suite->io, &writer.future);
        crew_end(&crew); /* the last reader is the one here */
        within_end(&writer);
        pinion_rwlock_read_unlock(suite->io, &shared.lock);
        assert_true(pinion_rwlock_try_write_lock(&shared.lock));
    }
}

/* Of two writers that wait the first gives up: the second still waits, and has its turn. */
static void a_writer_that_gives_up_leaves_its_turn_to_the_next(struct suite *suite)
{
    for (int i = 0; i < 4; i++) {
        struct shared shared = {0};
        struct within writer;
        struct crew crew = {0};
        assert_int_equal(pinion_rwlock_read_lock(suite->io, &shared.lock), 0);
        within_start(suite, &writer, write_until_canceled, &shared, false);
        until_a_writer_waits(suite, &shared.lock);
        crew_start(suite, &crew, 1, write_once, &shared);
        suite_linger(i + 2);
        pinion_request_cancel(suite->io, &writer.future);
        within_end(&writer);
        until_a_writer_waits(suite, &shared.lock);
        crew_start(suite, &crew, 2, read_once, &shared);
        suite_until(&shared.refused, 2);
        suite_linger(i + 2);
        pinion_rwlock_read_unlock(suite->io, &shared.lock);
        crew_end(&crew);
        assert_int_equal(shared.value, 1);
        assert_true(pinion_rwlock_try_write_lock(&shared.lock));
    }
}

/* ---- what is not held ---- */

static void unlock_free_mutex(struct pinion_io *io, void *context)
{
    (void)context;
    struct pinion_mutex mutex = {0};
    pinion_mutex_unlock(io, &mutex);
    EXPECT(pinion_mutex_try_lock(&mutex) && !pinion_mutex_try_lock(&mutex));
}

static void read_unlock_free(struct pinion_io *io, void *context)
{
    (void)context;
    struct pinion_rwlock lock = {0};
    pinion_rwlock_read_unlock(io, &lock);
    EXPECT(pinion_rwlock_try_write_lock(&lock) && !pinion_rwlock_try_read_lock(&lock));
}

static void write_unlock_free(struct pinion_io *io, void *context)
{
    (void)context;
    struct pinion_rwlock lock = {0};
    pinion_rwlock_write_unlock(io, &lock);
    EXPECT(pinion_rwlock_try_write_lock(&lock) && !pinion_rwlock_try_read_lock(&lock));
}

static void read_unlock_of_a_writer(struct pinion_io *io, void *context)
{
    (void)context;
    struct pinion_rwlock lock = {0};
    EXPECT(pinion_rwlock_try_write_lock(&lock));
    pinion_rwlock_read_unlock(io, &lock);
    EXPECT(!pinion_rwlock_try_read_lock(&lock) && !pinion_rwlock_try_write_lock(&lock));
    pinion_rwlock_write_unlock(io, &lock);
    EXPECT(pinion_rwlock_try_write_lock(&lock));
}

static void write_unlock_of_a_reader(struct pinion_io *io, void *context)
{
    (void)context;
    struct pinion_rwlock lock = {0};
    EXPECT(pinion_rwlock_try_read_lock(&lock));
    pinion_rwlock_write_unlock(io, &lock);
    EXPECT(!pinion_rwlock_try_write_lock(&lock) && pinion_rwlock_try_read_lock(&lock));
}

static void to_unlock_what_is_not_held_asserts_or_does_nothing(struct suite *suite)
{
    void (*const bodies[])(struct pinion_io *, void *) = {
        unlock_free_mutex, read_unlock_free, write_unlock_free, read_unlock_of_a_writer,
        write_unlock_of_a_reader};
    for (unsigned i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        if (!PN_DEBUG)
            bodies[i](suite->io, NULL);
        assert_int_equal(suite_stops(suite, bodies[i], NULL), PN_DEBUG);
    }
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(a_mutex_is_held_by_one),
    SUITE_TEST(a_rwlock_is_held_by_one_writer_or_many_readers),
    SUITE_TEST(who_gives_up_leaves_a_rwlock_to_the_others),
    SUITE_TEST(tasks_and_threads_of_two_ios_exclude_each_other),
    SUITE_TEST(readers_and_writers_of_two_ios_exclude_each_other),
    SUITE_TEST(another_may_unlock),
    SUITE_TEST(who_was_woken_and_gives_up_wakes_the_next),
    SUITE_TEST(all_readers_that_wait_are_let_in_together),
    SUITE_TEST(a_reader_that_comes_while_a_writer_waits_waits_for_it),
    SUITE_TEST(a_writer_that_gives_up_lets_in_who_waits_behind_it),
    SUITE_TEST(a_writer_that_gives_up_leaves_its_turn_to_the_next),
    SUITE_TEST(to_unlock_what_is_not_held_asserts_or_does_nothing),
    {NULL, NULL},
};
