/* SPDX-License-Identifier: MIT
 *
 * What tracing costs: an event, beside a look at the clock; and tasks of 10 µs, all of them queued,
 * beside the same without a trace.
 *
 * An event is that of pinion_task_name, which also copies 16 bytes; the thread that brings events
 * to the file is given the time to do so between some thousand, and its time counts as no event's.
 * In the tasks' rows it does count: they use every CPU, and it takes from them what it needs. The
 * file is in the folder for temporary files, which should be memory: a disk's speed is not
 * measured.
 */
#include <pinion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rounds.h"

#define ROUNDS  15
#define EVENTS  8192 /* a quarter of a ring */
#define WARM    (4 * EVENTS) /* until all of the ring's pages are there */
#define FAN     256
#define TASK_NS 10000

static const char about[] =
    "What tracing costs: an event, beside a look at the clock; and tasks of 10 µs, of which 256\n"
    "are queued and awaited at a time, beside the same without a trace. Not what a disk takes to\n"
    "write the file.\n";

static char path[256];

static void begin(void)
{
    if (pinion_trace_start(path, NULL))
        rounds_die("no trace: %s", pinion_error_detail());
}

static void end(void)
{
    struct pinion_trace_stats stats;
    if (pinion_trace_stop())
        rounds_die("the trace ended: %s", pinion_error_detail());
    pinion_trace_stats(&stats);
    if (stats.dropped)
        rounds_die("%llu events were lost", (unsigned long long)stats.dropped);
}

/* ---- an event ---- */

static int64_t look_at_clock(void *unused, uint64_t n)
{
    struct timespec now;
    (void)unused;
    const int64_t start = rounds_now();
    for (uint64_t i = 0; i < n; i++)
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return rounds_now() - start;
}

/* Until all that was written is in the file, so that the ring has room. */
static void wait_for_drain(uint64_t events)
{
    struct pinion_trace_stats stats;
    const struct timespec nap = {.tv_nsec = 1000000};
    while (pinion_trace_stats(&stats), stats.is_on && stats.events < events)
        (void)nanosleep(&nap, NULL);
}

PINION_TASK(int64_t, write_events, (uint64_t, n))
{
    int64_t ns = 0;
    n += WARM;
    for (uint64_t i = 0; i < n; i += EVENTS) {
        const int64_t start = rounds_now();
        for (uint64_t j = 0; j < EVENTS; j++)
            pinion_task_name("name");
        ns += i < WARM ? 0 : rounds_now() - start;
        wait_for_drain(i + EVENTS);
    }
    return ns;
}

static int64_t write_traced(void *io, uint64_t n)
{
    struct write_events_future future;
    begin();
    if (write_events_parallel(io, &future, n))
        rounds_die("no parallel task: %s", pinion_error_detail());
    const int64_t ns = write_events_await(io, &future);
    end();
    return ns;
}

/* ---- tasks ---- */

static uint64_t steps; /* that take TASK_NS */

PINION_TASK(uint64_t, work, (uint64_t, x))
{
    for (uint64_t i = 0; i < steps; i++)
        x = x * 6364136223846793005u + 1442695040888963407u; /* one after the other */
    return x;
}

/* The fastest of some: what disturbs it makes it longer. */
static void find_steps(void)
{
    int64_t best = INT64_MAX;
    volatile uint64_t x = 1;
    steps = 1000;
    for (int i = 0; i < 200; i++) {
        const int64_t start = rounds_now();
        x = work(x);
        const int64_t ns = rounds_now() - start;
        best = ns < best ? ns : best;
    }
    steps = steps * TASK_NS / (uint64_t)best;
}

static int64_t fan_out(void *io, uint64_t n)
{
    struct work_future futures[FAN];
    const int64_t start = rounds_now();
    for (uint64_t i = 0; i < n; i += FAN) {
        for (int j = 0; j < FAN; j++)
            futures[j] = work_async(io, i);
        /* The youngest first, as a thief takes the oldest: else both are after the same ones. */
        for (int j = FAN; j-- > 0;)
            (void)work_await(io, &futures[j]);
    }
    return rounds_now() - start;
}

static int64_t fan_out_traced(void *io, uint64_t n)
{
    begin();
    const int64_t ns = fan_out(io, n);
    end();
    return ns;
}

int main(int argc, char **argv)
{
    static struct rounds rounds;
    struct pinion_pool *pool;
    rounds_begin(&rounds, "trace", about, ROUNDS, argc, argv);
    const char *folder = getenv("TMPDIR");
    (void)snprintf(path, sizeof path, "%s/pinion-bench-%ld.pftrace", folder ? folder : "/tmp",
                   (long)getpid());
    const struct pinion_pool_options options = {.eager = true};
    if (pinion_pool_create(&options, &pool))
        rounds_die("no pool: %s", pinion_error_detail());
    struct pinion_io *io = pinion_pool_io(pool);
    find_steps();
    const struct rounds_row *clock =
        rounds_row(&rounds, look_at_clock, NULL, "an event: clock_gettime");
    struct rounds_row *row = rounds_row(&rounds, write_traced, io, "an event: pinion");
    row->step = EVENTS;
    row->peers[0] = clock;
    struct rounds_row *plain = rounds_row(&rounds, fan_out, io, "tasks of 10 µs: not traced");
    plain->step = FAN;
    row = rounds_row(&rounds, fan_out_traced, io, "tasks of 10 µs: traced");
    row->step = FAN;
    row->peers[0] = plain;
    rounds_run(&rounds);
    pinion_pool_destroy(pool);
    (void)unlink(path);
    return rounds_end(&rounds);
}
