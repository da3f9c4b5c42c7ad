/* SPDX-License-Identifier: MIT
 *
 * A peer that is a program of its own: it is asked for a round by a line on its standard input, and
 * answers with a line that says how many ns it took, so that its rounds interleave with ours. While
 * it isn't asked it is stopped, so that its threads use no CPU, whatever they wait for.
 */
#ifndef PINION_BENCH_CHILD_H
#define PINION_BENCH_CHILD_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#define CHILD_ARGUMENTS_MAX 2

struct child {
    struct child *next; /* child.c's */
    const char *path;   /* … of the program */
    pid_t pid;
    FILE *to, *from;
    clockid_t clock; /* of its CPU time */
};

/* Starts the program at that path (which is kept) with arguments up to the first NULL, or none. 0,
 * or -errno. */
int child_start(struct child *child, const char *path, const char *const *arguments);

/* Sends the line and waits for the number; ends the program if there is none. */
int64_t child_ask(struct child *child, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Ends all that were started, by closing their input, and waits for that. */
void child_end_all(void);

#endif
