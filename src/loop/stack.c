/* SPDX-License-Identifier: MIT */
#include "stack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/auxvec.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "atomic.h"
#include "binding.h"
#include "check.h"
#include "guard.h"
#include "lock.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

#define KIB ((size_t)1024)

#define GUARD_BYTES   (16 * KIB)   /* a frame that is not probed may skip as much */
#define LIBRARY_BYTES (12 * KIB)   /* of frames of ours and of the C library below a fiber's own */
#define WARM_BYTES    (16 * KIB)   /* at the top: what is left in a stack that the depot holds, … */
#define WARM_MAX      ((size_t)1024) /* … if it holds no more than these of the class */
#define CACHED_MAX    64u
#define CACHED_BYTES  (16384 * KIB) /* of a class in a cache, however deep they were used */
#define BATCH         16u           /* to and from the depot at once */
#define CUT_MIN       ((size_t)16)  /* in the first slab; in the next as many as in all */
#define CUT_MAX       ((size_t)1024)

/* One mapping; guard and stack by turns. */
struct slab {
    struct slab *next;
    char *base;
    size_t length;
};

/* All under the depot's lock. count = stacks that were cut + rest_count >= free_count. */
struct shelf {
    char **free; /* lowest usable addresses; there is room for count */
    size_t free_count;
    size_t count; /* stacks that the slabs have room for */
    struct slab *slabs;
    char *rest; /* of the newest slab, where the next stack's guard begins */
    size_t rest_count;
};

struct pn_stack_depot {
    _Atomic(uint32_t) lock;
    int node;                 /* constant, … */
    size_t page, guard_bytes; /* … these too */
    _Atomic(unsigned) guard;  /* enum pn_stack_guard, the worst yet; any thread */
    _Atomic(uint64_t) trimmed;
    struct pn_stack_stats stats; /* under lock, but for trimmed */
    struct shelf shelves[PN_STACK_CLASSES];
};

/* The newest last. */
struct cached {
    unsigned count;
    char *low[CACHED_MAX];
};

struct pn_stack_cache {
    struct pn_stack_depot *depot;
    struct cached classes[PN_STACK_CLASSES];
};

static size_t page_bytes(void) { return (size_t)sysconf(_SC_PAGESIZE); }

static size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

static size_t class_bytes(unsigned class) { return PN_STACK_CLASS_MIN << class; }

/* PN_STACK_CLASSES or above: larger than any. */
static unsigned class_for(const struct pn_stack_depot *depot, size_t bytes)
{
    const size_t least = bytes > depot->page ? bytes : depot->page;
    return least <= PN_STACK_CLASS_MIN
               ? 0
               : 64 - (unsigned)__builtin_clzll((least - 1) / PN_STACK_CLASS_MIN);
}

static unsigned cached_max(unsigned class)
{
    const size_t most = CACHED_BYTES / class_bytes(class);
    return most < CACHED_MAX ? (unsigned)most : CACHED_MAX;
}

size_t pn_stack_guard_bytes(void) { return round_up(GUARD_BYTES, page_bytes()); }

size_t pn_stack_min(void)
{
    const size_t frame = (size_t)getauxval(AT_MINSIGSTKSZ); /* 0: the kernel does not say */
    return round_up(LIBRARY_BYTES + (frame > 4 * KIB ? frame : 4 * KIB), page_bytes());
}

/* Guards and mappings. */

static void note_guard(struct pn_stack_depot *depot, enum pn_stack_guard guard)
{
    unsigned seen = pn_load_relaxed(&depot->guard); /* nothing else is told by it */
    while (seen < (unsigned)guard && !pn_cas_relaxed(&depot->guard, &seen, (unsigned)guard))
        continue;
}

static void put_guard(struct pn_stack_depot *depot, char *guard)
{
    const size_t bytes = depot->guard_bytes;
    if (madvise(guard, bytes, MADV_GUARD_INSTALL) == 0)
        return;
    note_guard(depot, mprotect(guard, bytes, PROT_NONE) == 0 ? PN_GUARD_MAPPED : PN_GUARD_MISSING);
}

const char *pn_stack_guard_text(struct pn_stack_depot *depot)
{
    switch (pn_load_relaxed(&depot->guard)) { /* as above */
    case PN_GUARD_MARKED:
        return "by pages marked as guards (MADV_GUARD_INSTALL)";
    case PN_GUARD_MAPPED:
        return "by pages protected one by one (mprotect), each two mappings of vm.max_map_count: "
               "the kernel marks none as guards (Linux before 6.13, or mlockall)";
    default:
        return "not on every stack: the kernel marks no pages as guards, and vm.max_map_count "
               "is reached";
    }
}

/* NULL when there is none. */
static char *map(const struct pn_stack_depot *depot, size_t length)
{
    char *const base = mmap(NULL, length, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    (void)madvise(base, length, MADV_NOHUGEPAGE);
    if (depot->node >= 0)
        (void)pn_memory_bind(base, length, depot->node);
    return base;
}

/* A stack's pages but for the topmost `kept` bytes. Asks first: to give back is slow, and so is to
 * get again. */
static void trim(struct pn_stack_depot *depot, char *low, size_t bytes, size_t kept)
{
    unsigned char is_there[PN_STACK_CLASS_MAX / (4 * KIB)];
    const size_t deep = bytes > kept ? bytes - kept : 0, pages = deep / depot->page;
    if (pages == 0 || mincore(low, deep, is_there) != 0)
        return;
    for (size_t i = pages; i-- > 0;)
        if (is_there[i] & 1) {
            (void)madvise(low, deep, MADV_DONTNEED);
            (void)pn_fetch_add_relaxed(&depot->trimmed, 1); /* a count */
            return;
        }
}

/* The depot. */

int pn_stack_depot_create(int node, struct pn_stack_depot **depot)
{
    struct pn_stack_depot *const made = calloc(1, sizeof *made);
    if (!made)
        return -ENOMEM;
    pn_lock_init(&made->lock, false);
    made->node = node;
    made->page = page_bytes();
    made->guard_bytes = pn_stack_guard_bytes();
    *depot = made;
    return 0;
}

void pn_stack_depot_destroy(struct pn_stack_depot *depot)
{
    if (!depot)
        return;
    PN_ASSERT(depot->stats.in_use == 0);
    for (unsigned class = 0; class < PN_STACK_CLASSES; class++) {
        struct shelf *const shelf = &depot->shelves[class];
        for (struct slab *slab = shelf->slabs, *next; slab; slab = next) {
            next = slab->next;
            pn_guard_open(slab->base, slab->length);
            (void)munmap(slab->base, slab->length);
            free(slab);
        }
        free(shelf->free);
    }
    free(depot);
}

void pn_stack_depot_stats(struct pn_stack_depot *depot, struct pn_stack_stats *stats)
{
    pn_lock(&depot->lock);
    *stats = depot->stats;
    pn_unlock(&depot->lock);
    stats->trimmed = pn_load_relaxed(&depot->trimmed); /* a count */
}

static void count_locked(struct pn_stack_depot *depot, size_t taken)
{
    struct pn_stack_stats *const stats = &depot->stats;
    stats->in_use += taken;
    if (stats->in_use > stats->in_use_peak)
        stats->in_use_peak = stats->in_use;
}

/* Room for as many stacks again as there are; fewer if memory is short. 0 or -ENOMEM. */
static int map_slab_locked(struct pn_stack_depot *depot, struct shelf *shelf, size_t stride)
{
    size_t count = shelf->count < CUT_MIN ? CUT_MIN : shelf->count;
    struct slab *const slab = malloc(sizeof *slab);
    count = count > CUT_MAX ? CUT_MAX : count;
    char **const room = slab ? realloc(shelf->free, (shelf->count + count) * sizeof *room) : NULL;
    if (room)
        shelf->free = room;
    char *base = NULL;
    while (room && count > 0 && !(base = map(depot, count * stride)))
        count /= 2;
    if (!base) {
        free(slab);
        return -ENOMEM;
    }
    *slab = (struct slab){.next = shelf->slabs, .base = base, .length = count * stride};
    shelf->slabs = slab;
    shelf->rest = base;
    shelf->rest_count = count;
    shelf->count += count;
    depot->stats.bytes += slab->length;
    return 0;
}

/* Up to so many new ones, side by side: where the first's guard begins. How many. */
static unsigned cut_locked(struct pn_stack_depot *depot, unsigned class, unsigned wanted,
                           char **first)
{
    struct shelf *const shelf = &depot->shelves[class];
    const size_t stride = depot->guard_bytes + class_bytes(class);
    if (shelf->rest_count == 0 && map_slab_locked(depot, shelf, stride) != 0)
        return 0;
    const unsigned count = shelf->rest_count < wanted ? (unsigned)shelf->rest_count : wanted;
    *first = shelf->rest;
    shelf->rest += count * stride;
    shelf->rest_count -= count;
    depot->stats.mapped += count;
    return count;
}

/* Fills an empty cache. How many. */
static unsigned take(struct pn_stack_depot *depot, unsigned class, struct cached *cached)
{
    struct shelf *const shelf = &depot->shelves[class];
    const unsigned wanted = cached_max(class) < BATCH ? cached_max(class) : BATCH;
    const size_t bytes = class_bytes(class);
    unsigned count = 0, cut = 0;
    char *first = NULL;
    pn_lock(&depot->lock);
    for (; count < wanted && shelf->free_count > 0; count++)
        cached->low[wanted - 1 - count] = shelf->free[--shelf->free_count];
    if (count == 0)
        cut = cut_locked(depot, class, wanted, &first);
    count_locked(depot, count + cut);
    pn_unlock(&depot->lock);
    if (count < wanted) /* the newest is last */
        memmove(cached->low, cached->low + (wanted - count), count * sizeof cached->low[0]);
    for (unsigned i = 0; i < cut; i++, first += depot->guard_bytes + bytes) {
        put_guard(depot, first);
        cached->low[cut - 1 - i] = first + depot->guard_bytes;
        pn_guard_close(first + depot->guard_bytes, bytes);
    }
    return cached->count = count + cut;
}

/* Gives the oldest of a cache to the depot. */
static void give(struct pn_stack_depot *depot, unsigned class, struct cached *cached,
                 unsigned count)
{
    struct shelf *const shelf = &depot->shelves[class];
    const size_t bytes = class_bytes(class);
    pn_lock(&depot->lock);
    const size_t kept = shelf->free_count < WARM_MAX ? WARM_BYTES : 0;
    pn_unlock(&depot->lock);
    for (unsigned i = 0; i < count; i++)
        trim(depot, cached->low[i], bytes, kept);
    pn_lock(&depot->lock);
    memcpy(shelf->free + shelf->free_count, cached->low, count * sizeof cached->low[0]);
    shelf->free_count += count;
    depot->stats.in_use -= count;
    pn_unlock(&depot->lock);
    cached->count -= count;
    memmove(cached->low, cached->low + count, cached->count * sizeof cached->low[0]);
}

/* The cache. */

int pn_stack_cache_create(struct pn_stack_depot *depot, struct pn_stack_cache **cache)
{
    struct pn_stack_cache *const made = calloc(1, sizeof *made);
    if (!made)
        return -ENOMEM;
    made->depot = depot;
    *cache = made;
    return 0;
}

void pn_stack_cache_flush(struct pn_stack_cache *cache)
{
    for (unsigned class = 0; class < PN_STACK_CLASSES; class++)
        if (cache->classes[class].count > 0)
            give(cache->depot, class, &cache->classes[class], cache->classes[class].count);
}

void pn_stack_cache_destroy(struct pn_stack_cache *cache)
{
    if (cache)
        pn_stack_cache_flush(cache);
    free(cache);
}

static int get_large(struct pn_stack_depot *depot, size_t asked, struct pn_stack *stack)
{
    const size_t bytes = round_up(asked, depot->page), length = depot->guard_bytes + bytes;
    char *const base = asked < SIZE_MAX / 2 ? map(depot, length) : NULL;
    if (!base)
        return -ENOMEM;
    put_guard(depot, base);
    *stack = (struct pn_stack){base + depot->guard_bytes, bytes};
    pn_lock(&depot->lock);
    depot->stats.mapped++;
    depot->stats.bytes += length;
    count_locked(depot, 1);
    pn_unlock(&depot->lock);
    pn_guard_map(stack->low, bytes);
    return 0;
}

static void put_large(struct pn_stack_depot *depot, const struct pn_stack *stack)
{
    const size_t length = depot->guard_bytes + stack->bytes;
    pn_guard_unmap(stack->low, stack->bytes);
    (void)munmap(stack->low - depot->guard_bytes, length);
    pn_lock(&depot->lock);
    depot->stats.mapped--;
    depot->stats.bytes -= length;
    depot->stats.in_use--;
    pn_unlock(&depot->lock);
}

int pn_stack_get(struct pn_stack_cache *cache, size_t bytes, struct pn_stack *stack)
{
    struct pn_stack_depot *const depot = cache->depot;
    const unsigned class = class_for(depot, bytes);
    if (class >= PN_STACK_CLASSES)
        return get_large(depot, bytes, stack);
    struct cached *const cached = &cache->classes[class];
    if (cached->count == 0 && take(depot, class, cached) == 0)
        return -ENOMEM;
    *stack = (struct pn_stack){cached->low[--cached->count], class_bytes(class)};
    pn_guard_open(stack->low, stack->bytes);
    pn_guard_map(stack->low, stack->bytes);
    return 0;
}

void pn_stack_put(struct pn_stack_cache *cache, const struct pn_stack *stack)
{
    struct pn_stack_depot *const depot = cache->depot;
    const unsigned class = class_for(depot, stack->bytes);
    if (class >= PN_STACK_CLASSES) {
        put_large(depot, stack);
        return;
    }
    struct cached *const cached = &cache->classes[class];
    if (cached->count == cached_max(class))
        give(depot, class, cached, (cached->count + 1) / 2);
    cached->low[cached->count++] = stack->low;
    pn_guard_unmap(stack->low, stack->bytes);
    pn_guard_close(stack->low, stack->bytes);
}
