/* SPDX-License-Identifier: MIT
 *
 * The deque: whatever its owner pushes is taken exactly once, by the owner or by a thief, and what
 * the owner wrote to it before is visible to who takes it; also while it grows; a pop that finds
 * nothing has left nothing.
 *
 * All executions of one owner and one thief with up to 3 preemptions, and random ones, with fixed
 * seeds, of an owner and up to two thieves.
 */
#include "model.h"

#include "futex.h"

struct pinion_task {
    rl::var<int> content;
    int taken;
};

#include "lock.c"
#include "deque.c"

static bool may_call; /* whether the fence may make its system call */

bool pn_heavy_fence_prepare(void) { return may_call = true; }
void pn_heavy_fence(void)
{
    MUST(may_call);
    model_heavy_fence(RL_INFO);
}

/* The owner pushes all tasks and pops some of them in between; each thief looks `looks` times. */
template <typename T, int thieves, int tasks> struct deque_model : model<T, 1 + thieves> {
    struct pn_deque deque;
    struct pinion_task task[tasks];

    void begin()
    {
        for (pinion_task &one : task)
            one.taken = 0;
        MUST(pn_deque_init(&deque, 1) == 0);
    }

    void push(int index)
    {
        task[index].content($) = index + 1;
        MUST(pn_deque_push(&deque, &task[index], true));
        if (pn_deque_is_requested(&deque))
            pn_deque_publish(&deque);
    }

    bool take(pinion_task *taken)
    {
        if (!taken)
            return false;
        MUST(taken->content($) == taken - task + 1);
        taken->content($) = 0; /* whoever else takes it races with this */
        taken->taken++;
        return true;
    }

    void pop()
    {
        pinion_task *popped = pn_deque_pop(&deque);
        MUST(take(popped) || pn_deque_count(&deque) == 0);
    }

    void steal()
    {
        bool lost = false;
        pinion_task *stolen = pn_deque_steal(&deque, &lost);
        MUST(!stolen || !lost);
        take(stolen);
    }

    /* Asks, and does not wait for the answer. */
    void steal_by_force()
    {
        pn_deque_request(&deque);
        pn_deque_force(&deque);
        steal();
    }

    void end()
    {
        const int64_t split = pn_load_relaxed(&deque.split);
        MUST(pn_load_relaxed(&deque.top) <= split && split <= pn_load_relaxed(&deque.bottom));
        while (take(pn_deque_pop(&deque)))
            continue;
        for (pinion_task &one : task)
            MUST(one.taken == 1);
        MUST(pn_deque_count(&deque) == 0);
        pn_deque_fini(&deque);
    }
};

/* The last entry: the owner and a thief race for it, then for the next in the same slot. */
struct last_entry : deque_model<last_entry, 1, 2> {
    void thread(unsigned index)
    {
        if (index) {
            steal();
            steal();
            return;
        }
        push(0);
        pn_deque_publish(&deque);
        pop();
        push(1);
        pn_deque_publish(&deque);
        pop();
    }
};

/* The same where nothing is published but by force. */
struct forced_entry : deque_model<forced_entry, 1, 2> {
    void thread(unsigned index)
    {
        if (index) {
            steal_by_force();
            steal();
            return;
        }
        push(0);
        pop();
        push(1);
        pop();
    }
};

/* Force against a pop of what was public, and is gone, which the owner may not know. */
struct forced_pops : deque_model<forced_pops, 1, 2> {
    void thread(unsigned index)
    {
        if (index) {
            steal();
            steal_by_force();
            return;
        }
        push(0);
        pn_deque_publish(&deque);
        push(1);
        pop();
        pop();
    }
};

/* The same, at once. */
struct forced_pop : deque_model<forced_pop, 1, 1> {
    void thread(unsigned index)
    {
        if (index) {
            steal();
            pn_deque_force(&deque);
            return;
        }
        push(0);
        pn_deque_publish(&deque);
        pop();
    }
};

/* Force against several pops and a push in their place. */
struct forced_entries : deque_model<forced_entries, 1, 3> {
    void thread(unsigned index)
    {
        if (index) {
            steal_by_force();
            steal();
            return;
        }
        push(0);
        push(1);
        pop();
        push(2);
        pop();
        pop();
    }
};

/* Three entries in a ring of one grow it twice, while a thief is at it. */
struct growth : deque_model<growth, 1, 3> {
    void thread(unsigned index)
    {
        if (index) {
            steal();
            steal();
            return;
        }
        push(0);
        push(1);
        pn_deque_publish(&deque);
        push(2);
        pop();
        pop();
    }
};

/* The same, by force. */
struct forced_growth : deque_model<forced_growth, 1, 3> {
    void thread(unsigned index)
    {
        if (index) {
            steal_by_force();
            steal();
            return;
        }
        push(0);
        push(1);
        push(2);
        pop();
    }
};

/* Where there are no asymmetric fences. */
struct unsplit : deque_model<unsplit, 1, 3> {
    void begin()
    {
        deque_model::begin();
        pn_deque_avoid_calls(&deque);
        may_call = false;
    }

    void thread(unsigned index)
    {
        if (index) {
            steal_by_force();
            steal();
            return;
        }
        push(0);
        push(1);
        MUST(pn_load_relaxed(&deque.split) == pn_load_relaxed(&deque.bottom));
        pop();
        push(2);
        pop();
    }
};

/* Who helps takes only what was pushed since, and only what may be taken. */
struct since : deque_model<since, 1, 4> {
    static bool may_take(pinion_task *task, void *context)
    {
        MUST(is_any_public(&((since *)context)->deque)); /* else the owner has it */
        return task->content($) != 3;                    /* task 2 */
    }

    void help()
    {
        pinion_task *stolen = pn_deque_steal_since(&deque, 1, may_take, this);
        MUST(stolen != &task[0] && stolen != &task[2]);
        take(stolen);
    }

    void thread(unsigned index)
    {
        if (index) {
            help();
            steal();
            help();
            help();
            return;
        }
        for (int i = 0; i < 4; i++)
            push(i);
        pn_deque_publish(&deque);
        for (int i = 0; i < 3; i++)
            pop();
        steal();
    }
};

/* Two who use force, while the owner pops. */
struct two_forces : deque_model<two_forces, 2, 3> {
    void thread(unsigned index)
    {
        if (index) {
            steal_by_force();
            return;
        }
        push(0);
        push(1);
        pop();
        push(2);
        pop();
        pop();
    }
};

/* Two thieves and an owner that takes only what is its own. */
struct thieves : deque_model<thieves, 2, 4> {
    void thread(unsigned index)
    {
        if (index) {
            if (index == 1)
                steal_by_force();
            steal();
            steal();
            return;
        }
        push(0);
        push(1);
        pn_deque_publish(&deque);
        if (pn_deque_pop_if(&deque, &task[1]))
            take(&task[1]);
        push(2);
        MUST(!pn_deque_pop_if(&deque, &task[0]));
        pop();
        push(3);
        if (pn_deque_pop_if(&deque, &task[3]))
            take(&task[3]);
    }
};

/* A push without growing fails only if the ring is full of what nobody has taken. */
struct full : deque_model<full, 1, 2> {
    void thread(unsigned index)
    {
        if (index) {
            steal();
            return;
        }
        push(0);
        task[1].content($) = 2;
        if (!pn_deque_push(&deque, &task[1], false))
            task[1].taken = 1;
    }
};

static bool run()
{
    return model_all<last_entry>(3) &&
           model_all<forced_entry>(3) &&
           model_all<forced_pop>(3) &&
           model_all<forced_pops>(2) &&
           model_all<growth>(2) &&
           model_all<full>(3) &&
           model_all<since>(1) &&
           model_random<last_entry>(50000) &&
           model_random<forced_entry>(50000) &&
           model_random<forced_entries>(50000) &&
           model_random<forced_pops>(50000) &&
           model_random<growth>(50000) &&
           model_random<forced_growth>(50000) &&
           model_random<unsplit>(50000) &&
           model_random<since>(30000) &&
           model_random<two_forces>(50000) &&
           model_random<thieves>(100000);
}

static bool run_both() { return model_both_fences(run); }

int main(int count, char **arguments) { return model_main(count, arguments, run_both); }
