/* SPDX-License-Identifier: MIT
 *
 * A bias: what one thread alone uses, perhaps for good, costs that thread no locked instruction,
 * until another comes. Around a lock that all others, and what waits, go through:
 *
 *   owner: NULL            nobody has come
 *          thread          no other has come: it takes the lock, and counts how often it came
 *          thread | 1      after so often: it goes in without the lock, between enter and leave
 *          PN_BIAS_LEAVING another has come, and waits for the owner to be out
 *          PN_BIAS_NONE    for good: all take the lock
 *
 * The owner writes is_inside, has a light fence and reads owner; who ends the bias writes owner,
 * has a heavy fence and reads is_inside: so they don't both go on (asymmetric.h). What the owner
 * did inside is seen by who comes: leave is a release, which who ends the bias acquires.
 *
 * A thread is told by an address of its own. It may be a later thread's, too: that one may go on as
 * the owner, since the former is not inside.
 */
#ifndef PN_BIAS_H
#define PN_BIAS_H

#include <pinion/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "atomic.h"
#include "check.h"
#include "context.h"

#define PN_BIAS_NONE    ((uintptr_t)2)
#define PN_BIAS_LEAVING ((uintptr_t)3)

/* The calling thread. */
static inline uintptr_t pn_bias_self(void) { return (uintptr_t)pn_context(); }

/* Without the lock, and until leave, if it is so for the calling thread: then no other is in the
 * lock or inside, but a wait of its own may hold the lock. What is done inside is short. */
static inline bool pn_bias_enter(struct pinion_bias *bias)
{
    const uintptr_t inside = pn_bias_self() | 1;
    if (pn_load_relaxed(&bias->owner) != inside)
        return false; /* is_inside is another's */
    pn_store_relaxed(&bias->is_inside, 1u);
    pn_light_fence(); /* pairs with the heavy one in end (bias.c) */
    if (PN_LIKELY(pn_load_relaxed(&bias->owner) == inside))
        return true;
    pn_store_release(&bias->is_inside, 0u); /* as leave */
    return false;
}

static inline void pn_bias_leave(struct pinion_bias *bias)
{
    pn_store_release(&bias->is_inside, 0u); /* pairs with end (bias.c) */
}

/* Whether it is the calling thread's, for now. */
static inline bool pn_bias_is_own(const struct pinion_bias *bias)
{
    return pn_load_relaxed(&bias->owner) == (pn_bias_self() | 1);
}

/* Before who has not entered takes the lock: counts it, if the bias may be given, or ends
 * another's, which is a system call and may take microseconds, once. */
void pn_bias_come(struct pinion_bias *bias, bool may_give);

/* Ends it: as if another thread had come. */
void pn_bias_end(struct pinion_bias *bias);

/* Whether another thread may be inside, or go in soon, without it having seen what the caller wrote
 * before: then only a heavy fence orders that write and a look at what is done there. */
static inline bool pn_bias_is_others(const struct pinion_bias *bias)
{
    pn_fence_seq_cst(); /* pairs with the one in give (bias.c) */
    const uintptr_t owner = pn_load_acquire(&bias->owner); /* pairs with end (bias.c) */
    return (owner & 1) && owner != (pn_bias_self() | 1);
}

#endif
