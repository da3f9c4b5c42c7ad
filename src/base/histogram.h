/* SPDX-License-Identifier: MIT
 *
 * A histogram of times in ns. Its buckets are log-linear: each power of two is cut into
 * PN_HISTOGRAM_PARTS of the same width, so that the end of a bucket is at most 1.25 times its
 * beginning, and the middle of one, in place of what was put into it, errs by at most 12.5 %. What
 * is below 2 * PN_HISTOGRAM_PARTS is told exactly.
 */
#ifndef PN_HISTOGRAM_H
#define PN_HISTOGRAM_H

#include <stdint.h>

#include "atomic.h"

#define PN_HISTOGRAM_PARTS_LOG2 2u
#define PN_HISTOGRAM_PARTS      (1u << PN_HISTOGRAM_PARTS_LOG2)
#define PN_HISTOGRAM_BUCKETS    ((64 - PN_HISTOGRAM_PARTS_LOG2 + 1) * PN_HISTOGRAM_PARTS)

/* One writer at a time; read by anyone: each count is a number by itself. Their sum is how many
 * there are. The sum of the times wraps after 584 years. */
struct pn_histogram {
    _Atomic(uint64_t) sum;
    _Atomic(uint64_t) counts[PN_HISTOGRAM_BUCKETS];
};

/* The end of bucket i, which is in it; it begins above the end of the one before. UINT64_MAX for
 * the last. */
static inline uint64_t pn_histogram_end(unsigned i)
{
    const unsigned part = (i + 1) % PN_HISTOGRAM_PARTS, power = (i + 1) / PN_HISTOGRAM_PARTS;
    if (power == 0)
        return part;
    if (i + 1 == PN_HISTOGRAM_BUCKETS)
        return UINT64_MAX;
    return (uint64_t)(PN_HISTOGRAM_PARTS + part) << (power - 1);
}

/* The bucket of a time; 0 is in the first. */
static inline unsigned pn_histogram_bucket(uint64_t ns)
{
    const uint64_t below = ns ? ns - 1 : 0;
    if (below < PN_HISTOGRAM_PARTS)
        return (unsigned)below;
    const unsigned power = 63u - (unsigned)__builtin_clzll(below) - PN_HISTOGRAM_PARTS_LOG2;
    return power * PN_HISTOGRAM_PARTS + (unsigned)(below >> power);
}

/* By its one writer. */
static inline void pn_histogram_add(struct pn_histogram *histogram, uint64_t ns)
{
    pn_count(&histogram->counts[pn_histogram_bucket(ns)], UINT64_C(1));
    pn_count(&histogram->sum, ns);
}

#endif
