/* SPDX-License-Identifier: MIT
 *
 * The part of a topology's CPUs that one process takes, and the order in which it seats workers on
 * them.
 */
#ifndef PN_SHARE_H
#define PN_SHARE_H

#include <stdbool.h>

#include <pinion/plan.h>

/* CPUs first to first + count - 1 of the topology's, in logical order. */
struct pn_share {
    unsigned first, count;
    unsigned cores;   /* 1 <= cores <= count; a core cut in two by slices counts in both */
    bool wrapped;     /* more slices than CPUs: others have the same CPU */
    bool splits_core; /* more slices than cores: others have siblings of its CPUs */
};

/* The share of a slice; slice_count 0 or 1 is all. slice_index is below slice_count. */
struct pn_share pn_share_of(const struct pinion_topology *topology, unsigned slice_index,
                            unsigned slice_count);

/* What to order by. */
struct pn_order_by {
    bool scatter;   /* deal round the nodes; else node by node */
    bool avoid_smt; /* every core of the share before any sibling */
};

/* A share's CPUs as indexes into the topology's, in order of seating. */
struct pn_order {
    unsigned count;       /* the share's */
    unsigned *cpus;       /* owned */
    unsigned groups;      /* nodes that the CPUs use; 1 where none is known */
    unsigned first_cores; /* cores in the first of them */
    unsigned first_cpus;
};

/* 0 or -ENOMEM. */
int pn_order_make(const struct pinion_topology *topology, const struct pn_share *share,
                  struct pn_order_by by, struct pn_order *order);

void pn_order_fini(struct pn_order *order);

#endif
