/* SPDX-License-Identifier: MIT */
#include "context.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>

#include <pinion/trace.h>

#include "trace.h"

/* What is left of the stack when tasks are not run in place any more: enough for what a task does
 * that makes no others, and for the library. At most a quarter of the stack. */
#define STACK_LEFT ((size_t)64 * 1024)

struct pinion_head pn_head_none;

_Thread_local struct pn_context pn_context_of_thread;

__thread struct pinion_thread pinion_thread_1 = {.head = &pn_head_none};

void pn_thread_note_stack(void)
{
    pthread_attr_t attributes;
    void *lowest;
    size_t size;
    const int saved = errno;
    if (pn_thread()->stack_low == 0 && pthread_getattr_np(pthread_self(), &attributes) == 0) {
        if (pthread_attr_getstack(&attributes, &lowest, &size) == 0)
            pn_thread()->stack_low =
                (uintptr_t)lowest + (size / 4 < STACK_LEFT ? size / 4 : STACK_LEFT);
        (void)pthread_attr_destroy(&attributes);
    }
    errno = saved;
}

void pinion_task_name(const char *name)
{
    if (pn_trace_is_on() && pn_context()->task)
        pn_trace_add_name(name);
}
