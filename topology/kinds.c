/* SPDX-License-Identifier: MIT
 *
 * Kinds of core, on machines that have more than one: ranked by hwloc, or where it cannot, by the
 * capacity that the kernel gives them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hwloc.h>
#include <hwloc/cpukinds.h>

#include "detail.h"
#include "machine.h"

/* The capacity that Linux names for a kind; 0 where it names none. */
static unsigned long capacity_of(hwloc_topology_t tree, unsigned kind)
{
    unsigned count;
    struct hwloc_info_s *infos;
    if (hwloc_cpukinds_get_info(tree, kind, NULL, NULL, &count, &infos, 0))
        return 0;
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(infos[i].name, "LinuxCapacity") == 0)
            return strtoul(infos[i].value, NULL, 10);
    }
    return 0;
}

static bool rank_by_efficiency(struct pinion_topology *topology)
{
    for (unsigned i = 0; i < topology->kind_total; i++) {
        int efficiency = -1;
        if (hwloc_cpukinds_get_info(topology->tree, i, NULL, &efficiency, NULL, NULL, 0) ||
            efficiency < 0)
            return false;
        topology->kinds[i] = (struct pn_kind){.rank = (unsigned)efficiency, .ranked = true};
    }
    return true;
}

/* How many different capacities below its own a kind can see: equal ones get the same rank. */
static unsigned capacity_rank(const struct pinion_topology *topology, unsigned kind)
{
    const unsigned long own = capacity_of(topology->tree, kind);
    unsigned rank = 0;
    for (unsigned i = 0; i < topology->kind_total; i++) {
        const unsigned long other = capacity_of(topology->tree, i);
        unsigned earlier = 0;
        while (earlier < i && capacity_of(topology->tree, earlier) != other)
            earlier++;
        rank += other < own && earlier == i;
    }
    return rank;
}

/* hwloc ranks nothing when two kinds come out equal. */
static bool rank_by_capacity(struct pinion_topology *topology)
{
    for (unsigned i = 0; i < topology->kind_total; i++) {
        if (capacity_of(topology->tree, i) == 0)
            return false;
        topology->kinds[i] = (struct pn_kind){.rank = capacity_rank(topology, i), .ranked = true};
    }
    return true;
}

int pn_kinds_read(struct pinion_topology *topology)
{
    const int found = hwloc_cpukinds_get_nr(topology->tree, 0);
    if (found <= 0)
        return 0;
    topology->kinds = calloc((size_t)found, sizeof *topology->kinds);
    if (!topology->kinds)
        return pn_error(ENOMEM, "no memory for %d kinds of core", found);
    topology->kind_total = (unsigned)found;
    if (!rank_by_efficiency(topology) && !rank_by_capacity(topology))
        memset(topology->kinds, 0, topology->kind_total * sizeof *topology->kinds);
    return 0;
}
