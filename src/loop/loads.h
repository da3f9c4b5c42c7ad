/* SPDX-License-Identifier: MIT
 *
 * What a loop's thread has under way in its ring for batches (carrier.h), whose fibers need not
 * wait for it. Over epoll, nothing: there who asks makes the calls.
 */
#ifndef PN_LOADS_H
#define PN_LOADS_H

#include "carrier.h"

struct pn_engine;
struct pn_load_record;

/* In lists by their descriptors, so as to find those that another one stays behind. */
#define PN_LOADS_LISTS 256u

/* The engine's thread's own, but for carrier. is_open: it has a ring. spare: records to be used
 * again. */
struct pn_loads {
    struct pn_carrier carrier;
    struct pn_engine *engine;
    bool is_open;
    struct pn_load_record *lists[PN_LOADS_LISTS], *spare;
    unsigned under_way, spares;
};

/* The engine has its backend. */
void pn_loads_init(struct pn_loads *loads, struct pn_engine *engine);
/* Nothing is under way. */
void pn_loads_fini(struct pn_loads *loads);

/* NULL: nothing can be carried here. */
static inline struct pn_carrier *pn_loads_carrier(struct pn_loads *loads)
{
    return loads->is_open ? &loads->carrier : NULL;
}

/* From home, or by a parallel task that has ended: gives all back to their batches, and waits until
 * the kernel has let go of it. */
void pn_loads_give_back(struct pn_loads *loads);

/* Whether others wait for some, at this moment. */
static inline bool pn_loads_are_recalled(const struct pn_loads *loads)
{
    return pn_load_relaxed(&loads->carrier.recalls) != NULL; /* who takes them acquires */
}

#endif
