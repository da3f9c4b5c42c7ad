/* SPDX-License-Identifier: MIT
 *
 * Numbers that tasks add to and others look at meanwhile: progress, a stop flag. Nothing is ordered
 * by them, so every access is relaxed. A program has no part in the library's own atomics.
 */
#ifndef TOOLS_COUNTER_H
#define TOOLS_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

struct counter {
    _Atomic uint64_t value;
};

static inline uint64_t counter_get(const struct counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

static inline void counter_set(struct counter *counter, uint64_t value)
{
    atomic_store_explicit(&counter->value, value, memory_order_relaxed);
}

/* Adds (wraps round, so adding -1 takes away) and gives what was there before. */
static inline uint64_t counter_add(struct counter *counter, uint64_t value)
{
    return atomic_fetch_add_explicit(&counter->value, value, memory_order_relaxed);
}

#endif
