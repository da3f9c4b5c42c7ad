/* SPDX-License-Identifier: MIT
 *
 * Which process this is, and what a fork must not cut through. A child of fork has one thread and a
 * copy of the memory: locks that other threads held stay held in it for ever. So the library's
 * global locks are taken before a fork, in one order, and let go after it on both sides; what other
 * threads left half done in the child is put right there. Locks of single pools are not: their
 * threads are gone, and the child leaves the pools of its parent alone.
 */
#ifndef PN_PROCESS_H
#define PN_PROCESS_H

#include <stdbool.h>

#include "atomic.h"

/* Written by the child alone, in which no other thread is. Never PN_PROCESS_NONE. */
extern _Atomic(unsigned) pn_process_count;

#define PN_PROCESS_NONE 0u

/* A number that no other process has among this one's ancestors and descendants of one line. A
 * vfork's child has its parent's. */
static inline unsigned pn_process(void)
{
    return pn_load_relaxed(&pn_process_count); /* written before its reader's thread was made */
}

/* In the order in which locks are taken, by anyone who takes more than one. */
enum pn_fork_rank {
    PN_FORK_TRACE,
    PN_FORK_DEFAULT_IO,
    PN_FORK_CREWS,
    PN_FORK_INTERRUPTS,
    PN_FORK_FUTURES,
    PN_FORK_CARRIERS,
    PN_FORK_ARENAS,
    PN_FORK_MEMORY,
    PN_FORK_PARKING,
    PN_FORK_FIBERS,
    PN_FORK_SEGMENTS,
    PN_FORK_RINGS,
    PN_FORK_RANKS
};

/* Has `before` called before a fork and `after` after it; either may be NULL. From a constructor:
 * no thread of ours is there yet. */
void pn_fork_register(enum pn_fork_rank rank, void (*before)(void), void (*after)(bool is_child));

/* Between the two no fork happens: for calls of other libraries that take global locks of theirs.
 * One thread at a time; the last in the order above. */
void pn_fork_delay(void);
void pn_fork_allow(void);

#endif
