/* SPDX-License-Identifier: MIT */
#include "slab.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <pinion/arena.h>

#include "binding.h"

#define CHUNK_HEADER PN_SLAB_STEP
#define PAGES_ASKED  256 /* of the kernel at once */

static_assert(sizeof(struct pn_slab_chunk) <= CHUNK_HEADER, "the first block follows the header");
static_assert(PN_SLAB_ODD % 16 == 0, "blocks lie side by side");
static_assert(offsetof(struct pn_slab, chunks) % PN_LINE_PAIR == 0,
              "written by the owner, read by any");
static_assert(offsetof(struct pn_slab, remote) % PN_LINE_PAIR == 0, "written by any");

int pn_slab_create(struct pinion_arena *arena, struct pn_slab **slab)
{
    struct pn_slab *made = pinion_arena_alloc(arena, sizeof(*made), alignof(struct pn_slab));
    if (made == NULL)
        return -ENOMEM;
    memset(made, 0, sizeof(*made));
    made->arena = arena;
    made->runs_open = PN_SLAB_RUNS;
    *slab = made;
    return 0;
}

void pn_slab_show(struct pn_slab *slab, struct pn_slab_shown *shown) { slab->shown = shown; }

static void show_chunk(struct pn_slab_shown *shown, const struct pn_slab_chunk *chunk)
{
    const uint64_t count = pn_load_relaxed(&shown->chunk_count); /* the owner's own last store */
    pn_store_relaxed(&shown->chunks[count % PN_SLAB_SHOWN], (uintptr_t)chunk);
    pn_store_relaxed(&shown->chunk_count, count + 1);
}

void pn_slab_destroy(struct pn_slab *slab)
{
    if (slab == NULL)
        return;
    struct pinion_arena *arena = slab->arena;
    /* relaxed: nobody else uses the slab any more, and whoever published chunks was its owner */
    struct pn_slab_chunk *chunk = pn_load_relaxed(&slab->chunks);
    while (chunk != NULL) {
        struct pn_slab_chunk *next = chunk->next;
        pn_guard_open(chunk, PN_SLAB_CHUNK);
        pinion_arena_free(arena, chunk, PN_SLAB_CHUNK);
        chunk = next;
    }
    pinion_arena_free(arena, slab, sizeof(*slab));
}

static bool add_chunk(struct pn_slab *slab)
{
    struct pn_slab_chunk *chunk = pinion_arena_alloc(slab->arena, PN_SLAB_CHUNK, PN_SLAB_CHUNK);
    if (chunk == NULL)
        return false;
    chunk->slab = slab;
    chunk->next = pn_load_relaxed(&slab->chunks); /* the owner's own last store */
    pn_guard_close((char *)chunk + CHUNK_HEADER, PN_SLAB_CHUNK - CHUNK_HEADER);
    /* release chunks: pairs with acquire in pn_slab_locality, for next */
    pn_store_release(&slab->chunks, chunk);
    pn_count(&slab->chunk_bytes, PN_SLAB_CHUNK);
    if (slab->shown)
        show_chunk(slab->shown, chunk);
    slab->runs_open = 0;
    return true;
}

/* Gives a class a new run to be cut from; what is left of its old one is too short for a block. */
static bool open_run(struct pn_slab *slab, unsigned cls)
{
    if (slab->runs_open == PN_SLAB_RUNS && !add_chunk(slab))
        return false;
    struct pn_slab_chunk *chunk = pn_load_relaxed(&slab->chunks); /* the owner's own last store */
    unsigned index = slab->runs_open++;
    chunk->run_class[index] = (uint8_t)cls;
    char *start = (char *)chunk + (size_t)index * PN_SLAB_RUN;
    slab->run[cls].next = index == 0 ? start + CHUNK_HEADER : start;
    slab->run[cls].end = start + PN_SLAB_RUN;
    return true;
}

/* A block that was never used. Only now is its page touched. */
static void *cut(struct pn_slab *slab, unsigned cls)
{
    struct pn_slab_run *run = &slab->run[cls];
    size_t size = pn_slab_class_size(cls);
    if ((size_t)(run->end - run->next) < size && !open_run(slab, cls))
        return NULL;
    void *block = run->next;
    run->next += size;
    pn_guard_open(block, size);
    return block;
}

static void put_home(struct pn_slab *slab, void *block)
{
    pn_slab_push_local(slab, pn_slab_class_of(pn_slab_chunk_of(block), block), block);
}

/* Deals what came home to the lists of its classes. */
static void take_remote(struct pn_slab *slab)
{
    uint64_t count = 0;
    for (struct pn_batch *batch = pn_remote_take(&slab->remote), *next; batch; batch = next) {
        pn_guard_peek(batch, sizeof(*batch));
        pn_guard_peek(batch->others, batch->count * sizeof(batch->others[0]));
        next = batch->next;
        count += batch->count + 1;
        for (size_t i = 0; i < batch->count; i++)
            put_home(slab, batch->others[i]);
        put_home(slab, batch);
    }
    if (count > 0)
        pn_count(&slab->remote_frees, count); /* relaxed: a number by itself */
}

void *pn_slab_alloc_slowly(struct pn_slab *slab, unsigned cls)
{
    take_remote(slab);
    /* What came home may be of other classes. */
    return slab->local[cls] ? pn_slab_alloc(slab, pn_slab_class_size(cls)) : cut(slab, cls);
}

/* Where blocks of a slab are gathered: one place for several, now and then. */
static struct pn_outgoing *outgoing_to(struct pn_slab *mine, const struct pn_remote *home)
{
    const uint32_t number = (uint32_t)((uintptr_t)home / PN_LINE_PAIR);
    return &mine->outgoing[number * 2654435761u / (UINT32_MAX / PN_SLAB_OUTGOING + 1)];
}

void pn_slab_free_remotely(struct pn_slab *mine, void *block)
{
    /* The class may be read here too: this run's was written before the block was handed out, and
     * is a memory location of its own. */
    const struct pn_slab_chunk *chunk = pn_slab_chunk_of(block);
    const size_t size = pn_slab_class_size(pn_slab_class_of(chunk, block));
    struct pn_remote *home = &chunk->slab->remote;
    pn_guard_close(block, size);
    if (mine == NULL) {
        struct pn_batch *alone = pn_batch_begin(block, NULL);
        pn_remote_push(home, alone, alone);
        return;
    }
    pn_outgoing_add(outgoing_to(mine, home), home, block, size);
    mine->may_hold = true;
}

void pn_slab_flush_slowly(struct pn_slab *mine)
{
    for (unsigned i = 0; i < PN_SLAB_OUTGOING; i++)
        pn_outgoing_send(&mine->outgoing[i]);
    mine->may_hold = false;
}

int pn_slab_owns(const struct pn_slab *slab, const void *block)
{
    return pn_slab_chunk_of(block)->slab == slab;
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
    const void *pages[PAGES_ASKED];
    int nodes[PAGES_ASKED];
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

static int ask_about_chunk(struct census *census, const struct pn_slab_chunk *chunk)
{
    int error = 0;
    for (size_t offset = 0; error == 0 && offset < PN_SLAB_CHUNK; offset += census->page_bytes) {
        census->pages[census->count++] = (const char *)chunk + offset;
        if (census->count == PAGES_ASKED)
            error = ask(census);
    }
    return error;
}

int pn_slab_locality(struct pn_slab *slab, unsigned node, size_t *local, size_t *elsewhere)
{
    struct census census = {.node = node, .page_bytes = (size_t)sysconf(_SC_PAGESIZE)};
    /* acquire chunks: pairs with release in add_chunk */
    const struct pn_slab_chunk *chunk = pn_load_acquire(&slab->chunks);
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
