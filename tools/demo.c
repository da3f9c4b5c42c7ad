/* SPDX-License-Identifier: MIT
 *
 * pinion demo: reads a directory tree by tasks, then alone, compares the two, and shows who did
 * what.
 */
#include "demo.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pinion/error.h>

#include "machine.h"
#include "options.h"
#include "output.h"
#include "watch.h"

/* The first that is here: every machine has one of them. */
static const char *default_path(void)
{
    static const char *const paths[] = {"/usr/include", "/usr/share", "/etc"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (access(paths[i], R_OK | X_OK) == 0)
            return paths[i];
    return "/";
}

/* A topology of our own only where an option asks for one: else the pool reads machine and
 * environment itself. NULL after a complaint. */
static struct pinion_pool *make_pool(const struct options *options)
{
    struct pinion_pool_options wanted = {.plan = options->plan, .eager = options->eager};
    struct pinion_topology *topology = NULL;
    struct pinion_pool *pool = NULL;
    wanted.cpu_count = options->workers_given ? options->workers + 1 : options->cpu_count;
    if (options->cpus || options->ignore_quota) {
        topology = machine_load(options);
        if (!topology)
            return NULL;
        wanted.topology = topology;
    }
    if (pinion_pool_create(&wanted, &pool))
        complain("can't make a pool: %s", pinion_error_detail());
    pinion_topology_destroy(topology);
    return pool;
}

static void keep_stats(struct demo *demo, struct pinion_pool *pool)
{
    pinion_pool_stats(pool, &demo->stats);
    demo->workers_count = pinion_pool_workers(pool, NULL, 0);
    demo->workers = calloc(demo->workers_count + 1, sizeof *demo->workers);
    const size_t length = pinion_pool_degraded(pool, NULL, 0) + 1;
    demo->degraded = calloc(1, length);
    if (!demo->workers || !demo->degraded)
        abort();
    const size_t rows = pinion_pool_workers(pool, demo->workers, demo->workers_count);
    if (rows < demo->workers_count)
        demo->workers_count = rows;
    (void)pinion_pool_degraded(pool, demo->degraded, length);
}

static enum verdict compare(const struct demo *demo)
{
    if (demo->by_tasks.checksum == demo->alone.checksum &&
        demo->by_tasks.files == demo->alone.files)
        return SAME;
    return demo->by_tasks.state == demo->alone.state ? DIFFERENT : CHANGED;
}

static void read_by_tasks(struct demo *demo, struct walk *walk, struct pinion_pool *pool,
                          struct watch *watch, bool quiet)
{
    struct pinion_io *io = pinion_pool_io(pool);
    struct progress *progress = quiet ? NULL : progress_begin(walk, io, "by tasks");
    const double began = seconds_now();
    demo->by_tasks = walk_by_tasks(walk, io, watch_task, watch);
    demo->seconds_by_tasks = seconds_now() - began;
    progress_end(progress);
    keep_stats(demo, pool);
}

static void read_alone(struct demo *demo, struct walk *walk, struct pinion_pool *pool, bool quiet)
{
    struct progress *progress = quiet ? NULL : progress_begin(walk, pinion_pool_io(pool), "alone");
    const double began = seconds_now();
    demo->alone = walk_alone(walk, pinion_pool_io(pool));
    demo->seconds_alone = seconds_now() - began;
    progress_end(progress);
}

static void read_both(struct demo *demo, struct walk *walk, struct pinion_pool *pool, bool quiet)
{
    struct watch watch;
    watch_begin(&watch, walk, pinion_pool_io(pool));
    demo->verdict = NOT_COMPARED;
    read_by_tasks(demo, walk, pool, &watch, quiet);
    if (!watch_interrupted(&watch)) {
        if (!quiet)
            complain("read by tasks; reading again in one thread, to compare");
        read_alone(demo, walk, pool, quiet);
        if (!watch_interrupted(&watch))
            demo->verdict = compare(demo);
    }
    demo->interrupted = watch_interrupted(&watch);
    watch_end(&watch);
}

static enum exit_status status_of(const struct demo *demo, const struct options *options)
{
    if (demo->interrupted)
        return INTERRUPTED;
    if (demo->verdict == DIFFERENT) {
        complain(
            "the two checksums differ though the tree did not change: this is a bug in pinion");
        return FAILED;
    }
    return options->strict && *demo->degraded ? DEGRADED : DONE;
}

static enum exit_status run(const struct options *options)
{
    struct demo demo = {.path = options->operand ? options->operand : default_path()};
    struct walk walk;
    const int error = walk_begin(&walk, demo.path);
    if (error) {
        complain("can't read %s: %s; name a directory", demo.path, strerror(-error));
        return FAILED;
    }
    struct pinion_pool *pool = make_pool(options);
    if (!pool)
        return FAILED;
    read_both(&demo, &walk, pool, options->quiet);
    pinion_pool_destroy(pool);
    if (options->json)
        demo_print_json(&demo);
    else
        demo_print_text(&demo, options->quiet);
    const enum exit_status status = status_of(&demo, options);
    tally_forget(&demo.by_tasks);
    tally_forget(&demo.alone);
    free(demo.workers);
    free(demo.degraded);
    return status;
}

const struct verb verb_demo = {
    .name = "demo",
    .operands = "[PATH]",
    .summary = "Reads a directory tree in parallel, and shows who did what",
    .details = "Every directory below PATH (/usr/include) is a task: its files are read and\n"
               "hashed, its subdirectories are tasks that it makes and awaits. Then one thread\n"
               "reads all again: both must come to the same checksum. Links are not followed,\n"
               "special files not opened, other file systems not entered; what can't be read is\n"
               "counted and named. Ctrl-C stops it with a partial summary and status 130.\n"
               "PINION_* in the environment works as for any pool.",
    .options = OPTION_CPUS | OPTION_IGNORE_QUOTA | OPTION_PLACE | OPTION_WORKERS |
               OPTION_CPU_COUNT | OPTION_AVOID_SMT | OPTION_SLICE | OPTION_EAGER | OPTION_JSON |
               OPTION_QUIET | OPTION_STRICT,
    .operand_count_max = 1,
    .run = run,
};
