/* SPDX-License-Identifier: MIT
 *
 * The machine, as a program may use it: the logical CPUs it is allowed to run on, their cores,
 * packages and NUMA nodes, and how many of them to count on.
 *
 * Terms. A *cpu* is a logical processor, a *core* a physical one, a *node* a NUMA node. CPUs and
 * nodes go by their OS index, which need not begin at 0 nor be contiguous; cores, packages and last
 * level caches by hwloc's logical index.
 *
 * A topology is read once and never changes: all functions but load and destroy may be called by
 * any number of threads at once.
 */
#ifndef PINION_TOPOLOGY_H
#define PINION_TOPOLOGY_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <pinion/api.h>

PINION_BEGIN

/* The node of a CPU that has none, an index that does not exist. */
#define PINION_NO_NODE UINT_MAX

struct pinion_topology;

struct pinion_topology_options {
    const char *xml_path;  /* an hwloc XML file instead of this machine; NULL: this machine */
    const char *synthetic; /* an hwloc synthetic description instead, "pack:2 core:4 pu:2" */
    const char *cpus;      /* "0-3,8" or "0-14:2": only these. May name CPUs that the inherited mask
                              lacks (isolated ones, say), never one outside the cgroup's cpuset */
    bool ignore_quota;     /* do not cut cpu_count to the cgroup's CPU quota (default: cut) */
    uint64_t reserved[8];  /* zero */
};

/* Reads a topology. options may be NULL: this machine, all defaults. The caller owns *topology.
 * Never changes any binding of the calling thread or process.
 * Errors: -EINVAL (both xml_path and synthetic; a list, file or description that does not parse;
 * a CPU that is not there or not allowed; a reserved field that is not zero), -ENOENT and other
 * errors of opening xml_path, -ENOMEM; each with pinion_error_detail(). */
PINION_API int pinion_topology_load(const struct pinion_topology_options *options,
                                    struct pinion_topology **topology);

/* Frees a topology. Every array and string taken from it goes with it. NULL is allowed. */
PINION_API void pinion_topology_destroy(struct pinion_topology *topology);

struct pinion_cpu {
    unsigned os_index; /* what taskset and the kernel call it */
    unsigned core;     /* logical index of its core; a CPU without a core object is its own core */
    unsigned package;  /* logical index of its package */
    unsigned node;     /* OS index of its node: PINION_NO_NODE where it has none; of several local
                          ones the largest, then the lowest */
    unsigned smt_rank; /* 0 for the first CPU of its core that is allowed, 1 for its next sibling */
    unsigned kind;     /* 0 is the most efficient kind of core; higher kinds perform better */
    unsigned llc;      /* logical index of the last level cache it shares; its package's where the
                          machine names no cache */
};

struct pinion_node {
    unsigned os_index;
    uint64_t memory_bytes; /* 0 where unknown or none */
    unsigned cpu_count;    /* allowed CPUs whose node this is */
};

/* How many CPUs a program should keep busy: the allowed ones, cut to the CPU quota (rounded down).
 * At least 1. This is what feeds a pool. */
PINION_API unsigned pinion_topology_cpu_count(const struct pinion_topology *topology);

/* The allowed logical CPUs in logical (locality) order: points *cpus at an array that the topology
 * owns and returns how many there are (at least 1). */
PINION_API unsigned pinion_topology_cpus(const struct pinion_topology *topology,
                                         const struct pinion_cpu **cpus);

/* Every node that hwloc knows, memory-only ones too, by logical order: as pinion_topology_cpus. May
 * be 0 on a machine that names none. */
PINION_API unsigned pinion_topology_nodes(const struct pinion_topology *topology,
                                          const struct pinion_node **nodes);

/* The distance between two nodes by OS index, 10 being local, as in ACPI's SLIT. Where the machine
 * tells none: 10 for a node to itself, else 20. UINT_MAX if either is no node of the topology. */
PINION_API unsigned pinion_topology_distance(const struct pinion_topology *topology,
                                             unsigned node_a, unsigned node_b);

/* Writes the topology as one JSON object, {"schema": "pinion.topology/1", …}, and a newline.
 * Returns 0, or -EIO (-errno if there is one) where the stream refused it. */
PINION_API int pinion_topology_write_json(const struct pinion_topology *topology, FILE *stream);

/* Writes the topology for people: a tree of packages, nodes with their memory, caches, cores and
 * CPUs, then distances, kinds and the limits in force. Returns as pinion_topology_write_json. */
PINION_API int pinion_topology_write_text(const struct pinion_topology *topology, FILE *stream);

/* One line for each limit that cut cpu_count and by what, for instance
 * "cgroup /a/b cpu.max 150000/100000: 4 -> 1". "" where nothing did. Owned by the topology. */
PINION_API const char *pinion_topology_limits(const struct pinion_topology *topology);

PINION_END

#endif
