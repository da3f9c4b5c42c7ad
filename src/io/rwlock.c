/* SPDX-License-Identifier: MIT
 *
 * The reader-writer lock: handed over in turn. Who comes while somebody is parked parks behind; when
 * the lock is let go it goes to the first, and if that is a reader to all readers.
 *
 * The word: WRITER | PARKED | readers × READER. PARKED while somebody is parked here: set and
 * cleared under the address' lock, only while the lock is held. While it is PARKED all changes but a
 * reader's that is not the last are made under that lock.
 */
#include <pinion/sync.h>

#include "check.h"
#include "mutex.h"

#define WRITER 1u
#define PARKED 2u
#define READER 4u

/* kind in a park: what is wanted, WRITER or READER. */
struct locker {
    struct pn_park park;
    struct pinion_rwlock *lock;
};

static bool is_free_for(uint32_t word, uint32_t kind)
{
    return kind == WRITER ? word < READER && !(word & (WRITER | PARKED))
                          : !(word & (WRITER | PARKED));
}

static bool try_lock(struct pinion_rwlock *lock, uint32_t kind)
{
    uint32_t seen = pn_load_relaxed(&lock->word);
    while (is_free_for(seen, kind))
        /* Acquire: pairs with the releases of who unlocks. */
        if (pn_cas_acquire(&lock->word, &seen, seen + kind))
            return true;
    return false;
}

static bool is_taken(struct pn_park *park)
{
    struct locker *locker = PN_CONTAINER_OF(park, struct locker, park);
    uint32_t seen = pn_load_relaxed(&locker->lock->word);
    do
        if (is_free_for(seen, park->kind))
            return false;
    while (!pn_cas_relaxed(&locker->lock->word, &seen, seen | PARKED));
    return true;
}

struct release {
    struct pn_unpark unpark;
    struct pinion_rwlock *lock;
    uint32_t leaving; /* READER, WRITER, or 0: nobody holds less, but somebody waits no longer */
    bool has_left;
    uint32_t held;    /* the word when it had left */
    uint32_t granted; /* WRITER, or readers × READER */
};

/* The first step, under the address' lock. */
static void leave(struct release *release)
{
    if (release->has_left)
        return;
    release->has_left = true;
    /* Release: what was done under the lock, acquire: what other readers did; both for who gets
     * it. PARKED is set still, so nobody takes it meanwhile. */
    release->held =
        pn_fetch_sub_acq_rel(&release->lock->word, release->leaving) - release->leaving;
}

static enum pn_choice choose(struct pn_unpark *unpark, const struct pn_park *parked, int *outcome)
{
    struct release *release = PN_CONTAINER_OF(unpark, struct release, unpark);
    leave(release);
    if (release->held & WRITER)
        return PN_STOP;
    *outcome = PN_HANDED;
    if (parked->kind == READER) {
        if (release->granted == WRITER)
            return PN_STOP;
        release->granted += READER;
        return PN_TAKE;
    }
    if (release->granted)
        return release->granted == WRITER ? PN_STOP : PN_LEAVE;
    if (release->held >= READER)
        return PN_STOP;
    release->granted = WRITER;
    return PN_TAKE;
}

static void settle(struct pn_unpark *unpark, bool remaining)
{
    struct release *release = PN_CONTAINER_OF(unpark, struct release, unpark);
    leave(release);
    const uint32_t clear = remaining ? 0 : PARKED;
    uint32_t seen = pn_load_relaxed(&release->lock->word);
    /* Release: pairs with the acquires of who locks next. The lock may be gone after. */
    while (!pn_cas_acq_rel(&release->lock->word, &seen, (seen & ~clear) + release->granted))
        continue;
}

/* Under the address' lock: lets go, and hands over what can be had. */
static void hand_over(struct pinion_io *io, struct pinion_rwlock *lock, uint32_t leaving)
{
    struct release release = {
        .unpark = {.address = &lock->word, .choose = choose, .settle = settle},
        .lock = lock,
        .leaving = leaving};
    io->vtable->unpark(io, &release.unpark);
}

static int lock_as(struct pinion_io *io, struct pinion_rwlock *lock, uint32_t kind,
                   const struct pn_how *how)
{
    struct locker locker = {
        .park = {.address = &lock->word, .may_sleep = is_taken, .kind = kind}, .lock = lock};
    const int error = pn_io_enter(io, how);
    if (error)
        return error;
    while (!try_lock(lock, kind)) {
        const int outcome = io->vtable->park(io, &locker.park, how);
        if (outcome == PN_HANDED)
            return 0;
        if (outcome < 0) { /* readers behind a writer that leaves need not wait any more */
            hand_over(io, lock, 0);
            return outcome;
        }
    }
    return 0;
}

int pinion_rwlock_read_lock(struct pinion_io *io, struct pinion_rwlock *lock)
{
    return lock_as(io, lock, READER, PN_CANCELABLE(INT64_MAX));
}

int pinion_rwlock_read_lock_until(struct pinion_io *io, struct pinion_rwlock *lock,
                                  int64_t deadline)
{
    return lock_as(io, lock, READER, PN_CANCELABLE(deadline));
}

int pinion_rwlock_read_lock_uncancelable(struct pinion_io *io, struct pinion_rwlock *lock)
{
    return lock_as(io, lock, READER, PN_UNCANCELABLE(INT64_MAX));
}

int pinion_rwlock_write_lock(struct pinion_io *io, struct pinion_rwlock *lock)
{
    return lock_as(io, lock, WRITER, PN_CANCELABLE(INT64_MAX));
}

int pinion_rwlock_write_lock_until(struct pinion_io *io, struct pinion_rwlock *lock,
                                   int64_t deadline)
{
    return lock_as(io, lock, WRITER, PN_CANCELABLE(deadline));
}

int pinion_rwlock_write_lock_uncancelable(struct pinion_io *io, struct pinion_rwlock *lock)
{
    return lock_as(io, lock, WRITER, PN_UNCANCELABLE(INT64_MAX));
}

bool pinion_rwlock_try_read_lock(struct pinion_rwlock *lock) { return try_lock(lock, READER); }

bool pinion_rwlock_try_write_lock(struct pinion_rwlock *lock) { return try_lock(lock, WRITER); }

void pinion_rwlock_read_unlock(struct pinion_io *io, struct pinion_rwlock *lock)
{
    uint32_t seen = pn_load_relaxed(&lock->word);
    PN_ASSERT(seen >= READER);
    while (seen >= READER) {
        if ((seen & PARKED) && seen < 2 * READER) {
            hand_over(io, lock, READER);
            return;
        }
        /* Release: what was read before, pairs with the acquire of the next writer. */
        if (pn_cas_acq_rel(&lock->word, &seen, seen - READER))
            return;
    }
}

void pinion_rwlock_write_unlock(struct pinion_io *io, struct pinion_rwlock *lock)
{
    uint32_t seen = WRITER;
    /* Release: what was written, pairs with the acquires of who locks next. */
    if (pn_cas_acq_rel(&lock->word, &seen, 0u))
        return;
    PN_ASSERT(seen & WRITER);
    if (seen & WRITER)
        hand_over(io, lock, WRITER);
}
