/* SPDX-License-Identifier: MIT
 *
 * Tells AddressSanitizer and, in debug builds, Valgrind which bytes of our memory are in use, so
 * that they find a use after free in it as they do in malloc's. Nothing in other builds.
 */
#ifndef PN_GUARD_H
#define PN_GUARD_H

#include <stddef.h>

#include "check.h"

#ifndef __has_feature
#define __has_feature(name) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define PN_GUARD_ASAN 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#else
#define PN_GUARD_ASAN 0
#endif

/* A client request costs more than the slab's whole fast path, hence debug builds alone. */
#if PN_DEBUG && !PN_GUARD_ASAN && __has_include(<valgrind/memcheck.h>)
#define PN_GUARD_VALGRIND 1
#include <valgrind/memcheck.h>
#else
#define PN_GUARD_VALGRIND 0
#endif

/* From now on nobody may touch [address, address + length). */
static inline void pn_guard_close(const void *address, size_t length)
{
    (void)address, (void)length;
#if PN_GUARD_ASAN
    ASAN_POISON_MEMORY_REGION(address, length);
#elif PN_GUARD_VALGRIND
    VALGRIND_MAKE_MEM_NOACCESS(address, length);
#endif
}

/* From now on it may be touched; what it holds is undefined. */
static inline void pn_guard_open(const void *address, size_t length)
{
    (void)address, (void)length;
#if PN_GUARD_ASAN
    ASAN_UNPOISON_MEMORY_REGION(address, length);
#elif PN_GUARD_VALGRIND
    VALGRIND_MAKE_MEM_UNDEFINED(address, length);
#endif
}

/* As pn_guard_open, for our own links in memory that is not in use: what it holds is defined. */
static inline void pn_guard_peek(const void *address, size_t length)
{
    (void)address, (void)length;
#if PN_GUARD_ASAN
    ASAN_UNPOISON_MEMORY_REGION(address, length);
#elif PN_GUARD_VALGRIND
    VALGRIND_MAKE_MEM_DEFINED(address, length);
#endif
}

/* Touches a block that is about to be freed: a second free of it is found. */
static inline void pn_guard_check(const void *block)
{
#if PN_GUARD_ASAN
    (void)*(const volatile char *)block;
#else
    (void)block;
#endif
}

/* A mapping of ours begins: what it points to is no leak. */
static inline void pn_guard_map(const void *address, size_t length)
{
    (void)address, (void)length;
#if PN_GUARD_ASAN
    __lsan_register_root_region(address, length);
#endif
}

/* A mapping of ours is about to end: whatever the system puts there next may be touched. */
static inline void pn_guard_unmap(const void *address, size_t length)
{
    (void)address, (void)length;
#if PN_GUARD_ASAN
    __lsan_unregister_root_region(address, length);
    ASAN_UNPOISON_MEMORY_REGION(address, length);
#endif
}

#endif
