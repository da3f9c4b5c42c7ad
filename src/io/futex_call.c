/* SPDX-License-Identifier: MIT
 *
 * The public futex: the program's own word to park at.
 */
#include <pinion/sync.h>

#include "cancel.h"
#include "check.h"

struct waiting {
    struct pn_park park;
    const _Atomic(uint32_t) *word;
    uint32_t expected;
};

static bool is_as_expected(struct pn_park *park)
{
    const struct waiting *waiting = PN_CONTAINER_OF(park, struct waiting, park);
    /* Sequentially consistent: after the count of the lot, pairs with the program's change of the
     * word before its wake. */
    return pn_load_seq_cst(waiting->word) == waiting->expected;
}

static int wait(struct pinion_io *io, const _Atomic(uint32_t) *address, uint32_t expected,
                const struct pn_how *how)
{
    struct waiting waiting = {.park = {.address = address, .may_sleep = is_as_expected},
                              .word = address,
                              .expected = expected};
    const int error = pn_io_enter(io, how);
    if (error)
        return error;
    const int outcome = io->vtable->park(io, &waiting.park, how);
    return outcome < 0 ? outcome : 0;
}

int pinion_futex_wait(struct pinion_io *io, const _Atomic(uint32_t) *address, uint32_t expected,
                      int64_t deadline)
{
    return wait(io, address, expected, PN_CANCELABLE(deadline));
}

int pinion_futex_wait_uncancelable(struct pinion_io *io, const _Atomic(uint32_t) *address,
                                   uint32_t expected, int64_t deadline)
{
    return wait(io, address, expected, PN_UNCANCELABLE(deadline));
}

void pinion_futex_wake(struct pinion_io *io, const _Atomic(uint32_t) *address, unsigned count)
{
    struct pn_unpark unpark = {.address = address, .most = count};
    if (count)
        io->vtable->unpark(io, &unpark);
}
