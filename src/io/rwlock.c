/* SPDX-License-Identifier: MIT
 *
 * The reader-writer lock. As the mutex it lets who runs go first: a lock that nobody holds is taken
 * by whoever comes, and handed over to who has lost that race for over a millisecond. A lock that
 * readers hold is joined by others only while nobody is parked, so that writers get their turn.
 *
 * The word: WRITER | PARKED | WOKEN | readers × READER.
 *   PARKED  somebody is parked here. Set under the address' lock by who parks, only while the lock
 *           is held; cleared under it by the unpark that leaves nobody.
 *   WOKEN   who was woken is on its way and will look. Set by the unpark; cleared by one of the
 *           woken: when it locks, parks again or leaves.
 * Whenever it is PARKED and not held it is WOKEN, or somebody is about to unpark.
 */
#include <pinion/sync.h>

#include "cancel.h"
#include "check.h"
#include "patience.h"

#define WRITER 1u
#define PARKED 2u
#define WOKEN  4u
#define READER 8u

/* kind in a park: what is wanted, WRITER or READER; and whether it has waited long enough to be
 * handed it. */
#define URGENT 2u

struct locker {
    struct pn_park park;
    struct pinion_rwlock *lock;
    bool is_woken; /* the word's WOKEN is its own to clear */
    int64_t since; /* when it parked first; 0: not yet */
};

static uint32_t held(uint32_t word) { return word & ~(PARKED | WOKEN); }

static bool is_free_for(uint32_t word, uint32_t kind)
{
    return held(word) == 0 || (kind == READER && !(word & (WRITER | PARKED)));
}

static bool take(struct pinion_rwlock *lock, uint32_t kind, uint32_t clear)
{
    uint32_t seen = pn_load_relaxed(&lock->word);
    while (is_free_for(seen, kind))
        /* Acquire: pairs with the releases of who unlocks. */
        if (pn_cas_acquire(&lock->word, &seen, (seen & ~clear) + kind))
            return true;
    return false;
}

/* may_sleep: under the address' lock, against which relaxed is enough. */
static bool is_taken(struct pn_park *park)
{
    struct locker *locker = PN_CONTAINER_OF(park, struct locker, park);
    const uint32_t clear = locker->is_woken ? WOKEN : 0;
    uint32_t seen = pn_load_relaxed(&locker->lock->word);
    do
        if (is_free_for(seen, park->kind & ~URGENT))
            return false;
    while (!pn_cas_relaxed(&locker->lock->word, &seen, (seen | PARKED) & ~clear));
    locker->is_woken = false;
    return true;
}

/* ---- letting go ---- */

/* The first that is parked decides: if it is urgent, or can only join readers, the lock is handed
 * over, and is at no moment free; else it is let go, and who is woken must take it. With a first
 * reader go all readers. */
struct release {
    struct pn_unpark unpark;
    struct pinion_rwlock *lock;
    uint32_t leaving; /* READER, WRITER, or 0: nobody lets go, but somebody waits no longer */
    bool has_begun, has_left, is_handing;
    uint32_t held;    /* by others, when it began */
    uint32_t granted; /* WRITER, or readers × READER */
    bool is_stranded; /* who is parked was left beside a lock that became free meanwhile */
};

/* Who lets go of nothing becomes one reader more, so that the lock does not change hands before the
 * grants stand. False: a writer has it, who sees to those who are parked when it lets go. Under the
 * address' lock alone: who grants there counts on who is parked to keep other readers out. */
static bool join(struct release *release)
{
    uint32_t seen = pn_load_relaxed(&release->lock->word);
    do
        if (seen & WRITER)
            return false;
    /* Relaxed: settle acquires, on behalf of who is granted the lock. */
    while (!pn_cas_relaxed(&release->lock->word, &seen, seen + READER));
    release->leaving = READER;
    return true;
}

static void begin(struct release *release, uint32_t first_kind)
{
    _Atomic(uint32_t) *word = &release->lock->word;
    release->has_begun = true;
    if (!release->leaving && !join(release)) {
        release->held = WRITER;
        return;
    }
    release->held = held(pn_load_relaxed(word) - release->leaving);
    release->is_handing = (first_kind & URGENT) || release->held;
    if (release->is_handing)
        return;
    release->has_left = true;
    /* Release: what was done under the lock, pairs with who takes it, at once perhaps. */
    release->held = held(pn_fetch_sub_acq_rel(word, release->leaving) - release->leaving);
}

static bool may_grant(const struct release *release, uint32_t kind)
{
    if (kind == READER)
        return !((release->held | release->granted) & WRITER);
    return release->held == 0 && release->granted == 0;
}

static enum pn_choice choose(struct pn_unpark *unpark, const struct pn_park *parked, int *outcome)
{
    struct release *release = PN_CONTAINER_OF(unpark, struct release, unpark);
    const uint32_t kind = parked->kind & ~URGENT;
    if (!release->has_begun)
        begin(release, parked->kind);
    if (!may_grant(release, kind)) /* behind readers that go there may be more of them */
        return release->granted >= READER ? PN_LEAVE : PN_STOP;
    release->granted += kind;
    if (release->is_handing)
        *outcome = PN_HANDED;
    return PN_TAKE;
}

static void settle(struct pn_unpark *unpark, bool remaining)
{
    struct release *release = PN_CONTAINER_OF(unpark, struct release, unpark);
    const uint32_t leaving = release->has_left ? 0 : release->leaving;
    const uint32_t granted = release->is_handing ? release->granted : 0;
    const uint32_t set = release->granted && !release->is_handing ? WOKEN : 0;
    const uint32_t clear = remaining ? 0 : PARKED;
    uint32_t seen = pn_load_relaxed(&release->lock->word), next;
    do
        next = ((seen & ~clear) - leaving + granted) | set;
    /* Release: pairs with the acquires of who locks next; acquire: as take, on behalf of who is
     * granted the lock. The lock may be gone after. */
    while (!pn_cas_acq_rel(&release->lock->word, &seen, next));
    release->is_stranded = remaining && held(next) == 0 && !(next & WOKEN);
}

/* Lets go, and sees to those who are parked. */
static void let_go(struct pinion_io *io, struct pinion_rwlock *lock, uint32_t leaving)
{
    struct release release;
    do {
        release = (struct release){
            .unpark = {.address = &lock->word, .choose = choose, .settle = settle},
            .lock = lock,
            .leaving = leaving};
        io->vtable->unpark(io, &release.unpark);
        leaving = 0;
    } while (release.is_stranded);
}

static void unlock(struct pinion_io *io, struct pinion_rwlock *lock, uint32_t kind)
{
    uint32_t seen = pn_load_relaxed(&lock->word);
    PN_ASSERT(held(seen) && (kind == WRITER) == (held(seen) == WRITER));
    while (held(seen) && (kind == WRITER) == (held(seen) == WRITER)) {
        if (held(seen) == kind && (seen & (PARKED | WOKEN)) == PARKED) {
            let_go(io, lock, kind);
            return;
        }
        /* Release: what was done under the lock, pairs with the acquires of who locks next. */
        if (pn_cas_acq_rel(&lock->word, &seen, seen - kind))
            return;
    }
}

/* ---- locking ---- */

/* Who waits no longer gives up its place: those behind may have waited for it only, and a wake that
 * it had is another's. */
static void give_up(struct pinion_io *io, struct locker *locker)
{
    if (locker->is_woken)
        pn_fetch_and_acq_rel(&locker->lock->word, ~WOKEN);
    let_go(io, locker->lock, 0);
}

static int lock_as(struct pinion_io *io, struct pinion_rwlock *lock, uint32_t kind,
                   const struct pn_how *how)
{
    struct locker locker = {.park = {.address = &lock->word, .may_sleep = is_taken},
                            .lock = lock};
    const int error = pn_io_enter(io, how);
    if (error)
        return error;
    while (!take(lock, kind, locker.is_woken ? WOKEN : 0)) {
        locker.park.kind = kind | (pn_patience_is_over(&locker.since) ? URGENT : 0);
        const int outcome = io->vtable->park(io, &locker.park, how);
        if (outcome == PN_HANDED)
            return 0;
        if (outcome == PN_WOKEN)
            locker.is_woken = locker.park.goes_first = true;
        if (outcome < 0) {
            give_up(io, &locker);
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

bool pinion_rwlock_try_read_lock(struct pinion_rwlock *lock) { return take(lock, READER, 0); }

bool pinion_rwlock_try_write_lock(struct pinion_rwlock *lock) { return take(lock, WRITER, 0); }

void pinion_rwlock_read_unlock(struct pinion_io *io, struct pinion_rwlock *lock)
{
    unlock(io, lock, READER);
}

void pinion_rwlock_write_unlock(struct pinion_io *io, struct pinion_rwlock *lock)
{
    unlock(io, lock, WRITER);
}
