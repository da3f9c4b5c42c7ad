/* SPDX-License-Identifier: MIT
 *
 * NUMA nodes: which there are, how far from each other, and which one a CPU uses.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <hwloc.h>
#include <hwloc/distances.h>

#include "cpulist.h"
#include "detail.h"
#include "machine.h"

enum { DISTANCE_LOCAL = 10, DISTANCE_REMOTE = 20 };

unsigned pn_node_position(const struct pinion_topology *topology, unsigned node)
{
    unsigned i = 0;
    while (i < topology->node_total && topology->nodes[i].os_index != node)
        i++;
    return i;
}

unsigned pn_node_best(const struct pinion_topology *topology, hwloc_const_bitmap_t nodes)
{
    const struct pinion_node *best = NULL;
    for (unsigned i = 0; i < topology->node_total; i++) {
        const struct pinion_node *node = &topology->nodes[i];
        if (!hwloc_bitmap_isset(nodes, node->os_index))
            continue;
        if (!best || node->memory_bytes > best->memory_bytes ||
            (node->memory_bytes == best->memory_bytes && node->os_index < best->os_index))
            best = node;
    }
    return best ? best->os_index : PINION_NO_NODE;
}

/* A matrix in hwloc's units to SLIT's, where a node is 10 from itself. 0 in the diagonal (hops, not
 * latencies) leaves nothing to scale by. */
static unsigned scale(uint64_t value, uint64_t local)
{
    if (local == DISTANCE_LOCAL)
        return value < UINT_MAX ? (unsigned)value : UINT_MAX - 1;
    const double scaled = (double)value * DISTANCE_LOCAL / (double)local + 0.5;
    return scaled < (double)(UINT_MAX - 1) ? (unsigned)scaled : UINT_MAX - 1;
}

static void fill_defaults(struct pinion_topology *topology)
{
    const size_t total = topology->node_total;
    for (size_t a = 0; a < total; a++) {
        for (size_t b = 0; b < total; b++)
            topology->distances[a * total + b] = a == b ? DISTANCE_LOCAL : DISTANCE_REMOTE;
    }
}

/* The matrix may know fewer nodes than there are, or disallowed ones too. places[i] is that of its
 * node i. */
static void copy_matrix(struct pinion_topology *topology, const struct hwloc_distances_s *matrix,
                        const unsigned *places)
{
    const size_t total = topology->node_total;
    fill_defaults(topology);
    for (size_t i = 0; i < matrix->nbobjs; i++) {
        const uint64_t local = matrix->values[i * matrix->nbobjs + i];
        for (size_t j = 0; places[i] < total && local && j < matrix->nbobjs; j++) {
            const uint64_t value = matrix->values[i * matrix->nbobjs + j];
            if (places[j] < total && value)
                topology->distances[places[i] * total + places[j]] = scale(value, local);
        }
    }
}

static int keep_matrix(struct pinion_topology *topology, const struct hwloc_distances_s *matrix)
{
    const size_t total = topology->node_total;
    unsigned *places = calloc(matrix->nbobjs + 1, sizeof *places);
    topology->distances = calloc(total, total * sizeof *topology->distances);
    if (places && topology->distances) {
        for (unsigned i = 0; i < matrix->nbobjs; i++)
            places[i] = pn_node_position(topology, matrix->objs[i]->os_index);
        copy_matrix(topology, matrix, places);
    }
    const bool kept = places && topology->distances;
    free(places);
    return kept ? 0 : pn_error(ENOMEM, "no memory for the distances of %zu nodes", total);
}

/* hwloc calls the kernel's matrix NUMALatency; a file's may have another name, or several. */
static struct hwloc_distances_s *latency_matrix(hwloc_topology_t tree)
{
    struct hwloc_distances_s *matrix = NULL;
    unsigned count = 1;
    if (hwloc_distances_get_by_name(tree, "NUMALatency", &count, &matrix, 0) || count == 0) {
        count = 1;
        if (hwloc_distances_get_by_type(tree, HWLOC_OBJ_NUMANODE, &count, &matrix,
                                        HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0) ||
            count == 0)
            return NULL;
    }
    return matrix;
}

static bool is_of_nodes(const struct hwloc_distances_s *matrix)
{
    for (unsigned i = 0; i < matrix->nbobjs; i++) {
        if (!matrix->objs[i] || matrix->objs[i]->type != HWLOC_OBJ_NUMANODE)
            return false;
    }
    return true;
}

static int read_distances(struct pinion_topology *topology)
{
    struct hwloc_distances_s *matrix = latency_matrix(topology->tree);
    if (!matrix)
        return 0;
    int error = 0;
    if (is_of_nodes(matrix) && topology->node_total)
        error = keep_matrix(topology, matrix);
    hwloc_distances_release(topology->tree, matrix);
    return error;
}

int pn_nodes_read(struct pinion_topology *topology)
{
    const int found = hwloc_get_nbobjs_by_type(topology->tree, HWLOC_OBJ_NUMANODE);
    hwloc_const_bitmap_t allowed = hwloc_topology_get_allowed_nodeset(topology->tree);
    topology->nodes = calloc(found > 0 ? (size_t)found : 1, sizeof *topology->nodes);
    if (!topology->nodes)
        return pn_error(ENOMEM, "no memory for %d nodes", found);
    hwloc_obj_t node = NULL;
    while ((node = hwloc_get_next_obj_by_type(topology->tree, HWLOC_OBJ_NUMANODE, node))) {
        if (!hwloc_bitmap_isset(allowed, node->os_index))
            continue;
        topology->nodes[topology->node_total++] = (struct pinion_node){
            .os_index = node->os_index,
            .memory_bytes = node->attr->numanode.local_memory,
        };
    }
    return read_distances(topology);
}

unsigned pn_node_distance(const struct pinion_topology *topology, unsigned a, unsigned b)
{
    if (topology->distances)
        return topology->distances[(size_t)a * topology->node_total + b];
    return a == b ? DISTANCE_LOCAL : DISTANCE_REMOTE;
}

unsigned pinion_topology_distance(const struct pinion_topology *topology, unsigned node_a,
                                  unsigned node_b)
{
    const unsigned a = pn_node_position(topology, node_a), b = pn_node_position(topology, node_b);
    if (a == topology->node_total || b == topology->node_total)
        return UINT_MAX;
    return pn_node_distance(topology, a, b);
}
