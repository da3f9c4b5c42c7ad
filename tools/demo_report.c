/* SPDX-License-Identifier: MIT */
#include "demo.h"

#include <inttypes.h>
#include <string.h>

#include "backend.h"
#include "json.h"
#include "output.h"

static uint64_t rate_of(uint64_t bytes, double seconds)
{
    return seconds > 0 ? (uint64_t)((double)bytes / seconds) : 0;
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void print_pace(const char *what, const struct tally *tally, double seconds,
                       const char *remark)
{
    char rate[16];
    (void)printf("  %-10s %.3f s, %s/s, %.0f files/s%s\n", what, seconds,
                 bytes_text(rate_of(tally->bytes, seconds), rate),
                 seconds > 0 ? (double)tally->files / seconds : 0, remark);
}

static void print_errors(const struct tally *tally)
{
    if (tally->errors == 0)
        return;
    (void)printf("  %serrors     %" PRIu64 " could not be read%s\n", warning(stdout), tally->errors,
                 plain(stdout));
    for (const struct walk_error *error = tally->named; error; error = error->next) {
        (void)printf("             ");
        print_name(stdout, error->path);
        (void)printf(": %s\n", strerror(error->error));
    }
    if (tally->errors > tally->named_count)
        (void)printf("             and %" PRIu64 " more\n", tally->errors - tally->named_count);
}

static void print_verdict(const struct demo *demo)
{
    const char *verdict = "";
    switch (demo->verdict) {
    case SAME:
        verdict = ", the same both ways";
        break;
    case CHANGED:
        verdict = "; the tree changed between the two runs, so they can't be compared";
        break;
    case DIFFERENT:
        (void)printf("  %schecksum   %016" PRIx64 " by tasks, but %016" PRIx64 " alone%s\n",
                     warning(stdout), demo->by_tasks.checksum, demo->alone.checksum, plain(stdout));
        return;
    case NOT_COMPARED:
        verdict = " of what was read before it was interrupted";
    }
    (void)printf("  checksum   %016" PRIx64 "%s\n", demo->by_tasks.checksum, verdict);
}

static void print_tree(const struct demo *demo)
{
    const struct tally *tally = &demo->by_tasks;
    char bytes[16];
    print_name(stdout, demo->path);
    (void)printf("%s\n", demo->interrupted ? " (interrupted: what was read so far)" : "");
    (void)printf("  read       %" PRIu64 " file%s, %" PRIu64 " director%s, %" PRIu64
                 " byte%s (%s)\n",
                 tally->files, plural(tally->files), tally->directories,
                 tally->directories == 1 ? "y" : "ies", tally->bytes, plural(tally->bytes),
                 bytes_text(tally->bytes, bytes));
    if (tally->skipped || tally->mounts)
        (void)printf("  skipped    %" PRIu64 " link%s and special files, %" PRIu64
                     " other file system%s\n",
                     tally->skipped, plural(tally->skipped), tally->mounts, plural(tally->mounts));
    print_pace("by tasks", tally, demo->seconds_by_tasks, "");
    if (demo->verdict != NOT_COMPARED)
        print_pace("alone", &demo->alone, demo->seconds_alone,
                   " (second, so all of it cached)");
    print_verdict(demo);
    print_errors(tally);
}

static void print_loop(const struct pinion_loop_stats *stats)
{
    char bytes[16];
    (void)printf("  fibers     %" PRIu64 " begun, on %" PRIu64 " stack%s (%s of address space)\n"
                 "  waits in   ",
                 stats->started, stats->stacks, plural(stats->stacks),
                 bytes_text(stats->stack_bytes, bytes));
    backend_print(stats);
}

static void print_runner(const struct demo *demo)
{
    const struct pinion_loop_stats *stats = &demo->stats;
    (void)printf("\n%s\n"
                 "  capacity   %u = cpu_count %u - 1 + parallel_count %u\n"
                 "  threads    %u, at most %u at a time, and the caller\n"
                 "  tasks      %" PRIu64 " queued, %" PRIu64 " run in place, %" PRIu64
                 " claimed by who awaited them\n",
                 demo->is_loop ? "loop" : "pool", stats->capacity, stats->cpu_count,
                 stats->parallel_count, stats->threads, stats->threads_peak, stats->queued,
                 stats->inlined, stats->claimed);
    if (demo->is_loop)
        print_loop(stats);
    if (*demo->degraded) {
        (void)printf("  %sdegraded%s\n", warning(stdout), plain(stdout));
        print_lines(stdout, 13, demo->degraded);
    }
}

static void print_worker(const struct pinion_worker_stats *worker)
{
    char cpu[12] = "-", node[12] = "-", arena[16], local[16] = "-";
    if (worker->cpu >= 0)
        (void)snprintf(cpu, sizeof cpu, "%d", worker->cpu);
    if (worker->node != PINION_NO_NODE)
        (void)snprintf(node, sizeof node, "%u", worker->node);
    const uint64_t touched = worker->local_bytes + worker->remote_bytes;
    if (touched)
        (void)snprintf(local, sizeof local, "%.0f%%",
                       100.0 * (double)worker->local_bytes / (double)touched);
    (void)printf("  %-10s %5s %5s %8" PRIu64 " %8" PRIu64 " %7" PRIu64 " %7" PRIu64 " %8s %6s\n",
                 worker->name, cpu, node, worker->tasks, worker->inlined, worker->stolen_near,
                 worker->stolen_far, bytes_text(worker->arena_bytes, arena), local);
}

static void add_row(struct pinion_worker_stats *sum, const struct pinion_worker_stats *row)
{
    sum->tasks += row->tasks;
    sum->inlined += row->inlined;
    sum->stolen_near += row->stolen_near;
    sum->stolen_far += row->stolen_far;
    sum->arena_bytes += row->arena_bytes;
    sum->local_bytes += row->local_bytes;
    sum->remote_bytes += row->remote_bytes;
}

/* A loop has many reserve threads, for calls that its fibers can't make without blocking: one row
 * for all. */
static void print_workers(const struct demo *demo)
{
    struct pinion_worker_stats others = {.name = "others", .cpu = -1, .node = PINION_NO_NODE};
    size_t count = 0;
    for (size_t i = 0; i < demo->workers_count; i++) {
        const struct pinion_worker_stats *row = &demo->workers[i];
        if (!demo->is_loop || strncmp(row->name, "pinion/r", 8) != 0) {
            print_worker(row);
            continue;
        }
        add_row(&others, row);
        count += row->alive || row->tasks;
    }
    if (count)
        print_worker(&others);
    (void)printf("  near, far: tasks taken from a queue of the same node, of another\n");
    if (count)
        (void)printf("  others: %zu thread%s for calls that would block a worker\n", count,
                     plural(count));
}

void demo_print_text(const struct demo *demo, bool quiet)
{
    print_tree(demo);
    if (quiet)
        return;
    print_runner(demo);
    (void)printf("\n%s  %-10s %5s %5s %8s %8s %7s %7s %8s %6s%s\n", bold(stdout), "worker", "cpu",
                 "node", "tasks", "inlined", "near", "far", "arena", "local", plain(stdout));
    print_workers(demo);
}

static void write_run(struct json *json, const char *key, const struct tally *tally, double seconds)
{
    char checksum[17];
    (void)snprintf(checksum, sizeof checksum, "%016" PRIx64, tally->checksum);
    json_object_open(json, key);
    json_count(json, "files", tally->files);
    json_count(json, "directories", tally->directories);
    json_count(json, "bytes", tally->bytes);
    json_count(json, "skipped", tally->skipped);
    json_count(json, "mounts", tally->mounts);
    json_count(json, "error_count", tally->errors);
    json_text(json, "checksum", checksum);
    json_real(json, "seconds", seconds);
    json_count(json, "bytes_per_second", rate_of(tally->bytes, seconds));
    json_array_open(json, "errors");
    for (const struct walk_error *error = tally->named; error; error = error->next) {
        json_row_open(json, NULL);
        json_text(json, "path", error->path);
        json_text(json, "error", strerror(error->error));
        json_object_close(json);
    }
    json_array_close(json);
    json_object_close(json);
}

static void write_loop(struct json *json, const struct pinion_loop_stats *stats)
{
    json_count(json, "fibers", stats->fibers);
    json_count(json, "started", stats->started);
    json_count(json, "stacks", stats->stacks);
    json_count(json, "stack_bytes", stats->stack_bytes);
    backend_write(json, stats);
}

/* The other of the two is null. */
static void write_runner(struct json *json, const struct demo *demo)
{
    const struct pinion_loop_stats *stats = &demo->stats;
    json_text(json, demo->is_loop ? "pool" : "loop", NULL);
    json_object_open(json, demo->is_loop ? "loop" : "pool");
    json_count(json, "cpu_count", stats->cpu_count);
    json_count(json, "parallel_count", stats->parallel_count);
    json_count(json, "capacity", stats->capacity);
    json_count(json, "threads", stats->threads);
    json_count(json, "threads_peak", stats->threads_peak);
    json_count(json, "inlined", stats->inlined);
    json_count(json, "queued", stats->queued);
    json_count(json, "claimed", stats->claimed);
    json_count(json, "stolen_near", stats->stolen_near);
    json_count(json, "stolen_far", stats->stolen_far);
    json_count(json, "injected", stats->injected);
    json_count(json, "parked", stats->parked);
    json_count(json, "woken", stats->woken);
    json_count(json, "searched", stats->searched);
    json_count(json, "remote_frees", stats->remote_frees);
    if (demo->is_loop)
        write_loop(json, stats);
    json_lines(json, "degraded", demo->degraded);
    json_object_close(json);
}

static void write_workers(struct json *json, const struct demo *demo)
{
    json_array_open(json, "workers");
    for (size_t i = 0; i < demo->workers_count; i++) {
        const struct pinion_worker_stats *worker = &demo->workers[i];
        json_row_open(json, NULL);
        json_text(json, "name", worker->name);
        json_bool(json, "alive", worker->alive);
        json_index(json, "cpu", (unsigned)worker->cpu, (unsigned)-1);
        json_index(json, "node", worker->node, PINION_NO_NODE);
        json_count(json, "tasks", worker->tasks);
        json_count(json, "inlined", worker->inlined);
        json_count(json, "stolen_near", worker->stolen_near);
        json_count(json, "stolen_far", worker->stolen_far);
        json_count(json, "parked", worker->parked);
        json_count(json, "searched", worker->searched);
        json_count(json, "arena_bytes", worker->arena_bytes);
        json_count(json, "local_bytes", worker->local_bytes);
        json_count(json, "remote_bytes", worker->remote_bytes);
        json_object_close(json);
    }
    json_array_close(json);
}

void demo_print_json(const struct demo *demo)
{
    static const char *const verdicts[] = {"same", "changed", "different", "not compared"};
    struct json json = {.stream = stdout};
    json_object_open(&json, NULL);
    json_text(&json, "schema", "pinion.demo/1");
    json_text(&json, "path", demo->path);
    json_bool(&json, "interrupted", demo->interrupted);
    json_text(&json, "verdict", verdicts[demo->verdict]);
    write_run(&json, "by_tasks", &demo->by_tasks, demo->seconds_by_tasks);
    if (demo->verdict == NOT_COMPARED)
        json_text(&json, "alone", NULL);
    else
        write_run(&json, "alone", &demo->alone, demo->seconds_alone);
    write_runner(&json, demo);
    write_workers(&json, demo);
    json_object_close(&json);
}
