/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <limits.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static void *zeroed(size_t count, size_t size, size_t align)
{
    const size_t bytes = (count * size + align - 1) / align * align;
    void *memory = aligned_alloc(align, bytes);
    assert_non_null(memory);
    memset(memory, 0, bytes);
    return memory;
}

#define NEW(type, count) zeroed((count), sizeof(type), alignof(type) > 16 ? alignof(type) : 16)

/* ---- making ---- */

static unsigned node_number(struct world *world, unsigned os_index)
{
    unsigned i = 0;
    while (i < world->node_count && world->nodes[i] != os_index)
        i++;
    if (i == world->node_count)
        world->nodes[world->node_count++] = os_index;
    return i;
}

static void make_places(struct world *world, enum pinion_placement placement)
{
    const struct pinion_cpu *cpus;
    world->workers = pinion_topology_cpus(world->topology, &cpus) - 1;
    const struct pinion_plan_options options = {.placement = placement, .workers = world->workers};
    assert_int_equal(pinion_plan_make(world->topology, &options, &world->plan), 0);
    assert_int_equal(pn_node_distances_init(&world->distances, world->topology), 0);
    world->places = NEW(struct pn_place, world->workers);
    world->nodes = NEW(unsigned, world->workers + 1);
    world->node_of_place = NEW(unsigned, world->workers);
    for (unsigned i = 0; i < world->workers; i++) {
        world->places[i] = pn_place_of(world->topology, &world->plan->seats[i]);
        world->node_of_place[i] = node_number(world, world->places[i].node);
    }
    (void)node_number(world, pn_place_of(world->topology, &world->plan->caller).node);
}

static void make_hand(struct world *world, struct hand *hand, unsigned index, struct pn_place place)
{
    hand->place = place;
    hand->neighbors =
        pn_neighbors_make(&world->distances, world->places, world->workers, &place, index + 1);
    assert_non_null(hand->neighbors);
    hand->neighbors->home = node_number(world, place.node);
    assert_int_equal(pn_deque_init(&hand->deque, 64), 0);
    hand->scout = (struct pn_scout){.index = index,
                                    .deque = &hand->deque,
                                    .lane = &world->lanes[hand->neighbors->home],
                                    .neighbors = hand->neighbors,
                                    .counters = &hand->counters,
                                    .head = &hand->head,
                                    .random = index + 1 + (uint32_t)world->random % 65536};
}

static void make_scheduler(struct world *world, int64_t spin_ns)
{
    struct pn_scheduler *scheduler = &world->scheduler;
    world->lanes = NEW(struct pn_lane, world->node_count);
    world->lane_list = NEW(struct pn_lane *, world->node_count);
    for (unsigned i = 0; i < world->node_count; i++) {
        pn_lane_init(&world->lanes[i], false);
        world->lane_list[i] = &world->lanes[i];
    }
    scheduler->spin_ns = spin_ns;
    scheduler->lanes = world->lane_list;
    scheduler->base = zeroed(world->workers, sizeof scheduler->base[0], 16);
    assert_int_equal(pn_idle_init(&scheduler->idle, world->workers, world->node_of_place,
                                  world->workers, world->node_count),
                     0);
}

/* As if each had searched in vain for long. */
static void sleep_all(struct world *world)
{
    for (unsigned i = 0; i < world->workers; i++) {
        struct hand *hand = &world->hands[i];
        pn_scout_begin(&hand->scout);
        hand->scout.idle_since = 0;
        pn_idle_search(&world->scheduler.idle, hand->neighbors->home);
        (void)pn_idle_lie_down(&world->scheduler.idle, i);
        hand->state = ASLEEP;
    }
    world->now = 1000000;
}

void world_make(struct world *world, struct pinion_topology *topology,
                enum pinion_placement placement, int64_t spin_ns, unsigned jobs, uint64_t seed)
{
    const uint64_t random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1; /* spread, and not 0 */
    *world = (struct world){.topology = topology, .random = random};
    make_places(world, placement);
    make_scheduler(world, spin_ns);
    world->hands = NEW(struct hand, world->workers + 1 + world->node_count);
    for (unsigned i = 0; i < world->workers; i++) {
        make_hand(world, &world->hands[i], i, world->places[i]);
        pn_scheduler_add_base(&world->scheduler, &world->hands[i].scout);
    }
    make_hand(world, CALLER(world), 0, pn_place_of(topology, &world->plan->caller));
    world->scheduler.caller = &CALLER(world)->scout;
    pn_idle_add(&world->scheduler.idle, &CALLER(world)->counters);
    for (unsigned i = 0; i < world->node_count; i++) {
        make_hand(world, OUTSIDE(world, i), 0, (struct pn_place){.node = world->nodes[i]});
        pn_idle_add(&world->scheduler.idle, &OUTSIDE(world, i)->counters);
    }
    world->job_count = jobs;
    world->jobs = NEW(struct job, jobs);
    sleep_all(world);
}

void world_occupy(struct world *world, struct hand *hand)
{
    assert_true(pn_idle_rise(&world->scheduler.idle, hand->scout.index));
    (void)pn_idle_found(&world->scheduler.idle, hand->neighbors->home);
    hand->scout.is_searching = false;
    hand->state = RUNNING;
}

void world_end(struct world *world)
{
    for (unsigned i = 0; i < world->workers + 1 + world->node_count; i++) {
        pn_deque_fini(&world->hands[i].deque);
        free(world->hands[i].neighbors);
    }
    pn_idle_fini(&world->scheduler.idle);
    free(world->scheduler.base);
    free(world->lane_list);
    free(world->lanes);
    free(world->hands);
    free(world->jobs);
    free(world->node_of_place);
    free(world->nodes);
    free(world->places);
    pn_node_distances_fini(&world->distances);
    pinion_plan_destroy(world->plan);
}

/* ---- what must hold ---- */

unsigned world_apart(const struct world *world, const struct pn_place *a, const struct pn_place *b)
{
    if (a->node != b->node)
        return PN_OTHER_NODE + pinion_topology_distance(world->topology, a->node, b->node);
    if (a->is_pinned && b->is_pinned && a->core == b->core)
        return PN_SAME_CORE;
    return a->is_pinned && b->is_pinned && a->llc == b->llc ? PN_SAME_LLC : PN_SAME_NODE;
}

/* A task is queued and a worker sleeps => somebody searches, or is about to look. And no herd. */
static void check_rule(const struct world *world)
{
    unsigned awake = 0, asleep = 0, looking = 0, owing = 0;
    for (unsigned i = 0; i < world->workers + 1 + world->node_count; i++) {
        const struct hand *hand = &world->hands[i];
        looking += hand->owes_look;
        if (i >= world->workers)
            continue;
        asleep += hand->state == ASLEEP;
        awake += hand->state == SEARCHING || hand->state == WOKEN;
        owing += hand->state == WOKEN || (hand->state == SEARCHING && hand->scout.was_woken);
    }
    assert_true(world->queued == world->begun || asleep == 0 || awake + looking > 0);
    assert_true(world->woken <= world->queued && world->woken <= world->begun + owing);
    for (unsigned i = 0; i < world->node_count; i++)
        awake -= (unsigned)pn_load_relaxed(&world->scheduler.idle.nodes[i].searching);
    assert_int_equal(awake, 0);
}

/* ---- queueing and waking ---- */

static struct pinion_task *next_job(struct world *world, struct hand *hand)
{
    assert_true(world->queued < world->job_count);
    pn_count(&hand->counters.queued, 1);
    struct pinion_task *task = &world->jobs[world->queued++].task;
    pn_store_relaxed(&task->state, PN_TASK_QUEUED | PN_TASK_IN_QUEUE);
    return task;
}

static void owe_look(struct world *world, struct hand *hand)
{
    hand->owes_look = true;
    check_rule(world);
    if (world->is_prompt)
        world_look(world, hand);
}

void world_push(struct world *world, struct hand *hand)
{
    assert_false(hand->owes_look);
    assert_true(pn_deque_push(&hand->deque, next_job(world, hand), true));
    if (!world->hides || pn_deque_is_requested(&hand->deque))
        pn_deque_publish(&hand->deque);
    owe_look(world, hand);
}

void world_inject(struct world *world, struct hand *hand, unsigned node)
{
    assert_false(hand->owes_look);
    pn_lane_push(&world->lanes[node], next_job(world, hand));
    owe_look(world, hand);
}

/* The distance of the nearest sleeper, UINT_MAX if nobody sleeps. */
static unsigned nearest_sleeper(const struct world *world, const struct hand *from)
{
    unsigned nearest = UINT_MAX;
    for (unsigned i = 0; i < world->workers; i++) {
        const unsigned distance = world_apart(world, &from->place, &world->hands[i].place);
        if (world->hands[i].state == ASLEEP && distance < nearest)
            nearest = distance;
    }
    return nearest;
}

static bool searches(const struct world *world, const struct hand *from, bool only_near)
{
    for (unsigned i = 0; i < world->workers; i++) {
        const struct hand *hand = &world->hands[i];
        if ((hand->state == SEARCHING || hand->state == WOKEN) &&
            (!only_near || hand->place.node == from->place.node))
            return true;
    }
    return false;
}

void world_look(struct world *world, struct hand *hand)
{
    const unsigned nearest = nearest_sleeper(world, hand);
    const bool is_far = nearest >= PN_OTHER_NODE;
    const bool is_needed = !searches(world, hand, !is_far);
    hand->owes_look = false;
    const int picked = pn_idle_pick(&world->scheduler.idle, hand->neighbors, &hand->counters);
    assert_int_equal(picked >= 0,
                     is_needed && nearest != UINT_MAX && world->woken < world->queued);
    if (picked >= 0) {
        struct hand *sleeper = &world->hands[picked];
        assert_int_equal(sleeper->state, ASLEEP);
        assert_int_equal(world_apart(world, &hand->place, &sleeper->place), nearest);
        sleeper->state = WOKEN;
        world->woken++;
    }
    check_rule(world);
}

/* ---- a worker's step ---- */

static bool has_public(const struct hand *hand)
{
    return pn_load_relaxed(&hand->deque.top) < pn_load_relaxed(&hand->deque.split);
}

/* Whether there is something to take where a searching worker is about to look. */
static bool is_in_sight(struct world *world, const struct hand *hand)
{
    const struct hand *caller = CALLER(world);
    if (!hand->scout.is_in_round)
        return (pn_lane_count(hand->scout.lane) && !hand->scout.rests) ||
               (caller->place.node == hand->place.node && has_public(caller));
    const unsigned distance = pn_neighbor_distance(&hand->scout.walk);
    for (unsigned i = 0; i < world->workers; i++)
        if (world_apart(world, &hand->place, &world->hands[i].place) == distance &&
            has_public(&world->hands[i]))
            return true;
    return false;
}

static bool is_within_reach(const struct world *world, const struct hand *hand, unsigned distance)
{
    return distance != UINT_MAX &&
           (hand->scout.goes_everywhere ||
            world->now - hand->scout.idle_since >= pn_patience_ns(distance));
}

/* Rounds go outwards, and end where the worker's patience does. */
static void check_round(const struct world *world, struct hand *hand, bool was_in_round,
                        unsigned distance, const struct pn_step *step)
{
    if (!was_in_round) {
        hand->last_distance = 0;
    } else if (is_within_reach(world, hand, distance)) {
        assert_true(distance >= hand->last_distance);
        hand->last_distance = distance + 1;
    } else {
        assert_true(step->kind == PN_STEP_RUN || !hand->scout.is_in_round);
    }
    if (step->kind == PN_STEP_SLEEP) {
        assert_true(hand->scout.goes_everywhere);
        assert_int_equal(distance, UINT_MAX);
    }
}

static void begin(struct world *world, struct hand *hand, const struct pn_step *step)
{
    struct job *job = PN_CONTAINER_OF(step->task, struct job, task);
    assert_int_equal(job->runs++, 0);
    world->begun++;
    hand->turns++;
    hand->state = RUNNING;
    if (step->wants_another)
        owe_look(world, hand);
}

void world_step(struct world *world, struct hand *hand)
{
    assert_false(hand->owes_look);
    if (hand->state == WOKEN) {
        pn_scheduler_rise(&world->scheduler, &hand->scout);
        hand->state = SEARCHING;
        return;
    }
    const bool was_searching = hand->state == SEARCHING, was_in_round = hand->scout.is_in_round;
    const unsigned distance = was_in_round ? pn_neighbor_distance(&hand->scout.walk) : 0;
    const bool must_find = was_searching && is_in_sight(world, hand) &&
                           (!was_in_round || is_within_reach(world, hand, distance));
    const struct pn_step step = pn_scheduler_step(&world->scheduler, &hand->scout, world->now);
    if (was_searching)
        check_round(world, hand, was_in_round, distance, &step);
    if (must_find)
        assert_int_equal(step.kind, PN_STEP_RUN);
    if (step.kind == PN_STEP_RUN)
        begin(world, hand, &step);
    else
        hand->state = step.kind == PN_STEP_SLEEP ? ASLEEP : SEARCHING;
    check_rule(world);
}
