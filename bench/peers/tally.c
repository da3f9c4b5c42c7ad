/* SPDX-License-Identifier: MIT */
#include "tally.h"

#include <inttypes.h>
#include <sched.h>

#include "serve.h"

#define SLOTS_MAX 1024

static struct tally_slot slots[SLOTS_MAX];
static unsigned slot_count;
__thread struct tally_slot *tally_mine;

struct tally_slot *tally_join(void)
{
    const unsigned index = __atomic_fetch_add(&slot_count, 1, __ATOMIC_RELAXED);
    if (index >= SLOTS_MAX)
        serve_die("more than %d threads ran tasks", SLOTS_MAX);
    return tally_mine = &slots[index];
}

void tally_note(uint64_t word)
{
    tally_count(word);
}

void tally_reset(void)
{
    for (unsigned i = 0; i < SLOTS_MAX; i++)
        slots[i].count = slots[i].sum = 0;
}

static uint64_t total(void)
{
    const unsigned used = __atomic_load_n(&slot_count, __ATOMIC_RELAXED);
    uint64_t count = 0;
    for (unsigned i = 0; i < used && i < SLOTS_MAX; i++)
        count += __atomic_load_n(&slots[i].count, __ATOMIC_ACQUIRE);
    return count;
}

void tally_wait(uint64_t n)
{
    uint64_t sum = 0;
    while (total() < n)
        (void)sched_yield();
    for (unsigned i = 0; i < SLOTS_MAX; i++)
        sum += __atomic_load_n(&slots[i].sum, __ATOMIC_RELAXED);
    if (total() != n || sum != n * (n + 1) / 2)
        serve_die("of %" PRIu64 " tasks one was lost or ran twice", n);
}

uint64_t tally_permille_elsewhere(void)
{
    const uint64_t here = tally_mine ? tally_mine->count : 0, all = total();
    return all ? (all - here) * 1000 / all : 0;
}
