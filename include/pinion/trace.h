/* SPDX-License-Identifier: MIT
 *
 * Traces: what every worker did and when, written to a file that ui.perfetto.dev opens (Perfetto's
 * protobuf format) and that `pinion trace summarize` reads. Not metrics, which are numbers, and
 * cost less: see pinion_pool_stats.
 *
 * The file has a track a thread, with its tasks, its waits for tasks and locks, system calls that
 * waited, and for a worker its searches and sleeps; flows from where a task was queued to where it
 * ran and where it was awaited; steals, wakes, queues' lengths and capacities. On a loop a span of
 * a track is a fiber's turn. Tasks that async ran in their caller are part of the caller.
 *
 * A thread writes its events into a ring of its own, without locks; a thread of the library's
 * brings them to the file. Events that find a ring full are left out, and counted: in the file, and
 * in the stats. While nothing is traced, each place that could be costs a load and a branch.
 *
 * PINION_TRACE=FILE in the environment, read when the process makes its first pool or loop, traces
 * until the process exits; %p in it becomes the process' number, %% a %. What can't be traced fails
 * that create, with -EINVAL and a detail.
 */
#ifndef PINION_TRACE_H
#define PINION_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pinion/api.h>
#include <pinion/io.h>

PINION_BEGIN

/* Zero-initialised: all defaults. */
struct pinion_trace_options {
    size_t ring_bytes; /* of each thread's ring, which it gets at its first event: 2 KiB to 1 GiB,
                          rounded up to a power of two; 0: 1 MiB, 32,768 events */
    uint64_t reserved[8];
};

/* Begins to trace the whole process. What is written goes to PATH.part, which becomes PATH when the
 * trace is stopped, or the process exits: there is no half-written PATH at any time. path: copied;
 * an existing file is replaced at the end. options: NULL for the defaults. Any thread.
 *
 * Errors, with a detail (pinion_error_detail): -EBUSY (a trace is on, or another process writes
 * one to PATH.part), -EINVAL (path is empty or names something else than a file; ring_bytes is out
 * of range; a reserved field is not zero), -ENOMEM, -EAGAIN (no thread can be had), and those of
 * open(2). A child of fork is not traced; it may begin a trace of its own. */
PINION_API int pinion_trace_start(const char *path, const struct pinion_trace_options *options);

/* Ends the trace that is on: writes what is still in the rings, and gives the file its name. Any
 * thread, also while tasks run. 0 (also if none was on, and it ended well); or the error that ended
 * it before, with a detail: -ENOSPC, -EDQUOT, -EFBIG, -EIO, -ENOMEM, and those of rename(2). Then
 * what could be written is in PATH.part, to the last whole event, and PATH is as it was; the
 * program itself was not disturbed. */
PINION_API int pinion_trace_stop(void);

/* Of the trace that is on, or else the last one. */
struct pinion_trace_stats {
    bool is_on;       /* events are written */
    int error;        /* that ended it before its time: negative; 0: none */
    uint64_t events;  /* brought to the file so far */
    uint64_t dropped; /* that found a ring full */
    uint64_t bytes;   /* of the file */
    uint64_t reserved[8];
};

/* Fills *stats; all zero if nothing was ever traced. Any thread. */
PINION_API void pinion_trace_stats(struct pinion_trace_stats *stats);

/* Gives the task that runs here a name in the trace, from its present span on; a task that async
 * ran in its caller is the caller's. name: UTF-8, up to 48 bytes of it are copied. Does nothing
 * while there is no trace, or outside a task. Without it a task is called as its PINION_TASK is, or
 * as its start function is to dladdr(3), or by where that lies in its file. */
PINION_API void pinion_task_name(const char *name);

/* Gives a start function the name that its tasks have in traces. name: copied. Does nothing while
 * there is no trace; the first name stays. Any thread. The macros of task.h do this for theirs. */
PINION_API void pinion_trace_name_start(pinion_start_fn *start, const char *name);

PINION_END

#endif
