/* SPDX-License-Identifier: MIT */
#include "deque.h"

#include <errno.h>
#include <stdlib.h>

#include "check.h"
#include "lock.h"

/* Enough for any machine's memory, and keeps the sums below from wrapping. */
#define SIZE_LIMIT ((size_t)1 << 32)

int pn_deque_init(struct pn_deque *deque, size_t size)
{
    PN_ASSERT(size && (size & (size - 1)) == 0);
    deque->slots = malloc(size * sizeof deque->slots[0]);
    if (!deque->slots)
        return -ENOMEM;
    deque->size = size;
    deque->is_split = pn_heavy_fence_prepare();
    pn_store_relaxed(&deque->lock, 0); /* all of it is published with the deque */
    pn_store_relaxed(&deque->is_requested, false);
    pn_store_relaxed(&deque->top, 0);
    pn_store_relaxed(&deque->split, 0);
    pn_store_relaxed(&deque->bottom, 0);
    return 0;
}

void pn_deque_fini(struct pn_deque *deque)
{
    free(deque->slots);
    deque->slots = NULL;
}

/* Slots are relaxed: what is in one is published by bottom, split or the lock. */
static struct pinion_task *load_slot(const struct pn_deque *deque, int64_t index)
{
    return pn_load_relaxed(&deque->slots[(size_t)index & (deque->size - 1)]);
}

/* Twice the slots, the entries at the same indices. */
static bool grow(struct pn_deque *deque, int64_t bottom)
{
    const size_t size = deque->size * 2;
    _Atomic(struct pinion_task *) *larger =
        size <= SIZE_LIMIT ? malloc(size * sizeof deque->slots[0]) : NULL;
    if (!larger)
        return false;
    pn_lock(&deque->lock); /* no thief reads the old ones */
    for (int64_t i = pn_load_relaxed(&deque->top); i < bottom; i++)
        pn_store_relaxed(&larger[(size_t)i & (size - 1)], load_slot(deque, i));
    free(deque->slots);
    deque->slots = larger;
    deque->size = size;
    pn_unlock(&deque->lock);
    return true;
}

bool pn_deque_push(struct pn_deque *deque, struct pinion_task *task, bool may_grow)
{
    const int64_t bottom = pn_load_relaxed(&deque->bottom); /* only this thread writes it */
    /* Acquire: a thief has read a slot before it moved top; pairs with its release. */
    if ((size_t)(bottom - pn_load_acquire(&deque->top)) >= deque->size &&
        !(may_grow && grow(deque, bottom)))
        return false;
    pn_store_relaxed(&deque->slots[(size_t)bottom & (deque->size - 1)], task);
    /* Release in it: slot and task, pairs with the load in pn_deque_force. The total order of it:
     * against the look for sleepers that follows every push (idle.h). */
    pn_store_seq_cst(&deque->bottom, bottom + 1);
    if (PN_UNLIKELY(!deque->is_split))
        pn_deque_publish(deque);
    return true;
}

void pn_deque_publish(struct pn_deque *deque)
{
    pn_store_relaxed(&deque->is_requested, false);
    pn_lock(&deque->lock);
    /* Release: slots and tasks, for who looks at split without the lock and then takes it. */
    pn_store_release(&deque->split, pn_load_relaxed(&deque->bottom));
    pn_unlock(&deque->lock);
}

/* The owner has stepped back to bottom, where nothing private was. Takes half of what is public
 * back, the younger one. */
static struct pinion_task *take_back(struct pn_deque *deque, int64_t bottom)
{
    struct pinion_task *task = NULL;
    pn_lock(&deque->lock);
    const int64_t top = pn_load_relaxed(&deque->top), split = pn_load_relaxed(&deque->split);
    if (split <= bottom) { /* who used force has seen the step, and left this entry */
        task = load_slot(deque, bottom);
    } else if (top < split) {
        const int64_t half = deque->is_split ? (split - top + 1) / 2 : 1;
        pn_store_relaxed(&deque->split, split - half); /* read under the lock, or only as a hint */
        task = load_slot(deque, bottom);
    } else {
        pn_store_relaxed(&deque->bottom, bottom + 1); /* back to what it was */
    }
    pn_unlock(&deque->lock);
    return task;
}

static struct pinion_task *pop_from(struct pn_deque *deque, int64_t bottom)
{
    pn_store_relaxed(&deque->bottom, bottom);
    /* Pairs with the heavy fence in pn_deque_force: either its split is seen here, or this bottom
     * there. */
    pn_light_fence();
    if (PN_LIKELY(pn_load_relaxed(&deque->split) <= bottom))
        return load_slot(deque, bottom);
    return take_back(deque, bottom);
}

struct pinion_task *pn_deque_pop(struct pn_deque *deque)
{
    const int64_t bottom = pn_load_relaxed(&deque->bottom);
    /* Relaxed: top only counts up to bottom, so this tells an empty deque for sure. */
    return pn_load_relaxed(&deque->top) == bottom ? NULL : pop_from(deque, bottom - 1);
}

bool pn_deque_pop_if(struct pn_deque *deque, const struct pinion_task *task)
{
    const int64_t bottom = pn_load_relaxed(&deque->bottom);
    if (pn_load_relaxed(&deque->top) == bottom || load_slot(deque, bottom - 1) != task)
        return false;
    return pop_from(deque, bottom - 1) != NULL;
}

static bool is_any_public(const struct pn_deque *deque)
{
    return pn_load_relaxed(&deque->top) < pn_load_relaxed(&deque->split); /* a look, no more */
}

static struct pinion_task *take_oldest_locked(struct pn_deque *deque)
{
    const int64_t top = pn_load_relaxed(&deque->top);
    if (top >= pn_load_relaxed(&deque->split))
        return NULL;
    struct pinion_task *task = load_slot(deque, top);
    /* Release: the slot was read, pairs with the load in pn_deque_push. */
    pn_store_release(&deque->top, top + 1);
    return task;
}

struct pinion_task *pn_deque_steal(struct pn_deque *deque, bool *lost)
{
    if (!is_any_public(deque))
        return NULL;
    if (!pn_lock_try(&deque->lock)) {
        *lost = true;
        return NULL;
    }
    struct pinion_task *task = take_oldest_locked(deque);
    pn_unlock(&deque->lock);
    return task;
}

struct pinion_task *pn_deque_steal_since(struct pn_deque *deque, int64_t first,
                                         bool (*may_take)(struct pinion_task *, void *context),
                                         void *context)
{
    struct pinion_task *task = NULL;
    if (!is_any_public(deque) || !pn_lock_try(&deque->lock))
        return NULL;
    const int64_t top = pn_load_relaxed(&deque->top);
    if (top >= first && top < pn_load_relaxed(&deque->split) &&
        may_take(load_slot(deque, top), context))
        task = take_oldest_locked(deque);
    pn_unlock(&deque->lock);
    return task;
}

void pn_deque_force(struct pn_deque *deque)
{
    pn_lock(&deque->lock);
    const int64_t split = pn_load_relaxed(&deque->split);
    int64_t bottom = pn_load_acquire(&deque->bottom); /* pairs with pn_deque_push */
    if (deque->is_split && split < bottom) {
        pn_store_relaxed(&deque->split, bottom);
        pn_heavy_fence();
        /* A pop that did not see this split has written its bottom, which may be split - 1 if it
         * waits for the lock. A push that came after it is fine, too: acquire, as above. */
        const int64_t now = pn_load_acquire(&deque->bottom);
        if (now < bottom)
            pn_store_relaxed(&deque->split, now < split ? split : now);
    }
    pn_unlock(&deque->lock);
}
