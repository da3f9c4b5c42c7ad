/* SPDX-License-Identifier: MIT */
#include "lane.h"

#include "deque.h"
#include "lock.h"
#include "task.h"

/* At most so many are taken at a time: what one lock costs is small beside them. */
#define SHARE_MAX 32

void pn_lane_init(struct pn_lane *lane, bool is_spinning)
{
    pn_store_relaxed(&lane->count, 0);
    pn_lock_init(&lane->lock, is_spinning);
    lane->head = lane->tail = NULL;
}

void pn_lane_push_locked(struct pn_lane *lane, struct pinion_task *task)
{
    pn_store_relaxed(&task->link, NULL); /* the lock orders links */
    if (lane->tail)
        pn_store_relaxed(&lane->tail->link, task);
    else
        lane->head = task;
    lane->tail = task;
    /* Against the look for sleepers that follows (idle.h). Only who has the lock writes it. */
    pn_store_seq_cst(&lane->count, pn_load_relaxed(&lane->count) + 1);
}

void pn_lane_push(struct pn_lane *lane, struct pinion_task *task)
{
    pn_lock(&lane->lock);
    pn_lane_push_locked(lane, task);
    pn_unlock(&lane->lock);
}

static struct pinion_task *pop_locked(struct pn_lane *lane)
{
    struct pinion_task *task = lane->head;
    if (!task)
        return NULL;
    lane->head = pn_load_relaxed(&task->link);
    if (!lane->head)
        lane->tail = NULL;
    pn_store_relaxed(&task->link, NULL);
    return task;
}

struct pinion_task *pn_lane_pop(struct pn_lane *lane)
{
    if (pn_lane_count(lane) == 0)
        return NULL;
    pn_lock(&lane->lock);
    struct pinion_task *task = pop_locked(lane);
    if (task)
        /* Relaxed: a count too high is only a look in vain. */
        pn_store_relaxed(&lane->count, pn_load_relaxed(&lane->count) - 1);
    pn_unlock(&lane->lock);
    return task;
}

/* All that the lane has, linked, which it has no more; its count stays, so that nobody sleeps. */
static struct pinion_task *take_all(struct pn_lane *lane, struct pinion_task **last, size_t *count)
{
    pn_lock(&lane->lock);
    struct pinion_task *first = lane->head;
    *last = lane->tail;
    *count = pn_load_relaxed(&lane->count); /* only who has the lock writes it */
    lane->head = lane->tail = NULL;
    pn_unlock(&lane->lock);
    return first;
}

/* Puts what is left of it back before what came since. taken: how many of it the count is to lose,
 * after they are where the taker's deque shows them: who looks here and then there sees them at
 * every moment. */
static void give_back(struct pn_lane *lane, struct pinion_task *first, struct pinion_task *last,
                      size_t taken)
{
    pn_lock(&lane->lock);
    if (first) {
        pn_store_relaxed(&last->link, lane->head);
        if (!lane->head)
            lane->tail = last;
        lane->head = first;
    }
    /* Release in it: the pushes, pairs with the load in pn_lane_count. */
    pn_store_seq_cst(&lane->count, pn_load_relaxed(&lane->count) - taken);
    pn_unlock(&lane->lock);
}

/* Moves all but the first to the deque, in reverse, so that the owner, who pops the youngest, goes
 * on with the oldest. How many had no room. */
static size_t move(struct pinion_task *const *tasks, size_t count, struct pn_deque *deque)
{
    size_t left = count;
    while (left > 1 && pn_deque_push(deque, tasks[left - 1], false))
        left--;
    if (left < count)
        pn_deque_publish(deque);
    return left - 1;
}

struct pinion_task *pn_lane_pop_share(struct pn_lane *lane, unsigned takers,
                                      struct pn_deque *deque)
{
    struct pinion_task *tasks[SHARE_MAX], *last;
    size_t size, count = 0;
    if (pn_lane_count(lane) == 0)
        return NULL;
    struct pinion_task *next = take_all(lane, &last, &size);
    /* Not under the lock: each of them is in the cache of who made it. */
    for (const size_t share = size / takers + 1; next && count < share && count < SHARE_MAX;) {
        tasks[count] = next;
        next = pn_load_relaxed(&next->link);
        pn_store_relaxed(&tasks[count++]->link, NULL);
    }
    if (count == 0)
        return NULL; /* another has taken them, and counts them yet */
    const size_t unmoved = move(tasks, count, deque);
    if (!next && unmoved)
        last = tasks[unmoved];
    for (size_t i = unmoved; i > 0; i--) {
        pn_store_relaxed(&tasks[i]->link, next);
        next = tasks[i];
    }
    give_back(lane, next, last, count - unmoved);
    return tasks[0];
}
