/* SPDX-License-Identifier: MIT
 *
 * A worker's queue of tasks: its owner pushes and pops at the bottom, thieves take the oldest from
 * the top. It is split: what lies above `split` is public, and a thief takes it under a lock; what
 * lies below is the owner's alone, who pops it without a fence. After the split deque of van Dijk
 * and van de Pol (Lace, 2014), and the THE protocol of Cilk-5 for when the two meet, with an
 * asymmetric fence in place of its fences (asymmetric.h).
 *
 * The owner moves the split when it is told to: because a worker is hungry, because it is about to
 * wait. A thief that finds nothing public asks for that, and where the owner does not come by
 * moves it by force.
 *
 * It holds pointers, not tasks: what a task's future has claimed stands in it as a tombstone until
 * it is taken out (pn_task_take tells).
 */
#ifndef PN_DEQUE_H
#define PN_DEQUE_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "asymmetric.h"
#include "atomic.h"
#include "check.h"

struct pinion_task;

/* top and split are written under the lock, the rest by the owner (slots and size under the lock
 * too).
 *
 *   top <= split <= bottom; split <= bottom + 1 while the owner pops
 *   [top, split) is public, [split, bottom) private; bottom - top <= size
 *
 * The indices only count up (2^63 pushes do not happen) but for the steps back of split and bottom.
 * Progress: the owner's push and pop of what is private are wait-free, all else blocks for as long
 * as another holds the lock, but for steal, which goes without. */
struct pn_deque {
    alignas(PN_LINE_PAIR) _Atomic(uint32_t) lock;
    _Atomic(bool) is_requested; /* set by thieves, cleared by the owner when it publishes */
    _Atomic(int64_t) top, split;
    alignas(PN_LINE_PAIR) _Atomic(int64_t) bottom;
    _Atomic(struct pinion_task *) *slots;
    size_t size;     /* of slots, a power of two */
    bool is_split;   /* else all is public: there is no asymmetric fence, or none is to be used */
};

/* Makes an empty deque with room for size entries, a power of two. 0 or -ENOMEM. */
int pn_deque_init(struct pn_deque *deque, size_t size);

/* Of a new one: nobody will make a system call for it. Then all is public, since force takes
 * one. */
void pn_deque_avoid_calls(struct pn_deque *deque);

/* Frees its slots. It must be empty and nobody's any more. */
void pn_deque_fini(struct pn_deque *deque);

/* Owner: whether there is room for one more. False if it is full and may not grow, or memory is
 * refused. */
static inline bool pn_deque_has_room(struct pn_deque *deque, bool may_grow);

/* Owner, where there is room: adds at the bottom, to the private part. A sequentially consistent
 * change of bottom: after it the owner looks whether anyone is hungry or sleeps (idle.h). */
static inline void pn_deque_add(struct pn_deque *deque, struct pinion_task *task);

/* Owner: both. */
static inline bool pn_deque_push(struct pn_deque *deque, struct pinion_task *task, bool may_grow);

/* Owner: makes all of it public. */
void pn_deque_publish(struct pn_deque *deque);

/* Owner: whether a thief has asked for that. */
static inline bool pn_deque_is_requested(const struct pn_deque *deque)
{
    return pn_load_relaxed(&deque->is_requested); /* a hint that is looked at again and again */
}

/* Owner: takes the youngest; NULL if empty. */
struct pinion_task *pn_deque_pop(struct pn_deque *deque);

/* Owner: takes the youngest if it is this task, else false and nothing is taken. */
static inline bool pn_deque_pop_if(struct pn_deque *deque, const struct pinion_task *task);

/* Anyone: takes the oldest that is public. NULL if there is none, or if another was at it (then
 * *lost is set). */
struct pinion_task *pn_deque_steal(struct pn_deque *deque, bool *lost);

/* Anyone: the same, but only an entry that was pushed at index `first` or later, and that may_take
 * agrees to, which is called under the lock. */
struct pinion_task *pn_deque_steal_since(struct pn_deque *deque, int64_t first,
                                         bool (*may_take)(struct pinion_task *, void *context),
                                         void *context);

/* Anyone who found nothing public though there are entries: asks the owner to publish. */
static inline void pn_deque_request(struct pn_deque *deque)
{
    if (!pn_load_relaxed(&deque->is_requested))
        pn_store_relaxed(&deque->is_requested, true); /* the entries come by the lock */
}

/* Anyone, when that was in vain: makes all entries public, whatever the owner does meanwhile. Costs
 * every CPU an interrupt. */
void pn_deque_force(struct pn_deque *deque);

/* Owner: the index of its next push. */
static inline int64_t pn_deque_bottom(const struct pn_deque *deque)
{
    return pn_load_relaxed(&deque->bottom);
}

/* Anyone: how many entries there are, private ones and tombstones too; at once out of date. */
static inline size_t pn_deque_count(const struct pn_deque *deque)
{
    /* Sequentially consistent: who is about to sleep looks here after saying so, who pushed looks
     * for sleepers after pushing (idle.h). */
    const int64_t bottom = pn_load_seq_cst(&deque->bottom);
    const int64_t top = pn_load_seq_cst(&deque->top);
    return bottom > top ? (size_t)(bottom - top) : 0;
}

/* ---- what follows is deque.c's, here so that what the owner does compiles to a few instructions
 * ---- */

/* The owner steps back to where nothing private is: takes half of what is public back. */
struct pinion_task *pn_deque_take_back(struct pn_deque *deque, int64_t bottom);
/* Twice the slots. False: memory is refused. */
bool pn_deque_grow(struct pn_deque *deque);

/* Slots are relaxed: what is in one is published by bottom, split or the lock. */
static inline _Atomic(struct pinion_task *) *pn_deque_slot(const struct pn_deque *deque,
                                                           int64_t index)
{
    return &deque->slots[(size_t)index & (deque->size - 1)];
}

static inline bool pn_deque_has_room(struct pn_deque *deque, bool may_grow)
{
    const int64_t bottom = pn_load_relaxed(&deque->bottom); /* only this thread writes it */
    /* Acquire: a thief has read a slot before it moved top; pairs with its store. */
    const size_t count = (size_t)(bottom - pn_load_acquire(&deque->top));
    return PN_LIKELY(count < deque->size) || (may_grow && pn_deque_grow(deque));
}

static inline void pn_deque_add(struct pn_deque *deque, struct pinion_task *task)
{
    const int64_t bottom = pn_load_relaxed(&deque->bottom); /* only this thread writes it */
    pn_store_relaxed(pn_deque_slot(deque, bottom), task);
    /* Release in it: slot and task, pairs with the load in pn_deque_force. The total order of it:
     * against the look for sleepers that follows every push (idle.h). */
    pn_store_seq_cst(&deque->bottom, bottom + 1);
    if (PN_UNLIKELY(!deque->is_split))
        pn_deque_publish(deque);
}

static inline bool pn_deque_push(struct pn_deque *deque, struct pinion_task *task, bool may_grow)
{
    if (!pn_deque_has_room(deque, may_grow))
        return false;
    pn_deque_add(deque, task);
    return true;
}

static inline struct pinion_task *pn_deque_pop_at(struct pn_deque *deque, int64_t bottom)
{
    pn_store_relaxed(&deque->bottom, bottom);
    /* Pairs with the heavy fence in pn_deque_force: either its split is seen here, or this bottom
     * there. */
    pn_light_fence();
    if (PN_LIKELY(pn_load_relaxed(&deque->split) <= bottom))
        return pn_load_relaxed(pn_deque_slot(deque, bottom));
    return pn_deque_take_back(deque, bottom);
}

static inline bool pn_deque_pop_if(struct pn_deque *deque, const struct pinion_task *task)
{
    const int64_t bottom = pn_load_relaxed(&deque->bottom);
    /* Relaxed: top only counts up to bottom, so this tells an empty deque for sure. */
    if (pn_load_relaxed(&deque->top) == bottom ||
        pn_load_relaxed(pn_deque_slot(deque, bottom - 1)) != task)
        return false;
    return pn_deque_pop_at(deque, bottom - 1) != NULL;
}

#endif
