/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <pthread.h>
#include <stddef.h>

_Atomic unsigned pn_process_count = PN_PROCESS_NONE + 1;

/* Written by constructors. */
static void (*before_fork[PN_FORK_RANKS])(void);
static void (*after_fork[PN_FORK_RANKS])(bool is_child);

/* No lock for readers and writers, which can't be let go in the child: that looks who holds it. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

void pn_fork_register(enum pn_fork_rank rank, void (*before)(void), void (*after)(bool is_child))
{
    before_fork[rank] = before;
    after_fork[rank] = after;
}

void pn_fork_delay(void) { (void)pthread_mutex_lock(&gate); }
void pn_fork_allow(void) { (void)pthread_mutex_unlock(&gate); }

static void prepare(void)
{
    for (int rank = 0; rank < PN_FORK_RANKS; rank++)
        if (before_fork[rank])
            before_fork[rank]();
    (void)pthread_mutex_lock(&gate);
}

static void settle(bool is_child)
{
    (void)pthread_mutex_unlock(&gate);
    for (int rank = PN_FORK_RANKS - 1; rank >= 0; rank--)
        if (after_fork[rank])
            after_fork[rank](is_child);
}

static void settle_parent(void) { settle(false); }

static void settle_child(void)
{
    unsigned next = pn_process() + 1;
    if (next == PN_PROCESS_NONE)
        next++;
    pn_store_relaxed(&pn_process_count, next); /* no other thread is there */
    settle(true);
}

/* Handlers that are registered later run before these when a fork begins: the program's may use the
 * library. malloc's are registered earlier: its locks are taken last, as everywhere. Out of memory
 * at load time, forks are not looked after. */
__attribute__((constructor)) static void watch_forks(void)
{
    (void)pthread_atfork(prepare, settle_parent, settle_child);
}
