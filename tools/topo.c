/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <pinion/topology.h>

#include "machine.h"
#include "options.h"
#include "output.h"

static enum exit_status run(const struct options *options)
{
    struct pinion_topology *topology = machine_load(options);
    if (!topology)
        return FAILED;
    int error = options->json ? pinion_topology_write_json(topology, stdout)
                              : pinion_topology_write_text(topology, stdout);
    pinion_topology_destroy(topology);
    if (error && !ferror(stdout)) {
        complain("can't write the topology: %s", strerror(-error));
        return FAILED;
    }
    return DONE;
}

const struct verb verb_topo = {
    .name = "topo",
    .operands = "",
    .summary = "Shows the machine: nodes, caches, cores, CPUs, and what limits them",
    .details = "PINION_CPUS in the environment stands in for --cpus.",
    .options = OPTION_INPUT | OPTION_CPUS | OPTION_IGNORE_QUOTA | OPTION_JSON,
    .run = run,
};
