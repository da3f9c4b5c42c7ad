/* SPDX-License-Identifier: MIT
 *
 * Reads a directory tree and sums it up: by tasks, one a directory, or alone in the calling thread.
 * Both give the same sum for the same tree.
 *
 * Symbolic links are not followed, other file systems not entered, and of the rest only plain files
 * are opened. What can't be read is counted and never fatal. Each directory is opened relative to
 * its parent, so paths may be longer than PATH_MAX; how many stay open at a time is bounded, and so
 * is the depth to which tasks nest.
 */
#ifndef TOOLS_WALK_H
#define TOOLS_WALK_H

#include <stdint.h>
#include <sys/types.h>

#include <pinion/io.h>
#include <pinion/sync.h>

#include "counter.h"

#define WALK_ERRORS_NAMED 5

/* What could not be read, relative to the root, and why. */
struct walk_error {
    struct walk_error *next;
    int error; /* errno */
    char path[];
};

/* What is below a directory. Passed by value from a task to the one that awaits it. */
struct tally {
    uint64_t files, bytes, directories;
    uint64_t skipped; /* symbolic links, devices, sockets, pipes */
    uint64_t mounts;  /* other file systems */
    uint64_t errors;
    uint64_t checksum;        /* of paths and contents, whatever the order: a sum, modulo 2^64 */
    uint64_t state;           /* the same of sizes, times and inodes: differs if the tree changed */
    struct walk_error *named; /* the first errors, in order of the tree */
    unsigned named_count;
};

struct walk {
    const char *path;
    struct counter stop;         /* nonzero: end soon. For where no task is there to be canceled */
    struct counter files, bytes; /* so far */
    struct counter kept;         /* directories that stay open for their children */
    uint64_t kept_max;
    struct pinion_semaphore turns; /* of directories that are read, each with two descriptors */
    dev_t device;
};

/* Looks whether path is a directory that can be read. 0, or -errno. */
int walk_begin(struct walk *walk, const char *path);

/* Sums up the tree by tasks of io. *running, if not NULL, is called with the future of the root's
 * task while it may be canceled, and with NULL when it no longer may. */
struct tally walk_by_tasks(struct walk *walk, struct pinion_io *io,
                           void (*running)(void *context, struct pinion_future *future),
                           void *context);

/* Sums up the tree in the calling thread. io: to read by. */
struct tally walk_alone(struct walk *walk, struct pinion_io *io);

/* Frees the errors that a tally names. */
void tally_forget(struct tally *tally);

#endif
