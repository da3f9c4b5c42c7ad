/* SPDX-License-Identifier: MIT
 *
 * Which pinion this is: at compile time by macro, at run time by function.
 *
 * While the major version is 0, a new minor version may break the ABI, and PINION_ABI, which is the
 * number in the shared library's name (libpinion.so.N), goes up with it.
 */
#ifndef PINION_VERSION_H
#define PINION_VERSION_H

#include <pinion/api.h>

#define PINION_VERSION_MAJOR 0
#define PINION_VERSION_MINOR 1
#define PINION_VERSION_PATCH 0
#define PINION_ABI           0

PINION_BEGIN

/* The version of the library that is loaded, as "0.1.0". The string is static. Any thread. */
PINION_API const char *pinion_version(void);

/* Versions of what the library was built with and runs on, one "name version" a line: hwloc,
 * jemalloc or "allocator mmap", and the compiler. The string is static. Any thread. */
PINION_API const char *pinion_build_info(void);

PINION_END

#endif
