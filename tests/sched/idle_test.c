/* SPDX-License-Identifier: MIT
 *
 * The idle set: who is picked, and that no wake-up is lost.
 */
#include "stress.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "futex.h"
#include "idle.h"
#include "neighbors.h"

/* Neighbors in the order of their numbers, each farther than the one before. */
static struct pn_neighbors *in_a_row(unsigned count, bool is_backwards)
{
    struct pn_neighbors *neighbors =
        malloc(sizeof *neighbors + count * sizeof neighbors->entries[0]);
    assert_non_null(neighbors);
    neighbors->home = 0;
    neighbors->count = count;
    for (unsigned i = 0; i < count; i++)
        neighbors->entries[i] = (struct pn_neighbor){.place = is_backwards ? count - 1 - i : i,
                                                     .distance = (uint16_t)i};
    return neighbors;
}

/* All places on node 0. */
static const unsigned one_node[256];

static void sleep_all(struct pn_idle *idle, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        pn_idle_search(idle, 0);
        assert_true(pn_idle_lie_down(idle, i)); /* the only one that searched */
    }
}

static void nobody_is_asleep_at_first(void **state)
{
    struct pn_idle idle;
    struct pn_neighbors *neighbors = in_a_row(4, false);
    (void)state;
    assert_int_equal(pn_idle_init(&idle, 4, one_node, 4, 1), 0);
    assert_false(pn_idle_is_hungry(&idle));
    assert_int_equal(pn_idle_pick(&idle, neighbors), PN_IDLE_NONE_ASLEEP);
    pn_idle_fini(&idle);
    free(neighbors);
}

static void the_nearest_sleeper_is_picked_first(void **state)
{
    (void)state;
    for (unsigned count = 1; count <= 200; count += 33) { /* over several words of bits */
        for (int is_backwards = 0; is_backwards < 2; is_backwards++) {
            struct pn_idle idle;
            struct pn_neighbors *neighbors = in_a_row(count, is_backwards);
            assert_int_equal(pn_idle_init(&idle, count, one_node, count, 1), 0);
            sleep_all(&idle, count);
            for (unsigned i = 0; i < count; i++) {
                assert_int_equal(pn_idle_pick(&idle, neighbors), is_backwards ? count - 1 - i : i);
                assert_true(pn_idle_found(&idle, 0)); /* it was counted, as the only searcher */
            }
            assert_int_equal(pn_idle_pick(&idle, neighbors), PN_IDLE_NONE_ASLEEP);
            assert_false(pn_idle_is_hungry(&idle));
            pn_idle_fini(&idle);
            free(neighbors);
        }
    }
}

static void none_is_picked_while_someone_searches(void **state)
{
    struct pn_idle idle;
    struct pn_neighbors *neighbors = in_a_row(3, false);
    (void)state;
    assert_int_equal(pn_idle_init(&idle, 3, one_node, 3, 1), 0);
    sleep_all(&idle, 2);
    pn_idle_search(&idle, 0); /* worker 2 */
    assert_int_equal(pn_idle_pick(&idle, neighbors), PN_IDLE_NONE_NEEDED);
    assert_true(pn_idle_found(&idle, 0)); /* the last one: it asks for the next */
    assert_int_equal(pn_idle_pick(&idle, neighbors), 0);
    assert_int_equal(pn_idle_pick(&idle, neighbors), PN_IDLE_NONE_NEEDED);
    assert_true(pn_idle_found(&idle, 0));
    pn_idle_fini(&idle);
    free(neighbors);
}

static void only_the_last_searcher_that_finds_is_told_so(void **state)
{
    struct pn_idle idle;
    (void)state;
    assert_int_equal(pn_idle_init(&idle, 3, one_node, 3, 1), 0);
    for (int i = 0; i < 3; i++)
        pn_idle_search(&idle, 0);
    assert_false(pn_idle_found(&idle, 0));
    assert_false(pn_idle_found(&idle, 0));
    assert_true(pn_idle_found(&idle, 0));
    pn_idle_fini(&idle);
}

static void who_rises_by_itself_is_told_from_who_was_picked(void **state)
{
    struct pn_idle idle;
    struct pn_neighbors *neighbors = in_a_row(2, false);
    (void)state;
    assert_int_equal(pn_idle_init(&idle, 2, one_node, 2, 1), 0);
    sleep_all(&idle, 2);
    assert_true(pn_idle_is_hungry(&idle));
    assert_true(pn_idle_rise(&idle, 0));
    assert_int_equal(pn_load_relaxed(&idle.nodes[0].searching), 1);
    assert_true(pn_idle_found(&idle, 0));
    assert_int_equal(pn_idle_pick(&idle, neighbors), 1);
    assert_false(pn_idle_rise(&idle, 1));
    assert_int_equal(pn_load_relaxed(&idle.nodes[0].searching), 1); /* counted by who picked it */
    assert_int_equal(pn_load_relaxed(&idle.nodes[0].sleeping), 0);
    pn_idle_fini(&idle);
    free(neighbors);
}

/* Who has no place among the neighbors given is not picked, and who has several workers is. */
static void workers_beyond_the_places_share_them(void **state)
{
    struct pn_idle idle;
    struct pn_neighbors *neighbors = in_a_row(3, true);
    static const int order[] = {2, 5, 1, 4, 0, 3, 6};
    (void)state;
    assert_int_equal(pn_idle_init(&idle, 7, one_node, 3, 1), 0);
    sleep_all(&idle, 7);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(pn_idle_pick(&idle, neighbors), order[i]);
        assert_true(pn_idle_found(&idle, 0));
    }
    pn_idle_fini(&idle);
    free(neighbors);
}

/* ---- stress: producers count up a queue, workers take from it or sleep ---- */

#define WORKERS   4
#define PRODUCERS 2
#define ITEMS     ROUNDS(20000)

static struct {
    struct pn_idle idle;
    struct pn_neighbors *neighbors;
    _Atomic int queued; /* the queue: only how many there are */
    _Atomic int done, woken;
    _Atomic bool is_over;
    _Atomic uint32_t signal[WORKERS];
} set;

static void wake_one(void)
{
    const int picked = pn_idle_pick(&set.idle, set.neighbors);
    if (picked < 0)
        return;
    pn_fetch_add_relaxed(&set.woken, 1);
    pn_store_release(&set.signal[picked], 1u);
    pn_futex_wake(&set.signal[picked], 1);
}

static bool take_one(void)
{
    int seen = pn_load_seq_cst(&set.queued);
    while (seen > 0)
        if (pn_cas_seq_cst(&set.queued, &seen, seen - 1))
            return true;
    return false;
}

static void *work(void *argument)
{
    const unsigned self = (unsigned)(uintptr_t)argument;
    pn_idle_search(&set.idle, 0);
    for (;;) {
        if (take_one()) {
            if (pn_idle_found(&set.idle, 0) && pn_load_seq_cst(&set.queued))
                wake_one();
            pn_fetch_add_relaxed(&set.done, 1);
            while (take_one())
                pn_fetch_add_relaxed(&set.done, 1);
            pn_idle_search(&set.idle, 0);
            continue;
        }
        if (pn_load_seq_cst(&set.is_over))
            return NULL;
        const bool must_look = pn_idle_lie_down(&set.idle, self);
        if ((!must_look || !pn_load_seq_cst(&set.queued)) && !pn_load_seq_cst(&set.is_over))
            while (!pn_load_acquire(&set.signal[self]))
                (void)pn_futex_wait(&set.signal[self], 0, INT64_MAX);
        pn_store_relaxed(&set.signal[self], 0u);
        (void)pn_idle_rise(&set.idle, self);
    }
}

static void *produce(void *argument)
{
    uint32_t seed = (uint32_t)(uintptr_t)argument + 1;
    for (int i = 0; i < ITEMS; i++) {
        pn_fetch_add_seq_cst(&set.queued, 1);
        wake_one();
        if (random_next(&seed) % 4 == 0)
            (void)sched_yield();
    }
    return NULL;
}

/* True when all is done. With every queue empty of takers a lost wake-up shows as a queue that is
 * not empty while all workers sleep for good. */
static bool ends(int wanted)
{
    struct timespec begin, now;
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        if (pn_load_relaxed(&set.done) == wanted)
            return true;
        (void)sched_yield();
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - begin.tv_sec < 60);
    return false;
}

static void no_wake_up_is_lost(void **state)
{
    pthread_t workers[WORKERS], producers[PRODUCERS];
    (void)state;
    assert_int_equal(pn_idle_init(&set.idle, WORKERS, one_node, WORKERS, 1), 0);
    set.neighbors = in_a_row(WORKERS, false);
    for (uintptr_t i = 0; i < WORKERS; i++)
        start_thread(&workers[i], work, (void *)i);
    for (uintptr_t i = 0; i < PRODUCERS; i++)
        start_thread(&producers[i], produce, (void *)i);
    for (unsigned i = 0; i < PRODUCERS; i++)
        join_thread(producers[i]);
    assert_true(ends(PRODUCERS * ITEMS));
    /* One wake a queued item at most: what a finder passes on is another item's. */
    assert_in_range(pn_load_relaxed(&set.woken), 0, PRODUCERS * ITEMS);
    pn_store_seq_cst(&set.is_over, true);
    for (unsigned i = 0; i < WORKERS; i++) {
        pn_store_release(&set.signal[i], 1u);
        pn_futex_wake(&set.signal[i], 1);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        join_thread(workers[i]);
    assert_int_equal(pn_load_relaxed(&set.idle.nodes[0].sleeping), 0);
    assert_int_equal(pn_load_relaxed(&set.idle.nodes[0].searching), WORKERS);
    pn_idle_fini(&set.idle);
    free(set.neighbors);
}

/* One item at a time, each waited for: then every item needs the wake-up of its own. */
static void one_item_wakes_one_worker(void **state)
{
    pthread_t workers[WORKERS];
    (void)state;
    assert_int_equal(pn_idle_init(&set.idle, WORKERS, one_node, WORKERS, 1), 0);
    set.neighbors = in_a_row(WORKERS, false);
    pn_store_relaxed(&set.done, 0);
    pn_store_relaxed(&set.woken, 0);
    pn_store_relaxed(&set.is_over, false);
    for (uintptr_t i = 0; i < WORKERS; i++) {
        pn_store_relaxed(&set.signal[i], 0u);
        start_thread(&workers[i], work, (void *)i);
    }
    for (int i = 1; i <= ROUNDS(3000); i++) {
        pn_fetch_add_seq_cst(&set.queued, 1);
        wake_one();
        assert_true(ends(i));
        assert_in_range(pn_load_relaxed(&set.woken), 0, i);
    }
    pn_store_seq_cst(&set.is_over, true);
    for (unsigned i = 0; i < WORKERS; i++) {
        pn_store_release(&set.signal[i], 1u);
        pn_futex_wake(&set.signal[i], 1);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        join_thread(workers[i]);
    pn_idle_fini(&set.idle);
    free(set.neighbors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_asleep_at_first),
        cmocka_unit_test(the_nearest_sleeper_is_picked_first),
        cmocka_unit_test(none_is_picked_while_someone_searches),
        cmocka_unit_test(only_the_last_searcher_that_finds_is_told_so),
        cmocka_unit_test(who_rises_by_itself_is_told_from_who_was_picked),
        cmocka_unit_test(workers_beyond_the_places_share_them),
        cmocka_unit_test(no_wake_up_is_lost),
        cmocka_unit_test(one_item_wakes_one_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
