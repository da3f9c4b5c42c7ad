/* SPDX-License-Identifier: MIT
 *
 * Blocks of 64 to 512 bytes, in steps of 64, from an arena: where closures live. A slab belongs to
 * one thread at a time, its owner; blocks may be freed by any thread.
 *
 * Blocks are cut from chunks that carry their slab's address at a fixed place, so a block needs no
 * header of its own. What the owner frees goes to a local list; what another thread frees is pushed
 * on the slab's remote list, which the owner takes whole when its local list is empty.
 */
#ifndef PN_SLAB_H
#define PN_SLAB_H

#include <stddef.h>
#include <stdint.h>

struct pinion_arena;
struct pn_slab;

#define PN_SLAB_STEP     64
#define PN_SLAB_SIZE_MAX 512
#define PN_SLAB_CHUNK    (64 * 1024)

/* Makes an empty slab over an arena, which must outlive it. 0 or -ENOMEM. The caller is its owner;
 * ownership passes with the slab, by whatever orders the two threads. */
int pn_slab_create(struct pinion_arena *arena, struct pn_slab **slab);

/* Frees the slab and every chunk, whatever is still allocated in them. No other thread may free
 * into it any more. NULL is allowed. */
void pn_slab_destroy(struct pn_slab *slab);

/* A block of at least size bytes (1 to PN_SLAB_SIZE_MAX), aligned to 64. NULL when out of memory.
 * Owner only. No lock, no system call unless a chunk is needed. */
void *pn_slab_alloc(struct pn_slab *slab, size_t size);

/* Frees a block of any slab. mine is the slab that the caller owns, NULL if it owns none: then, and
 * where the block is of another slab, it goes to that slab's remote list. Any thread. */
void pn_slab_free(struct pn_slab *mine, void *block);

/* Whether a block was made by this slab. */
int pn_slab_owns(const struct pn_slab *slab, const void *block);

struct pn_slab_stats {
    size_t chunk_bytes;    /* in chunks */
    uint64_t remote_frees; /* blocks that came back by the remote list */
};

/* A snapshot; any thread, may be a moment old. */
void pn_slab_stats(const struct pn_slab *slab, struct pn_slab_stats *stats);

/* How many of the chunks' touched pages are on which side: *local on node, *elsewhere on another,
 * in bytes, asked of the kernel. Any thread, concurrent with the owner. 0 or -errno. */
int pn_slab_locality(struct pn_slab *slab, unsigned node, size_t *local, size_t *elsewhere);

#endif
