/* SPDX-License-Identifier: MIT */
#include "sync_rows.h"

#include <inttypes.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crew.h"

#define LINE 64

/* ---- mutexes ---- */

/* Members in turn hold a lock and count. What it protects has a line of its own. */
struct lock {
    struct pinion_io *io; /* NULL: POSIX */
    unsigned members;
    uint64_t each; /* locks a member */
    alignas(LINE) struct pinion_mutex mutex;
    alignas(LINE) pthread_mutex_t posix;
    alignas(LINE) volatile uint64_t words[4];
};

static void count(struct lock *lock)
{
    for (int i = 0; i < 4; i++)
        lock->words[i] = lock->words[i] + 1;
}

static void lock_pinion(void *context, unsigned index)
{
    struct lock *lock = context;
    (void)index;
    for (uint64_t i = 0; i < lock->each; i++) {
        if (pinion_mutex_lock(lock->io, &lock->mutex))
            rounds_die("a lock was canceled that nobody canceled");
        count(lock);
        pinion_mutex_unlock(lock->io, &lock->mutex);
    }
}

static void lock_posix(void *context, unsigned index)
{
    struct lock *lock = context;
    (void)index;
    for (uint64_t i = 0; i < lock->each; i++) {
        (void)pthread_mutex_lock(&lock->posix);
        count(lock);
        (void)pthread_mutex_unlock(&lock->posix);
    }
}

static int64_t run_lock(void *context, uint64_t n)
{
    struct lock *lock = context;
    lock->each = n / lock->members;
    for (int i = 0; i < 4; i++)
        lock->words[i] = 0;
    const int64_t ns =
        crew_run(lock->io, lock->members, false, lock->io ? lock_pinion : lock_posix, lock);
    if (lock->words[0] != n || lock->words[3] != n)
        rounds_die("%" PRIu64 " turns under a lock counted %" PRIu64, n, lock->words[0]);
    return ns;
}

void sync_add_locks(struct rounds *rounds, const struct sync_pools *pools)
{
    static const struct {
        unsigned members;
        const char *name;
    } kinds[] = {{1, "lock, uncontended"}, {2, "lock, 2 contend"}, {8, "lock, 8 contend"}};
    static struct lock locks[2 * sizeof kinds / sizeof kinds[0]];
    struct lock *lock = locks;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct rounds_row *peer = NULL;
        for (int is_ours = 0; is_ours < 2; is_ours++, lock++) {
            lock->io = is_ours ? pools->adaptive : NULL;
            lock->members = kinds[i].members;
            (void)pthread_mutex_init(&lock->posix, NULL);
            struct rounds_row *row = rounds_row(rounds, run_lock, lock, "%s: %s", kinds[i].name,
                                                is_ours ? "pinion" : "pthread_mutex");
            row->step = 8;
            row->peers[0] = peer;
            peer = row;
        }
    }
}

/* ---- wakes ---- */

/* A flag that one sets and the other waits for and takes down, of each kind. */
struct flag {
    alignas(LINE) struct pinion_event event;
    alignas(LINE) atomic_uint word;
    alignas(LINE) pthread_mutex_t mutex;
    pthread_cond_t condition;
    bool is_set;
};

struct wake {
    void (*set)(struct wake *, struct flag *);
    void (*take)(struct wake *, struct flag *);
    struct pinion_io *io; /* NULL: POSIX threads */
    bool apart;           /* on a CPU each */
    uint64_t each;        /* round trips */
    struct flag flags[2];
};

static void set_event(struct wake *wake, struct flag *flag)
{
    pinion_event_set(wake->io, &flag->event);
}

static void take_event(struct wake *wake, struct flag *flag)
{
    if (pinion_event_wait(wake->io, &flag->event))
        rounds_die("a wait was canceled that nobody canceled");
    pinion_event_reset(&flag->event);
}

static void set_condition(struct wake *wake, struct flag *flag)
{
    (void)wake;
    (void)pthread_mutex_lock(&flag->mutex);
    flag->is_set = true;
    (void)pthread_mutex_unlock(&flag->mutex);
    (void)pthread_cond_signal(&flag->condition);
}

static void take_condition(struct wake *wake, struct flag *flag)
{
    (void)wake;
    (void)pthread_mutex_lock(&flag->mutex);
    while (!flag->is_set)
        (void)pthread_cond_wait(&flag->condition, &flag->mutex);
    flag->is_set = false;
    (void)pthread_mutex_unlock(&flag->mutex);
}

/* The floor of what sleeps at once: a store and a wake, a wait and a store. */
static void set_futex(struct wake *wake, struct flag *flag)
{
    (void)wake;
    atomic_store_explicit(&flag->word, 1, memory_order_release);
    (void)syscall(SYS_futex, &flag->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void take_futex(struct wake *wake, struct flag *flag)
{
    (void)wake;
    while (!atomic_load_explicit(&flag->word, memory_order_acquire))
        (void)syscall(SYS_futex, &flag->word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    atomic_store_explicit(&flag->word, 0, memory_order_relaxed);
}

/* The first serves, the second answers. */
static void play(void *context, unsigned index)
{
    struct wake *wake = context;
    for (uint64_t i = 0; i < wake->each; i++) {
        if (index == 0)
            wake->set(wake, &wake->flags[0]);
        wake->take(wake, &wake->flags[!index]);
        if (index == 1)
            wake->set(wake, &wake->flags[1]);
    }
}

static int64_t run_wake(void *context, uint64_t n)
{
    struct wake *wake = context;
    wake->each = n / 2;
    return crew_run(wake->io, 2, wake->apart, play, wake);
}

static void add_wakes(struct rounds *rounds, const struct sync_pools *pools, bool apart)
{
    static const struct {
        const char *name;
        void (*set)(struct wake *, struct flag *);
        void (*take)(struct wake *, struct flag *);
    } kinds[] = {{"futex alone", set_futex, take_futex},
                 {"mutex+condition", set_condition, take_condition},
                 {"pinion, adaptive", set_event, take_event},
                 {"pinion, park", set_event, take_event}};
    struct pinion_io *const ios[] = {NULL, NULL, pools->adaptive, pools->park};
    static struct wake all[2][sizeof kinds / sizeof kinds[0]];
    struct rounds_row *rows[sizeof kinds / sizeof kinds[0]];
    for (int i = 0; i < 4; i++) {
        struct wake *wake = &all[apart][i];
        wake->set = kinds[i].set;
        wake->take = kinds[i].take;
        wake->io = ios[i];
        wake->apart = apart;
        for (int j = 0; j < 2; j++) {
            (void)pthread_mutex_init(&wake->flags[j].mutex, NULL);
            (void)pthread_cond_init(&wake->flags[j].condition, NULL);
        }
        rows[i] = rounds_row(rounds, run_wake, wake, "wake, %s: %s",
                             apart ? "a CPU each" : "unpinned", kinds[i].name);
        rows[i]->step = 2;
        if (ios[i]) {
            rows[i]->peers[0] = rows[1];
            rows[i]->peers[1] = rows[0];
        }
    }
}

void sync_add_wakes(struct rounds *rounds, const struct sync_pools *pools)
{
    add_wakes(rounds, pools, false);
    add_wakes(rounds, pools, true);
}
