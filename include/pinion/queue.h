/* SPDX-License-Identifier: MIT
 *
 * A bounded queue of items between any number of tasks and threads, first in, first out, over the
 * caller's storage. sync.h includes it, and says what holds for every call that waits.
 */
#ifndef PINION_QUEUE_H
#define PINION_QUEUE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <pinion/api.h>
#include <pinion/atomic.h>
#include <pinion/io.h>
#include <pinion/sync.h>

PINION_BEGIN

/* Whether one thread alone uses something. Fields are the library's. */
struct pinion_bias {
    PINION_ATOMIC(uintptr_t) owner;
    PINION_ATOMIC(uint32_t) is_inside;
    uint32_t uses;
};

/* One side's lines: who puts, or who gets. The paddings keep what the two sides write two cache
 * lines apart. */
struct pinion_queue_side {
    struct pinion_mutex turn;         /* held by the one that moves items on this side */
    PINION_ATOMIC(uint32_t) patience; /* how long who waits looks before it sleeps */
    PINION_ATOMIC(uint64_t) position; /* items moved so far, and whether the queue is closed */
    size_t index;                     /* of the next item, in the storage */
    uint64_t limit;                   /* items up to which it may move, when it looked last */
    uint64_t fenced;                  /* where the other side was at the last heavy fence, … */
    uint32_t owed;                    /* … and what fences cost more than they saved, in items */
    PINION_ATOMIC(uint32_t) is_fenced; /* its moves are, for who sleeps on the other side */
    struct pinion_bias bias;
    char padding[128 - 5 * sizeof(uint32_t) - 3 * sizeof(uint64_t) - sizeof(size_t) -
                 sizeof(struct pinion_bias)];
    PINION_ATOMIC(uint64_t) wanted;   /* who has the turn sleeps until the other side is there */
    char padding_wanted[128 - sizeof(uint64_t)];
};

/* Fields are the library's. */
struct pinion_queue {
    char *storage;
    size_t item_size, capacity;
    void *meeting;            /* of a rendezvous: who waits for the other side */
    struct pinion_mutex lock; /* of meeting */
    PINION_ATOMIC(uint32_t) is_closed; /* under lock */
    char padding[128 - 4 * sizeof(size_t) - 2 * sizeof(uint32_t)];
    struct pinion_queue_side put, get;
};

/* Makes an empty queue of capacity items of item_size bytes each (at least 1) in storage, which is
 * borrowed as long as the queue is used, has item_size * capacity bytes and any alignment. capacity
 * 0, with storage NULL, is a rendezvous: each item is handed from a put to a get that are there at
 * the same time. There is nothing to destroy; but a put may still be at the queue when its item was
 * taken already: free the queue when the calls have returned. */
PINION_API void pinion_queue_init(struct pinion_queue *queue, void *storage, size_t item_size,
                                  size_t capacity);

/* Puts up to count items; waits until at least min of them are in the queue (or, of a rendezvous,
 * were taken), then puts what more there is room for. Returns how many were put, in the order of
 * items. min 0 doesn't wait. Less than min, but not 0, means that a request, the deadline or a
 * close came meanwhile, which the next call gives.
 * Errors, and then nothing was put: -EPIPE (closed), -ECANCELED, -ETIMEDOUT, -EINVAL (min above
 * count, count above SSIZE_MAX). Puts of several items are not mixed with others' except where they
 * wait. */
PINION_API ssize_t pinion_queue_put(struct pinion_io *io, struct pinion_queue *queue,
                                    const void *items, size_t count, size_t min);
PINION_API ssize_t pinion_queue_put_until(struct pinion_io *io, struct pinion_queue *queue,
                                          const void *items, size_t count, size_t min,
                                          int64_t deadline);
PINION_API ssize_t pinion_queue_put_uncancelable(struct pinion_io *io, struct pinion_queue *queue,
                                                 const void *items, size_t count, size_t min);

/* Gets up to count items; waits until at least min could be had. Returns how many. As put
 * otherwise, except that after a close it returns what is left, even below min, and only then
 * -EPIPE. */
PINION_API ssize_t pinion_queue_get(struct pinion_io *io, struct pinion_queue *queue, void *items,
                                    size_t count, size_t min);
PINION_API ssize_t pinion_queue_get_until(struct pinion_io *io, struct pinion_queue *queue,
                                          void *items, size_t count, size_t min, int64_t deadline);
PINION_API ssize_t pinion_queue_get_uncancelable(struct pinion_io *io, struct pinion_queue *queue,
                                                 void *items, size_t count, size_t min);

/* Closes: all who wait in put or get return, puts from now on give -EPIPE, gets empty the queue
 * first. Again: nothing. */
PINION_API void pinion_queue_close(struct pinion_io *io, struct pinion_queue *queue);

PINION_END

/* PINION_QUEUE(T, name): a queue of T under a name of its own, without casts.
 *     struct name                                    the queue
 *     void    name_init(&queue, T *storage, capacity)
 *     ssize_t name_put(io, &queue, const T *items, count, min)      and _until, _uncancelable
 *     ssize_t name_get(io, &queue, T *items, count, min)            and _until, _uncancelable
 *     int     name_put_one(io, &queue, T item)       0, or put's error
 *     int     name_get_one(io, &queue, T *item)      0, or get's error
 *     void    name_close(io, &queue)
 * T must be writable before a name, without a top-level comma. No semicolon is needed after it. */
#define PINION_QUEUE(T, name)                                                                      \
    struct name {                                                                                  \
        struct pinion_queue queue;                                                                 \
    };                                                                                             \
    static inline PINION_UNUSED void name##_init(struct name *pinion_queue_, T *pinion_storage_,   \
                                                 size_t pinion_capacity_)                          \
    {                                                                                              \
        pinion_queue_init(&pinion_queue_->queue, pinion_storage_, sizeof(T), pinion_capacity_);    \
    }                                                                                              \
    PINION_QUEUE_MOVE_(T const, name, put)                                                         \
    PINION_QUEUE_MOVE_(T, name, get)                                                               \
    static inline PINION_UNUSED int name##_put_one(struct pinion_io *pinion_io_,                   \
                                                   struct name *pinion_queue_, T pinion_item_)     \
    {                                                                                              \
        const ssize_t pinion_moved_ =                                                              \
            pinion_queue_put(pinion_io_, &pinion_queue_->queue, &pinion_item_, 1, 1);              \
        return pinion_moved_ < 0 ? (int)pinion_moved_ : 0;                                         \
    }                                                                                              \
    static inline PINION_UNUSED int name##_get_one(struct pinion_io *pinion_io_,                   \
                                                   struct name *pinion_queue_, T *pinion_item_)    \
    {                                                                                              \
        const ssize_t pinion_moved_ =                                                              \
            pinion_queue_get(pinion_io_, &pinion_queue_->queue, pinion_item_, 1, 1);               \
        return pinion_moved_ < 0 ? (int)pinion_moved_ : 0;                                         \
    }                                                                                              \
    static inline PINION_UNUSED void name##_close(struct pinion_io *pinion_io_,                    \
                                                  struct name *pinion_queue_)                      \
    {                                                                                              \
        pinion_queue_close(pinion_io_, &pinion_queue_->queue);                                     \
    }

/* The three forms of one direction; not for use. */
#define PINION_QUEUE_MOVE_(T, name, move)                                                          \
    static inline PINION_UNUSED ssize_t name##_##move(                                             \
        struct pinion_io *pinion_io_, struct name *pinion_queue_, T *pinion_items_,                \
        size_t pinion_count_, size_t pinion_min_)                                                  \
    {                                                                                              \
        return pinion_queue_##move(pinion_io_, &pinion_queue_->queue, pinion_items_,               \
                                   pinion_count_, pinion_min_);                                    \
    }                                                                                              \
    static inline PINION_UNUSED ssize_t name##_##move##_until(                                     \
        struct pinion_io *pinion_io_, struct name *pinion_queue_, T *pinion_items_,                \
        size_t pinion_count_, size_t pinion_min_, int64_t pinion_deadline_)                        \
    {                                                                                              \
        return pinion_queue_##move##_until(pinion_io_, &pinion_queue_->queue, pinion_items_,       \
                                           pinion_count_, pinion_min_, pinion_deadline_);          \
    }                                                                                              \
    static inline PINION_UNUSED ssize_t name##_##move##_uncancelable(                              \
        struct pinion_io *pinion_io_, struct name *pinion_queue_, T *pinion_items_,                \
        size_t pinion_count_, size_t pinion_min_)                                                  \
    {                                                                                              \
        return pinion_queue_##move##_uncancelable(pinion_io_, &pinion_queue_->queue,               \
                                                  pinion_items_, pinion_count_, pinion_min_);      \
    }

#endif
