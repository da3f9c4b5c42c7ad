/* SPDX-License-Identifier: MIT */
#include "slab.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <string.h>
#include <unistd.h>

#include <pinion/arena.h>

#include "atomic.h"
#include "binding.h"
#include "check.h"
#include "guard.h"
#include "remote.h"

#define CLASSES (PN_SLAB_SIZE_MAX / PN_SLAB_STEP)
#define RUN     4096 /* bytes cut into blocks of one class; a page on most machines */
#define RUNS    (PN_SLAB_CHUNK / RUN)
#define BATCH   256 /* pages asked of the kernel at once */

/* The start of a chunk; blocks follow. A chunk is a row of runs, each of one class, so that an
 * address gives a block's slab (by the chunk it is in) and class (by the run).
 *
 * slab and next are written before the chunk is published (pn_slab.chunks), and never again.
 * run_class[i] is written by the owner when it opens run i, before any block of it is handed
 * out. */
struct chunk {
    struct pn_slab *slab;
    struct chunk *next;
    uint8_t run_class[RUNS];
};

static_assert(sizeof(struct chunk) <= PN_SLAB_STEP, "the first block of a chunk is its second");
#define CHUNK_HEADER PN_SLAB_STEP

/* What is left of the run that a class is being cut from. */
struct run {
    char *next, *end;
};

/* Owner: one thread at a time, see slab.h. For every class:
 *     blocks cut = blocks in use + blocks on local[class] + its blocks on remote
 * and for all: chunk_bytes = PN_SLAB_CHUNK x chunks on the list. Chunks are only ever added until
 * the slab is destroyed, so the list may be walked at any time; nothing is reused but blocks.
 * Progress: alloc and free by the owner are wait-free while no chunk is needed; a foreign free is
 * lock-free. remote_frees wraps round after 2^64. */
struct pn_slab {
    /* The owner's alone. */
    alignas(PN_LINE_PAIR) struct pn_block *local[CLASSES];
    struct run run[CLASSES];
    struct pinion_arena *arena;
    unsigned runs_open; /* of the newest chunk; RUNS: a new chunk is needed */

    /* Written by the owner, read by any. */
    alignas(PN_LINE_PAIR) _Atomic(struct chunk *) chunks; /* newest first */
    _Atomic size_t chunk_bytes;
    _Atomic uint64_t remote_frees;

    /* Written by any. */
    alignas(PN_LINE_PAIR) struct pn_remote remote;
};

static_assert(offsetof(struct pn_slab, chunks) % PN_LINE_PAIR == 0,
              "written by the owner, read by any");
static_assert(offsetof(struct pn_slab, remote) % PN_LINE_PAIR == 0, "written by any");

static struct chunk *chunk_of(const void *block)
{
    return (struct chunk *)((uintptr_t)block & ~(uintptr_t)(PN_SLAB_CHUNK - 1));
}

static unsigned class_of(const struct chunk *chunk, const void *block)
{
    return chunk->run_class[((uintptr_t)block & (PN_SLAB_CHUNK - 1)) / RUN];
}

static size_t class_size(unsigned cls)
{
    return (cls + 1) * (size_t)PN_SLAB_STEP;
}

int pn_slab_create(struct pinion_arena *arena, struct pn_slab **slab)
{
    struct pn_slab *made = pinion_arena_alloc(arena, sizeof(*made), alignof(struct pn_slab));
    if (made == NULL)
        return -ENOMEM;
    memset(made, 0, sizeof(*made));
    made->arena = arena;
    made->runs_open = RUNS;
    *slab = made;
    return 0;
}

void pn_slab_destroy(struct pn_slab *slab)
{
    if (slab == NULL)
        return;
    struct pinion_arena *arena = slab->arena;
    /* relaxed: nobody else uses the slab any more, and whoever published chunks was its owner */
    struct chunk *chunk = pn_load_relaxed(&slab->chunks);
    while (chunk != NULL) {
        struct chunk *next = chunk->next;
        pn_guard_open(chunk, PN_SLAB_CHUNK);
        pinion_arena_free(arena, chunk, PN_SLAB_CHUNK);
        chunk = next;
    }
    pinion_arena_free(arena, slab, sizeof(*slab));
}

static bool add_chunk(struct pn_slab *slab)
{
    struct chunk *chunk = pinion_arena_alloc(slab->arena, PN_SLAB_CHUNK, PN_SLAB_CHUNK);
    if (chunk == NULL)
        return false;
    chunk->slab = slab;
    chunk->next = pn_load_relaxed(&slab->chunks); /* the owner's own last store */
    pn_guard_close((char *)chunk + CHUNK_HEADER, PN_SLAB_CHUNK - CHUNK_HEADER);
    /* release chunks: pairs with acquire in pn_slab_locality, for next */
    pn_store_release(&slab->chunks, chunk);
    pn_count(&slab->chunk_bytes, PN_SLAB_CHUNK);
    slab->runs_open = 0;
    return true;
}

/* Gives a class a new run to be cut from; what is left of its old one is too short for a block. */
static bool open_run(struct pn_slab *slab, unsigned cls)
{
    if (slab->runs_open == RUNS && !add_chunk(slab))
        return false;
    struct chunk *chunk = pn_load_relaxed(&slab->chunks); /* the owner's own last store */
    unsigned index = slab->runs_open++;
    chunk->run_class[index] = (uint8_t)cls;
    char *start = (char *)chunk + (size_t)index * RUN;
    slab->run[cls].next = index == 0 ? start + CHUNK_HEADER : start;
    slab->run[cls].end = start + RUN;
    return true;
}

/* A block that was never used. Only now is its page touched. */
static void *cut(struct pn_slab *slab, unsigned cls)
{
    struct run *run = &slab->run[cls];
    size_t size = class_size(cls);
    if ((size_t)(run->end - run->next) < size && !open_run(slab, cls))
        return NULL;
    void *block = run->next;
    run->next += size;
    pn_guard_open(block, size);
    return block;
}

static void push_local(struct pn_slab *slab, unsigned cls, struct pn_block *block)
{
    PN_ASSERT(slab->local[cls] != block); /* freed twice */
    pn_guard_peek(block, sizeof(*block));
    block->next = slab->local[cls];
    slab->local[cls] = block;
    pn_guard_close(block, class_size(cls));
}

static void *pop_local(struct pn_slab *slab, unsigned cls)
{
    struct pn_block *block = slab->local[cls];
    pn_guard_peek(block, sizeof(*block));
    slab->local[cls] = block->next;
    pn_guard_open(block, class_size(cls));
    return block;
}

/* Deals what came home to the lists of its classes. */
static void take_remote(struct pn_slab *slab)
{
    uint64_t count = 0;
    for (struct pn_block *block = pn_remote_take(&slab->remote); block != NULL; count++) {
        pn_guard_peek(block, sizeof(*block));
        struct pn_block *next = block->next;
        push_local(slab, class_of(chunk_of(block), block), block);
        block = next;
    }
    if (count > 0)
        pn_count(&slab->remote_frees, count); /* relaxed: a number by itself */
}

static __attribute__((noinline)) void *alloc_slowly(struct pn_slab *slab, unsigned cls)
{
    take_remote(slab);
    return slab->local[cls] != NULL ? pop_local(slab, cls) : cut(slab, cls);
}

void *pn_slab_alloc(struct pn_slab *slab, size_t size)
{
    PN_ASSERT(size > 0 && size <= PN_SLAB_SIZE_MAX);
    unsigned cls = (unsigned)((size - 1) / PN_SLAB_STEP);
    if (PN_LIKELY(slab->local[cls] != NULL))
        return pop_local(slab, cls);
    return alloc_slowly(slab, cls);
}

static __attribute__((noinline)) void free_remotely(const struct chunk *chunk, void *block)
{
    /* The class may be read here too: this run's was written before the block was handed out, and
     * is a memory location of its own. */
    pn_guard_close(block, class_size(class_of(chunk, block)));
    pn_remote_push(&chunk->slab->remote, block);
}

void pn_slab_free(struct pn_slab *mine, void *block)
{
    struct chunk *chunk = chunk_of(block);
    pn_guard_check(block);
    if (PN_LIKELY(chunk->slab == mine))
        push_local(mine, class_of(chunk, block), block);
    else
        free_remotely(chunk, block);
}

int pn_slab_owns(const struct pn_slab *slab, const void *block)
{
    return chunk_of(block)->slab == slab;
}

void pn_slab_stats(const struct pn_slab *slab, struct pn_slab_stats *stats)
{
    stats->chunk_bytes = pn_load_relaxed(&slab->chunk_bytes); /* numbers by themselves */
    stats->remote_frees = pn_load_relaxed(&slab->remote_frees);
}

/* Pages being asked about, and what was answered so far. */
struct census {
    unsigned node;
    size_t page_bytes, count, local, elsewhere;
    const void *pages[BATCH];
    int nodes[BATCH];
};

static int ask(struct census *census)
{
    int error =
        census->count == 0 ? 0 : pn_memory_nodes_of(census->pages, census->count, census->nodes);
    for (size_t i = 0; error == 0 && i < census->count; i++) {
        if (census->nodes[i] < 0)
            continue; /* not touched yet */
        if ((unsigned)census->nodes[i] == census->node)
            census->local += census->page_bytes;
        else
            census->elsewhere += census->page_bytes;
    }
    census->count = 0;
    return error;
}

static int ask_about_chunk(struct census *census, const struct chunk *chunk)
{
    int error = 0;
    for (size_t offset = 0; error == 0 && offset < PN_SLAB_CHUNK; offset += census->page_bytes) {
        census->pages[census->count++] = (const char *)chunk + offset;
        if (census->count == BATCH)
            error = ask(census);
    }
    return error;
}

int pn_slab_locality(struct pn_slab *slab, unsigned node, size_t *local, size_t *elsewhere)
{
    struct census census = {.node = node, .page_bytes = (size_t)sysconf(_SC_PAGESIZE)};
    /* acquire chunks: pairs with release in add_chunk */
    const struct chunk *chunk = pn_load_acquire(&slab->chunks);
    int error = 0;
    for (; error == 0 && chunk != NULL; chunk = chunk->next)
        error = ask_about_chunk(&census, chunk);
    if (error == 0)
        error = ask(&census);
    if (error != 0)
        return error;
    *local = census.local;
    *elsewhere = census.elsewhere;
    return 0;
}
