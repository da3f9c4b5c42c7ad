/* SPDX-License-Identifier: MIT
 *
 * What waiting for each other costs: locks, wakes, queues; beside POSIX threads, GLib and Go.
 *
 * It measures throughput: ns from the moment when the first of a row's members begins until the
 * last has ended, divided by the operations of all. Members of pinion are parallel tasks of a pool,
 * each on a thread of its own as those of the POSIX peers are; nobody is pinned, except in the rows
 * "a CPU each". It does not measure how long a single wait may take (its tail), nor how fair it is,
 * nor fibers, nor waits with a deadline or a cancelation under way.
 *
 * Unfair in it:
 * - pinion's waits look for a while before they sleep; POSIX mutexes and conditions sleep at once.
 *   That is bought with CPU time, so the CPU time of an operation stands beside its time. It
 *   includes making the round's threads, which the time does not.
 * - Where members have to share a CPU, or the scheduler lets two that wake each other share one,
 *   that decides much of it: a wake there is a tenth of one across CPUs.
 * - pinion's waits can be canceled, the peers' can't: they do less.
 * - GLib's queue has no bound, holds pointers, and takes memory for each item from the program's
 *   malloc, jemalloc where pinion is built with that; a semaphore bounds it here.
 * - Goroutines may share a thread, and a switch between two that do needs no system call.
 */
#include "peers/child.h"
#include "sync_rows.h"

#define ROUNDS 15

static const char about[] =
    "What waiting for each other costs: locks, wakes and queues between parallel tasks of a pool,\n"
    "beside POSIX threads, GLib's GAsyncQueue and Go's channels where they are installed\n"
    "(tools/setup --peers). Throughput, not the tail of a single wait, and not fairness.\n"
    "An operation is a lock and unlock, one wake, one item that is put and got.\n";

static struct pinion_pool *make_pool(enum pinion_idle idle)
{
    /* Reserve threads stay from round to round. */
    const struct pinion_pool_options options = {.idle = idle, .retire_after = PINION_FOREVER};
    struct pinion_pool *pool;
    if (pinion_pool_create(&options, &pool))
        rounds_die("%s", pinion_error_detail());
    return pool;
}

int main(int argc, char **argv)
{
    static struct rounds rounds;
    rounds_begin(&rounds, "sync", about, ROUNDS, argc, argv);
    struct pinion_pool *adaptive = make_pool(PINION_IDLE_ADAPTIVE);
    struct pinion_pool *park = make_pool(PINION_IDLE_PARK);
    const struct sync_pools pools = {pinion_pool_io(adaptive), pinion_pool_io(park)};
    sync_add_locks(&rounds, &pools);
    sync_add_wakes(&rounds, &pools);
    sync_add_queues(&rounds, &pools);
    rounds_run(&rounds);
    child_end_all();
    pinion_pool_destroy(park);
    pinion_pool_destroy(adaptive);
    return rounds_end(&rounds);
}
