/* SPDX-License-Identifier: MIT */
#include "sync_rows.h"

#include <errno.h>
#include <inttypes.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#if BENCH_GLIB
#include <glib.h>
#endif

#include "crew.h"
#include "peers/child.h"
#include "peers/ring.h"

#define CAPACITY_MAX 1024
#define BATCH        16

/* One row: so many put the words 1 to n, a share each, and so many get them. */
struct passing {
    const struct kind *kind;
    struct pinion_io *io; /* NULL: POSIX threads */
    unsigned producers, consumers;
    size_t capacity, batch; /* batch: words a call */
    uint64_t n;
    _Atomic uint64_t sum; /* of what was got; relaxed, read when all have ended */
    struct pinion_queue queue;
    struct ring ring;
#if BENCH_GLIB
    GAsyncQueue *unbounded;
    sem_t room;
#endif
    uint64_t storage[CAPACITY_MAX];
};

/* What carries the words. put moves all of count; get at least one and up to count. */
struct kind {
    const char *name, *note;
    void (*init)(struct passing *);
    void (*fini)(struct passing *);
    void (*put)(struct passing *, const uint64_t *words, size_t count);
    size_t (*get)(struct passing *, uint64_t *words, size_t count);
};

/* ---- pinion ---- */

static void queue_init(struct passing *passing)
{
    pinion_queue_init(&passing->queue, passing->storage, sizeof passing->storage[0],
                      passing->capacity);
}

static void queue_put(struct passing *passing, const uint64_t *words, size_t count)
{
    if (pinion_queue_put(passing->io, &passing->queue, words, count, count) != (ssize_t)count)
        rounds_die("a put was cut short by nobody");
}

static size_t queue_get(struct passing *passing, uint64_t *words, size_t count)
{
    const ssize_t got = pinion_queue_get(passing->io, &passing->queue, words, count, 1);
    if (got < 1)
        rounds_die("a get was cut short by nobody");
    return (size_t)got;
}

static void nothing(struct passing *passing)
{
    (void)passing;
}

static const struct kind pinion_kind = {
    .name = "pinion",
    .init = queue_init,
    .fini = nothing,
    .put = queue_put,
    .get = queue_get,
};

/* ---- mutex and two conditions ---- */

static void mutex_init(struct passing *passing)
{
    ring_init(&passing->ring, passing->storage, passing->capacity);
}

static void mutex_fini(struct passing *passing)
{
    ring_fini(&passing->ring);
}

static void mutex_put(struct passing *passing, const uint64_t *words, size_t count)
{
    ring_put(&passing->ring, words, count);
}

static size_t mutex_get(struct passing *passing, uint64_t *words, size_t count)
{
    return ring_get(&passing->ring, words, count);
}

static const struct kind mutex_kind = {
    .name = "mutex+conditions",
    .init = mutex_init,
    .fini = mutex_fini,
    .put = mutex_put,
    .get = mutex_get,
};

/* ---- GLib ---- */

#if BENCH_GLIB
static void glib_init(struct passing *passing)
{
    passing->unbounded = g_async_queue_new();
    (void)sem_init(&passing->room, 0, (unsigned)passing->capacity);
}

static void glib_fini(struct passing *passing)
{
    g_async_queue_unref(passing->unbounded);
    (void)sem_destroy(&passing->room);
}

/* Words are the pointers; none is 0. */
static void glib_push(struct passing *passing, const uint64_t *words, size_t count)
{
    if (count == 1) {
        g_async_queue_push(passing->unbounded, (gpointer)(uintptr_t)words[0]);
        return;
    }
    g_async_queue_lock(passing->unbounded);
    for (size_t i = 0; i < count; i++)
        g_async_queue_push_unlocked(passing->unbounded, (gpointer)(uintptr_t)words[i]);
    g_async_queue_unlock(passing->unbounded);
}

static size_t glib_pop(struct passing *passing, uint64_t *words, size_t count)
{
    size_t got = 1;
    gpointer word;
    if (count == 1) {
        words[0] = (uintptr_t)g_async_queue_pop(passing->unbounded);
        return 1;
    }
    g_async_queue_lock(passing->unbounded);
    words[0] = (uintptr_t)g_async_queue_pop_unlocked(passing->unbounded);
    while (got < count && (word = g_async_queue_try_pop_unlocked(passing->unbounded)))
        words[got++] = (uintptr_t)word;
    g_async_queue_unlock(passing->unbounded);
    return got;
}

/* Pushes what there is room for: who held room and waited for more could wait for ever. */
static void glib_put(struct passing *passing, const uint64_t *words, size_t count)
{
    while (count) {
        size_t room = 1;
        while (sem_wait(&passing->room))
            ;
        while (room < count && !sem_trywait(&passing->room))
            room++;
        glib_push(passing, words, room);
        words += room;
        count -= room;
    }
}

static size_t glib_get(struct passing *passing, uint64_t *words, size_t count)
{
    const size_t got = glib_pop(passing, words, count);
    for (size_t i = 0; i < got; i++)
        (void)sem_post(&passing->room);
    return got;
}

static const struct kind glib_kind = {
    .name = "GAsyncQueue",
    .note = "GAsyncQueue has no bound: a POSIX semaphore bounds it here, and costs.",
    .init = glib_init,
    .fini = glib_fini,
    .put = glib_put,
    .get = glib_get,
};
static const struct kind glib_unbounded_kind = {
    .name = "GAsyncQueue, unbounded",
    .note = "GAsyncQueue, unbounded: its producers never wait.",
    .init = glib_init,
    .fini = glib_fini,
    .put = glib_push,
    .get = glib_pop,
};
#endif

/* ---- a round ---- */

static void produce(struct passing *passing, unsigned index)
{
    const uint64_t share = passing->n / passing->producers;
    uint64_t words[BATCH], next = index * share + 1;
    for (uint64_t done = 0; done < share; done += passing->batch) {
        for (size_t i = 0; i < passing->batch; i++)
            words[i] = next++;
        passing->kind->put(passing, words, passing->batch);
    }
}

static void consume(struct passing *passing)
{
    uint64_t words[BATCH], sum = 0, left = passing->n / passing->consumers;
    while (left) {
        const size_t got =
            passing->kind->get(passing, words, left < passing->batch ? left : passing->batch);
        for (size_t i = 0; i < got; i++)
            sum += words[i];
        left -= got;
    }
    (void)atomic_fetch_add_explicit(&passing->sum, sum, memory_order_relaxed);
}

static void take_part(void *context, unsigned index)
{
    struct passing *passing = context;
    if (index < passing->producers)
        produce(passing, index);
    else
        consume(passing);
}

static int64_t run_passing(void *context, uint64_t n)
{
    struct passing *passing = context;
    passing->n = n;
    atomic_store_explicit(&passing->sum, 0, memory_order_relaxed);
    passing->kind->init(passing);
    const int64_t ns =
        crew_run(passing->io, passing->producers + passing->consumers, false, take_part, passing);
    passing->kind->fini(passing);
    if (atomic_load_explicit(&passing->sum, memory_order_relaxed) != n * (n + 1) / 2)
        rounds_die("%s lost one of %" PRIu64 " words", passing->kind->name, n);
    return ns;
}

/* ---- Go ---- */

static struct child channel;

static int64_t run_channel(void *context, uint64_t n)
{
    const struct passing *passing = context;
    return child_ask(&channel, "%zu %u %u %" PRIu64, passing->capacity, passing->producers,
                     passing->consumers, n);
}

static bool start_channel(struct rounds *rounds)
{
#ifdef BENCH_CHANNEL
    const int error = child_start(&channel, BENCH_CHANNEL, NULL);
    if (error)
        rounds_note(rounds, "without Go: %s: %s", BENCH_CHANNEL, strerror(-error));
    return !error;
#else
    rounds_note(rounds, "without Go, which was not there when this was built");
    return false;
#endif
}

/* ---- rows ---- */

/* Of one shape, capacity and batch: the peers, then pinion beside them. */
struct setting {
    unsigned members; /* on each side */
    size_t capacity, batch;
};

static struct rounds_row *add_row(struct rounds *rounds, rounds_run_fn *run,
                                  const struct setting *setting, const struct kind *kind,
                                  struct pinion_io *io)
{
    struct passing *passing = calloc(1, sizeof *passing);
    if (!passing)
        rounds_die("out of memory");
    passing->kind = kind;
    passing->io = io;
    passing->producers = passing->consumers = setting->members;
    passing->capacity = setting->capacity;
    passing->batch = setting->batch;
    struct rounds_row *row = rounds_row(rounds, run, passing, "queue %u:%u, capacity %zu%s: %s",
                                        setting->members, setting->members, setting->capacity,
                                        setting->batch > 1 ? ", by 16" : "", kind->name);
    row->note = kind->note;
    row->step = setting->members * setting->batch;
    return row;
}

static void add_setting(struct rounds *rounds, const struct setting *setting, struct pinion_io *io,
                        bool has_channel)
{
    static const struct kind channel_kind = {
        .name = "Go channel",
        .note = "Go channel: in a process of its own; goroutines may share a thread.",
    };
    struct rounds_row *peers[ROUNDS_PEERS_MAX] = {NULL};
    size_t count = 0;
    peers[count++] = add_row(rounds, run_passing, setting, &mutex_kind, NULL);
#if BENCH_GLIB
    peers[count++] = add_row(rounds, run_passing, setting, &glib_kind, NULL);
    if (setting->capacity == CAPACITY_MAX)
        peers[count++] = add_row(rounds, run_passing, setting, &glib_unbounded_kind, NULL);
#endif
    if (has_channel && setting->batch == 1) { /* a channel takes one at a time */
        peers[count] = add_row(rounds, run_channel, setting, &channel_kind, NULL);
        peers[count++]->clock = channel.clock;
    }
    struct rounds_row *row = add_row(rounds, run_passing, setting, &pinion_kind, io);
    for (size_t i = 0; i < count; i++)
        row->peers[i] = peers[i];
}

void sync_add_queues(struct rounds *rounds, const struct sync_pools *pools)
{
    static const size_t capacities[] = {1, 64, CAPACITY_MAX};
    const bool has_channel = start_channel(rounds);
#if !BENCH_GLIB
    rounds_note(rounds, "without GLib, which was not there when this was built");
#endif
    for (unsigned members = 1; members <= 4; members *= 4) {
        for (size_t i = 0; i < sizeof capacities / sizeof capacities[0]; i++) {
            for (size_t batch = 1; batch <= BATCH && batch <= capacities[i]; batch *= BATCH) {
                const struct setting setting = {members, capacities[i], batch};
                add_setting(rounds, &setting, pools->adaptive, has_channel);
            }
        }
    }
}
