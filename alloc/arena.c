/* SPDX-License-Identifier: MIT */
#include "arena.h"

#include <errno.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>

#include "atomic.h"
#include "arena_backend.h"
#include "binding.h"
#include "check.h"
#include "detail.h"
#include "huge.h"

#define NODES_MAX 1024 /* of Linux: CONFIG_NODES_SHIFT is at most 10 */

/* Writes the nodes that this process may use as "0-3,8". */
static void list_nodes(char *text, size_t size)
{
    size_t used = 0;
    snprintf(text, size, "none");
    for (int first = 0; first < NODES_MAX && used < size; first++) {
        if (pn_memory_node_check(first) != 0)
            continue;
        int last = first;
        while (last + 1 < NODES_MAX && pn_memory_node_check(last + 1) == 0)
            last++;
        int count = snprintf(text + used, size - used, first == last ? "%s%d" : "%s%d-%d",
                             used > 0 ? "," : "", first, last);
        used += (size_t)count;
        first = last;
    }
}

static int refuse_node(int node)
{
    char nodes[128];
    list_nodes(nodes, sizeof(nodes));
    return pn_error(EINVAL,
                    "node %d is not on this machine, has no memory, or is outside this process's "
                    "cpuset (its nodes: %s); ask for one of those, or for -1 (any)",
                    node, nodes);
}

int pinion_arena_create(int node, struct pinion_arena **arena)
{
    int saved = errno;
    int error = 0;
    if (node < -1 || (node >= 0 && pn_memory_node_check(node) != 0))
        error = refuse_node(node);
    else if ((error = pn_arena_backend_create(node, arena)) != 0)
        error = pn_error(-error,
                        "no memory for an arena on node %d, or too many arenas (%s); free memory, "
                        "or destroy other arenas first",
                        node, pn_arena_backend_name());
    errno = saved;
    return error;
}

void pinion_arena_destroy(struct pinion_arena *arena)
{
    if (arena == NULL)
        return;
    int saved = errno;
    pn_arena_backend_destroy(arena);
    errno = saved;
}

void *pinion_arena_alloc(struct pinion_arena *arena, size_t size, size_t align)
{
    if (align == 0)
        align = alignof(max_align_t);
    if (size == 0 || size > PTRDIFF_MAX || (align & (align - 1)) != 0)
        return NULL;
    int saved = errno;
    void *block = pn_arena_backend_alloc(arena, size, align);
    errno = saved;
    return block;
}

void pinion_arena_free(struct pinion_arena *arena, void *pointer, size_t size)
{
    if (pointer == NULL)
        return;
    int saved = errno;
    pn_arena_backend_free(arena, pointer, size);
    errno = saved;
}

int pinion_arena_node_of(const void *pointer)
{
    int saved = errno;
    int node = pn_memory_node_of(pointer);
    errno = saved;
    return node;
}

int pn_arena_bind_error(const struct pinion_arena *arena)
{
    return pn_load_relaxed(&arena->bind_error); /* a number by itself */
}

const char *pn_arena_huge_pages(bool *on)
{
    const struct pn_huge_pages *pages = pn_huge_pages();
    *on = pages->bytes != 0;
    return pages->sentence;
}

void pn_arena_keep(struct pinion_arena *arena)
{
    pn_arena_backend_keep(arena);
}

const char *pn_arena_backend(void)
{
    return pn_arena_backend_name();
}

void pn_arena_bind(struct pinion_arena *arena, void *address, size_t length)
{
    /* Where the first attempt was refused, so would be the others: one call a mapping saved. */
    if (arena->node < 0 || pn_load_relaxed(&arena->bind_error) != 0)
        return;
    int saved = errno;
    int error = pn_memory_bind(address, length, arena->node);
    if (error != 0 && error != -ENOTSUP)
        pn_store_relaxed(&arena->bind_error, error);
    errno = saved;
}
