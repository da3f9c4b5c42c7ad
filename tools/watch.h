/* SPDX-License-Identifier: MIT
 *
 * What goes on beside a walk: somebody may press Ctrl-C, and somebody wants to see how far it is.
 */
#ifndef TOOLS_WATCH_H
#define TOOLS_WATCH_H

#include <pthread.h>
#include <stdbool.h>

#include <pinion/io.h>

#include "walk.h"

/* A thread that waits for SIGINT. The first asks the walk to stop, the second ends the process. */
struct watch {
    struct walk *walk;
    struct pinion_io *io;
    pthread_t thread;
    bool runs;
    pthread_mutex_t lock;         /* guards what follows */
    struct pinion_future *future; /* of the task to be canceled; NULL: there is none */
    bool interrupted;
};

/* Begins to watch; blocks SIGINT in the calling thread and those that it makes. Without effect, and
 * without harm, where SIGINT was ignored when the program was started. */
void watch_begin(struct watch *watch, struct walk *walk, struct pinion_io *io);

/* Names the task that stands for the walk, NULL when it may no longer be canceled. As the callback
 * of walk_by_tasks: context is the watch. */
void watch_task(void *context, struct pinion_future *future);

/* Whether it was pressed. */
bool watch_interrupted(struct watch *watch);

void watch_end(struct watch *watch);

/* A line on stderr that follows a walk, drawn by a parallel task: all CPUs may be busy reading. */
struct progress;

/* NULL if stderr is no terminal, or, after a note, if no thread can be had for it. */
struct progress *progress_begin(struct walk *walk, struct pinion_io *io, const char *label);

/* Wipes the line. NULL is allowed. */
void progress_end(struct progress *progress);

/* Seconds on a clock that only goes forward. */
double seconds_now(void);

#endif
