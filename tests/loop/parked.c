/* SPDX-License-Identifier: MIT
 *
 * A program to be looked at by a debugger: on a loop of one CPU, fibers that wait each in another
 * way, in functions with names. all_are_parked is called when they do.
 */
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <pinion.h>

struct scene {
    struct pinion_io *io;
    int pipe[2];
    struct pinion_event event;
    int parked; /* one thread */
};

#define NOINLINE __attribute__((noinline))

/* Where a debugger stops. */
NOINLINE void all_are_parked(int count);
NOINLINE void all_are_parked(int count)
{
    __asm__ volatile("" : : "r"(count) : "memory");
}

/* Behind each wait is something left to do, so that the calls are no jumps. */

NOINLINE static int sleep_in_a_bed(struct scene *scene, int64_t ns)
{
    scene->parked++;
    const int error = pinion_sleep(scene->io, ns);
    scene->parked--;
    return error;
}

PINION_TASK(int, sleeper, (struct scene *, scene))
{
    return sleep_in_a_bed(scene, INT64_C(3600000000000)) + 1;
}

NOINLINE static int read_at_a_pipe(struct scene *scene)
{
    char byte;
    scene->parked++;
    const int got = (int)pinion_read(scene->io, scene->pipe[0], &byte, 1);
    scene->parked--;
    return got;
}

PINION_TASK(int, reader, (struct scene *, scene))
{
    return read_at_a_pipe(scene) + 1;
}

NOINLINE static int wait_for_an_event(struct scene *scene, int depth)
{
    if (depth)
        return wait_for_an_event(scene, depth - 1) + 1;
    scene->parked++;
    const int error = pinion_event_wait(scene->io, &scene->event);
    scene->parked--;
    return error;
}

PINION_TASK(int, waiter, (struct scene *, scene))
{
    return wait_for_an_event(scene, 3) + 1;
}

NOINLINE static int play(struct scene *scene)
{
    struct pinion_io *io = scene->io;
    struct sleeper_future sleeper;
    struct reader_future reader;
    struct waiter_future waiter;
    if (sleeper_concurrent(io, &sleeper, scene) || reader_concurrent(io, &reader, scene) ||
        waiter_concurrent(io, &waiter, scene))
        return 1;
    while (scene->parked < 3)
        pinion_yield(io);
    all_are_parked(scene->parked);
    (void)sleeper_cancel(io, &sleeper);
    (void)reader_cancel(io, &reader);
    (void)waiter_cancel(io, &waiter);
    return scene->parked;
}

static void main_task(const void *context, void *result)
{
    *(int *)result = play(*(struct scene *const *)context);
}

int main(void)
{
    static struct scene scene, *at = &scene;
    struct pinion_loop *loop;
    int result = 1;
    const struct pinion_loop_options options = {.cpu_count = 1};
    const struct pinion_call call = {.start = main_task, .context = &at,
                                     .context_size = sizeof at,
                                     .context_align = alignof(struct scene *),
                                     .result_size = sizeof result,
                                     .result_align = alignof(int)};
    if (pipe(scene.pipe) || pinion_loop_create(&options, &loop)) {
        (void)fprintf(stderr, "%s\n", pinion_error_detail());
        return 1;
    }
    scene.io = pinion_loop_io(loop);
    if (pinion_loop_run(loop, &call, &result))
        result = 1;
    pinion_loop_destroy(loop);
    return result;
}
