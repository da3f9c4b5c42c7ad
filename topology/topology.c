/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hwloc.h>

#include "detail.h"
#include "machine.h"
#include "process.h"

int pn_topology_load_at(const char *root, const struct pinion_topology_options *options,
                        struct pinion_topology **topology)
{
    static const struct pinion_topology_options defaults;
    if (!options)
        options = &defaults;
    if (memcmp(options->reserved, defaults.reserved, sizeof defaults.reserved) != 0)
        return pn_error(EINVAL, "reserved fields of the topology's options are not zero; "
                                "initialise the struct with {0}");
    struct pinion_topology *made = calloc(1, sizeof *made);
    if (!made)
        return pn_error(ENOMEM, "no memory for a topology");
    pn_fork_delay(); /* hwloc has a lock of its own */
    int error = pn_source_open(made, options);
    pn_fork_allow();
    if (!error)
        error = pn_nodes_read(made);
    if (!error)
        error = pn_limits_read(made, options, root);
    if (!error)
        error = pn_kinds_read(made);
    if (!error)
        error = pn_cpus_read(made);
    if (!error)
        error = pn_homes_read(made, root);
    if (error)
        pinion_topology_destroy(made);
    else
        *topology = made;
    return error;
}

int pinion_topology_load(const struct pinion_topology_options *options,
                         struct pinion_topology **topology)
{
    const int saved = errno;
    const int error = pn_topology_load_at("", options, topology);
    errno = saved;
    return error;
}

static void sets_fini(struct pn_sets *sets)
{
    hwloc_bitmap_t const all[] = {sets->present,  sets->online,   sets->cpuset,   sets->allowed,
                                  sets->affinity, sets->isolated, sets->nohz_full};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        hwloc_bitmap_free(all[i]);
}

void pinion_topology_destroy(struct pinion_topology *topology)
{
    if (!topology)
        return;
    const int saved = errno;
    free(topology->homes);
    free(topology->cpus);
    free(topology->kinds);
    free(topology->distances);
    free(topology->nodes);
    pn_buffer_fini(&topology->limits);
    pn_cgroup_fini(&topology->cgroup);
    sets_fini(&topology->sets);
    free(topology->source);
    if (topology->tree) {
        pn_fork_delay();
        hwloc_topology_destroy(topology->tree);
        pn_fork_allow();
    }
    free(topology);
    errno = saved;
}

unsigned pinion_topology_cpu_count(const struct pinion_topology *topology)
{
    return topology->cpu_count;
}

unsigned pinion_topology_cpus(const struct pinion_topology *topology,
                              const struct pinion_cpu **cpus)
{
    *cpus = topology->cpus;
    return topology->cpu_total;
}

unsigned pinion_topology_nodes(const struct pinion_topology *topology,
                               const struct pinion_node **nodes)
{
    *nodes = topology->nodes;
    return topology->node_total;
}

const char *pinion_topology_limits(const struct pinion_topology *topology)
{
    return pn_buffer_text(&topology->limits);
}
