/* SPDX-License-Identifier: MIT */
#include "bias.h"

#include <sched.h>

#include "asymmetric.h"

/* So often does a thread come before the bias is its: what is used less gains nothing. */
#ifndef PN_USES_ALONE
#define PN_USES_ALONE 64u
#endif

/* The owner is inside for some ten nanoseconds, unless it was preempted there. */
#define PAUSES 64u

static void wait_for(struct pinion_bias *bias, bool (*is_over)(const struct pinion_bias *bias))
{
    for (unsigned i = 0; !is_over(bias); i++)
        if (i < PAUSES)
            pn_pause();
        else
            (void)sched_yield();
}

/* Acquire: what was done inside; pairs with leave. */
static bool is_out(const struct pinion_bias *bias) { return !pn_load_acquire(&bias->is_inside); }

static bool is_ended(const struct pinion_bias *bias)
{
    return pn_load_relaxed(&bias->owner) == PN_BIAS_NONE; /* it is acquired after */
}

/* From what it is. False: it has become something else. */
static bool end(struct pinion_bias *bias, uintptr_t owner)
{
    if (!(owner & 1)) /* all have been in the lock, which orders what they do */
        return pn_cas_relaxed(&bias->owner, &owner, PN_BIAS_NONE);
    if (!pn_cas_relaxed(&bias->owner, &owner, PN_BIAS_LEAVING))
        return false;
    pn_heavy_fence(); /* pairs with the light one in enter */
    wait_for(bias, is_out);
    /* Pairs with the loads in pn_bias_end, pn_bias_come and pn_bias_is_others. */
    pn_store_release(&bias->owner, PN_BIAS_NONE);
    return true;
}

void pn_bias_end(struct pinion_bias *bias)
{
    for (;;) {
        const uintptr_t owner = pn_load_acquire(&bias->owner); /* pairs with end */
        if (owner == PN_BIAS_NONE)
            return;
        if (owner == PN_BIAS_LEAVING)
            wait_for(bias, is_ended);
        else if (end(bias, owner))
            return;
    }
}

/* By the only one that has come. Others come by writing owner first, so nobody is in the lock. */
static void give(struct pinion_bias *bias, uintptr_t self)
{
    if (++bias->uses != PN_USES_ALONE || !pn_heavy_fence_prepare())
        return;
    if (pn_cas_relaxed(&bias->owner, &self, self | 1)) /* the lock orders what was done so far */
        pn_fence_seq_cst(); /* before what is read inside; pairs with is_others' load */
}

void pn_bias_come(struct pinion_bias *bias, bool may_give)
{
    const uintptr_t self = pn_bias_self();
    uintptr_t owner = pn_load_acquire(&bias->owner); /* pairs with end */
    if (owner == PN_BIAS_NONE || owner == (self | 1))
        return;
    if (owner == 0 && pn_cas_relaxed(&bias->owner, &owner, self))
        return;
    if (owner != self)
        pn_bias_end(bias);
    else if (may_give)
        give(bias, self);
}
