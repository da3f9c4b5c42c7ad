/* SPDX-License-Identifier: MIT
 *
 * Threads onto CPUs. hwloc is not asked: on a topology that is not this machine's its binding calls
 * do nothing and report success, and the kernel's mask is the only one that counts.
 */
#include "binding.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"

enum { WORD_BITS = sizeof(unsigned long) * CHAR_BIT };

/* The kernel refuses to tell a mask that is narrower than its own, without saying how wide that is.
 * It is built for at most 8192 CPUs today; a million is where growing stops. */
enum { WORDS_FIRST = 1024 / WORD_BITS, WORDS_MAX = (1 << 20) / WORD_BITS };

struct pn_cpu_mask {
    size_t words;
    unsigned long bits[];
};

static struct pn_cpu_mask *mask_create(size_t words)
{
    struct pn_cpu_mask *mask = calloc(1, sizeof *mask + words * sizeof mask->bits[0]);
    if (mask)
        mask->words = words;
    return mask;
}

static void mask_set(struct pn_cpu_mask *mask, unsigned cpu)
{
    mask->bits[cpu / WORD_BITS] |= 1ul << cpu % WORD_BITS;
}

bool pn_cpu_mask_has(const struct pn_cpu_mask *mask, unsigned cpu)
{
    return cpu / WORD_BITS < mask->words && (mask->bits[cpu / WORD_BITS] >> cpu % WORD_BITS & 1);
}

unsigned pn_cpu_mask_end(const struct pn_cpu_mask *mask)
{
    return (unsigned)(mask->words * WORD_BITS);
}

int pn_cpu_mask_get(struct pn_cpu_mask **mask)
{
    for (size_t words = WORDS_FIRST; words <= WORDS_MAX; words *= 2) {
        struct pn_cpu_mask *grown = mask_create(words);
        if (!grown)
            return -ENOMEM;
        if (sched_getaffinity(0, words * sizeof(long), (cpu_set_t *)(void *)grown->bits) == 0) {
            *mask = grown;
            return 0;
        }
        const int error = errno;
        free(grown);
        if (error != EINVAL)
            return -error;
    }
    return -EINVAL;
}

/* Whether a CPU belongs to a node for placement: it is the node's own, or has none and the node is
 * the nearest. NO_NODE takes all. */
static bool cpu_is_of(const struct pinion_topology *topology, unsigned index, unsigned node)
{
    return node == PINION_NO_NODE || topology->homes[index] == node;
}

int pn_cpu_mask_of(const struct pinion_topology *topology, unsigned node, struct pn_cpu_mask **mask)
{
    unsigned top = 0, found = 0;
    for (unsigned i = 0; i < topology->cpu_total; i++) {
        top = topology->cpus[i].os_index > top ? topology->cpus[i].os_index : top;
        found += cpu_is_of(topology, i, node);
    }
    struct pn_cpu_mask *made = mask_create(top / WORD_BITS + 1);
    if (!made)
        return -ENOMEM;
    for (unsigned i = 0; i < topology->cpu_total; i++) {
        if (found == 0 || cpu_is_of(topology, i, node))
            mask_set(made, topology->cpus[i].os_index);
    }
    *mask = made;
    return 0;
}

int pn_cpu_mask_of_cpu(unsigned cpu, struct pn_cpu_mask **mask)
{
    struct pn_cpu_mask *made = mask_create(cpu / WORD_BITS + 1);
    if (!made)
        return -ENOMEM;
    mask_set(made, cpu);
    *mask = made;
    return 0;
}

void pn_cpu_mask_destroy(struct pn_cpu_mask *mask)
{
    free(mask);
}

/* Whether inner is a non-empty part of outer. */
static bool mask_is_part(const struct pn_cpu_mask *inner, const struct pn_cpu_mask *outer)
{
    unsigned long any = 0;
    for (size_t i = 0; i < inner->words; i++) {
        const unsigned long allowed = i < outer->words ? outer->bits[i] : 0;
        if (inner->bits[i] & ~allowed)
            return false;
        any |= inner->bits[i];
    }
    return any != 0;
}

int pn_cpu_mask_apply(const struct pn_cpu_mask *mask)
{
    if (sched_setaffinity(0, mask->words * sizeof(long),
                          (const cpu_set_t *)(const void *)mask->bits))
        return -errno;
    struct pn_cpu_mask *now = NULL;
    int error = pn_cpu_mask_get(&now);
    if (error)
        return error;
    error = mask_is_part(now, mask) ? 0 : -EPERM;
    pn_cpu_mask_destroy(now);
    return error;
}

int pn_pinned_cpu(void)
{
    struct pn_cpu_mask *mask = NULL;
    if (pn_cpu_mask_get(&mask))
        return -1;
    int cpu = -1, count = 0;
    for (size_t i = 0; i < mask->words && count < 2; i++) {
        if (!mask->bits[i])
            continue;
        count += __builtin_popcountl(mask->bits[i]);
        cpu = (int)(i * WORD_BITS) + __builtin_ctzl(mask->bits[i]);
    }
    pn_cpu_mask_destroy(mask);
    return count == 1 ? cpu : -1;
}

bool pn_topology_is_this_machine(const struct pinion_topology *topology)
{
    return topology->this_machine;
}
