/* SPDX-License-Identifier: MIT
 *
 * The suite's part on conditions. What they have in common with all that waits is in suite_wait.c.
 */
#include "suite.h"

#include <errno.h>
#include <stdatomic.h>

#define WAITERS 16

struct room {
    struct pinion_mutex mutex;
    struct pinion_condition condition;
    bool is_open;
    int64_t deadline;
    /* Under the mutex; atomic for those who only look. */
    _Atomic int waiting, woken;
    unsigned order[CREW_MAX];
};

static void lock(struct pinion_io *io, struct room *room)
{
    EXPECT(pinion_mutex_lock_uncancelable(io, &room->mutex) == 0);
}

static void unlock(struct pinion_io *io, struct room *room)
{
    pinion_mutex_unlock(io, &room->mutex);
}

/* Waits once, in the order of index, and writes down in which order they are woken. */
static void wait_in_turn(struct pinion_io *io, void *context, unsigned index)
{
    struct room *room = context;
    suite_until(&room->waiting, (int)index);
    lock(io, room);
    atomic_fetch_add(&room->waiting, 1);
    if (index % 2)
        EXPECT(pinion_condition_wait(io, &room->condition, &room->mutex) == 0);
    else
        EXPECT(pinion_condition_wait_until(io, &room->condition, &room->mutex, PINION_FOREVER) ==
               0);
    EXPECT(!pinion_mutex_try_lock(&room->mutex));
    room->order[atomic_load(&room->woken)] = index;
    atomic_fetch_add(&room->woken, 1);
    unlock(io, room);
}

/* Who sees `waiting` at its last number and then has the mutex, knows that all of them wait. */
static void until_all_wait(struct pinion_io *io, struct room *room, int count)
{
    suite_until(&room->waiting, count);
    lock(io, room);
}

static void signal_wakes_one_and_the_one_that_waited_longest(struct suite *suite)
{
    const unsigned waiters = crew_size(suite, WAITERS);
    struct room room = {0};
    struct crew crew = {0};
    crew_start(suite, &crew, waiters, wait_in_turn, &room);
    until_all_wait(suite->io, &room, (int)waiters);
    unlock(suite->io, &room);
    for (int i = 0; i < (int)waiters; i++) {
        lock(suite->io, &room);
        assert_int_equal(atomic_load(&room.woken), i);
        if (i % 2)
            pinion_condition_signal(suite->io, &room.condition);
        unlock(suite->io, &room);
        if (i % 2 == 0) /* with and without the mutex */
            pinion_condition_signal(suite->io, &room.condition);
        suite_until(&room.woken, i + 1);
        suite_linger(1);
    }
    crew_end(&crew);
    for (unsigned i = 0; i < waiters; i++)
        assert_int_equal(room.order[i], i);
}

static void so_many_signals_wake_so_many(struct suite *suite)
{
    const unsigned waiters = crew_size(suite, WAITERS);
    for (int signals = 1; signals < (int)waiters; signals += 5) {
        struct room room = {0};
        struct crew crew = {0};
        crew_start(suite, &crew, waiters, wait_in_turn, &room);
        until_all_wait(suite->io, &room, (int)waiters);
        for (int i = 0; i < signals; i++)
            pinion_condition_signal(suite->io, &room.condition);
        unlock(suite->io, &room);
        suite_until(&room.woken, signals);
        suite_linger(4);
        assert_int_equal(atomic_load(&room.woken), signals);
        pinion_condition_broadcast(suite->io, &room.condition);
        crew_end(&crew);
        assert_int_equal(atomic_load(&room.woken), waiters);
    }
}

static void broadcast_wakes_all_that_wait_and_none_to_come(struct suite *suite)
{
    const unsigned waiters = crew_size(suite, WAITERS);
    for (int i = 0; i < 3; i++) {
        struct room room = {0};
        struct crew crew = {0};
        crew_start(suite, &crew, waiters, wait_in_turn, &room);
        until_all_wait(suite->io, &room, (int)waiters);
        if (i % 2)
            unlock(suite->io, &room);
        pinion_condition_broadcast(suite->io, &room.condition);
        if (i % 2 == 0) {
            suite_linger(4);
            assert_int_equal(atomic_load(&room.woken), 0); /* the mutex is held here still */
            unlock(suite->io, &room);
        }
        suite_until(&room.woken, (int)waiters);
        lock(suite->io, &room);
        assert_int_equal(
            pinion_condition_wait_until(suite->io, &room.condition, &room.mutex, 0), -ETIMEDOUT);
        unlock(suite->io, &room);
        crew_end(&crew);
    }
}

static void what_nobody_waits_for_is_not_kept(struct suite *suite)
{
    struct room room = {0};
    pinion_condition_signal(suite->io, &room.condition);
    pinion_condition_broadcast(suite->io, &room.condition);
    lock(suite->io, &room);
    pinion_condition_signal(suite->io, &room.condition);
    assert_int_equal(pinion_condition_wait_until(suite->io, &room.condition, &room.mutex, 0),
                     -ETIMEDOUT);
    assert_int_equal(pinion_condition_wait_until(suite->io, &room.condition, &room.mutex,
                                                 suite_now() + 100000),
                     -ETIMEDOUT);
    assert_false(pinion_mutex_try_lock(&room.mutex));
    unlock(suite->io, &room);
    assert_true(pinion_mutex_try_lock(&room.mutex));
}

/* ---- the mutex is held whatever is returned ---- */

static void wait_till_canceled(struct within *within)
{
    struct room *room = within->extra;
    lock(within->io, room);
    atomic_store(&within->reached, 1);
    EXPECT(pinion_condition_wait(within->io, &room->condition, &room->mutex) == -ECANCELED);
    EXPECT(!pinion_mutex_try_lock(&room->mutex));
    atomic_store(&within->reached, 2);
    EXPECT(pinion_check_cancel(within->io) == 0);
    unlock(within->io, room);
}

static void wait_till_deadline(struct within *within)
{
    struct room *room = within->extra;
    lock(within->io, room);
    room->deadline = suite_now() + 300000;
    atomic_store(&within->reached, 1);
    EXPECT(pinion_condition_wait_until(within->io, &room->condition, &room->mutex,
                                       room->deadline) == -ETIMEDOUT);
    EXPECT(!pinion_mutex_try_lock(&room->mutex));
    atomic_store(&within->reached, 2);
    unlock(within->io, room);
}

/* The mutex is another's when the wait ends: it is waited for, request or not. */
static void a_wait_that_is_over_still_waits_for_the_mutex(struct suite *suite)
{
    for (int i = 0; i < 8; i++) {
        struct room room = {0};
        struct within within;
        within_start(suite, &within, i % 2 ? wait_till_canceled : wait_till_deadline, &room, false);
        suite_until(&within.reached, 1);
        lock(suite->io, &room);
        const int before = atomic_load(&within.reached); /* 2: its deadline passed already */
        if (i % 2)
            pinion_request_cancel(suite->io, &within.future);
        while (suite_now() < room.deadline)
            suite_yield();
        suite_linger(i);
        assert_int_equal(atomic_load(&within.reached), before);
        unlock(suite->io, &room);
        within_end(&within);
        assert_true(pinion_mutex_try_lock(&room.mutex));
    }
}

static void wait_till_woken(struct within *within)
{
    struct room *room = within->extra;
    lock(within->io, room);
    atomic_store(&within->reached, 1);
    EXPECT(pinion_condition_wait(within->io, &room->condition, &room->mutex) == 0);
    EXPECT(!pinion_mutex_try_lock(&room->mutex));
    atomic_store(&within->reached, 2);
    EXPECT(pinion_check_cancel(within->io) == -ECANCELED);
    unlock(within->io, room);
}

/* It was signaled first, and the request came while it waited for the mutex. */
static void a_request_that_comes_after_the_signal_stays_pending(struct suite *suite)
{
    for (int i = 0; i < 6; i++) {
        struct room room = {0};
        struct within within;
        within_start(suite, &within, wait_till_woken, &room, false);
        suite_until(&within.reached, 1);
        lock(suite->io, &room);
        if (i % 2)
            pinion_condition_signal(suite->io, &room.condition);
        else
            pinion_condition_broadcast(suite->io, &room.condition);
        suite_linger(i);
        pinion_request_cancel(suite->io, &within.future);
        suite_linger(i);
        assert_int_equal(atomic_load(&within.reached), 1);
        unlock(suite->io, &room);
        within_end(&within);
    }
}

static void wait_on_entry(struct within *within)
{
    struct room *room = within->extra;
    lock(within->io, room);
    atomic_store(&within->reached, 1);
    suite_until(&room->waiting, 1); /* another waits for the mutex, mostly */
    suite_linger(4);
    EXPECT(pinion_condition_wait(within->io, &room->condition, &room->mutex) == -ECANCELED);
    EXPECT(!room->is_open);
    unlock(within->io, room);
}

static void open_room(struct pinion_io *io, void *context, unsigned index)
{
    struct room *room = context;
    (void)index;
    atomic_fetch_add(&room->waiting, 1);
    lock(io, room);
    room->is_open = true;
    unlock(io, room);
}

static void a_pending_request_comes_before_the_mutex_is_unlocked(struct suite *suite)
{
    for (int i = 0; i < 3; i++) {
        struct room room = {0};
        struct within within;
        struct crew crew = {0};
        within_start(suite, &within, wait_on_entry, &room, true);
        suite_until(&within.reached, 1);
        crew_start(suite, &crew, 1, open_room, &room);
        within_end(&within);
        crew_end(&crew);
        assert_true(room.is_open);
    }
}

/* ---- no signal is lost ---- */

#define RACERS 12

struct race {
    struct room room;
    _Atomic int zeros, errors;
    bool by_deadline;
};

/* Waits once. Of those whose wait ended with an error, the wake is another's. */
static void race_body(struct within *within)
{
    struct race *race = within->extra;
    struct room *room = &race->room;
    uint32_t seed = (uint32_t)(uintptr_t)within | 1;
    lock(within->io, room);
    atomic_fetch_add(&room->waiting, 1);
    const int64_t deadline =
        race->by_deadline ? suite_now() + 20000 + suite_random(&seed) % 200000 : PINION_FOREVER;
    const int error =
        pinion_condition_wait_until(within->io, &room->condition, &room->mutex, deadline);
    EXPECT(!pinion_mutex_try_lock(&room->mutex));
    EXPECT(error == 0 || error == (race->by_deadline ? -ETIMEDOUT : -ECANCELED));
    atomic_fetch_add(error ? &race->errors : &race->zeros, 1);
    unlock(within->io, room);
}

static void wait_for_ever_once(struct pinion_io *io, void *context, unsigned index)
{
    struct race *race = context;
    (void)index;
    lock(io, &race->room);
    atomic_fetch_add(&race->room.waiting, 1);
    EXPECT(pinion_condition_wait(io, &race->room.condition, &race->room.mutex) == 0);
    atomic_fetch_add(&race->zeros, 1);
    unlock(io, &race->room);
}

struct signaler {
    pthread_t thread;
    struct pinion_io *io;
    struct race *race;
    int count, round;
};

static void *send_signals(void *argument)
{
    const struct signaler *signaler = argument;
    suite_linger(signaler->round % 4);
    for (int i = 0; i < signaler->count; i++)
        pinion_condition_signal(signaler->io, &signaler->race->room.condition);
    return NULL;
}

/* So many wait whose waits are ended while as many signals are sent, and as many that nothing else
 * ends: so each signal finds one, and is taken by exactly one. */
static void race_once(struct suite *suite, bool by_deadline, int round)
{
    const int count = (int)crew_size(suite, RACERS);
    struct race race = {.by_deadline = by_deadline};
    struct signaler signaler = {.io = suite->io, .race = &race, .count = count, .round = round};
    struct within racers[RACERS];
    struct crew crew = {0};
    for (int i = 0; i < count; i++) {
        within_start(suite, &racers[i], race_body, &race, false);
        if (i % 3 == 2)
            suite_until(&race.room.waiting, i + 1);
    }
    crew_start(suite, &crew, (unsigned)count, wait_for_ever_once, &race);
    until_all_wait(suite->io, &race.room, 2 * count);
    unlock(suite->io, &race.room);
    assert_int_equal(pthread_create(&signaler.thread, NULL, send_signals, &signaler), 0);
    suite_linger(round / 4 % 4);
    for (int i = 0; i < count && !by_deadline; i++)
        pinion_request_cancel(suite->io, &racers[i].future);
    assert_int_equal(pthread_join(signaler.thread, NULL), 0);
    for (int i = 0; i < count; i++)
        within_end(&racers[i]);
    suite_until(&race.zeros, count);
    suite_linger(3);
    assert_int_equal(atomic_load(&race.zeros), count);
    pinion_condition_broadcast(suite->io, &race.room.condition);
    crew_end(&crew);
    assert_int_equal(atomic_load(&race.zeros) + atomic_load(&race.errors), 2 * count);
    assert_true(pinion_mutex_try_lock(&race.room.mutex));
}

/* How many races there are: each takes longer where who waits takes a CPU. */
static int races(const struct suite *suite) { return suite->of->polls ? 4 : SUITE_ROUNDS(60); }

static void as_many_are_woken_as_signals_were_sent_whoever_is_canceled(struct suite *suite)
{
    for (int i = 0; i < races(suite); i++)
        race_once(suite, false, i);
}

static void as_many_are_woken_as_signals_were_sent_whatever_deadlines_pass(struct suite *suite)
{
    for (int i = 0; i < races(suite); i++)
        race_once(suite, true, i);
}

/* ---- a bounded buffer, as in the books: two conditions, one mutex ---- */

struct buffer {
    struct pinion_mutex mutex;
    struct pinion_condition not_full, not_empty;
    int used, rounds;
    long put, got;
};

static void use_buffer(struct pinion_io *io, void *context, unsigned index)
{
    struct buffer *buffer = context;
    struct pinion_condition *mine = index % 2 ? &buffer->not_full : &buffer->not_empty;
    struct pinion_condition *theirs = index % 2 ? &buffer->not_empty : &buffer->not_full;
    for (int i = 0; i < buffer->rounds; i++) {
        EXPECT(pinion_mutex_lock(io, &buffer->mutex) == 0);
        while (buffer->used == (index % 2 ? 2 : 0))
            EXPECT(pinion_condition_wait(io, mine, &buffer->mutex) == 0);
        EXPECT(buffer->used >= 0 && buffer->used <= 2);
        buffer->used += index % 2 ? 1 : -1;
        *(index % 2 ? &buffer->put : &buffer->got) += 1;
        if (i % 2)
            pinion_condition_signal(io, theirs);
        pinion_mutex_unlock(io, &buffer->mutex);
        if (i % 2 == 0)
            pinion_condition_signal(io, theirs);
    }
}

static void two_conditions_and_a_mutex_make_a_bounded_buffer(struct suite *suite)
{
    struct buffer buffer = {.rounds = SUITE_ROUNDS(200)};
    struct suite second = *suite;
    struct crew crew = {0};
    assert_int_equal(suite->of->make(suite->of, &second.io, &second.made), 0);
    crew.second = second.io;
    crew_start(suite, &crew, 6, use_buffer, &buffer);
    crew_end(&crew);
    suite->of->destroy(second.made);
    assert_int_equal(buffer.put, 3 * buffer.rounds);
    assert_int_equal(buffer.got, 3 * buffer.rounds);
    assert_int_equal(buffer.used, 0);
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(signal_wakes_one_and_the_one_that_waited_longest),
    SUITE_TEST(so_many_signals_wake_so_many),
    SUITE_TEST(broadcast_wakes_all_that_wait_and_none_to_come),
    SUITE_TEST(what_nobody_waits_for_is_not_kept),
    SUITE_TEST(a_wait_that_is_over_still_waits_for_the_mutex),
    SUITE_TEST(a_request_that_comes_after_the_signal_stays_pending),
    SUITE_TEST(a_pending_request_comes_before_the_mutex_is_unlocked),
    SUITE_TEST(as_many_are_woken_as_signals_were_sent_whoever_is_canceled),
    SUITE_TEST(as_many_are_woken_as_signals_were_sent_whatever_deadlines_pass),
    SUITE_TEST(two_conditions_and_a_mutex_make_a_bounded_buffer),
    {NULL, NULL},
};
