/* SPDX-License-Identifier: MIT
 *
 * The mutex: barging, so that a lock that is free is taken by who runs, not kept for who must be
 * woken first; and handed over to who has lost that race for over a millisecond.
 */
#include "mutex.h"

#include <stddef.h>

#include "check.h"
#include "patience.h"

/* The word.
 *   LOCKED  somebody holds it.
 *   PARKED  somebody is parked here. Set by who parks, under the address' lock, only while LOCKED;
 *           cleared under that lock by the unpark that leaves nobody.
 *   WOKEN   who was unparked is on its way and will look: others need not be woken. Set by the
 *           unpark, cleared by the woken: when it locks, parks again or leaves.
 * Whenever it is PARKED and not LOCKED it is WOKEN, or somebody is about to unpark: so nobody
 * sleeps beside a free lock. */
#define LOCKED 1u
#define PARKED 2u
#define WOKEN  4u

/* What a parked one wants. */
enum { WANTS_A_WAKE, WANTS_THE_LOCK };

/* A lock seen held, with nobody parked there, is looked at so many times before its waiter parks,
 * each time after twice as long: about a microsecond in all, in which most critical sections end,
 * and the fewer looks the less they disturb who holds it. */
#define LOOKS 6

struct locker {
    struct pn_park park;
    bool is_woken; /* the word's WOKEN is its own to clear */
    int64_t since; /* when it parked first; 0: not yet */
};

static _Atomic(uint32_t) *word_of(struct pn_park *park)
{
    return (_Atomic(uint32_t) *)(uintptr_t)park->address;
}

bool pinion_mutex_try_lock(struct pinion_mutex *mutex)
{
    uint32_t seen = pn_load_relaxed(&mutex->word);
    while (!(seen & LOCKED))
        /* Acquire: pairs with the release of the word in unlock and settle. */
        if (pn_cas_acquire(&mutex->word, &seen, seen | LOCKED))
            return true;
    return false;
}

/* may_sleep: under the address' lock, against which relaxed is enough. */
static bool is_still_locked(struct pn_park *park)
{
    struct locker *locker = PN_CONTAINER_OF(park, struct locker, park);
    const uint32_t clear = locker->is_woken ? WOKEN : 0;
    uint32_t seen = pn_load_relaxed(word_of(park));
    do
        if (!(seen & LOCKED))
            return false;
    while (!pn_cas_relaxed(word_of(park), &seen, (seen | PARKED) & ~clear));
    locker->is_woken = false;
    return true;
}

struct unlocker {
    struct pn_unpark unpark;
    _Atomic(uint32_t) *word;
    uint32_t clear; /* LOCKED, by who unlocks */
    bool is_handed;
};

static enum pn_choice choose_first(struct pn_unpark *unpark, const struct pn_park *parked,
                                   int *outcome)
{
    struct unlocker *unlocker = PN_CONTAINER_OF(unpark, struct unlocker, unpark);
    unlocker->is_handed = unlocker->clear && parked->kind == WANTS_THE_LOCK;
    if (unlocker->is_handed)
        *outcome = PN_HANDED;
    return PN_TAKE;
}

static void settle(struct pn_unpark *unpark, bool remaining)
{
    struct unlocker *unlocker = PN_CONTAINER_OF(unpark, struct unlocker, unpark);
    const uint32_t clear =
        (unlocker->is_handed ? 0 : unlocker->clear) | (remaining ? 0 : PARKED);
    const uint32_t set = unpark->taken && !unlocker->is_handed ? WOKEN : 0;
    uint32_t seen = pn_load_relaxed(unlocker->word);
    /* Release: what was done under the lock; pairs with the acquires that lock. The mutex may be
     * gone after. */
    while (!pn_cas_acq_rel(unlocker->word, &seen, (seen & ~clear) | set))
        continue;
}

static void unpark_one(struct pinion_io *io, struct pinion_mutex *mutex, uint32_t clear)
{
    struct unlocker unlocker = {.unpark = {.address = &mutex->word,
                                           .most = 1,
                                           .choose = choose_first,
                                           .settle = settle},
                                .word = &mutex->word,
                                .clear = clear};
    io->vtable->unpark(io, &unlocker.unpark);
}

/* Who was woken leaves without the lock: another is woken in its place, if the lock is free. */
static void pass_on(struct pinion_io *io, struct pinion_mutex *mutex)
{
    const uint32_t seen = pn_fetch_and_acq_rel(&mutex->word, ~WOKEN);
    if ((seen & PARKED) && !(seen & LOCKED))
        unpark_one(io, mutex, 0);
}

/* One look: true if it is locked for the caller now. */
static bool take(struct pinion_mutex *mutex, const struct locker *locker, uint32_t *seen)
{
    const uint32_t clear = locker->is_woken ? WOKEN : 0;
    *seen = pn_load_relaxed(&mutex->word);
    while (!(*seen & LOCKED))
        /* Acquire: as in try_lock. */
        if (pn_cas_acquire(&mutex->word, seen, (*seen | LOCKED) & ~clear))
            return true;
    return false;
}

int pn_mutex_wait(struct pinion_io *io, struct pinion_mutex *mutex, const struct pn_how *how)
{
    struct locker locker = {.park = {.address = &mutex->word, .may_sleep = is_still_locked}};
    uint32_t seen;
    for (int looks = pn_io_spin_ns(io) ? LOOKS : 0;;) {
        if (take(mutex, &locker, &seen))
            return 0;
        if (looks > 0 && !(seen & PARKED)) {
            for (int pauses = 1 << (LOOKS - looks--); pauses; pauses--)
                pn_pause();
            continue;
        }
        locker.park.kind = pn_patience_is_over(&locker.since) ? WANTS_THE_LOCK : WANTS_A_WAKE;
        const int outcome = io->vtable->park(io, &locker.park, how);
        if (outcome == PN_HANDED)
            return 0;
        if (outcome == PN_WOKEN)
            locker.is_woken = locker.park.goes_first = true;
        if (outcome < 0) {
            if (locker.is_woken)
                pass_on(io, mutex);
            return outcome;
        }
    }
}

void pinion_mutex_unlock(struct pinion_io *io, struct pinion_mutex *mutex)
{
    uint32_t seen = LOCKED;
    /* Release, here and below: what was done under the lock, pairs with the acquires that lock. The
     * mutex may be gone after. */
    if (pn_cas_acq_rel(&mutex->word, &seen, 0u))
        return;
    PN_ASSERT(seen & LOCKED);
    while (seen & LOCKED) {
        if ((seen & PARKED) && !(seen & WOKEN)) {
            unpark_one(io, mutex, LOCKED);
            return;
        }
        if (pn_cas_acq_rel(&mutex->word, &seen, seen & ~LOCKED))
            return;
    }
}

int pinion_mutex_lock(struct pinion_io *io, struct pinion_mutex *mutex)
{
    return pn_mutex_lock(io, mutex, PN_CANCELABLE(INT64_MAX));
}

int pinion_mutex_lock_until(struct pinion_io *io, struct pinion_mutex *mutex, int64_t deadline)
{
    return pn_mutex_lock(io, mutex, PN_CANCELABLE(deadline));
}

int pinion_mutex_lock_uncancelable(struct pinion_io *io, struct pinion_mutex *mutex)
{
    return pn_mutex_lock(io, mutex, PN_UNCANCELABLE(INT64_MAX));
}
