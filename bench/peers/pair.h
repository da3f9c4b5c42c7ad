/* SPDX-License-Identifier: MIT
 *
 * Two threads and a ring between them: one takes blocks, the other gives them back. Each allocator
 * among the contenders is a program of its own with these.
 */
#ifndef PINION_BENCH_PAIR_H
#define PINION_BENCH_PAIR_H

#include <stddef.h>

struct pair_allocator {
    void *(*take)(size_t size); /* by the one thread, which calls begin first and end last */
    void (*give)(void *block);  /* by the other */
    void (*begin)(void);        /* NULL: nothing to do */
    void (*end)(void);          /* … when every block was given back */
};

/* Answers; the program's status. */
int pair_serve(const struct pair_allocator *allocator);

#endif
