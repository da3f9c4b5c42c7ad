/* SPDX-License-Identifier: MIT
 *
 * Whose turn it is, and who is woken, on real threads (tests/sched has the rest).
 */
#include "support.h"

/* ---- nothing starves ---- */

#define WORKERS 2
#define CHAINS  8

static struct pinion_io *chain_io;
static atomic_uint turns;
static int turns_max;
static atomic_bool is_over;

static void link_run(void);

PINION_TASK(void, link_of_chain)
{
    link_run();
}

/* The worker's own queue is never empty for long: each link queues the next. */
static void link_run(void)
{
    atomic_fetch_add(&turns, 1);
    if (!atomic_load(&is_over))
        link_of_chain_detached(chain_io);
}

PINION_TASK(void, note_turn, (atomic_uint *, turn))
{
    atomic_store(turn, atomic_load(&turns));
}

/* Each time: how many turns the workers had between the end of the spawn and the task's start. */
static void *inject(void *unused)
{
    for (int i = 0; i < 50; i++) {
        atomic_uint started = 0;
        note_turn_detached(chain_io, &started);
        const unsigned queued = atomic_load(&turns);
        wait_until(atomic_load(&started));
        must((int)(atomic_load(&started) - queued) <= turns_max);
    }
    return unused;
}

static void an_injected_task_starts_in_bounded_turns_under_full_local_load(void **state)
{
    const struct pinion_pool_options options = {.cpu_count = 1 + WORKERS, .eager = true};
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_topology *topology = machine_of(NULL);
    const struct pinion_node *nodes;
    const int node_count = (int)pinion_topology_nodes(topology, &nodes);
    pthread_t thread;
    (void)state;
    pinion_topology_destroy(topology);
    /* The lane of a node without workers is looked at by each in turn with the other nodes'. */
    turns_max = WORKERS * 62 * (node_count > 1 ? 2 * node_count : 1);
    chain_io = pinion_pool_io(pool);
    atomic_store(&is_over, false);
    for (int i = 0; i < CHAINS; i++)
        link_of_chain_detached(chain_io);
    wait_until(atomic_load(&turns) > 1000);
    must(pthread_create(&thread, NULL, inject, NULL) == 0);
    must(pthread_join(thread, NULL) == 0);
    atomic_store(&is_over, true);
    pinion_pool_destroy(pool);
}

/* ---- no herd ---- */

static const enum pinion_idle sleepy[] = {PINION_IDLE_PARK, PINION_IDLE_ADAPTIVE};

static void one_task_at_a_time_wakes_one_worker_at_most(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct pinion_pool_options options = {
            .cpu_count = 5, .eager = true, .idle = sleepy[i], .spin_us = 1};
        struct pinion_pool *pool = make_pool(&options);
        atomic_uint counter = 0;
        for (unsigned round = 1; round <= 300; round++) {
            count_up_detached(pinion_pool_io(pool), &counter);
            wait_until(atomic_load(&counter) == round);
            assert_in_range(stats_of(pool).woken, 0, round);
        }
        pinion_pool_destroy(pool);
    }
}

static void tasks_wake_no_herd(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct pinion_pool_options options = {
            .cpu_count = 9, .eager = true, .idle = sleepy[i], .spin_us = 1};
        struct pinion_pool *pool = make_pool(&options);
        atomic_uint counter = 0;
        for (unsigned round = 1; round <= 100; round++) {
            for (int j = 0; j < 5; j++)
                count_up_detached(pinion_pool_io(pool), &counter);
            wait_until(atomic_load(&counter) == 5 * round);
            assert_in_range(stats_of(pool).woken, 0, 5 * round);
        }
        pinion_pool_destroy(pool);
    }
}

#define CROWD 6

/* Each task is waited for, so that the next finds the workers asleep, or about to sleep. */
static void *queue_each_by_itself(void *io)
{
    for (unsigned i = 1; i <= 2000; i++) {
        atomic_uint counter = 0;
        count_up_detached(io, &counter);
        while (!atomic_load(&counter))
            (void)sched_yield();
    }
    return NULL;
}

static void no_more_are_woken_than_tasks_were_queued_by_many_threads(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct pinion_pool_options options = {
            .cpu_count = 9, .eager = true, .idle = sleepy[i], .spin_us = 1};
        struct pinion_pool *pool = make_pool(&options);
        pthread_t threads[CROWD];
        struct pinion_io *io = pinion_pool_io(pool);
        for (int j = 0; j < CROWD; j++)
            must(pthread_create(&threads[j], NULL, queue_each_by_itself, io) == 0);
        for (int j = 0; j < CROWD; j++)
            must(pthread_join(threads[j], NULL) == 0);
        assert_in_range(stats_of(pool).woken, 0, stats_of(pool).queued);
        pinion_pool_destroy(pool);
    }
}

static void who_finds_nothing_has_searched_in_vain(void **state)
{
    const struct pinion_pool_options options = {.cpu_count = 2, .idle = PINION_IDLE_PARK};
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_worker_stats rows[2];
    atomic_uint counter = 0;
    (void)state;
    assert_int_equal(stats_of(pool).searched, 0);
    count_up_detached(pinion_pool_io(pool), &counter);
    wait_until(stats_of(pool).parked == 1);
    assert_true(stats_of(pool).searched >= 1);
    assert_int_equal(pinion_pool_workers(pool, rows, 2), 2);
    assert_int_equal(rows[0].searched, 0);
    assert_int_equal(rows[1].searched, stats_of(pool).searched);
    pinion_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_injected_task_starts_in_bounded_turns_under_full_local_load),
        cmocka_unit_test(one_task_at_a_time_wakes_one_worker_at_most),
        cmocka_unit_test(tasks_wake_no_herd),
        cmocka_unit_test(no_more_are_woken_than_tasks_were_queued_by_many_threads),
        cmocka_unit_test(who_finds_nothing_has_searched_in_vain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
