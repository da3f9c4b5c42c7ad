/* SPDX-License-Identifier: MIT
 *
 * Running what blocks the thread.
 */
#include <errno.h>

#include "cancel.h"
#include "interface.h"

int pinion_blocking(struct pinion_io *io, const struct pinion_call *call, void *result)
{
    int error = pn_call_check(call);
    if (error)
        return error;
    if (pn_cancel_deliver(pn_cancel_target()))
        return -ECANCELED;
    if ((error = pn_io_refusal(io)))
        return error;
    struct pn_sleeper *sleeper = pn_sleeper_here();
    if (sleeper && sleeper->ways->run_apart(sleeper, call, result))
        return 0;
    if (!sleeper && io->vtable->blocking)
        io->vtable->blocking(io);
    pn_call_run(call, result);
    return 0;
}
