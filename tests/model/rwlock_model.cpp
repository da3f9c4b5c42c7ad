/* SPDX-License-Identifier: MIT
 *
 * The lock of one writer or many readers, on parking, waiters and the lock of a bucket, as they are
 * shipped: a writer has it alone, who holds it sees what the writers before wrote, everyone gets
 * it, also where who waits gives up, and at the end it is free. A wake that is lost shows as a
 * deadlock.
 *
 * Random executions, with fixed seeds: there are too many for all.
 */
#include "model.h"

#include "parking_parts.h"
#include "rwlock.c"

#define DEADLINE 1 /* any that is not "never" */

template <typename T, int threads> struct rwlock_model : model<T, threads> {
    struct pinion_io io;
    struct pinion_rwlock lock;
    rl::var<int> sum;
    int written;
    _Atomic(uint32_t) work;

    void begin()
    {
        model_parking_begin(&io, &lock.word);
        written = 0;
        pn_store_relaxed(&work, 0u);
        sum($) = 0;
        pn_store_relaxed(&lock.word, 0u);
    }

    void hold()
    {
        for (int i = 0; i < 4; i++)
            (void)pn_load_relaxed(&work); /* steps, in which others find it held */
    }

    /* Each races with what it is not to meet. */
    void write(int64_t deadline)
    {
        if (lock_as(&io, &lock, WRITER, PN_UNCANCELABLE(deadline)))
            return;
        sum($) = sum($) + 1;
        written++;
        hold();
        unlock(&io, &lock, WRITER);
    }

    void read(int64_t deadline)
    {
        if (!lock_as(&io, &lock, READER, PN_UNCANCELABLE(deadline)))
            see_and_unlock();
    }

    void see_and_unlock()
    {
        const int seen = sum($);
        MUST(seen >= 0);
        hold();
        unlock(&io, &lock, READER);
    }

    void end()
    {
        MUST(sum($) == written);
        MUST(pn_load_relaxed(&lock.word) == 0);
        MUST(model_sleepers.empty());
    }
};

struct writers : rwlock_model<writers, 3> {
    void thread(unsigned)
    {
        write(INT64_MAX);
        write(INT64_MAX);
    }
};

struct readers_and_writers : rwlock_model<readers_and_writers, 4> {
    void thread(unsigned index)
    {
        for (int i = 0; i < 2; i++)
            if (index % 2)
                write(INT64_MAX);
            else
                read(INT64_MAX);
    }
};

/* Those of odd index give up at some moment, perhaps when they have been woken. */
struct giving_up : rwlock_model<giving_up, 4> {
    void thread(unsigned index)
    {
        for (int i = 0; i < 3; i++)
            if (index < 2)
                write(index % 2 ? DEADLINE : INT64_MAX);
            else
                read(index % 2 ? DEADLINE : INT64_MAX);
    }
};

struct writers_giving_up : rwlock_model<writers_giving_up, 4> {
    void thread(unsigned index)
    {
        for (int i = 0; i < 3; i++)
            write(index % 2 ? DEADLINE : INT64_MAX);
    }
};

/* A try fails only where a writer is, or somebody is parked. */
struct trying : rwlock_model<trying, 3> {
    void thread(unsigned)
    {
        MUST(pinion_rwlock_try_read_lock(&lock));
        see_and_unlock();
    }
};

/* As for one that is canceled after it was woken and was not the fastest, before it parks again. */
static int park_once(struct pinion_io *io, struct pn_park *park, const struct pn_how *how)
{
    return park->goes_first ? -ECANCELED : pn_parking_park(io, park, how);
}

/* So the wake that it had must be another's. */
struct woken_gives_up : rwlock_model<woken_gives_up, 3> {
    void thread(unsigned index)
    {
        if (index < 2) {
            write(INT64_MAX);
            write(INT64_MAX);
            return;
        }
        static const struct pn_io_vtable once = {.park = park_once, .unpark = pn_parking_unpark};
        struct pinion_io other = io;
        other.vtable = &once;
        if (lock_as(&other, &lock, READER, PN_UNCANCELABLE(INT64_MAX)) == 0)
            see_and_unlock();
    }
};

static bool run()
{
    return model_random<writers>(20000) &&
           model_random<readers_and_writers>(20000) &&
           model_random<giving_up>(40000) &&
           model_random<writers_giving_up>(40000) &&
           model_random<trying>(5000) &&
           model_random<woken_gives_up>(30000);
}

int main(int count, char **arguments) { return model_main(count, arguments, run); }
