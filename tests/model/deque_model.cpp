/* SPDX-License-Identifier: MIT
 *
 * The deque: whatever its owner pushes is taken exactly once, by the owner or by a thief, and what
 * the owner wrote to it before is visible to who takes it; also while it grows.
 *
 * All executions of one owner and one thief with up to 3 preemptions, and random ones, with fixed
 * seeds, of an owner and two thieves.
 */
#include "model.h"

#include "futex.h"

struct pinion_task {
    rl::var<int> content;
    int taken;
};

#include "lock.c"
#include "deque.c"

bool pn_heavy_fence_prepare(void) { return true; }
void pn_heavy_fence(void) { pn_fence_seq_cst(); }

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
        take(pn_deque_pop(&deque));
        push(1);
        pn_deque_publish(&deque);
        take(pn_deque_pop(&deque));
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
        take(pn_deque_pop(&deque));
        push(1);
        take(pn_deque_pop(&deque));
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
        take(pn_deque_pop(&deque));
        push(2);
        take(pn_deque_pop(&deque));
        take(pn_deque_pop(&deque));
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
        take(pn_deque_pop(&deque));
        take(pn_deque_pop(&deque));
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
        take(pn_deque_pop(&deque));
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
           model_all<growth>(2) &&
           model_all<full>(3) &&
           model_random<last_entry>(100000) &&
           model_random<forced_entry>(100000) &&
           model_random<forced_entries>(100000) &&
           model_random<growth>(100000) &&
           model_random<thieves>(200000);
}

int main(int count, char **arguments) { return model_main(count, arguments, run); }
