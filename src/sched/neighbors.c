/* SPDX-License-Identifier: MIT */
#include "neighbors.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include <pinion/plan.h>
#include <pinion/topology.h>

struct pn_place pn_place_of(const struct pinion_topology *topology, const struct pinion_seat *seat)
{
    struct pn_place place = {.node = seat->node};
    const struct pinion_cpu *cpus;
    const unsigned count = pinion_topology_cpus(topology, &cpus);
    for (unsigned i = 0; seat->cpu >= 0 && i < count; i++) {
        if (cpus[i].os_index != (unsigned)seat->cpu)
            continue;
        place.is_pinned = true;
        place.core = cpus[i].core;
        place.llc = cpus[i].llc;
        break;
    }
    return place;
}

int pn_node_distances_init(struct pn_node_distances *distances,
                           const struct pinion_topology *topology)
{
    const struct pinion_node *nodes;
    const unsigned count = pinion_topology_nodes(topology, &nodes);
    distances->count = count;
    distances->nodes = calloc(count + 1, sizeof distances->nodes[0]);
    distances->distance = calloc((size_t)count * count + 1, sizeof distances->distance[0]);
    if (!distances->nodes || !distances->distance) {
        pn_node_distances_fini(distances);
        return -ENOMEM;
    }
    for (unsigned a = 0; a < count; a++) {
        distances->nodes[a] = nodes[a].os_index;
        for (unsigned b = 0; b < count; b++)
            distances->distance[a * count + b] =
                pinion_topology_distance(topology, nodes[a].os_index, nodes[b].os_index);
    }
    return 0;
}

void pn_node_distances_fini(struct pn_node_distances *distances)
{
    free(distances->nodes);
    free(distances->distance);
    distances->nodes = distances->distance = NULL;
    distances->count = 0;
}

static unsigned node_index(const struct pn_node_distances *distances, unsigned node)
{
    unsigned i = 0;
    while (i < distances->count && distances->nodes[i] != node)
        i++;
    return i;
}

/* What two different nodes are apart, 0 to 60,000. */
static unsigned between_nodes(const struct pn_node_distances *distances, unsigned a, unsigned b)
{
    const unsigned i = node_index(distances, a), j = node_index(distances, b);
    if (i >= distances->count || j >= distances->count)
        return 60000;
    const unsigned distance = distances->distance[i * distances->count + j];
    return distance < 60000 ? distance : 60000;
}

static uint16_t distance_between(const struct pn_node_distances *distances,
                                 const struct pn_place *a, const struct pn_place *b)
{
    const bool pinned = a->is_pinned && b->is_pinned;
    if (a->node != b->node) /* also if one cache serves both */
        return (uint16_t)(PN_OTHER_NODE + between_nodes(distances, a->node, b->node));
    if (pinned && a->core == b->core)
        return PN_SAME_CORE;
    if (pinned && a->llc == b->llc)
        return PN_SAME_LLC;
    return PN_SAME_NODE;
}

struct sortable {
    struct pn_neighbor entry;
    uint32_t turn;
};

static int nearer_first(const void *a, const void *b)
{
    const struct sortable *x = a, *y = b;
    if (x->entry.distance != y->entry.distance)
        return x->entry.distance < y->entry.distance ? -1 : 1;
    return x->turn < y->turn ? -1 : x->turn > y->turn;
}

struct pn_neighbors *pn_neighbors_make(const struct pn_node_distances *distances,
                               const struct pn_place *places, unsigned count,
                               const struct pn_place *from, unsigned start)
{
    struct pn_neighbors *neighbors =
        malloc(sizeof *neighbors + count * sizeof neighbors->entries[0]);
    struct sortable *sorted = malloc((count + 1) * sizeof sorted[0]);
    if (!neighbors || !sorted) {
        free(neighbors);
        free(sorted);
        return NULL;
    }
    for (unsigned i = 0; i < count; i++) {
        sorted[i].entry.place = i;
        sorted[i].entry.distance = distance_between(distances, from, &places[i]);
        sorted[i].turn = (i + count - start % count) % count;
    }
    qsort(sorted, count, sizeof sorted[0], nearer_first);
    neighbors->home = 0;
    neighbors->count = count;
    for (unsigned i = 0; i < count; i++)
        neighbors->entries[i] = sorted[i].entry;
    free(sorted);
    return neighbors;
}

/* Makes the entries [group_begin, group_end) the next ones that lie equally far. */
static void next_group(struct pn_neighbor_walk *walk)
{
    const struct pn_neighbors *neighbors = walk->neighbors;
    walk->group_begin = walk->group_end;
    const struct pn_neighbor *entries = neighbors->entries;
    while (walk->group_end < neighbors->count &&
           entries[walk->group_end].distance == entries[walk->group_begin].distance)
        walk->group_end++;
}

struct pn_neighbor_walk pn_neighbor_walk(const struct pn_neighbors *neighbors, unsigned skip)
{
    struct pn_neighbor_walk walk = {.neighbors = neighbors, .skip = skip};
    next_group(&walk);
    return walk;
}

unsigned pn_neighbor_distance(const struct pn_neighbor_walk *walk)
{
    const struct pn_neighbors *neighbors = walk->neighbors;
    return walk->group_begin < neighbors->count ? neighbors->entries[walk->group_begin].distance
                                                : UINT_MAX;
}

bool pn_neighbor_next(struct pn_neighbor_walk *walk, unsigned workers, unsigned farthest,
                      unsigned *worker)
{
    const struct pn_neighbors *neighbors = walk->neighbors;
    while (pn_neighbor_distance(walk) <= farthest) {
        const unsigned size = walk->group_end - walk->group_begin;
        const unsigned turned = walk->group_begin + (walk->entry + walk->skip % size) % size;
        const uint64_t index =
            neighbors->entries[turned].place + (uint64_t)walk->wrap * neighbors->count;
        if (index < workers) {
            walk->wrap++;
            *worker = (unsigned)index;
            return true;
        }
        walk->wrap = 0;
        if (++walk->entry == size) {
            walk->entry = 0;
            next_group(walk);
        }
    }
    return false;
}
