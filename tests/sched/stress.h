/* SPDX-License-Identifier: MIT
 *
 * What the stress tests of the rooms share: how long they are, and threads that start together.
 */
#ifndef STRESS_H
#define STRESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define STRESS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define STRESS_SANITIZED 1
#endif
#endif
#ifndef STRESS_SANITIZED
#define STRESS_SANITIZED 0
#endif

#define ROUNDS(n) (STRESS_SANITIZED ? (n) / 10 + 1 : (n))

/* xorshift32: the same sequence for the same seed. */
static inline uint32_t random_next(uint32_t *state)
{
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

static inline void start_thread(pthread_t *thread, void *(*function)(void *), void *argument)
{
    assert_int_equal(pthread_create(thread, NULL, function, argument), 0);
}

static inline void join_thread(pthread_t thread)
{
    assert_int_equal(pthread_join(thread, NULL), 0);
}

#endif
