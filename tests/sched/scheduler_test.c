/* SPDX-License-Identifier: MIT
 *
 * The scheduler on machines of up to 256 CPUs, a step at a time, in orders drawn from seeds. What
 * must hold after each step stands in world.c. A seed that fails is printed.
 */
#include "world.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "stress.h"

#define JOBS 120
#define SEEDS (unsigned)ROUNDS(150)

static const char *const machines[] = {
    "128arm-2pa2n8cluster4co.xml",
    "fakecpuid1f-64intel64-2p4d2n2c2t.xml",
    "pu:2",
    "core:3 pu:2",
    "numa:4 l3:1 core:1 pu:1",
    "pack:2 numa:4 l3:4 core:4 pu:2",
    "numa:8 core:8 pu:1",
    "l3:8 core:8 pu:1",
};
#define MACHINES_TESTED (sizeof machines / sizeof machines[0])

/* By its file or description. It stays until the next is asked for: to load one may take longer
 * than what is tried with it. */
static struct pinion_topology *machine(const char *name)
{
    static struct pinion_topology *loaded;
    static const char *name_loaded;
    if (!name_loaded || strcmp(name, name_loaded) != 0) {
        pinion_topology_destroy(loaded);
        loaded = strstr(name, ".xml") ? load_file(name) : load_synthetic(name);
        name_loaded = name;
    }
    return loaded;
}

/* What is being tried, for who reads of a failure. */
static struct {
    bool is_on;
    size_t machine;
    unsigned seed;
} trial;

static int tell_trial(void **state)
{
    (void)state;
    if (trial.is_on)
        print_error("machine %s, seed %u\n", machines[trial.machine], trial.seed);
    trial.is_on = false;
    return 0;
}

/* ---- storms ---- */

static bool is_over(const struct world *world, bool must_sleep)
{
    if (world->begun < world->job_count)
        return false;
    for (unsigned i = 0; must_sleep && i < world->workers; i++)
        if (world->hands[i].state != ASLEEP)
            return false;
    return true;
}

static void outside_acts(struct world *world, struct hand *hand)
{
    if (hand->owes_look) {
        world_look(world, hand);
    } else if (world->queued < world->job_count && random_below(&world->random, 8) == 0) {
        if (hand == CALLER(world))
            world_push(world, hand);
        else
            world_inject(world, hand, hand->neighbors->home);
    }
}

static void worker_acts(struct world *world, struct hand *hand)
{
    if (hand->state == ASLEEP)
        return;
    if (hand->owes_look)
        world_look(world, hand);
    else if (hand->state != RUNNING)
        world_step(world, hand);
    else if (random_below(&world->random, 4) == 0 && world->queued < world->job_count)
        world_push(world, hand);
    else if (random_below(&world->random, 3) == 0)
        world_step(world, hand);
}

static void storm(struct world *world)
{
    const bool must_sleep = world->scheduler.spin_ns != INT64_MAX;
    const unsigned outsiders = 1 + world->node_count;
    for (unsigned acts = 0; !is_over(world, must_sleep); acts++) {
        assert_true(acts < 10000000); /* else it goes on for ever */
        world->now += random_below(&world->random, 40);
        if (random_below(&world->random, 8) == 0)
            outside_acts(world, &world->hands[world->workers +
                                              random_below(&world->random, outsiders)]);
        else
            worker_acts(world, &world->hands[random_below(&world->random, world->workers)]);
    }
    for (unsigned i = 0; i < world->job_count; i++)
        assert_int_equal(world->jobs[i].runs, 1);
}

static void storms(enum pinion_placement placement)
{
    static const int64_t spins[] = {0, 500, 4000, INT64_MAX};
    for (trial.machine = 0; trial.machine < MACHINES_TESTED; trial.machine++) {
        for (trial.seed = 0; trial.seed < SEEDS; trial.seed++) {
            struct world world;
            trial.is_on = true;
            world_make(&world, machine(machines[trial.machine]), placement,
                       spins[trial.seed % 4], JOBS, trial.seed);
            world.is_prompt = trial.seed & 4;
            world.hides = trial.seed & 8;
            storm(&world);
            world_end(&world);
            trial.is_on = false;
        }
    }
}

static void in_any_order_tasks_run_once_and_no_wake_is_lost(void **state)
{
    (void)state;
    storms(PINION_PLACE_COMPACT);
}

static void whatever_the_placement(void **state)
{
    (void)state;
    storms(PINION_PLACE_SCATTER);
}

/* ---- nothing starves ---- */

/* Every worker has a long queue of its own, which its tasks keep as long. */
static void occupy_all(struct world *world)
{
    for (unsigned i = 0; i < world->workers; i++)
        world_occupy(world, &world->hands[i]);
    world->is_prompt = true;
    for (unsigned i = 0; i < 3 * world->workers; i++)
        world_push(world, &world->hands[i % world->workers]);
}

static void turn(struct world *world, struct hand *hand)
{
    world_push(world, hand);
    world_step(world, hand);
    assert_int_equal(hand->state, RUNNING);
}

/* Turns of each worker until a job that was queued last has begun. */
static unsigned turns_until(struct world *world, const struct job *job, unsigned limit)
{
    unsigned turns = 0;
    for (; !job->runs && turns < limit; turns++)
        for (unsigned i = 0; i < world->workers; i++)
            turn(world, &world->hands[i]);
    return turns;
}

static void an_injected_task_starts_in_bounded_turns_under_full_local_load(void **state)
{
    (void)state;
    for (trial.machine = 0; trial.machine < MACHINES_TESTED; trial.machine++) {
        struct world world;
        trial.is_on = true;
        world_make(&world, machine(machines[trial.machine]), PINION_PLACE_COMPACT, 0, 300000, 1);
        occupy_all(&world);
        for (unsigned node = 0; node < world.node_count; node++) {
            const bool has_workers = world.scheduler.idle.nodes[node].workers;
            const unsigned limit = has_workers ? 61 : 2 * 61 * world.node_count;
            world_inject(&world, OUTSIDE(&world, node), node);
            const struct job *last = &world.jobs[world.queued - 1];
            assert_in_range(turns_until(&world, last, limit + 1), 1, limit);
        }
        world_end(&world);
        trial.is_on = false;
    }
}

static void a_burst_starts_as_many_turns_later_as_each_worker_has_of_it(void **state)
{
    struct world world;
    (void)state;
    world_make(&world, machine("numa:2 core:8 pu:1"), PINION_PLACE_COMPACT, 0, 100000, 1);
    occupy_all(&world);
    const unsigned node = world.hands[0].neighbors->home;
    const unsigned workers = world.scheduler.idle.nodes[node].workers;
    for (unsigned i = 0; i < 10 * workers; i++)
        world_inject(&world, OUTSIDE(&world, node), node);
    const unsigned limit = 10 * 61;
    assert_in_range(turns_until(&world, &world.jobs[world.queued - 1], limit + 1), 1, limit);
    world_end(&world);
}

/* What it queued first is last for who takes the youngest. */
static void the_oldest_of_an_own_queue_starts_in_bounded_turns(void **state)
{
    struct world world;
    (void)state;
    world_make(&world, machine("core:2 pu:1"), PINION_PLACE_COMPACT, 0, 10000, 1);
    occupy_all(&world);
    assert_in_range(turns_until(&world, &world.jobs[2], 3 * 61 + 1), 1, 3 * 61);
    assert_int_equal(world.jobs[0].runs, 1);
    world_end(&world);
}

/* ---- who searches, and how far ---- */

static unsigned searching_on(const struct world *world, unsigned node)
{
    return (unsigned)pn_load_relaxed(&world->scheduler.idle.nodes[node].searching);
}

/* All run out of work at once. */
static void at_most_half_of_a_node_searches_and_never_nobody(void **state)
{
    (void)state;
    for (trial.machine = 0; trial.machine < MACHINES_TESTED; trial.machine++) {
        struct world world;
        trial.is_on = true;
        world_make(&world, machine(machines[trial.machine]), PINION_PLACE_COMPACT, 1000000, 1, 1);
        for (unsigned i = 0; i < world.workers; i++)
            world_occupy(&world, &world.hands[i]);
        for (unsigned i = 0; i < world.workers; i++) {
            struct hand *hand = &world.hands[i];
            const unsigned half = world.scheduler.idle.nodes[hand->neighbors->home].workers / 2;
            world_step(&world, hand);
            const unsigned searching = searching_on(&world, hand->neighbors->home);
            assert_in_range(searching, 1, half ? half : 1);
            if (searching < half)
                assert_int_equal(hand->state, SEARCHING);
        }
        world_end(&world);
        trial.is_on = false;
    }
}

static void all_poll_who_are_to_poll(void **state)
{
    struct world world;
    (void)state;
    world_make(&world, machine("numa:2 core:8 pu:1"), PINION_PLACE_COMPACT, INT64_MAX, 1, 1);
    for (unsigned i = 0; i < world.workers; i++) {
        world_occupy(&world, &world.hands[i]);
        world_step(&world, &world.hands[i]);
        assert_int_equal(world.hands[i].state, SEARCHING);
    }
    world_end(&world);
}

/* A worker of another node, as near as one is. */
static struct hand *on_another_node(struct world *world, const struct hand *from)
{
    for (unsigned i = 0; i < world->workers; i++)
        if (world->hands[i].neighbors->home != from->neighbors->home)
            return &world->hands[i];
    fail_msg("one node");
    return NULL;
}

/* Steps through rounds for so long, ns. True if a task was found. */
static bool searches_for(struct world *world, struct hand *hand, int64_t time)
{
    const int64_t until = world->now + time;
    for (; world->now < until && hand->state != RUNNING; world->now += 10)
        world_step(world, hand);
    return hand->state == RUNNING;
}

static void far_work_waits(bool is_injected)
{
    struct world world;
    world_make(&world, machine("numa:2 core:8 pu:1"), PINION_PLACE_COMPACT, 1000000, 10, 1);
    struct hand *thief = &world.hands[0], *victim = on_another_node(&world, thief);
    for (unsigned i = 0; i < world.workers; i++)
        world_occupy(&world, &world.hands[i]);
    const unsigned distance = world_apart(&world, &thief->place, &victim->place);
    world_step(&world, thief);
    assert_int_equal(thief->state, SEARCHING);
    world.is_prompt = true;
    if (is_injected)
        world_inject(&world, victim, victim->neighbors->home);
    else
        world_push(&world, victim);
    assert_false(searches_for(&world, thief, pn_patience_ns(distance)));
    assert_true(searches_for(&world, thief, 200));
    assert_int_equal(pn_load_relaxed(&thief->counters.stolen_far), !is_injected);
    assert_int_equal(pn_load_relaxed(&thief->counters.stolen_near), 0);
    assert_true(pn_load_relaxed(&thief->counters.searched) > 0);
    world_end(&world);
}

static void far_work_is_taken_only_after_the_patience_for_its_distance(void **state)
{
    (void)state;
    far_work_waits(false);
    far_work_waits(true);
}

/* It has been idle for long. */
static void who_was_woken_looks_everywhere_at_once(void **state)
{
    struct world world;
    (void)state;
    world_make(&world, machine("numa:2 core:2 pu:1"), PINION_PLACE_COMPACT, 1000000, 10, 1);
    struct hand *thief = &world.hands[0], *victim = on_another_node(&world, thief);
    for (unsigned i = 1; i < world.workers; i++)
        world_occupy(&world, &world.hands[i]);
    world.is_prompt = true;
    world_push(&world, victim);
    assert_int_equal(thief->state, WOKEN);
    assert_true(searches_for(&world, thief, 100));
    world_end(&world);
}

static void patience_grows_with_the_distance(void **state)
{
    (void)state;
    for (unsigned distance = 0; distance < PN_FARTHEST; distance++)
        assert_true(pn_patience_ns(distance) <= pn_patience_ns(distance + 1));
    assert_int_equal(pn_patience_ns(PN_SAME_CORE), 0);
    assert_true(pn_patience_ns(PN_SAME_NODE) < pn_patience_ns(PN_OTHER_NODE + 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(in_any_order_tasks_run_once_and_no_wake_is_lost, tell_trial),
        cmocka_unit_test_teardown(whatever_the_placement, tell_trial),
        cmocka_unit_test_teardown(
            an_injected_task_starts_in_bounded_turns_under_full_local_load, tell_trial),
        cmocka_unit_test(a_burst_starts_as_many_turns_later_as_each_worker_has_of_it),
        cmocka_unit_test(the_oldest_of_an_own_queue_starts_in_bounded_turns),
        cmocka_unit_test_teardown(at_most_half_of_a_node_searches_and_never_nobody, tell_trial),
        cmocka_unit_test(all_poll_who_are_to_poll),
        cmocka_unit_test(far_work_is_taken_only_after_the_patience_for_its_distance),
        cmocka_unit_test(who_was_woken_looks_everywhere_at_once),
        cmocka_unit_test(patience_grows_with_the_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
