/* SPDX-License-Identifier: MIT
 *
 * A bounded queue for any number of threads on either side: an array whose places each say whose
 * turn it is, after Dmitry Vyukov's. Who finds no room, or nothing, looks again: it never sleeps.
 */
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "bare.h"
#include "pause.h"

#define CAPACITY_MAX 1024

/* A place is written at turn 2 * r and read at 2 * r + 1, in its r-th use. */
struct place {
    _Alignas(16) uint64_t turn;
    uint64_t word;
};

struct array {
    _Alignas(128) uint64_t put;
    _Alignas(128) uint64_t got;
    _Alignas(128) uint64_t capacity; /* a power of two */
    uint64_t count;                  /* words that will be passed */
    struct place places[CAPACITY_MAX];
};

/* The place of the next word of a side, whose turn has come; the side has moved on. */
static struct place *claim(struct array *array, uint64_t *side, unsigned is_get)
{
    unsigned looks = 0;
    uint64_t index = __atomic_load_n(side, __ATOMIC_RELAXED);
    for (;;) {
        struct place *place = &array->places[index & (array->capacity - 1)];
        const uint64_t wanted = index / array->capacity * 2 + is_get;
        if (__atomic_load_n(&place->turn, __ATOMIC_ACQUIRE) != wanted) {
            pause_briefly(&looks);
            index = __atomic_load_n(side, __ATOMIC_RELAXED);
        } else if (__atomic_compare_exchange_n(side, &index, index + 1, true, __ATOMIC_RELAXED,
                                               __ATOMIC_RELAXED)) {
            return place;
        }
    }
}

/* The turn that follows is the other side's. */
static void pass_on(struct place *place)
{
    __atomic_store_n(&place->turn, place->turn + 1, __ATOMIC_RELEASE);
}

static void *consume(void *argument)
{
    struct array *array = argument;
    uint64_t sum = 0;
    serve_part();
    for (uint64_t i = 0; i < array->count; i++) {
        struct place *place = claim(array, &array->got, 1);
        sum += place->word;
        pass_on(place);
    }
    return (void *)(uintptr_t)sum;
}

/* Passes the words 1 to repeats. */
int64_t bare_queue(unsigned threads, uint64_t capacity, uint64_t repeats)
{
    static struct array array;
    pthread_t consumer;
    void *sum;
    (void)threads;
    if (capacity > CAPACITY_MAX || capacity & (capacity - 1))
        serve_die("a power of two, at most %d, is what the queue may have", CAPACITY_MAX);
    memset(&array, 0, sizeof array);
    array.capacity = capacity;
    array.count = repeats;
    const int64_t start = serve_now();
    const int error = pthread_create(&consumer, NULL, consume, &array);
    if (error)
        serve_die("no thread: %s", strerror(error));
    for (uint64_t i = 1; i <= repeats; i++) {
        struct place *place = claim(&array, &array.put, 0);
        place->word = i;
        pass_on(place);
    }
    (void)pthread_join(consumer, &sum);
    const int64_t ns = serve_now() - start;
    if ((uint64_t)(uintptr_t)sum != repeats * (repeats + 1) / 2)
        serve_die("a word was lost");
    return ns;
}
