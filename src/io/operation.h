/* SPDX-License-Identifier: MIT
 *
 * One operation of a batch (batch.h): what it waits for, and how it is done once that is there,
 * without waiting. Which batch it is in, and when it is tried, is not its affair.
 */
#ifndef PN_OPERATION_H
#define PN_OPERATION_H

#include <stdbool.h>

#include <pinion/batch.h>

/* state. FRESH: it has not been tried yet, and is to be. READY: it is in line, to be tried or, if
 * it has ended, to be taken. */
enum { PN_OPERATION_IDLE, PN_OPERATION_FRESH, PN_OPERATION_WAITS, PN_OPERATION_READY };

/* It was submitted. */
void pn_operation_begin(struct pinion_operation *operation);

/* Whether it waits for a descriptor, and for which events; else it can be tried at once. */
bool pn_operation_awaits(const struct pinion_operation *operation, short *events);

/* Does it if that can be done now: its result. Or -EINPROGRESS: not yet, what it waits for is not
 * there. PN_LATE: the same, and it took as long to know as nobody likes to wait often. */
long pn_operation_try(struct pinion_io *io, struct pinion_operation *operation);

#endif
