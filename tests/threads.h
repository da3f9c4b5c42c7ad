/* SPDX-License-Identifier: MIT
 *
 * For tests with threads: checks there, where cmocka's assertions can't be used, how long to wait
 * for one, and a look at what it does.
 */
#ifndef TESTS_THREADS_H
#define TESTS_THREADS_H

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define must(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Seconds after which what has to come won't: a failure, never a measure. For an emulated or busy
 * machine PATIENCE=N in the environment makes them N times as many, as in tools/test. */
static inline int patience_s(void)
{
    const char *times = getenv("PATIENCE");
    return 60 * (times ? atoi(times) : 1);
}

/* Whether a thread of this process sleeps in a system call: its state in /proc is S. */
static inline bool sleeps(int tid)
{
    char path[64], line[256];
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    must(file >= 0);
    const ssize_t length = read(file, line, sizeof line - 1);
    must(length > 0 && close(file) == 0);
    line[length] = '\0';
    const char *state = strrchr(line, ')');
    must(state && state[1] == ' ');
    return state[2] == 'S';
}

/* How many descriptors this process has, and some more: to compare. */
static inline int descriptor_count(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    must(directory);
    while (readdir(directory))
        count++;
    must(closedir(directory) == 0);
    return count;
}

#endif
