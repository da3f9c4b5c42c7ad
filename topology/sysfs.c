/* SPDX-License-Identifier: MIT */
#include "sysfs.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "buffer.h"
#include "cpulist.h"

enum { FILE_LIMIT = 1 << 20 };

/* 0, -ENOMEM, or -ENOENT for all other trouble. */
static int read_text(const char *root, const char *file, struct pn_buffer *text)
{
    struct pn_buffer path = {0};
    pn_buffer_add(&path, "%s/sys/%s", root, file);
    int error = path.failed ? -ENOMEM : pn_buffer_read_file(text, path.bytes, FILE_LIMIT);
    pn_buffer_fini(&path);
    return !error || error == -ENOMEM ? error : -ENOENT;
}

int pn_sysfs_list_read(const char *root, const char *file, hwloc_bitmap_t *set)
{
    struct pn_buffer text;
    *set = NULL;
    int error = read_text(root, file, &text);
    if (error)
        return error == -ENOMEM ? error : 0;
    hwloc_bitmap_t made = hwloc_bitmap_alloc();
    error = made ? pn_cpulist_parse(pn_buffer_text(&text), made, NULL) : -ENOMEM;
    pn_buffer_fini(&text);
    if (!error)
        *set = made;
    else
        hwloc_bitmap_free(made);
    return error == -ENOMEM ? error : 0;
}

/* nodes: those online, which are the columns of each row. "10 20 20 20" is a row. */
static int parse_row(const char *text, hwloc_const_bitmap_t nodes, struct pn_node_row *row)
{
    const int count = hwloc_bitmap_weight(nodes);
    row->columns = calloc((size_t)count + 1, sizeof *row->columns);
    row->distances = calloc((size_t)count + 1, sizeof *row->distances);
    if (!row->columns || !row->distances)
        return -ENOMEM;
    for (int node = hwloc_bitmap_first(nodes); node >= 0; node = hwloc_bitmap_next(nodes, node)) {
        char *end;
        const unsigned long value = strtoul(text, &end, 10);
        if (end == text || value >= UINT_MAX)
            break;
        row->columns[row->count] = (unsigned)node;
        row->distances[row->count++] = (unsigned)value;
        text = end;
    }
    return 0;
}

/* Keeps a node's CPUs in the row if a CPU is among them. 0, -ENOENT or -ENOMEM. */
static int find_cpu(const char *root, int node, unsigned cpu, struct pn_node_row *row)
{
    char file[64];
    hwloc_bitmap_t cpus;
    (void)snprintf(file, sizeof file, "devices/system/node/node%d/cpulist", node);
    const int error = pn_sysfs_list_read(root, file, &cpus);
    if (error || !cpus)
        return error ? error : -ENOENT;
    if (!hwloc_bitmap_isset(cpus, cpu)) {
        hwloc_bitmap_free(cpus);
        return -ENOENT;
    }
    row->cpus = cpus;
    return 0;
}

static int read_row(const char *root, int node, hwloc_const_bitmap_t nodes, struct pn_node_row *row)
{
    char file[64];
    struct pn_buffer text;
    (void)snprintf(file, sizeof file, "devices/system/node/node%d/distance", node);
    int error = read_text(root, file, &text);
    if (error)
        return error == -ENOMEM ? error : 0;
    error = parse_row(pn_buffer_text(&text), nodes, row);
    pn_buffer_fini(&text);
    return error;
}

int pn_node_row_read(const char *root, unsigned cpu, struct pn_node_row *row)
{
    hwloc_bitmap_t nodes;
    if (row->cpus && hwloc_bitmap_isset(row->cpus, cpu))
        return 0;
    pn_node_row_fini(row);
    int error = pn_sysfs_list_read(root, "devices/system/node/online", &nodes);
    if (error || !nodes)
        return error;
    error = -ENOENT;
    for (int node = hwloc_bitmap_first(nodes); node >= 0 && error == -ENOENT;
         node = hwloc_bitmap_next(nodes, node)) {
        error = find_cpu(root, node, cpu, row);
        if (!error)
            error = read_row(root, node, nodes, row);
    }
    hwloc_bitmap_free(nodes);
    if (error == -ENOMEM)
        pn_node_row_fini(row);
    return error == -ENOMEM ? error : 0;
}

void pn_node_row_fini(struct pn_node_row *row)
{
    hwloc_bitmap_free(row->cpus);
    free(row->columns);
    free(row->distances);
    *row = (struct pn_node_row){0};
}

unsigned pn_node_row_distance(const struct pn_node_row *row, unsigned node)
{
    for (unsigned i = 0; i < row->count; i++) {
        if (row->columns[i] == node)
            return row->distances[i];
    }
    return UINT_MAX;
}
