/* SPDX-License-Identifier: MIT
 *
 * In which order a worker looks at the others: by distance. The same order serves to wake them: who
 * is nearest to a new task is who looks there first.
 *
 * Workers share a machine's seats: where there are more workers than seats, worker i sits where
 * worker i % seats does. So an order lists places (seats), and a walk over it gives every worker of
 * a place.
 */
#ifndef PN_NEIGHBORS_H
#define PN_NEIGHBORS_H

#include <stdbool.h>
#include <stdint.h>

struct pinion_topology;
struct pinion_seat;

/* Where somebody sits, as far as distance goes. */
struct pn_place {
    bool is_pinned;           /* core and llc mean something */
    unsigned core, llc, node; /* node: PINION_NO_NODE where there is none */
};

enum pn_distance { PN_SAME_CORE, PN_SAME_LLC, PN_SAME_NODE, PN_OTHER_NODE };
#define PN_FARTHEST UINT16_MAX

struct pn_neighbor {
    uint32_t place;
    uint16_t distance; /* enum pn_distance, and above it the farther nodes in turn */
};

struct pn_neighbors {
    unsigned home;  /* the number that whoever keeps it gives the node that it is seen from */
    unsigned count; /* places */
    struct pn_neighbor entries[];
};

/* The place of a seat. */
struct pn_place pn_place_of(const struct pinion_topology *topology, const struct pinion_seat *seat);

/* Where the farthest of two places lie from each other; nodes: distances between nodes as of
 * pinion_topology_distance, looked up through a copy that outlives the topology. */
struct pn_node_distances {
    unsigned count;
    unsigned *nodes;    /* OS indices, count of them */
    unsigned *distance; /* count × count */
};
int pn_node_distances_init(struct pn_node_distances *distances,
                           const struct pinion_topology *topology);
void pn_node_distances_fini(struct pn_node_distances *distances);

/* All places, nearest to `from` first, those equally near in the order of their numbers from
 * `start` on, so that workers do not all begin with the same one. home is 0. NULL when out of
 * memory; free() it. */
struct pn_neighbors *pn_neighbors_make(const struct pn_node_distances *distances,
                               const struct pn_place *places, unsigned count,
                               const struct pn_place *from, unsigned start);

/* A walk over workers. skip: turned by so many entries within each distance, for chance. */
struct pn_neighbor_walk {
    const struct pn_neighbors *neighbors;
    unsigned entry, wrap, skip, group_begin, group_end;
};
struct pn_neighbor_walk pn_neighbor_walk(const struct pn_neighbors *neighbors, unsigned skip);

/* How far the next place is; UINT_MAX at the end. */
unsigned pn_neighbor_distance(const struct pn_neighbor_walk *walk);

/* The next worker of `workers`; false at the end, or if the next place is farther than said, where
 * the walk may go on later. */
bool pn_neighbor_next(struct pn_neighbor_walk *walk, unsigned workers, unsigned farthest,
                      unsigned *worker);

#endif
