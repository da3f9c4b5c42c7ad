/* SPDX-License-Identifier: MIT
 *
 * The lock of one word: no two hold it, who holds it sees what its holders before wrote, everyone
 * gets it (a wake that is lost shows as a deadlock).
 *
 * All executions of two threads with up to 4 preemptions; random ones, with fixed seeds, of three;
 * also where nobody sleeps.
 */
#include "model.h"

#include "futex.h"

#include "lock.c"

template <typename T, int threads, bool is_spinning = false>
struct lock_model : model<T, threads> {
    _Atomic(uint32_t) lock;
    rl::var<int> sum;

    void begin()
    {
        model_sleepers.clear();
        pn_lock_init(&lock, is_spinning);
        sum($) = 0;
    }

    void thread(unsigned)
    {
        for (int i = 0; i < 2; i++) {
            pn_lock(&lock);
            sum($) = sum($) + 1; /* a race, were it not locked */
            pn_unlock(&lock);
        }
    }

    void end()
    {
        MUST(sum($) == 2 * threads);
        MUST(pn_load_relaxed(&lock) == (is_spinning ? SPINNING : FREE));
        MUST(model_sleepers.empty());
    }
};

struct two : lock_model<two, 2> {};
struct three : lock_model<three, 3> {};
struct two_spin : lock_model<two_spin, 2, true> {};
struct three_spin : lock_model<three_spin, 3, true> {};

static bool run()
{
    return model_all<two>(4) &&
           model_random<two>(50000) &&
           model_random<three>(100000) &&
           model_random<two_spin>(50000) &&
           model_random<three_spin>(50000);
}

int main(int count, char **arguments) { return model_main(count, arguments, run); }
