/* SPDX-License-Identifier: MIT
 *
 * Batches in the thread that asks for what has ended. Each operation is tried once, since only the
 * call itself tells some errors; all that wait then are polled at once. What poll says is ready
 * stands in line, and is done when its turn comes, which is when it is taken: so nothing is done
 * that nobody was told of, and what has not been taken can be canceled.
 *
 * Operations that have not ended are in one list, in the order in which they were submitted, which
 * is that in which they are served. The line is a second list: of those in the first that are to be
 * tried, and of those that were canceled. Poll is asked again when it is empty, so nobody is passed
 * over for longer than one round.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "cancel.h"
#include "futex.h"
#include "operation.h"

/* ---- the lists ---- */

static void append(struct pinion_batch *batch, struct pinion_operation *operation)
{
    operation->previous = batch->last;
    operation->next = NULL;
    *(batch->last ? &batch->last->next : &batch->first) = operation;
    batch->last = operation;
    batch->count++;
}

static void unlink_one(struct pinion_batch *batch, struct pinion_operation *operation)
{
    struct pinion_operation *next = operation->next, *previous = operation->previous;
    *(next ? &next->previous : &batch->last) = previous;
    *(previous ? &previous->next : &batch->first) = next;
    batch->count--;
}

static void line_up(struct pinion_batch *batch, struct pinion_operation *operation)
{
    operation->state = PN_OPERATION_READY;
    operation->follower = NULL;
    *(batch->ready_first ? &batch->ready_last->follower : &batch->ready_first) = operation;
    batch->ready_last = operation;
}

static struct pinion_operation *leave_line(struct pinion_batch *batch)
{
    struct pinion_operation *operation = batch->ready_first;
    if (operation)
        batch->ready_first = operation->follower;
    return operation;
}

/* ---- poll ---- */

/* What is polled: each descriptor once, however many wait for it, since the kernel polls no more at
 * a time than a process may open. slots: a hash table of the places in list, each plus 1. */
#define FEW 64
struct polled {
    struct pollfd *list;
    uint32_t *slots;
    uint32_t slot_mask;
    nfds_t count;
};

static uint32_t place_of(struct polled *polled, int descriptor)
{
    const uint32_t hash = (uint32_t)descriptor * UINT32_C(0x9e3779b1);
    uint32_t slot = (hash ^ hash >> 16) & polled->slot_mask;
    while (polled->slots[slot]) {
        const uint32_t place = polled->slots[slot] - 1;
        if (polled->list[place].fd == descriptor)
            return place;
        slot = (slot + 1) & polled->slot_mask;
    }
    polled->list[polled->count] = (struct pollfd){.fd = descriptor};
    polled->slots[slot] = (uint32_t)++polled->count;
    return (uint32_t)polled->count - 1;
}

/* place of an operation that is not polled: left alone; or to be tried in any case. */
#define NOWHERE UINT32_MAX
#define AT_ONCE (UINT32_MAX - 1)

/* Says of each what is to be done, and gives those that are to be polled a place. Those that sleep
 * or pause are left alone: *wake is when the first of these is to be looked at again. True: some
 * are to be tried whatever poll says. */
static bool collect(struct pinion_batch *batch, struct polled *polled, int64_t *wake)
{
    const int64_t now = pn_now();
    bool has_some = false;
    *wake = INT64_MAX;
    for (struct pinion_operation *one = batch->first; one; one = one->next) {
        short events;
        one->place = NOWHERE;
        if (one->time > now) {
            *wake = one->time < *wake ? one->time : *wake;
        } else if (one->state == PN_OPERATION_FRESH || !pn_operation_awaits(one, &events)) {
            one->place = AT_ONCE;
            has_some = true;
        } else if (polled->list) {
            one->place = place_of(polled, one->descriptor);
            polled->list[one->place].events |= events;
        } else {
            one->place = 0;
            has_some = true;
        }
    }
    return has_some;
}

static bool is_ready(const struct polled *polled, const struct pinion_operation *operation)
{
    short events;
    if (operation->place == AT_ONCE)
        return true;
    (void)pn_operation_awaits(operation, &events);
    return polled->list[operation->place].revents & (events | POLLERR | POLLHUP | POLLNVAL);
}

/* Lines up those that are to be tried. Where poll could not be asked, all that wait for it. */
static void line_up_ready(struct pinion_batch *batch, const struct polled *polled, int outcome)
{
    const bool is_known = polled->list && outcome >= 0;
    for (struct pinion_operation *one = batch->first; one; one = one->next) {
        if (one->place == NOWHERE)
            continue;
        if (!is_known || is_ready(polled, one))
            line_up(batch, one);
        else
            one->tries = 0; /* it is not one that poll always calls ready */
    }
}

static int poll_all(struct pinion_io *io, struct pinion_batch *batch, struct polled *polled,
                    int64_t deadline)
{
    int64_t wake;
    const bool has_some = collect(batch, polled, &wake);
    const struct pn_how how = {.deadline = has_some ? 0 : wake < deadline ? wake : deadline,
                               .is_cancelable = !has_some};
    int outcome = 0;
    if (!has_some || polled->count > 0)
        outcome = pn_poll(io, polled->list, polled->count, &how);
    if (outcome == -ECANCELED)
        return outcome;
    line_up_ready(batch, polled, outcome);
    return outcome == 0 && !has_some && deadline < wake ? -ETIMEDOUT : 0;
}

/* As poll_all, with room for more. Where there is none each is tried by itself, and those that have
 * nothing pause. */
static __attribute__((noinline)) int poll_many(struct pinion_io *io, struct pinion_batch *batch,
                                               int64_t deadline)
{
    struct polled polled = {.list = NULL};
    size_t slot_count = 2 * FEW;
    while (slot_count < 2 * batch->count)
        slot_count *= 2;
    const int saved = errno;
    void *memory = malloc(slot_count * sizeof *polled.slots + batch->count * sizeof *polled.list);
    errno = saved;
    if (memory) {
        polled.slots = memset(memory, 0, slot_count * sizeof *polled.slots);
        polled.slot_mask = (uint32_t)slot_count - 1;
        polled.list = (struct pollfd *)(void *)(polled.slots + slot_count);
    }
    const int error = poll_all(io, batch, &polled, deadline);
    free(memory);
    return error;
}

static int poll_few(struct pinion_io *io, struct pinion_batch *batch, int64_t deadline)
{
    struct pollfd list[FEW];
    uint32_t slots[2 * FEW] = {0};
    struct polled polled = {.list = list, .slots = slots, .slot_mask = 2 * FEW - 1};
    return poll_all(io, batch, &polled, deadline);
}

/* Lines up some, after a wait if it must be: 0, perhaps for no reason; -ENOENT: there are none. */
static int find_ready(struct pinion_io *io, struct pinion_batch *batch, int64_t deadline)
{
    if (batch->count == 0)
        return -ENOENT;
    batch->has_moved = false;
    return batch->count <= FEW ? poll_few(io, batch, deadline) : poll_many(io, batch, deadline);
}

/* ---- the calls ---- */

/* Waits for its next try: after a pause, if poll seems to call it ready for no reason, which is so
 * if nobody else had anything from what poll said. */
static void put_back(struct pinion_batch *batch, struct pinion_operation *operation, bool is_late)
{
    const bool is_in_vain = is_late || (operation->place != AT_ONCE && !batch->has_moved);
    const int64_t pause = is_in_vain ? pn_pause_in_vain(operation->tries) : 0;
    operation->state = PN_OPERATION_WAITS;
    operation->time = pause ? pn_now() + pause : 0;
    operation->tries = (uint16_t)(operation->tries + (is_in_vain && operation->tries < UINT16_MAX));
}

/* Whether it has ended. */
static bool try_one(struct pinion_io *io, struct pinion_batch *batch,
                    struct pinion_operation *operation)
{
    const long result = pn_operation_try(io, operation);
    if (result == -EINPROGRESS || result == PN_LATE) {
        put_back(batch, operation, result == PN_LATE);
        return false;
    }
    unlink_one(batch, operation);
    operation->result = result;
    batch->has_moved = true;
    return true;
}

int pinion_batch_submit(struct pinion_io *io, struct pinion_batch *batch,
                        struct pinion_operation *operations, size_t count)
{
    const int refusal = pn_io_refusal(io);
    if (refusal)
        return refusal;
    for (size_t i = 0; i < count; i++)
        if (operations[i].state != PN_OPERATION_IDLE)
            return -EBUSY;
    for (size_t i = 0; i < count; i++) {
        operations[i].result = -EINPROGRESS;
        pn_operation_begin(&operations[i]);
        append(batch, &operations[i]);
    }
    return 0;
}

int pinion_batch_next_until(struct pinion_io *io, struct pinion_batch *batch,
                            struct pinion_operation **operation, int64_t deadline)
{
    int error = pn_io_enter(io, PN_CANCELABLE(deadline));
    while (!error) {
        struct pinion_operation *one = leave_line(batch);
        if (!one) {
            error = find_ready(io, batch, deadline);
        } else if (one->result != -EINPROGRESS || try_one(io, batch, one)) {
            one->state = PN_OPERATION_IDLE;
            *operation = one;
            return 0;
        }
    }
    return error;
}

int pinion_batch_next(struct pinion_io *io, struct pinion_batch *batch,
                      struct pinion_operation **operation)
{
    return pinion_batch_next_until(io, batch, operation, PINION_FOREVER);
}

/* One that stands in line stays there, so as to be taken. */
void pinion_batch_request_cancel(struct pinion_io *io, struct pinion_batch *batch,
                                 struct pinion_operation *operation)
{
    (void)io;
    if (operation->state == PN_OPERATION_IDLE || operation->result != -EINPROGRESS)
        return;
    unlink_one(batch, operation);
    operation->result = -ECANCELED;
    if (operation->state != PN_OPERATION_READY)
        line_up(batch, operation);
}

void pinion_batch_cancel(struct pinion_io *io, struct pinion_batch *batch)
{
    while (batch->first)
        pinion_batch_request_cancel(io, batch, batch->first);
}
