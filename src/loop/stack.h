/* SPDX-License-Identifier: MIT
 *
 * Stacks of fibers: where their memory comes from and goes back to. Stacks of a size class are cut
 * from slabs, each one mapping of many; a guard lies below each. Three levels:
 *
 *   cache  of one thread, without locks, last in first out: the top of what comes is still warm
 *   depot  of a node, under a lock: between caches, in batches; what is deep in a stack that comes
 *          to it goes back to the system, and when it has many, the rest too
 *   slab   a part of the depot: mapped when the depot is empty, unmapped when the depot ends
 *
 * Stacks above the largest class are mapped one by one.
 */
#ifndef PN_STACK_H
#define PN_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Size classes: the least and its doubles. */
#define PN_STACK_CLASSES   9u
#define PN_STACK_CLASS_MIN ((size_t)16 * 1024)
#define PN_STACK_CLASS_MAX (PN_STACK_CLASS_MIN << (PN_STACK_CLASSES - 1)) /* 4 MiB */

/* A stack: what may be used of it. The guard lies below low. */
struct pn_stack {
    char *low;
    size_t bytes;
};

/* How overflows are noticed. */
enum pn_stack_guard {
    PN_GUARD_MARKED,  /* by the page tables alone (MADV_GUARD_INSTALL) */
    PN_GUARD_MAPPED,  /* by a mapping of its own, of which a process has some 65,000 */
    PN_GUARD_MISSING, /* not at all: the system has refused some */
};

struct pn_stack_stats {
    size_t mapped;       /* stacks that were cut, whether in use or not */
    size_t in_use;       /* taken from the depot and not put back: caches hold some */
    size_t in_use_peak;
    size_t bytes;        /* of address space */
    uint64_t trimmed;    /* how often a stack's depth went back to the system */
};

/* The least that a fiber should have that calls the library and does little else: frames of the
 * library and a signal's, which this processor's registers make larger or smaller. */
size_t pn_stack_min(void);

/* How far below its lowest byte a stack's guard reaches. */
size_t pn_stack_guard_bytes(void);

struct pn_stack_depot;
struct pn_stack_cache;

/* node: OS index of the node whose memory is preferred, -1 for any. 0 or -ENOMEM. */
int pn_stack_depot_create(int node, struct pn_stack_depot **depot);

/* Unmaps all. Every cache is destroyed, every stack put. NULL is allowed. */
void pn_stack_depot_destroy(struct pn_stack_depot *depot);

/* Any thread. */
void pn_stack_depot_stats(struct pn_stack_depot *depot, struct pn_stack_stats *stats);

/* Whether overflows are noticed, as far as was tried: a static sentence for reports. Any thread. */
const char *pn_stack_guard_text(struct pn_stack_depot *depot);

/* For one thread at a time. 0 or -ENOMEM. */
int pn_stack_cache_create(struct pn_stack_depot *depot, struct pn_stack_cache **cache);

/* Gives what it holds to the depot. NULL is allowed. */
void pn_stack_cache_destroy(struct pn_stack_cache *cache);

/* Gives what it holds to the depot, for when nothing is to be done for long. */
void pn_stack_cache_flush(struct pn_stack_cache *cache);

/* A stack of at least so many bytes, uninitialised. 0 or -ENOMEM. */
int pn_stack_get(struct pn_stack_cache *cache, size_t bytes, struct pn_stack *stack);

/* Gives a stack back, by any cache of its depot. The caller is not on it. */
void pn_stack_put(struct pn_stack_cache *cache, const struct pn_stack *stack);

#endif
