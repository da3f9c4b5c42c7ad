/* SPDX-License-Identifier: MIT
 *
 * The set of sleepers, with the deque that who queues writes and who sleeps looks at: when all have
 * done their steps, no task is left in a queue while every worker sleeps unpicked.
 *
 * All executions with up to 4 preemptions of one who queues a task and one worker, on its node or
 * another, up to 3 where it queues two; and random ones, with fixed seeds, of one and two workers,
 * on one node or two; and of two that find a task on two nodes and stay busy, while a third sleeps.
 * Where enough search, one takes what it finds without counting as a searcher, and lies down.
 * All with up to 2 of one who asks for a worker only if it sees a hungry one, and of how wakes are
 * paid for.
 */
#include "model.h"

#include "futex.h"

#define aligned_alloc(alignment, bytes) malloc(bytes)

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

/* Those of the home node in their order, then the others. */
static const unsigned *node_of_worker;

struct pn_neighbor_walk pn_neighbor_walk(const struct pn_neighbors *neighbors, unsigned skip)
{
    struct pn_neighbor_walk walk = {neighbors, 0, 0, skip, 0, 0};
    return walk;
}

bool pn_neighbor_next(struct pn_neighbor_walk *walk, unsigned workers, unsigned farthest,
                      unsigned *worker)
{
    for (; walk->entry < 2 * workers; walk->entry++) {
        const bool is_far = walk->entry >= workers;
        *worker = walk->entry % workers;
        if (is_far && farthest < PN_OTHER_NODE)
            return false;
        if ((node_of_worker[*worker] != walk->neighbors->home) == is_far) {
            walk->entry++;
            return true;
        }
    }
    return false;
}

static const unsigned near[] = {0, 0}, far[] = {1}, both[] = {0, 1}, others[] = {1, 2, 1};

/* What a worker does that found a task: as where few search, as where enough do, or nothing. */
enum after { SEARCHES_ON, GLANCES, STAYS_BUSY };

/* Thread 0 is on node 0, queues `tasks` tasks and asks for a worker after each, or only if it sees
 * one that is hungry; the others are workers that search, sleep, and are awake again when they were
 * picked. The last `asleep` of them sleep from the start, and have no thread. */
template <typename T, const unsigned *nodes, int workers, int tasks, after then = SEARCHES_ON,
          int asleep = 0, bool asks_always = true>
struct idle_model : model<T, 1 + workers - asleep> {
    struct pn_deque deque;
    struct pn_idle idle;
    struct pn_counters counters;
    struct pinion_task task[tasks];
    _Atomic(uint32_t) taken, busy;

    int pick(unsigned home)
    {
        const struct pn_neighbors neighbors = {home, 0};
        return pn_idle_pick(&idle, &neighbors, &counters);
    }

    void begin()
    {
        node_of_worker = nodes;
        MUST(pn_deque_init(&deque, 2) == 0);
        MUST(pn_idle_init(&idle, workers, nodes, workers, 3) == 0);
        pn_idle_add(&idle, &counters);
        pn_store_relaxed(&taken, 0u);
        pn_store_relaxed(&busy, 0u);
        for (int i = 0; i < workers; i++)
            pn_idle_search(&idle, nodes[i]);
        for (int i = workers - asleep; i < workers; i++)
            (void)pn_idle_lie_down(&idle, (unsigned)i);
    }

    void queue()
    {
        for (int i = 0; i < tasks; i++) {
            pn_count(&counters.queued, 1);
            MUST(pn_deque_push(&deque, &task[i], true));
            if (asks_always || pn_idle_is_hungry(&idle))
                (void)pick(0);
        }
    }

    bool steal()
    {
        bool lost = true;
        pinion_task *stolen = NULL;
        while (!stolen && lost) {
            lost = false;
            if (pn_deque_count(&deque))
                pn_deque_force(&deque); /* its owner need not come by */
            stolen = pn_deque_steal(&deque, &lost);
        }
        if (stolen)
            pn_fetch_add_relaxed(&taken, 1u);
        return stolen != NULL;
    }

    /* What a searcher does with a task that it finds. */
    bool find(unsigned worker)
    {
        if (!steal())
            return false;
        if (pn_idle_found(&idle, nodes[worker]) &&
            (nodes[worker] == 0 || !pn_idle_is_searched(&idle)) && pn_deque_count(&deque))
            (void)pick(nodes[worker]);
        return true;
    }

    /* Searches for a task after another. False: it is busy. */
    bool find_all(unsigned worker)
    {
        while (find(worker)) {
            if (then == STAYS_BUSY) {
                pn_fetch_add_relaxed(&busy, 1u);
                return false;
            }
            while (then == GLANCES && steal())
                continue;
            pn_idle_search(&idle, nodes[worker]);
            if (then == GLANCES)
                break;
        }
        return true;
    }

    /* Until it sleeps, or is busy. */
    void search(unsigned worker)
    {
        while (find_all(worker)) {
            if (!pn_idle_lie_down(&idle, worker) || pn_deque_count(&deque) == 0)
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
        unsigned awake = 0, searching = 0, sleeping = 0;
        for (int i = 0; i < workers; i++)
            awake += !(pn_load_relaxed(&idle.bits[0]) & bit_of((unsigned)i));
        for (int i = 0; i < 3; i++) {
            searching += pn_load_relaxed(&idle.nodes[i].searching);
            sleeping += pn_load_relaxed(&idle.nodes[i].sleeping);
        }
        MUST(pn_deque_count(&deque) == 0 || sleeping == 0 || searching > 0);
        MUST(searching + pn_load_relaxed(&busy) == awake);
        MUST(pn_load_relaxed(&counters.woken) <= tasks);
        MUST(sleeping == workers - awake);
        MUST(pn_load_relaxed(&taken) + pn_deque_count(&deque) == tasks);
        pn_idle_fini(&idle);
        while (pn_deque_pop(&deque))
            continue;
        pn_deque_fini(&deque);
    }
};

/* Threads that each queue a task, while all workers sleep, and then run who they have woken, till it
 * is busy or sleeps again; unless that one is about to sleep still, and so sees by itself that it
 * was woken. Who was woken misses what there is at its first look. */
template <typename T, int threads, int workers>
struct herd_model : model<T, threads> {
    struct place {
        struct pn_deque deque;
        struct pn_counters counters;
        struct pinion_task task;
    } places[threads];
    struct pn_idle idle;
    struct pn_counters counters[workers];
    _Atomic(uint32_t) signals[workers];
    enum { ASLEEP = 1, SIGNALED };

    void begin()
    {
        static const unsigned nodes[workers] = {};
        node_of_worker = nodes;
        MUST(pn_idle_init(&idle, workers, nodes, workers, 1) == 0);
        for (int i = 0; i < threads; i++) {
            MUST(pn_deque_init(&places[i].deque, 2) == 0);
            pn_idle_add(&idle, &places[i].counters);
        }
        for (int i = 0; i < workers; i++) {
            pn_idle_add(&idle, &counters[i]);
            pn_idle_search(&idle, 0);
            (void)pn_idle_lie_down(&idle, (unsigned)i);
            pn_store_relaxed(&signals[i], (uint32_t)ASLEEP);
        }
    }

    /* Wakes one: who it is, if it is to be run here, or -1. */
    int wake(struct pn_counters *own)
    {
        const struct pn_neighbors neighbors = {0, 0};
        const int picked = pn_idle_pick(&idle, &neighbors, own);
        if (picked < 0 || pn_exchange_acq_rel(&signals[picked], (uint32_t)SIGNALED) != ASLEEP)
            return -1;
        pn_store_relaxed(&signals[picked], 0u);
        return picked;
    }

    bool has_work()
    {
        for (place &place : places)
            if (pn_deque_count(&place.deque))
                return true;
        return false;
    }

    bool take(unsigned worker)
    {
        bool lost = false;
        for (place &place : places) {
            if (pn_deque_count(&place.deque))
                pn_deque_force(&place.deque);
            if (!pn_deque_steal(&place.deque, &lost))
                continue;
            pn_count_release(&counters[worker].tasks, 1);
            return true;
        }
        return false;
    }

    bool sleeps(unsigned worker)
    {
        if (pn_exchange_acq_rel(&signals[worker], (uint32_t)ASLEEP) == 0)
            return true;
        pn_store_relaxed(&signals[worker], 0u);
        return false;
    }

    /* One that was woken; then those that it wakes. */
    void run(int worker)
    {
        bool is_hasty = true, was_woken = true;
        while (worker >= 0) {
            if (!is_hasty && take((unsigned)worker)) {
                const bool is_last = pn_idle_found(&idle, 0);
                worker = is_last && has_work() ? wake(&counters[worker]) : -1;
                is_hasty = was_woken = true;
                continue;
            }
            is_hasty = false;
            if (was_woken && !pn_idle_is_settled(&idle))
                continue;
            if (!pn_idle_lie_down(&idle, (unsigned)worker) || !has_work())
                if (sleeps((unsigned)worker))
                    return;
            was_woken = !pn_idle_rise(&idle, (unsigned)worker);
        }
    }

    void thread(unsigned index)
    {
        place &own = places[index];
        pn_count(&own.counters.queued, 1);
        MUST(pn_deque_push(&own.deque, &own.task, true));
        run(wake(&own.counters));
    }

    void end()
    {
        unsigned woken = 0, asleep = 0;
        for (place &place : places)
            woken += pn_load_relaxed(&place.counters.woken);
        for (int i = 0; i < workers; i++)
            asleep += pn_load_relaxed(&signals[i]) == ASLEEP;
        MUST(woken <= threads);
        MUST(asleep == 0 || !has_work());
        for (place &place : places) {
            while (pn_deque_pop(&place.deque))
                continue;
            pn_deque_fini(&place.deque);
        }
        pn_idle_fini(&idle);
    }
};

/* A task is counted and about to be queued, as one that sleeps rises by itself, finds something and
 * is busy then. Who would have woken that one, and paid with the task, pays back. Another sleeps. */
struct paid_back : model<paid_back, 3> {
    struct pn_deque deque;
    struct pn_idle idle;
    struct pn_counters counters[3];
    struct pinion_task task;

    void pick(unsigned index)
    {
        const struct pn_neighbors neighbors = {0, 0};
        (void)pn_idle_pick(&idle, &neighbors, &counters[index]);
    }

    void begin()
    {
        node_of_worker = near;
        MUST(pn_deque_init(&deque, 2) == 0);
        MUST(pn_idle_init(&idle, 2, near, 2, 1) == 0);
        for (struct pn_counters &its : counters)
            pn_idle_add(&idle, &its);
        for (unsigned i = 0; i < 2; i++) {
            pn_idle_search(&idle, 0);
            (void)pn_idle_lie_down(&idle, i);
        }
        pn_count(&counters[0].queued, 1);
    }

    void thread(unsigned index)
    {
        if (index == 0)
            MUST(pn_deque_push(&deque, &task, true));
        else if (index == 2 &&
                 (!pn_idle_rise(&idle, 0) || !pn_idle_found(&idle, 0) || !pn_deque_count(&deque)))
            return; /* it was woken and searches on, or has nobody to wake */
        pick(index);
    }

    void end()
    {
        MUST(pn_idle_is_searched(&idle)); /* the task is queued, and one slept */
        MUST(pn_load_relaxed(&counters[0].woken) == 1);
        MUST(pn_deque_pop(&deque) == &task);
        pn_idle_fini(&idle);
        pn_deque_fini(&deque);
    }
};

/* Two that are new wake each a worker of its node, for two tasks, of which another took one: one of
 * the two that were woken is to search on. Their bits are apart, so that only what is paid tells
 * the one of the other. */
struct settling : model<settling, 2> {
    enum { WORKERS = WORD_BITS + 1 };
    unsigned nodes[WORKERS];
    struct pn_idle idle;
    struct pn_counters taker, counters[2];
    bool is_settled[2];

    void begin()
    {
        for (unsigned i = 0; i < WORKERS; i++)
            nodes[i] = i % WORD_BITS == 0 ? i / WORD_BITS : 2;
        node_of_worker = nodes;
        MUST(pn_idle_init(&idle, WORKERS, nodes, WORKERS, 3) == 0);
        pn_idle_add(&idle, &taker);
        pn_count(&taker.tasks, 1);
        for (unsigned i = 0; i < 2; i++) {
            pn_idle_search(&idle, i);
            (void)pn_idle_lie_down(&idle, i * WORD_BITS);
        }
    }

    void thread(unsigned index)
    {
        const struct pn_neighbors neighbors = {index, 0};
        pn_idle_add(&idle, &counters[index]);
        pn_count(&counters[index].queued, 1);
        MUST(pn_idle_pick(&idle, &neighbors, &counters[index]) == int(index * WORD_BITS));
        is_settled[index] = pn_idle_is_settled(&idle);
    }

    void end()
    {
        MUST(!is_settled[0] || !is_settled[1]);
        pn_idle_fini(&idle);
    }
};

struct herd : herd_model<herd, 2, 3> {};
struct herd_of_three : herd_model<herd_of_three, 3, 4> {};
struct one_worker : idle_model<one_worker, near, 1, 1> {};
struct one_hungry : idle_model<one_hungry, near, 1, 1, SEARCHES_ON, 0, false> {};
struct one_far : idle_model<one_far, far, 1, 1> {};
struct two_tasks : idle_model<two_tasks, near, 1, 2> {};
struct two_workers : idle_model<two_workers, near, 2, 2> {};
struct glancing : idle_model<glancing, near, 2, 3, GLANCES> {};
struct two_nodes : idle_model<two_nodes, both, 2, 2> {};
struct two_busy : idle_model<two_busy, others, 3, 3, STAYS_BUSY, 1> {};

static bool run()
{
    return model_all<paid_back>(2) &&
           model_all<settling>(2) &&
           model_all<one_hungry>(2) &&
           model_all<one_worker>(4) &&
           model_all<one_far>(4) &&
           model_all<two_tasks>(3) &&
           model_random<two_tasks>(100000) &&
           model_random<two_workers>(100000) &&
           model_random<glancing>(50000) &&
           model_random<two_nodes>(100000) &&
           model_random<two_busy>(100000) &&
           model_random<herd>(100000) &&
           model_random<herd_of_three>(80000);
}

int main(int count, char **arguments) { return model_main(count, arguments, run); }
