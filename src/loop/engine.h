/* SPDX-License-Identifier: MIT
 *
 * The fibers of one thread: who is ready, who runs next, and how those that wait are woken. A fiber
 * stays with the engine that it began on, so only the thread looks at all this; others that wake a
 * fiber put it into the slot's inbox.
 *
 * A fiber that waits switches to the next that is ready, or else home: to the thread's own stack,
 * on which the worker looks for more (turn.c), or to what does so for a parallel task
 * (companion.c). What must not happen while a fiber's stack is in use, as giving it back, is done
 * by whoever runs next.
 */
#ifndef PN_ENGINE_H
#define PN_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "fiber.h"
#include "loads.h"
#include "overflow.h"
#include "sleeper.h"
#include "timers.h"
#include "waits.h"

struct pinion_task;
struct pn_backend;
struct pn_loop_worker;
struct pn_stack_cache;
struct pn_waiter;

/* What can't be had, a stack or all that an engine needs, is asked for again after so long. */
#define PN_NO_STACK_NS INT64_C(1000000)

/* So many switches from fiber to fiber, before the thread looks at all else. */
#define PN_TURN_SWITCHES 128u

struct pn_engine {
    struct pn_loop_worker *slot;
    struct pn_backend *backend;
    struct pn_stack_cache *stacks;
    size_t stack_bytes;

    struct pn_fiber thread;        /* the thread's own stack */
    struct pn_fiber *home;         /* &thread; beside a parallel task a fiber (companion.c) */
    struct pn_fiber *running;      /* home: no fiber */
    struct pn_fiber *first, **last; /* ready: in the order in which they became so */
    struct pn_fiber *ended;        /* its stack is to be given back by who runs next */
    struct pn_fiber *spare;        /* the next to begin; NULL: none is there yet */
    struct pinion_task *task;      /* that it is to run */
    unsigned switches;             /* left, of this turn */
    uint64_t fibers;               /* that have begun and not ended */
    bool is_over;                  /* home, if it is a fiber, is to end */
    bool is_lost;                  /* a fiber came back in a child of its process */
    struct pn_overflow_thread overflow;
    struct pn_timers timers;
    struct pn_loads loads;
    struct pn_waits waits;
};

/* A fiber as the interface knows it; on its own stack. */
struct pn_loop_fiber {
    struct pn_sleeper sleeper;
    struct pn_engine *engine;
    struct pn_fiber *fiber;
    struct pn_wait wait;
    struct pn_timer timer;
    struct pn_waiter *waiter; /* in which it sleeps with a deadline */
    bool is_late;             /* that has passed */
};

/* The calling thread's engine; NULL: it has none. */
extern _Thread_local __attribute__((tls_model("initial-exec"), visibility("hidden")))
struct pn_engine *pn_engine_here;

/* By the thread of a slot: 0, or -ENOMEM, -EMFILE and the like. */
int pn_engine_create(struct pn_loop_worker *slot, struct pn_engine **engine);
/* By the same thread. It has no fibers. What it carries for batches is given back. */
void pn_engine_destroy(struct pn_engine *engine);
/* The same in a child of its process: the thread has nothing to do with it any more. The memory
 * stays, and what is the parent's too. */
void pn_engine_abandon(struct pn_engine *engine);

/* Whether a task can begin: false: no stack can be had now. */
bool pn_engine_can_begin(struct pn_engine *engine);
/* From home, where one can: runs the task on a new fiber, and what becomes ready meanwhile, for a
 * turn. */
void pn_engine_begin(struct pn_engine *engine, struct pinion_task *task);
/* From home: runs those that are ready, for a turn. */
void pn_engine_turn(struct pn_engine *engine);
/* Whether any has begun and not ended. */
bool pn_engine_has_fibers(const struct pn_engine *engine);
static inline bool pn_engine_is_ready(const struct pn_engine *engine)
{
    return engine->first != NULL;
}

/* From home: takes what others have woken, what the kernel tells, and what is due. */
void pn_engine_collect(struct pn_engine *engine);

/* Whether its thread is a parallel task's, which holds up nobody where it blocks. */
static inline bool pn_engine_is_alone(const struct pn_engine *engine)
{
    return engine->home != &engine->thread;
}

/* From the fiber that runs to another. */
void pn_engine_switch_to(struct pn_engine *engine, struct pn_fiber *to);
/* From a fiber: the others run. Returns once someone has made it ready. */
void pn_engine_wait(struct pn_engine *engine);
/* Makes a fiber that waits ready. By the engine's thread. */
void pn_engine_ready(struct pn_engine *engine, struct pn_fiber *fiber);

/* Any thread that knows that the slot is there: its thread, if it sleeps, looks at what others have
 * left for it: pairs with the look at that in rest (turn.c). */
void pn_engine_rouse(struct pn_loop_worker *slot);

/* The ways of its fibers (sleeper.h); calls.c has perform and run_apart. */
extern const struct pn_ways pn_loop_ways;
static inline struct pn_loop_fiber *pn_loop_fiber_of(struct pn_sleeper *sleeper)
{
    return (struct pn_loop_fiber *)(void *)sleeper; /* its first member */
}
long pn_loop_perform(struct pn_sleeper *sleeper, const struct pn_operation *operation,
                     const struct pn_how *how);
bool pn_loop_run_apart(struct pn_sleeper *sleeper, const struct pinion_call *call, void *result);

#endif
