/* SPDX-License-Identifier: MIT
 *
 * Who runs a demo's tasks, a pool or a loop, behind one face.
 */
#ifndef TOOLS_RUNNER_H
#define TOOLS_RUNNER_H

#include <stdbool.h>
#include <stddef.h>

#include <pinion/io.h>
#include <pinion/loop.h>
#include <pinion/pool.h>

#include "options.h"

/* One of pool and loop is NULL. */
struct runner {
    struct pinion_pool *pool;
    struct pinion_loop *loop;
    struct pinion_io *io;
};

/* False after a complaint. */
bool runner_make(struct runner *runner, const struct options *options);
void runner_destroy(struct runner *runner);

/* Calls work(context) in the calling thread, which is a worker meanwhile: of a loop as its main
 * task. 0, or -errno, and then it was not called. */
int runner_call(struct runner *runner, void (*work)(void *context), void *context);

/* A pool's are those that a loop has too. */
void runner_stats(struct runner *runner, struct pinion_loop_stats *stats);

/* A row for each worker and the caller, and the lines of what is degraded; both are the caller's to
 * free. */
struct pinion_worker_stats *runner_workers(struct runner *runner, size_t *count);
char *runner_degraded(struct runner *runner);

#endif
