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

#include "options.h"
#include "output.h"
#include "runner.h"
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

static enum verdict compare(const struct demo *demo)
{
    if (demo->by_tasks.checksum == demo->alone.checksum &&
        demo->by_tasks.files == demo->alone.files)
        return SAME;
    return demo->by_tasks.state == demo->alone.state ? DIFFERENT : CHANGED;
}

/* What is read, by whom, and who may stop it. */
struct reading {
    struct demo *demo;
    struct walk walk;
    struct runner runner;
    struct watch watch;
    bool quiet;
};

static void read_in_tasks(void *context)
{
    struct reading *reading = context;
    reading->demo->by_tasks =
        walk_by_tasks(&reading->walk, reading->runner.io, watch_task, &reading->watch);
}

static bool read_by_tasks(struct reading *reading)
{
    struct demo *demo = reading->demo;
    struct runner *runner = &reading->runner;
    struct progress *progress =
        reading->quiet ? NULL : progress_begin(&reading->walk, runner->io, "by tasks");
    const double began = seconds_now();
    const int error = runner_call(runner, read_in_tasks, reading);
    demo->seconds_by_tasks = seconds_now() - began;
    progress_end(progress);
    if (error)
        complain("can't run a loop here: %s", pinion_error_detail());
    runner_stats(runner, &demo->stats);
    demo->workers = runner_workers(runner, &demo->workers_count);
    demo->degraded = runner_degraded(runner);
    return error == 0;
}

static void read_alone(struct reading *reading)
{
    struct demo *demo = reading->demo;
    struct pinion_io *io = reading->runner.io;
    struct progress *progress =
        reading->quiet ? NULL : progress_begin(&reading->walk, io, "alone");
    const double began = seconds_now();
    demo->alone = walk_alone(&reading->walk, io);
    demo->seconds_alone = seconds_now() - began;
    progress_end(progress);
}

static bool read_both(struct reading *reading)
{
    struct demo *demo = reading->demo;
    struct watch *watch = &reading->watch;
    watch_begin(watch, &reading->walk, reading->runner.io);
    demo->verdict = NOT_COMPARED;
    const bool is_read = read_by_tasks(reading);
    if (is_read && !watch_interrupted(watch)) {
        if (!reading->quiet)
            complain("read by tasks; reading again in one thread, to compare");
        read_alone(reading);
        if (!watch_interrupted(watch))
            demo->verdict = compare(demo);
    }
    demo->interrupted = watch_interrupted(watch);
    watch_end(watch);
    return is_read;
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

static enum exit_status report(const struct demo *demo, const struct options *options)
{
    if (options->json)
        demo_print_json(demo);
    else
        demo_print_text(demo, options->quiet);
    return status_of(demo, options);
}

static enum exit_status run(const struct options *options)
{
    struct demo demo = {.path = options->operand ? options->operand : default_path(),
                        .is_loop = options->loop};
    struct reading reading = {.demo = &demo, .quiet = options->quiet};
    const int error = walk_begin(&reading.walk, demo.path);
    if (error) {
        complain("can't read %s: %s; name a directory", demo.path, strerror(-error));
        return FAILED;
    }
    if (!runner_make(&reading.runner, options))
        return FAILED;
    const bool is_read = read_both(&reading);
    runner_destroy(&reading.runner);
    const enum exit_status status = is_read ? report(&demo, options) : FAILED;
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
               "With --loop each task is a fiber: where it waits for a file, others run.\n"
               "PINION_* in the environment works as for any pool or loop.",
    .options = OPTION_CPUS | OPTION_IGNORE_QUOTA | OPTION_PLACE | OPTION_WORKERS |
               OPTION_CPU_COUNT | OPTION_AVOID_SMT | OPTION_SLICE | OPTION_EAGER | OPTION_LOOP |
               OPTION_BACKEND | OPTION_JSON | OPTION_QUIET | OPTION_STRICT,
    .operand_count_max = 1,
    .run = run,
};
