/* SPDX-License-Identifier: MIT
 *
 * The loop: a crew whose workers run each task on a fiber of its own.
 *
 *   loop.c      makes and ends a loop; what others may know of it
 *   run.c       a thread of the program's works in it
 *   submit.c    the interface's calls: where a new task goes
 *   turn.c      what a worker does: a turn after the other
 *   engine.c    a thread's fibers: who runs next, and who waits
 *   calls.c     how a fiber makes system calls
 *   loads.c     what it has under way for batches
 *   timers.c    deadlines
 *   backend.c … what a worker waits in, for what the kernel tells
 *   fiber.c, stack.c, switch.*: what a fiber is
 */
#ifndef PN_LOOP_H
#define PN_LOOP_H

#include <stdalign.h>

#include <pinion/loop.h>

#include "backend.h"
#include "crew.h"

struct pn_engine;
struct pn_fiber;
struct pn_stack_depot;

/* A slot. inbox: fibers of the slot's thread that others have woken, the last first; written by
 * all, taken by the thread. engine: the thread's, NULL: it has none; written by it. visitors: who
 * is at either, so that neither the engine nor the slot goes away meanwhile. */
struct pn_loop_worker {
    struct pn_worker worker;
    alignas(PN_LINE_PAIR) _Atomic(struct pn_fiber *) inbox;
    _Atomic(struct pn_engine *) engine;
    _Atomic(uint32_t) visitors;
};

static inline struct pn_loop_worker *pn_loop_worker_of(struct pn_worker *worker)
{
    return (struct pn_loop_worker *)(void *)worker; /* its first member */
}

struct pinion_loop {
    struct pn_crew crew;

    /* Constant. */
    struct pn_backend_options backend;
    size_t stack_bytes;
    struct pn_stack_depot **depots; /* one a node of the crew */

    /* What the last worker that began has got, for reports. */
    _Atomic(uint32_t) report_lock;
    struct pn_backend_report report;

    /* Who is in pinion_loop_run. is_run: that one is; is_staffed: and its fibers can be counted on
     * to be run. main: its task, while it can be canceled; stoppers: who is at that. is_stopped:
     * to be looked at by who runs. */
    _Atomic(bool) is_run, is_staffed, is_stopped;
    _Atomic(struct pinion_task *) main;
    _Atomic(uint32_t) stoppers;
};

static inline struct pinion_loop *pn_loop_of(const struct pn_crew *crew)
{
    return (struct pinion_loop *)(uintptr_t)crew; /* its first member */
}

/* submit.c */

extern const struct pn_io_vtable pn_loop_vtable;

/* run.c */

/* The loop ends, and nobody is in it: runs what no worker of ours is there to run. */
void pn_loop_run_left(struct pinion_loop *loop);

/* loop.c */

/* A worker's thread has begun with that backend: notes what is degraded. */
void pn_loop_note_backend(struct pinion_loop *loop, const struct pn_backend_report *report);

/* Whether a fiber can have a stack of that size: 0, or -EINVAL, -ENOMEM, with the detail. Any
 * thread. */
int pn_loop_try_stack(struct pinion_loop *loop, size_t bytes);

/* What its workers wait in, in words. Any thread. */
void pn_loop_describe_backend(struct pinion_loop *loop, char *words, size_t size);

/* turn.c: of the loop's kind, and for run.c. */

struct pn_worker *pn_loop_base_live(struct pn_worker *worker);
void pn_loop_wake_waiting(struct pn_worker *worker);
/* Does what is to be done in a slot, by its thread, which has made the engine, until is_over says
 * so; then it has no fiber and does not search. False: this is another process now. */
bool pn_loop_work(struct pn_worker *worker, struct pn_engine *engine,
                  bool (*is_over)(struct pn_worker *worker, struct pn_engine *engine));
/* The thread of a slot sleeps until there is something to do for its engine, a signal, or the
 * deadline. */
void pn_loop_sleep(struct pn_worker *worker, struct pn_engine *engine, int64_t deadline);

/* companion.c: of the loop's kind */

void pn_loop_run_reserved(struct pn_worker *worker, struct pinion_task *task);
void pn_loop_run_the_rest(struct pn_worker *worker);
void pn_loop_leave_reserved(struct pn_worker *worker);

#endif
