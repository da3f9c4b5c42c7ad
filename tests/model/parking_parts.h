/* SPDX-License-Identifier: MIT
 *
 * Parking, with the shipped files that it is made of, for the models of it and of what is built on
 * it; and stand-ins for what they need of others: nobody is canceled here.
 */
#ifndef MODEL_PARKING_PARTS_H
#define MODEL_PARKING_PARTS_H

#include "model.h"

#include "futex.h"

#include "lock.c"
#include "spin.c"
#include "waiter.c"
#include "parking.c"

_Atomic(unsigned) pn_process_count;
thread_local struct pn_context pn_context_of_thread;
void pn_await_enter_all(void) {}
int pn_io_refuse(const struct pinion_io *) { return -ENOTSUP; }
bool pn_cancel_enter(struct pinion_task *, struct pn_waiter *) { return true; }
bool pn_cancel_leave(struct pinion_task *, struct pn_waiter *) { return false; }
void pn_fork_register(enum pn_fork_rank, void (*)(void), void (*)(bool)) {}

static const struct pn_io_vtable model_vtable = {.park = pn_parking_park,
                                                 .unpark = pn_parking_unpark};

/* Before an execution in which that address is waited at. */
static void model_parking_begin(struct pinion_io *io, const void *address)
{
    model_sleepers.clear();
    model_clock = 0;
    io->vtable = &model_vtable;
    io->spin_ns = 0;
    io->process = 0;
    struct bucket *bucket = bucket_of(address);
    bucket->head = NULL;
    bucket->tail = NULL;
}

#endif
