/* SPDX-License-Identifier: MIT
 *
 * Memory on a chosen NUMA node. An arena prefers its node: when the node is full, memory comes from
 * elsewhere rather than not at all (pinion_arena_node_of tells).
 *
 * All functions may be called from any thread, on one arena at once too, destroy excepted.
 */
#ifndef PINION_ARENA_H
#define PINION_ARENA_H

#include <stddef.h>

#include <pinion/api.h>

PINION_BEGIN

struct pinion_arena;

/* Makes an arena whose memory prefers a node. node: OS index, or -1 for any. The caller owns
 * *arena. Where the system refuses to bind memory the arena works unbound. Errors: -EINVAL (no such
 * node on this machine, or none that this process may use), -ENOMEM; with pinion_error_detail(). */
PINION_API int pinion_arena_create(int node, struct pinion_arena **arena);

/* Releases the arena and whatever is still allocated from it. NULL is allowed. */
PINION_API void pinion_arena_destroy(struct pinion_arena *arena);

/* size bytes, at an address that is a multiple of align (a power of two; 0: max_align_t's). NULL
 * when out of memory, when align is no power of two, or when size is 0. Uninitialised. */
PINION_API void *pinion_arena_alloc(struct pinion_arena *arena, size_t size, size_t align);

/* Frees what pinion_arena_alloc gave for this arena and size. NULL is allowed. */
PINION_API void pinion_arena_free(struct pinion_arena *arena, void *pointer, size_t size);

/* The OS index of the node where the page of an address really is, asked of the kernel. -ENOENT
 * before the page is touched, -EFAULT for no address of ours, -ENOSYS where the kernel can't
 * tell. */
PINION_API int pinion_arena_node_of(const void *pointer);

PINION_END

#endif
