/* SPDX-License-Identifier: MIT
 *
 * What a thread (or, on a loop, a fiber) is doing, for whoever asks on it: above all the task that
 * runs here. It belongs to the thread or fiber, whichever io is passed.
 */
#ifndef PN_CONTEXT_H
#define PN_CONTEXT_H

struct pinion_task;

struct pn_context {
    struct pinion_task *task; /* NULL outside tasks */
    void *local;              /* pinion_task_local outside tasks */
};

/* The calling thread's or fiber's. */
struct pn_context *pn_context(void);

/* Where the task's (or outside tasks the thread's) one pointer is. */
void **pn_context_local(void);

#endif
