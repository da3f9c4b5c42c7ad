/* SPDX-License-Identifier: MIT
 *
 * Whether a thread asks before it runs tasks in place, with its deque and thieves: when all have
 * done their steps, one that does not ask has entries that thieves can have.
 *
 * All executions with up to 4 preemptions of the thread and one thief; and random ones, with fixed
 * seeds, also of two thieves.
 */
#include "model.h"

#include "futex.h"

struct pinion_task {
    int unused;
};

struct pinion_io {
    int unused;
};

#include "lock.c"
#include "deque.c"

#include "ask.h"

bool pn_heavy_fence_prepare(void) { return true; }
void pn_heavy_fence(void) { model_heavy_fence(RL_INFO); }

#define ENOUGH 1

/* Thread 0 has the deque, with two entries at most; the others steal one each. */
template <typename T, int thieves> struct ask_model : model<T, 1 + thieves> {
    struct pn_deque deque;
    struct pinion_head head;
    struct pinion_io io;
    struct pinion_task task[3];

    void begin()
    {
        MUST(pn_deque_init(&deque, 4) == 0);
        pn_plain_store_relaxed(&head.runs, (struct pinion_io *)NULL);
    }

    bool asks() { return pn_plain_load_relaxed(&head.runs) != &io; }

    /* As worker_queue of the pool, for tasks that others may have. */
    void spawn(int index)
    {
        if (!asks())
            return;
        if (pn_deque_count(&deque) >= ENOUGH) {
            pn_ask_no_more(&head, &io, &deque, ENOUGH);
            return;
        }
        MUST(pn_deque_push(&deque, &task[index], false));
        pn_deque_publish(&deque);
    }

    void await()
    {
        if (pn_deque_pop(&deque))
            pn_ask(&head);
    }

    /* As steal_from of the pool, once. */
    void steal()
    {
        bool lost = true;
        while (lost) {
            lost = false;
            if (pn_deque_steal(&deque, &lost)) {
                pn_let_ask(&head);
                return;
            }
            if (lost)
                pn_pause();
        }
        if (pn_deque_count(&deque)) {
            pn_deque_request(&deque);
            pn_let_ask(&head);
        }
    }

    void end()
    {
        MUST(asks() || pn_deque_count(&deque) >= ENOUGH);
        while (pn_deque_pop(&deque))
            continue;
        pn_deque_fini(&deque);
    }
};

struct one_thief : ask_model<one_thief, 1> {
    void thread(unsigned index)
    {
        if (index) {
            steal();
            return;
        }
        spawn(0);
        spawn(1);
    }
};

/* It takes one itself, and goes on. */
struct awaiting : ask_model<awaiting, 1> {
    void thread(unsigned index)
    {
        if (index) {
            steal();
            steal();
            return;
        }
        spawn(0);
        spawn(1);
        await();
        spawn(1);
        spawn(2);
    }
};

/* Where nobody sleeps for the lock, and its release is no change. */
struct polling : ask_model<polling, 1> {
    void begin()
    {
        ask_model::begin();
        pn_deque_avoid_calls(&deque);
    }

    void thread(unsigned index)
    {
        if (index) {
            steal();
            return;
        }
        spawn(0);
        spawn(1);
    }
};

struct two_thieves : ask_model<two_thieves, 2> {
    void thread(unsigned index)
    {
        if (index) {
            steal();
            return;
        }
        spawn(0);
        spawn(1);
        spawn(1);
        spawn(2);
    }
};

static bool run()
{
    return model_all<one_thief>(4) &&
           model_all<awaiting>(2) &&
           model_random<one_thief>(50000) &&
           model_random<awaiting>(50000) &&
           model_random<polling>(50000) &&
           model_random<two_thieves>(100000);
}

static bool run_both() { return model_both_fences(run); }

int main(int count, char **arguments) { return model_main(count, arguments, run_both); }
