/* SPDX-License-Identifier: MIT
 *
 * Loops. The caller takes parts off the range one after the other, and asks for helpers, tasks of a
 * group of its own that do the same, as long as there is something left and a worker may be had. So
 * nothing is split that nobody takes, and what the caller can't get help for it does itself. A
 * helper that starts late finds nothing, and ends.
 */
#include <errno.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

#include <pinion/group.h>

#include "cancel.h"
#include "check.h"
#include "context.h"
#include "futex.h"
#include "interface.h"
#include "member.h"
#include "modes.h"
#include "trace.h"

/* A part that its taker chooses is to last about so long: many times what taking one costs, and
 * what a wake costs on a virtual machine, so that the last to end keeps the others waiting for no
 * longer than it takes to get help. */
#define PART_NS 50000

/* next: the first iteration that nobody took; only counts up, to end. started <= offered <= width.
 * offered: helpers that were queued; started: those that began. The rest is constant. */
struct loop {
    struct pinion_io *io;
    struct pinion_group *group;
    void (*body)(void *context, size_t begin, size_t end);
    void *context;
    size_t end, grain;
    unsigned width;      /* helpers that there can be */
    void *local;         /* the caller's, with which each part begins */
    bool is_protected;   /* likewise */
    bool was_requested;  /* likewise: delivered to the caller before */
    alignas(PN_LINE_PAIR) _Atomic size_t next;
    _Atomic unsigned offered, started;
};

static void help(const void *context, void *result);

/* Whether one more helper should be queued, with so many iterations left: as many may be waiting to
 * begin as take part, each of which could have woken one, and none that would find nothing. */
static bool wants_help(struct loop *loop, unsigned offered, size_t left)
{
    /* Relaxed, here and below: how many help decides no more than how fast it goes. */
    const unsigned started = pn_load_relaxed(&loop->started);
    const size_t parts = loop->grain ? left / loop->grain + (left % loop->grain != 0) : left;
    const size_t waiting = offered > started ? offered - started : 0;
    return offered < loop->width && waiting <= started && waiting < parts;
}

/* Queues helpers if they are wanted and there can be some. */
static void ask_for_help(struct loop *loop, size_t left)
{
    const struct pinion_call call = {
        .start = help, .context = &loop, .context_size = sizeof loop};
    const struct pn_spawn spawn = {.call = &call, .io = loop->io, .kind = PN_ASYNC,
                                   .group = loop->group, .is_optional = true};
    struct pinion_task *unused;
    unsigned offered = pn_load_relaxed(&loop->offered);
    while (wants_help(loop, offered, left)) {
        if (!pn_cas_relaxed(&loop->offered, &offered, offered + 1))
            continue;
        if (!loop->io->vtable->queue(loop->io, &spawn, &unused)) {
            pn_fetch_sub_relaxed(&loop->offered, 1u);
            return;
        }
        offered++;
    }
}

/* The part's size, at most `wanted`, and such that with what is left all who may take part have
 * more than one turn. */
static size_t part_size(const struct loop *loop, size_t remaining, size_t wanted)
{
    if (loop->grain)
        return loop->grain < remaining ? loop->grain : remaining;
    if (loop->width == 0)
        return remaining;
    const size_t share = remaining / (2 * ((size_t)loop->width + 1));
    if (wanted > share)
        wanted = share;
    return wanted ? wanted : 1;
}

/* Takes the next part; false: none is left. */
static bool take(struct loop *loop, size_t wanted, size_t *begin, size_t *end)
{
    size_t next = pn_load_relaxed(&loop->next);
    do {
        if (next == loop->end)
            return false;
        *begin = next;
        *end = next + part_size(loop, loop->end - next, wanted);
        /* Relaxed: what the caller did before came with the helper's task. */
    } while (!pn_cas_relaxed(&loop->next, &next, *end));
    return true;
}

/* How large the next part should be, after one that took ns. */
static size_t adapted(size_t size, int64_t ns)
{
    if (ns < PART_NS / 2 && size <= SIZE_MAX / 2)
        return size * 2;
    return ns > 2 * PART_NS && size > 1 ? size / 2 : size;
}

static void run_part(const struct loop *loop, struct pinion_task *task, size_t begin, size_t end)
{
    pn_thread()->local = loop->local;
    task->is_protected = loop->is_protected;
    pn_cancel_renew(task, loop->was_requested);
    loop->body(loop->context, begin, end);
}

/* Takes part in the loop until nothing is left to take, as the task that runs here. */
static void take_part(struct loop *loop)
{
    struct pinion_task *task = pn_context()->task;
    size_t wanted = 1, begin, end;
    while (take(loop, wanted, &begin, &end)) {
        ask_for_help(loop, loop->end - end);
        const int64_t start = loop->grain ? 0 : pn_now();
        run_part(loop, task, begin, end);
        if (!loop->grain)
            wanted = adapted(end - begin, pn_now() - start);
    }
}

static void help(const void *context, void *result)
{
    struct loop *loop = *(struct loop *const *)context;
    (void)result;
    PN_TASK_IS(help, "parallel_for");
    pn_fetch_add_relaxed(&loop->started, 1u);
    take_part(loop);
}

/* The caller as a canceler sees it: every part is asked. */
struct looping {
    struct pn_waiter waiter;
    struct pinion_group *group;
};

static void forward_to_parts(struct pn_waiter *waiter)
{
    pn_group_request_cancel(PN_CONTAINER_OF(waiter, struct looping, waiter)->group);
}

/* Runs the loop with the caller among its members. */
static void run(struct loop *loop)
{
    struct pn_member_here here;
    struct looping looping = {.group = loop->group};
    pn_waiter_init(&looping.waiter);
    looping.waiter.interrupt = forward_to_parts;
    pn_member_begin(&here, loop->group);
    const bool is_entered = here.maker && pn_cancel_enter(here.maker, &looping.waiter);
    if (here.maker && !is_entered)
        pn_group_request_cancel(loop->group);
    take_part(loop);
    pn_member_end(&here);
    pn_group_wait(loop->io, loop->group, &looping.waiter);
    if (is_entered) /* a request that came is still pending for the caller */
        (void)pn_cancel_leave(here.maker, &looping.waiter);
}

void pinion_parallel_for(struct pinion_io *io, size_t begin, size_t end, size_t grain,
                         void (*body)(void *context, size_t begin, size_t end), void *context)
{
    struct pinion_group group = PINION_GROUP_INIT;
    const struct pinion_task *caller = pn_context()->task;
    if (end <= begin)
        return;
    struct loop loop = {.io = io, .group = &group, .body = body, .context = context, .end = end,
                        .grain = grain};
    loop.width = pn_io_is_refused(io) ? 0 : io->width;
    loop.local = pn_thread()->local;
    loop.is_protected = caller && caller->is_protected;
    loop.was_requested = pinion_cancel_requested(io);
    pn_store_relaxed(&loop.next, begin); /* published by the queue that has the helper */
    const int saved = errno;
    const struct pn_note note = pn_note_take();
    run(&loop);
    errno = saved;
    pn_note_recall(&note);
}
