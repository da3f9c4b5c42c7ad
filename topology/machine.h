/* SPDX-License-Identifier: MIT
 *
 * What a topology is inside this room: filled in stages by pinion_topology_load, read-only after.
 * The stages run in the order of their declarations below.
 */
#ifndef PN_MACHINE_H
#define PN_MACHINE_H

#include <stdbool.h>

#include <hwloc.h>

#include <pinion/topology.h>

#include "buffer.h"
#include "cgroup.h"

/* The sets that "which CPUs?" can mean, never mixed up. Those of a machine that is not this one
 * are NULL from affinity on. present >= online >= cpuset >= allowed. */
struct pn_sets {
    hwloc_bitmap_t present; /* there, perhaps offline */
    hwloc_bitmap_t online;  /* the kernel runs on them */
    hwloc_bitmap_t cpuset;  /* what the cgroup allows (in a file: what its machine's allowed) */
    hwloc_bitmap_t allowed; /* what is used: cpuset cut to the affinity mask or the explicit list */
    hwloc_bitmap_t affinity;  /* inherited mask of the thread that loaded the topology */
    hwloc_bitmap_t isolated;  /* isolcpus: outside the scheduler's balancing */
    hwloc_bitmap_t nohz_full; /* without a tick */
};

/* A kind of core, by hwloc's index; rank is what struct pinion_cpu calls kind. */
struct pn_kind {
    unsigned rank;
    bool ranked; /* false: the machine does not tell which kind is faster, and all ranks are 0 */
};

struct pinion_topology {
    hwloc_topology_t tree; /* the whole machine, disallowed CPUs too */
    char *source;          /* "this machine", "xml FILE", "synthetic TEXT" */
    bool this_machine;

    struct pn_sets sets;
    struct pn_cgroup cgroup;
    struct pn_buffer limits;
    unsigned cpu_count; /* 1 <= cpu_count <= cpu_total */

    unsigned node_total;
    struct pinion_node *nodes;
    unsigned *distances; /* node_total squared, row by row; NULL where the machine tells none */

    unsigned kind_total;
    struct pn_kind *kinds;

    unsigned cpu_total;
    struct pinion_cpu *cpus;
    unsigned *homes; /* for each of cpus: the node whose memory it uses, its own or the nearest;
                        PINION_NO_NODE if there is none */
};

/* All return 0 or -errno with an error detail, and leave what they made to be freed by
 * pinion_topology_destroy. root is put before /proc and /sys: "" but in tests. */

/* tree, source, this_machine. */
int pn_source_open(struct pinion_topology *topology, const struct pinion_topology_options *options);

/* sets, cgroup, limits, cpu_count. */
int pn_limits_read(struct pinion_topology *topology, const struct pinion_topology_options *options,
                   const char *root);

/* nodes, distances. */
int pn_nodes_read(struct pinion_topology *topology);

/* kinds. */
int pn_kinds_read(struct pinion_topology *topology);

/* cpus. */
int pn_cpus_read(struct pinion_topology *topology);

/* homes. */
int pn_homes_read(struct pinion_topology *topology, const char *root);

/* pinion_topology_load with another root. With one other than "" the kernel's words under it hold
 * for any source, so that fake trees can be tested with fake machines; the affinity mask is not
 * looked at then. */
int pn_topology_load_at(const char *root, const struct pinion_topology_options *options,
                        struct pinion_topology **topology);

/* The place of a node in nodes by OS index, node_total if it is none. */
unsigned pn_node_position(const struct pinion_topology *topology, unsigned node);

/* The distance between nodes by their places in nodes. */
unsigned pn_node_distance(const struct pinion_topology *topology, unsigned a, unsigned b);

/* The best of several nodes local to a CPU: the largest, then the lowest. PINION_NO_NODE for an
 * empty set. */
unsigned pn_node_best(const struct pinion_topology *topology, hwloc_const_bitmap_t nodes);

#endif
