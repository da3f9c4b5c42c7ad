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

static void push_first_locked(struct pn_lane *lane, struct pinion_task *task)
{
    pn_store_relaxed(&task->link, lane->head);
    if (!lane->head)
        lane->tail = task;
    lane->head = task;
}

/* Moves all but the first. In reverse, so that the owner, who pops the youngest, goes on with the
 * oldest; those for which there is no room become the lane's first again. How many left it, the
 * first included. */
static size_t move_locked(struct pn_lane *lane, struct pinion_task *const *tasks, size_t count,
                          struct pn_deque *deque)
{
    size_t left = count;
    while (left > 1 && pn_deque_push(deque, tasks[left - 1], false))
        left--;
    if (left < count)
        pn_deque_publish(deque);
    for (size_t i = left; i > 1; i--)
        push_first_locked(lane, tasks[i - 1]);
    return count ? count - left + 1 : 0;
}

struct pinion_task *pn_lane_pop_share(struct pn_lane *lane, unsigned takers,
                                      struct pn_deque *deque)
{
    struct pinion_task *tasks[SHARE_MAX];
    size_t count = 0;
    if (pn_lane_count(lane) == 0)
        return NULL;
    pn_lock(&lane->lock);
    /* Relaxed: only who has the lock writes it. */
    const size_t share = pn_load_relaxed(&lane->count) / takers + 1;
    while (count < share && count < SHARE_MAX && (tasks[count] = pop_locked(lane)))
        count++;
    count = move_locked(lane, tasks, count, deque);
    /* After the move, so that at every moment who looks here and then there sees them. Release:
     * the pushes, pairs with the load in pn_lane_count. */
    pn_store_seq_cst(&lane->count, pn_load_relaxed(&lane->count) - count);
    pn_unlock(&lane->lock);
    return count ? tasks[0] : NULL;
}
