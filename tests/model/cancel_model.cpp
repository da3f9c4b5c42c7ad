/* SPDX-License-Identifier: MIT
 *
 * A task's cancel word between the task, which waits, and those who ask that it be canceled: the
 * wait ends, once; the task sees what they wrote before; and nobody touches the waiter after its
 * wait has ended. A request that is lost shows as a deadlock.
 *
 * All executions with up to 3 preemptions of one requester, up to 2 of two; and random ones, with
 * fixed seeds.
 */
#include "model.h"

#include "futex.h"

#include "spin.c"
#include "waiter.c"
#include "cancel.c"

thread_local struct pn_context pn_context_of_thread;
__thread struct pinion_thread pinion_thread_1;

/* Stands for the plain fields of a waiter: written by who waits, read by who cancels the wait. */
static rl::var<int> *fields;

void pn_interrupt_task(const struct pinion_task *) {} /* it is in no system call */

static void interrupt(pn_waiter *) { MUST((*fields)($) == 1); }

/* Thread 0 is the task's, the others ask. */
template <typename T, int requesters> struct cancel_model : model<T, 1 + requesters> {
    struct pinion_task task;
    rl::var<int> reason[requesters + 1];
    rl::var<int> waiting;

    void begin()
    {
        fields = &waiting;
        waiting($) = 0;
        model_sleepers.clear();
        pn_store_relaxed(&task.cancel, (uintptr_t)0);
        task.is_protected = false;
        pn_context_of_thread.task = &task;
        for (rl::var<int> &one : reason)
            one($) = 0;
    }

    void request(unsigned index)
    {
        reason[index]($) = 1;
        pn_cancel_request(&task);
    }

    /* As every cancelable call: true if it was canceled. */
    bool wait()
    {
        alignas(PN_WAITER_ALIGN) struct pn_waiter waiter;
        pn_waiter_init(&waiter);
        waiter.interrupt = interrupt;
        waiting($) = 1;
        if (pn_cancel_enter(&task, &waiter)) {
            MUST(pn_waiter_wait(&waiter, 1, true, INT64_MAX, 0));
            MUST(!pn_waiter_has_fired(&waiter));
            MUST(pn_cancel_leave(&task, &waiter));
        }
        return pn_cancel_deliver(&task);
    }

    void end()
    {
        MUST(model_sleepers.empty());
        MUST(pn_load_relaxed(&task.cancel) == PN_CANCEL_REQUESTED); /* and nothing is pending */
    }
};

struct one_request : cancel_model<one_request, 1> {
    void thread(unsigned index)
    {
        if (index) {
            request(index);
            return;
        }
        MUST(wait());
        MUST(reason[1]($) == 1);
        MUST(!pn_cancel_deliver(&task));
    }
};

struct two_requests : cancel_model<two_requests, 2> {
    void thread(unsigned index)
    {
        if (index)
            request(index);
        else
            MUST(wait());
    }
};

/* One that only looks. */
struct polling : cancel_model<polling, 1> {
    void thread(unsigned index)
    {
        if (index) {
            request(index);
            return;
        }
        while (!pinion_cancel_requested(NULL))
            pn_pause();
        MUST(reason[1]($) == 1);
        MUST(pinion_check_cancel(NULL) == -ECANCELED);
    }
};

/* A wait that ends by itself at the same time leaves the request to the next one. */
struct ended : cancel_model<ended, 1> {
    void thread(unsigned index)
    {
        if (index) {
            request(index);
            return;
        }
        alignas(PN_WAITER_ALIGN) struct pn_waiter waiter;
        pn_waiter_init(&waiter);
        if (pn_cancel_enter(&task, &waiter))
            (void)pn_cancel_leave(&task, &waiter);
        model_leave(&waiter, sizeof waiter);
        MUST(wait());
        MUST(reason[1]($) == 1);
    }
};

/* A request of its maker's shows, and doesn't end its wait; one of its own does. */
struct shown : cancel_model<shown, 2> {
    void thread(unsigned index)
    {
        if (index == 1)
            request(index);
        else if (index == 2)
            pn_cancel_show(&task);
        else
            MUST(wait());
    }
};

/* It does not get lost beside a wait, and who sees it sees why. */
struct shown_alone : cancel_model<shown_alone, 1> {
    void thread(unsigned index)
    {
        if (index) {
            reason[1]($) = 1;
            pn_cancel_show(&task);
            return;
        }
        alignas(PN_WAITER_ALIGN) struct pn_waiter waiter;
        pn_waiter_init(&waiter);
        MUST(pn_cancel_enter(&task, &waiter));
        MUST(!pn_cancel_leave(&task, &waiter));
        while (!pinion_cancel_requested(NULL))
            pn_pause();
        MUST(reason[1]($) == 1);
        MUST(pinion_check_cancel(NULL) == 0);
    }

    void end()
    {
        const uintptr_t shown_only = PN_CANCEL_REQUESTED | PN_CANCEL_INHERITED;
        MUST(pn_load_relaxed(&task.cancel) == shown_only);
    }
};

/* What was delivered is pending again for what the task begins next. */
struct renewed : cancel_model<renewed, 1> {
    void thread(unsigned index)
    {
        if (index) {
            request(index);
            return;
        }
        (void)pn_cancel_deliver(&task); /* or it comes later */
        pn_cancel_renew(&task, false);
        MUST(wait());
        MUST(reason[1]($) == 1);
    }
};

static bool run()
{
    return model_all<one_request>(3) &&
           model_all<two_requests>(2) &&
           model_all<polling>(3) &&
           model_all<ended>(3) &&
           model_all<shown>(2) &&
           model_all<shown_alone>(3) &&
           model_all<renewed>(3) &&
           model_random<one_request>(50000) &&
           model_random<two_requests>(50000) &&
           model_random<ended>(50000) &&
           model_random<shown>(50000) &&
           model_random<renewed>(50000);
}

int main(int count, char **arguments) { return model_main(count, arguments, run); }
