/* SPDX-License-Identifier: MIT
 *
 * The suite's part on the futex. What it has in common with all calls that wait is in suite_wait.c.
 */
#include "suite.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

typedef PINION_ATOMIC(uint32_t) futex_word;

static void a_word_that_differs_is_not_waited_for(struct suite *suite)
{
    futex_word word = 5;
    assert_int_equal(pinion_futex_wait(suite->io, &word, 4, PINION_FOREVER), 0);
    assert_int_equal(pinion_futex_wait(suite->io, &word, 6, 0), 0);
    assert_int_equal(pinion_futex_wait(suite->io, &word, 5, 0), -ETIMEDOUT);
    assert_int_equal(pinion_futex_wait_uncancelable(suite->io, &word, 4, PINION_FOREVER), 0);
    assert_int_equal(pinion_futex_wait_uncancelable(suite->io, &word, 4, 0), 0);
    assert_int_equal(pinion_futex_wait_uncancelable(suite->io, &word, 5, 0), -ETIMEDOUT);
    assert_int_equal(
        pinion_futex_wait_uncancelable(suite->io, &word, 5, suite_now() + 100000), -ETIMEDOUT);
    assert_int_equal(atomic_load(&word), 5);
}

static void all_32_bits_of_the_word_are_compared(struct suite *suite)
{
    for (int bit = 0; bit < 32; bit++) {
        futex_word word = UINT32_C(1) << bit;
        assert_int_equal(pinion_futex_wait(suite->io, &word, 0, PINION_FOREVER), 0);
        assert_int_equal(pinion_futex_wait(suite->io, &word, UINT32_C(1) << bit, 0), -ETIMEDOUT);
    }
}

static void a_wake_where_nobody_waits_is_not_kept(struct suite *suite)
{
    futex_word word = 0;
    pinion_futex_wake(suite->io, &word, 1);
    pinion_futex_wake(suite->io, &word, UINT32_MAX);
    pinion_futex_wake(suite->io, &word, 0);
    assert_int_equal(pinion_futex_wait(suite->io, &word, 0, 0), -ETIMEDOUT);
    assert_int_equal(pinion_futex_wait(suite->io, &word, 0, suite_now() + 100000), -ETIMEDOUT);
}

/* ---- words ---- */

/* So many words, of which those that are waited at lie anywhere in between. */
#define WORDS (1 << 18)
#define WAITERS 64

struct words {
    futex_word words[WORDS];
    unsigned places[CREW_MAX];
    _Atomic int waiting, woken;
    unsigned chain;
};

static struct words words;

static void wait_while_0(struct pinion_io *io, futex_word *word)
{
    while (atomic_load(word) == 0)
        EXPECT(pinion_futex_wait(io, word, 0, PINION_FOREVER) == 0);
}

static void wait_at_first(struct pinion_io *io, void *context, unsigned index)
{
    (void)context, (void)index;
    atomic_fetch_add(&words.waiting, 1);
    wait_while_0(io, &words.words[0]);
    atomic_fetch_add(&words.woken, 1);
    if (words.chain)
        pinion_futex_wake(io, &words.words[0], words.chain);
}

static void wake_them(struct suite *suite, unsigned count, unsigned chain)
{
    const unsigned waiters = crew_size(suite, 16);
    struct crew crew = {0};
    memset((void *)&words, 0, sizeof words);
    words.chain = chain;
    crew_start(suite, &crew, waiters, wait_at_first, NULL);
    suite_until(&words.waiting, (int)waiters);
    suite_linger((int)suite->of->workers);
    assert_int_equal(atomic_load(&words.woken), 0);
    atomic_store(&words.words[0], 1);
    pinion_futex_wake(suite->io, &words.words[0], count);
    crew_end(&crew);
    assert_int_equal(atomic_load(&words.woken), waiters);
}

static void wake_of_all_wakes_all(struct suite *suite)
{
    wake_them(suite, UINT32_MAX, 0);
    wake_them(suite, 16, 0);
}

static void each_that_is_woken_can_wake_the_next(struct suite *suite)
{
    wake_them(suite, 1, 1);
    wake_them(suite, 1, 2);
}

static void wait_at_own(struct pinion_io *io, void *context, unsigned index)
{
    (void)context;
    atomic_fetch_add(&words.waiting, 1);
    wait_while_0(io, &words.words[words.places[index]]);
    atomic_fetch_add(&words.woken, 1);
}

/* So many, at places so mixed, that some share whatever words are hashed to. */
static void a_wake_reaches_the_waiter_of_its_word_among_those_of_others(struct suite *suite)
{
    const int count = (int)crew_size(suite, WAITERS);
    for (uint32_t seed = 1; seed < 5; seed++) {
        struct crew crew = {0};
        uint32_t state = seed;
        memset((void *)&words, 0, sizeof words);
        for (int i = 0; i < count; i++) /* each in a part of its own */
            words.places[i] = (unsigned)i * (WORDS / WAITERS) +
                              suite_random(&state) % (WORDS / WAITERS);
        crew_start(suite, &crew, (unsigned)count, wait_at_own, NULL);
        suite_until(&words.waiting, count);
        suite_linger(4);
        for (int i = 0; i < count; i++) {
            /* In another order than they came. */
            futex_word *word = &words.words[words.places[i * 7 % count]];
            assert_true(atomic_load(&words.woken) <= i);
            atomic_store(word, 1);
            pinion_futex_wake(suite->io, word, 1);
            suite_until(&words.woken, i + 1);
        }
        crew_end(&crew);
    }
}

/* ---- the comparison and the wait are one step ---- */

struct ball {
    futex_word side;
    int rounds;
};

static void play(struct pinion_io *io, void *context, unsigned index)
{
    struct ball *ball = context;
    for (int i = 0; i < ball->rounds; i++) {
        while (atomic_load(&ball->side) != index)
            EXPECT(pinion_futex_wait(io, &ball->side, 1 - index, PINION_FOREVER) == 0);
        atomic_store(&ball->side, 1 - index);
        pinion_futex_wake(io, &ball->side, 1);
    }
}

static void no_wake_is_lost_between_the_look_and_the_sleep(struct suite *suite)
{
    struct ball ball = {.rounds = SUITE_ROUNDS(500)};
    struct crew crew = {0};
    crew_start(suite, &crew, 2, play, &ball);
    crew_end(&crew);
}

/* ---- memory ---- */

static void the_memory_of_a_wake_may_be_gone(struct suite *suite)
{
    void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    pinion_futex_wake(suite->io, page, 1);
    assert_int_equal(munmap(page, 4096), 0);
    pinion_futex_wake(suite->io, page, UINT32_MAX);
}

static void memory_that_is_waited_at_may_be_read_only(struct suite *suite)
{
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    assert_int_equal(pinion_futex_wait(suite->io, page, 1, PINION_FOREVER), 0);
    assert_int_equal(pinion_futex_wait(suite->io, page, 0, suite_now() + 100000), -ETIMEDOUT);
    pinion_futex_wake(suite->io, page, 1);
    assert_int_equal(munmap(page, 4096), 0);
}

/* ---- several cancels at one word ---- */

static void wait_for_ever(struct within *within)
{
    atomic_store(&within->reached, 1);
    for (;;) {
        const int error = pinion_futex_wait(within->io, within->extra, 0, PINION_FOREVER);
        if (error) {
            EXPECT(error == -ECANCELED);
            return;
        }
    }
}

/* The one in the middle is canceled, then the first, then the last; who is left is woken still. */
static void who_is_canceled_leaves_the_others_in_their_places(struct suite *suite)
{
    struct within within[3];
    struct crew crew = {0};
    memset((void *)&words, 0, sizeof words);
    for (int i = 0; i < 3; i++) {
        within_start(suite, &within[i], wait_for_ever, &words.words[0], false);
        suite_until(&within[i].reached, 1);
        suite_linger(3);
        crew_start(suite, &crew, 1, wait_at_first, NULL);
        suite_until(&words.waiting, i + 1);
        suite_linger(3);
    }
    for (int i = 0; i < 3; i++) {
        pinion_request_cancel(suite->io, &within[(i + 1) % 3].future);
        within_end(&within[(i + 1) % 3]);
    }
    assert_int_equal(atomic_load(&words.woken), 0);
    atomic_store(&words.words[0], 1);
    pinion_futex_wake(suite->io, &words.words[0], 3);
    crew_end(&crew);
    assert_int_equal(atomic_load(&words.woken), 3);
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(a_word_that_differs_is_not_waited_for),
    SUITE_TEST(all_32_bits_of_the_word_are_compared),
    SUITE_TEST(a_wake_where_nobody_waits_is_not_kept),
    SUITE_TEST(wake_of_all_wakes_all),
    SUITE_TEST(each_that_is_woken_can_wake_the_next),
    SUITE_TEST(a_wake_reaches_the_waiter_of_its_word_among_those_of_others),
    SUITE_TEST(no_wake_is_lost_between_the_look_and_the_sleep),
    SUITE_TEST(the_memory_of_a_wake_may_be_gone),
    SUITE_TEST(memory_that_is_waited_at_may_be_read_only),
    SUITE_TEST(who_is_canceled_leaves_the_others_in_their_places),
    {NULL, NULL},
};
