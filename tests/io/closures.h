/* SPDX-License-Identifier: MIT
 *
 * Memory for tests of tasks as blocks: an arena and a slab of it, made before each test.
 */
#ifndef TESTS_CLOSURES_H
#define TESTS_CLOSURES_H

#include <pinion/arena.h>

#include "slab.h"

static struct pinion_arena *arena;
static struct pn_slab *slab;

static inline int set_up(void **state)
{
    (void)state;
    const int error = pinion_arena_create(-1, &arena);
    return error ? error : pn_slab_create(arena, &slab);
}

static inline int tear_down(void **state)
{
    (void)state;
    pn_slab_destroy(slab);
    pinion_arena_destroy(arena);
    return 0;
}

#endif
