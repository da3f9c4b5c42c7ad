/* SPDX-License-Identifier: MIT
 *
 * A floating-point mode that fenv.h does not know: flushing to zero. Elsewhere than on x86-64 there
 * is none to look at.
 */
#ifndef TESTS_FLUSHING_H
#define TESTS_FLUSHING_H

#include <stdbool.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

static inline void flush(bool is_on)
{
#if defined(__x86_64__)
    _MM_SET_FLUSH_ZERO_MODE(is_on ? _MM_FLUSH_ZERO_ON : _MM_FLUSH_ZERO_OFF);
#else
    (void)is_on;
#endif
}

static inline bool flushes(void)
{
#if defined(__x86_64__)
    return _MM_GET_FLUSH_ZERO_MODE() == _MM_FLUSH_ZERO_ON;
#else
    return false;
#endif
}

#endif
