/* SPDX-License-Identifier: MIT */
#include "share.h"

#include <stdint.h>

#include "machine.h"

static unsigned count_cores(const struct pinion_topology *topology, unsigned first, unsigned count)
{
    unsigned cores = 0;
    for (unsigned i = first; i < first + count; i++)
        cores += i == first || topology->cpus[i].core != topology->cpus[i - 1].core;
    return cores;
}

/* The index after the last CPU of the core of CPU i. */
static unsigned next_core(const struct pinion_topology *topology, unsigned i)
{
    const unsigned core = topology->cpus[i].core;
    while (i < topology->cpu_total && topology->cpus[i].core == core)
        i++;
    return i;
}

static uint64_t apart(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* Where slices meet, moving from one to the next: cpu is the first CPU after the border, core
 * counts the cores before it. */
struct border {
    unsigned cpu, core;
};

/* Border number i of count + 1: at least one core after the one before, leaving at least one for
 * each slice to come, and of these the nearest to an even division of the CPUs. */
static void advance(const struct pinion_topology *topology, struct border *border, unsigned i,
                    unsigned count, unsigned cores)
{
    const uint64_t ideal = (uint64_t)i * topology->cpu_total;
    border->cpu = next_core(topology, border->cpu);
    border->core++;
    while (border->core < cores - (count - i)) {
        const unsigned next = next_core(topology, border->cpu);
        if (apart((uint64_t)next * count, ideal) >= apart((uint64_t)border->cpu * count, ideal))
            break;
        border->cpu = next;
        border->core++;
    }
}

static struct pn_share share_of_cores(const struct pinion_topology *topology, unsigned index,
                                      unsigned count, unsigned cores)
{
    struct border border = {0};
    unsigned first = 0;
    for (unsigned i = 1; i <= index + 1; i++) {
        first = border.cpu;
        if (i < count)
            advance(topology, &border, i, count, cores);
        else
            border.cpu = topology->cpu_total;
    }
    return (struct pn_share){.first = first, .count = border.cpu - first};
}

struct pn_share pn_share_of(const struct pinion_topology *topology, unsigned slice_index,
                            unsigned slice_count)
{
    const unsigned total = topology->cpu_total, cores = count_cores(topology, 0, total);
    struct pn_share share = {.count = total};
    if (slice_count > total) {
        share = (struct pn_share){.first = slice_index % total, .count = 1, .wrapped = true};
    } else if (slice_count > cores) {
        share.first = (unsigned)((uint64_t)slice_index * total / slice_count);
        share.count = (unsigned)((uint64_t)(slice_index + 1) * total / slice_count) - share.first;
        share.splits_core = true;
    } else if (slice_count > 1) {
        share = share_of_cores(topology, slice_index, slice_count, cores);
    }
    share.cores = count_cores(topology, share.first, share.count);
    return share;
}
