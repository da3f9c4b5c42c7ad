/* SPDX-License-Identifier: MIT
 *
 * So many members who do their parts at the same time, each on a thread of its own: as parallel
 * tasks of a pinion pool, or as POSIX threads for the peers.
 */
#ifndef PINION_BENCH_CREW_H
#define PINION_BENCH_CREW_H

#include <pinion.h>
#include <stdbool.h>
#include <stdint.h>

#define CREW_MAX 64

typedef void crew_work_fn(void *context, unsigned index);

/* Runs work(context, index) for each index below count (at most CREW_MAX), by tasks of io, or by
 * threads if that is NULL. All pass one barrier before they begin. apart: each is pinned meanwhile,
 * to a CPU of its own as long as there are so many; else they are where the scheduler has them.
 * Returns the ns from the moment when the first began until the last ended. */
int64_t crew_run(struct pinion_io *io, unsigned count, bool apart, crew_work_fn *work,
                 void *context);

#endif
