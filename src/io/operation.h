/* SPDX-License-Identifier: MIT
 *
 * One operation of a batch (batch.h): what it waits for, and how it is done once that is there,
 * without waiting. Which batch it is in, and when it is tried, is not its affair.
 */
#ifndef PN_OPERATION_H
#define PN_OPERATION_H

#include <stdbool.h>

#include <pinion/batch.h>

struct pn_operation;

/* state. FRESH: it has not been tried yet, and is to be. READY: it is in line, to be tried or, if
 * it has ended, to be taken. AWAY: a carrier has it; CALLED_BACK: and was asked for it, to be gone
 * on with elsewhere; CANCELED: and was asked to end it. */
enum {
    PN_OPERATION_IDLE, PN_OPERATION_FRESH, PN_OPERATION_WAITS, PN_OPERATION_READY,
    PN_OPERATION_AWAY, PN_OPERATION_CALLED_BACK, PN_OPERATION_CANCELED
};

static inline bool pn_operation_is_away(const struct pinion_operation *operation)
{
    return operation->state >= PN_OPERATION_AWAY;
}

/* It was submitted. */
void pn_operation_begin(struct pinion_operation *operation);

/* Whether it waits for a descriptor, and for which events; else it can be tried at once. */
bool pn_operation_awaits(const struct pinion_operation *operation, short *events);

/* The call that does it and waits for what it needs; what it moves may be a part. False: it is not
 * to wait, or for readiness alone, and is to be tried. */
bool pn_operation_call(const struct pinion_operation *operation, struct pn_operation *call);

/* Of operations on one descriptor, which of those under way one that is to begin stays behind: a
 * stream is read, and written, in the order of submission; what was written before it an fsync
 * covers. */
#define PN_LANE_READ     1u /* from where the descriptor stands */
#define PN_LANE_WRITE    2u /* likewise */
#define PN_LANE_WRITE_AT 4u /* at an offset */
struct pn_lanes {
    unsigned taken, behind; /* those that it is in; those that it stays behind */
};
struct pn_lanes pn_operation_lanes(const struct pinion_operation *operation);

/* What it waited for is ready, or so it was said (revents), or can't be (-errno): its result, if
 * that is all that it is for; 0: it is to be tried. */
long pn_operation_of_readiness(const struct pinion_operation *operation, long ready);

/* A call that was to do it gave this: whether the kernel goes on with it, and it is to be waited
 * for and tried; as after a call that was given up, with -ECANCELED. */
bool pn_operation_goes_on(struct pinion_operation *operation, long result);

/* Does it if that can be done now: its result. Or -EINPROGRESS: not yet, what it waits for is not
 * there. PN_LATE: the same, and it took as long to know as nobody likes to wait often. */
long pn_operation_try(struct pinion_io *io, struct pinion_operation *operation);

#endif
