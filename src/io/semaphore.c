/* SPDX-License-Identifier: MIT
 *
 * The semaphore. As the mutex it lets who runs go first, and hands a permit over to who has lost
 * that race for over a millisecond.
 *
 * The word: permits × PERMIT | PARKED, PARKED while somebody is parked here: set and cleared under
 * the address' lock. Nobody parks while there is a permit, and every post wakes one, who looks.
 */
#include <pinion/sync.h>

#include "cancel.h"
#include "check.h"
#include "patience.h"

#define PARKED 1u
#define PERMIT 2u

enum { WANTS_A_WAKE, WANTS_THE_PERMIT };

struct taker {
    struct pn_park park;
    struct pinion_semaphore *semaphore;
    int64_t since; /* when it parked first; 0: not yet */
};

bool pinion_semaphore_try_wait(struct pinion_semaphore *semaphore)
{
    uint32_t seen = pn_load_relaxed(&semaphore->word);
    while (seen >= PERMIT)
        /* Acquire: pairs with the release in post and settle. */
        if (pn_cas_acquire(&semaphore->word, &seen, seen - PERMIT))
            return true;
    return false;
}

static bool has_no_permit(struct pn_park *park)
{
    struct taker *taker = PN_CONTAINER_OF(park, struct taker, park);
    uint32_t seen = pn_load_relaxed(&taker->semaphore->word);
    do
        if (seen >= PERMIT)
            return false;
    while (!pn_cas_relaxed(&taker->semaphore->word, &seen, seen | PARKED));
    return true;
}

static int wait(struct pinion_io *io, struct pinion_semaphore *semaphore, const struct pn_how *how)
{
    struct taker taker = {.park = {.address = &semaphore->word, .may_sleep = has_no_permit},
                          .semaphore = semaphore};
    const int error = pn_io_enter(io, how);
    if (error)
        return error;
    while (!pinion_semaphore_try_wait(semaphore)) {
        taker.park.kind = pn_patience_is_over(&taker.since) ? WANTS_THE_PERMIT : WANTS_A_WAKE;
        const int outcome = io->vtable->park(io, &taker.park, how);
        if (outcome < 0)
            return outcome;
        if (outcome == PN_HANDED)
            return 0;
        taker.park.goes_first = outcome == PN_WOKEN;
    }
    return 0;
}

int pinion_semaphore_wait(struct pinion_io *io, struct pinion_semaphore *semaphore)
{
    return wait(io, semaphore, PN_CANCELABLE(INT64_MAX));
}

int pinion_semaphore_wait_until(struct pinion_io *io, struct pinion_semaphore *semaphore,
                                int64_t deadline)
{
    return wait(io, semaphore, PN_CANCELABLE(deadline));
}

int pinion_semaphore_wait_uncancelable(struct pinion_io *io, struct pinion_semaphore *semaphore)
{
    return wait(io, semaphore, PN_UNCANCELABLE(INT64_MAX));
}

struct post {
    struct pn_unpark unpark;
    struct pinion_semaphore *semaphore;
    bool is_handed;
};

static enum pn_choice choose(struct pn_unpark *unpark, const struct pn_park *parked, int *outcome)
{
    struct post *post = PN_CONTAINER_OF(unpark, struct post, unpark);
    post->is_handed = parked->kind == WANTS_THE_PERMIT;
    if (post->is_handed)
        *outcome = PN_HANDED;
    return PN_TAKE;
}

static void settle(struct pn_unpark *unpark, bool remaining)
{
    struct post *post = PN_CONTAINER_OF(unpark, struct post, unpark);
    const uint32_t added = post->is_handed ? 0 : PERMIT;
    const uint32_t clear = remaining ? 0 : PARKED;
    uint32_t seen = pn_load_relaxed(&post->semaphore->word);
    /* Release: what came before the post, pairs with the acquire of who takes the permit. The
     * semaphore may be gone after. */
    while (!pn_cas_acq_rel(&post->semaphore->word, &seen, (seen & ~clear) + added))
        continue;
}

void pinion_semaphore_post(struct pinion_io *io, struct pinion_semaphore *semaphore)
{
    struct post post = {
        .unpark = {.address = &semaphore->word, .most = 1, .choose = choose, .settle = settle},
        .semaphore = semaphore};
    uint32_t seen = pn_load_relaxed(&semaphore->word);
    while (!(seen & PARKED)) {
        PN_ASSERT(seen / PERMIT < PINION_SEMAPHORE_MAX);
        if (seen / PERMIT == PINION_SEMAPHORE_MAX)
            return;
        /* Release: as in settle. */
        if (pn_cas_acq_rel(&semaphore->word, &seen, seen + PERMIT))
            return;
    }
    io->vtable->unpark(io, &post.unpark);
}
