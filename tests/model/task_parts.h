/* SPDX-License-Identifier: MIT
 *
 * Tasks, with the shipped files that they are made of, for the models of them; and stand-ins for
 * what they need of others.
 */
#ifndef MODEL_TASK_PARTS_H
#define MODEL_TASK_PARTS_H

#include "model.h"

#include "futex.h"

#include "spin.c"
#include "waiter.c"
#include "task.c"

/* Stands for the whole block of each task: who frees one writes both, so it races with any use that
 * is not ordered before. entry: used by who takes it out of a queue, whether or not it runs it. */
struct model_block {
    struct pinion_task *task;
    rl::var<int> content, entry;
};
static struct model_block *model_blocks; /* the model's; the last one is of no task */

static struct model_block *model_block_of(const void *task)
{
    struct model_block *block = model_blocks;
    while (block->task && block->task != task)
        block++;
    return block;
}

/* Memory, of which Relacy sees leaks and double frees. */
void *pn_slab_alloc(struct pn_slab *, size_t bytes) { return malloc(bytes); }
void pn_slab_free(struct pn_slab *, void *block)
{
    struct model_block *known = model_block_of(block);
    known->content($) = 0;
    known->entry($) = 0;
    free(block);
}

thread_local struct pn_context pn_context_of_thread;
__thread struct pinion_thread pinion_thread_1;
void *pinion_arena_alloc(struct pinion_arena *, size_t, size_t) { return NULL; }
void pinion_arena_free(struct pinion_arena *, void *, size_t) {}
void pn_member_init(struct pinion_task *, struct pinion_group *) {}
void pn_member_enter(struct pinion_task *) {}
void pn_member_leave(struct pinion_task *) {}
void pn_task_begin_timing(struct pinion_task *, struct pinion_io *) {}
void pn_task_start_timed(struct pinion_task *, void *) {}

/* An async task, whose function gets the pointer, and its block. */
static struct pinion_task *model_task(pinion_start_fn *start, void *pointer, uintptr_t state,
                                      struct model_block *block)
{
    struct pinion_call call = {};
    call.start = start;
    call.context = &pointer;
    call.context_size = sizeof pointer;
    const struct pn_spawn spawn = {.call = &call, .kind = PN_ASYNC};
    struct pinion_task *task = pn_task_create(&spawn, state, NULL, NULL);
    MUST(task != NULL);
    block->task = task;
    block->entry($) = 0;
    return task;
}

/* What came out of a queue is run, unless it was claimed. */
static void model_take(struct pinion_task *task)
{
    (void)(int)model_block_of(task)->entry($);
    if (!pn_task_take(task, NULL))
        return;
    pn_task_run(task);
    pn_task_end(task, NULL);
}

static void model_wait(struct pinion_task *task)
{
    struct pn_waiter waiter;
    pn_waiter_init(&waiter);
    if (pn_task_add_waiter(task, &waiter))
        MUST(pn_waiter_wait(&waiter, 1, false, INT64_MAX, 0));
}

#endif
