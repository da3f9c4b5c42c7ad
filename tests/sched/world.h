/* SPDX-License-Identifier: MIT
 *
 * A machine that is not here, with the scheduler as shipped and workers that are plain structs: no
 * threads, and a clock that the test moves. Whoever has the world lets one worker or outside thread
 * at a time take one step, and the world checks what must hold after it.
 */
#ifndef WORLD_H
#define WORLD_H

#include "../topology/machines.h"

#include <pinion/plan.h>

#include "deque.h"
#include "lane.h"
#include "scheduler.h"
#include "task.h"

/* ASLEEP: until picked. WOKEN: and has not risen yet. */
enum hand_state { RUNNING, SEARCHING, ASLEEP, WOKEN };

/* A base worker, or one that only pushes: the caller, an outside thread. */
struct hand {
    struct pn_scout scout;
    struct pn_deque deque;
    struct pn_counters counters;
    struct pinion_head head;
    struct pn_neighbors *neighbors; /* home: its node, in the scheduler's numbers */
    struct pn_place place;
    enum hand_state state;
    bool owes_look; /* it has queued something, and has not looked yet who to wake */
    unsigned turns; /* tasks begun */
    unsigned last_distance; /* of the round */
};

struct job {
    struct pinion_task task;
    unsigned runs;
};

struct world {
    struct pinion_topology *topology;
    struct pinion_plan *plan;
    struct pn_node_distances distances;
    unsigned workers, node_count;
    unsigned *nodes;         /* OS indices, by the scheduler's numbers */
    unsigned *node_of_place;
    struct pn_place *places;
    struct pn_lane *lanes;
    struct pn_lane **lane_list;
    struct hand *hands;      /* workers, then the caller, then an outside thread a node */
    struct pn_scheduler scheduler;

    uint64_t random;
    int64_t now;
    bool is_prompt; /* who owes a look looks in the same step */
    bool hides;     /* what is pushed becomes public only on request, or by force */
    struct job *jobs;
    unsigned job_count, queued, begun, woken; /* queued: pushed so far; begun: run so far */
};

#define CALLER(world)        (&(world)->hands[(world)->workers])
#define OUTSIDE(world, node) (&(world)->hands[(world)->workers + 1 + (node)])

/* Workers on all CPUs of the machine but the caller's, all asleep. Borrows the topology. */
void world_make(struct world *world, struct pinion_topology *topology,
                enum pinion_placement placement, int64_t spin_ns, unsigned jobs, uint64_t seed);
void world_end(struct world *world);

/* A worker that sleeps is busy from now on, with a task of no account. */
void world_occupy(struct world *world, struct hand *hand);

/* Queues the next job: to the hand's deque, or to a lane. Then it owes a look, unless is_prompt. */
void world_push(struct world *world, struct hand *hand);
void world_inject(struct world *world, struct hand *hand, unsigned node);

/* The look that is owed: picks who is to be woken. */
void world_look(struct world *world, struct hand *hand);

/* The next step of a worker that searches or was woken, or has run its task. */
void world_step(struct world *world, struct hand *hand);

/* How far apart two are, by what the topology says. */
unsigned world_apart(const struct world *world, const struct pn_place *a, const struct pn_place *b);

#endif
