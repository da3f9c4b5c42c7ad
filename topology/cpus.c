/* SPDX-License-Identifier: MIT
 *
 * The allowed CPUs, and where each stands: core, package, cache, node, and the node nearest to it.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include <hwloc.h>
#include <hwloc/cpukinds.h>

#include "detail.h"
#include "machine.h"
#include "sysfs.h"

/* Numbers the distinct objects met in logical order. Where all CPUs have one of a type, these are
 * hwloc's logical indexes; where some have none and another object stands in, no two share one. */
struct numbering {
    hwloc_obj_t last;
    unsigned count;
};

static unsigned number_of(struct numbering *numbering, hwloc_obj_t object)
{
    if (object != numbering->last)
        numbering->count++;
    numbering->last = object;
    return numbering->count - 1;
}

static hwloc_obj_t package_of(hwloc_topology_t tree, hwloc_obj_t cpu)
{
    hwloc_obj_t package = hwloc_get_ancestor_obj_by_type(tree, HWLOC_OBJ_PACKAGE, cpu);
    return package ? package : hwloc_get_root_obj(tree);
}

static hwloc_obj_t core_of(hwloc_topology_t tree, hwloc_obj_t cpu)
{
    hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(tree, HWLOC_OBJ_CORE, cpu);
    return core ? core : cpu;
}

/* The topmost cache above a CPU. */
static hwloc_obj_t llc_of(hwloc_topology_t tree, hwloc_obj_t cpu)
{
    hwloc_obj_t cache = NULL;
    for (hwloc_obj_t at = cpu->parent; at; at = at->parent) {
        if (hwloc_obj_type_is_dcache(at->type))
            cache = at;
    }
    return cache ? cache : package_of(tree, cpu);
}

static unsigned kind_of(const struct pinion_topology *topology, hwloc_obj_t cpu)
{
    if (topology->kind_total < 2)
        return 0;
    const int kind = hwloc_cpukinds_get_by_cpuset(topology->tree, cpu->cpuset, 0);
    return kind < 0 ? 0 : topology->kinds[kind].rank;
}

static void count_on_node(struct pinion_topology *topology, unsigned node)
{
    const unsigned position = pn_node_position(topology, node);
    if (position < topology->node_total)
        topology->nodes[position].cpu_count++;
}

int pn_cpus_read(struct pinion_topology *topology)
{
    const int total = hwloc_bitmap_weight(topology->sets.allowed);
    struct numbering cores = {0}, packages = {0}, llcs = {0};
    unsigned core_before = UINT_MAX, smt_rank = 0;
    topology->cpus = calloc((size_t)total, sizeof *topology->cpus);
    if (!topology->cpus)
        return pn_error(ENOMEM, "no memory for %d cpus", total);
    hwloc_obj_t cpu = NULL;
    while ((cpu = hwloc_get_next_obj_by_type(topology->tree, HWLOC_OBJ_PU, cpu))) {
        struct pinion_cpu made = {
            .os_index = cpu->os_index,
            .core = number_of(&cores, core_of(topology->tree, cpu)),
            .package = number_of(&packages, package_of(topology->tree, cpu)),
            .llc = number_of(&llcs, llc_of(topology->tree, cpu)),
        };
        if (!hwloc_bitmap_isset(topology->sets.allowed, cpu->os_index))
            continue;
        smt_rank = made.core == core_before ? smt_rank + 1 : 0;
        core_before = made.core;
        made.smt_rank = smt_rank;
        made.kind = kind_of(topology, cpu);
        made.node = pn_node_best(topology, cpu->nodeset);
        count_on_node(topology, made.node);
        topology->cpus[topology->cpu_total++] = made;
    }
    return 0;
}

/* How far a CPU without a usable node is from each node: by the distances of the node that it would
 * have (memoryless, or not allowed to this process), as the kernel tells them. */
struct viewpoint {
    const struct pinion_topology *topology;
    hwloc_obj_t cpu;
    const struct pn_node_row *row; /* count 0: the kernel tells nothing */
};

/* How many levels up the tree a node gets near: the fewer the nearer. */
static unsigned levels_to(const struct viewpoint *from, unsigned node)
{
    unsigned levels = 0;
    for (hwloc_obj_t at = from->cpu; at; at = at->parent, levels++) {
        if (hwloc_bitmap_isset(at->nodeset, node))
            break;
    }
    return levels;
}

static bool is_nearer(const struct viewpoint *from, const struct pinion_node *a,
                      const struct pinion_node *b)
{
    const unsigned distance_a = pn_node_row_distance(from->row, a->os_index);
    const unsigned distance_b = pn_node_row_distance(from->row, b->os_index);
    if (distance_a != distance_b)
        return distance_a < distance_b;
    const unsigned levels_a = levels_to(from, a->os_index), levels_b = levels_to(from, b->os_index);
    if (levels_a != levels_b)
        return levels_a < levels_b;
    if (a->memory_bytes != b->memory_bytes)
        return a->memory_bytes > b->memory_bytes;
    return a->os_index < b->os_index;
}

/* memory_known: some node has a size, so that those of size 0 have no memory; else 0 is unknown. */
static unsigned nearest_node(const struct viewpoint *from, bool memory_known)
{
    const struct pinion_node *best = NULL;
    for (unsigned i = 0; i < from->topology->node_total; i++) {
        const struct pinion_node *node = &from->topology->nodes[i];
        if (memory_known && node->memory_bytes == 0)
            continue;
        if (!best || is_nearer(from, node, best))
            best = node;
    }
    return best ? best->os_index : PINION_NO_NODE;
}

static bool has_memory(const struct pinion_topology *topology, unsigned node)
{
    const unsigned position = pn_node_position(topology, node);
    return position < topology->node_total && topology->nodes[position].memory_bytes > 0;
}

/* What finding homes needs over and over. */
struct search {
    const struct pinion_topology *topology;
    const char *root;
    bool memory_known;
    struct pn_node_row row;
};

static int home_of(struct search *search, const struct pinion_cpu *cpu, unsigned *home)
{
    const struct pinion_topology *topology = search->topology;
    if (search->memory_known ? has_memory(topology, cpu->node) : cpu->node != PINION_NO_NODE) {
        *home = cpu->node;
        return 0;
    }
    if ((topology->this_machine || *search->root) &&
        pn_node_row_read(search->root, cpu->os_index, &search->row))
        return pn_error(ENOMEM, "no memory for the distances of a node");
    const struct viewpoint from = {
        .topology = topology,
        .cpu = hwloc_get_pu_obj_by_os_index(topology->tree, cpu->os_index),
        .row = &search->row,
    };
    *home = nearest_node(&from, search->memory_known);
    return 0;
}

int pn_homes_read(struct pinion_topology *topology, const char *root)
{
    struct search search = {.topology = topology, .root = root};
    for (unsigned i = 0; i < topology->node_total; i++)
        search.memory_known |= topology->nodes[i].memory_bytes > 0;
    topology->homes = calloc(topology->cpu_total, sizeof *topology->homes);
    if (!topology->homes)
        return pn_error(ENOMEM, "no memory for the nodes of %u cpus", topology->cpu_total);
    int error = 0;
    for (unsigned i = 0; i < topology->cpu_total && !error; i++)
        error = home_of(&search, &topology->cpus[i], &topology->homes[i]);
    pn_node_row_fini(&search.row);
    return error;
}
