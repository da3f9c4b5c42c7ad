/* SPDX-License-Identifier: MIT
 *
 * Who sits where: the CPU of each worker, computed from a topology and nothing else. The same
 * topology and options give the same plan; no thread is pinned by making one.
 */
#ifndef PINION_PLAN_H
#define PINION_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include <pinion/api.h>
#include <pinion/topology.h>

PINION_BEGIN

enum pinion_placement {
    PINION_PLACE_AUTO,    /* chooses one of those below; pinion_plan_reason says which and why */
    PINION_PLACE_COMPACT, /* every core of a node, then their SMT siblings, then the next node */
    PINION_PLACE_SCATTER, /* deals the workers round the nodes */
    PINION_PLACE_NODE,    /* as COMPACT, but a worker may use every allowed CPU of its node */
    PINION_PLACE_NONE     /* workers are not pinned: they have the CPU mask that the program had
                             when the pool was made */
};

struct pinion_seat {
    int cpu;       /* OS index; -1: not pinned to one CPU, but to its node, or with NONE not at
                      all */
    unsigned node; /* OS index of the node whose memory it uses, the nearest if its CPU has none;
                      PINION_NO_NODE where the machine names none */
};

struct pinion_plan {
    unsigned count;                  /* workers */
    struct pinion_seat caller;       /* left free for the thread that makes the pool */
    const struct pinion_seat *seats; /* count of them, owned by the plan */
};

struct pinion_plan_options {
    enum pinion_placement placement;
    unsigned workers;       /* 0: cpu_count - 1. More than there are CPUs: seats wrap round */
    bool avoid_smt;         /* one worker a core; -EINVAL with more workers than cores */
    unsigned slice_index;   /* this process is number slice_index, from 0, … */
    unsigned slice_count;   /* … of slice_count that share the machine; 0: it has it alone */
    uint64_t reserved[8];   /* zero */
};

/* Makes a plan. options may be NULL: all defaults. The caller owns *plan, which does not refer to
 * the topology afterwards. No two workers, and no worker and the caller, share a CPU while another
 * allowed CPU of the slice is free; cores come before SMT siblings, performance kinds before
 * efficient ones. Slices of one machine are disjoint while there are enough CPUs for that.
 * Errors: -EINVAL (a placement that is none, slice_index not below slice_count, avoid_smt with more
 * workers than cores, over 2^20 workers, a reserved field that is not zero), -ENOMEM; with
 * pinion_error_detail(). */
PINION_API int pinion_plan_make(const struct pinion_topology *topology,
                                const struct pinion_plan_options *options,
                                struct pinion_plan **plan);

/* Frees a plan. NULL is allowed. */
PINION_API void pinion_plan_destroy(struct pinion_plan *plan);

/* What was chosen and why, what wrapped round, which limits shaped it: sentences for people, one a
 * line, without a newline at the end. Owned by the plan. */
PINION_API const char *pinion_plan_reason(const struct pinion_plan *plan);

/* "auto", "compact", "scatter", "node", "none"; NULL if it is none of them. Static. */
PINION_API const char *pinion_placement_name(enum pinion_placement placement);

/* The inverse of pinion_placement_name. 0 or -EINVAL with pinion_error_detail(). */
PINION_API int pinion_placement_parse(const char *text, enum pinion_placement *placement);

/* Parses "i/n", process number i of n, counted from 0 ("0/2", "1/2"). 0 or -EINVAL with
 * pinion_error_detail(). */
PINION_API int pinion_slice_parse(const char *text, unsigned *slice_index, unsigned *slice_count);

PINION_END

#endif
