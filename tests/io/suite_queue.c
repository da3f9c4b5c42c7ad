/* SPDX-License-Identifier: MIT
 *
 * The suite's part on queues with room, on one thread and with one on the other side. What they
 * have in common with all that waits is in suite_wait.c, those without room in suite_meeting.c, and
 * many at once in suite_traffic.c.
 */
#include "suite.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>

/* A queue of bytes, and who uses it from elsewhere. */
struct bytes {
    struct pinion_queue queue;
    char storage[64];
    char items[64];
    size_t count, min;
    ssize_t moved;
    _Atomic int begun, done;
};

static void init(struct bytes *bytes, size_t capacity)
{
    memset(bytes, 0, sizeof *bytes);
    pinion_queue_init(&bytes->queue, bytes->storage, 1, capacity);
}

static ssize_t put(struct suite *suite, struct bytes *bytes, const char *text, size_t min)
{
    return pinion_queue_put_until(suite->io, &bytes->queue, text, strlen(text), min, 0);
}

/* That so many of at most count items come, and which. */
static void expect_get(struct suite *suite, struct bytes *bytes, size_t count, size_t min,
                       const char *text)
{
    char items[64] = {0};
    assert_int_equal(pinion_queue_get_until(suite->io, &bytes->queue, items, count, min, 0),
                     strlen(text));
    assert_string_equal(items, text);
}

static ssize_t get_nothing(struct suite *suite, struct bytes *bytes, size_t count, size_t min)
{
    char items[64] = {0};
    const ssize_t error =
        pinion_queue_get_until(suite->io, &bytes->queue, items, count, min, 0);
    assert_true(error <= 0);
    assert_int_equal(items[0], 0);
    return error;
}

/* ---- the order of items, and how many ---- */

static void first_in_is_first_out(struct suite *suite)
{
    struct bytes bytes;
    init(&bytes, 4);
    assert_int_equal(get_nothing(suite, &bytes, 4, 1), -ETIMEDOUT);
    assert_int_equal(put(suite, &bytes, "abcd", 4), 4);
    assert_int_equal(put(suite, &bytes, "x", 1), -ETIMEDOUT);
    expect_get(suite, &bytes, 4, 4, "abcd");
    assert_int_equal(get_nothing(suite, &bytes, 4, 1), -ETIMEDOUT);
}

static void put_gives_what_there_is_room_for_once_min_is_in(struct suite *suite)
{
    struct bytes bytes;
    init(&bytes, 4);
    assert_int_equal(put(suite, &bytes, "abcdef", 4), 4);
    assert_int_equal(put(suite, &bytes, "ghi", 0), 0);
    expect_get(suite, &bytes, 1, 1, "a");
    assert_int_equal(put(suite, &bytes, "efg", 1), 1);
    expect_get(suite, &bytes, 9, 1, "bcde");
}

static void get_gives_what_there_is_and_waits_for_min_not_for_count(struct suite *suite)
{
    struct bytes bytes;
    char items[8];
    init(&bytes, 4);
    assert_int_equal(put(suite, &bytes, "abc", 3), 3);
    assert_int_equal(pinion_queue_get(suite->io, &bytes.queue, items, 8, 1), 3);
    assert_memory_equal(items, "abc", 3);
    assert_int_equal(put(suite, &bytes, "de", 2), 2);
    assert_int_equal(pinion_queue_get_uncancelable(suite->io, &bytes.queue, items, 8, 2), 2);
    assert_memory_equal(items, "de", 2);
}

static void min_0_does_not_wait(struct suite *suite)
{
    struct bytes bytes;
    char items[8] = {0};
    init(&bytes, 2);
    assert_int_equal(pinion_queue_get(suite->io, &bytes.queue, items, 8, 0), 0);
    assert_int_equal(pinion_queue_put(suite->io, &bytes.queue, "ab", 2, 0), 2);
    assert_int_equal(pinion_queue_put(suite->io, &bytes.queue, "c", 1, 0), 0);
    assert_int_equal(pinion_queue_put_uncancelable(suite->io, &bytes.queue, "c", 1, 0), 0);
    assert_int_equal(pinion_queue_get(suite->io, &bytes.queue, items, 1, 0), 1);
    assert_int_equal(pinion_queue_put(suite->io, &bytes.queue, "cd", 2, 0), 1);
    assert_int_equal(pinion_queue_get_uncancelable(suite->io, &bytes.queue, items, 8, 0), 2);
    assert_int_equal(pinion_queue_get_uncancelable(suite->io, &bytes.queue, items, 8, 0), 0);
    assert_memory_equal(items, "bc", 2);
}

static void count_0_moves_nothing(struct suite *suite)
{
    struct bytes bytes;
    init(&bytes, 2);
    for (int i = 0; i < 3; i++) { /* empty, half full, full */
        assert_int_equal(pinion_queue_put(suite->io, &bytes.queue, NULL, 0, 0), 0);
        assert_int_equal(pinion_queue_get(suite->io, &bytes.queue, NULL, 0, 0), 0);
        (void)put(suite, &bytes, "a", 0);
    }
    expect_get(suite, &bytes, 3, 2, "aa");
}

static void bad_counts_are_refused(struct suite *suite)
{
    struct bytes bytes;
    char items[8] = {0};
    const size_t too_many = (size_t)SSIZE_MAX + 1;
    init(&bytes, 4);
    assert_int_equal(put(suite, &bytes, "ab", 2), 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pinion_queue_put(suite->io, &bytes.queue, "a", 1, 2), -EINVAL);
        assert_int_equal(pinion_queue_get(suite->io, &bytes.queue, items, 1, 2), -EINVAL);
        assert_int_equal(pinion_queue_put(suite->io, &bytes.queue, "a", 0, 1), -EINVAL);
        assert_int_equal(pinion_queue_get(suite->io, &bytes.queue, items, too_many, 1), -EINVAL);
        assert_int_equal(pinion_queue_put(suite->io, &bytes.queue, "a", too_many, 0), -EINVAL);
        assert_int_equal(
            pinion_queue_get_until(suite->io, &bytes.queue, items, SIZE_MAX, 0, 0), -EINVAL);
        assert_int_equal(
            pinion_queue_put_until(suite->io, &bytes.queue, "a", SIZE_MAX, 0, 0), -EINVAL);
        assert_int_equal(
            pinion_queue_get_uncancelable(suite->io, &bytes.queue, items, 3, 4), -EINVAL);
        assert_int_equal(
            pinion_queue_put_uncancelable(suite->io, &bytes.queue, "abcd", 3, 4), -EINVAL);
        assert_true(strlen(pinion_error_detail()) > 0);
    }
    assert_int_equal(items[0], 0);
    expect_get(suite, &bytes, 4, 1, "ab");
}

/* Batches of every size at every place of the ring: each byte comes out once and in order, and what
 * is around the storage, and beyond what was got, stays as it is. */
static void wrap_around(struct suite *suite, size_t capacity, size_t item_size, size_t offset)
{
    struct pinion_queue queue;
    unsigned char around[8 * 16 + 32], in[8 * 16], out[8 * 16 + 1], next_in = 0, next_out = 0;
    uint32_t seed = (uint32_t)(capacity * 31 + item_size * 7 + offset + 1);
    memset(around, 0xA5, sizeof around);
    pinion_queue_init(&queue, around + 16 + offset, item_size, capacity);
    for (int i = 0; i < 300; i++) {
        const size_t put_count = suite_random(&seed) % (capacity + 2);
        const size_t get_count = suite_random(&seed) % (capacity + 2);
        for (size_t j = 0; j < put_count * item_size && j < sizeof in; j++)
            in[j] = (unsigned char)(next_in + j);
        ssize_t moved = pinion_queue_put(suite->io, &queue, in, put_count, 0);
        assert_true(moved >= 0 && moved <= (ssize_t)put_count);
        next_in = (unsigned char)(next_in + (size_t)moved * item_size);
        memset(out, 0x5A, sizeof out);
        moved = pinion_queue_get(suite->io, &queue, out, get_count, 0);
        assert_true(moved >= 0 && moved <= (ssize_t)get_count);
        for (size_t j = 0; j < (size_t)moved * item_size; j++)
            assert_int_equal(out[j], next_out++);
        assert_int_equal(out[(size_t)moved * item_size], 0x5A);
    }
    for (size_t i = 0; i < 16 + offset; i++)
        assert_int_equal(around[i], 0xA5);
    for (size_t i = 16 + offset + capacity * item_size; i < sizeof around; i++)
        assert_int_equal(around[i], 0xA5);
}

static void batches_wrap_around_storage_of_any_alignment(struct suite *suite)
{
    const size_t item_sizes[] = {1, 2, 3, 4, 8, 12};
    for (size_t capacity = 1; capacity < 9; capacity++)
        for (unsigned i = 0; i < sizeof item_sizes / sizeof item_sizes[0]; i++)
            for (size_t offset = 0; offset < 2; offset++)
                wrap_around(suite, capacity, item_sizes[i], offset);
}

/* ---- with one on the other side ---- */

static void put_elsewhere(struct pinion_io *io, void *context, unsigned index)
{
    struct bytes *bytes = context;
    (void)index;
    atomic_store(&bytes->begun, 1);
    bytes->moved = pinion_queue_put(io, &bytes->queue, bytes->items, bytes->count, bytes->min);
    atomic_store(&bytes->done, 1);
}

static void get_elsewhere(struct pinion_io *io, void *context, unsigned index)
{
    struct bytes *bytes = context;
    (void)index;
    atomic_store(&bytes->begun, 1);
    bytes->moved = pinion_queue_get(io, &bytes->queue, bytes->items, bytes->count, bytes->min);
    atomic_store(&bytes->done, 1);
}

static void a_get_waits_for_min_and_takes_no_more_than_comes(struct suite *suite)
{
    for (int i = 0; i < 3; i++) {
        struct bytes bytes;
        struct crew crew = {0};
        init(&bytes, 8);
        bytes.count = 8;
        bytes.min = 3;
        crew_start(suite, &crew, 1, get_elsewhere, &bytes);
        suite_until(&bytes.begun, 1);
        suite_linger(i * 2);
        assert_int_equal(put(suite, &bytes, "a", 1), 1);
        assert_int_equal(put(suite, &bytes, "b", 1), 1);
        suite_linger(i * 2);
        assert_int_equal(atomic_load(&bytes.done), 0);
        assert_int_equal(put(suite, &bytes, "c", 1), 1);
        crew_end(&crew);
        assert_int_equal(bytes.moved, 3);
        assert_memory_equal(bytes.items, "abc", 3);
    }
}

static void a_put_of_more_than_the_capacity_waits_until_min_is_in(struct suite *suite)
{
    for (int i = 0; i < 3; i++) {
        struct bytes bytes;
        struct crew crew = {0};
        char items[16] = {0};
        init(&bytes, 3);
        memcpy(bytes.items, "abcdefghij", 10);
        bytes.count = 10;
        bytes.min = 7;
        crew_start(suite, &crew, 1, put_elsewhere, &bytes);
        suite_until(&bytes.begun, 1);
        suite_linger(i * 2);
        assert_int_equal(pinion_queue_get(suite->io, &bytes.queue, items, 1, 1), 1);
        assert_int_equal(pinion_queue_get(suite->io, &bytes.queue, items + 1, 2, 2), 2);
        suite_linger(i * 2);
        assert_int_equal(atomic_load(&bytes.done), 0); /* 6 at most are in */
        assert_int_equal(pinion_queue_get(suite->io, &bytes.queue, items + 3, 1, 1), 1);
        crew_end(&crew);
        assert_int_equal(bytes.moved, 7);
        assert_int_equal(pinion_queue_get(suite->io, &bytes.queue, items + 4, 9, 3), 3);
        assert_string_equal(items, "abcdefg");
    }
}

/* More than the queue holds at a time, on both sides. */
static void more_than_the_capacity_goes_through_in_one_call(struct suite *suite)
{
    for (size_t capacity = 1; capacity < 5; capacity++) {
        struct bytes bytes;
        struct crew crew = {0};
        char items[64];
        init(&bytes, capacity);
        for (char i = 0; i < 60; i++)
            bytes.items[(int)i] = i;
        bytes.count = bytes.min = 60;
        crew_start(suite, &crew, 1, put_elsewhere, &bytes);
        assert_int_equal(pinion_queue_get(suite->io, &bytes.queue, items, 60, 60), 60);
        crew_end(&crew);
        assert_int_equal(bytes.moved, 60);
        assert_memory_equal(items, bytes.items, 60);
    }
}

/* While another waits on the same side. */
static void min_0_and_past_deadlines_do_not_wait_behind_another(struct suite *suite)
{
    struct bytes bytes;
    struct crew crew = {0};
    char items[4];
    init(&bytes, 2);
    bytes.count = bytes.min = 2;
    crew_start(suite, &crew, 1, get_elsewhere, &bytes);
    suite_until(&bytes.begun, 1);
    suite_linger(5);
    assert_int_equal(pinion_queue_get(suite->io, &bytes.queue, items, 4, 0), 0);
    assert_int_equal(pinion_queue_get_until(suite->io, &bytes.queue, items, 1, 1, 0), -ETIMEDOUT);
    assert_int_equal(pinion_queue_put(suite->io, &bytes.queue, "ab", 2, 2), 2);
    crew_end(&crew);
    assert_int_equal(bytes.moved, 2);
    assert_int_equal(put(suite, &bytes, "ab", 2), 2);
    memcpy(bytes.items, "cd", 2);
    atomic_store(&bytes.begun, 0);
    crew_start(suite, &crew, 1, put_elsewhere, &bytes);
    suite_until(&bytes.begun, 1);
    suite_linger(5);
    assert_int_equal(pinion_queue_put(suite->io, &bytes.queue, "x", 1, 0), 0);
    assert_int_equal(put(suite, &bytes, "x", 1), -ETIMEDOUT);
    assert_int_equal(pinion_queue_get(suite->io, &bytes.queue, items, 4, 4), 4);
    crew_end(&crew);
    assert_memory_equal(items, "abcd", 4);
}

/* ---- what was moved is told, and what ended the wait is left to the next call ---- */

static void a_deadline_leaves_what_was_moved(struct suite *suite)
{
    struct bytes bytes;
    init(&bytes, 3);
    assert_int_equal(put(suite, &bytes, "abcde", 5), 3);
    assert_int_equal(put(suite, &bytes, "de", 1), -ETIMEDOUT);
    expect_get(suite, &bytes, 5, 5, "abc");
    assert_int_equal(get_nothing(suite, &bytes, 5, 1), -ETIMEDOUT);
    assert_int_equal(pinion_queue_put_until(suite->io, &bytes.queue, "fghij", 5, 4,
                                            suite_now() + 100000),
                     3);
    char items[8] = {0};
    assert_int_equal(pinion_queue_get_until(suite->io, &bytes.queue, items, 8, 4,
                                            suite_now() + 100000),
                     3);
    assert_string_equal(items, "fgh");
}

static void put_too_much(struct within *within)
{
    struct bytes *bytes = within->extra;
    atomic_store(&within->reached, 1);
    /* The request may come before it saw that there is room again. */
    const ssize_t moved = pinion_queue_put(within->io, &bytes->queue, "abcde", 5, 5);
    EXPECT(moved == 3 || moved == 4);
    EXPECT(pinion_cancel_requested(within->io));
    EXPECT(pinion_queue_put(within->io, &bytes->queue, "e", 1, 0) == -ECANCELED);
    EXPECT(pinion_queue_put(within->io, &bytes->queue, "e", 1, 0) == 4 - moved);
}

static void get_too_much(struct within *within)
{
    struct bytes *bytes = within->extra;
    char items[8] = {0};
    EXPECT(pinion_queue_put(within->io, &bytes->queue, "abc", 3, 3) == 3);
    atomic_store(&within->reached, 1);
    EXPECT(pinion_queue_get(within->io, &bytes->queue, items, 8, 4) == 3);
    EXPECT(strcmp(items, "abc") == 0);
    EXPECT(pinion_cancel_requested(within->io));
    EXPECT(pinion_queue_get(within->io, &bytes->queue, items, 8, 1) == -ECANCELED);
    EXPECT(pinion_check_cancel(within->io) == 0);
}

static void a_request_leaves_what_was_moved(struct suite *suite)
{
    for (int i = 0; i < 6; i++) {
        struct bytes bytes;
        struct within within;
        init(&bytes, 3);
        within_start(suite, &within, i % 2 ? put_too_much : get_too_much, &bytes, false);
        suite_until(&within.reached, 1);
        if (i % 2) { /* what fits is in then: all at once */
            char first;
            assert_int_equal(pinion_queue_get(suite->io, &bytes.queue, &first, 1, 1), 1);
        }
        suite_linger(5);
        pinion_request_cancel(suite->io, &within.future);
        within_end(&within);
    }
}

static void a_pending_request_comes_before_what_could_be_moved(struct within *within)
{
    struct bytes *bytes = within->extra;
    char items[8] = {0};
    EXPECT(pinion_queue_put(within->io, &bytes->queue, "ab", 2, 0) == -ECANCELED);
    EXPECT(pinion_queue_get(within->io, &bytes->queue, items, 2, 0) == 0);
    EXPECT(pinion_queue_put(within->io, &bytes->queue, "ab", 2, 2) == 2);
    pinion_recancel(within->io);
    EXPECT(pinion_queue_get(within->io, &bytes->queue, items, 2, 0) == -ECANCELED);
    EXPECT(pinion_queue_get(within->io, &bytes->queue, items, 2, 0) == 2);
    pinion_recancel(within->io);
    EXPECT(pinion_queue_put(within->io, &bytes->queue, NULL, 0, 0) == -ECANCELED);
    pinion_recancel(within->io);
    EXPECT(pinion_queue_get(within->io, &bytes->queue, NULL, 0, 0) == -ECANCELED);
    pinion_queue_close(within->io, &bytes->queue);
    pinion_recancel(within->io);
    EXPECT(pinion_queue_put(within->io, &bytes->queue, "ab", 2, 2) == -ECANCELED);
    EXPECT(pinion_queue_put(within->io, &bytes->queue, "ab", 2, 2) == -EPIPE);
    pinion_recancel(within->io);
    EXPECT(pinion_queue_get(within->io, &bytes->queue, items, 2, 2) == -ECANCELED);
    EXPECT(pinion_queue_get(within->io, &bytes->queue, items, 2, 2) == -EPIPE);
    pinion_recancel(within->io);
    pinion_queue_close(within->io, &bytes->queue); /* no cancelation point */
    EXPECT(pinion_check_cancel(within->io) == -ECANCELED);
}

static void a_pending_request_ends_put_and_get_before_they_move_anything(struct suite *suite)
{
    struct bytes bytes;
    struct within within;
    init(&bytes, 4);
    within_start(suite, &within, a_pending_request_comes_before_what_could_be_moved, &bytes, true);
    within_end(&within);
}

/* ---- words, one by one, by who has used the queue alone for a while ---- */

struct words {
    struct pinion_queue queue;
    uint64_t storage[8], next_in, next_out;
};

/* A put to each get, at all of the ring's places and with all numbers of words in it. */
static bool pass_words(struct pinion_io *io, struct words *words, size_t capacity)
{
    uint64_t out;
    bool is_right = true;
    for (size_t i = 0; i < 400; i++) {
        const size_t depth = i % capacity + 1;
        for (size_t j = 0; j < depth; j++, words->next_in++)
            is_right &= pinion_queue_put(io, &words->queue, &words->next_in, 1, 1) == 1;
        for (size_t j = 0; j < depth; j++, words->next_out++)
            is_right &= pinion_queue_get(io, &words->queue, &out, 1, 1) == 1 &&
                        out == words->next_out;
    }
    return is_right;
}

static void words_come_one_by_one_in_their_order(struct suite *suite)
{
    for (size_t capacity = 1; capacity <= 8; capacity++) {
        struct words words = {.next_in = 0};
        uint64_t word = 0;
        pinion_queue_init(&words.queue, words.storage, sizeof word, capacity);
        assert_true(pass_words(suite->io, &words, capacity));
        assert_int_equal(pinion_queue_put(suite->io, &words.queue, &word, 1, 1), 1);
        pinion_queue_close(suite->io, &words.queue);
        assert_int_equal(pinion_queue_put(suite->io, &words.queue, &word, 1, 1), -EPIPE);
        assert_int_equal(pinion_queue_get(suite->io, &words.queue, &word, 1, 1), 1);
        assert_int_equal(pinion_queue_get(suite->io, &words.queue, &word, 1, 1), -EPIPE);
    }
}

static void a_pending_request_comes_before_a_word(struct within *within)
{
    struct words *words = within->extra;
    uint64_t word = 0;
    EXPECT(pinion_check_cancel(within->io) == -ECANCELED);
    EXPECT(pass_words(within->io, words, 8));
    pinion_recancel(within->io);
    EXPECT(pinion_queue_put(within->io, &words->queue, &word, 1, 1) == -ECANCELED);
    EXPECT(pinion_queue_put(within->io, &words->queue, &word, 1, 1) == 1);
    pinion_recancel(within->io);
    EXPECT(pinion_queue_get(within->io, &words->queue, &word, 1, 1) == -ECANCELED);
    EXPECT(pinion_queue_get(within->io, &words->queue, &word, 1, 1) == 1);
}

static void a_pending_request_ends_the_move_of_a_word(struct suite *suite)
{
    struct words words = {.next_in = 0};
    struct within within;
    pinion_queue_init(&words.queue, words.storage, sizeof words.storage[0], 8);
    within_start(suite, &within, a_pending_request_comes_before_a_word, &words, true);
    within_end(&within);
}

/* ---- close ---- */

static void after_a_close_put_is_refused_and_get_empties_the_queue(struct suite *suite)
{
    struct bytes bytes;
    init(&bytes, 4);
    assert_int_equal(put(suite, &bytes, "abcd", 4), 4);
    expect_get(suite, &bytes, 1, 1, "a");
    pinion_queue_close(suite->io, &bytes.queue);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pinion_queue_put(suite->io, &bytes.queue, "x", 1, 1), -EPIPE);
        assert_int_equal(pinion_queue_put(suite->io, &bytes.queue, "x", 1, 0), -EPIPE);
        assert_int_equal(put(suite, &bytes, "x", 1), -EPIPE);
        assert_int_equal(pinion_queue_put_uncancelable(suite->io, &bytes.queue, "x", 1, 1),
                         -EPIPE);
        pinion_queue_close(suite->io, &bytes.queue);
    }
    assert_int_equal(pinion_queue_put(suite->io, &bytes.queue, NULL, 0, 0), -EPIPE);
    assert_int_equal(pinion_queue_get(suite->io, &bytes.queue, NULL, 0, 0), 0);
    expect_get(suite, &bytes, 1, 1, "b");
    char items[8] = {0}; /* less than min, since no more will come */
    assert_int_equal(pinion_queue_get(suite->io, &bytes.queue, items, 8, 5), 2);
    assert_string_equal(items, "cd");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pinion_queue_get(suite->io, &bytes.queue, items, 8, 1), -EPIPE);
        assert_int_equal(pinion_queue_get(suite->io, &bytes.queue, items, 8, 0), -EPIPE);
        assert_int_equal(get_nothing(suite, &bytes, 8, 1), -EPIPE);
        assert_int_equal(pinion_queue_get_uncancelable(suite->io, &bytes.queue, items, 8, 1),
                         -EPIPE);
        pinion_queue_close(suite->io, &bytes.queue);
    }
    assert_string_equal(items, "cd");
}

static void a_close_ends_the_wait_of_a_put_and_of_a_get(struct suite *suite)
{
    for (int i = 0; i < 8; i++) {
        struct bytes bytes;
        struct crew crew = {0};
        init(&bytes, 3);
        memcpy(bytes.items, "abcde", 5);
        bytes.count = bytes.min = 5;
        if (i % 4 == 1) /* full: nothing more goes in */
            assert_int_equal(put(suite, &bytes, "xyz", 3), 3);
        else if (i % 4 == 2) /* some, but not enough */
            assert_int_equal(put(suite, &bytes, "xy", 2), 2);
        const bool is_put = i % 4 < 2;
        crew_start(suite, &crew, 1, is_put ? put_elsewhere : get_elsewhere, &bytes);
        suite_until(&bytes.begun, 1);
        suite_linger(5);
        pinion_queue_close(suite->io, &bytes.queue);
        crew_end(&crew);
        if (i % 4 == 0) /* or the close came before it */
            assert_true(bytes.moved == 3 || bytes.moved == -EPIPE);
        else
            assert_int_equal(bytes.moved, i % 4 == 2 ? 2 : -EPIPE);
    }
}

static void put_till_closed(struct pinion_io *io, void *context, unsigned index)
{
    struct bytes *bytes = context;
    (void)index;
    atomic_fetch_add(&bytes->begun, 1);
    EXPECT(pinion_queue_put(io, &bytes->queue, "abc", 3, 3) == -EPIPE);
    atomic_fetch_add(&bytes->done, 1);
}

static void get_till_closed(struct pinion_io *io, void *context, unsigned index)
{
    struct bytes *bytes = context;
    char items[3];
    (void)index;
    atomic_fetch_add(&bytes->begun, 1);
    EXPECT(pinion_queue_get(io, &bytes->queue, items, 3, 3) == -EPIPE);
    atomic_fetch_add(&bytes->done, 1);
}

static void a_close_wakes_all_who_wait(struct suite *suite)
{
    for (unsigned side = 0; side < 2; side++) {
        const unsigned count = crew_size(suite, 12);
        struct bytes bytes;
        struct crew crew = {0};
        init(&bytes, 2);
        if (side == 1)
            assert_int_equal(put(suite, &bytes, "xx", 2), 2);
        crew_start(suite, &crew, count, side ? put_till_closed : get_till_closed, &bytes);
        suite_until(&bytes.begun, (int)count);
        suite_linger(5);
        assert_int_equal(atomic_load(&bytes.done), 0);
        pinion_queue_close(suite->io, &bytes.queue);
        crew_end(&crew);
        assert_int_equal(atomic_load(&bytes.done), count);
    }
}

/* ---- typed ---- */

struct point {
    int x, y;
};
PINION_QUEUE(struct point, point_queue)
PINION_QUEUE(const char *, text_queue)

static void a_typed_queue_moves_items_of_its_type(struct suite *suite)
{
    struct point storage[3], items[3] = {{1, 2}, {3, 4}, {5, 6}}, got[3], one = {0, 0};
    struct point_queue queue;
    point_queue_init(&queue, storage, 3);
    assert_int_equal(point_queue_put(suite->io, &queue, items, 3, 1), 3);
    assert_int_equal(point_queue_put_until(suite->io, &queue, items, 1, 1, 0), -ETIMEDOUT);
    assert_int_equal(point_queue_get(suite->io, &queue, got, 1, 1), 1);
    assert_int_equal(point_queue_get_one(suite->io, &queue, &one), 0);
    assert_int_equal(got[0].y * 10 + one.y, 24);
    assert_int_equal(point_queue_put_one(suite->io, &queue, one), 0);
    assert_int_equal(point_queue_put_uncancelable(suite->io, &queue, items, 1, 1), 1);
    assert_int_equal(point_queue_get_uncancelable(suite->io, &queue, got, 3, 2), 3);
    assert_int_equal(got[0].x * 100 + got[1].x * 10 + got[2].x, 531);
    assert_int_equal(point_queue_get_until(suite->io, &queue, got, 3, 1, 0), -ETIMEDOUT);
    point_queue_close(suite->io, &queue);
    assert_int_equal(point_queue_put_one(suite->io, &queue, one), -EPIPE);
    assert_int_equal(point_queue_get_one(suite->io, &queue, &one), -EPIPE);
    assert_int_equal(one.x, 3);

    const char *texts[1], *text = NULL;
    struct text_queue text_queue;
    text_queue_init(&text_queue, texts, 1);
    assert_int_equal(text_queue_put_one(suite->io, &text_queue, "abc"), 0);
    assert_int_equal(text_queue_get_one(suite->io, &text_queue, &text), 0);
    assert_string_equal(text, "abc");
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(first_in_is_first_out),
    SUITE_TEST(put_gives_what_there_is_room_for_once_min_is_in),
    SUITE_TEST(get_gives_what_there_is_and_waits_for_min_not_for_count),
    SUITE_TEST(min_0_does_not_wait),
    SUITE_TEST(count_0_moves_nothing),
    SUITE_TEST(bad_counts_are_refused),
    SUITE_TEST(batches_wrap_around_storage_of_any_alignment),
    SUITE_TEST(a_get_waits_for_min_and_takes_no_more_than_comes),
    SUITE_TEST(a_put_of_more_than_the_capacity_waits_until_min_is_in),
    SUITE_TEST(more_than_the_capacity_goes_through_in_one_call),
    SUITE_TEST(min_0_and_past_deadlines_do_not_wait_behind_another),
    SUITE_TEST(a_deadline_leaves_what_was_moved),
    SUITE_TEST(a_request_leaves_what_was_moved),
    SUITE_TEST(a_pending_request_ends_put_and_get_before_they_move_anything),
    SUITE_TEST(words_come_one_by_one_in_their_order),
    SUITE_TEST(a_pending_request_ends_the_move_of_a_word),
    SUITE_TEST(after_a_close_put_is_refused_and_get_empties_the_queue),
    SUITE_TEST(a_close_ends_the_wait_of_a_put_and_of_a_get),
    SUITE_TEST(a_close_wakes_all_who_wait),
    SUITE_TEST(a_typed_queue_moves_items_of_its_type),
    {NULL, NULL},
};
