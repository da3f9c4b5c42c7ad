/* SPDX-License-Identifier: MIT */
#include "machines.h"

#include <stdbool.h>
#include <stdio.h>

#include <pinion/error.h>

const char *const machine_files[] = {
    "128arm-2pa2n8cluster4co.xml",
    "16amd64-8n2c-cpusets.xml",
    "16em64t-4s2c2t-offlines.xml",
    "4fake-4gr1nu1pu.xml",
    "Intel-KnightsLanding-XeonPhi-7210.xml",
    "fakecpuid1f-64intel64-2p4d2n2c2t.xml",
    "fakeheterocpunuma.xml",
    "memorysidecaches.xml",
    "nvidia-dgx-gb10.xml",
    NULL,
};

const char *const machine_descriptions[] = {
    "pack:2 numa:4 l3:4 l2:4 core:1 pu:2",
    "pack:2 group:4 [numa] l2:14 core:1 pu:2",
    "pack:1 [numa] core:80 pu:1",
    "pack:1 [numa(memory=96GB)] group:4 [numa(memory=4GB)] l2:9 core:2 pu:4",
    "pack:2 [numa] [numa(memory=64GB)] core:4 pu:2",
    "pack:2 core:2 pu:2(indexes=core:pack)",
    "numa:3(indexes=4,9,73) core:2 pu:1",
    "pack:4 numa:4 l3:4 core:8 pu:2",
    "pu:1",
    "pu:7",
    NULL,
};

static struct pinion_topology *load(const struct pinion_topology_options *options, const char *name)
{
    struct pinion_topology *topology = NULL;
    if (pinion_topology_load(options, &topology))
        fail_msg("%s: %s", name, pinion_error_detail());
    return topology;
}

struct pinion_topology *load_file(const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", MACHINES, name);
    return load(&(struct pinion_topology_options){.xml_path = path}, name);
}

struct pinion_topology *load_synthetic(const char *description)
{
    return load(&(struct pinion_topology_options){.synthetic = description}, description);
}

unsigned random_below(uint64_t *state, unsigned limit)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (unsigned)((*state >> 32) % limit);
}

void random_description(uint64_t *state, char *text, size_t size)
{
    static const char *const levels[] = {"pack", "numa", "l3", "l2", "core"};
    size_t used = 0;
    bool has_nodes = false; /* hwloc takes a level of them or attached ones, not both */
    for (unsigned i = 0; i < 5; i++) {
        if (random_below(state, 3) == 0 || (i == 1 && has_nodes))
            continue;
        const unsigned count = 1 + random_below(state, i == 4 ? 5 : 3);
        used += (size_t)snprintf(text + used, size - used, "%s:%u ", levels[i], count);
        has_nodes = i == 0 && random_below(state, 4) == 0;
        if (has_nodes)
            used += (size_t)snprintf(text + used, size - used, "[numa(memory=%uGB)] ",
                                     1 + random_below(state, 9));
    }
    (void)snprintf(text + used, size - used, "pu:%u", 1 + random_below(state, 4));
}
