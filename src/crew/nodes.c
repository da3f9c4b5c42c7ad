/* SPDX-License-Identifier: MIT
 *
 * What a crew has on each node of the machine and each place of its plan; and its slots.
 */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "crew.h"
#include "plan.h"
#include "slab.h"

/* ---- slots ---- */

static struct pn_crew_node *node_of(struct pn_crew *crew, unsigned node)
{
    for (unsigned i = 0; i < crew->node_count; i++)
        if (crew->nodes[i].node == node)
            return &crew->nodes[i];
    return &crew->nodes[0];
}

/* Where the seat's CPU is, or without one its node. */
static const struct pn_place *place_of(const struct pn_crew *crew, enum pn_role role,
                                       unsigned index, const struct pinion_seat *seat,
                                       struct pn_place *own)
{
    if (role == PN_BASE)
        return &crew->places[index % crew->place_count];
    *own = role == PN_CALLER ? crew->caller_place : (struct pn_place){.node = seat->node};
    return own;
}

/* NULL when out of memory. */
static struct pn_neighbors *neighbors_from(const struct pn_crew *crew,
                                           const struct pn_place *place, unsigned start,
                                           const struct pn_crew_node *node)
{
    struct pn_neighbors *neighbors =
        pn_neighbors_make(&crew->distances, crew->places, crew->place_count, place, start);
    if (neighbors)
        neighbors->home = (unsigned)(node - crew->nodes);
    return neighbors;
}

/* False when out of memory. */
static bool make_record(struct pn_worker *worker)
{
    struct pn_record *record =
        pn_record_create(worker->crew, worker->role, worker->index, &worker->seat);
    if (!record)
        return false;
    record->head = (struct pn_head){.crew_id = worker->crew->id, .worker = worker};
    worker->record = record;
    worker->head = &record->head;
    worker->deque = &record->deque;
    worker->counters = &record->counters;
    return true;
}

static bool fill_slot(struct pn_worker *worker)
{
    const struct pn_crew *crew = worker->crew;
    struct pn_place own;
    const struct pn_place *place =
        place_of(crew, worker->role, worker->index, &worker->seat, &own);
    worker->neighbors = neighbors_from(crew, place, worker->index + 1, worker->node);
    const size_t queue = worker->role == PN_RESERVE ? crew->reserve_queue : crew->base_queue;
    if (!make_record(worker) || !worker->neighbors ||
        pn_slab_create(worker->node->arena, &worker->slab) ||
        pn_deque_init(worker->deque, queue))
        return false;
    pn_slab_show(worker->slab, &worker->record->slab);
    if (crew->idle_mode == PINION_IDLE_POLL)
        pn_deque_avoid_calls(worker->deque);
    worker->scout = (struct pn_scout){
        .index = worker->index,
        .is_base = worker->role == PN_BASE,
        .deque = worker->deque,
        .lane = &worker->node->lane,
        .neighbors = worker->neighbors,
        .slab = worker->slab,
        .head = &worker->head->shared,
        .counters = worker->counters,
        .random = worker->index * 2654435761u + 1, /* any but 0; different for each */
    };
    pn_worker_name(worker, worker->scout.name);
    return true;
}

static void free_slot(struct pn_worker *worker)
{
    if (worker->record) {
        pn_deque_fini(worker->deque);
        pn_head_clear(worker->head);
    }
    pn_slab_destroy(worker->slab);
    pn_times_free(&worker->times, worker->node->arena);
    free(worker->neighbors);
    pn_record_destroy(worker->crew, worker->record);
    pinion_arena_free(worker->node->arena, worker, worker->crew->kind->worker_bytes);
}

struct pn_worker *pn_worker_create(struct pn_crew *crew, enum pn_role role, unsigned index,
                                   struct pinion_seat seat)
{
    const int saved = errno;
    const size_t bytes = crew->kind->worker_bytes;
    struct pn_crew_node *node = node_of(crew, seat.node);
    struct pn_worker *worker = pinion_arena_alloc(node->arena, bytes, alignof(struct pn_worker));
    if (!worker)
        return NULL;
    memset((void *)worker, 0, bytes);
    worker->crew = crew;
    worker->role = role;
    worker->index = index;
    worker->seat = seat;
    worker->node = node;
    if (!fill_slot(worker)) {
        free_slot(worker);
        worker = NULL;
    }
    errno = saved;
    return worker;
}

void pn_worker_destroy(struct pn_worker *worker)
{
    if (worker)
        free_slot(worker);
}

struct pn_worker *pn_crew_add_base(struct pn_crew *crew)
{
    const unsigned index = pn_load_relaxed(&crew->scheduler.high);
    struct pn_worker *slot = pn_worker_create(crew, PN_BASE, index, pn_crew_seat(crew, index));
    if (slot) {
        pn_store_release(&crew->base[index], slot); /* pairs with the loads of those who wake */
        pn_scheduler_add_base(&crew->scheduler, &slot->scout);
    }
    return slot;
}

struct pn_worker *pn_crew_reserve(struct pn_crew *crew, unsigned index)
{
    unsigned chunk = 0, size = PN_RESERVE_FIRST;
    while (index >= size) {
        index -= size;
        size *= 2;
        chunk++;
    }
    /* Acquire: pairs with add_reserve_slot_locked. */
    return pn_load_acquire(&crew->reserves[chunk])[index];
}

/* ---- nodes ---- */

struct pn_crew_node *pn_crew_node_here(struct pn_crew *crew)
{
    if (crew->node_count == 1)
        return &crew->nodes[0];
    const int cpu = sched_getcpu(); /* no system call: by the vDSO */
    const bool is_known = cpu >= 0 && (unsigned)cpu < crew->node_of_cpu_count;
    return &crew->nodes[is_known ? crew->node_of_cpu[cpu] : 0];
}

static bool add_node(struct pn_crew *crew, unsigned node)
{
    for (unsigned i = 0; i < crew->node_count; i++)
        if (crew->nodes[i].node == node)
            return false;
    struct pn_crew_node *added = &crew->nodes[crew->node_count++];
    memset(added, 0, sizeof *added);
    added->node = node;
    pn_lane_init(&added->lane, crew->idle_mode == PINION_IDLE_POLL);
    return true;
}

static int fill_node(struct pn_crew *crew, struct pn_crew_node *node,
                     const struct pinion_topology *topology)
{
    const bool is_bound = pn_topology_is_this_machine(topology) && node->node != PINION_NO_NODE;
    int error = pinion_arena_create(is_bound ? (int)node->node : -1, &node->arena);
    if (!error && crew->idle_mode == PINION_IDLE_POLL)
        pn_arena_keep(node->arena);
    if (!error)
        error = pn_slab_create(node->arena, &node->slab);
    if (!error && crew->is_pinning)
        error = pn_cpu_mask_of(topology, node->node, &node->mask);
    if (!error) {
        const struct pn_place place = {.node = node->node};
        node->neighbors = neighbors_from(crew, &place, 0, node);
        error = node->neighbors ? 0 : -ENOMEM;
    }
    return error;
}

static void drain_node(struct pn_crew_node *node)
{
    pn_slab_destroy(node->slab);
    pn_times_free(&node->times, node->arena);
    free(node->neighbors);
    pn_cpu_mask_destroy(node->mask);
}

/* The nodes where somebody sits. */
static int make_nodes(struct pn_crew *crew, const struct pinion_topology *topology)
{
    crew->nodes = aligned_alloc(alignof(struct pn_crew_node),
                                (crew->place_count + 1) * sizeof crew->nodes[0]);
    if (!crew->nodes)
        return -ENOMEM;
    add_node(crew, crew->plan->caller.node);
    for (unsigned i = 0; i < crew->place_count; i++)
        add_node(crew, crew->places[i].node);
    int error = 0;
    for (unsigned i = 0; i < crew->node_count && !error; i++)
        error = fill_node(crew, &crew->nodes[i], topology);
    return error;
}

/* The index of the crew's node that is nearest to where a worker on CPU i would have its memory. */
static uint32_t nearest_node(const struct pn_crew *crew, const struct pinion_topology *topology,
                             unsigned i)
{
    const unsigned node = pn_plan_node(topology, i);
    uint32_t best = 0;
    unsigned nearest = UINT_MAX;
    for (unsigned n = 0; n < crew->node_count; n++) {
        const unsigned distance = pinion_topology_distance(topology, node, crew->nodes[n].node);
        if (distance < nearest) {
            nearest = distance;
            best = n;
        }
    }
    return best;
}

/* For outside threads: which of the crew's nodes is nearest to each CPU. */
static int map_cpus(struct pn_crew *crew, const struct pinion_topology *topology)
{
    const struct pinion_cpu *cpus;
    const unsigned count = pinion_topology_cpus(topology, &cpus);
    unsigned highest = 0;
    for (unsigned i = 0; i < count; i++)
        highest = cpus[i].os_index > highest ? cpus[i].os_index : highest;
    crew->node_of_cpu = calloc((size_t)highest + 1, sizeof crew->node_of_cpu[0]);
    if (!crew->node_of_cpu)
        return -ENOMEM;
    crew->node_of_cpu_count = highest + 1;
    for (unsigned i = 0; i < count; i++)
        crew->node_of_cpu[cpus[i].os_index] = nearest_node(crew, topology, i);
    return 0;
}

/* The distinct seats: what comes after them sits where they do. */
static int make_places(struct pn_crew *crew, const struct pinion_plan_options *options,
                       const struct pinion_topology *topology)
{
    const struct pinion_plan *plan = crew->plan;
    const unsigned seats = pn_plan_seat_count(topology, options);
    const unsigned slots = pn_crew_base_slots(crew);
    const unsigned count = seats < slots ? seats : slots;
    crew->places = calloc(count + (size_t)1, sizeof crew->places[0]);
    crew->node_of_place = calloc(count + (size_t)1, sizeof crew->node_of_place[0]);
    if (!crew->places || !crew->node_of_place)
        return -ENOMEM;
    crew->place_count = count;
    crew->is_pinning = plan->caller.cpu >= 0 || plan->caller.node != PINION_NO_NODE;
    crew->is_pinning = crew->is_pinning && pn_topology_is_this_machine(topology);
    for (unsigned i = 0; i < count; i++) {
        const struct pinion_seat seat = pn_crew_seat(crew, i);
        crew->places[i] = pn_place_of(topology, &seat);
    }
    crew->caller_place = pn_place_of(topology, &plan->caller);
    return pn_node_distances_init(&crew->distances, topology);
}

/* As the scheduler numbers them. */
static int number_nodes(struct pn_crew *crew)
{
    crew->lanes = calloc(crew->node_count, sizeof crew->lanes[0]);
    if (!crew->lanes)
        return -ENOMEM;
    for (unsigned i = 0; i < crew->node_count; i++)
        crew->lanes[i] = &crew->nodes[i].lane;
    for (unsigned i = 0; i < crew->place_count; i++)
        crew->node_of_place[i] = (unsigned)(node_of(crew, crew->places[i].node) - crew->nodes);
    return 0;
}

int pn_crew_make_nodes(struct pn_crew *crew, const struct pinion_plan_options *options,
                       const struct pinion_topology *topology)
{
    int error;
    if ((error = make_places(crew, options, topology)) || (error = make_nodes(crew, topology)) ||
        (error = map_cpus(crew, topology)) || (error = pn_crew_make_records(crew)))
        return error;
    return number_nodes(crew);
}

void pn_crew_drain_nodes(struct pn_crew *crew)
{
    for (unsigned i = 0; i < crew->node_count; i++)
        drain_node(&crew->nodes[i]);
    pn_crew_drop_records(crew);
    /* Tasks may hold memory of any node's arena: these go last. */
    for (unsigned i = 0; i < crew->node_count; i++)
        pinion_arena_destroy(crew->nodes[i].arena);
    free(crew->nodes);
    free(crew->node_of_cpu);
    free(crew->places);
    free(crew->lanes);
    free(crew->node_of_place);
    pn_node_distances_fini(&crew->distances);
}
