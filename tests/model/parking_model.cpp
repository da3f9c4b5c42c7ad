/* SPDX-License-Identifier: MIT
 *
 * Parking, and the public futex on it, as they are shipped: who waits for a word to change does not
 * sleep on when it was changed and then woken, not even where the wake sees nobody and takes no
 * lock. A wake that is lost shows as a deadlock.
 *
 * All executions with up to 3 preemptions of one who waits and one who wakes; random ones, with
 * fixed seeds, also of two who wait, and of one who gives up.
 */
#include <climits>

/* Relacy has no rule for a sequentially consistent access against a fence, as C++20 has; with this a
 * change that is sequentially consistent counts as a fence. That is stronger than C++20: the model
 * does not see that the look at the word after it must be sequentially consistent, too. */
#define MODEL_CHANGE_IS_FENCE 1

#include "parking_parts.h"
#include "futex_call.c"

#define DEADLINE 1 /* any that is not "never" */

template <typename T, int waiting> struct parking_model : model<T, waiting + 1> {
    struct pinion_io io;
    _Atomic(uint32_t) word;
    rl::var<int> written;
    int left;

    void begin()
    {
        model_parking_begin(&io, &word);
        pn_store_relaxed(&word, 0u);
        written($) = 0;
        left = 0;
    }

    void wait(int64_t deadline)
    {
        int error = 0;
        while (!error && !pn_load_relaxed(&word))
            error = pinion_futex_wait_uncancelable(&io, &word, 0, deadline);
        MUST(!error || (error == -ETIMEDOUT && deadline != INT64_MAX));
        left++;
    }

    /* Relaxed: the order is parking's own. */
    void wake()
    {
        pn_store_relaxed(&word, 1u);
        pinion_futex_wake(&io, &word, UINT_MAX);
    }

    void end()
    {
        MUST(left == waiting);
        MUST(model_sleepers.empty());
        MUST(!bucket_of(&word)->head);
        MUST(pn_load_relaxed(&bucket_of(&word)->count) == 0);
    }
};

struct one_waits : parking_model<one_waits, 1> {
    void thread(unsigned index) { index ? wait(INT64_MAX) : wake(); }
};

struct two_wait : parking_model<two_wait, 2> {
    void thread(unsigned index) { index ? wait(INT64_MAX) : wake(); }
};

struct one_gives_up : parking_model<one_gives_up, 2> {
    void thread(unsigned index) { index ? wait(index == 1 ? DEADLINE : INT64_MAX) : wake(); }
};

static bool run()
{
    return model_all<one_waits>(3) &&
           model_random<one_waits>(100000) &&
           model_random<two_wait>(50000) &&
           model_random<one_gives_up>(50000);
}

int main(int count, char **arguments) { return model_main(count, arguments, run); }
