/* SPDX-License-Identifier: MIT
 *
 * The run report of a pool, for people.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "interrupt.h"
#include "loop.h"
#include "parts.h"
#include "pool.h"
#include "settings.h"

/* Prints a text of several lines, each behind a prefix. */
static void print_lines(FILE *stream, const char *prefix, const char *text)
{
    while (*text) {
        const size_t length = strcspn(text, "\n");
        (void)fprintf(stream, "%s%.*s\n", prefix, (int)length, text);
        text += length + (text[length] == '\n');
    }
}

static void print_seat(FILE *stream, int cpu, unsigned node)
{
    char cpu_text[16] = "-", node_text[16] = "-";
    if (cpu >= 0)
        (void)snprintf(cpu_text, sizeof cpu_text, "%d", cpu);
    if (node != PINION_NO_NODE)
        (void)snprintf(node_text, sizeof node_text, "%u", node);
    (void)fprintf(stream, " %4s %4s", cpu_text, node_text);
}

static void print_worker(FILE *stream, const struct pinion_worker_stats *row)
{
    (void)fprintf(stream, "  %-12s", row->name);
    print_seat(stream, row->cpu, row->node);
    (void)fprintf(stream, " %10llu %10llu %8llu %8llu %8llu %9zu", (unsigned long long)row->tasks,
                  (unsigned long long)row->inlined, (unsigned long long)row->stolen_near,
                  (unsigned long long)row->stolen_far, (unsigned long long)row->parked,
                  (size_t)row->arena_bytes / 1024);
    (void)fprintf(stream, "%s\n", row->alive ? "" : "  (no thread)");
}

static int print_workers(struct pn_crew *crew, FILE *stream)
{
    const size_t count = pn_crew_workers(crew, NULL, 0);
    struct pinion_worker_stats *rows = calloc(count, sizeof rows[0]);
    if (!rows)
        return -ENOMEM;
    const size_t now = pn_crew_workers(crew, rows, count); /* there may be more by now */
    (void)fprintf(stream, "  %-12s %4s %4s %10s %10s %8s %8s %8s %9s\n", "worker", "cpu", "node",
                  "tasks", "inlined", "near", "far", "parked", "arena KiB");
    for (size_t i = 0; i < count && i < now; i++)
        print_worker(stream, &rows[i]);
    free(rows);
    return 0;
}

/* backend: what the workers wait in, if that is to be said. */
static int report(struct pn_crew *crew, const char *backend, FILE *stream)
{
    struct pinion_pool_stats stats;
    char degraded[sizeof crew->degraded];
    pn_crew_stats(crew, &stats);
    (void)pn_crew_degraded(crew, degraded, sizeof degraded);
    errno = 0;
    (void)fprintf(stream,
                  "%s: cpu_count %u, parallel_count %u, capacity %u, threads %u (at most %u), "
                  "idle %s\n",
                  crew->kind->noun, stats.cpu_count, stats.parallel_count, stats.capacity,
                  stats.threads, stats.threads_peak, pn_idle_name(crew->idle_mode));
    bool is_on;
    (void)fprintf(stream, "memory: %s, huge pages %s\n", pn_arena_backend(),
                  pn_arena_huge_pages(&is_on));
    char words[PN_INTERRUPT_WORDS];
    pn_interrupt_describe(words, sizeof words);
    (void)fprintf(stream, "%s\n", words);
    if (backend)
        (void)fprintf(stream, "waits in %s\n", backend);
    char trace[4300];
    pn_trace_describe(trace, sizeof trace);
    print_lines(stream, "", trace);
    print_lines(stream, "plan: ", pinion_plan_reason(crew->plan));
    print_lines(stream, "degraded: ", degraded);
    const int error = print_workers(crew, stream);
    if (error)
        return error;
    if (fflush(stream) || ferror(stream))
        return errno ? -errno : -EIO;
    return 0;
}

int pinion_pool_report(struct pinion_pool *pool, FILE *stream)
{
    return report(&pool->crew, NULL, stream);
}

int pinion_loop_report(struct pinion_loop *loop, FILE *stream)
{
    char backend[PN_BACKEND_WORDS];
    pn_loop_describe_backend(loop, backend, sizeof backend);
    return report(&loop->crew, backend, stream);
}
