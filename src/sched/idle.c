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
    pn_store_relaxed(&idle->counted, NULL); /* nobody else knows it yet */
    pn_store_relaxed(&idle->payer, NULL);
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

void pn_idle_add(struct pn_idle *idle, struct pn_counters *counters)
{
    counters->next = pn_load_relaxed(&idle->counted);
    /* Release: next, pairs with the loads of those who walk the list. */
    while (!pn_cas_seq_cst(&idle->counted, &counters->next, counters))
        continue;
}

static uint64_t bit_of(unsigned worker) { return UINT64_C(1) << worker % WORD_BITS; }

static bool is_asleep(const struct pn_idle *idle, unsigned worker)
{
    return pn_load_seq_cst(&idle->bits[worker / WORD_BITS]) & bit_of(worker);
}

/* Takes a worker's bit: true if it was set, and this caller cleared it. */
static bool take_bit(struct pn_idle *idle, unsigned worker)
{
    _Atomic(uint64_t) *word = &idle->bits[worker / WORD_BITS];
    return is_asleep(idle, worker) && pn_fetch_and_seq_cst(word, ~bit_of(worker)) & bit_of(worker);
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

/* The next of the walk that sleeps; none farther than said. */
static int next_asleep(const struct pn_idle *idle, struct pn_neighbor_walk *walk, unsigned farthest)
{
    for (unsigned worker; pn_neighbor_next(walk, idle->workers, farthest, &worker);)
        if (is_asleep(idle, worker))
            return (int)worker;
    return PN_IDLE_NONE_ASLEEP;
}

/* Who is to be woken, if it can be paid for. */
static int find_sleeper(const struct pn_idle *idle, const struct pn_neighbors *neighbors)
{
    const struct pn_idle_node *home = &idle->nodes[neighbors->home];
    struct pn_neighbor_walk walk = pn_neighbor_walk(neighbors, 0);
    if (pn_load_seq_cst(&home->searching) > 0)
        return PN_IDLE_NONE_NEEDED;
    if (pn_load_seq_cst(&home->sleeping) > 0) {
        const int near = next_asleep(idle, &walk, PN_SAME_NODE);
        if (near >= 0)
            return near;
    }
    bool is_any_asleep = false;
    for (unsigned i = 0; i < idle->node_count; i++) {
        if (pn_load_seq_cst(&idle->nodes[i].searching) > 0)
            return PN_IDLE_NONE_NEEDED;
        is_any_asleep |= pn_load_seq_cst(&idle->nodes[i].sleeping) > 0;
    }
    return is_any_asleep ? next_asleep(idle, &walk, PN_FARTHEST) : PN_IDLE_NONE_ASLEEP;
}

/* A task pays that was queued here and has paid for none yet. */
static bool pay(struct pn_counters *counters)
{
    uint64_t woken = pn_load_seq_cst(&counters->woken);
    /* Relaxed: it was stored before the sequentially consistent store of the queue. */
    while (woken < pn_load_relaxed(&counters->queued))
        if (pn_cas_seq_cst(&counters->woken, &woken, woken + 1))
            return true;
    return false;
}

static void pay_back(struct pn_counters *counters)
{
    pn_fetch_sub_seq_cst(&counters->woken, UINT64_C(1));
}

/* Who has paid, the caller's own first; NULL: each task that was queued has paid before. */
static struct pn_counters *pay_with_any(struct pn_idle *idle, struct pn_counters *own)
{
    if (pay(own))
        return own;
    /* Acquire: pairs with pn_idle_add. Whoever has read it there may have put it here. */
    struct pn_counters *counters = pn_load_acquire(&idle->payer);
    if (counters && pay(counters))
        return counters;
    for (counters = pn_load_seq_cst(&idle->counted); counters; counters = counters->next)
        if (pay(counters)) {
            pn_store_release(&idle->payer, counters); /* pairs with the load above */
            return counters;
        }
    return NULL;
}

int pn_idle_pick(struct pn_idle *idle, const struct pn_neighbors *neighbors,
                 struct pn_counters *counters)
{
    for (;;) {
        const int sleeper = find_sleeper(idle, neighbors);
        struct pn_counters *payer = sleeper >= 0 ? pay_with_any(idle, counters) : NULL;
        if (!payer)
            return sleeper >= 0 ? PN_IDLE_NONE_NEEDED : sleeper;
        if (rouse(idle, (unsigned)sleeper))
            return sleeper;
        /* Another has roused it. Meanwhile someone may have found nothing to pay with. */
        pay_back(payer);
    }
}

bool pn_idle_is_settled(const struct pn_idle *idle)
{
    uint64_t taken = 0, woken = 0;
    /* Acquire: who woke the takers; pairs with pn_scout_take. A claim is nobody's who was woken. */
    for (const struct pn_counters *counters = pn_load_seq_cst(&idle->counted); counters;
         counters = counters->next)
        taken += pn_load_acquire(&counters->tasks) + pn_load_relaxed(&counters->claimed);
    /* After that, of all that only count up: at the moment between there were as many taken, or
     * more, and as many woken, or fewer. */
    for (const struct pn_counters *counters = pn_load_seq_cst(&idle->counted); counters;
         counters = counters->next)
        woken += pn_load_seq_cst(&counters->woken);
    return woken <= taken;
}

bool pn_idle_lie_down(struct pn_idle *idle, unsigned worker)
{
    struct pn_idle_node *node = &idle->nodes[pn_idle_node_of(idle, worker)];
    pn_fetch_or_seq_cst(&idle->bits[worker / WORD_BITS], bit_of(worker));
    pn_fetch_add_seq_cst(&node->sleeping, 1);
    return pn_fetch_sub_seq_cst(&node->searching, 1) <= 1;
}

bool pn_idle_rise(struct pn_idle *idle, unsigned worker) { return rouse(idle, worker); }
