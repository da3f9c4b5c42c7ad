/* SPDX-License-Identifier: MIT
 *
 * Reads a trace's file: as much of Perfetto's format as the library writes. Whatever the bytes are,
 * what it gives is well formed.
 */
#ifndef TOOLS_TRACE_READ_H
#define TOOLS_TRACE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A thread or a counter, by its place in trace.tracks. */
struct trace_track {
    uint64_t id, parent;
    long pid, tid;   /* of a thread; 0: a counter or the process */
    char *name;      /* UTF-8 or not; never NULL */
    bool is_counter;
};

enum trace_type { TRACE_BEGIN = 1, TRACE_END, TRACE_INSTANT, TRACE_COUNTER };

struct trace_event {
    size_t track;
    int64_t ns;
    enum trace_type type;
    const char *name, *category, *from, *distance; /* "" where there is none */
    uint64_t flow, last_flow;                      /* 0: none */
    int64_t value;
};

struct trace_file {
    const char *path;
    uint8_t *bytes;
    size_t size;
    size_t whole; /* so many bytes of it are whole packets; fewer than size: it was cut */
    char *process;
    struct trace_track *tracks;
    size_t track_count;
};

/* Reads a file, after which all tracks are known; false after a complaint. */
bool trace_open(struct trace_file *file, const char *path);
void trace_close(struct trace_file *file);

/* Calls take for each event, those of one track in the order of time. The event and its texts last
 * for the call. */
void trace_each(struct trace_file *file, void (*take)(const struct trace_event *, void *),
                void *context);

#endif
