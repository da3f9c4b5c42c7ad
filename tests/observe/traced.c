/* SPDX-License-Identifier: MIT
 *
 * A program whose trace is known: trace.py looks for all that is here in the file.
 *
 * usage: traced FILE. What it did, in the order of `struct told`, goes to stdout, in words.
 */
#include <pinion.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LEAVES   200
#define FIBERS   6
#define SLEEPS   3
#define NAP_NS   1000000
#define PARALLEL 3

static int64_t now(void)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

static void check(int error, const char *what)
{
    if (error) {
        (void)fprintf(stderr, "%s: %s\n", what, pinion_error_detail());
        exit(1);
    }
}

PINION_TASK(int, leaf, (int, n))
{
    for (volatile int i = 0; i < 2000; i++)
        continue;
    return n;
}

/* A tree of tasks: each makes two and awaits them. */
PINION_TASK(int, tree, (struct pinion_io *, io), (int, depth))
{
    if (depth == 0)
        return leaf(1);
    struct tree_future left = tree_async(io, io, depth - 1);
    struct tree_future right = tree_async(io, io, depth - 1);
    return tree_await(io, &left) + tree_await(io, &right);
}

/* Called by a name of its own, of which the file is to have what is UTF-8. */
PINION_TASK(void, called_otherwise, (int, n))
{
    char name[64];
    (void)snprintf(name, sizeof name, "named \xc3\xa4\xff by itself, and at some length, %d", n);
    pinion_task_name(name);
    (void)leaf(n);
}

/* Waits in a system call. */
PINION_TASK(void, reader, (struct pinion_io *, io), (int, descriptor))
{
    char byte;
    check(pinion_read(io, descriptor, &byte, 1) != 1, "read");
}

PINION_TASK(int, sleeper, (struct pinion_io *, io), (int, n))
{
    for (int i = 0; i < SLEEPS; i++) {
        check(pinion_sleep(io, NAP_NS), "sleep");
        (void)leaf(n);
    }
    return n;
}

/* By name of its function alone; a raw call. */
void traced_raw(const void *context, void *result);
void traced_raw(const void *context, void *result)
{
    (void)context;
    (void)result;
    (void)leaf(1);
}

PINION_TASK(void, announce, (atomic_bool *, is_here))
{
    atomic_store(is_here, true);
}

/* Returns when a worker has run a task: the caller does not await it. */
static void wait_for_worker(struct pinion_io *io)
{
    const struct timespec pause = {.tv_nsec = 100000};
    atomic_bool is_here = false;
    announce_detached(io, &is_here);
    while (!atomic_load(&is_here))
        (void)nanosleep(&pause, NULL);
}

static void on_pool(struct pinion_io *io)
{
    struct leaf_future leaves[LEAVES];
    struct pinion_future raw;
    const struct pinion_call call = {.start = traced_raw};
    wait_for_worker(io);
    for (int i = 0; i < LEAVES; i++)
        leaves[i] = leaf_async(io, i);
    for (int i = 0; i < LEAVES; i++)
        check(leaf_await(io, &leaves[i]) != i, "leaf");
    check(tree(io, 6) != 64, "tree");
    for (int i = 0; i < PARALLEL; i++) {
        struct called_otherwise_future future;
        check(called_otherwise_parallel(io, &future, i), "parallel");
        called_otherwise_await(io, &future);
    }
    pinion_async(io, &call, NULL, &raw);
    pinion_await(io, &raw, NULL);
    int ends[2];
    struct reader_future future;
    check(pipe(ends), "pipe");
    check(reader_parallel(io, &future, io, ends[0]), "reader");
    check(pinion_sleep(io, NAP_NS), "sleep");
    check(write(ends[1], "x", 1) != 1, "write");
    reader_await(io, &future);
}

static void on_loop(const void *context, void *result)
{
    struct pinion_io *io = *(struct pinion_io *const *)context;
    struct sleeper_future sleepers[FIBERS];
    (void)result;
    for (int i = 0; i < FIBERS; i++)
        sleepers[i] = sleeper_async(io, io, i);
    for (int i = 0; i < FIBERS; i++)
        check(sleeper_await(io, &sleepers[i]) != i, "sleeper");
}

int main(int argc, char **argv)
{
    struct pinion_pool *pool;
    struct pinion_loop *loop;
    const struct pinion_pool_options options = {.cpu_count = 3, .eager = true};
    if (argc != 2)
        return 2;
    check(pinion_pool_create(&options, &pool), "pool");
    check(pinion_loop_create(NULL, &loop), "loop");
    const int64_t begin = now();
    check(pinion_trace_start(argv[1], NULL), "start");
    on_pool(pinion_pool_io(pool));
    struct pinion_io *io = pinion_loop_io(loop);
    const struct pinion_call call = {.start = on_loop, .context = &io, .context_size = sizeof io,
                                     .context_align = alignof(struct pinion_io *)};
    check(pinion_loop_run(loop, &call, NULL), "run");
    check(pinion_trace_stop(), "stop");
    const int64_t end = now();
    struct pinion_trace_stats stats;
    pinion_trace_stats(&stats);
    (void)printf("begin %lld\nend %lld\nleaves %d\ntree %d\nparallel %d\nfibers %d\nevents %llu\n"
                 "dropped %llu\n",
                 (long long)begin, (long long)end, LEAVES, 2 * ((1 << 6) - 1), PARALLEL, FIBERS,
                 (unsigned long long)stats.events, (unsigned long long)stats.dropped);
    pinion_loop_destroy(loop);
    pinion_pool_destroy(pool);
    return 0;
}
