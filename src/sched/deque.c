/* SPDX-License-Identifier: MIT */
#include "deque.h"

#include <errno.h>
#include <stdlib.h>

#include "check.h"

struct pn_deque_ring {
    size_t size; /* a power of two */
    struct pn_deque_ring *outgrown;
    _Atomic(struct pinion_task *) slots[];
};

/* Enough for any machine's memory, and keeps the sums below from wrapping. */
#define RING_SIZE_MAX ((size_t)1 << 32)

static struct pn_deque_ring *ring_make(size_t size)
{
    PN_ASSERT(size && (size & (size - 1)) == 0);
    struct pn_deque_ring *ring = malloc(sizeof *ring + size * sizeof ring->slots[0]);
    if (!ring)
        return NULL;
    ring->size = size;
    ring->outgrown = NULL;
    return ring;
}

static _Atomic(struct pinion_task *) *slot(struct pn_deque_ring *ring, int64_t index)
{
    return &ring->slots[(size_t)index & (ring->size - 1)];
}

int pn_deque_init(struct pn_deque *deque, size_t size)
{
    struct pn_deque_ring *ring = ring_make(size);
    if (!ring)
        return -ENOMEM;
    pn_store_relaxed(&deque->top, 0);
    pn_store_relaxed(&deque->bottom, 0);
    pn_store_relaxed(&deque->ring, ring); /* published with the deque */
    return 0;
}

void pn_deque_fini(struct pn_deque *deque)
{
    struct pn_deque_ring *ring = pn_load_relaxed(&deque->ring);
    while (ring) {
        struct pn_deque_ring *outgrown = ring->outgrown;
        free(ring);
        ring = outgrown;
    }
    pn_store_relaxed(&deque->ring, NULL);
}

/* A ring of twice the size with the same entries at the same indices. */
static struct pn_deque_ring *grow(struct pn_deque *deque, struct pn_deque_ring *ring, int64_t top,
                                  int64_t bottom)
{
    if (ring->size >= RING_SIZE_MAX)
        return NULL;
    struct pn_deque_ring *larger = ring_make(ring->size * 2);
    if (!larger)
        return NULL;
    for (int64_t i = top; i < bottom; i++)
        pn_store_relaxed(slot(larger, i), pn_load_relaxed(slot(ring, i)));
    larger->outgrown = ring;
    /* Release: the slots, pairs with the acquire in pn_deque_steal. */
    pn_store_release(&deque->ring, larger);
    return larger;
}

bool pn_deque_push(struct pn_deque *deque, struct pinion_task *task, bool may_grow)
{
    const int64_t bottom = pn_load_relaxed(&deque->bottom); /* only this thread writes it */
    /* Acquire: a thief has read a slot before it moved top; pairs with its exchange. */
    const int64_t top = pn_load_acquire(&deque->top);
    struct pn_deque_ring *ring = pn_load_relaxed(&deque->ring);
    if ((size_t)(bottom - top) >= ring->size) {
        ring = may_grow ? grow(deque, ring, top, bottom) : NULL;
        if (!ring)
            return false;
    }
    pn_store_relaxed(slot(ring, bottom), task);
    /* Release in it: slot and task, pairs with the load of bottom in pn_deque_steal. The total
     * order of it: against the look for sleepers that follows every push (idle.h). */
    pn_store_seq_cst(&deque->bottom, bottom + 1);
    return true;
}

struct pinion_task *pn_deque_pop(struct pn_deque *deque)
{
    const int64_t bottom = pn_load_relaxed(&deque->bottom) - 1;
    struct pn_deque_ring *ring = pn_load_relaxed(&deque->ring);
    /* Take bottom first, then look at top; a thief looks at top first, then at bottom. All four are
     * in one total order, so at least one of the two sees the other. */
    pn_store_seq_cst(&deque->bottom, bottom);
    int64_t top = pn_load_seq_cst(&deque->top);
    if (top > bottom) { /* empty: back to what it was; nothing is published by it */
        pn_store_relaxed(&deque->bottom, bottom + 1);
        return NULL;
    }
    struct pinion_task *task = pn_load_relaxed(slot(ring, bottom));
    if (top == bottom) { /* the last one: race the thieves for it */
        if (!pn_cas_seq_cst(&deque->top, &top, top + 1))
            task = NULL;
        pn_store_relaxed(&deque->bottom, bottom + 1);
    }
    return task;
}

bool pn_deque_pop_if(struct pn_deque *deque, const struct pinion_task *task)
{
    const int64_t bottom = pn_load_relaxed(&deque->bottom) - 1;
    /* Not empty is all that this look must tell; the pop races properly. */
    if (pn_load_relaxed(&deque->top) > bottom)
        return false;
    if (pn_load_relaxed(slot(pn_load_relaxed(&deque->ring), bottom)) != task)
        return false;
    return pn_deque_pop(deque) != NULL;
}

struct pinion_task *pn_deque_steal(struct pn_deque *deque, bool *lost)
{
    int64_t top = pn_load_seq_cst(&deque->top);
    const int64_t bottom = pn_load_seq_cst(&deque->bottom); /* pairs with push and pop, above */
    if (top >= bottom)
        return NULL;
    struct pn_deque_ring *ring = pn_load_acquire(&deque->ring); /* pairs with grow */
    struct pinion_task *task = pn_load_relaxed(slot(ring, top));
    /* If top is still what it was, the slot had not been reused when it was read. */
    if (!pn_cas_seq_cst(&deque->top, &top, top + 1)) {
        *lost = true;
        return NULL;
    }
    return task;
}
