/* SPDX-License-Identifier: MIT */
#include "parking.h"

#include <errno.h>
#include <stdalign.h>
#include <string.h>

#include "cancel.h"
#include "lock.h"
#include "process.h"
#include "waiter.h"

/* Addresses share a bucket by chance only: 4,096 of them, for some hundred that are waited at. */
#define BUCKET_BITS 12

/* One that is parked; on its stack. All but the waiter is under its bucket's lock. Who unlists it
 * owes it a signal, and it does not leave before it has that. */
struct parked {
    struct pn_waiter waiter;
    struct pn_park *park;
    struct parked *next, **link; /* link: what points here; NULL: not listed */
    int outcome;
};

/* head … tail: the parked of all addresses of the bucket, each address' in its order. count: their
 * number, and who is about to park: counted up before it looks at the word that it waits for, so
 * that who changed the word and then sees 0 has nobody to wake. */
struct bucket {
    alignas(PN_LINE) _Atomic(uint32_t) lock;
    _Atomic(uint32_t) count;
    struct parked *head, **tail;
};

static struct bucket buckets[1u << BUCKET_BITS];

static struct bucket *bucket_of(const volatile void *address)
{
    /* Fibonacci hashing: the high bits of the product depend on all of the address. */
    const uint64_t hash = (uint64_t)(uintptr_t)address * UINT64_C(0x9E3779B97F4A7C15);
    return &buckets[hash >> (64 - BUCKET_BITS)];
}

static void insert_locked(struct bucket *bucket, struct parked *parked, struct parked **link)
{
    parked->next = *link;
    parked->link = link;
    *link = parked;
    if (parked->next)
        parked->next->link = &parked->next;
    else
        bucket->tail = &parked->next;
}

static void remove_locked(struct bucket *bucket, struct parked *parked)
{
    *parked->link = parked->next;
    if (parked->next)
        parked->next->link = parked->link;
    else
        bucket->tail = parked->link;
    parked->link = NULL;
    /* Relaxed: a count too high is only a look in vain. */
    pn_fetch_sub_relaxed(&bucket->count, 1u);
}

static void list_locked(struct bucket *bucket, struct parked *parked)
{
    if (parked->park->goes_first || !bucket->tail)
        insert_locked(bucket, parked, &bucket->head);
    else
        insert_locked(bucket, parked, bucket->tail);
}

/* Whether it is parked now; else it may not sleep. */
static bool enlist(struct bucket *bucket, struct parked *parked)
{
    struct pn_park *park = parked->park;
    pn_lock(&bucket->lock);
    /* Before the word is looked at: pairs with the fence and the load in nobody_is_there. */
    pn_fetch_add_seq_cst(&bucket->count, 1u);
    const bool sleeps = park->may_sleep(park);
    if (sleeps)
        list_locked(bucket, parked);
    else
        pn_fetch_sub_relaxed(&bucket->count, 1u);
    pn_unlock(&bucket->lock);
    return sleeps;
}

/* It waits no longer: true if nobody had unparked it. */
static bool delist(struct bucket *bucket, struct parked *parked)
{
    pn_lock(&bucket->lock);
    const bool was_listed = parked->link != NULL;
    if (was_listed)
        remove_locked(bucket, parked);
    pn_unlock(&bucket->lock);
    return was_listed;
}

/* What came of it: PN_DECLINED or more, or -ETIMEDOUT, also where it was canceled. */
static int wait_parked(struct pinion_io *io, struct parked *parked, int64_t deadline)
{
    struct bucket *bucket = bucket_of(parked->park->address);
    if (!enlist(bucket, parked))
        return PN_DECLINED;
    if (parked->park->parked)
        parked->park->parked(parked->park, io);
    (void)pn_waiter_wait(&parked->waiter, 1, true, deadline, io->spin_ns);
    if (!pn_waiter_has_fired(&parked->waiter)) {
        if (delist(bucket, parked))
            return -ETIMEDOUT;
        (void)pn_waiter_wait(&parked->waiter, 1, false, INT64_MAX, 0);
    }
    return parked->outcome;
}

int pn_parking_park(struct pinion_io *io, struct pn_park *park, const struct pn_how *how)
{
    struct pinion_task *task = how->is_cancelable ? pn_cancel_target() : NULL;
    struct parked parked = {.park = park};
    pn_waiter_init(&parked.waiter);
    if (!task)
        return wait_parked(io, &parked, how->deadline);
    if (pn_cancel_enter(task, &parked.waiter)) {
        const int outcome = wait_parked(io, &parked, how->deadline);
        if (!pn_cancel_leave(task, &parked.waiter) || outcome >= 0)
            return outcome;
    }
    (void)pn_cancel_deliver(task);
    return -ECANCELED;
}

/* By who has changed what is waited for. */
static bool nobody_is_there(struct bucket *bucket)
{
    /* The caller's change of the word comes before the load: pairs with the count in enlist. */
    pn_fence_seq_cst();
    return pn_load_relaxed(&bucket->count) == 0;
}

static enum pn_choice choice_of(struct pn_unpark *unpark, struct parked *parked)
{
    parked->outcome = PN_WOKEN;
    if (unpark->most && unpark->taken == unpark->most)
        return PN_STOP;
    return unpark->choose ? unpark->choose(unpark, parked->park, &parked->outcome) : PN_TAKE;
}

/* Unlists all that are chosen, in their order. */
static struct parked *choose_locked(struct bucket *bucket, struct pn_unpark *unpark,
                                    bool *remaining)
{
    struct parked *chosen = NULL, **last = &chosen, *next;
    *remaining = false;
    for (struct parked *parked = bucket->head; parked; parked = next) {
        next = parked->next;
        if (parked->park->address != unpark->address)
            continue;
        const enum pn_choice choice = choice_of(unpark, parked);
        *remaining |= choice != PN_TAKE;
        if (choice == PN_STOP)
            break;
        if (choice == PN_LEAVE)
            continue;
        unpark->taken++;
        remove_locked(bucket, parked);
        parked->next = NULL;
        *last = parked;
        last = &parked->next;
    }
    return chosen;
}

void pn_parking_unpark(struct pinion_io *io, struct pn_unpark *unpark)
{
    (void)io;
    struct bucket *bucket = bucket_of(unpark->address);
    if (!unpark->settle && nobody_is_there(bucket))
        return;
    bool remaining;
    pn_lock(&bucket->lock);
    struct parked *chosen = choose_locked(bucket, unpark, &remaining);
    if (unpark->settle)
        unpark->settle(unpark, remaining);
    pn_unlock(&bucket->lock);
    while (chosen) {
        struct parked *next = chosen->next; /* it may be gone after the signal */
        pn_waiter_signal(&chosen->waiter, PN_WAITER_FIRED);
        chosen = next;
    }
}

/* Who was parked, or held a bucket's lock, is not in the child. */
static void leave_parent(bool is_child)
{
    if (is_child)
        memset((void *)buckets, 0, sizeof buckets);
}

__attribute__((constructor)) static void watch_forks(void)
{
    pn_fork_register(PN_FORK_PARKING, NULL, leave_parent);
}
