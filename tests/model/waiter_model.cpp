/* SPDX-License-Identifier: MIT
 *
 * The waiter: who waits returns once what it waits for was signaled, sees what the signalers wrote
 * before, and may go at once, since nobody touches the waiter after its last signal. A wake that is
 * lost shows as a deadlock.
 *
 * All executions with up to 3 preemptions of one waiter and one signaler, up to 2 with two of them;
 * and random ones, with fixed seeds.
 */
#include "model.h"

#include "futex.h"

#include "spin.c"
#include "waiter.c"

_Thread_local struct pn_context pn_context_of_thread; /* of no fiber */

#define DEADLINE 1 /* any that is not "never" */

/* Thread 0 waits, the others signal. */
template <typename T, int signalers> struct waiter_model : model<T, 1 + signalers> {
    struct pn_waiter waiter;
    rl::var<int> written[signalers + 1];

    void begin()
    {
        model_sleepers.clear();
        pn_waiter_init(&waiter);
        for (rl::var<int> &one : written)
            one($) = 0;
    }

    void signal(unsigned index, uint32_t what)
    {
        written[index]($) = 1;
        pn_waiter_signal(&waiter, what);
    }

    /* What the first so many signalers wrote is visible, and the waiter is gone. */
    void leave(unsigned count)
    {
        for (unsigned i = 1; i <= count; i++)
            MUST(written[i]($) == 1);
        model_leave(&waiter, sizeof waiter);
    }

    void end() { MUST(model_sleepers.empty()); }
};

struct one_signal : waiter_model<one_signal, 1> {
    void thread(unsigned index)
    {
        if (index) {
            signal(index, PN_WAITER_FIRED);
            return;
        }
        MUST(pn_waiter_wait(&waiter, 1, false, INT64_MAX, 0));
        MUST(pn_waiter_has_fired(&waiter));
        leave(1);
    }
};

struct spinning : waiter_model<spinning, 1> {
    void thread(unsigned index)
    {
        if (index) {
            signal(index, PN_WAITER_FIRED);
            return;
        }
        MUST(pn_waiter_wait(&waiter, 1, false, INT64_MAX, INT64_MAX));
        leave(1);
    }
};

/* has_fired alone tells, too. */
struct polling : waiter_model<polling, 1> {
    void thread(unsigned index)
    {
        if (index) {
            signal(index, PN_WAITER_FIRED);
            return;
        }
        while (!pn_waiter_has_fired(&waiter))
            pn_pause();
        leave(1);
    }
};

/* Two things waited for at once. */
struct two_signals : waiter_model<two_signals, 2> {
    void thread(unsigned index)
    {
        if (index) {
            signal(index, PN_WAITER_FIRED);
            return;
        }
        MUST(pn_waiter_wait(&waiter, 2, false, INT64_MAX, 0));
        leave(2);
    }
};

/* A cancel and a signal: whichever comes first ends the wait; both are waited for. */
struct canceled : waiter_model<canceled, 2> {
    void thread(unsigned index)
    {
        if (index) {
            signal(index, index == 1 ? PN_WAITER_FIRED : PN_WAITER_CANCELED);
            return;
        }
        MUST(pn_waiter_wait(&waiter, 1, true, INT64_MAX, 0));
        if (pn_waiter_has_fired(&waiter))
            MUST(written[1]($) == 1);
        else
            MUST(written[2]($) == 1);
        pn_waiter_wait_canceled(&waiter);
        MUST(pn_waiter_wait(&waiter, 1, false, INT64_MAX, 0));
        leave(2);
    }
};

/* Who gives up takes itself out of the slot, or else waits for the signal that it is owed. */
struct given_up : waiter_model<given_up, 1> {
    _Atomic(uint32_t) slot;
    bool is_over;

    void begin()
    {
        waiter_model::begin();
        pn_store_relaxed(&slot, 1u);
        is_over = false;
    }

    void thread(unsigned index)
    {
        if (index) {
            if (pn_exchange_relaxed(&slot, 0u))
                signal(index, PN_WAITER_FIRED);
            return;
        }
        if (pn_waiter_wait(&waiter, 1, false, DEADLINE, 0)) {
            leave(1);
        } else if (pn_exchange_relaxed(&slot, 0u)) {
            leave(0);
        } else {
            MUST(pn_waiter_wait(&waiter, 1, false, INT64_MAX, 0));
            leave(1);
        }
        is_over = true;
    }

    void end()
    {
        waiter_model::end();
        MUST(is_over);
    }
};

/* A fiber: it sleeps in its own way, and is resumed once if it was parked, else not at all. */
struct resumed : waiter_model<resumed, 2> {
    static inline _Atomic(uint32_t) resumes;
    static inline rl::var<int> *link_of; /* what its own thread and then who wakes it links it by */
    rl::var<int> link;

    static void resume(pn_sleeper *)
    {
        (*link_of)($) = 2;
        MUST(pn_fetch_add_acq_rel(&resumes, 1u) == 0); /* as a hand-over orders it */
        pn_futex_wake(&resumes, 1);
    }

    static bool sleep(pn_sleeper *, pn_waiter *, int64_t)
    {
        while (!pn_load_acquire(&resumes))
            (void)pn_futex_wait(&resumes, 0, INT64_MAX);
        return true;
    }

    static const pn_ways *ways()
    {
        static pn_ways of_a_fiber;
        of_a_fiber.sleep = sleep;
        of_a_fiber.wake = resume;
        return &of_a_fiber;
    }

    pn_sleeper fiber;

    void begin()
    {
        waiter_model::begin();
        pn_store_relaxed(&resumes, 0u);
        link_of = &link;
        fiber.ways = ways();
        waiter.sleeper = &fiber;
    }

    void thread(unsigned index)
    {
        if (index) {
            signal(index, PN_WAITER_FIRED);
            return;
        }
        link($) = 1;
        MUST(pn_waiter_wait(&waiter, 1, false, INT64_MAX, 0));
        (void)(int)link($);
    }
};

static bool run()
{
    return model_all<one_signal>(3) &&
           model_all<polling>(3) &&
           model_all<given_up>(3) &&
           model_all<two_signals>(2) &&
           model_all<canceled>(2) &&
           model_all<resumed>(2) &&
           model_random<one_signal>(100000) &&
           model_random<spinning>(50000) &&
           model_random<two_signals>(100000) &&
           model_random<canceled>(100000) &&
           model_random<given_up>(100000);
}

int main(int count, char **arguments) { return model_main(count, arguments, run); }
