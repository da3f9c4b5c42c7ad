/* SPDX-License-Identifier: MIT
 *
 * Arenas of plain mmap, for programs that want their own malloc and for sanitizers. It is meant to
 * be simple and right; slabs take most of the load off it.
 *
 * Words. A *region* is REGION bytes at a multiple of REGION. It is a row of *spans*; the first
 * holds the region's header, each other one blocks of one size class, or is spare. What does not
 * fit a span is *large*: it has a mapping of its own, with a header in front. Where a block is says
 * what it is:
 *
 *     offset in its region is 0         large, header one page below (align >= REGION)
 *     else, header at the region says   a span's block, or large
 *
 * since a header is all that ever lies at the start of a region.
 */
#include "arena_backend.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "guard.h"
#include "huge.h"
#include "process.h"

#define REGION    ((size_t)4 << 20)
#define SPAN      ((size_t)64 << 10)
#define SPANS     (REGION / SPAN)
#define STEP      16 /* between the smallest classes */
#define CLASSES   44 /* class_size(CLASSES - 1) is SPAN */
#define NO_CLASS  UINT32_MAX
#define KEPT_FITS 2 /* a kept mapping serves a block of at least 1/2 of its size */

struct block {
    struct block *next;
};

struct span {
    struct span *next, *previous; /* on the list of its class or the spare one, if on any */
    struct block *free;
    uint32_t cls;  /* NO_CLASS: spare */
    uint32_t used; /* blocks in use */
    uint32_t cut;  /* bytes that were ever blocks since the span got its class */
};

enum kind { KIND_REGION, KIND_LARGE };

/* What lies at the start of each mapping. */
struct header {
    enum kind kind;
    char *start;   /* of the mapping */
    size_t length; /* of the mapping */
    struct header *next, *previous;
};

struct region {
    struct header header;
    struct span spans[SPANS]; /* the first is not used */
};

struct large {
    struct header header;
    char *block;
};

/* All is guarded by mutex, but arena, which has its own rules. For each span that has a class:
 *     0 < used, cut / class_size = used + blocks on free
 * it is on partial[cls] if and only if it has room, and if used falls to 0 it turns spare. The
 * arena lies in the first span of its first region, after the header. */
struct record {
    struct pinion_arena arena;
    pthread_mutex_t mutex;
    struct span *partial[CLASSES]; /* room for a block at least */
    struct span *spare;
    struct header *regions, *large;
    struct header *kept; /* large ones that are in no use */
    bool keep;
    struct record *next, *previous; /* on records, under its lock */
};

/* Every arena: a fork takes all of their locks, after the list's. */
static pthread_mutex_t records_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct record *records;

static_assert(sizeof(struct region) + sizeof(struct record) <= SPAN, "the first span holds both");

static struct record *record_of(struct pinion_arena *arena)
{
    return PN_CONTAINER_OF(arena, struct record, arena);
}

/* Four classes for each doubling, beyond the first four: 16, 32, 48, 64, 80, 96, 112, 128,
 * 160... */
static size_t class_size(uint32_t cls)
{
    if (cls < 4)
        return (cls + 1) * (size_t)STEP;
    size_t power = (size_t)4 * STEP << (cls - 4) / 4;
    return power + power / 4 * ((cls - 4) % 4 + 1);
}

/* The smallest class for this size and alignment, neither over SPAN. A block lies at a multiple of
 * its size from a multiple of SPAN, so the size must be a multiple of the alignment; a power of
 * two, which comes at the end of each four, always is. */
static uint32_t class_for(size_t size, size_t align)
{
    size_t need = size > align ? size : align;
    uint32_t cls = (uint32_t)((need - 1) / STEP);
    if (need > (size_t)4 * STEP) {
        uint32_t power = 63 - (uint32_t)__builtin_clzll(need - 1);
        cls = (power - 6) * 4 + 4 + (uint32_t)((need - 1 - ((size_t)1 << power)) >> (power - 2));
    }
    while (class_size(cls) % align != 0)
        cls++;
    return cls;
}

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static void push_span(struct span **list, struct span *span)
{
    span->previous = NULL;
    span->next = *list;
    if (*list != NULL)
        (*list)->previous = span;
    *list = span;
}

static void remove_span(struct span **list, struct span *span)
{
    if (span->previous != NULL)
        span->previous->next = span->next;
    else
        *list = span->next;
    if (span->next != NULL)
        span->next->previous = span->previous;
}

static void push_header(struct header **list, struct header *header)
{
    header->previous = NULL;
    header->next = *list;
    if (*list != NULL)
        (*list)->previous = header;
    *list = header;
}

static void remove_header(struct header **list, struct header *header)
{
    if (header->previous != NULL)
        header->previous->next = header->next;
    else
        *list = header->next;
    if (header->next != NULL)
        header->next->previous = header->previous;
}

/* Maps length bytes such that start + offset is a multiple of align, by cutting them out of more.
 * All are multiples of a page. */
static char *map_aligned(size_t length, size_t align, size_t offset)
{
    size_t total;
    if (__builtin_add_overflow(length, align, &total))
        return NULL;
    char *all = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        return NULL;
    size_t before = -((uintptr_t)all + offset) & (align - 1);
    if (before > 0)
        munmap(all, before);
    if (align - before > 0)
        munmap(all + before + length, align - before);
    return all + before;
}

static void unmap_all(struct header *header)
{
    while (header != NULL) {
        struct header *next = header->next;
        char *start = header->start;
        size_t length = header->length;
        pn_guard_unmap(start, length);
        munmap(start, length);
        header = next;
    }
}

static void init_header(struct header *header, enum kind kind, char *start, size_t length)
{
    pn_guard_map(start, length);
    header->kind = kind;
    header->start = start;
    header->length = length;
}

/* A mapping that becomes a region by add_region. */
static struct region *map_region(struct pinion_arena *arena)
{
    char *start = map_aligned(REGION, REGION, 0);
    if (start == NULL)
        return NULL;
    pn_arena_bind(arena, start, REGION);
    struct region *region = (struct region *)(void *)start;
    init_header(&region->header, KIND_REGION, start, REGION);
    pn_guard_close(start + SPAN, REGION - SPAN);
    return region;
}

static void add_region(struct record *record, struct region *region)
{
    push_header(&record->regions, &region->header);
    for (size_t i = SPANS - 1; i > 0; i--) {
        region->spans[i].cls = NO_CLASS;
        push_span(&record->spare, &region->spans[i]);
    }
}

static struct region *region_of(const void *address)
{
    return (struct region *)((uintptr_t)address & ~(uintptr_t)(REGION - 1));
}

static char *span_start(struct span *span)
{
    struct region *region = region_of(span);
    return (char *)region + (size_t)(span - region->spans) * SPAN;
}

static void list_record(struct record *record)
{
    pthread_mutex_lock(&records_mutex);
    record->next = records;
    if (records != NULL)
        records->previous = record;
    records = record;
    pthread_mutex_unlock(&records_mutex);
}

static void unlist_record(struct record *record)
{
    pthread_mutex_lock(&records_mutex);
    if (record->previous != NULL)
        record->previous->next = record->next;
    else
        records = record->next;
    if (record->next != NULL)
        record->next->previous = record->previous;
    pthread_mutex_unlock(&records_mutex);
}

static void before_fork(void)
{
    pthread_mutex_lock(&records_mutex);
    for (struct record *record = records; record != NULL; record = record->next)
        pthread_mutex_lock(&record->mutex);
}

static void after_fork(bool is_child)
{
    (void)is_child;
    for (struct record *record = records; record != NULL; record = record->next)
        pthread_mutex_unlock(&record->mutex);
    pthread_mutex_unlock(&records_mutex);
}

__attribute__((constructor)) static void watch_forks(void)
{
    pn_fork_register(PN_FORK_ARENAS, before_fork, after_fork);
}

int pn_arena_backend_create(int node, struct pinion_arena **arena)
{
    struct pinion_arena draft = {.node = node};
    struct region *region = map_region(&draft);
    if (region == NULL)
        return -ENOMEM;
    struct record *record = (struct record *)(void *)(region + 1); /* zeroed, as mapped memory is */
    pthread_mutex_init(&record->mutex, NULL);
    record->arena = draft;
    add_region(record, region);
    list_record(record);
    *arena = &record->arena;
    return 0;
}

void pn_arena_backend_destroy(struct pinion_arena *arena)
{
    struct record *record = record_of(arena);
    struct header *regions = record->regions;
    unlist_record(record);
    pthread_mutex_destroy(&record->mutex);
    unmap_all(record->large);
    unmap_all(record->kept);
    unmap_all(regions); /* the record is in one of them */
}

static bool is_full(const struct span *span)
{
    return span->free == NULL && span->cut + class_size(span->cls) > SPAN;
}

static struct span *span_with_room_locked(struct record *record, uint32_t cls)
{
    if (record->partial[cls] != NULL)
        return record->partial[cls];
    if (record->spare == NULL) {
        struct region *region = map_region(&record->arena);
        if (region == NULL)
            return NULL;
        pn_huge_pages_advise(region, REGION); /* but not in the first: it may stay nearly empty */
        add_region(record, region);
    }
    struct span *span = record->spare;
    remove_span(&record->spare, span);
    span->cls = cls;
    span->free = NULL;
    span->used = span->cut = 0;
    push_span(&record->partial[cls], span);
    return span;
}

static void *take_block_locked(struct record *record, uint32_t cls)
{
    struct span *span = span_with_room_locked(record, cls);
    if (span == NULL)
        return NULL;
    void *block = span->free;
    if (block != NULL) {
        pn_guard_peek(block, sizeof(struct block));
        span->free = span->free->next;
    } else {
        block = span_start(span) + span->cut;
        span->cut += (uint32_t)class_size(cls);
    }
    span->used++;
    if (is_full(span))
        remove_span(&record->partial[cls], span);
    return block;
}

static void free_block_locked(struct record *record, struct region *region, struct block *block)
{
    struct span *span = &region->spans[((uintptr_t)block & (REGION - 1)) / SPAN];
    uint32_t cls = span->cls;
    PN_ASSERT(cls != NO_CLASS && span->used > 0); /* freed twice */
    if (is_full(span))
        push_span(&record->partial[cls], span);
    pn_guard_peek(block, sizeof(*block));
    block->next = span->free;
    span->free = block;
    pn_guard_close(block, class_size(cls));
    if (--span->used > 0)
        return;
    remove_span(&record->partial[cls], span);
    span->cls = NO_CLASS;
    push_span(&record->spare, span);
}

/* One of the kept mappings that fits, without wasting much of it. */
static struct large *reuse_large_locked(struct record *record, size_t size, size_t align)
{
    for (struct header *header = record->kept; header != NULL; header = header->next) {
        struct large *large = (struct large *)header;
        size_t room = (size_t)(header->start + header->length - large->block);
        if (room < size || room / KEPT_FITS > size || ((uintptr_t)large->block & (align - 1)) != 0)
            continue;
        remove_header(&record->kept, header);
        return large;
    }
    return NULL;
}

/* The header is at a multiple of REGION, or one page below one if the block is there. */
static struct large *map_large(struct record *record, size_t size, size_t align)
{
    size_t page = page_bytes();
    size_t front = align < REGION && align > page ? align : page;
    size_t length;
    if (__builtin_add_overflow(size, front + page - 1, &length))
        return NULL;
    length &= ~(page - 1);
    char *start =
        align < REGION ? map_aligned(length, REGION, 0) : map_aligned(length, align, page);
    if (start == NULL)
        return NULL;
    pn_arena_bind(&record->arena, start, length);
    pn_huge_pages_advise(start, length);
    struct large *large = (struct large *)(void *)start;
    init_header(&large->header, KIND_LARGE, start, length);
    large->block = start + front;
    return large;
}

static void *alloc_large(struct record *record, size_t size, size_t align)
{
    pthread_mutex_lock(&record->mutex);
    struct large *large = reuse_large_locked(record, size, align);
    if (large == NULL)
        large = map_large(record, size, align);
    if (large != NULL)
        push_header(&record->large, &large->header);
    pthread_mutex_unlock(&record->mutex);
    if (large == NULL)
        return NULL;
    pn_guard_close(large->block,
                   (size_t)(large->header.start + large->header.length - large->block));
    return large->block;
}

void *pn_arena_backend_alloc(struct pinion_arena *arena, size_t size, size_t align)
{
    struct record *record = record_of(arena);
    void *block;
    if (size > SPAN || align > SPAN) {
        block = alloc_large(record, size, align);
    } else {
        pthread_mutex_lock(&record->mutex);
        block = take_block_locked(record, class_for(size, align));
        pthread_mutex_unlock(&record->mutex);
    }
    if (block != NULL)
        pn_guard_open(block, size);
    return block;
}

static void free_large(struct record *record, struct large *large)
{
    struct header *header = &large->header;
    pthread_mutex_lock(&record->mutex);
    remove_header(&record->large, header);
    bool keep = record->keep;
    if (keep) {
        pn_guard_close(large->block, (size_t)(header->start + header->length - large->block));
        push_header(&record->kept, header);
    }
    pthread_mutex_unlock(&record->mutex);
    if (keep)
        return;
    header->next = NULL;
    unmap_all(header);
}

void pn_arena_backend_free(struct pinion_arena *arena, void *pointer, size_t size)
{
    (void)size;
    struct record *record = record_of(arena);
    struct region *region = region_of(pointer);
    pn_guard_check(pointer);
    if ((void *)region == pointer) {
        free_large(record, (struct large *)(void *)((char *)pointer - page_bytes()));
    } else if (region->header.kind == KIND_LARGE) {
        free_large(record, (struct large *)(void *)region);
    } else {
        pthread_mutex_lock(&record->mutex);
        free_block_locked(record, region, pointer);
        pthread_mutex_unlock(&record->mutex);
    }
}

void pn_arena_backend_keep(struct pinion_arena *arena)
{
    struct record *record = record_of(arena);
    pthread_mutex_lock(&record->mutex);
    record->keep = true; /* spans are never given back, only large mappings are */
    pthread_mutex_unlock(&record->mutex);
}

const char *pn_arena_backend_name(void)
{
    return "mmap";
}
