/* SPDX-License-Identifier: MIT
 *
 * How long tasks wait for their turn, and how long they run.
 */
#include "futex.h"
#include "interface.h"
#include "task.h"

void pn_task_begin_timing(struct pinion_task *task, struct pinion_io *io)
{
    task->is_timed = true;
    *pn_task_timing_of(task) = (struct pn_timing){.io = io, .made = pn_now()};
}

void pn_task_start_timed(struct pinion_task *task, void *result)
{
    const struct pn_timing timing = *pn_task_timing_of(task);
    const int64_t begun = pn_now();
    task->start(pn_task_context(task), result);
    if (!pn_io_is_refused(timing.io)) /* the child of a fork has no part in it */
        timing.io->vtable->timed(timing.io, begun - timing.made, pn_now() - begun);
}
