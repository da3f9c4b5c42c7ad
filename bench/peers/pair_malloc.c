/* SPDX-License-Identifier: MIT
 *
 * malloc and free, of whichever library this is linked with. usage: bench-pair [none]
 * none: instead of an allocator, blocks that are there already, in turn.
 */
#include <stdlib.h>
#include <string.h>

#include "pair.h"

/* As many as may be under way, and one more that is written to. */
static struct {
    _Alignas(64) char bytes[512];
} blocks[512];

static void *take_next(size_t size)
{
    static unsigned next;
    return size <= sizeof blocks[0] ? &blocks[next++ % 512] : NULL;
}

static void leave(void *block)
{
    (void)block;
}

int main(int argc, char **argv)
{
    static const struct pair_allocator none = {.take = take_next, .give = leave};
    static const struct pair_allocator any = {.take = malloc, .give = free};
    return pair_serve(argc > 1 && !strcmp(argv[1], "none") ? &none : &any);
}
