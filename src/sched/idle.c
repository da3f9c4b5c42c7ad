/* SPDX-License-Identifier: MIT */
#include "idle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "neighbors.h"

#define WORD_BITS 64u

int pn_idle_init(struct pn_idle *idle, unsigned workers, const unsigned *node_of_place,
                 unsigned places, unsigned node_count)
{
    idle->workers = workers;
    idle->places = places;
    idle->node_count = node_count;
    idle->node_of_place = node_of_place;
    idle->bits = calloc(workers / WORD_BITS + 1, sizeof idle->bits[0]);
    idle->nodes = aligned_alloc(PN_LINE_PAIR, node_count * sizeof idle->nodes[0]);
    if (!idle->bits || !idle->nodes) {
        pn_idle_fini(idle);
        return -ENOMEM;
    }
    memset(idle->nodes, 0, node_count * sizeof idle->nodes[0]);
    for (unsigned place = 0; place < places; place++) /* workers i, i + places, … */
        idle->nodes[node_of_place[place]].workers += (workers + places - 1 - place) / places;
    return 0;
}

void pn_idle_fini(struct pn_idle *idle)
{
    free(idle->bits);
    free(idle->nodes);
    idle->bits = NULL;
    idle->nodes = NULL;
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

/* True if this caller has made the worker a searcher. */
static bool rouse(struct pn_idle *idle, unsigned worker)
{
    struct pn_idle_node *node = &idle->nodes[pn_idle_node_of(idle, worker)];
    if (!take_bit(idle, worker))
        return false;
    pn_fetch_add_seq_cst(&node->searching, 1); /* on its behalf: it is as good as looking */
    pn_fetch_sub_seq_cst(&node->sleeping, 1);
    return true;
}

bool pn_idle_is_hungry(const struct pn_idle *idle)
{
    for (unsigned i = 0; i < idle->node_count; i++)
        if (pn_load_seq_cst(&idle->nodes[i].sleeping) > 0 ||
            pn_load_seq_cst(&idle->nodes[i].searching) > 0)
            return true;
    return false;
}

bool pn_idle_is_searched(const struct pn_idle *idle)
{
    unsigned i = 0;
    while (i < idle->node_count && pn_load_seq_cst(&idle->nodes[i].searching) <= 0)
        i++;
    return i < idle->node_count;
}

/* The next of the walk that sleeps, made a searcher; none farther than said. */
static int rouse_next(struct pn_idle *idle, struct pn_neighbor_walk *walk, unsigned farthest)
{
    for (unsigned worker; pn_neighbor_next(walk, idle->workers, farthest, &worker);)
        if (rouse(idle, worker))
            return (int)worker;
    return PN_IDLE_NONE_ASLEEP;
}

int pn_idle_pick(struct pn_idle *idle, const struct pn_neighbors *neighbors)
{
    const struct pn_idle_node *home = &idle->nodes[neighbors->home];
    struct pn_neighbor_walk walk = pn_neighbor_walk(neighbors, 0);
    if (pn_load_seq_cst(&home->searching) > 0)
        return PN_IDLE_NONE_NEEDED;
    if (pn_load_seq_cst(&home->sleeping) > 0) {
        const int near = rouse_next(idle, &walk, PN_SAME_NODE);
        if (near >= 0)
            return near;
    }
    bool is_any_asleep = false;
    for (unsigned i = 0; i < idle->node_count; i++) {
        if (pn_load_seq_cst(&idle->nodes[i].searching) > 0)
            return PN_IDLE_NONE_NEEDED;
        is_any_asleep |= pn_load_seq_cst(&idle->nodes[i].sleeping) > 0;
    }
    return is_any_asleep ? rouse_next(idle, &walk, PN_FARTHEST) : PN_IDLE_NONE_ASLEEP;
}

bool pn_idle_lie_down(struct pn_idle *idle, unsigned worker)
{
    struct pn_idle_node *node = &idle->nodes[pn_idle_node_of(idle, worker)];
    pn_fetch_or_seq_cst(&idle->bits[worker / WORD_BITS], bit_of(worker));
    pn_fetch_add_seq_cst(&node->sleeping, 1);
    return pn_fetch_sub_seq_cst(&node->searching, 1) <= 1;
}

bool pn_idle_rise(struct pn_idle *idle, unsigned worker) { return rouse(idle, worker); }
