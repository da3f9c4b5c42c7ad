/* SPDX-License-Identifier: MIT
 *
 * What <pinion/fiber.h> needs of each thread that runs fibers: a stack for signals, since the
 * fiber's is used up.
 */
#ifndef PN_OVERFLOW_H
#define PN_OVERFLOW_H

#include <stddef.h>

/* NULL: the thread had one already. */
struct pn_overflow_thread {
    void *stack;
    size_t bytes;
};

/* By the thread. 0 or -ENOMEM. */
int pn_overflow_thread_begin(struct pn_overflow_thread *thread);

/* By the same thread, not in a signal's handler. */
void pn_overflow_thread_end(struct pn_overflow_thread *thread);

#endif
