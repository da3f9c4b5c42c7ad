/* SPDX-License-Identifier: MIT
 *
 * Where an arena's memory comes from: arena_jemalloc.c or arena_mmap.c, one of which is built.
 * Arguments are checked by arena.c before they get here.
 */
#ifndef PN_ARENA_BACKEND_H
#define PN_ARENA_BACKEND_H

#include <stddef.h>

struct pinion_arena;

/* What both backends have in common; a part of the backend's own record.
 *
 * node is written before the arena is handed out. bind_error is written by any thread that maps
 * memory for the arena and read by any: a number by itself, so relaxed is enough. Once it is not 0
 * it stays, and binding isn't tried again. */
struct pinion_arena {
    int node; /* OS index; -1: any */
    _Atomic int bind_error;
};

/* Makes an arena. node is -1 or one that this process may have memory on. 0 or -ENOMEM, also
 * where jemalloc's 4,095 arenas are in use. Any thread. */
int pn_arena_backend_create(int node, struct pinion_arena **arena);

/* Releases an arena and all of its memory. Nobody else uses it any more. */
void pn_arena_backend_destroy(struct pinion_arena *arena);

/* size is 1 to PTRDIFF_MAX, align a power of two. NULL when out of memory. Any thread. */
void *pn_arena_backend_alloc(struct pinion_arena *arena, size_t size, size_t align);

/* Frees what pn_arena_backend_alloc gave for this size. Any thread. */
void pn_arena_backend_free(struct pinion_arena *arena, void *pointer, size_t size);

/* As pn_arena_keep. */
void pn_arena_backend_keep(struct pinion_arena *arena);

/* As pn_arena_backend. */
const char *pn_arena_backend_name(void);

/* Called by the backends for each mapping that they make, before it is touched: binds it to the
 * arena's node. Cannot fail: a refused bind is kept in bind_error. Keeps errno. Binding goes
 * through hwloc, which uses malloc; within a hook jemalloc serves that from its arena 0. */
void pn_arena_bind(struct pinion_arena *arena, void *address, size_t length);

#endif
