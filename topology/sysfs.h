/* SPDX-License-Identifier: MIT
 *
 * What Linux says of this machine under /sys that hwloc does not pass on: which CPUs are isolated,
 * and the distances from a node that has no memory or may not be used.
 */
#ifndef PN_SYSFS_H
#define PN_SYSFS_H

#include <hwloc.h>

/* A row of the kernel's distances: columns[i] names the node at distances[i]. All zero is one that
 * tells nothing. */
struct pn_node_row {
    hwloc_bitmap_t cpus; /* of the node whose row it is; NULL: none */
    unsigned count;
    unsigned *columns, *distances;
};

/* Reads one of /sys's CPU or node lists, such as "devices/system/cpu/isolated", under root. 0 with
 * a set that the caller frees, NULL where there is no such file or it does not parse; -ENOMEM. */
int pn_sysfs_list_read(const char *root, const char *file, hwloc_bitmap_t *set);

/* Makes the row that of a CPU's node, by the kernel's word; reads nothing if it is already. 0, with
 * count 0 where it has none to tell; -ENOMEM. */
int pn_node_row_read(const char *root, unsigned cpu, struct pn_node_row *row);

void pn_node_row_fini(struct pn_node_row *row);

/* To a node by OS index; UINT_MAX if the row does not have it. */
unsigned pn_node_row_distance(const struct pn_node_row *row, unsigned node);

#endif
