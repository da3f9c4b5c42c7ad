/* SPDX-License-Identifier: MIT
 *
 * For metrics.py: a pool and a loop that have run tasks and are idle. stdout: the metrics; stderr:
 * what the stats say, a "name value" a line.
 */
#include "metrics.h"

#include <inttypes.h>
#include <stdalign.h>

#include <pinion/loop.h>

static void run_main(const void *io, void *unused)
{
    (void)unused;
    must(fib(*(struct pinion_io *const *)io, 5) == 5);
}

int main(void)
{
    struct pinion_loop *loop;
    const struct pinion_loop_options options = {.cpu_count = 1};
    pinion_metrics_time_tasks(true);
    struct pinion_pool *pool = pool_of(3);
    must(pinion_loop_create(&options, &loop) == 0);
    struct pinion_io *io = pinion_loop_io(loop);
    const struct pinion_call call = {.start = run_main, .context = &io, .context_size = sizeof io,
                                     .context_align = alignof(struct pinion_io *)};
    must(pinion_loop_run(loop, &call, NULL) == 0);
    work(pinion_pool_io(pool));
    wait_until(is_idle(pool));
    const struct pinion_pool_stats stats = stats_of(pool);
    (void)fprintf(stderr,
                  "queued %" PRIu64 "\nclaimed %" PRIu64 "\ninlined %" PRIu64 "\nparked %" PRIu64
                  "\ninjected %" PRIu64 "\ntimed %" PRIu64 "\n",
                  stats.queued, stats.claimed, stats.inlined, stats.parked, stats.injected,
                  tasks_of(pool));
    char *text = metrics();
    must(fputs(text, stdout) >= 0);
    free(text);
    pinion_loop_destroy(loop);
    pinion_pool_destroy(pool);
    return 0;
}
