/* SPDX-License-Identifier: MIT
 *
 * What it costs to read a topology and to make a plan: of this machine, and of one with 1,024 CPUs
 * from a description and from an XML file that is written for the run (into TMPDIR or /tmp).
 *
 * A round is one load or plan, so that a median is one of so many single calls, warm: the first
 * load of a process, with cold caches and a cold /sys, is the warm-up that is not counted. It does
 * not measure pools. Beside a load stands hwloc's own of the same source with hwloc's defaults;
 * unfair in that: the defaults keep caches and NUMA nodes, which pinion keeps too, but read neither
 * cgroup nor quota, which it also does, and pinion leaves out kinds of objects that hwloc keeps.
 */
#include <errno.h>
#include <hwloc.h>
#include <limits.h>
#include <pinion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rounds.h"

#define ROUNDS 31
/* 4 packages of 2 nodes, 4 last level caches a node, 16 cores each with 2 CPUs. */
#define LARGE      "pack:4 numa:2 l3:4 core:16 pu:2"
#define LARGE_CPUS 1024

static const char about[] =
    "What it costs to load a topology and to make a plan: of this machine, and of one with 1,024\n"
    "CPUs from a description and from an XML file. One load or plan a round, warm. Beside each\n"
    "load: hwloc's own of the same source, by its defaults.\n";

static int64_t load_pinion(void *context, uint64_t n)
{
    const int64_t start = rounds_now();
    for (uint64_t i = 0; i < n; i++) {
        struct pinion_topology *topology;
        if (pinion_topology_load(context, &topology))
            rounds_die("%s", pinion_error_detail());
        pinion_topology_destroy(topology);
    }
    return rounds_now() - start;
}

static int64_t load_hwloc(void *context, uint64_t n)
{
    const struct pinion_topology_options *source = context;
    const int64_t start = rounds_now();
    for (uint64_t i = 0; i < n; i++) {
        hwloc_topology_t tree;
        if (hwloc_topology_init(&tree) ||
            (source->synthetic && hwloc_topology_set_synthetic(tree, source->synthetic)) ||
            (source->xml_path && hwloc_topology_set_xml(tree, source->xml_path)) ||
            hwloc_topology_load(tree))
            rounds_die("hwloc can't load: %s", strerror(errno));
        hwloc_topology_destroy(tree);
    }
    return rounds_now() - start;
}

struct planned {
    struct pinion_topology *topology;
    struct pinion_plan_options options;
};

static int64_t make_plan(void *context, uint64_t n)
{
    const struct planned *planned = context;
    const int64_t start = rounds_now();
    for (uint64_t i = 0; i < n; i++) {
        struct pinion_plan *plan;
        if (pinion_plan_make(planned->topology, &planned->options, &plan))
            rounds_die("%s", pinion_error_detail());
        pinion_plan_destroy(plan);
    }
    return rounds_now() - start;
}

static char path[PATH_MAX];

static void remove_xml(void)
{
    (void)unlink(path);
}

/* Writes the large machine as XML into a file of its own. */
static void write_xml(void)
{
    const char *folder = getenv("TMPDIR");
    (void)snprintf(path, sizeof path, "%s/pinion-bench-XXXXXX", folder ? folder : "/tmp");
    const int file = mkstemp(path);
    if (file < 0)
        rounds_die("%s can't be made: %s", path, strerror(errno));
    (void)close(file);
    (void)atexit(remove_xml);
    hwloc_topology_t tree;
    if (hwloc_topology_init(&tree) || hwloc_topology_set_synthetic(tree, LARGE) ||
        hwloc_topology_load(tree) || hwloc_topology_export_xml(tree, path, 0))
        rounds_die("%s can't be written: %s", path, strerror(errno));
    hwloc_topology_destroy(tree);
}

static struct pinion_topology *loaded(const struct pinion_topology_options *source)
{
    struct pinion_topology *topology;
    if (pinion_topology_load(source, &topology))
        rounds_die("%s", pinion_error_detail());
    return topology;
}

#define SOURCES 3

static void add_rows(struct rounds *rounds, struct pinion_topology_options *sources,
                     struct planned *plans, size_t plan_count)
{
    static const char *const names[SOURCES] = {"this machine", "1,024 CPUs, described",
                                               "1,024 CPUs, XML"};
    for (int i = 0; i < SOURCES; i++) {
        struct rounds_row *peer =
            rounds_row(rounds, load_hwloc, &sources[i], "load %s: hwloc alone", names[i]);
        struct rounds_row *row =
            rounds_row(rounds, load_pinion, &sources[i], "load %s: pinion", names[i]);
        row->peers[0] = peer;
        peer->n_max = row->n_max = 1;
    }
    for (size_t i = 0; i < plan_count; i++) {
        struct rounds_row *row =
            rounds_row(rounds, make_plan, &plans[i], "plan %s: %s", i ? "1,024 CPUs" : names[0],
                       pinion_placement_name(plans[i].options.placement));
        row->n_max = 1;
    }
}

int main(int argc, char **argv)
{
    static struct rounds rounds;
    rounds_begin(&rounds, "topology", about, ROUNDS, argc, argv);
    write_xml();
    struct pinion_topology_options sources[SOURCES] = {
        {0}, {.synthetic = LARGE}, {.xml_path = path}};
    struct pinion_topology *here = loaded(&sources[0]), *large = loaded(&sources[2]);
    const struct pinion_cpu *cpus;
    if (pinion_topology_cpus(large, &cpus) != LARGE_CPUS)
        rounds_die("the large machine has not %d CPUs", LARGE_CPUS);
    struct planned plans[] = {
        {here, {.placement = PINION_PLACE_AUTO}},     {large, {.placement = PINION_PLACE_AUTO}},
        {large, {.placement = PINION_PLACE_COMPACT}}, {large, {.placement = PINION_PLACE_SCATTER}},
        {large, {.placement = PINION_PLACE_NODE}},
    };
    add_rows(&rounds, sources, plans, sizeof plans / sizeof plans[0]);
    rounds_run(&rounds);
    pinion_topology_destroy(large);
    pinion_topology_destroy(here);
    return rounds_end(&rounds);
}
