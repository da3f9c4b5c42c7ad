/* SPDX-License-Identifier: MIT
 *
 * Arenas of jemalloc. An arena of jemalloc is never destroyed (its index would be lost or its hooks
 * called too late), but reset and kept for the next arena on the same node: as many exist as were
 * ever in use at once.
 *
 * Blocks never enter a thread cache: those are not per arena, and would hand memory of one node to
 * another.
 */
#include "arena_backend.h"

#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "atomic.h"
#include "check.h"
#include "huge.h"
#include "process.h"

/* One arena of jemalloc, and one of ours while it is in use. Never freed: jemalloc keeps the
 * address of hooks, and calls them for as long as the program runs. hooks and default_hooks are
 * written once, before jemalloc knows them, index before anyone else knows the record; next_idle is
 * guarded by idle_mutex; kept is written by any thread, and read by the one that destroys, which
 * the caller orders after all else. */
struct record {
    struct pinion_arena arena;
    extent_hooks_t hooks, *default_hooks;
    unsigned index;
    _Atomic bool kept;
    struct record *next_idle;
};

static pthread_mutex_t idle_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct record *idle; /* of all nodes: reset, in no use */

static pthread_once_t version_once = PTHREAD_ONCE_INIT;
static char version[64] = "jemalloc";

/* "5.3.0-0-g54eaed1d8b56...": the number is enough. */
static void read_version(void)
{
    const char *long_version;
    size_t size = sizeof(long_version);
    if (mallctl("version", &long_version, &size, NULL, 0) == 0)
        snprintf(version, sizeof(version), "jemalloc %.*s", (int)strcspn(long_version, "-"),
                 long_version);
}

static struct record *record_of(struct pinion_arena *arena)
{
    return PN_CONTAINER_OF(arena, struct record, arena);
}

/* jemalloc maps memory for one of our arenas (its own records of the arena included). What it
 * purges or retains stays mapped, and so bound. */
static void *map_extent(extent_hooks_t *hooks, void *address, size_t size, size_t alignment,
                        bool *zero, bool *commit, unsigned index)
{
    (void)index; /* of an arena that doesn't exist yet on the first call; 0 always does */
    struct record *record = PN_CONTAINER_OF(hooks, struct record, hooks);
    hooks = record->default_hooks;
    void *extent = hooks->alloc(hooks, address, size, alignment, zero, commit, 0);
    if (extent == NULL)
        return NULL;
    pn_arena_bind(&record->arena, extent, size);
    /* jemalloc aligns its own records, and only those, to a huge page; whether they are to be on
     * one is said by its option metadata_thp. */
    if (alignment < pn_huge_pages()->bytes)
        pn_huge_pages_advise(extent, size);
    return extent;
}

static struct record *take_idle(int node)
{
    pthread_mutex_lock(&idle_mutex);
    struct record **link = &idle;
    while (*link != NULL && (*link)->arena.node != node)
        link = &(*link)->next_idle;
    struct record *found = *link;
    if (found != NULL)
        *link = found->next_idle;
    pthread_mutex_unlock(&idle_mutex);
    return found;
}

static void give_idle(struct record *record)
{
    pthread_mutex_lock(&idle_mutex);
    record->next_idle = idle;
    idle = record;
    pthread_mutex_unlock(&idle_mutex);
}

static void before_fork(void) { pthread_mutex_lock(&idle_mutex); }

static void after_fork(bool is_child)
{
    (void)is_child;
    pthread_mutex_unlock(&idle_mutex);
}

/* jemalloc looks after its own locks. */
__attribute__((constructor)) static void watch_forks(void)
{
    pn_fork_register(PN_FORK_ARENAS, before_fork, after_fork);
}

static int create_arena(struct record *record)
{
    extent_hooks_t *hooks = &record->hooks;
    record->hooks = *record->default_hooks;
    record->hooks.alloc = map_extent;
    size_t size = sizeof(record->index);
    return mallctl("arenas.create", &record->index, &size, &hooks, sizeof(hooks));
}

static int make_record(int node, struct record **result)
{
    struct record *record = calloc(1, sizeof(*record));
    if (record == NULL)
        return -ENOMEM;
    record->arena.node = node;
    size_t size = sizeof(record->default_hooks);
    int error = mallctl("arena.0.extent_hooks", &record->default_hooks, &size, NULL, 0);
    if (error == 0)
        error = create_arena(record);
    if (error != 0) {
        free(record);
        return -ENOMEM;
    }
    *result = record;
    return 0;
}

int pn_arena_backend_create(int node, struct pinion_arena **arena)
{
    struct record *record = take_idle(node);
    int error = record == NULL ? make_record(node, &record) : 0;
    if (error != 0)
        return error;
    *arena = &record->arena;
    return 0;
}

/* A setting or a command of one arena: "arena.<i>." and its name. */
static int control(const struct record *record, const char *name, void *value, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "arena.%u.%s", record->index, name);
    return mallctl(path, NULL, NULL, value, size);
}

static void set_decay(struct record *record, ssize_t dirty_ms, ssize_t muzzy_ms)
{
    (void)control(record, "dirty_decay_ms", &dirty_ms, sizeof(dirty_ms));
    (void)control(record, "muzzy_decay_ms", &muzzy_ms, sizeof(muzzy_ms));
}

static void restore_decay(struct record *record)
{
    ssize_t dirty_ms = 10000, muzzy_ms = 0; /* jemalloc 5.3's */
    size_t size = sizeof(dirty_ms);
    (void)mallctl("arenas.dirty_decay_ms", &dirty_ms, &size, NULL, 0);
    (void)mallctl("arenas.muzzy_decay_ms", &muzzy_ms, &size, NULL, 0);
    set_decay(record, dirty_ms, muzzy_ms);
}

void pn_arena_backend_destroy(struct pinion_arena *arena)
{
    struct record *record = record_of(arena);
    if (pn_load_relaxed(&record->kept)) { /* the caller orders destroy after keep */
        pn_store_relaxed(&record->kept, false);
        restore_decay(record);
    }
    /* reset asks that no thread cache holds blocks of the arena: none ever does. If either failed,
     * the memory would stay allocated in a record that is none the worse for the next user. */
    (void)control(record, "reset", NULL, 0);
    (void)control(record, "purge", NULL, 0);
    give_idle(record);
}

void *pn_arena_backend_alloc(struct pinion_arena *arena, size_t size, size_t align)
{
    int flags = (int)MALLOCX_ARENA(record_of(arena)->index) | MALLOCX_TCACHE_NONE |
                MALLOCX_LG_ALIGN(__builtin_ctzll(align));
    return mallocx(size, flags);
}

void pn_arena_backend_free(struct pinion_arena *arena, void *pointer, size_t size)
{
    /* Not sdallocx, which wants the alignment too. */
    (void)arena, (void)size;
    dallocx(pointer, MALLOCX_TCACHE_NONE);
}

void pn_arena_backend_keep(struct pinion_arena *arena)
{
    struct record *record = record_of(arena);
    pn_store_relaxed(&record->kept, true); /* read by destroy only, which comes after */
    set_decay(record, -1, -1);
}

const char *pn_arena_backend_name(void)
{
    pthread_once(&version_once, read_version);
    return version;
}
