/* SPDX-License-Identifier: MIT
 *
 * A malloc that fails when it is told to, for tests that are linked with --wrap=malloc.
 */
#ifndef NO_MEMORY_H
#define NO_MEMORY_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

static bool is_failing;
static unsigned failures;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    if (!is_failing)
        return __real_malloc(size);
    failures++;
    errno = ENOMEM;
    return NULL;
}

#endif
