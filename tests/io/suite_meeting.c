/* SPDX-License-Identifier: MIT
 *
 * The suite's part on queues without room, where items are handed from a put to a get that are
 * there at the same time. What they have in common with all that waits is in suite_wait.c.
 */
#include "suite.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

/* A queue, and one call on it from elsewhere. */
struct meeting {
    struct pinion_queue queue;
    bool is_put;
    char items[16];
    size_t count, min;
    int64_t deadline;
    ssize_t moved;
    struct within within;
};

static void move_elsewhere(struct within *within)
{
    struct meeting *meeting = within->extra;
    struct pinion_queue *queue = &meeting->queue;
    atomic_store(&within->reached, 1);
    if (meeting->is_put)
        meeting->moved = pinion_queue_put_until(within->io, queue, meeting->items, meeting->count,
                                                meeting->min, meeting->deadline);
    else
        meeting->moved = pinion_queue_get_until(within->io, queue, meeting->items, meeting->count,
                                                meeting->min, meeting->deadline);
    atomic_store(&within->reached, 2);
    if (meeting->moved >= (ssize_t)meeting->min)
        return;
    /* What ended it, if it had moved something, is what the next gives. */
    if (meeting->moved > 0 && pinion_cancel_requested(within->io))
        EXPECT(pinion_queue_get(within->io, queue, NULL, 0, 0) == -ECANCELED);
}

static void begin(struct suite *suite, struct meeting *meeting, const char *text, size_t count,
                  size_t min)
{
    memset(meeting, 0, sizeof *meeting);
    pinion_queue_init(&meeting->queue, NULL, 1, 0);
    meeting->is_put = text != NULL;
    if (text)
        memcpy(meeting->items, text, count);
    meeting->count = count;
    meeting->min = min;
    meeting->deadline = PINION_FOREVER;
    within_start(suite, &meeting->within, move_elsewhere, meeting, false);
}

static void end(struct meeting *meeting, ssize_t moved)
{
    within_end(&meeting->within);
    assert_int_equal(meeting->moved, moved);
}

/* Gets count in one call, and compares. */
static void expect_get(struct suite *suite, struct meeting *meeting, size_t count, size_t min,
                       const char *text)
{
    char items[16] = {0};
    assert_int_equal(pinion_queue_get(suite->io, &meeting->queue, items, count, min),
                     strlen(text));
    assert_string_equal(items, text);
}

static void alone_nobody_moves_anything(struct suite *suite)
{
    struct pinion_queue queue;
    char item = 'y';
    pinion_queue_init(&queue, NULL, 1, 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pinion_queue_put(suite->io, &queue, "x", 1, 0), 0);
        assert_int_equal(pinion_queue_get(suite->io, &queue, &item, 1, 0), 0);
        assert_int_equal(pinion_queue_put_until(suite->io, &queue, "x", 1, 1, 0), -ETIMEDOUT);
        assert_int_equal(pinion_queue_get_until(suite->io, &queue, &item, 1, 1, 0), -ETIMEDOUT);
        const int64_t soon = suite_now() + 100000;
        assert_int_equal(pinion_queue_put_until(suite->io, &queue, "x", 1, 1, soon), -ETIMEDOUT);
        assert_int_equal(pinion_queue_get_until(suite->io, &queue, &item, 1, 1, soon + 100000),
                         -ETIMEDOUT);
        assert_int_equal(pinion_queue_put(suite->io, &queue, NULL, 0, 0), 0);
        assert_int_equal(pinion_queue_get(suite->io, &queue, NULL, 0, 0), 0);
        assert_int_equal(pinion_queue_put(suite->io, &queue, "x", 1, 2), -EINVAL);
        assert_int_equal(pinion_queue_get(suite->io, &queue, &item, SIZE_MAX, 2), -EINVAL);
    }
    assert_int_equal(item, 'y');
}

static void whoever_comes_first_they_meet(struct suite *suite)
{
    for (int i = 0; i < 8; i++) {
        struct meeting meeting;
        begin(suite, &meeting, i % 2 ? "ab" : NULL, 2, 2);
        if (i > 1) {
            suite_until(&meeting.within.reached, 1);
            suite_linger(i);
        }
        if (i % 2)
            expect_get(suite, &meeting, 2, 2, "ab");
        else
            assert_int_equal(pinion_queue_put(suite->io, &meeting.queue, "cd", 2, 2), 2);
        end(&meeting, 2);
        if (i % 2 == 0)
            assert_memory_equal(meeting.items, "cd", 2);
    }
}

/* Neither min 0 nor a deadline that has passed waits, but both meet who waits. */
static void a_poll_meets_who_is_there(struct suite *suite)
{
    for (int i = 0; i < 4; i++) {
        struct meeting meeting;
        char item = 0;
        ssize_t moved = 0;
        const int64_t end_of_patience = suite_now() + INT64_C(60000000000);
        begin(suite, &meeting, i % 2 ? "a" : NULL, 1, 1);
        while (moved <= 0 && suite_now() < end_of_patience) {
            if (i < 2)
                moved = i % 2 ? pinion_queue_get(suite->io, &meeting.queue, &item, 1, 0)
                              : pinion_queue_put(suite->io, &meeting.queue, "a", 1, 0);
            else
                moved = i % 2 ? pinion_queue_get_until(suite->io, &meeting.queue, &item, 1, 1, 0)
                              : pinion_queue_put_until(suite->io, &meeting.queue, "a", 1, 1, 0);
            assert_true(moved == 1 || moved == (i < 2 ? 0 : -ETIMEDOUT));
            suite_yield();
        }
        end(&meeting, 1);
        assert_int_equal(i % 2 ? item : meeting.items[0], 'a');
    }
}

static void a_put_of_several_meets_several_gets(struct suite *suite)
{
    struct meeting meeting;
    begin(suite, &meeting, "abcdefgh", 8, 8);
    expect_get(suite, &meeting, 1, 1, "a");
    expect_get(suite, &meeting, 2, 1, "bc");
    expect_get(suite, &meeting, 3, 3, "def");
    suite_linger(3);
    assert_int_equal(atomic_load(&meeting.within.reached), 1);
    expect_get(suite, &meeting, 9, 2, "gh");
    end(&meeting, 8);
}

static void a_get_of_several_meets_several_puts(struct suite *suite)
{
    struct meeting meeting;
    begin(suite, &meeting, NULL, 8, 6);
    assert_int_equal(pinion_queue_put(suite->io, &meeting.queue, "a", 1, 1), 1);
    assert_int_equal(pinion_queue_put(suite->io, &meeting.queue, "bc", 2, 1), 2);
    assert_int_equal(pinion_queue_put(suite->io, &meeting.queue, "de", 2, 2), 2);
    suite_linger(3);
    assert_int_equal(atomic_load(&meeting.within.reached), 1);
    assert_int_equal(pinion_queue_put(suite->io, &meeting.queue, "fghi", 4, 1), 3); /* to count */
    end(&meeting, 8);
    assert_memory_equal(meeting.items, "abcdefgh", 8);
}

/* Items that nobody took were not put: of the 5 only what the get had asked for. */
static void a_put_counts_what_was_taken(struct suite *suite)
{
    struct meeting meeting;
    begin(suite, &meeting, NULL, 3, 1);
    assert_int_equal(pinion_queue_put(suite->io, &meeting.queue, "abcde", 5, 1), 3);
    end(&meeting, 3);
    begin(suite, &meeting, "abcde", 5, 2);
    expect_get(suite, &meeting, 2, 2, "ab");
    end(&meeting, 2);
    char item;
    assert_int_equal(pinion_queue_get(suite->io, &meeting.queue, &item, 1, 0), 0);
}

static void a_deadline_leaves_what_was_handed_over(struct suite *suite)
{
    for (int i = 0; i < 2; i++) {
        struct meeting meeting;
        char items[8] = {0};
        memset(&meeting, 0, sizeof meeting);
        pinion_queue_init(&meeting.queue, NULL, 1, 0);
        meeting.is_put = i == 0;
        meeting.count = meeting.min = 2;
        meeting.deadline = PINION_FOREVER;
        memcpy(meeting.items, "ab", 2);
        within_start(suite, &meeting.within, move_elsewhere, &meeting, false);
        suite_until(&meeting.within.reached, 1);
        ssize_t moved = -ETIMEDOUT;
        while (moved == -ETIMEDOUT) /* until the other is there */
            moved = i == 0 ? pinion_queue_get_until(suite->io, &meeting.queue, items, 5, 4,
                                                    suite_now() + 300000)
                           : pinion_queue_put_until(suite->io, &meeting.queue, "abcde", 5, 4,
                                                    suite_now() + 300000);
        assert_int_equal(moved, 2);
        end(&meeting, 2);
        assert_memory_equal(i == 0 ? items : meeting.items, "ab", 2);
    }
}

static void a_request_leaves_what_was_handed_over(struct suite *suite)
{
    for (int i = 0; i < 8; i++) {
        struct meeting meeting;
        begin(suite, &meeting, i % 2 ? "abcde" : NULL, 5, 4);
        if (i % 2)
            expect_get(suite, &meeting, 3, 3, "abc");
        else
            assert_int_equal(pinion_queue_put(suite->io, &meeting.queue, "abc", 3, 3), 3);
        suite_linger(i);
        pinion_request_cancel(suite->io, &meeting.within.future);
        end(&meeting, 3);
        /* It is gone, and is handed no more. */
        char item;
        assert_int_equal(pinion_queue_get(suite->io, &meeting.queue, &item, 1, 0), 0);
        assert_int_equal(pinion_queue_put(suite->io, &meeting.queue, "x", 1, 0), 0);
    }
}

static void who_is_canceled_alone_has_moved_nothing(struct suite *suite)
{
    for (int i = 0; i < 8; i++) {
        struct meeting meeting;
        begin(suite, &meeting, i % 2 ? "abc" : NULL, 3, 1 + (size_t)i % 3);
        suite_until(&meeting.within.reached, 1);
        suite_linger(i);
        pinion_request_cancel(suite->io, &meeting.within.future);
        end(&meeting, -ECANCELED);
        char item;
        assert_int_equal(pinion_queue_get(suite->io, &meeting.queue, &item, 1, 0), 0);
        assert_int_equal(pinion_queue_put(suite->io, &meeting.queue, "x", 1, 0), 0);
        if (i % 2 == 0)
            assert_int_equal(meeting.items[0], 0);
    }
}

static void a_close_ends_who_waits_with_what_it_has(struct suite *suite)
{
    for (int i = 0; i < 8; i++) {
        struct meeting meeting;
        char item;
        begin(suite, &meeting, i % 2 ? "abcde" : NULL, 5, 4);
        suite_until(&meeting.within.reached, 1);
        if (i < 4 && i % 2)
            expect_get(suite, &meeting, 3, 3, "abc");
        else if (i < 4)
            assert_int_equal(pinion_queue_put(suite->io, &meeting.queue, "abc", 3, 3), 3);
        suite_linger(i);
        pinion_queue_close(suite->io, &meeting.queue);
        end(&meeting, i < 4 ? 3 : -EPIPE);
        for (int j = 0; j < 2; j++) {
            assert_int_equal(pinion_queue_put(suite->io, &meeting.queue, "x", 1, 1), -EPIPE);
            assert_int_equal(pinion_queue_put(suite->io, &meeting.queue, "x", 1, 0), -EPIPE);
            assert_int_equal(pinion_queue_get(suite->io, &meeting.queue, &item, 1, 1), -EPIPE);
            assert_int_equal(pinion_queue_get(suite->io, &meeting.queue, &item, 1, 0), -EPIPE);
            pinion_queue_close(suite->io, &meeting.queue);
        }
    }
}

/* ---- several on each side ---- */

struct party {
    struct pinion_queue queue;
    int rounds;
    _Atomic long put_sum, got_sum, put_count, got_count;
};

/* Puts of 1 to 3, gets of 1 to 4; each side moves the same number in all. */
static void meet_others(struct pinion_io *io, void *context, unsigned index)
{
    struct party *party = context;
    uint32_t seed = index + 1, items[4];
    for (int left = party->rounds; left > 0;) {
        size_t count = 1 + suite_random(&seed) % (index % 2 ? 3u : 4u);
        if (count > (size_t)left)
            count = (size_t)left;
        const size_t min = 1 + suite_random(&seed) % count;
        for (size_t i = 0; i < count; i++)
            items[i] = suite_random(&seed) % 1000;
        const ssize_t moved = index % 2 ? pinion_queue_put(io, &party->queue, items, count, min)
                                        : pinion_queue_get(io, &party->queue, items, count, min);
        EXPECT(moved >= (ssize_t)min && moved <= (ssize_t)count);
        for (ssize_t i = 0; i < moved; i++)
            atomic_fetch_add(index % 2 ? &party->put_sum : &party->got_sum, (long)items[i]);
        atomic_fetch_add(index % 2 ? &party->put_count : &party->got_count, moved);
        left -= (int)moved;
    }
}

static void all_that_was_put_was_got(struct suite *suite)
{
    const unsigned count = crew_size(suite, 8);
    struct party party = {.rounds = SUITE_ROUNDS(300)};
    struct suite second = *suite;
    struct crew crew = {0};
    assert_int_equal(suite->of->make(suite->of, &second.io, &second.made), 0);
    pinion_queue_init(&party.queue, NULL, sizeof(uint32_t), 0);
    crew.second = second.io;
    crew_start(suite, &crew, count, meet_others, &party);
    crew_end(&crew);
    suite->of->destroy(second.made);
    assert_int_equal(atomic_load(&party.put_count), count / 2 * (unsigned)party.rounds);
    assert_int_equal(atomic_load(&party.got_count), atomic_load(&party.put_count));
    assert_int_equal(atomic_load(&party.got_sum), atomic_load(&party.put_sum));
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(alone_nobody_moves_anything),
    SUITE_TEST(whoever_comes_first_they_meet),
    SUITE_TEST(a_poll_meets_who_is_there),
    SUITE_TEST(a_put_of_several_meets_several_gets),
    SUITE_TEST(a_get_of_several_meets_several_puts),
    SUITE_TEST(a_put_counts_what_was_taken),
    SUITE_TEST(a_deadline_leaves_what_was_handed_over),
    SUITE_TEST(a_request_leaves_what_was_handed_over),
    SUITE_TEST(who_is_canceled_alone_has_moved_nothing),
    SUITE_TEST(a_close_ends_who_waits_with_what_it_has),
    SUITE_TEST(all_that_was_put_was_got),
    {NULL, NULL},
};
