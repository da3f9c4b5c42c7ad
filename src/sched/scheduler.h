/* SPDX-License-Identifier: MIT
 *
 * Finding work: where a worker without a task looks, in which order and how soon, when it lies down
 * to sleep, and whether it asks for another. Neither threads nor a clock: a worker takes one step
 * after the other, none of which waits, and says what time it is.
 *
 * A *scout* is what the scheduler knows of a worker. A worker that has no task of its own searches:
 * it looks at the others' queues in rounds, the near ones first, one distance a step. Distance is
 * time: what is far is looked at only by who has been without a task for longer than it costs to
 * fetch something from there, so that a near one may be faster. The last round before it sleeps
 * goes everywhere.
 */
#ifndef PN_SCHEDULER_H
#define PN_SCHEDULER_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pinion/inline.h>

#include "atomic.h"
#include "counters.h"
#include "idle.h"
#include "neighbors.h"

struct pinion_task;
struct pn_deque;
struct pn_lane;
struct pn_slab;

#define PN_NOT_SAID INT64_MIN

struct pn_scout {
    /* Constant, but head's content. */
    unsigned index; /* among its role */
    bool is_base;   /* else it is in no order of neighbors */
    char name[16];  /* of its slot */
    struct pn_deque *deque;
    struct pn_lane *lane; /* its node's */
    const struct pn_neighbors *neighbors;
    struct pn_slab *slab;
    struct pn_counters *counters;
    struct pinion_head *head; /* by which its thread runs tasks in place (inline.h) */
    struct pn_scout *next;    /* in scheduler.reserves */

    /* The thread's own, away from what others read. */
    alignas(PN_LINE_PAIR) uint32_t random; /* not 0 */
    unsigned turns;
    unsigned rests; /* so many looks at its lane are left out */
    bool is_searching;
    bool was_woken; /* since it searches, by another */
    bool is_in_round, goes_everywhere; /* of the round */
    struct pn_neighbor_walk walk;      /* of the round */
    int64_t idle_since, awake_since;   /* without a task; and without sleep. PN_NOT_SAID: until
                                          the next look */
    struct pn_scout *asked; /* was asked for entries that only it can take, … */
    int64_t asked_at;
};

struct pn_scheduler {
    /* Constant. */
    int64_t spin_ns; /* how long a search goes on; INT64_MAX: for ever */
    struct pn_lane *const *lanes; /* one a node of idle */
    struct pn_scout *caller;      /* of the thread that made the pool, or NULL */
    _Atomic(struct pn_scout *) *base; /* of base workers; an entry is set once */
    struct pn_idle idle;

    alignas(PN_LINE_PAIR) _Atomic(unsigned) high; /* base workers below this may be there */
    _Atomic(unsigned) announced;                  /* reserves whose deque may hold tasks */
    _Atomic(struct pn_scout *) reserves;          /* all that ever were; the newest first */
};

/* How long a search waits before it looks at what is so far away (see neighbors.h), in ns. */
int64_t pn_patience_ns(unsigned distance);

/* ---- setting up ---- */

/* A base worker is there, its thread soon: by one thread at a time, in the order of the indices. */
void pn_scheduler_add_base(struct pn_scheduler *scheduler, struct pn_scout *scout);
/* A reserve is there. By one thread at a time. */
void pn_scheduler_add_reserve(struct pn_scheduler *scheduler, struct pn_scout *scout);

/* ---- steps ---- */

enum pn_step_kind {
    PN_STEP_RUN,   /* run the task; the worker does not search any more */
    PN_STEP_LOOK,  /* nothing yet: go on */
    PN_STEP_SLEEP, /* the worker has lain down: sleep, then rise */
};

struct pn_step {
    enum pn_step_kind kind;
    bool is_vain;       /* LOOK: a round found nothing */
    bool wants_another; /* RUN: there is more; wake another before */
    struct pinion_task *task;
};

/* A thread begins in the worker, counted as searching by who asked for it. */
void pn_scout_begin(struct pn_scout *scout);

/* The next step of a base worker. now: in ns, of any clock that does not go back; used if it
 * searches. */
struct pn_step pn_scheduler_step(struct pn_scheduler *scheduler, struct pn_scout *scout,
                                 int64_t now);

/* What is next of the worker's own: of its deque, its lane, or in turn of the others' lanes; NULL:
 * nothing. Not while it searches. */
struct pinion_task *pn_scheduler_own(struct pn_scheduler *scheduler, struct pn_scout *scout);

/* A worker has got something to do that stood in no queue: it does not search any more. Whether
 * another is to be woken. */
bool pn_scheduler_stop(struct pn_scheduler *scheduler, struct pn_scout *scout);

/* A worker that has lain down was woken, or does not sleep after all: it searches. */
void pn_scheduler_rise(struct pn_scheduler *scheduler, struct pn_scout *scout);

/* The oldest task of the worker's node's lane, NULL if there is none. Any worker. */
struct pinion_task *pn_scout_injected(const struct pn_scout *scout);

/* Takes what came out of a queue, and counts it as the scout's; false: it was a tombstone. */
bool pn_scout_take(const struct pn_scout *scout, struct pinion_task *task);

/* A task was taken from a victim's deque: counts it. */
void pn_scout_count_stolen(const struct pn_scout *thief, const struct pn_scout *victim);

/* Whether any queue has an entry, by sequentially consistent looks (see idle.h). */
bool pn_scheduler_has_work(struct pn_scheduler *scheduler);

#endif
