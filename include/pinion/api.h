/* SPDX-License-Identifier: MIT
 *
 * What every public header needs: linkage and visibility. Nothing here is meant for programs.
 */
#ifndef PINION_API_H
#define PINION_API_H

#ifdef __cplusplus
#define PINION_BEGIN extern "C" {
#define PINION_END   }
#else
#define PINION_BEGIN
#define PINION_END
#endif

/* PINION_API marks the functions that the library exports; all else in it is hidden. */
#if defined(__GNUC__)
#define PINION_API    __attribute__((visibility("default")))
#define PINION_UNUSED __attribute__((unused))
#define PINION_NONNULL(...) __attribute__((nonnull(__VA_ARGS__)))
#else
#define PINION_API
#define PINION_UNUSED
#define PINION_NONNULL(...)
#endif

#endif
