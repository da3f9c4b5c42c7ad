/* SPDX-License-Identifier: MIT
 *
 * The event. Each set begins a new generation, so that it releases all who waited before it, also
 * those who had not parked yet and those who see it reset again.
 *
 * The word: SET | PARKED | generation × GENERATION. PARKED: somebody of this generation may be
 * parked. The event may be gone once SET was seen, so nothing of it is touched after that.
 */
#include <pinion/sync.h>

#include "cancel.h"
#include "check.h"

#define SET        1u
#define PARKED     2u
#define GENERATION 4u

/* kind in its park: the generation that it waits in. */
struct waiting {
    struct pn_park park;
    struct pinion_event *event;
};

static uint32_t generation_of(uint32_t word) { return word / GENERATION; }

static bool is_not_set(struct pn_park *park)
{
    struct waiting *waiting = PN_CONTAINER_OF(park, struct waiting, park);
    /* Acquire, also of the failing exchange: what came before the set, pairs with
     * pinion_event_set. */
    uint32_t seen = pn_load_acquire(&waiting->event->word);
    do
        if (generation_of(seen) != park->kind)
            return false;
    while (!pn_cas_acq_rel(&waiting->event->word, &seen, seen | PARKED));
    return true;
}

static int wait(struct pinion_io *io, struct pinion_event *event, const struct pn_how *how)
{
    const int error = pn_io_enter(io, how);
    if (error)
        return error;
    /* Acquire: what came before the set, pairs with pinion_event_set. */
    const uint32_t seen = pn_load_acquire(&event->word);
    if (seen & SET)
        return 0;
    struct waiting waiting = {.park = {.address = &event->word,
                                       .may_sleep = is_not_set,
                                       .kind = generation_of(seen)},
                              .event = event};
    int outcome;
    do
        outcome = io->vtable->park(io, &waiting.park, how);
    while (outcome == PN_WOKEN);
    return outcome < 0 ? outcome : 0;
}

int pinion_event_wait(struct pinion_io *io, struct pinion_event *event)
{
    return wait(io, event, PN_CANCELABLE(INT64_MAX));
}

int pinion_event_wait_until(struct pinion_io *io, struct pinion_event *event, int64_t deadline)
{
    return wait(io, event, PN_CANCELABLE(deadline));
}

int pinion_event_wait_uncancelable(struct pinion_io *io, struct pinion_event *event)
{
    return wait(io, event, PN_UNCANCELABLE(INT64_MAX));
}

static uint32_t as_set(uint32_t word)
{
    return word & SET ? word : ((word + GENERATION) | SET) & ~PARKED;
}

struct setting {
    struct pn_unpark unpark;
    struct pinion_event *event;
};

static enum pn_choice choose_all(struct pn_unpark *unpark, const struct pn_park *parked,
                                 int *outcome)
{
    (void)unpark, (void)parked;
    *outcome = PN_HANDED; /* a set, not a wake that was meant for what stood here before */
    return PN_TAKE;       /* whoever is parked here came before the set, which is in settle */
}

static void settle(struct pn_unpark *unpark, bool remaining)
{
    struct pinion_event *event = PN_CONTAINER_OF(unpark, struct setting, unpark)->event;
    uint32_t seen = pn_load_relaxed(&event->word);
    (void)remaining;
    /* Release: as in pinion_event_set. */
    while (!pn_cas_acq_rel(&event->word, &seen, as_set(seen)))
        continue;
}

/* Where somebody is parked, it is set under the address' lock, in one step with the unparking: set
 * before that, it could be gone, and those who are parked at its address be another event's. */
void pinion_event_set(struct pinion_io *io, struct pinion_event *event)
{
    struct setting setting = {
        .unpark = {.address = &event->word, .choose = choose_all, .settle = settle},
        .event = event};
    uint32_t seen = pn_load_relaxed(&event->word);
    while (!(seen & PARKED))
        /* Release: what came before the set, pairs with the acquires of who waits. */
        if (pn_cas_acq_rel(&event->word, &seen, as_set(seen)))
            return;
    io->vtable->unpark(io, &setting.unpark);
}

void pinion_event_reset(struct pinion_event *event)
{
    /* Release too: the order of the word. */
    pn_fetch_and_acq_rel(&event->word, ~SET);
}

bool pinion_event_is_set(const struct pinion_event *event)
{
    /* Acquire: as in wait. */
    return pn_load_acquire(&event->word) & SET;
}
