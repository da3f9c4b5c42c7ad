/* SPDX-License-Identifier: MIT */
#include "deque.h"

#include <errno.h>
#include <stdlib.h>

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
    pn_lock_init(&deque->lock, false);
    pn_store_relaxed(&deque->is_requested, false); /* all of it is published with the deque */
    pn_store_relaxed(&deque->top, 0);
    pn_store_relaxed(&deque->split, 0);
    pn_store_relaxed(&deque->bottom, 0);
    return 0;
}

void pn_deque_avoid_calls(struct pn_deque *deque)
{
    deque->is_split = false;
    pn_lock_init(&deque->lock, true);
}

void pn_deque_fini(struct pn_deque *deque)
{
    free(deque->slots);
    deque->slots = NULL;
}

static struct pinion_task *load_slot(const struct pn_deque *deque, int64_t index)
{
    return pn_load_relaxed(pn_deque_slot(deque, index));
}

/* The entries stay at their indices. */
bool pn_deque_grow(struct pn_deque *deque)
{
    const int64_t bottom = pn_load_relaxed(&deque->bottom);
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

void pn_deque_publish(struct pn_deque *deque)
{
    pn_store_relaxed(&deque->is_requested, false);
    pn_lock(&deque->lock);
    /* Relaxed: who takes them does so under the lock, which publishes slots and tasks. */
    pn_store_relaxed(&deque->split, pn_load_relaxed(&deque->bottom));
    pn_unlock(&deque->lock);
}

/* The younger half. */
struct pinion_task *pn_deque_take_back(struct pn_deque *deque, int64_t bottom)
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

struct pinion_task *pn_deque_pop(struct pn_deque *deque)
{
    const int64_t bottom = pn_load_relaxed(&deque->bottom);
    /* Relaxed: as in pn_deque_pop_if. */
    return pn_load_relaxed(&deque->top) == bottom ? NULL : pn_deque_pop_at(deque, bottom - 1);
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
    /* Release in it: the slot was read, pairs with the load in pn_deque_push. The total order of
     * it: against the look at who asks that follows (ask.h). */
    pn_store_seq_cst(&deque->top, top + 1);
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
    const int64_t bottom = pn_load_relaxed(&deque->bottom); /* acquired after the fence */
    if (deque->is_split && split < bottom) {
        pn_store_relaxed(&deque->split, bottom);
        pn_heavy_fence();
        /* A pop that did not see this split has written its bottom, which may be split - 1 if it
         * waits for the lock. Acquire, as the fence, for a push that came before or after: pairs
         * with pn_deque_add. */
        const int64_t now = pn_load_acquire(&deque->bottom);
        if (now < bottom)
            pn_store_relaxed(&deque->split, now < split ? split : now);
    }
    pn_unlock(&deque->lock);
}
