/* SPDX-License-Identifier: MIT
 *
 * A topology for people: a tree of what the process may use, where siblings that are alike share a
 * line, then tables of the rest.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <hwloc.h>
#include <hwloc/cpukinds.h>

#include "cpulist.h"
#include "json.h"
#include "machine.h"

struct text {
    const struct pinion_topology *topology;
    FILE *stream;
    int error; /* -ENOMEM for a line that could not be made */
};

/* Siblings first to first + count - 1 of a parent, all of one shape. */
struct run {
    hwloc_obj_t parent;
    unsigned first, count;
};

/* Integers all the way: printf's decimal point is the locale's. */
static void put_bytes(struct text *text, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    unsigned unit = 0;
    uint64_t tenths = bytes < UINT64_MAX / 10 ? bytes * 10 : UINT64_MAX;
    for (; tenths >= 10240 && unit < 5; unit++)
        tenths = (tenths + 512) / 1024;
    if (tenths % 10)
        (void)fprintf(text->stream, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10,
                      units[unit]);
    else
        (void)fprintf(text->stream, "%" PRIu64 " %s", tenths / 10, units[unit]);
}

static void put_indent(struct text *text, unsigned depth)
{
    (void)fprintf(text->stream, "%*s", (int)(2 * depth), "");
}

/* "cpu 3", "cpus 0-3", or "no cpus". */
static void put_cpus(struct text *text, hwloc_const_bitmap_t set)
{
    struct pn_buffer list = {0};
    pn_cpulist_add(&list, set);
    if (list.failed)
        text->error = -ENOMEM;
    (void)fprintf(text->stream, "%s%s",
                  list.length == 0                ? "no cpus"
                  : hwloc_bitmap_weight(set) == 1 ? "cpu "
                                                  : "cpus ",
                  pn_buffer_text(&list));
    pn_buffer_fini(&list);
}

static void put_allowed(struct text *text, hwloc_const_bitmap_t set)
{
    hwloc_bitmap_t allowed = hwloc_bitmap_alloc();
    if (allowed && hwloc_bitmap_and(allowed, set, text->topology->sets.allowed) == 0)
        put_cpus(text, allowed);
    else
        text->error = -ENOMEM;
    hwloc_bitmap_free(allowed);
}

static bool is_usable_node(const struct text *text, hwloc_obj_t object)
{
    return object->type == HWLOC_OBJ_NUMANODE &&
           pn_node_position(text->topology, object->os_index) < text->topology->node_total;
}

static bool has_node(const struct text *text, hwloc_obj_t object)
{
    for (hwloc_obj_t at = object->memory_first_child; at; at = at->next_sibling) {
        if (is_usable_node(text, at))
            return true;
    }
    return false;
}

/* Whether there is a node at an object or below it. */
static bool holds_node(const struct text *text, hwloc_obj_t object)
{
    if (has_node(text, object))
        return true;
    for (unsigned i = 0; i < object->arity; i++) {
        if (holds_node(text, object->children[i]))
            return true;
    }
    return false;
}

static bool is_visible(const struct text *text, hwloc_obj_t object)
{
    return hwloc_bitmap_intersects(object->cpuset, text->topology->sets.allowed) ||
           holds_node(text, object);
}

/* A core, or a CPU that has none: nothing below it gets a line. */
static bool is_leaf(hwloc_obj_t object)
{
    return object->type == HWLOC_OBJ_CORE || object->type == HWLOC_OBJ_PU;
}

/* A first or second level cache that one child fills shares its line. */
static bool is_chain(const struct text *text, hwloc_obj_t object)
{
    return (object->type == HWLOC_OBJ_L1CACHE || object->type == HWLOC_OBJ_L2CACHE) &&
           object->arity == 1 && !has_node(text, object);
}

static unsigned kind_of(const struct text *text, hwloc_obj_t object)
{
    const int kind = text->topology->kind_total
                         ? hwloc_cpukinds_get_by_cpuset(text->topology->tree, object->cpuset, 0)
                         : -1;
    return kind < 0 ? 0 : text->topology->kinds[kind].rank;
}

static uint64_t cache_size(hwloc_obj_t object)
{
    return hwloc_obj_type_is_cache(object->type) ? object->attr->cache.size : 0;
}

/* Whether two subtrees look the same but for their numbers. Whoever holds a node never does. */
static bool is_alike(const struct text *text, hwloc_obj_t a, hwloc_obj_t b)
{
    if (a->type != b->type || a->arity != b->arity || cache_size(a) != cache_size(b) ||
        has_node(text, a) || has_node(text, b))
        return false;
    if (a->type == HWLOC_OBJ_PU && kind_of(text, a) != kind_of(text, b))
        return false;
    hwloc_const_bitmap_t allowed = text->topology->sets.allowed;
    if (a->type == HWLOC_OBJ_PU &&
        hwloc_bitmap_isset(allowed, a->os_index) != hwloc_bitmap_isset(allowed, b->os_index))
        return false;
    for (unsigned i = 0; i < a->arity; i++) {
        if (!is_alike(text, a->children[i], b->children[i]))
            return false;
    }
    return true;
}

static void put_name(struct text *text, hwloc_obj_t object, unsigned last)
{
    static const struct {
        hwloc_obj_type_t type;
        const char *name;
    } names[] = {
        {HWLOC_OBJ_PACKAGE, "package"}, {HWLOC_OBJ_DIE, "die"},     {HWLOC_OBJ_CORE, "core"},
        {HWLOC_OBJ_L5CACHE, "L5"},      {HWLOC_OBJ_L4CACHE, "L4"},  {HWLOC_OBJ_L3CACHE, "L3"},
        {HWLOC_OBJ_L2CACHE, "L2"},      {HWLOC_OBJ_L1CACHE, "L1d"}, {HWLOC_OBJ_PU, "core"},
    };
    const char *name = "group";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        name = names[i].type == object->type ? names[i].name : name;
    const char *plural = last > object->logical_index && name[0] != 'L' ? "s" : "";
    (void)fprintf(text->stream, "%s%s %u", name, plural, object->logical_index);
    if (last > object->logical_index)
        (void)fprintf(text->stream, "-%u", last);
}

static void put_cache(struct text *text, hwloc_obj_t cache, const char *separator)
{
    (void)fprintf(text->stream, "%sL%u%s ", separator, cache->attr->cache.depth,
                  cache->type == HWLOC_OBJ_L1CACHE ? "d" : "");
    put_bytes(text, cache->attr->cache.size);
}

/* The caches that belong to a core alone: the chain from top down to it, and what is below it. */
static void put_own_caches(struct text *text, hwloc_obj_t top)
{
    const char *separator = " (";
    for (hwloc_obj_t at = top; at; at = at->arity ? at->children[0] : NULL) {
        if (!hwloc_obj_type_is_cache(at->type))
            continue;
        put_cache(text, at, separator);
        separator = ", ";
    }
    if (separator[0] == ',')
        (void)fputc(')', text->stream);
}

static bool kinds_differ(const struct pinion_topology *topology)
{
    for (unsigned i = 1; i < topology->kind_total; i++) {
        if (topology->kinds[i].rank != topology->kinds[0].rank)
            return true;
    }
    return false;
}

static void put_set_of_run(struct text *text, struct run run)
{
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    bool made = set != NULL;
    for (unsigned i = 0; i < run.count && made; i++)
        made = hwloc_bitmap_or(set, set, run.parent->children[run.first + i]->cpuset) == 0;
    if (made)
        put_allowed(text, set);
    else
        text->error = -ENOMEM;
    hwloc_bitmap_free(set);
}

/* The object at the end of the chain that begins with an object. */
static hwloc_obj_t chain_end(const struct text *text, hwloc_obj_t object)
{
    while (is_chain(text, object))
        object = object->children[0];
    return object;
}

/* "cores 0-3 (L2 1 MiB, L1d 32 KiB): cpus 0-3,8-11" */
static void put_leaves(struct text *text, struct run run, unsigned depth)
{
    hwloc_obj_t top = run.parent->children[run.first];
    hwloc_obj_t first = chain_end(text, top);
    hwloc_obj_t last = chain_end(text, run.parent->children[run.first + run.count - 1]);
    put_indent(text, depth);
    put_name(text, first, last->logical_index);
    put_own_caches(text, top);
    (void)fputs(": ", text->stream);
    put_set_of_run(text, run);
    if (kinds_differ(text->topology))
        (void)fprintf(text->stream, ", kind %u", kind_of(text, first));
    (void)fputc('\n', text->stream);
}

/* "L3 0-3 (16 MiB), 4 cores each: cpus 0-15,128-143" */
static void put_folded(struct text *text, struct run run, unsigned depth)
{
    hwloc_obj_t first = run.parent->children[run.first];
    hwloc_obj_t last = run.parent->children[run.first + run.count - 1];
    const int cores =
        hwloc_get_nbobjs_inside_cpuset_by_type(text->topology->tree, first->cpuset, HWLOC_OBJ_CORE);
    put_indent(text, depth);
    put_name(text, first, last->logical_index);
    if (hwloc_obj_type_is_cache(first->type)) {
        (void)fputs(" (", text->stream);
        put_bytes(text, first->attr->cache.size);
        (void)fputc(')', text->stream);
    }
    if (cores > 0)
        (void)fprintf(text->stream, ", %d cores each", cores);
    (void)fputs(": ", text->stream);
    put_set_of_run(text, run);
    (void)fputc('\n', text->stream);
}

static void put_nodes_of(struct text *text, hwloc_obj_t object, unsigned depth)
{
    for (hwloc_obj_t at = object->memory_first_child; at; at = at->next_sibling) {
        if (!is_usable_node(text, at))
            continue;
        put_indent(text, depth);
        (void)fprintf(text->stream, "node %u: ", at->os_index);
        if (at->attr->numanode.local_memory)
            put_bytes(text, at->attr->numanode.local_memory);
        else
            (void)fputs("size unknown", text->stream);
        (void)fputs(", ", text->stream);
        put_allowed(text, at->cpuset);
        (void)fputc('\n', text->stream);
    }
}

static void put_children(struct text *text, hwloc_obj_t object, unsigned depth);

/* The heading of an object and all below it. A group is headed by its nodes, or not at all. */
static void put_object(struct text *text, hwloc_obj_t object, unsigned depth)
{
    if (object->type == HWLOC_OBJ_GROUP) {
        put_nodes_of(text, object, depth);
        put_children(text, object, depth + has_node(text, object));
        return;
    }
    put_indent(text, depth);
    put_name(text, object, object->logical_index);
    if (hwloc_obj_type_is_cache(object->type)) {
        (void)fputs(" (", text->stream);
        put_bytes(text, object->attr->cache.size);
        (void)fputc(')', text->stream);
    }
    (void)fputs(": ", text->stream);
    put_allowed(text, object->cpuset);
    (void)fputc('\n', text->stream);
    put_nodes_of(text, object, depth + 1);
    put_children(text, object, depth + 1);
}

static struct run next_run(const struct text *text, hwloc_obj_t parent, unsigned first)
{
    struct run run = {.parent = parent, .first = first, .count = 1};
    while (first + run.count < parent->arity &&
           is_alike(text, parent->children[first], parent->children[first + run.count]))
        run.count++;
    return run;
}

/* Three siblings or more that hold no node fold into a line; cores always do. */
static void put_run(struct text *text, struct run run, unsigned depth)
{
    hwloc_obj_t first = run.parent->children[run.first];
    if (!is_visible(text, first))
        return;
    if (is_leaf(chain_end(text, first)) && !has_node(text, chain_end(text, first)))
        put_leaves(text, run, depth);
    else if (run.count > 2 && first->type != HWLOC_OBJ_PACKAGE && !holds_node(text, first))
        put_folded(text, run, depth);
    else
        for (unsigned i = 0; i < run.count; i++)
            put_object(text, run.parent->children[run.first + i], depth);
}

static void put_children(struct text *text, hwloc_obj_t object, unsigned depth)
{
    if (object->type == HWLOC_OBJ_PU)
        return;
    for (unsigned i = 0; i < object->arity;) {
        const struct run run = next_run(text, object, i);
        put_run(text, run, depth);
        i += run.count;
    }
}

static void put_distances(struct text *text)
{
    const struct pinion_topology *topology = text->topology;
    if (topology->node_total < 2)
        return;
    (void)fprintf(text->stream, "distances%s\n%8s",
                  topology->distances ? "" : " (the machine tells none)", "node");
    for (unsigned i = 0; i < topology->node_total; i++)
        (void)fprintf(text->stream, " %4u", topology->nodes[i].os_index);
    for (unsigned i = 0; i < topology->node_total; i++) {
        (void)fprintf(text->stream, "\n%8u", topology->nodes[i].os_index);
        for (unsigned j = 0; j < topology->node_total; j++)
            (void)fprintf(text->stream, " %4u", pn_node_distance(topology, i, j));
    }
    (void)fputc('\n', text->stream);
}

static void put_kind(struct text *text, unsigned kind)
{
    hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
    unsigned count = 0;
    struct hwloc_info_s *infos = NULL;
    if (!cpus || hwloc_cpukinds_get_info(text->topology->tree, kind, cpus, NULL, &count, &infos, 0))
        text->error = -ENOMEM;
    else if (hwloc_bitmap_intersects(cpus, text->topology->sets.allowed)) {
        (void)fprintf(text->stream, "  kind %u: ", text->topology->kinds[kind].rank);
        put_allowed(text, cpus);
        for (unsigned i = 0; i < count; i++)
            (void)fprintf(text->stream, ", %s %s", infos[i].name, infos[i].value);
        (void)fputc('\n', text->stream);
    }
    hwloc_bitmap_free(cpus);
}

static void put_kinds(struct text *text)
{
    if (text->topology->kind_total < 2)
        return;
    (void)fprintf(text->stream, "kinds of core, %s\n",
                  text->topology->kinds[0].ranked ? "the most efficient first"
                                                  : "which the machine does not rank");
    for (unsigned i = 0; i < text->topology->kind_total; i++)
        put_kind(text, i);
}

static void put_set(struct text *text, const char *name, hwloc_const_bitmap_t set)
{
    if (!set)
        return;
    (void)fprintf(text->stream, "  %-10s", name);
    put_cpus(text, set);
    (void)fputc('\n', text->stream);
}

static void put_sets(struct text *text)
{
    const struct pn_sets *sets = &text->topology->sets;
    (void)fputs("sets\n", text->stream);
    put_set(text, "present", sets->present);
    put_set(text, "online", sets->online);
    put_set(text, "cpuset", sets->cpuset);
    put_set(text, "affinity", sets->affinity);
    put_set(text, "isolated", sets->isolated);
    put_set(text, "nohz_full", sets->nohz_full);
    put_set(text, "allowed", sets->allowed);
}

static void put_limits(struct text *text)
{
    const char *line = pinion_topology_limits(text->topology);
    (void)fprintf(text->stream, "limits%s\n", *line ? "" : ": none");
    while (*line) {
        const size_t length = strcspn(line, "\n");
        (void)fprintf(text->stream, "  %.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

int pinion_topology_write_text(const struct pinion_topology *topology, FILE *stream)
{
    struct text text = {.topology = topology, .stream = stream};
    (void)fprintf(stream, "%s: cpu_count %u, allowed cpus %u, nodes %u\n", topology->source,
                  topology->cpu_count, topology->cpu_total, topology->node_total);
    put_nodes_of(&text, hwloc_get_root_obj(topology->tree), 0);
    put_children(&text, hwloc_get_root_obj(topology->tree), 0);
    put_distances(&text);
    put_kinds(&text);
    put_sets(&text);
    put_limits(&text);
    const int refused = pn_stream_finish(stream);
    return text.error ? text.error : refused;
}
