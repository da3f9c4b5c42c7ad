/* SPDX-License-Identifier: MIT */
#include "caller.h"

#include <stddef.h>

#include "lock.h"

/* The list and its lock, which a canceler holds while it is at a thread. listed: how many; read by
 * cancelers without the lock. */
static _Atomic(uint32_t) lock;
static struct pn_caller *first;
static _Atomic(unsigned) listed;

void pn_caller_list(struct pn_caller *caller)
{
    caller->is_split = pn_heavy_fence_prepare();
    caller->is_listed = true;
    caller->thread = pthread_self();
    pn_lock(&lock);
    caller->next = first;
    caller->link = &first;
    if (first)
        first->link = &caller->next;
    first = caller;
    pn_fetch_add_relaxed(&listed, 1u);
    pn_unlock(&lock);
    pn_fence_seq_cst(); /* before it looks for requests: pairs with that of pn_caller_find */
}

void pn_caller_unlist(struct pn_caller *caller)
{
    pn_lock(&lock);
    *caller->link = caller->next;
    if (caller->next)
        caller->next->link = caller->link;
    caller->is_listed = false;
    pn_fetch_sub_relaxed(&listed, 1u); /* one too many is a look in vain */
    pn_unlock(&lock);
}

void pn_caller_keep_only(struct pn_caller *caller)
{
    pn_store_relaxed(&lock, 0u);
    first = NULL;
    pn_store_relaxed(&listed, 0u);
    if (caller->is_listed)
        pn_caller_list(caller);
}

bool pn_caller_settle(struct pn_caller *caller)
{
    pn_lock(&lock);
    pn_unlock(&lock);
    const bool was_called_off = pn_load_relaxed(&caller->stub.is_canceled);
    pn_store_relaxed(&caller->stub.is_canceled, 0u); /* nobody is at it, nor comes: task is NULL */
    return was_called_off;
}

bool pn_caller_find(const struct pinion_task *task, void (*call_off)(struct pn_caller *caller))
{
    bool is_found = false;
    pn_fence_seq_cst(); /* pairs with that of pn_caller_list, or of pn_caller_fence */
    if (pn_load_relaxed(&listed) == 0)
        return false;
    if (pn_heavy_fence_prepare())
        pn_heavy_fence(); /* pairs with the light one in pn_caller_fence */
    pn_lock(&lock);
    for (struct pn_caller *caller = first; caller && !is_found; caller = caller->next) {
        /* Acquire: pairs with the release in pn_caller_enter, so that a request which was delivered
         * before this call shows as such. */
        is_found = pn_load_acquire(&caller->task) == task &&
                   (pn_load_relaxed(&task->cancel) & PN_CANCEL_ARMED);
        if (is_found)
            call_off(caller);
    }
    pn_unlock(&lock);
    return is_found;
}
