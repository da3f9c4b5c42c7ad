/* SPDX-License-Identifier: MIT
 *
 * The idle set: who is picked, and that no wake-up is lost.
 */
#include "stress.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
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

/* One node and so many workers; and who can pay for as many wakes. */
static void begin(struct pn_idle *idle, unsigned workers, struct pn_counters *rich)
{
    memset(rich, 0, sizeof *rich);
    pn_store_relaxed(&rich->queued, workers);
    assert_int_equal(pn_idle_init(idle, workers, one_node, workers, 1), 0);
    pn_idle_add(idle, rich);
}

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
    struct pn_counters rich;
    struct pn_neighbors *neighbors = in_a_row(4, false);
    (void)state;
    begin(&idle, 4, &rich);
    assert_false(pn_idle_is_hungry(&idle));
    assert_int_equal(pn_idle_pick(&idle, neighbors, &rich), PN_IDLE_NONE_ASLEEP);
    pn_idle_fini(&idle);
    free(neighbors);
}

static void the_nearest_sleeper_is_picked_first(void **state)
{
    (void)state;
    for (unsigned count = 1; count <= 200; count += 33) { /* over several words of bits */
        for (int is_backwards = 0; is_backwards < 2; is_backwards++) {
            struct pn_idle idle;
            struct pn_counters rich;
            struct pn_neighbors *neighbors = in_a_row(count, is_backwards);
            begin(&idle, count, &rich);
            sleep_all(&idle, count);
            for (unsigned i = 0; i < count; i++) {
                const unsigned nearest = is_backwards ? count - 1 - i : i;
                assert_int_equal(pn_idle_pick(&idle, neighbors, &rich), nearest);
                assert_true(pn_idle_found(&idle, 0)); /* it was counted, as the only searcher */
            }
            assert_int_equal(pn_idle_pick(&idle, neighbors, &rich), PN_IDLE_NONE_ASLEEP);
            assert_false(pn_idle_is_hungry(&idle));
            pn_idle_fini(&idle);
            free(neighbors);
        }
    }
}

static void none_is_picked_while_someone_searches(void **state)
{
    struct pn_idle idle;
    struct pn_counters rich;
    struct pn_neighbors *neighbors = in_a_row(3, false);
    (void)state;
    begin(&idle, 3, &rich);
    sleep_all(&idle, 2);
    pn_idle_search(&idle, 0); /* worker 2 */
    assert_int_equal(pn_idle_pick(&idle, neighbors, &rich), PN_IDLE_NONE_NEEDED);
    assert_true(pn_idle_found(&idle, 0)); /* the last one: it asks for the next */
    assert_int_equal(pn_idle_pick(&idle, neighbors, &rich), 0);
    assert_int_equal(pn_idle_pick(&idle, neighbors, &rich), PN_IDLE_NONE_NEEDED);
    assert_true(pn_idle_found(&idle, 0));
    pn_idle_fini(&idle);
    free(neighbors);
}

static void only_the_last_searcher_that_finds_is_told_so(void **state)
{
    struct pn_idle idle;
    struct pn_counters rich;
    (void)state;
    begin(&idle, 3, &rich);
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
    struct pn_counters rich;
    struct pn_neighbors *neighbors = in_a_row(2, false);
    (void)state;
    begin(&idle, 2, &rich);
    sleep_all(&idle, 2);
    assert_true(pn_idle_is_hungry(&idle));
    assert_true(pn_idle_rise(&idle, 0));
    assert_int_equal(pn_load_relaxed(&idle.nodes[0].searching), 1);
    assert_true(pn_idle_found(&idle, 0));
    assert_int_equal(pn_idle_pick(&idle, neighbors, &rich), 1);
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
    struct pn_counters rich = {.queued = 7};
    (void)state;
    assert_int_equal(pn_idle_init(&idle, 7, one_node, 3, 1), 0);
    pn_idle_add(&idle, &rich);
    sleep_all(&idle, 7);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(pn_idle_pick(&idle, neighbors, &rich), order[i]);
        assert_true(pn_idle_found(&idle, 0));
    }
    pn_idle_fini(&idle);
    free(neighbors);
}

/* ---- who pays ---- */

static void each_task_pays_for_one_wake(void **state)
{
    struct pn_idle idle;
    struct pn_counters poor = {.queued = 2}, own = {.queued = 0}, unused;
    struct pn_neighbors *neighbors = in_a_row(4, false);
    (void)state;
    begin(&idle, 4, &unused);
    pn_store_relaxed(&unused.queued, 1);
    pn_idle_add(&idle, &poor);
    pn_idle_add(&idle, &own);
    sleep_all(&idle, 4);
    for (int i = 0; i < 3; i++) { /* others pay for who has queued nothing */
        assert_int_equal(pn_idle_pick(&idle, neighbors, &own), i);
        assert_true(pn_idle_found(&idle, 0));
    }
    assert_int_equal(pn_idle_pick(&idle, neighbors, &own), PN_IDLE_NONE_NEEDED);
    assert_int_equal(pn_load_relaxed(&poor.woken), 2);
    assert_int_equal(pn_load_relaxed(&unused.woken), 1);
    pn_count(&own.queued, 1);
    assert_int_equal(pn_idle_pick(&idle, neighbors, &own), 3);
    assert_int_equal(pn_load_relaxed(&own.woken), 1);
    pn_idle_fini(&idle);
    free(neighbors);
}

static void who_was_woken_may_lie_down_when_as_many_are_taken(void **state)
{
    struct pn_idle idle;
    struct pn_counters rich, other = {.queued = 0};
    struct pn_neighbors *neighbors = in_a_row(2, false);
    (void)state;
    begin(&idle, 2, &rich);
    pn_idle_add(&idle, &other);
    sleep_all(&idle, 2);
    assert_true(pn_idle_is_settled(&idle));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pn_idle_pick(&idle, neighbors, &rich), i);
        assert_false(pn_idle_is_settled(&idle));
        assert_true(pn_idle_found(&idle, 0));
        pn_count(i ? &other.tasks : &rich.claimed, 1);
        assert_true(pn_idle_is_settled(&idle));
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
    _Atomic int done;
    struct pn_counters producer[PRODUCERS], worker[WORKERS];
    _Atomic bool is_over;
    _Atomic uint32_t signal[WORKERS];
} set;

static void wake_one(struct pn_counters *counters)
{
    const int picked = pn_idle_pick(&set.idle, set.neighbors, counters);
    if (picked < 0)
        return;
    pn_store_release(&set.signal[picked], 1u);
    pn_futex_wake(&set.signal[picked], 1);
}

static void queue_one(struct pn_counters *counters)
{
    pn_count(&counters->queued, 1);
    pn_fetch_add_seq_cst(&set.queued, 1);
    wake_one(counters);
}

static bool take_one(struct pn_counters *counters)
{
    int seen = pn_load_seq_cst(&set.queued);
    while (seen > 0)
        if (pn_cas_seq_cst(&set.queued, &seen, seen - 1)) {
            pn_count_release(&counters->tasks, 1);
            return true;
        }
    return false;
}

/* Woken or not, it searches. True if it was woken. */
static bool sleep_well(unsigned self)
{
    const bool must_look = pn_idle_lie_down(&set.idle, self);
    if ((!must_look || !pn_load_seq_cst(&set.queued)) && !pn_load_seq_cst(&set.is_over))
        while (!pn_load_acquire(&set.signal[self]))
            (void)pn_futex_wait(&set.signal[self], 0, INT64_MAX);
    pn_store_relaxed(&set.signal[self], 0u);
    return !pn_idle_rise(&set.idle, self);
}

static void *work(void *argument)
{
    const unsigned self = (unsigned)(uintptr_t)argument;
    struct pn_counters *counters = &set.worker[self];
    bool was_woken = false;
    pn_idle_search(&set.idle, 0);
    for (;;) {
        if (take_one(counters)) {
            if (pn_idle_found(&set.idle, 0) && pn_load_seq_cst(&set.queued))
                wake_one(counters);
            pn_fetch_add_relaxed(&set.done, 1);
            while (take_one(counters))
                pn_fetch_add_relaxed(&set.done, 1);
            was_woken = false;
            pn_idle_search(&set.idle, 0);
            continue;
        }
        if (pn_load_seq_cst(&set.is_over))
            return NULL;
        if (!was_woken || pn_idle_is_settled(&set.idle))
            was_woken = sleep_well(self);
    }
}

static void *produce(void *argument)
{
    struct pn_counters *counters = argument;
    uint32_t seed = (uint32_t)(counters - set.producer) + 1;
    for (int i = 0; i < ITEMS; i++) {
        queue_one(counters);
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

static uint64_t woken(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < PRODUCERS; i++)
        sum += pn_load_relaxed(&set.producer[i].woken);
    for (unsigned i = 0; i < WORKERS; i++)
        sum += pn_load_relaxed(&set.worker[i].woken);
    return sum;
}

static void begin_set(pthread_t workers[static WORKERS])
{
    memset(&set, 0, sizeof set);
    assert_int_equal(pn_idle_init(&set.idle, WORKERS, one_node, WORKERS, 1), 0);
    set.neighbors = in_a_row(WORKERS, false);
    for (unsigned i = 0; i < PRODUCERS; i++)
        pn_idle_add(&set.idle, &set.producer[i]);
    for (unsigned i = 0; i < WORKERS; i++)
        pn_idle_add(&set.idle, &set.worker[i]);
    for (uintptr_t i = 0; i < WORKERS; i++)
        start_thread(&workers[i], work, (void *)i);
}

static void end_set(const pthread_t workers[static WORKERS])
{
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

static void no_wake_up_is_lost(void **state)
{
    pthread_t workers[WORKERS], producers[PRODUCERS];
    (void)state;
    begin_set(workers);
    for (unsigned i = 0; i < PRODUCERS; i++)
        start_thread(&producers[i], produce, &set.producer[i]);
    for (unsigned i = 0; i < PRODUCERS; i++)
        join_thread(producers[i]);
    assert_true(ends(PRODUCERS * ITEMS));
    assert_in_range(woken(), 0, PRODUCERS * ITEMS);
    end_set(workers);
}

/* One item at a time, each waited for: then every item needs the wake-up of its own. */
static void one_item_wakes_one_worker(void **state)
{
    pthread_t workers[WORKERS];
    (void)state;
    begin_set(workers);
    for (int i = 1; i <= ROUNDS(3000); i++) {
        queue_one(&set.producer[0]);
        assert_true(ends(i));
        assert_in_range(woken(), 0, i);
    }
    end_set(workers);
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
        cmocka_unit_test(each_task_pays_for_one_wake),
        cmocka_unit_test(who_was_woken_may_lie_down_when_as_many_are_taken),
        cmocka_unit_test(no_wake_up_is_lost),
        cmocka_unit_test(one_item_wakes_one_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
