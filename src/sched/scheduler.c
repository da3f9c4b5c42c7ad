/* SPDX-License-Identifier: MIT */
#include "scheduler.h"

#include <limits.h>
#include <string.h>

#include "ask.h"
#include "deque.h"
#include "lane.h"
#include "task.h"
#include "trace.h"

/* Once in so many turns a worker takes from a lane before its own deque, and once the oldest of its
 * own deque, so that what was injected starts however much the workers queue themselves. The lane
 * is its node's one time, and the next of all the other: on some nodes nobody takes. A prime, so
 * that it does not beat with the shape of a program. */
#define FAIR_TURNS  61
#define LANE_TURN   0
#define OLDEST_TURN 30

/* Who finds few tasks in its lane has caught up with who injects, and leaves the lane alone for so
 * many looks, some microseconds: two threads that hand over each task by itself do little else than
 * to move the lane between their caches. */
#define LANE_FEW   16
#define LANE_RESTS 64

/* An owner that has not answered for so long computes: its entries are taken by force. */
#define FORCE_AFTER_NS INT64_C(100000)

/* What it costs to fetch a task from so far: about four cache lines. Of another node a line takes
 * some 25 ns for each 10 that the firmware says it is far (10: itself). Reckoned, not measured. */
int64_t pn_patience_ns(unsigned distance)
{
    static const int64_t costs[] = {
        [PN_SAME_CORE] = 0, [PN_SAME_LLC] = 100, [PN_SAME_NODE] = 400};
    if (distance < PN_OTHER_NODE)
        return costs[distance];
    const int64_t far = costs[PN_SAME_NODE] + (int64_t)(distance - PN_OTHER_NODE) * 10;
    return far < 10000 ? far : 10000;
}

/* ---- setting up ---- */

void pn_scheduler_add_base(struct pn_scheduler *scheduler, struct pn_scout *scout)
{
    pn_idle_add(&scheduler->idle, scout->counters);
    /* Release: the scout, pairs with the loads of those who steal and look. */
    pn_store_release(&scheduler->base[scout->index], scout);
    /* Before anything is pushed to it: in the order of idle.h. */
    pn_store_seq_cst(&scheduler->high, scout->index + 1);
}

void pn_scheduler_add_reserve(struct pn_scheduler *scheduler, struct pn_scout *scout)
{
    pn_idle_add(&scheduler->idle, scout->counters);
    scout->next = pn_load_relaxed(&scheduler->reserves); /* only one thread adds at a time */
    /* Release: the scout, pairs with the loads of those who steal and look. */
    pn_store_release(&scheduler->reserves, scout);
}

static void show(const struct pn_scout *scout, uint32_t state)
{
    pn_store_relaxed(&scout->counters->state, state);
}

void pn_scout_begin(struct pn_scout *scout)
{
    PN_EVENT(search_begin, scout, 0, 0);
    scout->is_searching = true;
    show(scout, PN_STATE_SEARCHING);
    scout->was_woken = false;
    scout->is_in_round = false;
    scout->idle_since = scout->awake_since = PN_NOT_SAID;
    scout->asked = NULL;
}

/* ---- taking from one queue ---- */

bool pn_scout_take(const struct pn_scout *scout, struct pinion_task *task)
{
    if (!pn_task_take(task, scout->slab))
        return false;
    /* Release: who woke the scout has paid before; pairs with pn_idle_is_settled. */
    pn_count_release(&scout->counters->tasks, 1);
    return true;
}

static struct pinion_task *from_lane(const struct pn_scout *scout, struct pn_lane *lane)
{
    struct pinion_task *task;
    while ((task = pn_lane_pop(lane)) && !pn_scout_take(scout, task))
        continue;
    return task;
}

struct pinion_task *pn_scout_injected(const struct pn_scout *scout)
{
    return from_lane(scout, scout->lane);
}

static struct pinion_task *from_own_deque(const struct pn_scout *scout)
{
    struct pinion_task *task;
    while ((task = pn_deque_pop(scout->deque)) && !pn_scout_take(scout, task))
        continue;
    return task;
}

/* The oldest entry of a deque that is public. */
static struct pinion_task *oldest(const struct pn_scout *scout, const struct pn_scout *victim)
{
    struct pinion_task *task;
    bool lost;
    do {
        lost = false;
        while ((task = pn_deque_steal(victim->deque, &lost))) {
            pn_let_ask(victim->head);
            if (pn_scout_take(scout, task))
                return task;
        }
    } while (lost); /* another thief or the owner is at it: someone makes progress */
    return NULL;
}

static struct pinion_task *own_oldest(const struct pn_scout *scout)
{
    pn_deque_publish(scout->deque);
    return oldest(scout, scout);
}

/* A share of what is injected goes to the own deque, which is empty. */
static struct pinion_task *from_own_lane(struct pn_scheduler *scheduler, struct pn_scout *scout)
{
    const unsigned workers = scheduler->idle.nodes[scout->neighbors->home].workers;
    if (scout->rests) {
        scout->rests--;
        return NULL;
    }
    struct pinion_task *task = pn_lane_pop_share(scout->lane, workers ? workers : 1, scout->deque);
    if (task && pn_deque_count(scout->deque) < LANE_FEW)
        scout->rests = LANE_RESTS;
    if (!task || pn_scout_take(scout, task))
        return task;
    task = from_own_deque(scout);
    return task ? task : from_lane(scout, scout->lane);
}

static struct pinion_task *from_lanes_in_turn(const struct pn_scheduler *scheduler,
                                              const struct pn_scout *scout)
{
    const unsigned time = scout->turns / FAIR_TURNS;
    struct pinion_task *task = NULL;
    if (time % 2 == 0)
        task = from_lane(scout, scheduler->lanes[time / 2 % scheduler->idle.node_count]);
    return task ? task : from_lane(scout, scout->lane);
}

static struct pinion_task *own(struct pn_scheduler *scheduler, struct pn_scout *scout)
{
    struct pinion_task *task = NULL;
    const unsigned turn = ++scout->turns % FAIR_TURNS;
    if (turn == LANE_TURN)
        task = from_lanes_in_turn(scheduler, scout);
    else if (turn == OLDEST_TURN)
        task = own_oldest(scout);
    if (!task)
        task = from_own_deque(scout);
    return task ? task : from_own_lane(scheduler, scout);
}

/* A deque from which nothing could be taken: if it has entries they are its owner's to show. */
static void ask_for_hidden(struct pn_scout *scout, struct pn_scout *victim, int64_t now)
{
    if (pn_deque_count(victim->deque) == 0) {
        if (scout->asked == victim)
            scout->asked = NULL;
    } else if (!scout->asked) {
        scout->asked = victim;
        scout->asked_at = now;
        pn_deque_request(victim->deque);
        pn_let_ask(victim->head);
    } else if (scout->asked == victim && now - scout->asked_at >= FORCE_AFTER_NS) {
        scout->asked_at = now;
        pn_deque_force(victim->deque);
    }
}

static bool is_near(const struct pn_scout *scout, const struct pn_scout *other)
{
    return scout->neighbors->home == other->neighbors->home;
}

/* How far a victim is from a thief. Of those that are no base workers only whether they are of the
 * same node. */
static unsigned distance_of(const struct pn_scout *thief, const struct pn_scout *victim)
{
    const struct pn_neighbors *neighbors = thief->neighbors;
    for (unsigned i = 0; victim->is_base && i < neighbors->count; i++)
        if (neighbors->entries[i].place == victim->index % neighbors->count)
            return neighbors->entries[i].distance;
    return is_near(thief, victim) ? PN_SAME_NODE : PN_OTHER_NODE;
}

static __attribute__((noinline)) void trace_stolen(const struct pn_scout *thief,
                                                   const struct pn_scout *victim)
{
    uint64_t name[2];
    memcpy(name, victim->name, sizeof name);
    pn_trace_add(PN_TRACE_steal, name[0], name[1], distance_of(thief, victim));
}

void pn_scout_count_stolen(const struct pn_scout *thief, const struct pn_scout *victim)
{
    PN_PROBE(steal, thief->index, victim->index);
    if (pn_trace_is_on())
        trace_stolen(thief, victim);
    if (is_near(thief, victim))
        pn_tally(&thief->counters->stolen_near, 1);
    else
        pn_tally(&thief->counters->stolen_far, 1);
}

static struct pinion_task *steal_from(struct pn_scout *scout, struct pn_scout *victim, int64_t now)
{
    struct pinion_task *task = oldest(scout, victim);
    if (task)
        pn_scout_count_stolen(scout, victim);
    else
        ask_for_hidden(scout, victim, now);
    return task;
}

/* ---- rounds ---- */

static uint32_t next_random(struct pn_scout *scout)
{
    uint32_t x = scout->random; /* xorshift32, Marsaglia 2003 */
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return scout->random = x;
}

/* A round begins with what is the worker's own, and the caller, whose program's main thread it
 * mostly is, if it is of the same node. */
static struct pinion_task *begin_round(struct pn_scheduler *scheduler, struct pn_scout *scout,
                                       int64_t now)
{
    scout->is_in_round = true;
    scout->goes_everywhere = now - scout->awake_since >= scheduler->spin_ns;
    scout->walk = pn_neighbor_walk(scout->neighbors, next_random(scout));
    struct pinion_task *task = own(scheduler, scout);
    if (!task && scheduler->caller && is_near(scout, scheduler->caller))
        task = steal_from(scout, scheduler->caller, now);
    return task;
}

/* Whether the round goes on with the workers that are next in distance. */
static bool goes_further(const struct pn_scout *scout, int64_t now)
{
    const unsigned distance = pn_neighbor_distance(&scout->walk);
    return distance <= PN_FARTHEST &&
           (scout->goes_everywhere || now - scout->idle_since >= pn_patience_ns(distance));
}

/* The workers that are next in distance. */
static struct pinion_task *look_at_next(struct pn_scheduler *scheduler, struct pn_scout *scout,
                                        int64_t now)
{
    /* Acquire: pairs with pn_scheduler_add_base, as the next. */
    const unsigned high = pn_load_acquire(&scheduler->high);
    const unsigned distance = pn_neighbor_distance(&scout->walk);
    for (unsigned i; pn_neighbor_next(&scout->walk, high, distance, &i);) {
        struct pn_scout *victim = pn_load_acquire(&scheduler->base[i]);
        if (!victim || victim == scout)
            continue;
        struct pinion_task *task = steal_from(scout, victim, now);
        if (task)
            return task;
    }
    return NULL;
}

static struct pinion_task *steal_from_reserves(struct pn_scheduler *scheduler,
                                               struct pn_scout *scout, bool far_too, int64_t now)
{
    if (!pn_load_seq_cst(&scheduler->announced))
        return NULL;
    /* Acquire: pairs with pn_scheduler_add_reserve. */
    struct pn_scout *reserve = pn_load_acquire(&scheduler->reserves);
    for (; reserve; reserve = reserve->next) {
        struct pinion_task *task = NULL;
        if (is_near(scout, reserve) || far_too)
            task = steal_from(scout, reserve, now);
        if (task)
            return task;
    }
    return NULL;
}

/* A round ends with what is no base worker's; that of other nodes only if their workers' turn has
 * come before. */
static struct pinion_task *end_round(struct pn_scheduler *scheduler, struct pn_scout *scout,
                                     int64_t now)
{
    const bool far_too = pn_neighbor_distance(&scout->walk) > PN_FARTHEST;
    struct pinion_task *task = NULL;
    scout->is_in_round = false;
    if (far_too && scheduler->caller && !is_near(scout, scheduler->caller))
        task = steal_from(scout, scheduler->caller, now);
    if (!task)
        task = steal_from_reserves(scheduler, scout, far_too, now);
    for (unsigned i = 0; far_too && !task && i < scheduler->idle.node_count; i++)
        if (scheduler->lanes[i] != scout->lane) /* with which every round begins */
            task = from_lane(scout, scheduler->lanes[i]);
    return task;
}

#define ANYWHERE UINT_MAX

/* Whether a queue of a node, or of any, has an entry. */
static bool has_work_on(struct pn_scheduler *scheduler, unsigned node)
{
    const struct pn_idle *idle = &scheduler->idle;
    /* The lanes first: what is moved from there to a deque is then seen in one of the two. */
    for (unsigned i = 0; i < idle->node_count; i++)
        if ((node == ANYWHERE || node == i) && pn_lane_count(scheduler->lanes[i]))
            return true;
    const struct pn_scout *caller = scheduler->caller;
    if (caller && (node == ANYWHERE || node == caller->neighbors->home) &&
        pn_deque_count(caller->deque))
        return true;
    const unsigned high = pn_load_seq_cst(&scheduler->high);
    for (unsigned i = 0; i < high; i++) {
        const struct pn_scout *scout = pn_load_acquire(&scheduler->base[i]);
        if (scout && (node == ANYWHERE || node == scout->neighbors->home) &&
            pn_deque_count(scout->deque))
            return true;
    }
    if (!pn_load_seq_cst(&scheduler->announced))
        return false;
    const struct pn_scout *reserve = pn_load_acquire(&scheduler->reserves);
    for (; reserve; reserve = reserve->next)
        if ((node == ANYWHERE || node == reserve->neighbors->home) &&
            pn_deque_count(reserve->deque))
            return true;
    return false;
}

bool pn_scheduler_has_work(struct pn_scheduler *scheduler)
{
    return has_work_on(scheduler, ANYWHERE);
}

/* ---- steps ---- */

static const struct pn_step look_again = {.kind = PN_STEP_LOOK};
static const struct pn_step look_in_vain = {.kind = PN_STEP_LOOK, .is_vain = true};

/* Nobody else may be left who searches here: then the queues are looked at again. */
static struct pn_step lie_down(struct pn_scheduler *scheduler, struct pn_scout *scout)
{
    if (scout->was_woken && !pn_idle_is_settled(&scheduler->idle))
        return look_in_vain;
    if (!pn_idle_lie_down(&scheduler->idle, scout->index) || !pn_scheduler_has_work(scheduler)) {
        PN_EVENT(search_end, scout, 0, 0);
        return (struct pn_step){.kind = PN_STEP_SLEEP};
    }
    scout->was_woken = !pn_idle_rise(&scheduler->idle, scout->index);
    return look_again;
}

/* A whole round at a time, by a worker that does not count as searching. */
static struct pinion_task *glance(struct pn_scheduler *scheduler, struct pn_scout *scout,
                                  int64_t now)
{
    scout->idle_since = scout->awake_since = now;
    scout->asked = NULL;
    struct pinion_task *task = begin_round(scheduler, scout, now);
    while (!task && pn_neighbor_distance(&scout->walk) <= PN_FARTHEST)
        task = look_at_next(scheduler, scout, now);
    if (!task)
        task = end_round(scheduler, scout, now);
    scout->is_in_round = false;
    return task;
}

static struct pn_step begin_search(struct pn_scheduler *scheduler, struct pn_scout *scout,
                                   int64_t now)
{
    const unsigned node = scout->neighbors->home;
    const bool is_full =
        scheduler->spin_ns != INT64_MAX && pn_idle_excess(&scheduler->idle, node) >= 0;
    /* Without a look each of its tasks from elsewhere would take a wake. */
    struct pinion_task *task = is_full ? glance(scheduler, scout, now) : NULL;
    if (task)
        return (struct pn_step){.kind = PN_STEP_RUN, .task = task};
    pn_scout_begin(scout);
    pn_idle_search(&scheduler->idle, node);
    return is_full ? lie_down(scheduler, scout) : look_again;
}

/* Whether another is to search, now that the last of the node does not any more. What is farther
 * is left to those who search elsewhere, if there are any. */
static bool wants_another(struct pn_scheduler *scheduler, const struct pn_scout *scout)
{
    const bool leaves_far = pn_idle_is_searched(&scheduler->idle);
    return has_work_on(scheduler, leaves_far ? scout->neighbors->home : ANYWHERE);
}

static struct pn_step found(struct pn_scheduler *scheduler, struct pn_scout *scout,
                            struct pinion_task *task)
{
    scout->is_searching = false;
    show(scout, PN_STATE_RUNNING);
    PN_EVENT(search_end, scout, 0, 0);
    return (struct pn_step){
        .kind = PN_STEP_RUN,
        .task = task,
        .wants_another = pn_idle_found(&scheduler->idle, scout->neighbors->home) &&
                         wants_another(scheduler, scout),
    };
}

static struct pn_step search(struct pn_scheduler *scheduler, struct pn_scout *scout, int64_t now)
{
    struct pinion_task *task;
    if (scout->idle_since == PN_NOT_SAID)
        scout->idle_since = now;
    if (scout->awake_since == PN_NOT_SAID)
        scout->awake_since = now;
    if (!scout->is_in_round)
        task = begin_round(scheduler, scout, now);
    else if (goes_further(scout, now))
        task = look_at_next(scheduler, scout, now);
    else
        task = end_round(scheduler, scout, now);
    if (task)
        return found(scheduler, scout, task);
    if (scout->is_in_round)
        return look_again;
    pn_tally(&scout->counters->searched, 1);
    if (scout->goes_everywhere && !scout->asked)
        return lie_down(scheduler, scout);
    return look_in_vain;
}

struct pn_step pn_scheduler_step(struct pn_scheduler *scheduler, struct pn_scout *scout,
                                 int64_t now)
{
    if (scout->is_searching)
        return search(scheduler, scout, now);
    struct pinion_task *task = own(scheduler, scout);
    return task ? (struct pn_step){.kind = PN_STEP_RUN, .task = task}
                : begin_search(scheduler, scout, now);
}

struct pinion_task *pn_scheduler_own(struct pn_scheduler *scheduler, struct pn_scout *scout)
{
    return own(scheduler, scout);
}

bool pn_scheduler_stop(struct pn_scheduler *scheduler, struct pn_scout *scout)
{
    return scout->is_searching && found(scheduler, scout, NULL).wants_another;
}

void pn_scheduler_rise(struct pn_scheduler *scheduler, struct pn_scout *scout)
{
    PN_EVENT(search_begin, scout, 0, 0);
    scout->awake_since = PN_NOT_SAID;
    show(scout, PN_STATE_SEARCHING);
    scout->was_woken = !pn_idle_rise(&scheduler->idle, scout->index);
}
