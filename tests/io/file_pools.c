/* SPDX-License-Identifier: MIT
 *
 * The implementations for the parts of the suite on descriptors, whose calls make way for no tasks,
 * so that little depends on the pool.
 */
#include "pools.h"

static int make_default(const struct suite_io *self, struct pinion_io **io, void **made)
{
    (void)self;
    *io = pinion_default_io();
    *made = NULL;
    return 0;
}

static void keep(void *made) { (void)made; }

const struct suite_io suite_ios[] = {
    POOL(1, ADAPTIVE, false, "adaptive"),
    POOL(2, PARK, false, "park"),
    POOL(8, ADAPTIVE, true, "adaptive, eager"),
    {.name = "default io", .has_concurrent = true, .has_parallel = true, .make = make_default,
     .destroy = keep}};
const size_t suite_io_count = sizeof suite_ios / sizeof suite_ios[0];
const bool suite_calls_from_fiber = false;
