/* SPDX-License-Identifier: MIT
 *
 * Who has operations of batches under way: a loop's thread with a ring, for the fibers that wait
 * for them there. An operation that is away goes on between the calls of its batch, and lands in
 * the batch's line when it has ended.
 *
 * A batch that has operations away is its carrier's thread's, which alone touches it: whoever uses
 * it elsewhere has them called back first, and waits until they are all here again. What the kernel
 * had done by then is in line; the others go on as if they had never been away.
 */
#ifndef PN_CARRIER_H
#define PN_CARRIER_H

#include "batch.h"
#include "call.h"
#include "sleeper.h"
#include "waiter.h"

struct pn_carrier;

/* What is to be carried: a call; or NULL, and then it is to be ready for events. lanes: that it is
 * in. */
struct pn_load {
    struct pinion_batch *batch;
    struct pinion_operation *operation;
    const struct pn_operation *call;
    short events;
    unsigned lanes;
};

/* All but rouse: by the carrier's thread; they call nothing of ours before they return. */
struct pn_carrier_ways {
    /* Whether one of the batch and descriptor is under way in one of these lanes. */
    bool (*has_under_way)(const struct pn_carrier *carrier, const struct pinion_batch *batch,
                          int descriptor, unsigned lanes);
    /* False: it can't be done there, or there is no memory. */
    bool (*start)(struct pn_carrier *carrier, const struct pn_load *load);
    /* Of one that is away: asks for its end. More than once: as once. */
    void (*cancel)(struct pn_carrier *carrier, struct pinion_operation *operation);
    /* Any thread, while the carrier is there: sees to it that pn_carrier_answer is called. */
    void (*rouse)(struct pn_carrier *carrier);
};

/* One who waits for a batch that is to be called back: on its stack. */
struct pn_recall {
    struct pinion_batch *batch;
    struct pn_waiter waiter;
    struct pn_recall *next;
};

/* recalls: written by all, taken by the carrier's thread. */
struct pn_carrier {
    const struct pn_carrier_ways *ways;
    _Atomic(struct pn_recall *) recalls;
};

/* Who carries for the caller; NULL: nobody. */
static inline struct pn_carrier *pn_carrier_here(void)
{
    struct pn_sleeper *sleeper = pn_sleeper_here();
    return sleeper ? sleeper->carrier : NULL;
}

/* ---- for batches, in the caller ---- */

/* Before a batch is touched: what is away with another carrier than the caller's comes back. Waits
 * for that thread, and is no cancelation point. */
void pn_carry_home(struct pinion_batch *batch);

/* As pn_batch_poll: sends off all that can be, and waits until one lands. */
int pn_carry(struct pn_carrier *carrier, struct pinion_batch *batch, int64_t deadline);

/* Asks for the end of one that is away: it lands with -ECANCELED, unless it has done something. */
void pn_carry_cancel(struct pinion_batch *batch, struct pinion_operation *operation);

/* Waits until none is away. No cancelation point. */
void pn_carry_end(struct pinion_batch *batch);

/* ---- for carriers, by their thread ---- */

/* One that was away has ended: result: of its call, or the events. Nothing of the batch, nor the
 * operation, is touched after. */
void pn_carrier_land(struct pinion_batch *batch, struct pinion_operation *operation, long result);

/* Calls back what others wait for. */
void pn_carrier_answer(struct pn_carrier *carrier);

/* Calls one back. */
void pn_carrier_call_back(struct pn_carrier *carrier, struct pinion_operation *operation);

/* Nothing is away: answers, and when it returns nobody is at the carrier, until something is. */
void pn_carrier_rest(struct pn_carrier *carrier);

#endif
