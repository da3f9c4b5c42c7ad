/* SPDX-License-Identifier: MIT */
#include "spin.h"

#include <errno.h>
#include <sched.h>
#include <stdalign.h>
#include <sys/sysinfo.h>

#include "atomic.h"
#include "futex.h"

/* How many pauses pass between two looks at the clock: about a microsecond's worth. */
#define PAUSES_PER_LOOK 32

/* Who spins takes a CPU from who is to end its wait. So at most as many threads spin as leave one
 * CPU free, and each spins the shorter the more of its last spins were in vain: shift halves, from
 * the whole spin_ns (0) down to a 128th. */
#define SHIFT_MAX 7u

static alignas(PN_LINE_PAIR) _Atomic(unsigned) spinners;
static _Thread_local unsigned shift;

static unsigned spinners_max(void)
{
    static _Atomic(unsigned) cpus; /* 0: not asked yet */
    unsigned known = pn_load_relaxed(&cpus);
    if (!known) {
        const int saved = errno;
        cpu_set_t set;
        /* A mask of more CPUs than fit is EINVAL: then there are many. */
        known = sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1024;
        known = known > 1 ? known : (unsigned)get_nprocs(); /* the mask of a pinned thread */
        errno = saved;
        pn_store_relaxed(&cpus, known);
    }
    return known - 1;
}

bool pn_glance(bool (*is_over)(const void *), const void *what)
{
    for (int i = 0; i < PAUSES_PER_LOOK; i++) {
        if (is_over(what))
            return true;
        pn_pause();
    }
    return false;
}

/* Helps for as long as it can: whether it could. Who helps doesn't spin. */
static bool has_helped(const struct pn_help *help)
{
    void *found = help ? help->find(help->context) : NULL;
    if (!found)
        return false;
    pn_fetch_sub_relaxed(&spinners, 1u);
    do
        help->run(help->context, found);
    while ((found = help->find(help->context)));
    pn_fetch_add_relaxed(&spinners, 1u);
    return true;
}

/* True once it is over, false at the deadline or when it has looked for spin_ns in vain. */
static bool look(bool (*is_over)(const void *), const void *what, int64_t deadline,
                 int64_t spin_ns, const struct pn_help *help)
{
    int64_t until = 0;
    for (;;) {
        if (pn_glance(is_over, what))
            return true;
        if (has_helped(help))
            until = 0;
        if (spin_ns == INT64_MAX && deadline == INT64_MAX)
            continue;
        const int64_t now = pn_now();
        if (until == 0)
            until = spin_ns < INT64_MAX - now ? now + spin_ns : INT64_MAX;
        if (now >= until || now >= deadline)
            return false;
    }
}

bool pn_spin(bool (*is_over)(const void *), const void *what, int64_t deadline, int64_t spin_ns,
             const struct pn_help *help)
{
    /* The first microsecond is anyone's, and uncounted: two that hand over to each other are both
     * here for a moment each time. */
    if (pn_glance(is_over, what))
        return true;
    bool was_seen = false;
    /* Relaxed: a number to keep small, no order. */
    const unsigned others = pn_fetch_add_relaxed(&spinners, 1u);
    if (spin_ns == INT64_MAX) { /* who polls does, and asks the kernel for nothing */
        was_seen = look(is_over, what, deadline, spin_ns, help);
    } else if (others < spinners_max()) {
        was_seen = look(is_over, what, deadline, spin_ns >> shift, help);
        if (was_seen)
            shift -= shift > 0;
        else
            shift += shift < SHIFT_MAX;
    }
    pn_fetch_sub_relaxed(&spinners, 1u);
    return was_seen;
}
