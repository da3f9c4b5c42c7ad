/* SPDX-License-Identifier: MIT
 *
 * What the pools and loops of a process count, as text for monitors: OpenMetrics 1.0, which
 * Prometheus and its kin read. How the text gets there, over HTTP say, is the program's.
 *
 * Labels: io, a number that each pool and loop has from its creation on and no other gets; kind,
 * "pool" or "loop"; and, of what each worker counts, worker (as in struct pinion_worker_stats) and
 * node (as the system numbers them; "none"). Reserve threads come and go: they are counted as one
 * worker "reserve" a node; and threads that are no workers as one worker "outside" a node. So the
 * sum over the workers of an io is what pinion_pool_stats says.
 *
 *   counters  pinion_tasks, pinion_inlined, pinion_queued, pinion_claimed, pinion_stolen_near,
 *             pinion_stolen_far, pinion_injected, pinion_parked, pinion_woken, pinion_searched,
 *             pinion_remote_frees, a worker; pinion_fibers_started, a worker of a loop
 *   gauges    pinion_cpus, pinion_reservations, pinion_capacity, pinion_threads,
 *             pinion_threads_peak, an io; pinion_fibers, pinion_stacks, pinion_stack_bytes, a loop;
 *             pinion_queue_tasks, pinion_closure_bytes, a worker
 *   histograms  pinion_task_wait_seconds, pinion_task_run_seconds, an io: see
 *             pinion_metrics_time_tasks
 *
 * A histogram's buckets are log-linear: four of the same width from each power of two of
 * nanoseconds to the next. So a bucket ends at most 25 % above its beginning, and a quantile that
 * is taken as the middle of its bucket errs by at most 12.5 %. The text has those from 64 ns to
 * 69 s; what is below the first is counted in it, what is above in le="+Inf".
 */
#ifndef PINION_METRICS_H
#define PINION_METRICS_H

#include <stdbool.h>
#include <stddef.h>

#include <pinion/api.h>

PINION_BEGIN

/* Writes the text, of all pools and loops that this process has made and not destroyed, the default
 * io's too. Returns its length in bytes, without the NUL at its end. Where size is not more than
 * that, buffer holds those of its lines that fit, a NUL, and no "# EOF" at the end. buffer may be
 * NULL if size is 0. The length grows and shrinks with threads, pools and counts: see
 * examples/metrics.c for a buffer that suffices.
 *
 * Each number is read by itself while workers run on; none of them waits for this, nor does it
 * allocate. Who destroys a pool or loop meanwhile waits until the text is written. Never fails. Any
 * thread; not in a signal's handler. */
PINION_API size_t pinion_metrics_write(char *buffer, size_t size);

/* Whether the tasks that are made from now on are timed, those of all pools and loops; false until
 * this is called. Of each task that was queued, or handed to a thread (concurrent and parallel
 * ones), and has ended, the histograms have
 *
 *   wait  how long it waited for its turn: from when it was made until it began
 *   run   from then on until it ended, what it waited in between included, which on a loop is also
 *         the time in which other fibers ran
 *
 * A task that async runs in its caller is never timed. Timing costs a task three looks at
 * CLOCK_MONOTONIC and 16 bytes; not timing it, a look at a flag. A worker's first timed task takes
 * 4 KiB for its histograms; where memory is refused it is left out. Any thread. */
PINION_API void pinion_metrics_time_tasks(bool on);

PINION_END

#endif
