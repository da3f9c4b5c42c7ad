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
    lane->ring_first = lane->ring_count = 0;
    lane->head = lane->tail = NULL;
}

static void link_locked(struct pn_lane *lane, struct pinion_task *task)
{
    pn_store_relaxed(&task->link, NULL); /* the lock orders links */
    if (lane->tail)
        pn_store_relaxed(&lane->tail->link, task);
    else
        lane->head = task;
    lane->tail = task;
}

static void ring_add_locked(struct pn_lane *lane, struct pinion_task *task)
{
    lane->ring[(lane->ring_first + lane->ring_count++) % PN_LANE_RING] = task;
}

void pn_lane_push_locked(struct pn_lane *lane, struct pinion_task *task)
{
    if (lane->head || lane->ring_count == PN_LANE_RING)
        link_locked(lane, task);
    else
        ring_add_locked(lane, task);
    /* Against the look for sleepers that follows (idle.h). Only who has the lock writes it. */
    pn_store_seq_cst(&lane->count, pn_load_relaxed(&lane->count) + 1);
}

void pn_lane_push(struct pn_lane *lane, struct pinion_task *task)
{
    pn_lock(&lane->lock);
    pn_lane_push_locked(lane, task);
    pn_unlock(&lane->lock);
}

/* No more than a share: each of them may have to be fetched. */
static void refill_locked(struct pn_lane *lane)
{
    struct pinion_task *task;
    while (lane->ring_count < SHARE_MAX && (task = lane->head)) {
        lane->head = pn_load_relaxed(&task->link);
        pn_store_relaxed(&task->link, NULL);
        ring_add_locked(lane, task);
    }
    if (!lane->head)
        lane->tail = NULL;
}

/* The oldest ones, up to `most`: how many. */
static size_t take_locked(struct pn_lane *lane, struct pinion_task **tasks, size_t most)
{
    if (lane->ring_count == 0)
        refill_locked(lane);
    size_t count = 0;
    for (; count < most && lane->ring_count; count++) {
        tasks[count] = lane->ring[lane->ring_first++ % PN_LANE_RING];
        lane->ring_count--;
    }
    return count;
}

/* Relaxed: a count too high is only a look in vain. */
static void uncount_locked(struct pn_lane *lane, size_t count)
{
    pn_store_relaxed(&lane->count, pn_load_relaxed(&lane->count) - count);
}

struct pinion_task *pn_lane_pop(struct pn_lane *lane)
{
    struct pinion_task *task = NULL;
    if (pn_lane_count(lane) == 0)
        return NULL;
    pn_lock(&lane->lock);
    uncount_locked(lane, take_locked(lane, &task, 1));
    pn_unlock(&lane->lock);
    return task;
}

/* Moves all but the first to the deque, which has room for them, in reverse, so that the owner, who
 * pops the youngest, goes on with the oldest. */
static void show(struct pinion_task *const *tasks, size_t count, struct pn_deque *deque)
{
    for (size_t i = count - 1; i > 0; i--)
        (void)pn_deque_push(deque, tasks[i], false);
    if (count > 1)
        pn_deque_publish(deque);
}

struct pinion_task *pn_lane_pop_share(struct pn_lane *lane, unsigned takers,
                                      struct pn_deque *deque)
{
    struct pinion_task *tasks[SHARE_MAX];
    if (pn_lane_count(lane) == 0)
        return NULL;
    pn_lock(&lane->lock);
    size_t share = pn_load_relaxed(&lane->count) / takers + 1;
    share = share < SHARE_MAX ? share : SHARE_MAX;
    share = share <= deque->size ? share : deque->size + 1; /* the first is the caller's */
    const size_t count = take_locked(lane, tasks, share);
    pn_unlock(&lane->lock);
    if (count == 0)
        return NULL; /* another has them, and will show them */
    for (size_t i = 0; i < count; i++)
        pn_prefetch_write(tasks[i]);
    show(tasks, count, deque);
    /* After that, so that at every moment who looks here and then there sees them. The lock has the
     * release that pairs with the load in pn_lane_count. */
    pn_lock(&lane->lock);
    uncount_locked(lane, count);
    pn_unlock(&lane->lock);
    return tasks[0];
}
