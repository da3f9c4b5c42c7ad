/* SPDX-License-Identifier: MIT
 *
 * What a trace comes to.
 *
 *   trace.c        the verb: reads the words after it
 *   trace_read.*   the file
 *   trace_sum.c    the sums
 *   trace_print.c  … as text and as JSON
 *   trace_svg.c    … as a picture
 */
#ifndef TOOLS_TRACE_H
#define TOOLS_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "trace_read.h"

/* What a thread does at a time: that of its innermost span. */
enum trace_state {
    STATE_RUN,
    STATE_WAIT,
    STATE_CALL,
    STATE_SEARCH,
    STATE_SLEEP,
    STATE_OTHER, /* no span: not a worker, or between two */
    STATES
};
extern const char *const trace_state_names[STATES];

/* A span of a task that lasted long. */
struct trace_span {
    size_t track, name; /* name: of summary.names */
    int64_t begin, ns;
};
#define LONGEST 10

struct trace_name {
    char *text;
    uint64_t spans;
    int64_t ns, longest; /* ns: without what was nested in them */
};

/* A thread, by the number of its track. */
struct trace_thread {
    bool is_there; /* it has an event */
    int64_t first, last;
    int64_t ns[STATES]; /* their sum: last - first */
    uint64_t lost;
};

struct trace_steal {
    size_t thief; /* track */
    char *victim, *distance;
    uint64_t count;
};

/* How long something took: bucket 0 is less than 1 µs, i is 2^(i-1) to 2^i µs. */
#define BUCKETS 28
struct trace_latency {
    uint64_t count, buckets[BUCKETS];
    int64_t longest, median, p99;
};

struct trace_summary {
    struct trace_file *file;
    int64_t begin, end;
    uint64_t events, lost;
    struct trace_thread *threads; /* file->track_count */
    struct trace_name *names;
    size_t *by_time; /* places in names: those of most time first */
    size_t name_count;
    struct trace_span longest[LONGEST]; /* the longest first; ns 0: there are no more */
    struct trace_steal *steals;
    size_t steal_count;
    struct trace_latency wake_threads, wake_fibers; /* from the wake to when it goes on */
    struct trace_latency queued;                    /* from queueing a task to its begin */
};

/* Innermost spans, in the order of time of each track: for a picture. name: of summary.names, of a
 * task; else SIZE_MAX. */
typedef void trace_stretch_fn(size_t track, enum trace_state state, size_t name, int64_t begin,
                              int64_t end, void *context);

void trace_sum(struct trace_summary *summary, struct trace_file *file);
void trace_stretches(struct trace_summary *summary, trace_stretch_fn *take, void *context);
void trace_forget(struct trace_summary *summary);

void trace_print_text(const struct trace_summary *summary);
void trace_print_json(const struct trace_summary *summary);
void trace_draw(struct trace_summary *summary, FILE *file);

#endif
