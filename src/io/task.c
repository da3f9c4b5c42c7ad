/* SPDX-License-Identifier: MIT */
#include "task.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arena.h"
#include "check.h"
#include "context.h"
#include "member.h"
#include "modes.h"
#include "slab.h"
#include "task_quick.h"
#include "trace.h"

_Atomic(bool) pn_task_timing;

/* Where things lie behind a task's header. */
struct layout {
    size_t context_offset, result_offset, bytes, align;
};

static size_t align_or_default(size_t align) { return align ? align : alignof(max_align_t); }

/* Sizes beyond this cannot be had anyway, and sums of them don't wrap. */
#define SIZE_LIMIT (SIZE_MAX / 4)

bool pn_call_is_valid(const struct pinion_call *call)
{
    return call->start && pn_call_is_aligned(call) && call->context_size <= SIZE_LIMIT &&
           call->result_size <= SIZE_LIMIT && (call->context || call->context_size == 0);
}

static size_t round_up(size_t size, size_t align) { return (size + align - 1) & ~(align - 1); }

/* The context at the first fitting offset from start, the result behind it. */
static struct layout lay_out(const struct pinion_call *call, size_t start)
{
    const size_t context_align = align_or_default(call->context_align);
    const size_t result_align = align_or_default(call->result_align);
    struct layout layout;
    layout.context_offset = round_up(start, context_align);
    layout.result_offset = round_up(layout.context_offset + call->context_size, result_align);
    layout.bytes = layout.result_offset + call->result_size;
    layout.align = context_align > result_align ? context_align : result_align;
    return layout;
}


static bool place_large(struct pinion_task *task, const struct pn_spawn *spawn,
                        struct pinion_arena *arena)
{
    const struct pinion_call *call = spawn->call;
    struct layout layout = lay_out(call, 0);
    task->context_offset = 0;
    task->result_offset = task->result_small = 0;
    struct pn_task_large *large = pn_task_large(task);
    if (layout.bytes == 0) /* something else brought it here; the arena refuses 0 bytes */
        layout.bytes = 1;
    large->payload = pinion_arena_alloc(arena, layout.bytes, layout.align);
    if (!large->payload)
        return false;
    large->arena = arena;
    large->payload_bytes = layout.bytes;
    large->result = call->result_size ? (char *)large->payload + layout.result_offset : NULL;
    large->result_bytes = call->result_size;
    large->stack_bytes = spawn->stack_bytes;
    if (call->context_size)
        memcpy(large->payload, call->context, call->context_size);
    return true;
}

struct pinion_task *pn_task_create(const struct pn_spawn *spawn, uintptr_t state,
                                   struct pn_slab *slab, struct pinion_arena *arena)
{
    const struct pinion_call *call = spawn->call;
    const bool is_timed = spawn->io && pn_load_relaxed(&pn_task_timing); /* sooner or later */
    const size_t head = sizeof(struct pinion_task) +
                        (spawn->group ? sizeof(struct pn_member) : 0) +
                        (is_timed ? sizeof(struct pn_timing) : 0);
    const struct layout layout = lay_out(call, head);
    const bool is_small = layout.bytes <= PN_SLAB_SIZE_MAX && layout.align <= PN_SLAB_STEP &&
                          !spawn->stack_bytes;
    struct pinion_task *task =
        pn_slab_alloc(slab, is_small ? pn_slab_size_aligned(layout.bytes, layout.align)
                                     : head + sizeof(struct pn_task_large));
    if (!task)
        return NULL;
    pn_task_begin(task, spawn, state);
    if (is_timed)
        pn_task_begin_timing(task, spawn->io);
    if (is_small) {
        pn_task_place_small(task, call, layout.context_offset, layout.result_offset);
    } else if (!place_large(task, spawn, arena)) {
        pn_slab_free(slab, task);
        return NULL;
    }
    if (spawn->group)
        pn_member_init(task, spawn->group);
    return task;
}

static void free_payload(struct pinion_task *task)
{
    struct pn_task_large *large = pn_task_large(task);
    pinion_arena_free(large->arena, large->payload, large->payload_bytes);
    large->payload = NULL;
}

void pn_task_destroy(struct pinion_task *task, struct pn_slab *mine)
{
    if (pn_task_is_large(task) && pn_task_large(task)->payload)
        free_payload(task);
    pn_slab_free(mine, task);
}

void pn_task_publish(struct pinion_task *task)
{
    if (task->is_member)
        pn_member_enter(task);
}

bool pn_task_withdraw(struct pinion_task *task, struct pn_slab *mine)
{
    const bool was_handed = pn_load_relaxed(&task->state) == PN_TASK_RUNNING;
    if (!was_handed && !pn_task_take(task, mine))
        return false;
    if (task->is_member)
        pn_member_leave(task);
    pn_task_destroy(task, mine);
    return true;
}

/* Results that nobody wants go to the stack, up to this size as a matter of course, up to the
 * larger where the heap refuses. */
#define DISCARD_BYTES      512
#define DISCARD_BYTES_LAST ((size_t)16 * 1024)

/* Apart, so that its stack is used only when it is called. */
static __attribute__((noinline)) void run_on_the_stack(const struct pinion_call *call)
{
    alignas(PINION_ALIGN_MAX) char room[DISCARD_BYTES_LAST];
    call->start(call->context, room);
}

static void run_discarding_large(const struct pinion_call *call, size_t align)
{
    const int saved = errno;
    for (;;) {
        void *memory = aligned_alloc(align, round_up(call->result_size, align));
        errno = saved;
        if (memory) {
            call->start(call->context, memory);
            free(memory);
            return;
        }
        if (call->result_size <= DISCARD_BYTES_LAST) {
            run_on_the_stack(call);
            return;
        }
        /* The spawn may not fail and the function may not run without its room. */
        const struct timespec nap = {.tv_nsec = 1000000};
        (void)nanosleep(&nap, NULL);
    }
}

static void run_discarding(const struct pinion_call *call)
{
    alignas(PN_LINE) char room[DISCARD_BYTES];
    const size_t align = align_or_default(call->result_align);
    if (call->result_size <= sizeof room && align <= PN_LINE)
        call->start(call->context, room);
    else
        run_discarding_large(call, align);
}

/* Whether what the function is handed has the alignment that the call names: "uncopied" only
 * then. */
static PINION_UNUSED bool is_aligned(const void *pointer, size_t align)
{
    return ((uintptr_t)pointer & (align_or_default(align) - 1)) == 0;
}

void pn_call_run(const struct pinion_call *call, void *result)
{
    /* The function may set the task's pointer; it is one a task, so the caller's comes back. */
    void *const saved = pn_thread()->local;
    const int saved_errno = errno;
    const struct pn_note note = pn_note_take();
    PN_ASSERT(is_aligned(call->context, call->context_align));
    PN_ASSERT(!result || is_aligned(result, call->result_align));
    if (call->result_size == 0)
        call->start(call->context, NULL);
    else if (result)
        call->start(call->context, result);
    else
        run_discarding(call);
    pn_thread()->local = saved;
    errno = saved_errno;
    pn_note_recall(&note);
}

void pn_task_run(struct pinion_task *task)
{
    pn_task_call(task, task->local, pn_task_result(task));
}

struct pn_run {
    struct pinion_task *task;
    struct pn_run *outer;
};

void pn_task_run_at(struct pinion_task *task, void *runner, int64_t first)
{
    struct pn_run here = {.task = task, .outer = pn_context()->runs};
    void *const local = task->local;
    pn_context()->runs = &here;
    task->first = first;
    pn_store_release(&task->link, runner); /* first: pairs with pn_task_runner */
    pn_task_call(task, local, pn_task_result(task));
    pn_context()->runs = here.outer;
}

void pn_task_forget_runner(void)
{
    for (struct pn_run *run = pn_context()->runs; run; run = run->outer)
        pn_store_relaxed(&run->task->link, NULL); /* who sees a later push to the queue sees this */
}

void pn_task_finish(struct pinion_task *task)
{
    /* Acquire: the waiter's fields, pairs with the release in pn_task_add_waiter. Release: the
     * result, pairs with pn_task_is_done and pn_task_add_waiter. Nothing of the task is touched
     * after. */
    const uintptr_t seen = pn_exchange_acq_rel(&task->state, PN_TASK_DONE);
    PN_ASSERT((seen & PN_TASK_PHASE) == PN_TASK_RUNNING);
    PN_ASSERT(!(seen & PN_TASK_IN_QUEUE));
    struct pn_waiter *waiter = (struct pn_waiter *)(seen & ~PN_TASK_FLAGS);
    if (waiter)
        pn_waiter_signal(waiter, PN_WAITER_FIRED);
}

void pn_task_end(struct pinion_task *task, struct pn_slab *mine)
{
    const bool is_member = task->is_member;
    if (!is_member && task->kind != PN_DETACHED) {
        pn_task_finish(task);
        return;
    }
    if (is_member)
        pn_member_leave(task);
    pn_task_destroy(task, mine);
}

/* Runs from the start; a waiter may come or go meanwhile: pairs with pn_task_add_waiter. */
static void take_concurrent(struct pinion_task *task)
{
    pn_fetch_and_acq_rel(&task->state, ~PN_TASK_IN_QUEUE);
}

bool pn_task_take(struct pinion_task *task, struct pn_slab *mine)
{
    uintptr_t seen = PN_TASK_QUEUED | PN_TASK_IN_QUEUE;
    if (task->kind == PN_CONCURRENT) {
        take_concurrent(task);
        return true;
    }
    /* Pairs with pn_task_claim: one of the two wins. */
    if (pn_cas_acq_rel(&task->state, &seen, PN_TASK_RUNNING))
        return true;
    /* A tombstone. Acquire: all that the future's side did to the block, before it is freed here;
     * pairs with the release in pn_task_drop. */
    seen = pn_fetch_and_acq_rel(&task->state, ~PN_TASK_IN_QUEUE);
    if (seen & PN_TASK_DROPPED)
        pn_task_destroy(task, mine);
    return false;
}

void pn_task_run_claimed(struct pinion_task *task)
{
    const struct pn_note note = pn_note_take();
    const int saved = errno;
    pn_task_run(task);
    errno = saved;
    pn_note_recall(&note);
    /* RUNNING + 1 = DONE, whether or not the queue let go meanwhile. No waiter can be there: the
     * one thread that uses the future is this one. */
    const uintptr_t seen = pn_fetch_add_acq_rel(&task->state, PN_TASK_DONE - PN_TASK_RUNNING);
    PN_ASSERT((seen & ~PN_TASK_IN_QUEUE) == PN_TASK_RUNNING);
    (void)seen;
}

bool pn_task_add_waiter(struct pinion_task *task, struct pn_waiter *waiter)
{
    uintptr_t seen = PN_TASK_RUNNING;
    /* Release: the waiter's fields, pairs with pn_task_finish. IN_QUEUE is cleared by who takes a
     * concurrent task, at any time. */
    while (!pn_cas_acq_rel(&task->state, &seen, seen | (uintptr_t)waiter))
        if ((seen & ~PN_TASK_IN_QUEUE) != PN_TASK_RUNNING)
            break;
    if ((seen & ~PN_TASK_IN_QUEUE) == PN_TASK_RUNNING)
        return true;
    PN_ASSERT((seen & PN_TASK_PHASE) == PN_TASK_DONE ||
              (seen & ~PN_TASK_IN_QUEUE) == (PN_TASK_RUNNING | (uintptr_t)waiter));
    return false;
}

bool pn_task_remove_waiter(struct pinion_task *task, struct pn_waiter *waiter)
{
    const uintptr_t expected = PN_TASK_RUNNING | (uintptr_t)waiter;
    uintptr_t seen = expected;
    /* Acquire on failure: the task is done, pairs with pn_task_finish. IN_QUEUE as above. */
    while (!pn_cas_acq_rel(&task->state, &seen, seen & PN_TASK_FLAGS))
        if ((seen & ~PN_TASK_IN_QUEUE) != expected)
            return false;
    return true;
}

void pn_task_copy_result(const struct pinion_task *task, void *result)
{
    const void *from = pn_task_result((struct pinion_task *)task);
    if (!result || !from)
        return;
    memcpy(result, from,
           pn_task_is_large(task) ? pn_task_large((struct pinion_task *)task)->result_bytes
                          : task->result_small);
}

void pn_task_drop(struct pinion_task *task, struct pn_slab *mine)
{
    /* A task that ran elsewhere has left its queue long ago: no locked instruction for it. */
    if (pn_load_acquire(&task->state) & PN_TASK_IN_QUEUE) {
        if (pn_task_is_large(task)) /* the tombstone may stand for long; what is big goes at once */
            free_payload(task);
        /* Release: pairs with the acquire in pn_task_take, which frees if this is the earlier. */
        const uintptr_t seen = pn_fetch_or_acq_rel(&task->state, PN_TASK_DROPPED);
        if (seen & PN_TASK_IN_QUEUE)
            return;
    }
    pn_task_destroy(task, mine);
}
