/* SPDX-License-Identifier: MIT
 *
 * A future between the thread that awaits and those who ask that its task be canceled: nobody
 * touches the task after it was freed, and what they did with it is visible to who frees it; also
 * while the first request of the process makes itself known.
 *
 * All executions with up to 4 preemptions of one requester, and random ones, with fixed seeds, of
 * two.
 */
#include "model.h"

struct pinion_task {
    rl::var<int> content, marks[2];
};

#include "future.c"

void pn_fork_register(enum pn_fork_rank, void (*)(void), void (*)(bool)) {}
bool pn_heavy_fence_prepare(void) { return true; }
void pn_heavy_fence(void) { model_heavy_fence(RL_INFO); }

/* Thread 0 uses the future, the others ask. */
template <typename T, int requesters> struct future_model : model<T, 1 + requesters> {
    struct pinion_future future;
    struct pinion_task task;

    void begin()
    {
        pn_plain_store_relaxed(&future.task, &task);
        task.content($) = 1;
        for (rl::var<int> &mark : task.marks)
            mark($) = 0;
    }

    void request(unsigned index)
    {
        struct pinion_task *held = pn_future_hold(&future);
        if (held) {
            MUST(held == &task && task.content($) == 1);
            task.marks[index - 1]($) = 1;
        }
        pn_future_let_go(&future);
    }

    void thread(unsigned index)
    {
        if (index) {
            for (int i = 0; i < T::requests; i++)
                request(index);
            return;
        }
        pn_future_retire(&future);
        task.content($) = 0; /* frees it: whoever uses it races with this */
        for (rl::var<int> &mark : task.marks)
            mark($) = 0;
    }

    void end()
    {
        MUST(pn_plain_load_relaxed(&future.task) == NULL);
        MUST(pn_load_relaxed(stripe_of(&future)) == 0);
    }
};

struct one_request : future_model<one_request, 1> {
    static const int requests = 1;
};

/* The second finds all announced. */
struct two_requests : future_model<two_requests, 1> {
    static const int requests = 2;
};

struct two_requesters : future_model<two_requesters, 2> {
    static const int requests = 1;
};

static bool run()
{
    return model_all<one_request>(4) &&
           model_all<two_requests>(3) &&
           model_all<two_requesters>(2) &&
           model_random<one_request>(50000) &&
           model_random<two_requests>(50000) &&
           model_random<two_requesters>(100000);
}

static bool run_both() { return model_both_fences(run); }

int main(int count, char **arguments) { return model_main(count, arguments, run_both); }
