/* SPDX-License-Identifier: MIT
 *
 * A topology as JSON, schema pinion.topology/1. What is listed is what the process may use; the
 * rest of the machine shows in "sets" alone.
 */
#include <errno.h>
#include <string.h>

#include <hwloc.h>
#include <hwloc/cpukinds.h>

#include "cpulist.h"
#include "json.h"
#include "machine.h"

/* A set as the kernel writes it. */
static int write_list(struct pn_json *json, const char *key, hwloc_const_bitmap_t set)
{
    struct pn_buffer list = {0};
    pn_cpulist_add(&list, set);
    pn_json_string(json, key, pn_buffer_text(&list));
    const int error = list.failed ? -ENOMEM : 0;
    pn_buffer_fini(&list);
    return error;
}

static int write_allowed_list(struct pn_json *json, const struct pinion_topology *topology,
                              hwloc_const_bitmap_t set)
{
    hwloc_bitmap_t allowed = hwloc_bitmap_alloc();
    int error = -ENOMEM;
    if (allowed && hwloc_bitmap_and(allowed, set, topology->sets.allowed) == 0)
        error = write_list(json, "cpus", allowed);
    hwloc_bitmap_free(allowed);
    return error;
}

static void write_node(struct pn_json *json, const char *key, unsigned node)
{
    if (node == PINION_NO_NODE)
        pn_json_null(json, key);
    else
        pn_json_number(json, key, node);
}

static void write_cpus(struct pn_json *json, const struct pinion_topology *topology)
{
    pn_json_open(json, "cpus", '[');
    for (unsigned i = 0; i < topology->cpu_total; i++) {
        const struct pinion_cpu *cpu = &topology->cpus[i];
        pn_json_open(json, NULL, '{');
        pn_json_number(json, "os_index", cpu->os_index);
        pn_json_number(json, "core", cpu->core);
        pn_json_number(json, "package", cpu->package);
        write_node(json, "node", cpu->node);
        write_node(json, "memory_node", topology->homes[i]);
        pn_json_number(json, "smt_rank", cpu->smt_rank);
        pn_json_number(json, "kind", cpu->kind);
        pn_json_number(json, "llc", cpu->llc);
        pn_json_close(json, '}');
    }
    pn_json_close(json, ']');
}

typedef unsigned part_fn(const struct pinion_cpu *cpu);

static unsigned core_of(const struct pinion_cpu *cpu)
{
    return cpu->core;
}
static unsigned package_of(const struct pinion_cpu *cpu)
{
    return cpu->package;
}

/* Cores or packages: runs of CPUs in logical order. */
static int write_parts(struct pn_json *json, const char *key,
                       const struct pinion_topology *topology, part_fn *part)
{
    int error = 0;
    hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
    if (!cpus)
        return -ENOMEM;
    pn_json_open(json, key, '[');
    for (unsigned i = 0; i < topology->cpu_total && !error; i++) {
        const struct pinion_cpu *cpu = &topology->cpus[i];
        if (hwloc_bitmap_set(cpus, cpu->os_index))
            error = -ENOMEM;
        if (i + 1 < topology->cpu_total && part(cpu + 1) == part(cpu))
            continue;
        pn_json_open(json, NULL, '{');
        pn_json_number(json, "index", part(cpu));
        error = error ? error : write_list(json, "cpus", cpus);
        pn_json_close(json, '}');
        hwloc_bitmap_zero(cpus);
    }
    pn_json_close(json, ']');
    hwloc_bitmap_free(cpus);
    return error;
}

static int write_cache(struct pn_json *json, const struct pinion_topology *topology,
                       hwloc_obj_t cache)
{
    if (!hwloc_bitmap_intersects(cache->cpuset, topology->sets.allowed))
        return 0;
    const struct hwloc_cache_attr_s *attributes = &cache->attr->cache;
    pn_json_open(json, NULL, '{');
    pn_json_number(json, "level", attributes->depth);
    pn_json_string(json, "type", attributes->type == HWLOC_OBJ_CACHE_DATA ? "data" : "unified");
    pn_json_number(json, "index", cache->logical_index);
    pn_json_number(json, "size_bytes", attributes->size);
    pn_json_number(json, "line_bytes", attributes->linesize);
    const int error = write_allowed_list(json, topology, cache->cpuset);
    pn_json_close(json, '}');
    return error;
}

static int write_caches(struct pn_json *json, const struct pinion_topology *topology)
{
    static const hwloc_obj_type_t types[] = {HWLOC_OBJ_L5CACHE, HWLOC_OBJ_L4CACHE,
                                             HWLOC_OBJ_L3CACHE, HWLOC_OBJ_L2CACHE,
                                             HWLOC_OBJ_L1CACHE};
    int error = 0;
    pn_json_open(json, "caches", '[');
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        hwloc_obj_t cache = NULL;
        while (!error && (cache = hwloc_get_next_obj_by_type(topology->tree, types[i], cache)))
            error = write_cache(json, topology, cache);
    }
    pn_json_close(json, ']');
    return error;
}

/* local_cpus: all that the hardware has near it; cpu_count, as in struct pinion_node, those that
 * have it for their node. */
static int write_nodes(struct pn_json *json, const struct pinion_topology *topology)
{
    int error = 0;
    pn_json_open(json, "nodes", '[');
    for (unsigned i = 0; i < topology->node_total && !error; i++) {
        const struct pinion_node *node = &topology->nodes[i];
        hwloc_obj_t object = hwloc_get_numanode_obj_by_os_index(topology->tree, node->os_index);
        pn_json_open(json, NULL, '{');
        pn_json_number(json, "os_index", node->os_index);
        pn_json_number(json, "memory_bytes", node->memory_bytes);
        pn_json_number(json, "cpu_count", node->cpu_count);
        if (object)
            error = write_allowed_list(json, topology, object->cpuset);
        pn_json_close(json, '}');
    }
    pn_json_close(json, ']');
    return error;
}

static void write_distances(struct pn_json *json, const struct pinion_topology *topology)
{
    const struct pinion_node *nodes = topology->nodes;
    pn_json_open(json, "distances", '{');
    pn_json_bool(json, "known", topology->distances != NULL);
    pn_json_open(json, "nodes", '[');
    for (unsigned i = 0; i < topology->node_total; i++)
        pn_json_number(json, NULL, nodes[i].os_index);
    pn_json_close(json, ']');
    pn_json_open(json, "matrix", '[');
    for (unsigned i = 0; i < topology->node_total; i++) {
        pn_json_open(json, NULL, '[');
        for (unsigned j = 0; j < topology->node_total; j++)
            pn_json_number(json, NULL, pn_node_distance(topology, i, j));
        pn_json_close(json, ']');
    }
    pn_json_close(json, ']');
    pn_json_close(json, '}');
}

static int write_kind(struct pn_json *json, const struct pinion_topology *topology, unsigned kind)
{
    hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
    unsigned count = 0;
    struct hwloc_info_s *infos = NULL;
    if (!cpus || hwloc_cpukinds_get_info(topology->tree, kind, cpus, NULL, &count, &infos, 0)) {
        hwloc_bitmap_free(cpus);
        return -ENOMEM;
    }
    pn_json_open(json, NULL, '{');
    if (topology->kinds[kind].ranked)
        pn_json_number(json, "kind", topology->kinds[kind].rank);
    else
        pn_json_null(json, "kind");
    const int error = write_allowed_list(json, topology, cpus);
    pn_json_open(json, "infos", '{');
    for (unsigned i = 0; i < count; i++)
        pn_json_string(json, infos[i].name, infos[i].value);
    pn_json_close(json, '}');
    pn_json_close(json, '}');
    hwloc_bitmap_free(cpus);
    return error;
}

static int write_kinds(struct pn_json *json, const struct pinion_topology *topology)
{
    int error = 0;
    pn_json_open(json, "kinds", '[');
    for (unsigned i = 0; i < topology->kind_total && !error; i++)
        error = write_kind(json, topology, i);
    pn_json_close(json, ']');
    return error;
}

static int write_set(struct pn_json *json, const char *key, hwloc_const_bitmap_t set)
{
    if (!set) {
        pn_json_null(json, key);
        return 0;
    }
    pn_json_open(json, key, '{');
    const int error = write_list(json, "list", set);
    pn_json_open(json, "cpus", '[');
    for (int cpu = hwloc_bitmap_first(set); cpu >= 0; cpu = hwloc_bitmap_next(set, cpu))
        pn_json_number(json, NULL, (unsigned)cpu);
    pn_json_close(json, ']');
    pn_json_close(json, '}');
    return error;
}

static int write_sets(struct pn_json *json, const struct pn_sets *sets)
{
    const struct {
        const char *key;
        hwloc_const_bitmap_t set;
    } all[] = {
        {"present", sets->present},   {"online", sets->online},     {"cpuset", sets->cpuset},
        {"affinity", sets->affinity}, {"isolated", sets->isolated}, {"nohz_full", sets->nohz_full},
        {"allowed", sets->allowed},
    };
    int error = 0;
    pn_json_open(json, "sets", '{');
    for (size_t i = 0; i < sizeof all / sizeof all[0] && !error; i++)
        error = write_set(json, all[i].key, all[i].set);
    pn_json_close(json, '}');
    return error;
}

static void write_quotas(struct pn_json *json, const struct pn_cgroup *cgroup)
{
    pn_json_open(json, "quotas", '[');
    for (unsigned i = 0; i < cgroup->quota_count; i++) {
        const struct pn_quota *quota = &cgroup->quotas[i];
        pn_json_open(json, NULL, '{');
        pn_json_string(json, "cgroup", quota->path);
        pn_json_string(json, "file", quota->file);
        pn_json_number(json, "quota_us", quota->quota_us);
        pn_json_number(json, "period_us", quota->period_us);
        pn_json_close(json, '}');
    }
    pn_json_close(json, ']');
}

static int write_limits(struct pn_json *json, const struct pinion_topology *topology)
{
    struct pn_buffer lines = {0};
    pn_buffer_add(&lines, "%s", pinion_topology_limits(topology));
    if (lines.failed)
        return -ENOMEM;
    pn_json_open(json, "limits", '[');
    char *rest = NULL;
    for (char *line = strtok_r(lines.bytes, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        pn_json_string(json, NULL, line);
    pn_json_close(json, ']');
    pn_buffer_fini(&lines);
    return 0;
}

int pinion_topology_write_json(const struct pinion_topology *topology, FILE *stream)
{
    struct pn_json json = {.stream = stream};
    pn_json_open(&json, NULL, '{');
    pn_json_string(&json, "schema", "pinion.topology/1");
    pn_json_string(&json, "source", topology->source);
    pn_json_bool(&json, "this_machine", topology->this_machine);
    pn_json_number(&json, "cpu_count", topology->cpu_count);
    write_cpus(&json, topology);
    int error = write_parts(&json, "cores", topology, core_of);
    if (!error)
        error = write_parts(&json, "packages", topology, package_of);
    if (!error)
        error = write_caches(&json, topology);
    if (!error)
        error = write_nodes(&json, topology);
    write_distances(&json, topology);
    if (!error)
        error = write_kinds(&json, topology);
    if (!error)
        error = write_sets(&json, &topology->sets);
    write_quotas(&json, &topology->cgroup);
    if (!error)
        error = write_limits(&json, topology);
    pn_json_close(&json, '}');
    (void)fputc('\n', stream);
    const int refused = pn_stream_finish(stream);
    return error ? error : refused;
}
