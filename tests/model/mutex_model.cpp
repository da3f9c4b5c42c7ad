/* SPDX-License-Identifier: MIT
 *
 * The mutex, on parking, waiters and the lock of a bucket, as they are shipped: no two hold it, who
 * holds it sees what its holders before wrote, everyone gets it, and who times out leaves nobody
 * asleep beside a free lock. A wake that is lost shows as a deadlock.
 *
 * Random executions, with fixed seeds: there are too many for all.
 */
#include "model.h"

#include "parking_parts.h"
#include "mutex.c"

#define DEADLINE 1 /* any that is not "never" */

template <typename T, int threads> struct mutex_model : model<T, threads> {
    struct pinion_io io;
    struct pinion_mutex mutex;
    rl::var<int> sum;
    int locked;
    _Atomic(uint32_t) work;

    void begin()
    {
        model_parking_begin(&io, &mutex.word);
        locked = 0;
        pn_store_relaxed(&work, 0u);
        sum($) = 0;
        pn_store_relaxed(&mutex.word, 0u);
    }

    void use()
    {
        sum($) = sum($) + 1; /* a race, were it not locked */
        locked++;
        for (int i = 0; i < 8; i++)
            (void)pn_load_relaxed(&work); /* steps, in which others find it locked */
        pinion_mutex_unlock(&io, &mutex);
    }

    void lock_and_use()
    {
        MUST(pn_mutex_lock(&io, &mutex, PN_UNCANCELABLE(INT64_MAX)) == 0);
        use();
    }

    void try_and_use(int64_t deadline)
    {
        if (pn_mutex_lock(&io, &mutex, PN_UNCANCELABLE(deadline)) == 0)
            use();
    }

    void end()
    {
        MUST(sum($) == locked);
        MUST(pn_load_relaxed(&mutex.word) == 0);
        MUST(model_sleepers.empty());
    }
};

struct two : mutex_model<two, 2> {
    void thread(unsigned)
    {
        lock_and_use();
        lock_and_use();
    }
};

struct three : mutex_model<three, 3> {
    void thread(unsigned)
    {
        lock_and_use();
        lock_and_use();
    }
};

struct trying : mutex_model<trying, 2> {
    void thread(unsigned index)
    {
        if (!index) {
            lock_and_use();
            return;
        }
        for (int i = 0; i < 4; i++) /* before, while and after the other has it */
            if (pinion_mutex_try_lock(&mutex))
                use();
    }
};

/* One of three gives up at some moment, perhaps when it has been woken. */
struct giving_up : mutex_model<giving_up, 3> {
    void thread(unsigned index)
    {
        if (index == 2) {
            try_and_use(DEADLINE);
            return;
        }
        for (int i = 0; i < 4; i++)
            lock_and_use();
    }
};

/* As for one that is canceled after it was woken and was not the fastest, before it parks again. */
static int park_once(struct pinion_io *io, struct pn_park *park, const struct pn_how *how)
{
    return park->goes_first ? -ECANCELED : pn_parking_park(io, park, how);
}

/* So the wake that it had must be passed on. */
struct woken_gives_up : mutex_model<woken_gives_up, 3> {
    void thread(unsigned index)
    {
        if (index < 2) {
            lock_and_use();
            lock_and_use();
            return;
        }
        static const struct pn_io_vtable once = {.park = park_once, .unpark = pn_parking_unpark};
        struct pinion_io other = io;
        other.vtable = &once;
        if (pn_mutex_lock(&other, &mutex, PN_UNCANCELABLE(INT64_MAX)) == 0)
            use();
    }
};

static bool run()
{
    return model_random<two>(40000) &&
           model_random<three>(40000) &&
           model_random<trying>(20000) &&
           model_random<giving_up>(40000) &&
           model_random<woken_gives_up>(60000);
}

int main(int count, char **arguments) { return model_main(count, arguments, run); }
