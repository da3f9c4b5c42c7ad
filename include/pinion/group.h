/* SPDX-License-Identifier: MIT
 *
 * Many tasks as one: they are awaited and canceled together, and free themselves when they end. And
 * loops whose iterations may run at the same time.
 */
#ifndef PINION_GROUP_H
#define PINION_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pinion/api.h>
#include <pinion/atomic.h>
#include <pinion/io.h>

PINION_BEGIN

/* Tasks started together. Starts empty, and is empty again after await and cancel, so it can be
 * used again; an empty one needs no destroying. Any thread, members too, may start tasks in it, if
 * the group is sure not to be empty or awaited then; one thread at a time awaits or cancels it, no
 * member does. Used with one io until it is empty. Fields are the library's. */
struct pinion_group {
    PINION_ATOMIC(uint32_t) lock;
    bool is_canceled;
    struct pinion_task *fresh, *seen, *cursor;
    void *waiter;
};
#define PINION_GROUP_INIT {0, 0, 0, 0, 0, 0}

/* Starts call in the group as pinion_async does; may run it before it returns. The result is
 * discarded. Such a member is a task of its own wherever it runs: a cancel of the group reaches it.
 * In a group that is being canceled it starts with the request. Never fails. */
PINION_API void pinion_group_async(struct pinion_io *io, struct pinion_group *group,
                                   const struct pinion_call *call);

/* As pinion_async_concurrent and pinion_async_parallel, in the group; same errors. */
PINION_API int pinion_group_concurrent(struct pinion_io *io, struct pinion_group *group,
                                       const struct pinion_call *call);
PINION_API int pinion_group_parallel(struct pinion_io *io, struct pinion_group *group,
                                     const struct pinion_call *call);

/* Waits until every member has ended, those started meanwhile too; runs here those that nobody took
 * yet. 0, also for an empty group, or -ECANCELED: a request to cancel the caller came, all members
 * were canceled, and have ended. */
PINION_API int pinion_group_await(struct pinion_io *io, struct pinion_group *group);

/* Requests that every member be canceled, those started meanwhile too, and waits for them. Not a
 * cancelation point. */
PINION_API void pinion_group_cancel(struct pinion_io *io, struct pinion_group *group);

/* Calls body for parts that make up [begin, end), each once, possibly at the same time on several
 * threads, the caller's included, and returns when all have returned. Empty if end <= begin. grain:
 * no part is larger; 0 chooses by the number of workers and by how long parts take. The parts are
 * tasks of their own, to which a request to cancel the caller is passed on: body sees it by
 * pinion_cancel_requested, and returns or not; every part is called in any case. The caller's
 * request stays pending. From anywhere, also from a task and from a body. */
PINION_API void pinion_parallel_for(struct pinion_io *io, size_t begin, size_t end, size_t grain,
                                    void (*body)(void *context, size_t begin, size_t end),
                                    void *context);

PINION_END

#endif
