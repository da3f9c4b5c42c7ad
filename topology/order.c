/* SPDX-License-Identifier: MIT
 *
 * The order of seats. The CPUs of a share are grouped by the node whose memory they use; each gets
 * a key, and sorting by the keys is the placement.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "machine.h"
#include "share.h"

/* The CPUs that use one node. */
struct group {
    unsigned node;  /* OS index or PINION_NO_NODE */
    unsigned first; /* place of its first CPU */
    unsigned cpus, cores, kind_max;
    unsigned distance; /* from the first group */
    bool other_package;
    unsigned rank; /* in order of use */
};

/* Compared field by field, in this order. */
struct key {
    unsigned late; /* a sibling, where cores come before all else */
    unsigned turn; /* compact: the group; scatter: 0 */
    unsigned smt_rank;
    unsigned weakness; /* the fastest kind first */
    unsigned round;    /* scatter: how many of its group and tier come before it */
    unsigned group;
    unsigned foreign; /* CPUs of the node itself before those that only are nearest to it */
    unsigned cpu;
};

enum { KEY_FIELDS = sizeof(struct key) / sizeof(unsigned) };

static int compare_keys(const void *a, const void *b)
{
    const unsigned *left = a, *right = b;
    for (unsigned i = 0; i < KEY_FIELDS; i++) {
        if (left[i] != right[i])
            return left[i] < right[i] ? -1 : 1;
    }
    return 0;
}

/* By home, then logical order. */
struct member {
    unsigned home, cpu;
};

static int compare_members(const void *a, const void *b)
{
    const struct member *left = a, *right = b;
    if (left->home != right->home)
        return left->home < right->home ? -1 : 1;
    return left->cpu < right->cpu ? -1 : left->cpu > right->cpu;
}

/* How many siblings of a CPU come before it in the share: its own first is rank 0 even if another
 * slice has the core's. */
static unsigned smt_rank_in(const struct pinion_topology *topology, const struct pn_share *share,
                            unsigned cpu)
{
    unsigned rank = 0;
    while (cpu - rank > share->first &&
           topology->cpus[cpu - rank - 1].core == topology->cpus[cpu].core)
        rank++;
    return rank;
}

static void join_group(struct group *group, const struct pinion_topology *topology,
                       const struct pn_share *share, unsigned cpu)
{
    const unsigned kind = topology->cpus[cpu].kind;
    group->cpus++;
    group->cores += smt_rank_in(topology, share, cpu) == 0;
    group->kind_max = kind > group->kind_max ? kind : group->kind_max;
}

/* Makes the groups of sorted members; group_of is by place in the share. Returns how many. */
static unsigned find_groups(const struct pinion_topology *topology, const struct pn_share *share,
                            const struct member *members, struct group *groups, unsigned *group_of)
{
    unsigned count = 0;
    for (unsigned i = 0; i < share->count; i++) {
        if (i == 0 || members[i].home != members[i - 1].home)
            groups[count++] = (struct group){.node = members[i].home, .first = members[i].cpu};
        join_group(&groups[count - 1], topology, share, members[i].cpu);
        group_of[members[i].cpu - share->first] = count - 1;
    }
    return count;
}

/* Compact begins where the fastest cores are, and of those nodes in the one with the most CPUs. */
static bool is_better_first(const struct group *a, const struct group *b)
{
    if ((a->node == PINION_NO_NODE) != (b->node == PINION_NO_NODE))
        return b->node == PINION_NO_NODE;
    if (a->kind_max != b->kind_max)
        return a->kind_max > b->kind_max;
    if (a->cpus != b->cpus)
        return a->cpus > b->cpus;
    return a->first < b->first;
}

static int compare_by_distance(const void *a, const void *b)
{
    const struct group *left = *(struct group *const *)a, *right = *(struct group *const *)b;
    if (left->distance != right->distance)
        return left->distance < right->distance ? -1 : 1;
    if (left->other_package != right->other_package)
        return left->other_package ? 1 : -1;
    return left->first < right->first ? -1 : left->first > right->first;
}

static int compare_by_place(const void *a, const void *b)
{
    const struct group *left = *(struct group *const *)a, *right = *(struct group *const *)b;
    return left->first < right->first ? -1 : left->first > right->first;
}

/* Gives each group its rank: scatter takes them in logical order, compact by distance from the
 * best. sorted has room for all. Returns the group of rank 0. */
static const struct group *rank_groups(const struct pinion_topology *topology, bool scatter,
                                       struct group *groups, unsigned count, struct group **sorted)
{
    struct group *best = groups;
    for (unsigned i = 0; i < count; i++) {
        sorted[i] = &groups[i];
        best = is_better_first(&groups[i], best) ? &groups[i] : best;
    }
    for (unsigned i = 0; i < count; i++) {
        groups[i].distance =
            &groups[i] == best ? 0 : pinion_topology_distance(topology, best->node, groups[i].node);
        groups[i].other_package =
            topology->cpus[groups[i].first].package != topology->cpus[best->first].package;
    }
    qsort(sorted, count, sizeof(struct group *), scatter ? compare_by_place : compare_by_distance);
    for (unsigned i = 0; i < count; i++)
        sorted[i]->rank = i;
    return best;
}

static struct key key_of(const struct pinion_topology *topology, const struct pn_share *share,
                         struct pn_order_by by, const struct group *group, unsigned cpu)
{
    const unsigned smt_rank = smt_rank_in(topology, share, cpu);
    return (struct key){
        .late = by.avoid_smt && smt_rank > 0,
        .turn = by.scatter ? 0 : group->rank,
        .smt_rank = smt_rank,
        .weakness = UINT32_MAX - topology->cpus[cpu].kind,
        .group = group->rank,
        .foreign = topology->cpus[cpu].node != group->node,
        .cpu = cpu,
    };
}

/* Scatter: numbers the CPUs of each group within their tier (same rank, same kind), so that the
 * next sort deals them out. keys are sorted, with round 0 throughout: group runs within a tier. */
static void number_rounds(struct key *keys, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        const struct key *before = &keys[i - 1];
        if (keys[i].smt_rank == before->smt_rank && keys[i].weakness == before->weakness &&
            keys[i].group == before->group)
            keys[i].round = before->round + 1;
    }
}

struct workspace {
    struct member *members;
    struct group *groups, **sorted;
    unsigned *group_of;
    struct key *keys;
};

static bool workspace_init(struct workspace *work, size_t count)
{
    *work = (struct workspace){
        .members = calloc(count, sizeof *work->members),
        .groups = calloc(count, sizeof *work->groups),
        .sorted = calloc(count, sizeof *work->sorted),
        .group_of = calloc(count, sizeof *work->group_of),
        .keys = calloc(count, sizeof *work->keys),
    };
    return work->members && work->groups && work->sorted && work->group_of && work->keys;
}

static void workspace_fini(struct workspace *work)
{
    free(work->keys);
    free(work->group_of);
    free(work->sorted);
    free(work->groups);
    free(work->members);
}

static void fill_order(const struct pinion_topology *topology, const struct pn_share *share,
                       struct pn_order_by by, struct workspace *work, struct pn_order *order)
{
    for (unsigned i = 0; i < share->count; i++)
        work->members[i] = (struct member){topology->homes[share->first + i], share->first + i};
    qsort(work->members, share->count, sizeof *work->members, compare_members);
    order->groups = find_groups(topology, share, work->members, work->groups, work->group_of);
    const struct group *best =
        rank_groups(topology, by.scatter, work->groups, order->groups, work->sorted);
    order->first_cores = best->cores;
    order->first_cpus = best->cpus;
    for (unsigned i = 0; i < share->count; i++)
        work->keys[i] =
            key_of(topology, share, by, &work->groups[work->group_of[i]], share->first + i);
    qsort(work->keys, share->count, sizeof *work->keys, compare_keys);
    if (by.scatter) {
        number_rounds(work->keys, share->count);
        qsort(work->keys, share->count, sizeof *work->keys, compare_keys);
    }
    for (unsigned i = 0; i < share->count; i++)
        order->cpus[i] = work->keys[i].cpu;
}

int pn_order_make(const struct pinion_topology *topology, const struct pn_share *share,
                  struct pn_order_by by, struct pn_order *order)
{
    struct workspace work;
    *order = (struct pn_order){.count = share->count};
    order->cpus = calloc(share->count, sizeof *order->cpus);
    const bool ready = workspace_init(&work, share->count) && order->cpus;
    if (ready)
        fill_order(topology, share, by, &work, order);
    else
        pn_order_fini(order);
    workspace_fini(&work);
    return ready ? 0 : -ENOMEM;
}

void pn_order_fini(struct pn_order *order)
{
    free(order->cpus);
    *order = (struct pn_order){0};
}
