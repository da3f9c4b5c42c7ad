/* SPDX-License-Identifier: MIT */
#include "context.h"

#include "task.h"

_Thread_local struct pn_context pn_context_of_thread;

void **pn_context_local(void)
{
    struct pn_context *here = pn_context();
    return here->task ? &here->task->local : &here->local;
}
