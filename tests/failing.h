/* SPDX-License-Identifier: MIT
 *
 * Allocations that fail when they are told to, for tests that are linked with --wrap of each, as
 * meson's lists have it, and statically with the library.
 */
#ifndef TESTS_FAILING_H
#define TESTS_FAILING_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

/* What is left to go well before a failure; negative: nothing fails. */
static _Atomic long allocations_left = -1;
static _Atomic bool all_after;
static _Atomic unsigned failures;

static bool is_to_fail(_Atomic long *left)
{
    long seen = atomic_load(left);
    do {
        if (seen < 0 || (seen == 0 && atomic_load(&failures) && !atomic_load(&all_after)))
            return false;
    } while (seen > 0 && !atomic_compare_exchange_weak(left, &seen, seen - 1));
    if (seen != 0)
        return false;
    atomic_fetch_add(&failures, 1);
    return true;
}

/* Runs it with the failure at each place in turn, until it is past the last. How many there were;
 * -1: it did not go well without one, which is what run returns. */
static inline long fail_everywhere(_Atomic long *left, bool and_all_after, bool (*run)(void))
{
    for (long n = 0;; n++) {
        atomic_store(&failures, 0);
        atomic_store(&all_after, and_all_after);
        atomic_store(left, n);
        const bool went_well = run();
        atomic_store(left, -1);
        if (!atomic_load(&failures))
            return went_well ? n : -1;
    }
}

#define FAILING(type, name, parameters, arguments, failed)                                         \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        if (is_to_fail(&allocations_left)) {                                                       \
            errno = ENOMEM;                                                                        \
            return failed;                                                                         \
        }                                                                                          \
        return __real_##name arguments;                                                            \
    }

FAILING(void *, malloc, (size_t size), (size), NULL)
FAILING(void *, calloc, (size_t count, size_t size), (count, size), NULL)
FAILING(void *, realloc, (void *pointer, size_t size), (pointer, size), NULL)
FAILING(void *, aligned_alloc, (size_t align, size_t size), (align, size), NULL)
#ifdef WITH_JEMALLOC
FAILING(void *, mallocx, (size_t size, int flags), (size, flags), NULL)
#endif
FAILING(void *, mmap64,
        (void *address, size_t length, int protection, int flags, int file, off_t offset),
        (address, length, protection, flags, file, offset), MAP_FAILED)

#endif
