/* SPDX-License-Identifier: MIT
 *
 * A bias over a lock: what one thread does inside and what others do in the lock never meets, and
 * is seen by who comes next; and who writes a want, orders it as a queue's sleeper does, and looks
 * whether there is something, is seen by who put that there, or sees it.
 *
 * All executions with up to 2 to 4 preemptions of two, and random ones, with fixed seeds, of three.
 */
#include "model.h"

#include "futex.h"

#include "lock.c"

#define PN_USES_ALONE 2u

/* Each of the model's threads has its own. */
#define PN_CONTEXT_H
struct pn_context {
    long any;
};
static struct pn_context contexts[3];
static struct pn_context *pn_context() { return &contexts[rl::ctx().threadx_->index_]; }

bool pn_heavy_fence_prepare(void) { return true; }
void pn_heavy_fence(void) { model_heavy_fence(RL_INFO); }

#include "bias.c"

template <typename T, int threads> struct bias_model : model<T, threads> {
    struct pinion_bias bias;
    _Atomic(uint32_t) lock;
    rl::var<int> sum;

    /* has_owner: thread 0. */
    void begin_bias(bool has_owner)
    {
        model_sleepers.clear();
        pn_lock_init(&lock, true);
        pn_store_relaxed(&bias.owner, has_owner ? (uintptr_t)&contexts[0] | 1 : (uintptr_t)0);
        pn_store_relaxed(&bias.is_inside, 0u);
        bias.uses = 0;
        sum($) = 0;
    }

    void add() { sum($) = sum($) + 1; } /* a race, were it not alone */

    void use()
    {
        if (pn_bias_enter(&bias)) {
            add();
            pn_bias_leave(&bias);
            return;
        }
        pn_bias_come(&bias, true);
        pn_lock(&lock);
        add();
        pn_unlock(&lock);
    }
};

template <typename T, int threads, bool has_owner = false> struct users : bias_model<T, threads> {
    void begin() { this->begin_bias(has_owner); }

    /* The first comes to own it, if it is not disturbed. */
    void thread(unsigned index)
    {
        const int uses = index ? T::others_uses : 4;
        for (int i = 0; i < uses; i++)
            this->use();
    }

    void end() { MUST(this->sum($) == 4 + (threads - 1) * T::others_uses); }
};

struct two_users : users<two_users, 2> {
    static const int others_uses = 1;
};

struct two_users_often : users<two_users_often, 2> {
    static const int others_uses = 3;
};

struct three_users : users<three_users, 3> {
    static const int others_uses = 2;
};

enum order { BY_HEAVY_FENCE, BY_END };

struct two_users_owned : users<two_users_owned, 2, true> {
    static const int others_uses = 2;
};

struct three_users_owned : users<three_users_owned, 3, true> {
    static const int others_uses = 1;
};

/* Thread 0 puts something there at its last use, thread 1 wants it; a third ends the bias. */
template <typename T, enum order order, int puts_at, int threads = 2, bool has_owner = false>
struct wanting : bias_model<T, threads> {
    _Atomic(uint32_t) is_there, is_wanted;
    bool was_wanted, was_there;

    void begin()
    {
        this->begin_bias(has_owner);
        pn_store_relaxed(&is_there, 0u);
        pn_store_relaxed(&is_wanted, 0u);
    }

    void put()
    {
        if (pn_bias_enter(&this->bias)) {
            pn_store_release(&is_there, 1u);
            pn_light_fence();
            was_wanted = pn_load_relaxed(&is_wanted);
            pn_bias_leave(&this->bias);
            return;
        }
        pn_bias_come(&this->bias, true);
        (void)pn_exchange_seq_cst(&is_there, 1u);
        was_wanted = pn_load_seq_cst(&is_wanted);
    }

    void want()
    {
        pn_store_seq_cst(&is_wanted, 1u);
        const bool is_others = pn_bias_is_others(&this->bias);
        if (is_others && order == BY_END)
            pn_bias_end(&this->bias);
        if (is_others && order == BY_HEAVY_FENCE)
            pn_heavy_fence();
        was_there = pn_load_seq_cst(&is_there);
    }

    void thread(unsigned index)
    {
        if (index == 1)
            want();
        if (index == 2)
            pn_bias_end(&this->bias);
        if (index)
            return;
        for (int i = 1; i < puts_at; i++)
            this->use();
        put();
    }

    void end() { MUST(was_wanted || was_there); }
};

struct wanting_alone : wanting<wanting_alone, BY_HEAVY_FENCE, 4> {};
struct wanting_ended : wanting<wanting_ended, BY_END, 4> {};
struct wanting_beside : wanting<wanting_beside, BY_HEAVY_FENCE, 2, 3, true> {};
struct wanting_at_once : wanting<wanting_at_once, BY_HEAVY_FENCE, 1> {};

/* Two are put, by who has the bias, and wanted in turn: the first by a heavy fence, behind which all
 * that is put is fenced, so that the second is by full fences alone. */
struct wanting_fenced : bias_model<wanting_fenced, 2> {
    _Atomic(uint32_t) put_so_far, wanted, is_fenced;
    bool was_woken[3], was_there[3];

    void begin()
    {
        begin_bias(true);
        pn_store_relaxed(&put_so_far, 0u);
        pn_store_relaxed(&wanted, 0u);
        pn_store_relaxed(&is_fenced, 0u);
        memset(was_woken, 0, sizeof was_woken);
        memset(was_there, 0, sizeof was_there);
    }

    void put(uint32_t count)
    {
        MUST(pn_bias_enter(&bias));
        pn_store_release(&put_so_far, count);
        pn_light_fence();
        if (pn_load_relaxed(&is_fenced))
            pn_fence_seq_cst();
        const uint32_t want = pn_load_relaxed(&wanted);
        pn_bias_leave(&bias);
        if (want && want <= count)
            was_woken[want] = true;
    }

    void want(uint32_t count, bool is_first)
    {
        pn_store_seq_cst(&wanted, count);
        MUST(pn_bias_is_others(&bias));
        if (is_first) {
            pn_store_relaxed(&is_fenced, 1u);
            pn_heavy_fence();
        }
        was_there[count] = pn_load_seq_cst(&put_so_far) >= count;
    }

    void thread(unsigned index)
    {
        if (index) {
            want(1, true);
            want(2, false);
            return;
        }
        put(1);
        put(2);
    }

    /* Who asked for one more before the first came would have slept: that want may be lost here. */
    void end() { MUST(was_woken[2] || was_there[2]); }
};

static bool run()
{
    return model_all<two_users>(2) &&
           model_all<wanting_alone>(4) &&
           model_all<wanting_ended>(3) &&
           model_all<wanting_fenced>(4) &&
           model_all<wanting_at_once>(4) &&
           model_random<two_users>(50000) &&
           model_random<two_users_often>(50000) &&
           model_random<three_users>(100000) &&
           model_random<two_users_owned>(50000) &&
           model_random<three_users_owned>(100000) &&
           model_random<wanting_beside>(100000) &&
           model_random<wanting_alone>(50000) &&
           model_random<wanting_ended>(50000);
}

static bool run_both() { return model_both_fences(run); }

int main(int count, char **arguments) { return model_main(count, arguments, run_both); }
