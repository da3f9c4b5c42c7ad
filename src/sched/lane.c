/* SPDX-License-Identifier: MIT */
#include "lane.h"

#include "task.h"

void pn_lane_init(struct pn_lane *lane)
{
    pn_store_relaxed(&lane->count, 0);
    (void)pthread_mutex_init(&lane->lock, NULL); /* cannot fail with default attributes on Linux */
    lane->head = lane->tail = NULL;
}

void pn_lane_fini(struct pn_lane *lane) { (void)pthread_mutex_destroy(&lane->lock); }

void pn_lane_push(struct pn_lane *lane, struct pinion_task *task)
{
    pn_store_relaxed(&task->link, NULL); /* the lock orders links */
    (void)pthread_mutex_lock(&lane->lock);
    if (lane->tail)
        pn_store_relaxed(&lane->tail->link, task);
    else
        lane->head = task;
    lane->tail = task;
    /* Against the look for sleepers that follows (idle.h). */
    pn_fetch_add_seq_cst(&lane->count, 1);
    (void)pthread_mutex_unlock(&lane->lock);
}

struct pinion_task *pn_lane_pop(struct pn_lane *lane)
{
    if (pn_lane_count(lane) == 0)
        return NULL;
    (void)pthread_mutex_lock(&lane->lock);
    struct pinion_task *task = lane->head;
    if (task) {
        lane->head = pn_load_relaxed(&task->link);
        if (!lane->head)
            lane->tail = NULL;
        pn_store_relaxed(&task->link, NULL);
        pn_fetch_sub_relaxed(&lane->count, 1); /* a count too high is only a look in vain */
    }
    (void)pthread_mutex_unlock(&lane->lock);
    return task;
}
