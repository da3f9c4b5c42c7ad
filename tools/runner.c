/* SPDX-License-Identifier: MIT */
#include "runner.h"

#include <stdalign.h>
#include <stdlib.h>

#include <pinion/error.h>

#include "machine.h"
#include "output.h"

static int make(struct runner *runner, const struct options *options,
                const struct pinion_topology *topology)
{
    const unsigned cpu_count = options->workers_given ? options->workers + 1 : options->cpu_count;
    if (!options->loop) {
        const struct pinion_pool_options wanted = {.topology = topology,
                                                   .cpu_count = cpu_count,
                                                   .plan = options->plan,
                                                   .eager = options->eager};
        return pinion_pool_create(&wanted, &runner->pool);
    }
    const struct pinion_loop_options wanted = {.topology = topology,
                                               .cpu_count = cpu_count,
                                               .plan = options->plan,
                                               .backend = options->backend};
    return pinion_loop_create(&wanted, &runner->loop);
}

/* A topology of our own only where an option asks for one: else pool or loop read machine and
 * environment themselves. */
bool runner_make(struct runner *runner, const struct options *options)
{
    struct pinion_topology *topology = NULL;
    *runner = (struct runner){0};
    if (options->cpus || options->ignore_quota) {
        topology = machine_load(options);
        if (!topology)
            return false;
    }
    const int error = make(runner, options, topology);
    if (error)
        complain("can't make a %s: %s", options->loop ? "loop" : "pool", pinion_error_detail());
    else
        runner->io = runner->loop ? pinion_loop_io(runner->loop) : pinion_pool_io(runner->pool);
    pinion_topology_destroy(topology);
    return error == 0;
}

void runner_destroy(struct runner *runner)
{
    pinion_pool_destroy(runner->pool);
    pinion_loop_destroy(runner->loop);
}

struct work {
    void (*work)(void *context);
    void *context;
};

static void start(const void *context, void *result)
{
    const struct work *work = context;
    (void)result;
    work->work(work->context);
}

int runner_call(struct runner *runner, void (*work)(void *context), void *context)
{
    const struct work of = {work, context};
    const struct pinion_call main_task = {.start = start, .context = &of,
                                          .context_size = sizeof of,
                                          .context_align = alignof(struct work)};
    if (runner->loop)
        return pinion_loop_run(runner->loop, &main_task, NULL);
    work(context);
    return 0;
}

void runner_stats(struct runner *runner, struct pinion_loop_stats *stats)
{
    struct pinion_pool_stats of;
    if (runner->loop) {
        pinion_loop_stats(runner->loop, stats);
        return;
    }
    pinion_pool_stats(runner->pool, &of);
    *stats = (struct pinion_loop_stats){
        .cpu_count = of.cpu_count, .parallel_count = of.parallel_count, .capacity = of.capacity,
        .threads = of.threads, .threads_peak = of.threads_peak, .inlined = of.inlined,
        .queued = of.queued, .claimed = of.claimed, .stolen_near = of.stolen_near,
        .stolen_far = of.stolen_far, .injected = of.injected, .parked = of.parked,
        .woken = of.woken, .remote_frees = of.remote_frees, .searched = of.searched};
}

static size_t rows(struct runner *runner, struct pinion_worker_stats *workers, size_t count)
{
    return runner->loop ? pinion_loop_workers(runner->loop, workers, count)
                        : pinion_pool_workers(runner->pool, workers, count);
}

struct pinion_worker_stats *runner_workers(struct runner *runner, size_t *count)
{
    *count = rows(runner, NULL, 0);
    struct pinion_worker_stats *workers = calloc(*count + 1, sizeof *workers);
    if (!workers)
        abort();
    const size_t now = rows(runner, workers, *count);
    if (now < *count)
        *count = now;
    return workers;
}

static size_t degraded(struct runner *runner, char *buffer, size_t size)
{
    return runner->loop ? pinion_loop_degraded(runner->loop, buffer, size)
                        : pinion_pool_degraded(runner->pool, buffer, size);
}

char *runner_degraded(struct runner *runner)
{
    const size_t size = degraded(runner, NULL, 0) + 1;
    char *text = calloc(1, size);
    if (!text)
        abort();
    (void)degraded(runner, text, size);
    return text;
}
