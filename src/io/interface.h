/* SPDX-License-Identifier: MIT
 *
 * What an implementation of the interface provides. It embeds a struct pinion_io in its own object
 * and finds itself from it; the public functions check and dispatch, and do themselves what is the
 * same for all: awaiting, selecting, canceling.
 */
#ifndef PN_INTERFACE_H
#define PN_INTERFACE_H

#include <stdint.h>

#include <pinion/io.h>

#include "task.h"

struct pn_io_vtable {
    /* As the public functions; call is valid. async gives false if the caller is to run it at
     * once. */
    bool (*async)(struct pinion_io *io, const struct pinion_call *call,
                  struct pinion_future *future);
    bool (*detached)(struct pinion_io *io, const struct pinion_call *call);
    /* kind: PN_CONCURRENT or PN_PARALLEL. */
    int (*spawn)(struct pinion_io *io, const struct pinion_call *call, enum pn_task_kind kind,
                 struct pinion_future *future);
    /* A task was claimed by the caller, which is about to run it. For its queue and its
     * counters. */
    void (*claimed)(struct pinion_io *io, struct pinion_task *task);
    /* The future lets go of a done task: pn_task_drop, with the caller's slab. */
    void (*drop)(struct pinion_io *io, struct pinion_task *task);
    void (*yield)(struct pinion_io *io);
};

struct pinion_io {
    const struct pn_io_vtable *vtable;
    int64_t spin_ns; /* how long a thread that waits looks before it sleeps; INT64_MAX: for ever */
};

#endif
