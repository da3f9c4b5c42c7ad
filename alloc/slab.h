/* SPDX-License-Identifier: MIT
 *
 * Blocks of 64 to 512 bytes, in steps of 64, and of 112, from an arena: where closures live. A slab
 * belongs to one thread at a time, its owner; blocks may be freed by any thread.
 *
 * Blocks are cut from chunks that carry their slab's address at a fixed place, so a block needs no
 * header of its own. What the owner frees goes to a local list. What another thread frees is
 * gathered there, in the slab that it owns itself, and goes by the batch to the slab's remote list,
 * which the owner takes whole when its local list is empty.
 */
#ifndef PN_SLAB_H
#define PN_SLAB_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "atomic.h"
#include "check.h"
#include "guard.h"
#include "remote.h"

struct pinion_arena;
struct pn_slab;

/* What others may look at of a slab: written by its owner. chunks: where they are, of the last
 * PN_SLAB_SHOWN ones. */
#define PN_SLAB_SHOWN 64
struct pn_slab_shown {
    _Atomic(uint64_t) chunk_count;
    _Atomic(uintptr_t) chunks[PN_SLAB_SHOWN];
};

#define PN_SLAB_STEP     64
#define PN_SLAB_ODD      112 /* the one size between two steps: a small closure is no larger */
#define PN_SLAB_SIZE_MAX 512
#define PN_SLAB_CHUNK    (64 * 1024)

/* Makes an empty slab over an arena, which must outlive it. 0 or -ENOMEM. The caller is its owner;
 * ownership passes with the slab, by whatever orders the two threads. */
int pn_slab_create(struct pinion_arena *arena, struct pn_slab **slab);

/* Shows a new slab's chunks there from now on; borrowed. By its owner. */
void pn_slab_show(struct pn_slab *slab, struct pn_slab_shown *shown);

/* Frees the slab and every chunk, whatever is still allocated in them. No other slab may send
 * blocks to it any more: those that hold some were flushed, or will be destroyed without a free or
 * a flush before. What this one holds of others is forgotten. NULL is allowed. */
void pn_slab_destroy(struct pn_slab *slab);

/* A block of at least size bytes (1 to PN_SLAB_SIZE_MAX), aligned to 64, or to 16 if size is over
 * 64 and no more than PN_SLAB_ODD. NULL when out of memory. Owner only. No lock, no system call
 * unless a chunk is needed. */
static inline void *pn_slab_alloc(struct pn_slab *slab, size_t size);

/* What to ask for so as to have size bytes aligned to align (a power of two, up to 64). */
static inline size_t pn_slab_size_aligned(size_t size, size_t align);

/* Frees a block of any slab. mine is the slab that the caller owns, NULL if it owns none: then a
 * block goes to its slab's remote list at once, else it may wait in mine until there are
 * PN_OUTGOING_MAX for that slab, or mine is flushed. Any thread. */
static inline void pn_slab_free(struct pn_slab *mine, void *block);

/* Sends home what the slab holds of others, which is less than PN_OUTGOING_MAX blocks of each of at
 * most PN_SLAB_OUTGOING slabs. Its owner, before it waits for long. */
static inline void pn_slab_flush(struct pn_slab *mine);

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

/* ---- what follows is slab.c's, here so that alloc and free compile to a few instructions ---- */

/* Classes 0 to 7 are those of the steps, 64 to 512; the last is that of PN_SLAB_ODD. */
#define PN_SLAB_CLASS_ODD (PN_SLAB_SIZE_MAX / PN_SLAB_STEP)
#define PN_SLAB_CLASSES   (PN_SLAB_CLASS_ODD + 1)

#define PN_SLAB_RUN  4096 /* bytes cut into blocks of one class; a page on most machines */
#define PN_SLAB_RUNS (PN_SLAB_CHUNK / PN_SLAB_RUN)

/* So many other slabs' blocks a slab gathers at a time. */
#define PN_SLAB_OUTGOING 8

/* A block on a local list. What follows the link is closed to everyone. */
struct pn_block {
    struct pn_block *next;
};

/* The start of a chunk; blocks follow. A chunk is a row of runs, each of one class, so that an
 * address gives a block's slab (by the chunk it is in) and class (by the run).
 *
 * slab and next are written before the chunk is published (pn_slab.chunks), and never again.
 * run_class[i] is written by the owner when it opens run i, before any block of it is handed
 * out. */
struct pn_slab_chunk {
    struct pn_slab *slab;
    struct pn_slab_chunk *next;
    uint8_t run_class[PN_SLAB_RUNS];
};

/* What is left of the run that a class is being cut from. */
struct pn_slab_run {
    char *next, *end;
};

/* Owner: one thread at a time, see above. For every class:
 *     blocks cut = blocks in use + blocks on local[class] + its blocks on remote + those of it that
 *                  others hold in outgoing
 * and for all: chunk_bytes = PN_SLAB_CHUNK x chunks on the list. Chunks are only ever added until
 * the slab is destroyed, so the list may be walked at any time; nothing is reused but blocks.
 * Progress: alloc and free by the owner are wait-free while no chunk is needed; a foreign free is
 * lock-free. remote_frees wraps round after 2^64. */
struct pn_slab {
    /* The owner's alone. */
    alignas(PN_LINE_PAIR) struct pn_block *local[PN_SLAB_CLASSES];
    struct pn_slab_run run[PN_SLAB_CLASSES];
    struct pinion_arena *arena;
    struct pn_slab_shown *shown; /* or NULL */
    unsigned runs_open; /* of the newest chunk; PN_SLAB_RUNS: a new chunk is needed */
    bool may_hold;      /* false: nothing is in outgoing */
    struct pn_outgoing outgoing[PN_SLAB_OUTGOING];

    /* Written by the owner, read by any. */
    alignas(PN_LINE_PAIR) _Atomic(struct pn_slab_chunk *) chunks; /* newest first */
    _Atomic size_t chunk_bytes;
    _Atomic uint64_t remote_frees;

    /* Written by any. */
    alignas(PN_LINE_PAIR) struct pn_remote remote;
};

/* alloc where the local list is empty; free of a block that is not of mine; flush where there may
 * be something. */
void *pn_slab_alloc_slowly(struct pn_slab *slab, unsigned cls);
void pn_slab_free_remotely(struct pn_slab *mine, void *block);
void pn_slab_flush_slowly(struct pn_slab *mine);

static inline unsigned pn_slab_class(size_t size)
{
    const bool is_odd = size > PN_SLAB_STEP && size <= PN_SLAB_ODD;
    return is_odd ? PN_SLAB_CLASS_ODD : (unsigned)((size - 1) / PN_SLAB_STEP);
}

static inline size_t pn_slab_class_size(unsigned cls)
{
    return cls == PN_SLAB_CLASS_ODD ? PN_SLAB_ODD : (cls + 1) * (size_t)PN_SLAB_STEP;
}

static inline struct pn_slab_chunk *pn_slab_chunk_of(const void *block)
{
    return (struct pn_slab_chunk *)((uintptr_t)block & ~(uintptr_t)(PN_SLAB_CHUNK - 1));
}

static inline unsigned pn_slab_class_of(const struct pn_slab_chunk *chunk, const void *block)
{
    return chunk->run_class[((uintptr_t)block & (PN_SLAB_CHUNK - 1)) / PN_SLAB_RUN];
}

static inline void pn_slab_push_local(struct pn_slab *slab, unsigned cls, void *memory)
{
    struct pn_block *block = memory;
    PN_ASSERT(slab->local[cls] != block); /* freed twice */
    pn_guard_peek(block, sizeof(*block));
    block->next = slab->local[cls];
    slab->local[cls] = block;
    pn_guard_close(block, pn_slab_class_size(cls));
}

static inline void *pn_slab_alloc(struct pn_slab *slab, size_t size)
{
    PN_ASSERT(size > 0 && size <= PN_SLAB_SIZE_MAX);
    const unsigned cls = pn_slab_class(size);
    struct pn_block *block = slab->local[cls];
    if (PN_UNLIKELY(block == NULL))
        return pn_slab_alloc_slowly(slab, cls);
    pn_guard_peek(block, sizeof(*block));
    slab->local[cls] = block->next;
    pn_guard_open(block, pn_slab_class_size(cls));
    return block;
}

static inline void pn_slab_free(struct pn_slab *mine, void *block)
{
    const struct pn_slab_chunk *chunk = pn_slab_chunk_of(block);
    pn_guard_check(block);
    if (PN_LIKELY(chunk->slab == mine))
        pn_slab_push_local(mine, pn_slab_class_of(chunk, block), block);
    else
        pn_slab_free_remotely(mine, block);
}

static inline void pn_slab_flush(struct pn_slab *mine)
{
    if (mine->may_hold)
        pn_slab_flush_slowly(mine);
}

static inline size_t pn_slab_size_aligned(size_t size, size_t align)
{
    const bool is_odd = pn_slab_class(size) == PN_SLAB_CLASS_ODD;
    return is_odd && align > 16 ? PN_SLAB_ODD + 1 : size;
}

#endif
