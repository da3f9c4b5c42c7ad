/* SPDX-License-Identifier: MIT
 *
 * A thread in a system call between its task and those who ask that it be canceled: a request that
 * comes before or while it waits ends it, and no signal is sent to a thread that is out of its
 * call. A request that is lost shows as a deadlock.
 *
 * With heavy fences and without. All executions with up to 3 preemptions of one requester, and
 * random ones, with fixed seeds.
 */
#include "model.h"

#include "futex.h"

#include "lock.c"
#include "spin.c"
#include "waiter.c"
#include "cancel.c"
#include "caller.c"

thread_local struct pn_context pn_context_of_thread;
__thread struct pinion_thread pinion_thread_1;

static bool has_heavy_fences;
bool pn_heavy_fence_prepare(void) { return has_heavy_fences; }
void pn_heavy_fence(void) { model_heavy_fence(RL_INFO); }

/* The signal, as the kernel keeps it for the thread that makes calls. */
static _Atomic(uint32_t) signaled;
static rl::var<int> *is_elsewhere; /* that thread runs other code, which no signal may reach */

static void send_signal(struct pn_caller *caller)
{
    MUST((*is_elsewhere)($) == 0);
    pn_store_relaxed(&caller->stub.is_canceled, 1u);
    pn_store_seq_cst(&signaled, 1u);
    pn_futex_wake(&signaled, 1);
}

void pn_interrupt_task(const struct pinion_task *task) { (void)pn_caller_find(task, send_signal); }

template <typename T, int requesters> struct caller_model : model<T, 1 + requesters> {
    struct pinion_task task;
    struct pn_caller caller;
    rl::var<int> elsewhere;

    void begin()
    {
        is_elsewhere = &elsewhere;
        elsewhere($) = 0;
        model_sleepers.clear();
        first = NULL;
        pn_store_relaxed(&lock, 0u);
        pn_store_relaxed(&listed, 0u);
        pn_store_relaxed(&signaled, 0u);
        pn_store_relaxed(&task.cancel, (uintptr_t)0);
        pn_store_relaxed(&caller.task, (struct pinion_task *)NULL);
        pn_store_relaxed(&caller.stub.is_canceled, 0u);
        task.is_protected = false;
        pn_context_of_thread.task = &task;
    }

    /* As every call: true if it was canceled. waits: until a signal comes. */
    bool call(bool waits)
    {
        const bool is_begun = pn_caller_enter(&caller, &task);
        while (is_begun && waits && !pn_load_seq_cst(&signaled))
            (void)pn_futex_wait(&signaled, 0, INT64_MAX);
        if (!pn_caller_leave(&caller, &task)) {
            MUST(!waits);
            return false;
        }
        (void)pn_caller_settle(&caller);
        pn_store_seq_cst(&signaled, 0u); /* it has arrived */
        elsewhere($) = 1;
        MUST(pn_load_relaxed(&caller.stub.is_canceled) == 0);
        elsewhere($) = 0;
        return (waits || !is_begun) && pn_cancel_deliver(&task);
    }

    void end()
    {
        MUST(model_sleepers.empty());
        MUST(first == NULL && pn_load_relaxed(&listed) == 0);
        MUST(pn_load_relaxed(&signaled) == 0);
        MUST(pn_load_relaxed(&task.cancel) == PN_CANCEL_REQUESTED); /* and nothing is pending */
    }
};

/* One call that waits until it is canceled, on a thread that no canceler knows before. */
struct waiting : caller_model<waiting, 1> {
    void thread(unsigned index)
    {
        if (index) {
            pn_cancel_request(&task);
            return;
        }
        pn_caller_list(&caller);
        MUST(call(true));
        pn_caller_unlist(&caller);
    }
};

/* One that ends by itself, then one that waits: the request is for either. */
struct ended : caller_model<ended, 1> {
    void thread(unsigned index)
    {
        if (index) {
            pn_cancel_request(&task);
            return;
        }
        pn_caller_list(&caller);
        if (!call(false))
            MUST(call(true));
        pn_caller_unlist(&caller);
    }
};

/* A request that is delivered elsewhere ends no call that is made after. */
struct delivered : caller_model<delivered, 1> {
    void thread(unsigned index)
    {
        if (index) {
            pn_cancel_request(&task);
            return;
        }
        pn_caller_list(&caller);
        const bool is_delivered = pn_cancel_deliver(&task);
        const bool is_canceled = call(false);
        MUST(!is_delivered || !is_canceled);
        if (!is_delivered && !is_canceled)
            MUST(call(true));
        pn_caller_unlist(&caller);
    }
};

struct two_requests : caller_model<two_requests, 2> {
    void thread(unsigned index)
    {
        if (index) {
            pn_cancel_request(&task);
            return;
        }
        pn_caller_list(&caller);
        MUST(call(true));
        pn_caller_unlist(&caller);
    }
};

static bool run_all()
{
    return model_all<waiting>(3) &&
           model_all<ended>(3) &&
           model_all<delivered>(2) &&
           model_random<waiting>(30000) &&
           model_random<ended>(30000) &&
           model_random<delivered>(30000) &&
           model_random<two_requests>(30000);
}

static bool run()
{
    has_heavy_fences = false;
    if (!run_all())
        return false;
    has_heavy_fences = true;
    return model_both_fences(run_all);
}

int main(int count, char **arguments) { return model_main(count, arguments, run); }
