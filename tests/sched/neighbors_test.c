/* SPDX-License-Identifier: MIT
 *
 * The order in which workers look at each other, on machines that are described, not there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pinion/plan.h>
#include <pinion/topology.h>

#include "neighbors.h"

/* A machine, a plan that seats workers on all of its CPUs, and their places. */
struct machine {
    struct pinion_topology *topology;
    struct pinion_plan *plan;
    struct pn_node_distances distances;
    struct pn_place *places;
    unsigned count;
};

static void load(struct machine *machine, const char *synthetic, enum pinion_placement placement)
{
    const struct pinion_topology_options how = {.synthetic = synthetic};
    const struct pinion_cpu *cpus;
    assert_int_equal(pinion_topology_load(&how, &machine->topology), 0);
    machine->count = pinion_topology_cpus(machine->topology, &cpus) - 1;
    const struct pinion_plan_options options = {.placement = placement, .workers = machine->count};
    assert_int_equal(pinion_plan_make(machine->topology, &options, &machine->plan), 0);
    assert_int_equal(pn_node_distances_init(&machine->distances, machine->topology), 0);
    machine->places = calloc(machine->count, sizeof *machine->places);
    assert_non_null(machine->places);
    for (unsigned i = 0; i < machine->count; i++)
        machine->places[i] = pn_place_of(machine->topology, &machine->plan->seats[i]);
}

static void unload(struct machine *machine)
{
    free(machine->places);
    pn_node_distances_fini(&machine->distances);
    pinion_plan_destroy(machine->plan);
    pinion_topology_destroy(machine->topology);
}

static struct pn_neighbors *neighbors_of(const struct machine *machine, unsigned from,
                                         unsigned start)
{
    struct pn_neighbors *neighbors = pn_neighbors_make(
        &machine->distances, machine->places, machine->count, &machine->places[from], start);
    assert_non_null(neighbors);
    assert_int_equal(neighbors->count, machine->count);
    return neighbors;
}

/* How far apart two seats are by what the topology says, in the terms of enum pn_distance. */
static unsigned apart(const struct machine *machine, unsigned a, unsigned b)
{
    const struct pn_place *x = &machine->places[a], *y = &machine->places[b];
    if (x->node != y->node)
        return PN_OTHER_NODE + pinion_topology_distance(machine->topology, x->node, y->node);
    if (x->is_pinned && y->is_pinned && x->core == y->core)
        return PN_SAME_CORE;
    return x->is_pinned && y->is_pinned && x->llc == y->llc ? PN_SAME_LLC : PN_SAME_NODE;
}

static const char *const machines[] = {
    "pu:2",
    "core:4 pu:2",
    "node:2 core:4 pu:2",
    "pack:2 node:2 l3:2 core:2 pu:2",
    "node:4 l3:1 core:3 pu:1",
    "pack:2 l3:1 core:5 pu:2",
};
#define MACHINES (sizeof machines / sizeof machines[0])

static void every_place_is_named_once_nearest_first(void **state)
{
    (void)state;
    for (size_t m = 0; m < MACHINES; m++) {
        struct machine machine;
        load(&machine, machines[m], PINION_PLACE_COMPACT);
        for (unsigned from = 0; from < machine.count; from++) {
            bool seen[64] = {false};
            struct pn_neighbors *neighbors = neighbors_of(&machine, from, from + 1);
            unsigned last = 0;
            for (unsigned i = 0; i < machine.count; i++) {
                const unsigned place = neighbors->entries[i].place;
                assert_in_range(place, 0, machine.count - 1);
                assert_false(seen[place]);
                seen[place] = true;
                const unsigned distance = apart(&machine, from, place);
                assert_int_equal(neighbors->entries[i].distance, distance);
                assert_true(distance >= last);
                last = distance;
            }
            assert_int_equal(neighbors->entries[0].distance, PN_SAME_CORE); /* itself, or as near */
            free(neighbors);
        }
        unload(&machine);
    }
}

static void core_then_cache_then_node_then_farther_nodes(void **state)
{
    struct machine machine;
    (void)state;
    load(&machine, "pack:2 node:2 l3:2 core:2 pu:2", PINION_PLACE_COMPACT);
    struct pn_neighbors *neighbors = neighbors_of(&machine, 0, 1);
    unsigned classes[4] = {0};
    for (unsigned i = 0; i < machine.count; i++) {
        const unsigned distance = neighbors->entries[i].distance;
        classes[distance < PN_OTHER_NODE ? distance : PN_OTHER_NODE]++;
    }
    /* One CPU of 32 is the caller's; wherever that is, of three nodes 24 or 23 are farther. */
    assert_in_range(classes[PN_SAME_CORE], 1, 2);
    assert_in_range(classes[PN_SAME_LLC], 1, 2);
    assert_in_range(classes[PN_SAME_NODE], 3, 4);
    assert_in_range(classes[PN_OTHER_NODE], 23, 24);
    free(neighbors);
    unload(&machine);
}

static void equally_near_ones_begin_at_the_start_given(void **state)
{
    struct machine machine;
    (void)state;
    load(&machine, "core:8 pu:1", PINION_PLACE_COMPACT);
    for (unsigned start = 0; start < 2 * machine.count; start++) {
        struct pn_neighbors *neighbors = neighbors_of(&machine, 0, start);
        unsigned expected = start % machine.count;
        for (unsigned i = 0; i < machine.count; i++) {
            if (neighbors->entries[i].place == 0) /* itself is nearer than the others */
                continue;
            if (expected == 0)
                expected = 1 % machine.count;
            assert_int_equal(neighbors->entries[i].place, expected);
            expected = (expected + 1) % machine.count;
        }
        free(neighbors);
    }
    unload(&machine);
}

/* ---- walks ---- */

static void walk_visits_each_once(const struct machine *machine,
                                  const struct pn_neighbors *neighbors, unsigned skip,
                                  unsigned workers)
{
    bool *seen = calloc(workers + 1, sizeof *seen);
    assert_non_null(seen);
    struct pn_neighbor_walk walk = pn_neighbor_walk(neighbors, skip);
    unsigned visited = 0, last = 0;
    for (unsigned worker; pn_neighbor_next(&walk, workers, PN_FARTHEST, &worker); visited++) {
        assert_true(worker < workers);
        assert_false(seen[worker]);
        seen[worker] = true;
        unsigned distance = 0;
        for (unsigned i = 0; i < neighbors->count; i++)
            if (neighbors->entries[i].place == worker % machine->count)
                distance = neighbors->entries[i].distance;
        assert_true(distance >= last);
        last = distance;
    }
    assert_int_equal(visited, workers);
    unsigned unused;
    assert_false(pn_neighbor_next(&walk, workers, PN_FARTHEST, &unused));
    free(seen);
}

static void a_walk_visits_every_worker_once_nearest_first(void **state)
{
    (void)state;
    for (size_t m = 0; m < MACHINES; m++) {
        struct machine machine;
        load(&machine, machines[m], PINION_PLACE_SCATTER);
        for (unsigned from = 0; from < machine.count; from += 3) {
            struct pn_neighbors *neighbors = neighbors_of(&machine, from, from + 1);
            static const uint32_t skips[] = {0, 1, 2, 7, 31, UINT32_MAX};
            for (size_t s = 0; s < sizeof skips / sizeof skips[0]; s++) {
                walk_visits_each_once(&machine, neighbors, skips[s], machine.count);
                walk_visits_each_once(&machine, neighbors, skips[s], 0);
                walk_visits_each_once(&machine, neighbors, skips[s], 1);
                walk_visits_each_once(&machine, neighbors, skips[s], machine.count / 2);
                walk_visits_each_once(&machine, neighbors, skips[s], machine.count + 1);
                walk_visits_each_once(&machine, neighbors, skips[s], 3 * machine.count + 2);
            }
            free(neighbors);
        }
        unload(&machine);
    }
}

static void chance_turns_those_equally_near_only(void **state)
{
    struct machine machine;
    unsigned first[8] = {0};
    (void)state;
    load(&machine, "core:8 pu:1", PINION_PLACE_COMPACT);
    struct pn_neighbors *neighbors = neighbors_of(&machine, 0, 1);
    for (unsigned skip = 0; skip < 60; skip++) {
        struct pn_neighbor_walk walk = pn_neighbor_walk(neighbors, skip);
        unsigned worker;
        assert_true(pn_neighbor_next(&walk, machine.count, PN_FARTHEST, &worker));
        assert_int_equal(worker, 0);
        assert_true(pn_neighbor_next(&walk, machine.count, PN_FARTHEST, &worker));
        first[worker]++;
    }
    for (unsigned i = 1; i < machine.count; i++)
        assert_int_equal(first[i], 60 / (machine.count - 1));
    free(neighbors);
    unload(&machine);
}

static void a_walk_without_places_ends_at_once(void **state)
{
    const struct pn_neighbors none = {.count = 0};
    struct pn_neighbor_walk walk = pn_neighbor_walk(&none, 5);
    unsigned worker;
    (void)state;
    assert_false(pn_neighbor_next(&walk, 4, PN_FARTHEST, &worker));
}

static void seats_that_are_not_pinned_are_as_far_as_their_nodes(void **state)
{
    struct machine machine;
    (void)state;
    load(&machine, "node:2 core:4 pu:2", PINION_PLACE_NODE);
    struct pn_neighbors *neighbors = neighbors_of(&machine, 0, 0);
    for (unsigned i = 0; i < machine.count; i++) {
        const struct pn_place *place = &machine.places[neighbors->entries[i].place];
        assert_false(place->is_pinned);
        if (place->node == machine.places[0].node)
            assert_int_equal(neighbors->entries[i].distance, PN_SAME_NODE);
        else
            assert_true(neighbors->entries[i].distance > PN_OTHER_NODE);
    }
    free(neighbors);
    unload(&machine);
}

static void distances_outlive_the_topology(void **state)
{
    struct machine machine;
    (void)state;
    load(&machine, "node:4 l3:1 core:3 pu:1", PINION_PLACE_COMPACT);
    assert_int_equal(machine.distances.count, 4);
    pinion_topology_destroy(machine.topology);
    machine.topology = NULL;
    struct pn_neighbors *neighbors = neighbors_of(&machine, 1, 2);
    walk_visits_each_once(&machine, neighbors, 3, machine.count);
    free(neighbors);
    unload(&machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_place_is_named_once_nearest_first),
        cmocka_unit_test(core_then_cache_then_node_then_farther_nodes),
        cmocka_unit_test(equally_near_ones_begin_at_the_start_given),
        cmocka_unit_test(a_walk_visits_every_worker_once_nearest_first),
        cmocka_unit_test(chance_turns_those_equally_near_only),
        cmocka_unit_test(a_walk_without_places_ends_at_once),
        cmocka_unit_test(seats_that_are_not_pinned_are_as_far_as_their_nodes),
        cmocka_unit_test(distances_outlive_the_topology),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
