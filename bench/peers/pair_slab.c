/* SPDX-License-Identifier: MIT
 *
 * pinion's slab: the one thread owns one, the other another.
 */
#include <pinion/arena.h>

#include "pair.h"
#include "serve.h"
#include "slab.h"

static struct pinion_arena *arena;
static struct pn_slab *mine, *its;

static void begin(void)
{
    if (!arena && (pinion_arena_create(-1, &arena) || pn_slab_create(arena, &its)))
        serve_die("out of memory");
    if (!mine && pn_slab_create(arena, &mine))
        serve_die("out of memory");
}

static void *take(size_t size)
{
    return pn_slab_alloc(mine, size);
}

static void give(void *block)
{
    pn_slab_free(its, block);
}

int main(void)
{
    static const struct pair_allocator slab = {.take = take, .give = give, .begin = begin};
    return pair_serve(&slab);
}
