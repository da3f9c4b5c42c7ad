/* SPDX-License-Identifier: MIT
 *
 * Goes through a trace's events and sums them up.
 */
#include <stdlib.h>
#include <string.h>

#include "trace.h"

const char *const trace_state_names[STATES] = {"run", "wait", "call", "search", "sleep", "other"};

/* A span that is open. */
struct open_span {
    enum trace_state state;
    size_t name; /* of a task; else SIZE_MAX */
    int64_t begin;
};

/* A thread's open spans, the innermost last, and since when that is it. */
struct lane {
    struct open_span *spans;
    size_t count, room;
    int64_t since;
    bool has_begun;
};

/* A moment that begins or ends a time that is looked for. */
enum moment_kind { WAKE, WOKEN_THREAD, WOKEN_FIBER, QUEUED, BEGUN };
struct moment {
    int64_t ns;
    uint64_t flow;
    size_t order; /* in the file: of those at the same time the first comes first */
    enum moment_kind kind;
};

struct pass {
    struct trace_summary *summary;
    struct lane *lanes;
    trace_stretch_fn *take;
    void *context;
    bool sums; /* else it only tells stretches */
    size_t *table; /* hash of a name: its place + 1 */
    size_t table_size;
    struct moment *moments;
    size_t moment_count, moment_room;
};

static void *grow(void *memory, size_t *room, size_t size)
{
    *room = *room ? *room * 2 : 64;
    memory = realloc(memory, *room * size);
    if (!memory)
        abort();
    return memory;
}

static void *zeroed(size_t count, size_t size)
{
    void *memory = calloc(count + 1, size);
    if (!memory)
        abort();
    return memory;
}

/* ---- names ---- */

static size_t hash_of(const char *text)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return (size_t)(hash ^ hash >> 32);
}

static size_t *find_name(const struct pass *pass, const char *text)
{
    size_t i = hash_of(text) & (pass->table_size - 1);
    while (pass->table[i] &&
           strcmp(pass->summary->names[pass->table[i] - 1].text, text) != 0)
        i = (i + 1) & (pass->table_size - 1);
    return &pass->table[i];
}

static void make_table(struct pass *pass, size_t size)
{
    free(pass->table);
    pass->table = zeroed(size, sizeof *pass->table);
    pass->table_size = size;
    for (size_t i = 0; i < pass->summary->name_count; i++)
        *find_name(pass, pass->summary->names[i].text) = i + 1;
}

static size_t name_of(struct pass *pass, const char *text)
{
    struct trace_summary *summary = pass->summary;
    size_t *place = find_name(pass, text);
    if (*place)
        return *place - 1;
    const size_t count = summary->name_count + 1;
    summary->names = realloc(summary->names, count * sizeof *summary->names);
    if (!summary->names || !(text = strdup(text)))
        abort();
    summary->names[count - 1] = (struct trace_name){.text = (char *)(uintptr_t)text};
    summary->name_count = *place = count;
    if (count * 2 > pass->table_size)
        make_table(pass, pass->table_size * 2);
    return count - 1;
}

/* ---- spans ---- */

static enum trace_state state_of(const char *category)
{
    static const struct {
        const char *category;
        enum trace_state state;
    } states[] = {{"task", STATE_RUN},
                  {"wait", STATE_WAIT},
                  {"call", STATE_CALL},
                  {"search", STATE_SEARCH},
                  {"sleep", STATE_SLEEP}};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        if (strcmp(states[i].category, category) == 0)
            return states[i].state;
    return STATE_OTHER;
}

/* The time since the last event belongs to the innermost span. */
static void pass_time(struct pass *pass, size_t track, int64_t ns)
{
    struct lane *lane = &pass->lanes[track];
    const struct open_span *innermost = lane->count ? &lane->spans[lane->count - 1] : NULL;
    const enum trace_state state = innermost ? innermost->state : STATE_OTHER;
    const size_t name = innermost ? innermost->name : SIZE_MAX;
    if (!lane->has_begun) {
        lane->has_begun = true;
        lane->since = ns;
    }
    if (ns <= lane->since)
        return;
    if (pass->take)
        pass->take(track, state, name, lane->since, ns, pass->context);
    if (pass->sums) {
        pass->summary->threads[track].ns[state] += ns - lane->since;
        if (name != SIZE_MAX)
            pass->summary->names[name].ns += ns - lane->since;
    }
    lane->since = ns;
}

static void begin_span(struct pass *pass, const struct trace_event *event)
{
    struct lane *lane = &pass->lanes[event->track];
    const enum trace_state state = state_of(event->category);
    if (lane->count == lane->room)
        lane->spans = grow(lane->spans, &lane->room, sizeof *lane->spans);
    lane->spans[lane->count++] = (struct open_span){
        state, state == STATE_RUN ? name_of(pass, event->name) : SIZE_MAX, event->ns};
}

static void note_longest(struct trace_summary *summary, const struct trace_span *span)
{
    size_t i = LONGEST;
    while (i && summary->longest[i - 1].ns < span->ns)
        i--;
    if (i == LONGEST)
        return;
    memmove(&summary->longest[i + 1], &summary->longest[i],
            (LONGEST - 1 - i) * sizeof summary->longest[0]);
    summary->longest[i] = *span;
}

static void end_span(struct pass *pass, size_t track, int64_t ns)
{
    struct lane *lane = &pass->lanes[track];
    if (lane->count == 0)
        return;
    const struct open_span *open = &lane->spans[--lane->count];
    if (!pass->sums || open->name == SIZE_MAX)
        return;
    struct trace_name *name = &pass->summary->names[open->name];
    const struct trace_span span = {track, open->name, open->begin, ns - open->begin};
    name->spans++;
    if (span.ns > name->longest)
        name->longest = span.ns;
    note_longest(pass->summary, &span);
}

/* ---- steals, wakes, losses ---- */

static void note_steal(struct trace_summary *summary, const struct trace_event *event)
{
    for (size_t i = 0; i < summary->steal_count; i++) {
        struct trace_steal *steal = &summary->steals[i];
        if (steal->thief == event->track && strcmp(steal->victim, event->from) == 0 &&
            strcmp(steal->distance, event->distance) == 0) {
            steal->count++;
            return;
        }
    }
    const size_t count = summary->steal_count + 1;
    summary->steals = realloc(summary->steals, count * sizeof *summary->steals);
    const struct trace_steal steal = {event->track, strdup(event->from), strdup(event->distance),
                                      1};
    if (!summary->steals || !steal.victim || !steal.distance)
        abort();
    summary->steals[count - 1] = steal;
    summary->steal_count = count;
}

static void put_moment(struct pass *pass, int64_t ns, uint64_t flow, enum moment_kind kind)
{
    if (pass->moment_count == pass->moment_room)
        pass->moments = grow(pass->moments, &pass->moment_room, sizeof *pass->moments);
    pass->moments[pass->moment_count] = (struct moment){ns, flow, pass->moment_count, kind};
    pass->moment_count++;
}

static void note_moment(struct pass *pass, const struct trace_event *event)
{
    const bool is_run = event->type == TRACE_BEGIN && strcmp(event->category, "task") == 0;
    const uint64_t flow = event->flow ? event->flow : event->last_flow;
    if (!flow)
        return;
    if (is_run) {
        put_moment(pass, event->ns, flow, BEGUN);
        put_moment(pass, event->ns, flow, WOKEN_FIBER);
    } else if (strcmp(event->name, "wake") == 0) {
        put_moment(pass, event->ns, flow, WAKE);
    } else if (strcmp(event->name, "woken") == 0) {
        put_moment(pass, event->ns, flow, WOKEN_THREAD);
    } else if (strcmp(event->name, "queued") == 0) {
        put_moment(pass, event->ns, flow, QUEUED);
    }
}

static int by_flow_and_time(const void *a, const void *b)
{
    const struct moment *x = a, *y = b;
    if (x->flow != y->flow)
        return x->flow < y->flow ? -1 : 1;
    if (x->ns != y->ns)
        return x->ns < y->ns ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static int by_value(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Times, in no order. */
struct times {
    int64_t *list;
    size_t count, room;
};

static void put_time(struct times *times, int64_t ns)
{
    if (times->count == times->room)
        times->list = grow(times->list, &times->room, sizeof *times->list);
    times->list[times->count++] = ns;
}

static unsigned bucket_of(int64_t ns)
{
    unsigned bucket = 0;
    for (int64_t us = ns / 1000; us; us >>= 1)
        bucket++;
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static void sum_times(struct times *times, struct trace_latency *latency)
{
    latency->count = times->count;
    if (times->count == 0)
        return;
    qsort(times->list, times->count, sizeof *times->list, by_value);
    for (size_t i = 0; i < times->count; i++)
        latency->buckets[bucket_of(times->list[i])]++;
    latency->median = times->list[times->count / 2];
    latency->p99 = times->list[times->count - 1 - times->count / 100];
    latency->longest = times->list[times->count - 1];
    free(times->list);
}

/* Each end goes with the last beginning of its flow, which it uses up. */
static void sum_moments(struct pass *pass)
{
    struct times times[3] = {0};
    const struct moment *wake = NULL, *queued = NULL;
    if (pass->moment_count)
        qsort(pass->moments, pass->moment_count, sizeof *pass->moments, by_flow_and_time);
    for (size_t i = 0; i < pass->moment_count; i++) {
        const struct moment *moment = &pass->moments[i];
        if (i == 0 || moment->flow != pass->moments[i - 1].flow)
            wake = queued = NULL;
        if (moment->kind == WAKE) {
            wake = wake ? wake : moment; /* the first has woken it */
        } else if (moment->kind == QUEUED) {
            queued = moment;
        } else if (moment->kind == BEGUN && queued) {
            put_time(&times[2], moment->ns - queued->ns);
            queued = NULL;
        } else if (moment->kind != BEGUN && wake) {
            put_time(&times[moment->kind == WOKEN_FIBER], moment->ns - wake->ns);
            wake = NULL;
        }
    }
    sum_times(&times[0], &pass->summary->wake_threads);
    sum_times(&times[1], &pass->summary->wake_fibers);
    sum_times(&times[2], &pass->summary->queued);
}

/* ---- all ---- */

static void take_counter(struct pass *pass, const struct trace_event *event)
{
    struct trace_file *file = pass->summary->file;
    const struct trace_track *counter = &file->tracks[event->track];
    if (!pass->sums || strcmp(counter->name, "events lost") != 0)
        return;
    for (size_t i = 0; i < file->track_count; i++)
        if (file->tracks[i].id == counter->parent)
            pass->summary->threads[i].lost = (uint64_t)event->value;
}

static void note_event(struct pass *pass, const struct trace_event *event)
{
    struct trace_summary *summary = pass->summary;
    struct trace_thread *thread = &summary->threads[event->track];
    summary->begin = summary->events && summary->begin < event->ns ? summary->begin : event->ns;
    summary->end = summary->events && summary->end > event->ns ? summary->end : event->ns;
    summary->events++;
    if (!thread->is_there)
        thread->first = event->ns;
    thread->is_there = true;
    thread->last = event->ns > thread->last ? event->ns : thread->last;
    if (strcmp(event->category, "steal") == 0)
        note_steal(summary, event);
    note_moment(pass, event);
}

static void take_event(const struct trace_event *event, void *context)
{
    struct pass *pass = context;
    if (event->type == TRACE_COUNTER) {
        take_counter(pass, event);
        return;
    }
    if (pass->sums)
        note_event(pass, event);
    pass_time(pass, event->track, event->ns);
    if (event->type == TRACE_BEGIN)
        begin_span(pass, event);
    else if (event->type == TRACE_END)
        end_span(pass, event->track, event->ns);
}

static void go_through(struct pass *pass)
{
    struct trace_file *file = pass->summary->file;
    pass->lanes = zeroed(file->track_count, sizeof *pass->lanes);
    make_table(pass, 1024);
    while (pass->table_size < pass->summary->name_count * 2)
        make_table(pass, pass->table_size * 2);
    trace_each(file, take_event, pass);
    for (size_t i = 0; i < file->track_count; i++)
        free(pass->lanes[i].spans);
    free(pass->lanes);
    free(pass->table);
}

static const struct trace_name *names_to_sort;

static int by_time(const void *a, const void *b)
{
    const int64_t x = names_to_sort[*(const size_t *)a].ns;
    const int64_t y = names_to_sort[*(const size_t *)b].ns;
    return x > y ? -1 : x < y;
}

void trace_sum(struct trace_summary *summary, struct trace_file *file)
{
    *summary = (struct trace_summary){.file = file};
    summary->threads = zeroed(file->track_count, sizeof *summary->threads);
    struct pass pass = {.summary = summary, .sums = true};
    go_through(&pass);
    sum_moments(&pass);
    free(pass.moments);
    summary->by_time = zeroed(summary->name_count, sizeof *summary->by_time);
    for (size_t i = 0; i < summary->name_count; i++)
        summary->by_time[i] = i;
    names_to_sort = summary->names;
    qsort(summary->by_time, summary->name_count, sizeof *summary->by_time, by_time);
    for (size_t i = 0; i < file->track_count; i++)
        summary->lost += summary->threads[i].lost;
}

void trace_stretches(struct trace_summary *summary, trace_stretch_fn *take, void *context)
{
    struct pass pass = {.summary = summary, .take = take, .context = context};
    go_through(&pass);
}

void trace_forget(struct trace_summary *summary)
{
    for (size_t i = 0; i < summary->name_count; i++)
        free(summary->names[i].text);
    for (size_t i = 0; i < summary->steal_count; i++) {
        free(summary->steals[i].victim);
        free(summary->steals[i].distance);
    }
    free(summary->names);
    free(summary->by_time);
    free(summary->steals);
    free(summary->threads);
}
