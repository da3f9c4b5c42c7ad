/* SPDX-License-Identifier: MIT */
#include "carrier.h"

#include <errno.h>

#include "atomic.h"
#include "cancel.h"
#include "futex.h"
#include "lock.h"
#include "process.h"

/* Held by who uses a carrier of another thread's, which it found in a batch: meanwhile it does not
 * go away. */
static _Atomic(uint32_t) lock;

static void before_fork(void) { pn_lock(&lock); }

static void after_fork(bool is_child)
{
    (void)is_child;
    pn_unlock(&lock);
}

__attribute__((constructor)) static void watch_forks(void)
{
    pn_fork_register(PN_FORK_CARRIERS, before_fork, after_fork);
}

/* ---- away, and here again ---- */

static void leave(struct pn_carrier *carrier, struct pinion_batch *batch,
                  struct pinion_operation *operation)
{
    pn_batch_unlink(batch, operation);
    operation->state = PN_OPERATION_AWAY;
    operation->previous = batch->away_last;
    operation->next = NULL;
    *(batch->away_last ? &batch->away_last->next : &batch->away_first) = operation;
    batch->away_last = operation;
    if (batch->away_count++ == 0) {
        batch->process = pn_process();
        batch->is_called_back = false;
        pn_plain_store_relaxed(&batch->carrier, carrier); /* whoever is given the batch sees it */
    }
}

static void come_back(struct pinion_batch *batch, struct pinion_operation *operation)
{
    struct pinion_operation *next = operation->next, *previous = operation->previous;
    *(next ? &next->previous : &batch->away_last) = previous;
    *(previous ? &previous->next : &batch->away_first) = next;
    batch->away_count--;
}

static void go_on_here(struct pinion_batch *batch, struct pinion_operation *operation)
{
    operation->state = PN_OPERATION_WAITS;
    pn_batch_prepend(batch, operation);
}

/* Its result is not told before someone asks, who may read it on another thread. */
static void end(struct pinion_batch *batch, struct pinion_operation *operation, long result)
{
    operation->outcome = result;
    batch->has_moved = true;
    pn_batch_line_up(batch, operation);
}

/* It stands in line, to be tried here. */
static void try_again(struct pinion_batch *batch, struct pinion_operation *operation)
{
    pn_batch_prepend(batch, operation);
    pn_batch_line_up(batch, operation);
}

static void settle_readiness(struct pinion_batch *batch, struct pinion_operation *operation,
                             long ready)
{
    const long result = pn_operation_of_readiness(operation, ready);
    if (result || operation->state == PN_OPERATION_CANCELED) {
        end(batch, operation, result ? result : -ECANCELED);
    } else {
        try_again(batch, operation);
    }
}

static void settle(struct pinion_batch *batch, struct pinion_operation *operation, long result)
{
    const bool is_canceled = operation->state == PN_OPERATION_CANCELED;
    if (operation->state == PN_OPERATION_CALLED_BACK && result == -ECANCELED) {
        (void)pn_operation_goes_on(operation, result);
        go_on_here(batch, operation);
    } else if (operation->state == PN_OPERATION_AWAY && result == -ECANCELED) {
        /* Nobody asked: the kernel could not make the thread that it wanted for it. */
        (void)pn_operation_goes_on(operation, result);
        try_again(batch, operation);
    } else if (operation->place == PN_READINESS) {
        settle_readiness(batch, operation, result);
    } else if (result != -ECANCELED && pn_operation_goes_on(operation, result)) {
        if (is_canceled)
            end(batch, operation, -ECANCELED);
        else
            go_on_here(batch, operation);
    } else {
        end(batch, operation, result);
    }
}

void pn_carrier_land(struct pinion_batch *batch, struct pinion_operation *operation, long result)
{
    come_back(batch, operation);
    settle(batch, operation, result);
    struct pn_waiter *waiter = batch->waiter;
    if (batch->is_called_back && batch->away_count)
        waiter = NULL;
    if (waiter)
        batch->waiter = NULL;
    if (!batch->away_count)
        /* release all of the batch: pairs with the acquire in pn_carry_home */
        pn_plain_store_release(&batch->carrier, NULL);
    if (waiter)
        pn_waiter_signal(waiter, PN_WAITER_FIRED);
}

/* ---- by others than its thread ---- */

/* Of a parent of this process, in which they go on: here they begin anew. */
static void forget_parent(struct pinion_batch *batch)
{
    while (batch->away_last) {
        struct pinion_operation *operation = batch->away_last;
        come_back(batch, operation);
        if (operation->state == PN_OPERATION_AWAY)
            operation->state = PN_OPERATION_CALLED_BACK;
        settle(batch, operation, -ECANCELED);
    }
    batch->waiter = NULL;
    pn_plain_store_relaxed(&batch->carrier, NULL); /* the child's one thread */
}

static void push(struct pn_carrier *carrier, struct pn_recall *recall)
{
    struct pn_recall *seen = pn_load_relaxed(&carrier->recalls);
    do
        recall->next = seen;
    /* Sequentially consistent: before the look at whether its thread sleeps, in rouse. */
    while (!pn_cas_seq_cst(&carrier->recalls, &seen, recall));
    carrier->ways->rouse(carrier);
}

static void recall(struct pinion_batch *batch)
{
    struct pn_recall recall = {.batch = batch};
    pn_waiter_init(&recall.waiter);
    pn_lock(&lock);
    struct pn_carrier *carrier = pn_plain_load_acquire(&batch->carrier); /* as below */
    if (carrier)
        push(carrier, &recall);
    pn_unlock(&lock);
    if (carrier)
        (void)pn_waiter_wait(&recall.waiter, 1, false, INT64_MAX, 0);
}

void pn_carry_home(struct pinion_batch *batch)
{
    /* acquire: what landed; pairs with the release in pn_carrier_land */
    struct pn_carrier *carrier = pn_plain_load_acquire(&batch->carrier);
    if (PN_LIKELY(!carrier || carrier == pn_carrier_here()))
        return;
    if (batch->process != pn_process())
        forget_parent(batch);
    else
        recall(batch);
}

void pn_carrier_answer(struct pn_carrier *carrier)
{
    /* Acquire: what who waits wrote; pairs with push. */
    struct pn_recall *recall = pn_exchange_acquire(&carrier->recalls, NULL);
    while (recall) {
        struct pn_recall *next = recall->next; /* who waits goes on, when it is told */
        struct pinion_batch *batch = recall->batch;
        if (batch->away_count) {
            batch->waiter = &recall->waiter;
            batch->is_called_back = true;
            /* The last first, so that the first comes to stand before it. */
            for (struct pinion_operation *one = batch->away_last; one; one = one->previous)
                pn_carrier_call_back(carrier, one);
        } else {
            pn_waiter_signal(&recall->waiter, PN_WAITER_FIRED);
        }
        recall = next;
    }
}

void pn_carrier_call_back(struct pn_carrier *carrier, struct pinion_operation *operation)
{
    if (operation->state == PN_OPERATION_AWAY)
        operation->state = PN_OPERATION_CALLED_BACK;
    carrier->ways->cancel(carrier, operation);
}

void pn_carrier_rest(struct pn_carrier *carrier)
{
    pn_lock(&lock); /* who comes after this sees that nothing is away */
    pn_unlock(&lock);
    pn_carrier_answer(carrier);
}

/* ---- by its thread ---- */

/* Until one lands: 0; -ECANCELED, with a task; -ETIMEDOUT. */
static int wait_for_landing(struct pinion_batch *batch, struct pinion_task *task, int64_t deadline)
{
    struct pn_waiter waiter;
    pn_waiter_init(&waiter);
    if (task && !pn_cancel_enter(task, &waiter)) {
        (void)pn_cancel_deliver(task);
        return -ECANCELED;
    }
    batch->waiter = &waiter;
    (void)pn_waiter_wait(&waiter, 1, true, deadline, 0);
    const bool is_canceled = task && pn_cancel_leave(task, &waiter);
    const bool has_landed = !batch->waiter;
    batch->waiter = NULL;
    if (has_landed)
        return 0;
    if (!is_canceled)
        return -ETIMEDOUT;
    (void)pn_cancel_deliver(task);
    return -ECANCELED;
}

static bool start(struct pn_carrier *carrier, struct pinion_batch *batch,
                  struct pinion_operation *operation, unsigned lanes)
{
    struct pn_operation call;
    struct pn_load load = {.batch = batch, .operation = operation, .call = &call, .lanes = lanes};
    operation->place = PN_CALL;
    if (pn_operation_call(operation, &call) && carrier->ways->start(carrier, &load))
        return true;
    if (operation->state == PN_OPERATION_FRESH || !pn_operation_awaits(operation, &load.events))
        return false;
    load.call = NULL;
    operation->place = PN_READINESS;
    return carrier->ways->start(carrier, &load);
}

static void try_here(struct pinion_batch *batch, struct pinion_operation *operation)
{
    if (operation->state == PN_OPERATION_FRESH)
        operation->place = PN_AT_ONCE;
    pn_batch_line_up(batch, operation);
}

/* Sends off what can be, but for those that sleep or pause: *wake is when the first of these is to
 * be looked at again. True: some are to be tried here, and stand in line. */
static bool send_off(struct pn_carrier *carrier, struct pinion_batch *batch, int64_t *wake)
{
    const int64_t now = pn_now();
    struct pinion_operation *next;
    *wake = INT64_MAX;
    for (struct pinion_operation *one = batch->first; one; one = next) {
        const struct pn_lanes lanes = pn_operation_lanes(one);
        next = one->next;
        if (one->time > now)
            *wake = one->time < *wake ? one->time : *wake;
        else if (lanes.behind && batch->away_count &&
                 carrier->ways->has_under_way(carrier, batch, one->descriptor, lanes.behind))
            continue;
        else if (start(carrier, batch, one, lanes.taken))
            leave(carrier, batch, one);
        else
            try_here(batch, one);
    }
    return batch->ready_first != NULL;
}

int pn_carry(struct pn_carrier *carrier, struct pinion_batch *batch, int64_t deadline)
{
    int64_t wake;
    const bool has_some = send_off(carrier, batch, &wake);
    if (has_some) {
        if (batch->away_count) /* of these, too, what has ended by now */
            (void)wait_for_landing(batch, NULL, 0);
        return 0;
    }
    const int64_t until = wake < deadline ? wake : deadline;
    const int error = wait_for_landing(batch, pn_cancel_target(), until);
    return error == -ETIMEDOUT && wake <= deadline ? 0 : error;
}

void pn_carry_cancel(struct pinion_batch *batch, struct pinion_operation *operation)
{
    struct pn_carrier *carrier = batch->carrier;
    operation->state = PN_OPERATION_CANCELED;
    carrier->ways->cancel(carrier, operation);
}

void pn_carry_end(struct pinion_batch *batch)
{
    while (batch->away_count)
        (void)wait_for_landing(batch, NULL, INT64_MAX);
}
