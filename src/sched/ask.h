/* SPDX-License-Identifier: MIT
 *
 * Whether a thread asks before it runs a task in place: not while its head names the io (inline.h).
 * Then its deque has entries that a thief can have, or somebody is about to clear the name.
 */
#ifndef PN_ASK_H
#define PN_ASK_H

#include <stdbool.h>
#include <stddef.h>

#include <pinion/inline.h>

#include "atomic.h"
#include "deque.h"

/* The thread is not to ask while its deque has `enough` entries, until it takes one out itself
 * (pn_ask) or a thief does (pn_let_ask). Of this store and look, and a thief's change of the deque
 * and look at the name, all sequentially consistent, the one or the other comes last. */
static inline void pn_ask_no_more(struct pinion_head *head, struct pinion_io *io,
                                  const struct pn_deque *deque, size_t enough)
{
    pn_plain_store_seq_cst(&head->runs, io);
    if (pn_deque_count(deque) < enough || pn_deque_is_requested(deque))
        pn_plain_store_relaxed(&head->runs, NULL);
}

/* The thread itself: asks again. */
static inline void pn_ask(struct pinion_head *head)
{
    pn_plain_store_relaxed(&head->runs, NULL); /* for this thread alone */
}

/* Any thread that took an entry out of its deque, or found none that it could take: the thread is
 * to ask again. */
static inline void pn_let_ask(struct pinion_head *head)
{
    if (pn_plain_load_seq_cst(&head->runs)) /* the line is the thread's: to write it is dear */
        pn_plain_store_seq_cst(&head->runs, NULL);
}

#endif
