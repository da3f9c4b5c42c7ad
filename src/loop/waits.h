/* SPDX-License-Identifier: MIT
 *
 * Which of an engine's fibers has waited longest, for others to see. A fiber notes when it began to
 * wait, by a time that is some of its thread's turns old. The thread looks at some of those that
 * have ever waited, round and round, every few milliseconds and before it rests: what is shown is
 * the longest wait that it came by, and no more than that.
 */
#ifndef PN_WAITS_H
#define PN_WAITS_H

#include <stdbool.h>
#include <stdint.h>

#include "record.h"

struct pn_operation;

/* A fiber's, in its own memory. */
struct pn_wait {
    int64_t since;               /* ns; 0: it does not wait */
    struct pn_wait *next, *last; /* in the ring, from its first wait on; NULL: it is not */
    uint64_t fiber;              /* its number */
    uintptr_t function;          /* that it runs */
    const struct pn_operation *operation; /* that it waits for; NULL: for something else */
};

/* An engine's. */
struct pn_waits {
    struct pn_wait ring; /* its head: it never waits */
    struct pn_wait *at;  /* the next to be looked at */
    const struct pn_wait *longest;
    int64_t longest_since; /* as it is shown; 0: none is */
    int64_t now, looked_at;
    struct pn_wait_shown *shown;
};

void pn_waits_init(struct pn_waits *waits, struct pn_wait_shown *shown);
/* Looks at the clock. */
void pn_waits_tick(struct pn_waits *waits);
/* After some turns. rests: the thread is about to: what is shown stays for longer. */
void pn_waits_look(struct pn_waits *waits, bool rests);

void pn_wait_enlist(struct pn_waits *waits, struct pn_wait *wait);
void pn_wait_delist(struct pn_waits *waits, struct pn_wait *wait);

/* By the fiber. */
static inline void pn_wait_begin(struct pn_waits *waits, struct pn_wait *wait)
{
    if (!wait->next)
        pn_wait_enlist(waits, wait);
    wait->since = waits->now;
}
static inline void pn_wait_end(struct pn_wait *wait) { wait->since = 0; }
/* The fiber ends. */
static inline void pn_wait_fini(struct pn_waits *waits, struct pn_wait *wait)
{
    if (wait->next)
        pn_wait_delist(waits, wait);
}

#endif
