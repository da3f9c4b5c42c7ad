/* SPDX-License-Identifier: MIT */
#include "context.h"

#include "task.h"

/* initial-exec: a direct access instead of a call, and few enough bytes for a library that is
 * loaded late. */
static _Thread_local __attribute__((tls_model("initial-exec"))) struct pn_context here;

struct pn_context *pn_context(void) { return &here; }

void **pn_context_local(void) { return here.task ? &here.task->local : &here.local; }
