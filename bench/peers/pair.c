/* SPDX-License-Identifier: MIT */
#include "pair.h"

#include <pthread.h>
#include <string.h>

#include "pause.h"
#include "serve.h"

#define PLACES 256

/* A ring for one who puts and one who gets: a place is free when it holds NULL. */
static struct {
    _Alignas(64) uint64_t *places[PLACES];
} ring;

static const struct pair_allocator *allocator;

/* n blocks, numbered. */
static void *give_back(void *count)
{
    const uint64_t n = *(const uint64_t *)count;
    uint64_t sum = 0;
    unsigned looks = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t **place = &ring.places[i % PLACES], *block;
        while (!(block = __atomic_load_n(place, __ATOMIC_ACQUIRE)))
            pause_briefly(&looks);
        __atomic_store_n(place, NULL, __ATOMIC_RELEASE);
        sum += *block;
        allocator->give(block);
    }
    if (sum != n * (n + 1) / 2)
        serve_die("a block was lost");
    return NULL;
}

static void take_all(uint64_t n, size_t size)
{
    unsigned looks = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t **place = &ring.places[i % PLACES], *block = allocator->take(size);
        if (!block)
            serve_die("out of memory");
        *block = i + 1;
        while (__atomic_load_n(place, __ATOMIC_ACQUIRE))
            pause_briefly(&looks);
        __atomic_store_n(place, block, __ATOMIC_RELEASE);
    }
}

static int64_t run_pair(unsigned threads, uint64_t size, uint64_t repeats)
{
    pthread_t other;
    (void)threads;
    if (allocator->begin)
        allocator->begin();
    const int64_t start = serve_now();
    const int error = pthread_create(&other, NULL, give_back, &repeats);
    if (error)
        serve_die("no thread: %s", strerror(error));
    take_all(repeats, size);
    (void)pthread_join(other, NULL);
    const int64_t ns = serve_now() - start;
    if (allocator->end)
        allocator->end();
    return ns;
}

int pair_serve(const struct pair_allocator *chosen)
{
    static const struct serve_workload workloads[] = {{"pair", run_pair}, {NULL, NULL}};
    allocator = chosen;
    return serve(workloads);
}
