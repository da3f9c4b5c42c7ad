/* SPDX-License-Identifier: MIT
 *
 * The counters, gauges and histograms of all crews, as OpenMetrics text. A family of metrics is
 * written as a whole, so each goes over all crews.
 */
#include <pinion/metrics.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <pinion/version.h>

#include "loop.h"
#include "pool.h"
#include "slab.h"
#include "task.h"

/* The buckets that are written: the first ends at 64 ns, the last at 2^36 ns. */
#define FIRST_END UINT64_C(64)
#define LAST_END  (UINT64_C(1) << 36)

/* ---- the text ---- */

/* length: of all lines; used: of those that are in the buffer, which are the first ones. */
struct text {
    char *buffer;
    size_t size, used, length;
    bool is_cut;
};

#define LINE_MAX_BYTES 256

/* A line. */
static void put(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *text, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    va_list arguments;
    va_start(arguments, format);
    const size_t length = (size_t)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    PN_ASSERT(length < sizeof line);
    text->length += length;
    text->is_cut = text->is_cut || text->used + length >= text->size;
    if (text->is_cut)
        return;
    memcpy(text->buffer + text->used, line, length);
    text->used += length;
}

static void put_family(struct text *text, const char *name, const char *type, const char *help)
{
    const char *last_word = strrchr(name, '_') + 1;
    put(text, "# TYPE %s %s\n", name, type);
    if (!strcmp(last_word, "bytes") || !strcmp(last_word, "seconds"))
        put(text, "# UNIT %s %s\n", name, last_word);
    put(text, "# HELP %s %s\n", name, help);
}

/* The labels that every sample has. */
#define IO          "{io=\"%" PRIu64 "\",kind=\"%s\""
#define OF_IO(crew) (crew)->id, (crew)->kind->noun

static bool is_loop(const struct pn_crew *crew) { return crew->kind->vtable == &pn_loop_vtable; }

/* ---- what a crew has ---- */

/* A gauge is a field of what pinion_loop_stats gives, of which a pool has a part. */
struct gauge {
    const char *name, *help;
    uint64_t (*of)(const struct pinion_loop_stats *stats);
    bool is_of_loops;
};

static uint64_t cpus(const struct pinion_loop_stats *stats) { return stats->cpu_count; }
static uint64_t reservations(const struct pinion_loop_stats *stats)
{
    return stats->parallel_count;
}
static uint64_t capacity(const struct pinion_loop_stats *stats) { return stats->capacity; }
static uint64_t alive(const struct pinion_loop_stats *stats) { return stats->threads; }
static uint64_t peak(const struct pinion_loop_stats *stats) { return stats->threads_peak; }
static uint64_t fibers(const struct pinion_loop_stats *stats) { return stats->fibers; }
static uint64_t stacks(const struct pinion_loop_stats *stats) { return stats->stacks; }
static uint64_t stack_bytes(const struct pinion_loop_stats *stats) { return stats->stack_bytes; }

static const struct gauge gauges[] = {
    {"pinion_cpus", "Logical CPUs that it counts on.", cpus, false},
    {"pinion_reservations", "Tasks that have a thread of their own.", reservations, false},
    {"pinion_capacity", "Threads that it may have: cpus - 1 + reservations.", capacity, false},
    {"pinion_threads", "Threads of its own that are alive.", alive, false},
    {"pinion_threads_peak", "The most that were alive at a time.", peak, false},
    {"pinion_fibers", "Fibers that have begun and not ended.", fibers, true},
    {"pinion_stacks", "Stacks of fibers, in use or kept for the next.", stacks, true},
    {"pinion_stack_bytes", "Address space that stacks of fibers take.", stack_bytes, true},
};

static void read_stats(struct pn_crew *crew, struct pinion_loop_stats *stats)
{
    struct pinion_pool_stats of_pool;
    if (is_loop(crew)) {
        pinion_loop_stats(pn_loop_of(crew), stats);
        return;
    }
    pn_crew_stats(crew, &of_pool);
    *stats = (struct pinion_loop_stats){.cpu_count = of_pool.cpu_count,
                                        .parallel_count = of_pool.parallel_count,
                                        .capacity = of_pool.capacity,
                                        .threads = of_pool.threads,
                                        .threads_peak = of_pool.threads_peak};
}

static void put_gauge(struct text *text, struct pn_crew *first, const struct gauge *gauge)
{
    put_family(text, gauge->name, "gauge", gauge->help);
    for (struct pn_crew *crew = first; crew; crew = pn_crews_next(crew)) {
        struct pinion_loop_stats stats;
        if (gauge->is_of_loops && !is_loop(crew))
            continue;
        read_stats(crew, &stats);
        put(text, "%s" IO "} %" PRIu64 "\n", gauge->name, OF_IO(crew), gauge->of(&stats));
    }
}

/* ---- what workers have ---- */

enum value {
    WOKEN, TASKS, CLAIMED, STOLEN_NEAR, STOLEN_FAR, PARKED, SEARCHED, REMOTE_FREES, STARTED,
    INLINED, INJECTED, QUEUED, DEPTH, CLOSURE_BYTES, VALUES
};

/* Who has it. */
enum { OF_WORKERS = 1, OF_OUTSIDE = 2, OF_ALL = 3, OF_LOOPS = 4 };

/* In the order in which they are read: what comes of a task before the task itself, so that the sum
 * of the former is not the greater. */
static const struct {
    const char *name, *type, *help;
    unsigned who;
} values[VALUES] = {
    [WOKEN] = {"pinion_woken", "counter", "Sleeping workers that were woken for what it queued.",
               OF_ALL},
    [TASKS] = {"pinion_tasks", "counter",
               "Queued, concurrent and parallel tasks that it took and ran.", OF_WORKERS},
    [CLAIMED] = {"pinion_claimed", "counter", "Queued tasks that it ran where it awaited them.",
                 OF_ALL},
    [STOLEN_NEAR] = {"pinion_stolen_near", "counter",
                     "Tasks that it took from the queue of another thread of its node.",
                     OF_WORKERS},
    [STOLEN_FAR] = {"pinion_stolen_far", "counter",
                    "Tasks that it took from the queue of a thread of another node.", OF_WORKERS},
    [PARKED] = {"pinion_parked", "counter", "Times that it went to sleep.", OF_WORKERS},
    [SEARCHED] = {"pinion_searched", "counter",
                  "Times that it looked in vain at the queues of others.", OF_WORKERS},
    [REMOTE_FREES] = {"pinion_remote_frees", "counter",
                      "Closures that it made and another thread freed.", OF_ALL},
    [STARTED] = {"pinion_fibers_started", "counter", "Fibers that it has begun.",
                 OF_WORKERS | OF_LOOPS},
    [INLINED] = {"pinion_inlined", "counter", "Tasks that it ran where it made them.", OF_ALL},
    [INJECTED] = {"pinion_injected", "counter", "Tasks that outside threads queued.", OF_OUTSIDE},
    [QUEUED] = {"pinion_queued", "counter", "Tasks that it queued.", OF_ALL},
    [DEPTH] = {"pinion_queue_tasks", "gauge",
               "Tasks in its queue, with those that were run out of turn and stand there still.",
               OF_ALL},
    [CLOSURE_BYTES] = {"pinion_closure_bytes", "gauge",
                       "Memory that its closures occupy, used and free.", OF_ALL},
};

static uint64_t of_counters(const struct pn_counters *counters, enum value value)
{
    switch (value) {
    case WOKEN:
        return pn_load_acquire(&counters->woken); /* as in pn_crew_stats */
    case TASKS:
        return pn_load_relaxed(&counters->tasks) + pn_load_relaxed(&counters->handed);
    case CLAIMED:
        return pn_load_relaxed(&counters->claimed);
    case STOLEN_NEAR:
        return pn_load_relaxed(&counters->stolen_near);
    case STOLEN_FAR:
        return pn_load_relaxed(&counters->stolen_far);
    case PARKED:
        return pn_load_relaxed(&counters->parked);
    case SEARCHED:
        return pn_load_relaxed(&counters->searched);
    case QUEUED:
        return pn_load_relaxed(&counters->queued);
    default:
        return 0;
    }
}

static uint64_t of_slab(const struct pn_slab *slab, enum value value)
{
    struct pn_slab_stats stats;
    pn_slab_stats(slab, &stats);
    return value == REMOTE_FREES ? stats.remote_frees : stats.chunk_bytes;
}

static uint64_t of_worker(struct pn_worker *worker, enum value value)
{
    switch (value) {
    case INLINED:
        return pn_plain_load_relaxed(&worker->head->shared.inlined);
    case REMOTE_FREES:
    case CLOSURE_BYTES:
        return of_slab(worker->slab, value);
    case DEPTH:
        return pn_deque_count(worker->deque);
    case STARTED:
        return pn_load_relaxed(&worker->record->loop.started);
    default:
        return of_counters(worker->counters, value);
    }
}

static uint64_t of_node(const struct pn_crew_node *node, enum value value)
{
    switch (value) {
    case INLINED:
        return pn_load_relaxed(&node->record->inlined);
    case INJECTED:
        return pn_load_relaxed(&node->record->counters.queued);
    case REMOTE_FREES:
    case CLOSURE_BYTES:
        return of_slab(node->slab, value);
    case DEPTH:
        return pn_lane_count(&node->lane);
    default:
        return of_counters(&node->record->counters, value);
    }
}

struct rows {
    struct text *text;
    enum value value;
    const struct pn_crew_node *node; /* whose reserve threads are summed up */
    uint64_t sum;
};

static void put_row(const struct rows *rows, const struct pn_crew *crew, const char *worker,
                    unsigned node, uint64_t number)
{
    const bool is_counter = !strcmp(values[rows->value].type, "counter");
    char words[16] = "none";
    if (node != PINION_NO_NODE)
        (void)snprintf(words, sizeof words, "%u", node);
    put(rows->text, "%s%s" IO ",worker=\"%s\",node=\"%s\"} %" PRIu64 "\n",
        values[rows->value].name, is_counter ? "_total" : "", OF_IO(crew), worker, words, number);
}

static void put_worker(struct pn_worker *worker, void *context)
{
    const struct rows *rows = context;
    char name[16];
    if (worker->role == PN_RESERVE)
        return;
    pn_worker_name(worker, name);
    put_row(rows, worker->crew, name, worker->seat.node, of_worker(worker, rows->value));
}

static void add_reserve(struct pn_worker *worker, void *context)
{
    struct rows *rows = context;
    if (worker->role == PN_RESERVE && worker->node == rows->node)
        rows->sum += of_worker(worker, rows->value);
}

static void put_rows(struct rows *rows, struct pn_crew *crew)
{
    const unsigned who = values[rows->value].who;
    const bool has_reserves = pn_load_relaxed(&crew->reserve_count);
    if ((who & OF_LOOPS) && !is_loop(crew))
        return;
    if (who & OF_WORKERS)
        pn_crew_each_slot(crew, put_worker, rows);
    for (unsigned i = 0; i < crew->node_count; i++) {
        rows->node = &crew->nodes[i];
        rows->sum = 0;
        if ((who & OF_WORKERS) && has_reserves) {
            pn_crew_each_slot(crew, add_reserve, rows);
            put_row(rows, crew, "reserve", rows->node->node, rows->sum);
        }
        if (who & OF_OUTSIDE)
            put_row(rows, crew, "outside", rows->node->node, of_node(rows->node, rows->value));
    }
}

static void put_value(struct text *text, struct pn_crew *first, enum value value)
{
    struct rows rows = {.text = text, .value = value};
    put_family(text, values[value].name, values[value].type, values[value].help);
    for (struct pn_crew *crew = first; crew; crew = pn_crews_next(crew))
        put_rows(&rows, crew);
}

/* ---- how long tasks waited and ran ---- */

/* Of all slots and nodes of a crew. */
struct spectrum {
    bool is_of_runs, is_any;
    uint64_t sum, counts[PN_HISTOGRAM_BUCKETS];
};

static void add_times(struct spectrum *spectrum, const struct pn_times *times)
{
    if (!times)
        return;
    const struct pn_histogram *histogram = spectrum->is_of_runs ? &times->ran : &times->waited;
    spectrum->is_any = true;
    spectrum->sum += pn_load_relaxed(&histogram->sum);
    for (unsigned i = 0; i < PN_HISTOGRAM_BUCKETS; i++)
        spectrum->counts[i] += pn_load_relaxed(&histogram->counts[i]);
}

static void add_worker_times(struct pn_worker *worker, void *context)
{
    add_times(context, pn_load_acquire(&worker->times)); /* pairs with mine (times.c) */
}

static void put_spectrum(struct text *text, const struct pn_crew *crew, const char *name,
                         const struct spectrum *spectrum)
{
    const uint64_t second = UINT64_C(1000000000);
    uint64_t count = 0;
    for (unsigned i = 0; i < PN_HISTOGRAM_BUCKETS; i++) {
        const uint64_t end = pn_histogram_end(i);
        count += spectrum->counts[i];
        if (end >= FIRST_END && end <= LAST_END)
            put(text, "%s_bucket" IO ",le=\"%" PRIu64 ".%09" PRIu64 "\"} %" PRIu64 "\n", name,
                OF_IO(crew), end / second, end % second, count);
    }
    put(text, "%s_bucket" IO ",le=\"+Inf\"} %" PRIu64 "\n", name, OF_IO(crew), count);
    put(text, "%s_count" IO "} %" PRIu64 "\n", name, OF_IO(crew), count);
    put(text, "%s_sum" IO "} %" PRIu64 ".%09" PRIu64 "\n", name, OF_IO(crew),
        spectrum->sum / second, spectrum->sum % second);
}

static void put_histogram(struct text *text, struct pn_crew *first, bool is_of_runs)
{
    const char *name = is_of_runs ? "pinion_task_run_seconds" : "pinion_task_wait_seconds";
    put_family(text, name, "histogram",
               is_of_runs
                   ? "From a task's begin to its end; a bucket is at most 25 % wide."
                   : "From when a task was made to its begin; a bucket is at most 25 % wide.");
    for (struct pn_crew *crew = first; crew; crew = pn_crews_next(crew)) {
        struct spectrum spectrum = {.is_of_runs = is_of_runs};
        pn_crew_each_slot(crew, add_worker_times, &spectrum);
        for (unsigned i = 0; i < crew->node_count; i++)
            add_times(&spectrum, pn_load_acquire(&crew->nodes[i].times)); /* as above */
        if (spectrum.is_any)
            put_spectrum(text, crew, name, &spectrum);
    }
}

/* ---- all of it ---- */

size_t pinion_metrics_write(char *buffer, size_t size)
{
    struct text text = {.buffer = buffer, .size = size};
    put_family(&text, "pinion_build", "info", "The library's version.");
    put(&text, "pinion_build_info{version=\"%d.%d.%d\"} 1\n", PINION_VERSION_MAJOR,
        PINION_VERSION_MINOR, PINION_VERSION_PATCH);
    struct pn_crew *first = pn_crews_enter();
    for (size_t i = 0; i < sizeof gauges / sizeof gauges[0]; i++)
        put_gauge(&text, first, &gauges[i]);
    for (enum value value = 0; value < VALUES; value++)
        put_value(&text, first, value);
    put_histogram(&text, first, false);
    put_histogram(&text, first, true);
    pn_crews_leave();
    put(&text, "# EOF\n");
    if (size)
        buffer[text.used] = '\0';
    return text.length;
}

void pinion_metrics_time_tasks(bool on)
{
    pn_store_relaxed(&pn_task_timing, on); /* each task looks for itself */
}
