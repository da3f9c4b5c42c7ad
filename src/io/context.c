/* SPDX-License-Identifier: MIT */
#include "context.h"

#include "task.h"

_Thread_local struct pn_context pn_context_of_thread;

void **pn_context_local(void) { return pn_context()->task ? &pn_context()->task->local : &pn_context()->local; }
