/* SPDX-License-Identifier: MIT
 *
 * What tasks and threads wait with for each other: futex, mutex, condition, semaphore, event,
 * rwlock. Queues are in queue.h.
 *
 * A struct that is all zero is ready; there is nothing to destroy. Copying one that is in use is an
 * error. Any of them may be shared by tasks of any io, by fibers and by plain threads at once: who
 * calls decides how to wait, whichever io is passed.
 *
 * Every call that waits is a cancelation point: -ECANCELED if the calling task has a pending
 * request (see io.h), on entry or while it waits. Of each there are three forms:
 *   X(io, …)                waits without end
 *   X_until(io, …, deadline)  … or until deadline (ns of CLOCK_MONOTONIC; one in the past polls):
 *                           -ETIMEDOUT
 *   X_uncancelable(io, …)   without end, and no request interrupts it
 * A wake that reached a waiter is never turned into -ECANCELED or -ETIMEDOUT: that call returns 0
 * and the next one sees the request. Signals don't show. After fork, in the child, all of them give
 * -ECHILD with an io of the parent.
 *
 * Waiters are served in turn, except that a lock that is free goes to whoever asks for it first;
 * who has waited for over a millisecond is handed it, so none starves. The mechanism is that of
 * WebKit's WTF::ParkingLot (Filip Pizlo, "Locking in WebKit", 2016).
 */
#ifndef PINION_SYNC_H
#define PINION_SYNC_H

#include <stdbool.h>
#include <stdint.h>

#include <pinion/api.h>
#include <pinion/atomic.h>
#include <pinion/io.h>

PINION_BEGIN

/* ---- futex ---- */

/* Waits while *address is expected, until woken: 0 when woken or if the value differs, -ETIMEDOUT
 * at the deadline, -ECANCELED. The comparison and the wait are one step as seen by
 * pinion_futex_wake. May return 0 for no reason. The address is that of process memory; between
 * processes there is no wake. After futex(2). */
PINION_API int pinion_futex_wait(struct pinion_io *io, const PINION_ATOMIC(uint32_t) *address,
                                 uint32_t expected, int64_t deadline);
PINION_API int pinion_futex_wait_uncancelable(struct pinion_io *io,
                                              const PINION_ATOMIC(uint32_t) *address,
                                              uint32_t expected, int64_t deadline);

/* Wakes up to count of those who wait at address, the longest first. The memory may be gone by now:
 * only its address is used. */
PINION_API void pinion_futex_wake(struct pinion_io *io, const PINION_ATOMIC(uint32_t) *address,
                                  unsigned count);

/* ---- mutex ---- */

/* Not recursive: who locks twice waits for ever. Belongs to no thread: another task may unlock. */
struct pinion_mutex {
    PINION_ATOMIC(uint32_t) word;
};

/* Locks. 0, or -ECANCELED (_until: -ETIMEDOUT), and then it is not held. */
PINION_API int pinion_mutex_lock(struct pinion_io *io, struct pinion_mutex *mutex);
PINION_API int pinion_mutex_lock_until(struct pinion_io *io, struct pinion_mutex *mutex,
                                       int64_t deadline);
PINION_API int pinion_mutex_lock_uncancelable(struct pinion_io *io, struct pinion_mutex *mutex);

/* Locks if that needs no wait. */
PINION_API bool pinion_mutex_try_lock(struct pinion_mutex *mutex);

/* Unlocks what is held; one that is not asserts in debug builds, and is left as it is in others. */
PINION_API void pinion_mutex_unlock(struct pinion_io *io, struct pinion_mutex *mutex);

/* ---- condition ---- */

struct pinion_condition {
    PINION_ATOMIC(uint32_t) word;
};

/* Unlocks mutex, waits for a signal or broadcast that comes after, and locks it again, which no
 * request or deadline prevents: it is held whatever is returned. 0, or -ECANCELED (_until:
 * -ETIMEDOUT). Unlocking and beginning to wait are one step as seen by who signals with the mutex
 * held. Look at what was waited for again: another may have been there before. */
PINION_API int pinion_condition_wait(struct pinion_io *io, struct pinion_condition *condition,
                                     struct pinion_mutex *mutex);
PINION_API int pinion_condition_wait_until(struct pinion_io *io, struct pinion_condition *condition,
                                           struct pinion_mutex *mutex, int64_t deadline);
PINION_API int pinion_condition_wait_uncancelable(struct pinion_io *io,
                                                  struct pinion_condition *condition,
                                                  struct pinion_mutex *mutex);

/* Wakes the one that has waited longest; with nobody waiting it does nothing. With or without the
 * mutex. */
PINION_API void pinion_condition_signal(struct pinion_io *io, struct pinion_condition *condition);

/* Wakes all. */
PINION_API void pinion_condition_broadcast(struct pinion_io *io,
                                           struct pinion_condition *condition);

/* ---- semaphore ---- */

/* All zero: no permits. */
struct pinion_semaphore {
    PINION_ATOMIC(uint32_t) word;
};

/* The most permits that a semaphore holds. */
#define PINION_SEMAPHORE_MAX (UINT32_MAX / 2)

/* An initialiser for one with so many permits, up to PINION_SEMAPHORE_MAX. */
#define PINION_SEMAPHORE_INIT(permits) {(uint32_t)(permits) * 2u}

/* Takes a permit. 0, or -ECANCELED (_until: -ETIMEDOUT), and then none was taken. */
PINION_API int pinion_semaphore_wait(struct pinion_io *io, struct pinion_semaphore *semaphore);
PINION_API int pinion_semaphore_wait_until(struct pinion_io *io, struct pinion_semaphore *semaphore,
                                           int64_t deadline);
PINION_API int pinion_semaphore_wait_uncancelable(struct pinion_io *io,
                                                  struct pinion_semaphore *semaphore);

/* Takes a permit if there is one. */
PINION_API bool pinion_semaphore_try_wait(struct pinion_semaphore *semaphore);

/* Adds a permit. Above PINION_SEMAPHORE_MAX it asserts in debug builds and adds none in others. */
PINION_API void pinion_semaphore_post(struct pinion_io *io, struct pinion_semaphore *semaphore);

/* ---- event ---- */

/* Set or not; all zero: not. */
struct pinion_event {
    PINION_ATOMIC(uint32_t) word;
};

/* Waits until it is set. 0 if it is or was set since the call, or -ECANCELED (_until:
 * -ETIMEDOUT). */
PINION_API int pinion_event_wait(struct pinion_io *io, struct pinion_event *event);
PINION_API int pinion_event_wait_until(struct pinion_io *io, struct pinion_event *event,
                                       int64_t deadline);
PINION_API int pinion_event_wait_uncancelable(struct pinion_io *io, struct pinion_event *event);

/* Sets it and wakes all who wait, also if it is reset right after. The event may be gone as soon as
 * a waiter can have seen it. */
PINION_API void pinion_event_set(struct pinion_io *io, struct pinion_event *event);
PINION_API void pinion_event_reset(struct pinion_event *event);
PINION_API bool pinion_event_is_set(const struct pinion_event *event);

/* ---- rwlock ---- */

/* Many readers or one writer. Readers that come while readers hold it wait if anyone waits; when
 * it is let go, who has waited longest is woken, and if that is a reader all readers that wait. So
 * a read lock is not to be taken by who holds one. */
struct pinion_rwlock {
    PINION_ATOMIC(uint32_t) word;
};

/* Lock. 0, or -ECANCELED (_until: -ETIMEDOUT), and then it is not held. */
PINION_API int pinion_rwlock_read_lock(struct pinion_io *io, struct pinion_rwlock *lock);
PINION_API int pinion_rwlock_read_lock_until(struct pinion_io *io, struct pinion_rwlock *lock,
                                             int64_t deadline);
PINION_API int pinion_rwlock_read_lock_uncancelable(struct pinion_io *io,
                                                    struct pinion_rwlock *lock);
PINION_API int pinion_rwlock_write_lock(struct pinion_io *io, struct pinion_rwlock *lock);
PINION_API int pinion_rwlock_write_lock_until(struct pinion_io *io, struct pinion_rwlock *lock,
                                              int64_t deadline);
PINION_API int pinion_rwlock_write_lock_uncancelable(struct pinion_io *io,
                                                     struct pinion_rwlock *lock);

/* Lock if that needs no wait. */
PINION_API bool pinion_rwlock_try_read_lock(struct pinion_rwlock *lock);
PINION_API bool pinion_rwlock_try_write_lock(struct pinion_rwlock *lock);

/* Unlock what is held in that way; else they assert in debug builds, and do nothing in others. */
PINION_API void pinion_rwlock_read_unlock(struct pinion_io *io, struct pinion_rwlock *lock);
PINION_API void pinion_rwlock_write_unlock(struct pinion_io *io, struct pinion_rwlock *lock);

PINION_END

#include <pinion/queue.h>

#endif
