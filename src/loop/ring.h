/* SPDX-License-Identifier: MIT
 *
 * An io_uring of one thread: how it is set up.
 */
#ifndef PN_RING_H
#define PN_RING_H

#include <liburing.h>

#include "backend_parts.h"

/* What each entry of the submission queue is for is in its user_data: the address of a completion,
 * with PN_RING_CANCELS where it asks to cancel that; PN_RING_WAKE: it reads the eventfd. A
 * completion is told only when all that name it are back, so a late one never means another. */
#define PN_RING_WAKE    UINT64_C(0)
#define PN_RING_CANCELS UINT64_C(1)

struct pn_ring {
    struct pn_backend backend;
    struct io_uring uring;
    unsigned enter_flags;          /* of every io_uring_enter */
    unsigned wait_flags;           /* of those that wait */
    unsigned woken_for;            /* the tail for which the kernel thread was woken last */
    struct pn_completions backlog; /* those with an entry to come, for which there was no room */
    uint64_t wakes;                /* what is read from the eventfd */
    bool is_wake_armed;            /* it is being read */
    bool is_held_up;               /* the kernel takes no entries, till some have ended */
    uint64_t operations[4];        /* which the kernel has, a bit each */
};

static inline bool pn_ring_has(const struct pn_ring *ring, unsigned operation)
{
    return operation < 256 && (ring->operations[operation / 64] >> operation % 64 & 1);
}

/* Sets up uring, flags and operations, and fills the report. -errno: -EINVAL: the kernel is too
 * old. */
int pn_ring_setup(struct pn_ring *ring, const struct pn_backend_options *options);
void pn_ring_teardown(struct pn_ring *ring);

#endif
