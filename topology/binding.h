/* SPDX-License-Identifier: MIT
 *
 * Threads onto CPUs and memory onto nodes of *this* machine. Nothing here is believed until the
 * kernel has said it back. Private to the library; any thread.
 */
#ifndef PN_BINDING_H
#define PN_BINDING_H

#include <stdbool.h>
#include <stddef.h>

#include <pinion/plan.h>
#include <pinion/topology.h>

/* A set of CPUs by OS index, of whatever width the kernel has. Owned by whoever got it. */
struct pn_cpu_mask;

/* The calling thread's CPU mask. 0, -ENOMEM or the kernel's error. */
int pn_cpu_mask_get(struct pn_cpu_mask **mask);

/* The allowed CPUs of a topology, or with node != PINION_NO_NODE those whose seats have that node:
 * its own, and those without a node that are nearest to it (all allowed ones if there are none). 0
 * or -ENOMEM. */
int pn_cpu_mask_of(const struct pinion_topology *topology, unsigned node,
                   struct pn_cpu_mask **mask);

/* One CPU. 0 or -ENOMEM. */
int pn_cpu_mask_of_cpu(unsigned cpu, struct pn_cpu_mask **mask);

/* Whether a CPU is in a mask, and an index that no CPU in it reaches. */
bool pn_cpu_mask_has(const struct pn_cpu_mask *mask, unsigned cpu);
unsigned pn_cpu_mask_end(const struct pn_cpu_mask *mask);

/* Frees a mask. NULL is allowed. */
void pn_cpu_mask_destroy(struct pn_cpu_mask *mask);

/* Gives the calling thread this mask, then reads it back: 0 if the kernel's mask is now a non-empty
 * part of it, -EPERM if it is not, or the kernel's error (-EINVAL: none of these CPUs is there or
 * allowed). */
int pn_cpu_mask_apply(const struct pn_cpu_mask *mask);

/* The one CPU that the calling thread is pinned to, by the kernel's word; -1 if it may run on
 * several. */
int pn_pinned_cpu(void);

/* Whether a topology describes this machine, so that its CPUs and nodes may be bound to. */
bool pn_topology_is_this_machine(const struct pinion_topology *topology);

/* Makes the pages of [address, address + length), page aligned, prefer a node of this machine.
 * -ENODEV: no such node; -ENOTSUP: a machine with one node, where there is nothing to bind; else
 * the kernel's error. Never moves pages, never makes an allocation fail. */
int pn_memory_bind(void *address, size_t length, int node);

/* 0 if this process may have memory on a node of this machine, else -ENODEV; -ENOMEM. */
int pn_memory_node_check(int node);

/* The node of a page, as pinion_arena_node_of. */
int pn_memory_node_of(const void *pointer);

/* As pn_memory_node_of for count pages at once, into nodes (a node or -errno each). 0 or -errno. */
int pn_memory_nodes_of(const void *const *pages, size_t count, int *nodes);

#endif
