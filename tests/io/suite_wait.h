/* SPDX-License-Identifier: MIT
 *
 * Every call of sync.h and queue.h that waits, in one shape: a table of them, for the tests of what
 * is the same for all (suite_wait.c) and for the storm of cancels (suite_storm.c).
 */
#ifndef SUITE_WAIT_H
#define SUITE_WAIT_H

#include "suite.h"

/* What the calls are made on: each takes the part that it needs. All zero, then shut. */
struct object {
    PINION_ATOMIC(uint32_t) word;
    uint32_t tokens; /* of the condition, under the mutex */
    struct pinion_mutex mutex;
    struct pinion_condition condition;
    struct pinion_semaphore semaphore;
    struct pinion_event event;
    struct pinion_rwlock rwlock;
    struct pinion_queue queue;
    char storage[2];
};

/* A call. It waits on an object that was shut, until someone opens it. Each open lets one call that
 * gives 0 through, be it there or still to come; who is through calls `after`, and the object is
 * shut again. A call that gives an error has left the object as it was. */
struct wait {
    const char *name;
    void (*shut)(struct pinion_io *io, struct object *object);
    void (*open)(struct pinion_io *io, struct object *object);
    int (*plain)(struct pinion_io *io, struct object *object);
    int (*until)(struct pinion_io *io, struct object *object, int64_t deadline);
    int (*uncancelable)(struct pinion_io *io, struct object *object);
    void (*after)(struct pinion_io *io, struct object *object); /* NULL: nothing is to be done */
    bool is_meeting;  /* open waits for the call: a rendezvous */
    bool is_lock;     /* who is through holds it: it can be opened again only then */
    bool is_for_many; /* any number of threads may wait at a time */
};

extern const struct wait suite_waits[];
extern const unsigned suite_wait_count;

/* A fresh object, shut. */
void wait_shut(const struct wait *wait, struct pinion_io *io, struct object *object);
void wait_after(const struct wait *wait, struct pinion_io *io, struct object *object);

#endif
