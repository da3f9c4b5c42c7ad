/* SPDX-License-Identifier: MIT
 *
 * A task between the thread that takes it out of its queue and the one that uses its future: it is
 * run once, its result is visible to the future, and it is freed once, when both have let go; also
 * where the future claims it and a tombstone stands in the queue.
 *
 * All executions with up to 4 preemptions, and random ones, with fixed seeds.
 */
#include "task_parts.h"

/* Thread 0 takes it out of the queue, thread 1 uses the future. */
template <typename T> struct task_model : model<T, 2> {
    struct pinion_task *task;
    struct model_block block[2];
    int runs;

    static void start(void *context, void *)
    {
        task_model *self = *(task_model **)context;
        self->result()($) = self->result()($) + 1;
        self->runs++;
    }

    void begin()
    {
        model_sleepers.clear();
        runs = 0;
        task = model_task(start, this, PN_TASK_QUEUED | PN_TASK_IN_QUEUE, &block[0]);
        block[1].task = NULL;
        model_blocks = block;
        result()($) = 0;
    }

    rl::var<int> &result() { return block[0].content; }
    void take() { model_take(task); }
    void wait() { model_wait(task); }

    void drop()
    {
        MUST(result()($) == 1);
        result()($) = 2; /* the future's last use */
        pn_task_drop(task, NULL);
    }

    void end()
    {
        MUST(runs == 1);
        MUST(model_sleepers.empty());
    }
};

struct await : task_model<await> {
    void thread(unsigned index)
    {
        if (!index) {
            take();
            return;
        }
        if (pn_task_claim(task))
            pn_task_run_claimed(task);
        else
            wait();
        drop();
    }
};

/* One that waits, then would rather not; for an async task, or for a concurrent one, which is not
 * claimed. */
template <bool is_concurrent> struct wavering : task_model<wavering<is_concurrent>> {
    void begin()
    {
        task_model<wavering>::begin();
        if (!is_concurrent)
            return;
        this->task->kind = PN_CONCURRENT;
        pn_store_relaxed(&this->task->state, PN_TASK_RUNNING | PN_TASK_IN_QUEUE);
    }

    void thread(unsigned index)
    {
        struct pinion_task *task = this->task;
        if (!index) {
            this->take();
            return;
        }
        struct pn_waiter waiter;
        pn_waiter_init(&waiter);
        if (pn_task_claim(task)) {
            MUST(!is_concurrent);
            pn_task_run_claimed(task);
        } else if (pn_task_add_waiter(task, &waiter)) {
            if (!pn_task_remove_waiter(task, &waiter))
                MUST(pn_waiter_wait(&waiter, 1, false, INT64_MAX, 0));
            else
                this->wait();
        }
        this->drop();
    }
};

/* One that only looks. */
struct polling : task_model<polling> {
    void thread(unsigned index)
    {
        if (!index) {
            take();
            return;
        }
        while (!pn_task_is_done(task))
            pn_pause();
        drop();
    }
};

static bool run()
{
    return model_all<await>(4) &&
           model_all<wavering<false>>(4) &&
           model_all<wavering<true>>(4) &&
           model_all<polling>(3) &&
           model_random<await>(100000) &&
           model_random<wavering<false>>(100000) &&
           model_random<wavering<true>>(100000);
}

int main(int count, char **arguments) { return model_main(count, arguments, run); }
