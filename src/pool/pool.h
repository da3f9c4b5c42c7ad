/* SPDX-License-Identifier: MIT
 *
 * The pool: a crew whose workers run each task on a thread, from its begin to its end.
 *
 *   pool.c     makes and ends a pool; what others may know of it
 *   spawn.c    the interface's calls: where a new task goes
 *   worker.c   what a base worker does, and a reserve thread with a task
 *   default.c  the one pool that a process has without making it
 */
#ifndef PN_POOL_H
#define PN_POOL_H

#include "crew.h"

struct pinion_pool {
    struct pn_crew crew;
    bool is_eager; /* constant */
};

static inline struct pinion_pool *pn_pool_of(struct pinion_io *io)
{
    return (struct pinion_pool *)(void *)io; /* the first member of its first */
}

/* pool.c */

extern const struct pn_crew_kind pn_pool_kind;
/* Makes a pool with a base slot for every CPU and with default options; no thread is its caller.
 * Errors as pinion_pool_create. */
int pn_pool_create_without_caller(struct pinion_pool **pool);

/* spawn.c */

extern const struct pn_io_vtable pn_pool_vtable;

/* worker.c: of pn_pool_kind. */

struct pn_worker *pn_pool_base_live(struct pn_worker *worker);
void pn_pool_run_reserved(struct pn_worker *worker, struct pinion_task *task);
void pn_pool_run_the_rest(struct pn_worker *worker);
/* The calling thread is about to block. If it is that of a base slot, another takes the slot over
 * and it goes on in a reserve slot until its task ends, as a reservation; if none can be had all
 * stays as it is. No pointer to the caller's slot may be used beyond this, nor beyond a call of any
 * function of a task: pn_membership_find tells the slot anew. */
void pn_pool_make_way(void);

#endif
