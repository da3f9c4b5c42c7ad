/* SPDX-License-Identifier: MIT
 *
 * A peer that is a program of its own: it is asked for a round by a line on its standard input, and
 * answers with a line that says how many ns it took, so that its rounds interleave with ours.
 */
#ifndef PINION_BENCH_CHILD_H
#define PINION_BENCH_CHILD_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

struct child {
    pid_t pid;
    FILE *to, *from;
    clockid_t clock; /* of its CPU time */
};

/* Starts the program at that path. 0, or -errno. */
int child_start(struct child *child, const char *path);

/* Sends the line and waits for the number; ends the program if there is none. */
int64_t child_ask(struct child *child, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Closes its input, which ends it, and waits for that. */
void child_end(struct child *child);

#endif
