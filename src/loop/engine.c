/* SPDX-License-Identifier: MIT */
#include "engine.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include <pinion/clock.h>

#include "check.h"
#include "futex.h"
#include "loop.h"
#include "process.h"
#include "slab.h"
#include "stack.h"
#include "task.h"
#include "trace.h"
#include "waiter.h"

_Thread_local struct pn_engine *pn_engine_here;

static struct pn_worker *worker_of(const struct pn_engine *engine) { return &engine->slot->worker; }

/* ---- who runs ---- */

void pn_engine_ready(struct pn_engine *engine, struct pn_fiber *fiber)
{
    fiber->next = NULL;
    *engine->last = fiber;
    engine->last = &fiber->next;
}

static struct pn_fiber *take_ready(struct pn_engine *engine)
{
    struct pn_fiber *fiber = engine->first;
    engine->first = fiber->next;
    if (!engine->first)
        engine->last = &engine->first;
    return fiber;
}

/* By who has just come to run. */
static void bury_ended(struct pn_engine *engine)
{
    struct pn_fiber *ended = engine->ended;
    if (PN_LIKELY(!ended))
        return;
    engine->ended = NULL;
    const struct pn_stack stack = ended->stack; /* in which it lies */
    pn_stack_put(engine->stacks, &stack);
}

void pn_engine_switch_to(struct pn_engine *engine, struct pn_fiber *to)
{
    struct pn_fiber *from = engine->running;
    engine->running = to;
    PN_EVENT(fiber_switch, to, from, 0);
    pn_fiber_switch(from, to);
    bury_ended(engine);
}

/* Who is next after a fiber that can't go on, or has had its turn. */
static struct pn_fiber *next_of(struct pn_engine *engine)
{
    if (!engine->first || engine->switches == 0)
        return engine->home;
    engine->switches--;
    return take_ready(engine);
}

void pn_engine_wait(struct pn_engine *engine) { pn_engine_switch_to(engine, next_of(engine)); }

void pn_engine_turn(struct pn_engine *engine)
{
    engine->switches = PN_TURN_SWITCHES;
    if (engine->first)
        pn_engine_switch_to(engine, take_ready(engine));
}

/* ---- a fiber's life ---- */

static void show_fibers(struct pn_engine *engine, uint64_t count)
{
    pn_store_relaxed(&engine->slot->worker.record->loop.fibers, count);
}

static void run_task(struct pn_engine *engine, struct pinion_task *task)
{
    struct pn_worker *worker = worker_of(engine);
    pn_task_run(task);
    if (PN_UNLIKELY(pn_crew_is_lost(worker->crew))) {
        engine->is_lost = true;
        return;
    }
    pn_task_end(task, worker->slab);
    if (PN_UNLIKELY(worker->is_loose))
        pn_worker_take_seat(worker);
    show_fibers(engine, --engine->fibers);
}

static void live(void *argument)
{
    struct pn_engine *engine = argument;
    struct pn_loop_fiber self = {.sleeper = {.ways = &pn_loop_ways,
                                             .carrier = pn_loads_carrier(&engine->loads)},
                                 .engine = engine,
                                 .fiber = engine->running};
    bury_ended(engine);
    self.wait.fiber = pn_load_relaxed(&engine->slot->worker.record->loop.started);
    self.wait.function = (uintptr_t)engine->task->start;
    pn_context()->sleeper = &self.sleeper;
    run_task(engine, engine->task);
    pn_wait_fini(&engine->waits, &self.wait);
    struct pn_fiber *next = engine->is_lost ? engine->home : next_of(engine);
    engine->ended = self.fiber;
    engine->running = next;
    PN_EVENT(fiber_switch, next, self.fiber, 0);
    pn_fiber_exit_to(self.fiber, next);
}

/* A task that asks for a larger stack than others: a fiber on one of the usual size gets that, and
 * goes on there. It could be had when the task was started; should it not be any more, it is waited
 * for. */
static void move_to_larger(void *argument)
{
    struct pn_engine *engine = argument;
    struct pinion_task *task = engine->task;
    struct pn_loop_fiber self = {.sleeper = {.ways = &pn_loop_ways},
                                 .engine = engine,
                                 .fiber = engine->running};
    struct pn_stack stack;
    bury_ended(engine);
    pn_context()->sleeper = &self.sleeper;
    while (pn_stack_get(engine->stacks, pn_task_stack_bytes(task), &stack))
        (void)pinion_sleep(&worker_of(engine)->crew->io, PN_NO_STACK_NS);
    pn_wait_fini(&engine->waits, &self.wait);
    struct pn_fiber *larger = pn_stack_top(&stack, sizeof *larger);
    pn_fiber_init(larger, &stack);
    pn_fiber_prepare(larger, live, engine);
    engine->task = task;
    engine->ended = self.fiber;
    engine->running = larger;
    pn_fiber_exit_to(self.fiber, larger);
}

bool pn_engine_can_begin(struct pn_engine *engine)
{
    struct pn_stack stack;
    if (PN_UNLIKELY(!engine->spare) &&
        pn_stack_get(engine->stacks, engine->stack_bytes, &stack) == 0) {
        engine->spare = pn_stack_top(&stack, sizeof *engine->spare);
        pn_fiber_init(engine->spare, &stack);
    }
    return engine->spare != NULL;
}

void pn_engine_begin(struct pn_engine *engine, struct pinion_task *task)
{
    struct pn_fiber *fiber = engine->spare;
    engine->spare = NULL;
    const bool is_usual = pn_task_stack_bytes(task) <= engine->stack_bytes;
    pn_fiber_prepare(fiber, PN_LIKELY(is_usual) ? live : move_to_larger, engine);
    show_fibers(engine, ++engine->fibers);
    pn_tally(&engine->slot->worker.record->loop.started, UINT64_C(1));
    engine->task = task;
    engine->switches = PN_TURN_SWITCHES;
    pn_engine_switch_to(engine, fiber);
}

bool pn_engine_has_fibers(const struct pn_engine *engine)
{
    return engine->fibers != 0;
}

/* ---- sleeping ---- */

static void expire(struct pn_timer *timer)
{
    struct pn_loop_fiber *self = PN_CONTAINER_OF(timer, struct pn_loop_fiber, timer);
    /* Who clears PARKED wakes: whoever signals, or this. The waiter is there, since the fiber
     * sleeps. Acquire and release as in pn_waiter_signal. */
    if (!(pn_fetch_and_acq_rel(&self->waiter->word, ~PN_WAITER_PARKED) & PN_WAITER_PARKED))
        return;
    self->is_late = true;
    pn_engine_ready(self->engine, self->fiber);
}

static void sleep_until(struct pn_loop_fiber *self, struct pn_waiter *waiter, int64_t deadline)
{
    struct pn_engine *engine = self->engine;
    self->waiter = waiter;
    self->timer = (struct pn_timer){.expired = expire};
    pn_timers_arm(&engine->timers, &self->timer, deadline);
    pn_engine_wait(engine);
    (void)pn_timers_cancel(&engine->timers, &self->timer);
}

static bool sleep_on(struct pn_sleeper *sleeper, struct pn_waiter *waiter, int64_t deadline)
{
    struct pn_loop_fiber *self = pn_loop_fiber_of(sleeper);
    struct pn_engine *engine = self->engine;
    self->is_late = false;
    pn_wait_begin(&engine->waits, &self->wait);
    if (deadline == INT64_MAX)
        pn_engine_wait(engine);
    else
        sleep_until(self, waiter, deadline);
    pn_wait_end(&self->wait);
    return !self->is_late;
}

/* So many yields look once at what the kernel has: a look costs as much as half a switch. */
#define SWITCHES_A_LOOK 8u

/* ---- waking ---- */

void pn_engine_rouse(struct pn_loop_worker *slot)
{
    const uint32_t signal = pn_load_seq_cst(&slot->worker.signal);
    if (signal == PN_SIGNAL_SLEEPING || signal == PN_SIGNAL_WAITING)
        pn_worker_signal(&slot->worker);
}

/* By another thread. From the push on, the fiber may go on and end, and with it all but the
 * visited slot. */
static void post(struct pn_loop_worker *slot, struct pn_fiber *fiber)
{
    pn_fetch_add_relaxed(&slot->visitors, 1u); /* seen by pn_engine_destroy, through the fiber */
    struct pn_fiber *seen = pn_load_relaxed(&slot->inbox);
    do
        fiber->next = seen;
    while (!pn_cas_seq_cst(&slot->inbox, &seen, fiber)); /* before the look at signal there */
    pn_engine_rouse(slot);
    pn_fetch_sub_acq_rel(&slot->visitors, 1u); /* pairs with pn_engine_destroy */
}

static void wake(struct pn_sleeper *sleeper)
{
    struct pn_loop_fiber *self = pn_loop_fiber_of(sleeper);
    PN_EVENT(wake, self->fiber, 0, 0);
    if (self->engine == pn_engine_here)
        pn_engine_ready(self->engine, self->fiber);
    else
        post(self->engine->slot, self->fiber);
}

static void yield(struct pn_sleeper *sleeper)
{
    struct pn_loop_fiber *self = pn_loop_fiber_of(sleeper);
    struct pn_engine *engine = self->engine;
    if (!engine->first || (engine->switches % SWITCHES_A_LOOK == 0 &&
                           pn_backend_is_ready(engine->backend)))
        engine->switches = 0; /* the thread looks at what else there is */
    struct pn_fiber *next = next_of(engine);
    pn_engine_ready(engine, self->fiber);
    pn_engine_switch_to(engine, next);
}

static bool is_alone(struct pn_sleeper *sleeper)
{
    const struct pn_engine *engine = pn_loop_fiber_of(sleeper)->engine;
    return !engine->first && !pn_load_relaxed(&engine->slot->inbox) &&
           !pn_deque_count(engine->slot->worker.deque) && !pn_backend_is_ready(engine->backend);
}

const struct pn_ways pn_loop_ways = {
    .sleep = sleep_on,
    .wake = wake,
    .perform = pn_loop_perform,
    .run_apart = pn_loop_run_apart,
    .yield = yield,
    .is_alone = is_alone,
};

/* ---- what comes from elsewhere ---- */

/* In the order in which they were woken. */
static void take_inbox(struct pn_engine *engine)
{
    if (!pn_load_relaxed(&engine->slot->inbox))
        return;
    /* Acquire: what who woke them wrote; pairs with post. */
    struct pn_fiber *fiber = pn_exchange_acquire(&engine->slot->inbox, NULL), *list = NULL;
    while (fiber) {
        struct pn_fiber *next = fiber->next;
        fiber->next = list;
        list = fiber;
        fiber = next;
    }
    while (list) {
        struct pn_fiber *next = list->next;
        pn_engine_ready(engine, list);
        list = next;
    }
}

void pn_engine_collect(struct pn_engine *engine)
{
    take_inbox(engine);
    if (PN_UNLIKELY(pn_loads_are_recalled(&engine->loads)))
        pn_carrier_answer(&engine->loads.carrier);
    if (pn_backend_has_pending(engine->backend)) {
        /* What was started before timers expire: a call by a deadline that has passed is made. */
        (void)pn_backend_flush(engine->backend); /* an error passes, or the next tells it again */
        (void)pn_backend_reap(engine->backend);
    }
    if (pn_timers_next(&engine->timers) != INT64_MAX) {
        const int64_t now = pn_now();
        if (pn_timers_next(&engine->timers) <= now)
            (void)pn_timers_expire(&engine->timers, now);
    }
}

/* ---- making and ending one ---- */

int pn_engine_create(struct pn_loop_worker *slot, struct pn_engine **result)
{
    struct pn_crew *crew = slot->worker.crew;
    struct pinion_loop *loop = pn_loop_of(crew);
    const int saved = errno;
    struct pn_engine *engine = calloc(1, sizeof *engine);
    if (!engine)
        return -ENOMEM;
    engine->slot = slot;
    engine->stack_bytes = loop->stack_bytes;
    engine->last = &engine->first;
    pn_timers_init(&engine->timers, pn_now());
    pn_waits_init(&engine->waits, &slot->worker.record->longest);
    int error = pn_stack_cache_create(loop->depots[slot->worker.node - crew->nodes],
                                      &engine->stacks);
    if (error)
        goto no_stacks;
    error = pn_overflow_thread_begin(&engine->overflow);
    if (error)
        goto no_overflow;
    error = pn_backend_create(&loop->backend, &engine->backend);
    if (error)
        goto no_backend;
    pn_backend_show(engine->backend, &slot->worker.record->loop);
    pn_loads_init(&engine->loads, engine);
    pn_fiber_init_thread(&engine->thread);
    engine->home = engine->running = &engine->thread;
    pn_engine_here = engine;
    pn_loop_note_backend(loop, pn_backend_report(engine->backend));
    pn_store_seq_cst(&slot->engine, engine); /* pairs with pn_loop_wake_waiting */
    errno = saved;
    *result = engine;
    return 0;
no_backend:
    pn_overflow_thread_end(&engine->overflow);
no_overflow:
    pn_stack_cache_destroy(engine->stacks);
no_stacks:
    free(engine);
    errno = saved;
    return error;
}

void pn_engine_destroy(struct pn_engine *engine)
{
    struct pn_loop_worker *slot = engine->slot;
    pn_loads_give_back(&engine->loads);
    pn_loads_fini(&engine->loads);
    pn_store_seq_cst(&slot->engine, NULL);
    while (pn_load_seq_cst(&slot->visitors)) /* a short way, but they may have been preempted */
        pn_pause();
    if (engine->spare) {
        const struct pn_stack stack = engine->spare->stack;
        pn_stack_put(engine->stacks, &stack);
    }
    pn_engine_here = NULL;
    pn_fiber_fini_thread(&engine->thread);
    pn_backend_destroy(engine->backend);
    pn_overflow_thread_end(&engine->overflow);
    pn_stack_cache_destroy(engine->stacks);
    free(engine);
}

/* ---- in a child of fork ---- */

void pn_engine_abandon(struct pn_engine *engine)
{
    pn_fiber_fini_thread(&engine->thread);
    pn_overflow_thread_end(&engine->overflow);
}

/* Who forked was a fiber, perhaps, and from now on waits as threads do, on the stack that it has:
 * the others of the parent's are not to run here. */
static void after_fork(bool is_child)
{
    if (!is_child)
        return;
    pn_context()->sleeper = NULL;
    pn_engine_here = NULL;
}

__attribute__((constructor)) static void watch_forks(void)
{
    pn_fork_register(PN_FORK_FIBERS, NULL, after_fork);
}
