/* SPDX-License-Identifier: MIT
 *
 * How a batch goes on in a thread, and over epoll. Each operation is tried once, since only the
 * call itself tells some errors; all that wait then are polled at once. What poll says is ready
 * stands in line, and is done when its turn comes, which is when it is taken: so nothing is done
 * that nobody was told of, and what has not been taken can be canceled. Poll is asked again when
 * the line is empty, so nobody is passed over for longer than one round.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "call.h"
#include "futex.h"

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
        one->place = PN_NOWHERE;
        if (one->time > now) {
            *wake = one->time < *wake ? one->time : *wake;
        } else if (one->state == PN_OPERATION_FRESH || !pn_operation_awaits(one, &events)) {
            one->place = PN_AT_ONCE;
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
    if (operation->place == PN_AT_ONCE)
        return true;
    (void)pn_operation_awaits(operation, &events);
    return polled->list[operation->place].revents & (events | POLLERR | POLLHUP | POLLNVAL);
}

/* Lines up those that are to be tried. Where poll could not be asked, all that wait for it. */
static void line_up_ready(struct pinion_batch *batch, const struct polled *polled, int outcome)
{
    const bool is_known = polled->list && outcome >= 0;
    for (struct pinion_operation *one = batch->first; one; one = one->next) {
        if (one->place == PN_NOWHERE)
            continue;
        if (!is_known || is_ready(polled, one))
            pn_batch_line_up(batch, one);
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

int pn_batch_poll(struct pinion_io *io, struct pinion_batch *batch, int64_t deadline)
{
    return batch->count <= FEW ? poll_few(io, batch, deadline) : poll_many(io, batch, deadline);
}
