/* SPDX-License-Identifier: MIT */
#include "future.h"

#include <sched.h>
#include <stdalign.h>
#include <stddef.h>

#include <pinion/io.h>

#include "atomic.h"
#include "process.h"

/* Stripes, so that unrelated awaits seldom meet; each on lines of its own. They are read by every
 * await and written by requests only, so they stay shared in the caches. */
#define STRIPES 64

static struct {
    alignas(PN_LINE_PAIR) _Atomic(unsigned) requesters;
} stripes[STRIPES];

static _Atomic(unsigned) *stripe_of(const struct pinion_future *future)
{
    const uintptr_t address = (uintptr_t)future;
    return &stripes[(address >> 4 ^ address >> 12) % STRIPES].requesters;
}

/* Requesters of the parent don't come back to let go. */
static void after_fork(bool is_child)
{
    for (int i = 0; is_child && i < STRIPES; i++)
        pn_store_relaxed(&stripes[i].requesters, 0); /* no other thread is there */
}

_Atomic(bool) pn_future_is_requested;
static _Atomic(bool) is_announced; /* every await sees the former */

__attribute__((constructor)) static void begin(void)
{
    pn_fork_register(PN_FORK_FUTURES, NULL, after_fork);
    if (!pn_heavy_fence_prepare()) {
        pn_store_relaxed(&pn_future_is_requested, true); /* no other thread knows a future yet */
        pn_store_relaxed(&is_announced, true);
    }
}

static void announce(void)
{
    pn_store_relaxed(&pn_future_is_requested, true);
    pn_heavy_fence(); /* pairs with the light one in pn_future_retire */
    pn_store_release(&is_announced, true); /* after the fence */
}

struct pinion_task *pn_future_hold(struct pinion_future *future)
{
    if (PN_UNLIKELY(!pn_load_acquire(&is_announced)))
        announce();
    pn_fetch_add_seq_cst(stripe_of(future), 1u);
    /* Pairs with the store in pn_future_wait_retired. */
    return pn_plain_load_seq_cst(&future->task);
}

void pn_future_let_go(struct pinion_future *future)
{
    /* Release: all that the requester did with the task, pairs with the load in
     * pn_future_wait_retired. */
    pn_fetch_sub_acq_rel(stripe_of(future), 1u);
}

void pn_future_wait_retired(struct pinion_future *future)
{
    pn_plain_store_seq_cst(&future->task, NULL); /* pairs with the load in pn_future_hold */
    /* A request is short and makes at most one wake; only if its thread was preempted on the way
     * does this last longer than some pauses. */
    for (unsigned tries = 0; pn_load_seq_cst(stripe_of(future)) != 0; tries++) {
        if (tries < 100)
            pn_pause();
        else
            (void)sched_yield();
    }
}
