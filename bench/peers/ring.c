/* SPDX-License-Identifier: MIT */
#include "ring.h"

void ring_init(struct ring *ring, uint64_t *storage, size_t capacity)
{
    (void)pthread_mutex_init(&ring->mutex, NULL);
    (void)pthread_cond_init(&ring->not_full, NULL);
    (void)pthread_cond_init(&ring->not_empty, NULL);
    ring->items = storage;
    ring->capacity = capacity;
    ring->first = ring->count = 0;
}

void ring_fini(struct ring *ring)
{
    (void)pthread_cond_destroy(&ring->not_empty);
    (void)pthread_cond_destroy(&ring->not_full);
    (void)pthread_mutex_destroy(&ring->mutex);
}

/* After the unlock, so that who is woken finds the mutex free. */
static void tell(pthread_cond_t *condition, size_t moved)
{
    if (moved == 1)
        (void)pthread_cond_signal(condition);
    else
        (void)pthread_cond_broadcast(condition);
}

void ring_put(struct ring *ring, const uint64_t *items, size_t count)
{
    while (count) {
        size_t moved = 0;
        (void)pthread_mutex_lock(&ring->mutex);
        while (ring->count == ring->capacity)
            (void)pthread_cond_wait(&ring->not_full, &ring->mutex);
        for (; moved < count && ring->count < ring->capacity; moved++) {
            const size_t place = ring->first + ring->count++;
            ring->items[place < ring->capacity ? place : place - ring->capacity] = items[moved];
        }
        (void)pthread_mutex_unlock(&ring->mutex);
        tell(&ring->not_empty, moved);
        items += moved;
        count -= moved;
    }
}

size_t ring_get(struct ring *ring, uint64_t *items, size_t count)
{
    size_t moved = 0;
    (void)pthread_mutex_lock(&ring->mutex);
    while (!ring->count)
        (void)pthread_cond_wait(&ring->not_empty, &ring->mutex);
    for (; moved < count && ring->count; moved++, ring->count--) {
        items[moved] = ring->items[ring->first];
        ring->first = ring->first + 1 < ring->capacity ? ring->first + 1 : 0;
    }
    (void)pthread_mutex_unlock(&ring->mutex);
    tell(&ring->not_full, moved);
    return moved;
}
