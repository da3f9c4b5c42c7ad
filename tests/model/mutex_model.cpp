/* SPDX-License-Identifier: MIT
 *
 * The mutex, on parking, waiters and the lock of a bucket, as they are shipped: no two hold it, who
 * holds it sees what its holders before wrote, everyone gets it, and who times out leaves nobody
 * asleep beside a free lock. A wake that is lost shows as a deadlock.
 *
 * Random executions, with fixed seeds: there are too many for all.
 */
#include "model.h"

#include "futex.h"

#include "lock.c"
#include "waiter.c"
#include "parking.c"
#include "mutex.c"

/* What the files need of others. */
_Atomic(unsigned) pn_process_count;
thread_local struct pn_context pn_context_of_thread;
int pn_io_refuse(const struct pinion_io *) { return -ENOTSUP; }
bool pn_cancel_enter(struct pinion_task *, struct pn_waiter *) { return true; }
bool pn_cancel_leave(struct pinion_task *, struct pn_waiter *) { return false; }
void pn_fork_register(enum pn_fork_rank, void (*)(void), void (*)(bool)) {}

static const struct pn_io_vtable vtable = {.park = pn_parking_park, .unpark = pn_parking_unpark};

#define DEADLINE 1 /* any that is not "never" */

template <typename T, int threads> struct mutex_model : model<T, threads> {
    struct pinion_io io;
    struct pinion_mutex mutex;
    rl::var<int> sum;
    int locked;

    void begin()
    {
        model_sleepers.clear();
        model_clock = 0;
        io.vtable = &vtable;
        io.spin_ns = 0;
        io.process = 0;
        locked = 0;
        sum($) = 0;
        pn_store_relaxed(&mutex.word, 0u);
        struct bucket *bucket = bucket_of(&mutex.word);
        bucket->head = NULL;
        bucket->tail = NULL;
    }

    void use()
    {
        sum($) = sum($) + 1; /* a race, were it not locked */
        locked++;
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
        if (!index)
            lock_and_use();
        else if (pinion_mutex_try_lock(&mutex))
            use();
    }
};

/* One of three gives up at some moment, perhaps when it has been woken. */
struct giving_up : mutex_model<giving_up, 3> {
    void thread(unsigned index)
    {
        if (index == 2)
            try_and_use(DEADLINE);
        else
            lock_and_use();
    }
};

static bool run()
{
    return model_random<two>(40000) &&
           model_random<three>(40000) &&
           model_random<trying>(20000) &&
           model_random<giving_up>(40000);
}

int main(int count, char **arguments) { return model_main(count, arguments, run); }
