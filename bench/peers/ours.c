/* SPDX-License-Identifier: MIT
 *
 * pinion among the contenders. usage: bench-pinion [eager] [park|poll]
 */
#include "ours.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "cases.h"
#include "pause.h"
#include "serve.h"
#include "tally.h"

static struct pinion_pool_options options = {.retire_after = PINION_FOREVER};
static struct pinion_pool *pool;

struct pinion_io *contender_io(unsigned threads)
{
    if (pool && options.cpu_count == threads)
        return pinion_pool_io(pool);
    pinion_pool_destroy(pool);
    pool = NULL;
    options.cpu_count = threads;
    if (pinion_pool_create(&options, &pool))
        serve_die("%s", pinion_error_detail());
    return pinion_pool_io(pool);
}

/* ---- fork and join ---- */

/* So that what is compared is the fork, and not how the compiler unfolds a recursion. */
static uint64_t fib(struct pinion_io *io, uint64_t n) __attribute__((noinline));

PINION_TASK(uint64_t, fib, (struct pinion_io *, io), (uint64_t, n))
{
    if (n < 2)
        return n;
    struct fib_future left = fib_async(io, io, n - 1);
    const uint64_t right = fib(io, n - 2);
    return fib_await(io, &left) + right;
}

static struct pinion_io *fork_io;

static uint64_t whole_fib(uint64_t n)
{
    return fib(fork_io, n);
}

static int64_t run_fork(unsigned threads, uint64_t n, uint64_t repeats)
{
    fork_io = contender_io(threads);
    return case_fib(whole_fib, n, repeats);
}

/* ---- tasks that nobody awaits, from a thread that the pool does not know ---- */

struct outside {
    struct pinion_io *io;
    unsigned threads;
    uint64_t n, repeats;
    int64_t ns;
};

static uint64_t permille_elsewhere;

PINION_TASK(void, count, (uint64_t, word))
{
    tally_count(word);
}

/* Onto the CPU that the pool's plan leaves to whoever feeds it. A thread that never sleeps stays
 * where it began, and that may be a worker's CPU, though another has nothing to do. */
static void sit_on_the_free_seat(unsigned threads)
{
    const struct pinion_plan_options plan_options = {.workers = threads - 1};
    struct pinion_topology *topology;
    struct pinion_plan *plan;
    cpu_set_t seat;
    if (pinion_topology_load(NULL, &topology) ||
        pinion_plan_make(topology, &plan_options, &plan))
        serve_die("%s", pinion_error_detail());
    CPU_ZERO(&seat);
    if (plan->caller.cpu >= 0) {
        CPU_SET((unsigned)plan->caller.cpu, &seat);
        (void)pthread_setaffinity_np(pthread_self(), sizeof seat, &seat);
    }
    pinion_plan_destroy(plan);
    pinion_topology_destroy(topology);
}

static void *spawn_many(void *argument)
{
    struct outside *outside = argument;
    sit_on_the_free_seat(outside->threads);
    for (uint64_t round = 0; round < outside->repeats; round++) {
        tally_reset();
        const int64_t start = serve_now();
        for (uint64_t i = 1; i <= outside->n; i++)
            count_detached(outside->io, i);
        tally_wait(outside->n);
        outside->ns += serve_now() - start;
        permille_elsewhere = tally_permille_elsewhere();
    }
    return NULL;
}

static int64_t run_many(unsigned threads, uint64_t n, uint64_t repeats)
{
    struct outside outside = {
        .io = contender_io(threads), .threads = threads, .n = n, .repeats = repeats};
    pthread_t thread;
    const int error = pthread_create(&thread, NULL, spawn_many, &outside);
    if (error)
        serve_die("no thread: %s", strerror(error));
    (void)pthread_join(thread, NULL);
    return outside.ns;
}

/* What the last run of many found. */
static int64_t run_elsewhere(unsigned threads, uint64_t size, uint64_t repeats)
{
    (void)threads, (void)size, (void)repeats;
    return (int64_t)permille_elsewhere;
}

/* ---- one task after the other ---- */

PINION_TASK(uint64_t, next, (uint64_t, word))
{
    return word + 1;
}

static int64_t run_await(unsigned threads, uint64_t n, uint64_t repeats)
{
    struct pinion_io *io = contender_io(threads);
    const int64_t start = serve_now();
    for (uint64_t i = 0; i < n * repeats; i++) {
        struct next_future future = next_async(io, i);
        if (next_await(io, &future) != i + 1)
            serve_die("a task was lost");
    }
    return serve_now() - start;
}

static int64_t run_trip(unsigned threads, uint64_t gap_ns, uint64_t repeats)
{
    struct pinion_io *io = contender_io(threads);
    struct next_future future;
    int64_t ns = 0;
    for (uint64_t i = 0; i <= repeats; i++) {
        pause_for(gap_ns);
        const int64_t start = serve_now();
        const int error = next_concurrent(io, &future, i);
        if (error)
            serve_die("no reserve thread: %s", strerror(-error));
        if (next_await(io, &future) != i + 1)
            serve_die("a task was lost");
        if (i) /* the first makes the thread */
            ns += serve_now() - start;
    }
    return ns;
}

/* ---- many at a time ---- */

static struct pinion_io *fan_io;

PINION_TASK(void, spin, (uint64_t, steps))
{
    (void)work_spin(steps);
}

static void fan_out(uint64_t steps)
{
    struct pinion_group group = PINION_GROUP_INIT;
    for (int i = 0; i < CASE_FAN; i++)
        spin_group(fan_io, &group, steps);
    (void)pinion_group_await(fan_io, &group);
}

static int64_t run_fan(unsigned threads, uint64_t steps, uint64_t repeats)
{
    fan_io = contender_io(threads);
    return case_fan(fan_out, steps, repeats);
}

#define BURST_MAX 1024

PINION_TASK(void, nothing) {}

static void burst(struct pinion_io *io, uint64_t size)
{
    struct nothing_future futures[BURST_MAX];
    for (uint64_t i = 0; i < size; i++) {
        const int error = nothing_parallel(io, &futures[i]);
        if (error)
            serve_die("no thread: %s", strerror(-error));
    }
    for (uint64_t i = 0; i < size; i++)
        nothing_await(io, &futures[i]);
}

static int64_t run_burst(unsigned threads, uint64_t size, uint64_t repeats)
{
    struct pinion_io *io = contender_io(threads);
    if (size > BURST_MAX)
        serve_die("a burst has at most %d tasks", BURST_MAX);
    burst(io, size); /* makes the threads */
    const int64_t start = serve_now();
    for (uint64_t i = 0; i < repeats; i++)
        burst(io, size);
    return serve_now() - start;
}

static struct pinion_io *loop_io;

static void add_part(void *sum, size_t begin, size_t end)
{
    (void)__atomic_add_fetch((uint64_t *)sum, work_sum(begin, end), __ATOMIC_RELAXED);
}

static uint64_t loop(uint64_t end)
{
    uint64_t sum = 0;
    pinion_parallel_for(loop_io, 0, end, 0, add_part, &sum);
    return sum;
}

static int64_t run_loop(unsigned threads, uint64_t end, uint64_t repeats)
{
    loop_io = contender_io(threads);
    return case_loop(loop, end, repeats);
}

int main(int argc, char **argv)
{
    static const struct serve_workload workloads[] = {
        {"fork", run_fork},
        {"tree", contend_tree},
        {"sort", contend_sort},
        {"matrix", contend_matrix},
        {"queens", contend_queens},
        {"many", run_many},
        {"elsewhere", run_elsewhere},
        {"await", run_await},
        {"trip", run_trip},
        {"fan", run_fan},
        {"burst", run_burst},
        {"loop", run_loop},
        {NULL, NULL},
    };
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "eager"))
            options.eager = true;
        else if (!strcmp(argv[i], "park"))
            options.idle = PINION_IDLE_PARK;
        else if (!strcmp(argv[i], "poll"))
            options.idle = PINION_IDLE_POLL;
        else
            serve_die("there is no argument '%s'", argv[i]);
    }
    const int status = serve(workloads);
    pinion_pool_destroy(pool);
    return status;
}
