/* SPDX-License-Identifier: MIT
 *
 * What starting a task and taking it back cost most often: a small closure with usual alignments,
 * without a group, by the thread that owns the slab. Inline, since that is all that such a task
 * costs. Everything else is task.c's.
 */
#ifndef PN_TASK_QUICK_H
#define PN_TASK_QUICK_H

#include <errno.h>
#include <string.h>

#include "check.h"
#include "context.h"
#include "modes.h"
#include "slab.h"
#include "task.h"
#include "trace.h"

/* Contexts are mostly a few words. */
static inline void pn_task_copy_context(void *to, const struct pinion_call *call)
{
    switch (call->context_size) {
    case 8:
        memcpy(to, call->context, 8);
        break;
    case 16:
        memcpy(to, call->context, 16);
        break;
    case 24:
        memcpy(to, call->context, 24);
        break;
    case 32:
        memcpy(to, call->context, 32);
        break;
    default:
        if (call->context_size)
            memcpy(to, call->context, call->context_size);
    }
}

/* What is the same for all tasks. */
static inline void pn_task_begin(struct pinion_task *task, const struct pn_spawn *spawn,
                                 uintptr_t state)
{
    pn_store_relaxed(&task->state, state); /* published by the queue, or by the hand-over */
    pn_store_relaxed(&task->cancel, 0);
    task->start = spawn->call->start;
    pn_store_relaxed(&task->link, NULL);
    task->local = pn_thread()->local;
    task->kind = (uint8_t)spawn->kind;
    task->is_member = spawn->group != NULL;
    task->is_timed = false;
    task->is_protected = false;
}

static inline void pn_task_place_small(struct pinion_task *task, const struct pinion_call *call,
                                       size_t context_offset, size_t result_offset)
{
    task->context_offset = (uint8_t)context_offset; /* at most 128 */
    task->result_offset = call->result_size ? (uint16_t)result_offset : 0;
    task->result_small = (uint16_t)call->result_size;
    pn_task_copy_context((char *)task + context_offset, call);
}

/* As pn_task_create. Every block and the end of a task's header have max_align_t's alignment, so
 * that the context's place is known. */
static inline struct pinion_task *pn_task_create_quickly(const struct pn_spawn *spawn,
                                                         uintptr_t state, struct pn_slab *slab,
                                                         struct pinion_arena *arena)
{
    const struct pinion_call *call = spawn->call;
    const size_t usual = alignof(max_align_t);
    const size_t align = call->result_align ? call->result_align : usual;
    const size_t start = sizeof(struct pinion_task) + call->context_size;
    const size_t result_offset = (start + align - 1) & ~(align - 1);
    if (PN_UNLIKELY(pn_load_relaxed(&pn_task_timing)) || /* relaxed: sooner or later */
        PN_UNLIKELY(spawn->group || spawn->stack_bytes || call->context_align > usual ||
                    align > usual ||
                    (call->context_size | call->result_size) > PN_SLAB_ODD ||
                    result_offset + call->result_size > PN_SLAB_ODD))
        return pn_task_create(spawn, state, slab, arena);
    const bool is_tiny = result_offset + call->result_size <= PN_SLAB_STEP; /* one line */
    struct pinion_task *task = pn_slab_alloc(slab, is_tiny ? PN_SLAB_STEP : PN_SLAB_ODD);
    if (PN_UNLIKELY(!task))
        return NULL;
    pn_task_begin(task, spawn, state);
    pn_task_place_small(task, call, sizeof(struct pinion_task), result_offset);
    return task;
}
_Static_assert(sizeof(struct pinion_task) % alignof(max_align_t) == 0, "see above");

static inline uint32_t pn_task_traced_kind(const struct pinion_task *task)
{
    const bool is_awaited = !task->is_member && task->kind != PN_DETACHED;
    return task->kind | (is_awaited ? 0 : PN_TRACE_UNAWAITED);
}

/* Calls its function as the current task, which begins with that pointer (pinion_task_local). */
static inline void pn_task_call(struct pinion_task *task, void *local, void *result)
{
    struct pn_context *context = pn_context();
    struct pinion_thread *thread = pn_thread();
    struct pinion_task *const outer = context->task;
    void *const outer_local = thread->local;
    context->task = task;
    thread->local = local;
    PN_EVENT(run_begin, task, task->start, pn_task_traced_kind(task));
    if (PN_UNLIKELY(task->is_timed))
        pn_task_start_timed(task, result);
    else
        task->start(pn_task_context(task), result);
    PN_EVENT(run_end, task, 0, 0);
    thread->local = outer_local;
    context->task = outer;
}

/* Runs a task that its await has taken out of the caller's own queue, so that nobody else knows it,
 * and that is DONE after it: its result goes to `result`, unless that is NULL, and errno and the
 * floating-point modes are put back. */
static inline void pn_task_run_own(struct pinion_task *task, void *result)
{
    const struct pn_note note = pn_note_take();
    const int saved = errno;
    pn_task_call(task, task->local, result ? result : pn_task_result(task));
    errno = saved;
    pn_note_recall(&note);
    pn_store_relaxed(&task->state, PN_TASK_DONE); /* nobody else looks */
}

/* As pn_task_drop. */
static inline void pn_task_drop_quickly(struct pinion_task *task, struct pn_slab *mine)
{
    /* Acquire: as there. */
    if (PN_LIKELY(!(pn_load_acquire(&task->state) & PN_TASK_IN_QUEUE) && !pn_task_is_large(task)))
        pn_slab_free(mine, task);
    else
        pn_task_drop(task, mine);
}

#endif
