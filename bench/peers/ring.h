/* SPDX-License-Identifier: MIT
 *
 * A peer to measure beside: a bounded queue of words in a ring, with one mutex and two conditions,
 * as it is written everywhere. A call moves what it can under one lock.
 */
#ifndef PINION_BENCH_RING_H
#define PINION_BENCH_RING_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
    pthread_mutex_t mutex;
    pthread_cond_t not_full, not_empty;
    uint64_t *items;
    size_t capacity, first, count;
};

/* Over storage of capacity (at least 1) items, which is borrowed. */
void ring_init(struct ring *ring, uint64_t *storage, size_t capacity);
void ring_fini(struct ring *ring);

/* Puts all of them, waiting for room as often as it takes. */
void ring_put(struct ring *ring, const uint64_t *items, size_t count);

/* Waits for an item, then takes what is there, up to count. Returns how many. */
size_t ring_get(struct ring *ring, uint64_t *items, size_t count);

#endif
