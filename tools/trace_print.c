/* SPDX-License-Identifier: MIT
 *
 * A trace's sums as text and as JSON.
 */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "output.h"
#include "trace.h"

#define NAMES_SHOWN  20
#define STEALS_SHOWN 40
#define BAR          40

/* "12.3 µs" in 9 columns. */
static void print_time(int64_t ns)
{
    static const char *const units[] = {"ns", "µs", "ms", "s "};
    double value = (double)ns;
    int unit = 0;
    for (; value >= 999.5 && unit < 3; unit++)
        value /= 1000;
    (void)printf(" %6.*f %s", unit == 0 || value >= 99.95 ? 0 : value < 9.995 ? 2 : 1, value,
                 units[unit]);
}

/* A thread's name in 20 columns, as far as it is ASCII. */
static void print_thread_name(const struct trace_summary *summary, size_t track)
{
    const struct trace_track *thread = &summary->file->tracks[track];
    const int width = (int)strlen(thread->name);
    print_name(stdout, thread->name);
    (void)printf(" %-*ld", width < 19 ? 19 - width : 1, thread->tid);
}

static void print_states(const struct trace_summary *summary)
{
    (void)printf("\n%sTime by state%s\n%-20s %9s", bold(stdout), plain(stdout), "thread", "all");
    for (int state = 0; state < STATES; state++)
        (void)printf(" %8s", trace_state_names[state]);
    (void)printf("\n");
    for (size_t i = 0; i < summary->file->track_count; i++) {
        const struct trace_thread *thread = &summary->threads[i];
        if (!thread->is_there)
            continue;
        const int64_t all = thread->last - thread->first;
        print_thread_name(summary, i);
        print_time(all);
        for (int state = 0; state < STATES; state++)
            (void)printf(" %7.2f%%", all ? 100.0 * (double)thread->ns[state] / (double)all : 0.0);
        if (thread->lost)
            (void)printf("  %s%llu events lost%s", warning(stdout),
                         (unsigned long long)thread->lost, plain(stdout));
        (void)printf("\n");
    }
}

static void print_names(const struct trace_summary *summary)
{
    (void)printf("\n%sTasks%s\n%9s %10s %9s %9s  name\n", bold(stdout), plain(stdout), "time",
                 "spans", "mean", "longest");
    for (size_t i = 0; i < summary->name_count && i < NAMES_SHOWN; i++) {
        const struct trace_name *name = &summary->names[summary->by_time[i]];
        print_time(name->ns);
        (void)printf(" %10llu", (unsigned long long)name->spans);
        print_time(name->spans ? name->ns / (int64_t)name->spans : 0);
        print_time(name->longest);
        (void)printf("  ");
        print_name(stdout, name->text);
        (void)printf("\n");
    }
    if (summary->name_count > NAMES_SHOWN)
        (void)printf("  … and %zu more names\n", summary->name_count - NAMES_SHOWN);
}

static void print_longest(const struct trace_summary *summary)
{
    (void)printf("\n%sLongest spans%s\n%9s %9s  %-20s name\n", bold(stdout), plain(stdout), "time",
                 "begin", "thread");
    for (size_t i = 0; i < LONGEST && summary->longest[i].ns; i++) {
        const struct trace_span *span = &summary->longest[i];
        print_time(span->ns);
        print_time(span->begin - summary->begin);
        (void)printf("  ");
        print_thread_name(summary, span->track);
        (void)printf(" ");
        print_name(stdout, summary->names[span->name].text);
        (void)printf("\n");
    }
}

static void print_steals(const struct trace_summary *summary)
{
    (void)printf("\n%sSteals%s\n", bold(stdout), plain(stdout));
    if (summary->steal_count == 0) {
        (void)printf("none\n");
        return;
    }
    (void)printf("%10s  %-20s %-16s distance\n", "tasks", "thief", "from");
    for (size_t i = 0; i < summary->steal_count && i < STEALS_SHOWN; i++) {
        const struct trace_steal *steal = &summary->steals[i];
        (void)printf("%10llu  ", (unsigned long long)steal->count);
        print_thread_name(summary, steal->thief);
        (void)printf(" ");
        print_name(stdout, steal->victim);
        (void)printf("%*s", (int)(17 - (strlen(steal->victim) < 16 ? strlen(steal->victim) : 16)),
                     "");
        print_name(stdout, steal->distance);
        (void)printf("\n");
    }
    if (summary->steal_count > STEALS_SHOWN)
        (void)printf("  … and %zu more pairs\n", summary->steal_count - STEALS_SHOWN);
}

static void print_bucket(unsigned bucket, const struct trace_latency *latency)
{
    const int64_t from = bucket ? INT64_C(1000) << (bucket - 1) : 0;
    print_time(from);
    (void)printf(" …");
    print_time(INT64_C(1000) << bucket);
    (void)printf(" %10llu ", (unsigned long long)latency->buckets[bucket]);
    for (uint64_t i = latency->buckets[bucket] * BAR / latency->count; i; i--)
        (void)printf("#");
    (void)printf("\n");
}

static void print_latency(const char *title, const struct trace_latency *latency)
{
    if (latency->count == 0)
        return;
    (void)printf("\n%s%s%s: %llu, median", bold(stdout), title, plain(stdout),
                 (unsigned long long)latency->count);
    print_time(latency->median);
    (void)printf(", of 100 the second longest");
    print_time(latency->p99);
    (void)printf(", longest");
    print_time(latency->longest);
    (void)printf("\n");
    unsigned low = 0, high = BUCKETS;
    while (!latency->buckets[low])
        low++;
    while (!latency->buckets[high - 1])
        high--;
    for (unsigned i = low; i < high; i++)
        print_bucket(i, latency);
}

void trace_print_text(const struct trace_summary *summary)
{
    print_name(stdout, summary->file->process ? summary->file->process : "");
    (void)printf(": ");
    print_time(summary->end - summary->begin);
    (void)printf(", %llu events", (unsigned long long)summary->events);
    if (summary->lost)
        (void)printf(", %s%llu lost: the sums are too small%s", warning(stdout),
                     (unsigned long long)summary->lost, plain(stdout));
    (void)printf("\n");
    print_states(summary);
    print_names(summary);
    print_longest(summary);
    print_steals(summary);
    print_latency("From a wake to running, threads", &summary->wake_threads);
    print_latency("From a wake to running, fibers", &summary->wake_fibers);
    print_latency("From queueing a task to its begin", &summary->queued);
}

/* ---- JSON ---- */

static void write_threads(const struct trace_summary *summary, struct json *json)
{
    json_array_open(json, "threads");
    for (size_t i = 0; i < summary->file->track_count; i++) {
        const struct trace_thread *thread = &summary->threads[i];
        if (!thread->is_there)
            continue;
        json_row_open(json, NULL);
        json_text(json, "name", summary->file->tracks[i].name);
        json_count(json, "tid", (uint64_t)summary->file->tracks[i].tid);
        json_count(json, "ns", (uint64_t)(thread->last - thread->first));
        json_row_open(json, "states_ns");
        for (int state = 0; state < STATES; state++)
            json_count(json, trace_state_names[state], (uint64_t)thread->ns[state]);
        json_object_close(json);
        json_count(json, "lost", thread->lost);
        json_object_close(json);
    }
    json_array_close(json);
}

static void write_names(const struct trace_summary *summary, struct json *json)
{
    json_array_open(json, "tasks");
    for (size_t i = 0; i < summary->name_count; i++) {
        const struct trace_name *name = &summary->names[summary->by_time[i]];
        json_row_open(json, NULL);
        json_text(json, "name", name->text);
        json_count(json, "spans", name->spans);
        json_count(json, "ns", (uint64_t)name->ns);
        json_count(json, "longest_ns", (uint64_t)name->longest);
        json_object_close(json);
    }
    json_array_close(json);
    json_array_open(json, "longest");
    for (size_t i = 0; i < LONGEST && summary->longest[i].ns; i++) {
        const struct trace_span *span = &summary->longest[i];
        json_row_open(json, NULL);
        json_text(json, "name", summary->names[span->name].text);
        json_count(json, "tid", (uint64_t)summary->file->tracks[span->track].tid);
        json_count(json, "begin_ns", (uint64_t)(span->begin - summary->begin));
        json_count(json, "ns", (uint64_t)span->ns);
        json_object_close(json);
    }
    json_array_close(json);
}

static void write_steals(const struct trace_summary *summary, struct json *json)
{
    json_array_open(json, "steals");
    for (size_t i = 0; i < summary->steal_count; i++) {
        const struct trace_steal *steal = &summary->steals[i];
        json_row_open(json, NULL);
        json_text(json, "thief", summary->file->tracks[steal->thief].name);
        json_count(json, "thief_tid", (uint64_t)summary->file->tracks[steal->thief].tid);
        json_text(json, "from", steal->victim);
        json_text(json, "distance", steal->distance);
        json_count(json, "tasks", steal->count);
        json_object_close(json);
    }
    json_array_close(json);
}

/* Buckets by their upper ends, where there is something in them. */
static void write_latency(struct json *json, const char *key, const struct trace_latency *latency)
{
    json_object_open(json, key);
    json_count(json, "count", latency->count);
    json_count(json, "median_ns", (uint64_t)latency->median);
    json_count(json, "p99_ns", (uint64_t)latency->p99);
    json_count(json, "longest_ns", (uint64_t)latency->longest);
    json_array_open(json, "buckets");
    for (unsigned i = 0; i < BUCKETS; i++) {
        if (!latency->buckets[i])
            continue;
        json_row_open(json, NULL);
        json_count(json, "below_ns", UINT64_C(1000) << i);
        json_count(json, "count", latency->buckets[i]);
        json_object_close(json);
    }
    json_array_close(json);
    json_object_close(json);
}

void trace_print_json(const struct trace_summary *summary)
{
    struct json json = {.stream = stdout};
    json_object_open(&json, NULL);
    json_text(&json, "schema", "pinion.trace/1");
    json_text(&json, "process", summary->file->process);
    json_bool(&json, "cut", summary->file->whole < summary->file->size);
    json_count(&json, "begin_ns", (uint64_t)summary->begin);
    json_count(&json, "ns", (uint64_t)(summary->end - summary->begin));
    json_count(&json, "events", summary->events);
    json_count(&json, "lost", summary->lost);
    write_threads(summary, &json);
    write_names(summary, &json);
    write_steals(summary, &json);
    write_latency(&json, "wake_threads", &summary->wake_threads);
    write_latency(&json, "wake_fibers", &summary->wake_fibers);
    write_latency(&json, "queued", &summary->queued);
    json_object_close(&json);
}
