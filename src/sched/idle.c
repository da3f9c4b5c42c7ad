/* SPDX-License-Identifier: MIT */
#include "idle.h"

#include <errno.h>
#include <stdlib.h>

#include "neighbors.h"

#define WORD_BITS 64u

int pn_idle_init(struct pn_idle *idle, unsigned workers)
{
    idle->workers = workers;
    idle->bits = calloc(workers / WORD_BITS + 1, sizeof idle->bits[0]);
    if (!idle->bits)
        return -ENOMEM;
    pn_store_relaxed(&idle->searching, 0);
    pn_store_relaxed(&idle->sleeping, 0);
    return 0;
}

void pn_idle_fini(struct pn_idle *idle)
{
    free(idle->bits);
    idle->bits = NULL;
}

static uint64_t bit_of(unsigned worker) { return UINT64_C(1) << worker % WORD_BITS; }

/* Takes a worker's bit: true if it was set, and this caller cleared it. */
static bool take_bit(struct pn_idle *idle, unsigned worker)
{
    _Atomic(uint64_t) *word = &idle->bits[worker / WORD_BITS];
    if (!(pn_load_seq_cst(word) & bit_of(worker)))
        return false;
    return pn_fetch_and_seq_cst(word, ~bit_of(worker)) & bit_of(worker);
}

int pn_idle_pick(struct pn_idle *idle, const struct pn_neighbors *neighbors)
{
    if (pn_load_seq_cst(&idle->searching))
        return PN_IDLE_NONE_NEEDED;
    if (!pn_load_seq_cst(&idle->sleeping))
        return PN_IDLE_NONE_ASLEEP;
    struct pn_neighbor_walk walk = pn_neighbor_walk(neighbors, 0);
    for (unsigned worker; pn_neighbor_next(&walk, idle->workers, &worker);) {
        if (!take_bit(idle, worker))
            continue;
        pn_fetch_add_seq_cst(&idle->searching, 1u); /* on its behalf: it is as good as looking */
        pn_fetch_sub_seq_cst(&idle->sleeping, 1u);
        return (int)worker;
    }
    return PN_IDLE_NONE_ASLEEP;
}

void pn_idle_lie_down(struct pn_idle *idle, unsigned worker)
{
    pn_fetch_or_seq_cst(&idle->bits[worker / WORD_BITS], bit_of(worker));
    pn_fetch_add_seq_cst(&idle->sleeping, 1u);
    pn_fetch_sub_seq_cst(&idle->searching, 1u);
}

bool pn_idle_rise(struct pn_idle *idle, unsigned worker)
{
    if (!take_bit(idle, worker))
        return false;
    pn_fetch_add_seq_cst(&idle->searching, 1u);
    pn_fetch_sub_seq_cst(&idle->sleeping, 1u);
    return true;
}
