/* SPDX-License-Identifier: MIT
 *
 * The lock of one word: no two hold it, who holds it sees what its holders before wrote, everyone
 * gets it (a wake that is lost shows as a deadlock).
 *
 * All executions of two threads with up to 4 preemptions; random ones, with fixed seeds, of three,
 * and with one that spins and never sleeps.
 */
#include "model.h"

#include "futex.h"

#include "lock.c"

template <typename T, int threads, unsigned spinning = threads>
struct lock_model : model<T, threads> {
    _Atomic(uint32_t) lock;
    rl::var<int> sum;

    void begin()
    {
        model_sleepers.clear();
        pn_store_relaxed(&lock, 0u);
        sum($) = 0;
    }

    void thread(unsigned index)
    {
        for (int i = 0; i < 2; i++) {
            if (index == spinning)
                pn_lock_spinning(&lock);
            else
                pn_lock(&lock);
            sum($) = sum($) + 1; /* a race, were it not locked */
            pn_unlock(&lock);
        }
    }

    void end()
    {
        MUST(sum($) == 2 * threads);
        MUST(pn_load_relaxed(&lock) == FREE);
        MUST(model_sleepers.empty());
    }
};

struct two : lock_model<two, 2> {};
struct three : lock_model<three, 3> {};
struct one_of_two_spins : lock_model<one_of_two_spins, 2, 0> {};
struct one_of_three_spins : lock_model<one_of_three_spins, 3, 0> {};

static bool run()
{
    return model_all<two>(4) &&
           model_random<two>(50000) &&
           model_random<three>(100000) &&
           model_random<one_of_two_spins>(50000) &&
           model_random<one_of_three_spins>(50000);
}

int main(int count, char **arguments) { return model_main(count, arguments, run); }
