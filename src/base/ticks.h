/* SPDX-License-Identifier: MIT
 *
 * A clock for events: what takes the least to read. The processor's counter, where it runs at one
 * speed on all CPUs, else CLOCK_MONOTONIC.
 */
#ifndef PN_TICKS_H
#define PN_TICKS_H

#include <stdint.h>

#include "atomic.h"
#include "check.h"
#include "futex.h"

/* Whether the processor's counter is used. Constant: written by a constructor. */
extern bool pn_ticks_are_counted __attribute__((visibility("hidden")));

/* The time in ticks. Any thread; comparable between CPUs. */
static inline uint64_t pn_ticks(void)
{
#if defined(__x86_64__)
    if (PN_LIKELY(pn_ticks_are_counted))
        return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ __volatile__("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#endif
    return (uint64_t)pn_now();
}

/* A moment in both. */
struct pn_moment {
    uint64_t ticks;
    int64_t ns; /* of CLOCK_MONOTONIC */
};

/* The present one, to within some ten nanoseconds. */
struct pn_moment pn_moment_now(void);

/* Nanoseconds a tick, times 2^32, from how far both went between two moments. The error is that of
 * the moments by the time between: of 10 ms, some millionths. */
uint64_t pn_ticks_scale(const struct pn_moment *from, const struct pn_moment *to);

/* When ticks were read, in ns, by a moment and a scale. */
static inline int64_t pn_ticks_to_ns(uint64_t ticks, const struct pn_moment *base, uint64_t scale)
{
    const __int128 scaled = (__int128)(int64_t)(ticks - base->ticks) * (__int128)scale;
    return base->ns + (int64_t)(scaled >> 32);
}

#endif
