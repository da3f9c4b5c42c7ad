/* SPDX-License-Identifier: MIT
 *
 * Tasks in a deque, with those who await them: each is run once and freed once, whoever takes it:
 * its owner, a thief, or, where it stands, who awaits it. And who helps while it waits for a task
 * takes what that task has queued, and nothing that its runner queued after.
 *
 * Restates pool_take_own and pool_claimed of src/pool/spawn.c, but for counters; its pool_find_help
 * too.
 *
 * All executions of two threads with up to one or two preemptions, and random ones, with fixed
 * seeds, also of three.
 */
#include "task_parts.h"

#include "lock.c"
#undef SIZE_LIMIT
#include "deque.c"

bool pn_heavy_fence_prepare(void) { return true; }
void pn_heavy_fence(void) { model_heavy_fence(RL_INFO); }

static void steal_by_force(struct pn_deque *deque)
{
    bool lost;
    pn_deque_force(deque);
    do {
        lost = false;
        if (struct pinion_task *task = pn_deque_steal(deque, &lost))
            model_take(task);
        else if (lost)
            pn_pause();
    } while (lost);
}

static bool pop(struct pn_deque *deque)
{
    struct pinion_task *task = pn_deque_pop(deque);
    if (task)
        model_take(task);
    return task != NULL;
}

/* One task, in the deque of thread 0. */
template <typename T, int threads> struct claim_model : model<T, threads> {
    struct pn_deque deque;
    struct pinion_task *task;
    struct model_block block[2];
    int runs;

    static void start(void *context, void *)
    {
        claim_model *self = *(claim_model **)context;
        self->block[0].content($) = 1;
        self->runs++;
    }

    void begin()
    {
        model_sleepers.clear();
        MUST(pn_deque_init(&deque, 2) == 0);
        task = model_task(start, this, PN_TASK_QUEUED | PN_TASK_IN_QUEUE, &block[0]);
        block[1].task = NULL;
        model_blocks = block;
        block[0].content($) = 0;
        runs = 0;
    }

    void drop()
    {
        MUST(block[0].content($) == 1);
        block[0].content($) = 2; /* the future's last use */
        pn_task_drop_quickly(task, NULL);
    }

    void end()
    {
        while (pop(&deque))
            continue;
        MUST(runs == 1);
        MUST(model_sleepers.empty());
        pn_deque_fini(&deque);
    }
};

/* Thread 1 uses the future, thread 2 is a thief. */
struct foreign_claim : claim_model<foreign_claim, 3> {
    void thread(unsigned index)
    {
        if (index == 0) {
            MUST(pn_deque_push(&deque, task, false));
            (void)pop(&deque);
        } else if (index == 1) {
            if (pn_task_claim(task))
                pn_task_run_claimed(task);
            else
                model_wait(task);
            drop();
        } else {
            steal_by_force(&deque);
        }
    }
};

/* The owner uses the future, thread 1 is a thief. */
struct own_claim : claim_model<own_claim, 2> {
    void await()
    {
        if (pn_deque_pop_if(&deque, task)) {
            pn_store_relaxed(&task->state, PN_TASK_RUNNING);
            pn_task_run_own(task, NULL);
            MUST(pn_task_is_done(task));
        } else if (pn_task_claim(task)) {
            if (pn_deque_pop_if(&deque, task))
                pn_fetch_and_acq_rel(&task->state, ~PN_TASK_IN_QUEUE);
            pn_task_run_claimed(task);
        } else {
            model_wait(task);
        }
    }

    void thread(unsigned index)
    {
        if (index) {
            steal_by_force(&deque);
            return;
        }
        MUST(pn_deque_push(&deque, task, false));
        await();
        drop();
    }
};

/* Thread 0 runs one task, which makes another; thread 1 awaits the first. What thread 0 queues
 * besides, others have made. */
template <typename T> struct help_model : model<T, 2> {
    struct pn_deque deque;
    struct pinion_task *awaited, *made, *other;
    struct model_block block[4];
    rl::var<int> told; /* stands for first of the awaited one */

    static void nothing(void *, void *) {}

    void begin()
    {
        model_sleepers.clear();
        MUST(pn_deque_init(&deque, 2) == 0);
        awaited = model_task(T::start, this, PN_TASK_RUNNING, &block[0]);
        made = model_task(nothing, this, PN_TASK_QUEUED | PN_TASK_IN_QUEUE, &block[1]);
        other = model_task(nothing, this, PN_TASK_QUEUED | PN_TASK_IN_QUEUE, &block[2]);
        made->kind = other->kind = PN_DETACHED; /* nobody awaits them in this */
        block[3].task = NULL;
        model_blocks = block;
    }

    void queue(struct pinion_task *task)
    {
        MUST(pn_deque_push(&deque, task, false));
        pn_deque_publish(&deque);
    }

    static bool may_help(struct pinion_task *task, void *context)
    {
        const help_model *self = (const help_model *)context;
        return pn_task_runs_at(self->awaited, &self->deque);
    }

    void thread(unsigned index)
    {
        if (index == 0) {
            told($) = 1;
            pn_task_run_at(awaited, &deque, pn_deque_bottom(&deque));
            pn_task_end(awaited, NULL);
            static_cast<T *>(this)->go_on();
            return;
        }
        void *runner = pn_task_runner(awaited);
        MUST(!runner || (runner == &deque && told($) == 1));
        struct pinion_task *task =
            runner ? pn_deque_steal_since(&deque, awaited->first, may_help, this) : NULL;
        if (task) {
            MUST(task == made);
            model_take(task);
        }
        model_wait(awaited);
        pn_task_drop_quickly(awaited, NULL);
    }

    void end()
    {
        while (pop(&deque))
            continue;
        MUST(model_sleepers.empty());
        pn_deque_fini(&deque);
    }
};

/* The other is queued after the end of the awaited one, where that has had an entry of its own. */
struct ended : help_model<ended> {
    static void start(void *context, void *)
    {
        ended *self = *(ended **)context;
        self->queue(self->made);
        (void)pop(&self->deque);
    }

    void go_on() { queue(other); }
};

/* The queue was given up. Another thread queues there from then on: here the same one, in order. */
struct moved : help_model<moved> {
    static void start(void *context, void *)
    {
        moved *self = *(moved **)context;
        self->queue(self->made);
        (void)pop(&self->deque);
        pn_task_forget_runner();
        self->queue(self->other);
    }

    void go_on() {}
};

/* The other was there before. */
struct earlier : help_model<earlier> {
    void begin()
    {
        help_model::begin();
        queue(other);
    }

    static void start(void *context, void *)
    {
        earlier *self = *(earlier **)context;
        self->queue(self->made);
    }

    void go_on() {}
};

static bool run()
{
    return model_all<own_claim>(2) &&
           model_all<ended>(1) &&
           model_all<moved>(1) &&
           model_all<earlier>(1) &&
           model_random<own_claim>(50000) &&
           model_random<foreign_claim>(50000) &&
           model_random<ended>(50000) &&
           model_random<moved>(50000) &&
           model_random<earlier>(20000);
}

static bool run_both() { return model_both_fences(run); }

int main(int count, char **arguments) { return model_main(count, arguments, run_both); }
