/* SPDX-License-Identifier: MIT
 *
 * The condition. Who waits is parked before the mutex is unlocked, so a signal finds it; and a
 * signal takes out exactly one that waits, whatever else comes to that one.
 *
 * The word: 1 while somebody may be parked. Changed under the address' lock alone.
 */
#include <pinion/sync.h>

#include "check.h"
#include "mutex.h"

struct waiting {
    struct pn_park park;
    struct pinion_condition *condition;
    struct pinion_mutex *mutex;
    bool is_unlocked;
};

static bool announce(struct pn_park *park)
{
    struct waiting *waiting = PN_CONTAINER_OF(park, struct waiting, park);
    /* Relaxed: who signals with the mutex held sees it by the mutex, which is unlocked after. */
    pn_store_relaxed(&waiting->condition->word, 1u);
    return true;
}

static void unlock(struct pn_park *park, struct pinion_io *io)
{
    struct waiting *waiting = PN_CONTAINER_OF(park, struct waiting, park);
    waiting->is_unlocked = true;
    pinion_mutex_unlock(io, waiting->mutex);
}

static int wait(struct pinion_io *io, struct pinion_condition *condition,
                struct pinion_mutex *mutex, const struct pn_how *how)
{
    struct waiting waiting = {
        .park = {.address = &condition->word, .may_sleep = announce, .parked = unlock},
        .condition = condition,
        .mutex = mutex};
    int error = pn_io_enter(io, how);
    if (error)
        return error;
    error = io->vtable->park(io, &waiting.park, how);
    if (waiting.is_unlocked)
        (void)pn_mutex_lock(io, mutex, PN_UNCANCELABLE(INT64_MAX));
    return error < 0 ? error : 0;
}

int pinion_condition_wait(struct pinion_io *io, struct pinion_condition *condition,
                          struct pinion_mutex *mutex)
{
    return wait(io, condition, mutex, PN_CANCELABLE(INT64_MAX));
}

int pinion_condition_wait_until(struct pinion_io *io, struct pinion_condition *condition,
                                struct pinion_mutex *mutex, int64_t deadline)
{
    return wait(io, condition, mutex, PN_CANCELABLE(deadline));
}

int pinion_condition_wait_uncancelable(struct pinion_io *io, struct pinion_condition *condition,
                                       struct pinion_mutex *mutex)
{
    return wait(io, condition, mutex, PN_UNCANCELABLE(INT64_MAX));
}

struct signaling {
    struct pn_unpark unpark;
    struct pinion_condition *condition;
};

static void settle(struct pn_unpark *unpark, bool remaining)
{
    struct signaling *signaling = PN_CONTAINER_OF(unpark, struct signaling, unpark);
    pn_store_relaxed(&signaling->condition->word, remaining ? 1u : 0u);
}

static void wake(struct pinion_io *io, struct pinion_condition *condition, unsigned most)
{
    struct signaling signaling = {
        .unpark = {.address = &condition->word, .most = most, .settle = settle},
        .condition = condition};
    /* Relaxed: as in announce. */
    if (pn_load_relaxed(&condition->word))
        io->vtable->unpark(io, &signaling.unpark);
}

void pinion_condition_signal(struct pinion_io *io, struct pinion_condition *condition)
{
    wake(io, condition, 1);
}

void pinion_condition_broadcast(struct pinion_io *io, struct pinion_condition *condition)
{
    wake(io, condition, 0); /* all */
}
