/* SPDX-License-Identifier: MIT
 *
 * A program to be watched: a pool of as many CPUs as the first argument says, all of whose workers
 * have a thread, and with a second one a loop, too, which waits for the end of stdin. It says
 * "ready" when they do.
 */
#include <pthread.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <pinion.h>

static pthread_barrier_t all;

PINION_TASK(void, meet) { (void)pthread_barrier_wait(&all); }

/* Every task holds a worker until the last of them has one. */
static void gather(struct pinion_io *io, unsigned count)
{
    struct pinion_group group = PINION_GROUP_INIT;
    (void)pthread_barrier_init(&all, NULL, count);
    for (unsigned i = 1; i < count; i++)
        meet_group(io, &group);
    (void)pthread_barrier_wait(&all);
    (void)pinion_group_await(io, &group);
    (void)pthread_barrier_destroy(&all);
}

static void say_ready(void)
{
    (void)puts("ready");
    (void)fflush(stdout);
}

static void await_in_loop(const void *context, void *unused)
{
    struct pinion_io *io = *(struct pinion_io *const *)context;
    char byte;
    (void)unused;
    say_ready();
    while (pinion_read(io, STDIN_FILENO, &byte, 1) > 0)
        ;
}

static void run_loop(void)
{
    const struct pinion_loop_options options = {.cpu_count = 2};
    struct pinion_loop *loop;
    if (pinion_loop_create(&options, &loop))
        exit(1);
    struct pinion_io *io = pinion_loop_io(loop);
    const struct pinion_call call = {.start = await_in_loop, .context = &io,
                                     .context_size = sizeof io,
                                     .context_align = alignof(struct pinion_io *)};
    if (pinion_loop_run(loop, &call, NULL))
        exit(1);
    pinion_loop_destroy(loop);
}

static void await_in_main(void)
{
    char byte;
    say_ready();
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
}

int main(int argc, char **argv)
{
    const unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 2;
    const struct pinion_pool_options options = {.cpu_count = count, .eager = true};
    struct pinion_pool *pool;
    if (pinion_pool_create(&options, &pool))
        return 1;
    gather(pinion_pool_io(pool), count);
    if (argc > 2)
        run_loop();
    else
        await_in_main();
    pinion_pool_destroy(pool);
    return 0;
}
