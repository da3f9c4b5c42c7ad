/* SPDX-License-Identifier: MIT */
#include <pinion/version.h>

#define TEXT(x)  TEXT2(x)
#define TEXT2(x) #x

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "compiler unknown"
#endif

const char *pinion_version(void)
{
    return TEXT(PINION_VERSION_MAJOR) "." TEXT(PINION_VERSION_MINOR) "." TEXT(PINION_VERSION_PATCH);
}

const char *pinion_build_info(void)
{
    return PN_HWLOC "\n" PN_ALLOCATOR "\n" COMPILER;
}
