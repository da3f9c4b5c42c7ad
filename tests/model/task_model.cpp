/* SPDX-License-Identifier: MIT
 *
 * A task between the thread that takes it out of its queue and the one that uses its future: it is
 * run once, its result is visible to the future, and it is freed once, when both have let go; also
 * where the future claims it and a tombstone stands in the queue.
 *
 * All executions with up to 4 preemptions, and random ones, with fixed seeds.
 */
#include "model.h"

#include "futex.h"

#include "spin.c"
#include "waiter.c"
#include "task.c"

/* Stands for the whole block: who frees it writes it, so it races with any use that is not ordered
 * before. */
static rl::var<int> *content;

/* What the files need of others: memory, of which Relacy sees leaks and double frees. */
thread_local struct pn_context pn_context_of_thread;
__thread struct pinion_thread pinion_thread_1;
void *pn_slab_alloc(struct pn_slab *, size_t bytes) { return malloc(bytes); }
void pn_slab_free(struct pn_slab *, void *block)
{
    (*content)($) = 0;
    free(block);
}

void *pinion_arena_alloc(struct pinion_arena *, size_t, size_t) { return NULL; }
void pinion_arena_free(struct pinion_arena *, void *, size_t) {}
void pn_member_init(struct pinion_task *, struct pinion_group *) {}
void pn_member_enter(struct pinion_task *) {}
void pn_member_leave(struct pinion_task *) {}

/* Thread 0 takes it out of the queue, thread 1 uses the future. */
template <typename T> struct task_model : model<T, 2> {
    struct pinion_task *task;
    rl::var<int> result;
    int runs;

    static void start(void *context, void *)
    {
        task_model *self = *(task_model **)context;
        self->result($) = self->result($) + 1;
        self->runs++;
    }

    void begin()
    {
        model_sleepers.clear();
        result($) = 0;
        content = &result;
        runs = 0;
        task_model *self = this;
        struct pinion_call call = {};
        call.start = start;
        call.context = &self;
        call.context_size = sizeof self;
        const struct pn_spawn spawn = {.call = &call, .kind = PN_ASYNC};
        task = pn_task_create(&spawn, PN_TASK_QUEUED | PN_TASK_IN_QUEUE, NULL, NULL);
        MUST(task != NULL);
    }

    void take()
    {
        if (!pn_task_take(task, NULL))
            return;
        pn_task_run(task);
        pn_task_end(task, NULL);
    }

    void wait()
    {
        struct pn_waiter waiter;
        pn_waiter_init(&waiter);
        if (pn_task_add_waiter(task, &waiter))
            MUST(pn_waiter_wait(&waiter, 1, false, INT64_MAX, 0));
    }

    void drop()
    {
        MUST(result($) == 1);
        result($) = 2; /* the future's last use */
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

/* One that waits, then would rather not. */
struct wavering : task_model<wavering> {
    void thread(unsigned index)
    {
        if (!index) {
            take();
            return;
        }
        struct pn_waiter waiter;
        pn_waiter_init(&waiter);
        if (pn_task_claim(task)) {
            pn_task_run_claimed(task);
        } else if (pn_task_add_waiter(task, &waiter)) {
            if (!pn_task_remove_waiter(task, &waiter))
                MUST(pn_waiter_wait(&waiter, 1, false, INT64_MAX, 0));
            else
                wait();
        }
        drop();
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
           model_all<wavering>(4) &&
           model_all<polling>(3) &&
           model_random<await>(100000) &&
           model_random<wavering>(100000);
}

int main(int count, char **arguments) { return model_main(count, arguments, run); }
