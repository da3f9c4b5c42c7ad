/* SPDX-License-Identifier: MIT
 *
 * Counts tasks where they run, on a cache line a thread: that all have run, none twice, and how
 * many on which thread. For contenders that have no other way to wait for tasks that nobody awaits.
 * C and C++.
 */
#ifndef PINION_BENCH_TALLY_H
#define PINION_BENCH_TALLY_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Written by its thread, read by those who wait; both sides by the functions below. */
struct tally_slot {
    uint64_t count, sum;
    char rest[48];
} __attribute__((aligned(64)));

extern __thread struct tally_slot *tally_mine;

/* Gives the calling thread a slot. */
struct tally_slot *tally_join(void);

/* A task with this word ran on the calling thread. */
static inline void tally_count(uint64_t word)
{
    struct tally_slot *slot = tally_mine ? tally_mine : tally_join();
    __atomic_store_n(&slot->sum, slot->sum + word, __ATOMIC_RELAXED);
    /* release: pairs with the acquire in tally_wait */
    __atomic_store_n(&slot->count, slot->count + 1, __ATOMIC_RELEASE);
}

/* The same, for other languages. */
void tally_note(uint64_t word);

/* Forgets all. Nobody counts meanwhile. */
void tally_reset(void);

/* Waits until n tasks have run, whose words were 1 to n; ends the program if one was lost. */
void tally_wait(uint64_t n);

/* How many of a thousand tasks others ran than the calling thread. */
uint64_t tally_permille_elsewhere(void);

#ifdef __cplusplus
}
#endif

#endif
