/* SPDX-License-Identifier: MIT
 *
 * The set of sleepers, with the deque that who queues writes and who sleeps looks at: when all have
 * done their steps, no task is left in a queue while every worker sleeps unpicked.
 *
 * All executions with up to 4 preemptions of one who queues a task and one worker, up to 3
 * where it queues two; and random ones, with fixed seeds, of one and two workers.
 */
#include "model.h"

#include "futex.h"

#include "lock.c"
/* A try that fails is repeated by who wants to steal; here it waits instead. */
#define pn_lock_try(lock) (pn_lock(lock), true)
#include "deque.c"
#include "idle.c"

bool pn_heavy_fence_prepare(void) { return true; }
void pn_heavy_fence(void) { pn_fence_seq_cst(); }

struct pinion_task {
    int unused;
};

/* In their order. */
struct pn_neighbor_walk pn_neighbor_walk(const struct pn_neighbors *neighbors, unsigned skip)
{
    struct pn_neighbor_walk walk = {neighbors, 0, 0, skip, 0, 0};
    return walk;
}

bool pn_neighbor_next(struct pn_neighbor_walk *walk, unsigned workers, unsigned *worker)
{
    *worker = walk->entry;
    return walk->entry++ < workers;
}

/* Thread 0 queues `tasks` tasks and asks for a worker after each; the others are workers that
 * search, sleep, and are awake again when they were picked. */
template <typename T, int workers, int tasks> struct idle_model : model<T, 1 + workers> {
    struct pn_deque deque;
    struct pn_idle idle;
    struct pinion_task task[tasks];
    _Atomic(uint32_t) taken;

    void begin()
    {
        MUST(pn_deque_init(&deque, 2) == 0);
        MUST(pn_idle_init(&idle, workers) == 0);
        pn_store_relaxed(&taken, 0u);
        for (int i = 0; i < workers; i++)
            pn_idle_search(&idle);
    }

    void queue()
    {
        for (int i = 0; i < tasks; i++) {
            MUST(pn_deque_push(&deque, &task[i], true));
            (void)pn_idle_pick(&idle, NULL);
        }
    }

    /* What a searcher does with a task that it finds. */
    bool find()
    {
        bool lost = true;
        pinion_task *stolen = NULL;
        while (!stolen && lost) {
            lost = false;
            if (pn_deque_count(&deque))
                pn_deque_force(&deque); /* its owner need not come by */
            stolen = pn_deque_steal(&deque, &lost);
        }
        if (!stolen)
            return false;
        if (pn_idle_found(&idle))
            (void)pn_idle_pick(&idle, NULL);
        pn_fetch_add_relaxed(&taken, 1u);
        pn_idle_search(&idle);
        return true;
    }

    /* Until it sleeps. */
    void search(unsigned worker)
    {
        for (;;) {
            while (find())
                continue;
            pn_idle_lie_down(&idle, worker);
            if (pn_deque_count(&deque) == 0)
                return;
            (void)pn_idle_rise(&idle, worker); /* or it was picked */
        }
    }

    void thread(unsigned index)
    {
        if (index)
            search(index - 1);
        else
            queue();
    }

    /* Who is awake searches, or was picked after it had looked, and would search now. */
    void end()
    {
        unsigned awake = 0;
        for (int i = 0; i < workers; i++)
            awake += !(pn_load_relaxed(&idle.bits[0]) & bit_of((unsigned)i));
        MUST(pn_deque_count(&deque) == 0 || awake > 0);
        MUST(pn_load_relaxed(&idle.searching) == awake);
        MUST(pn_load_relaxed(&idle.sleeping) == workers - awake);
        MUST(pn_load_relaxed(&taken) + pn_deque_count(&deque) == tasks);
        pn_idle_fini(&idle);
        while (pn_deque_pop(&deque))
            continue;
        pn_deque_fini(&deque);
    }
};

struct one_worker : idle_model<one_worker, 1, 1> {};
struct two_tasks : idle_model<two_tasks, 1, 2> {};
struct two_workers : idle_model<two_workers, 2, 2> {};

static bool run()
{
    return model_all<one_worker>(4) &&
           model_all<two_tasks>(3) &&
           model_random<two_tasks>(100000) &&
           model_random<two_workers>(100000);
}

int main(int count, char **arguments) { return model_main(count, arguments, run); }
