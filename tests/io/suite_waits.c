/* SPDX-License-Identifier: MIT */
#include "suite_wait.h"

#include <stdatomic.h>
#include <string.h>

#define PLAIN(name, call)                                                                          \
    static int name(struct pinion_io *io, struct object *object) { return call; }
#define UNTIL(name, call)                                                                          \
    static int name(struct pinion_io *io, struct object *object, int64_t deadline)                 \
    {                                                                                              \
        return call;                                                                               \
    }

/* ---- futex: the word is 1 where it is open, and who gets through takes that away ---- */

static bool take_word(struct object *object)
{
    uint32_t open = 1;
    return atomic_compare_exchange_strong(&object->word, &open, 0);
}

static void futex_open(struct pinion_io *io, struct object *object)
{
    atomic_store(&object->word, 1);
    pinion_futex_wake(io, &object->word, 1);
}

static int futex_until(struct pinion_io *io, struct object *object, int64_t deadline)
{
    int error;
    do {
        if ((error = pinion_futex_wait(io, &object->word, 0, deadline)))
            return error;
    } while (!take_word(object));
    return 0;
}

static int futex_plain(struct pinion_io *io, struct object *object)
{
    return futex_until(io, object, PINION_FOREVER);
}

static int futex_uncancelable(struct pinion_io *io, struct object *object)
{
    do {
        const int error =
            pinion_futex_wait_uncancelable(io, &object->word, 0, PINION_FOREVER);
        if (error)
            return error;
    } while (!take_word(object));
    return 0;
}

/* ---- mutex ---- */

static void mutex_shut(struct pinion_io *io, struct object *object)
{
    EXPECT(pinion_mutex_lock_uncancelable(io, &object->mutex) == 0);
}

static void mutex_open(struct pinion_io *io, struct object *object)
{
    pinion_mutex_unlock(io, &object->mutex);
}

PLAIN(mutex_plain, pinion_mutex_lock(io, &object->mutex))
UNTIL(mutex_until, pinion_mutex_lock_until(io, &object->mutex, deadline))
PLAIN(mutex_uncancelable, pinion_mutex_lock_uncancelable(io, &object->mutex))

/* ---- condition: as a semaphore of tokens, which waits at least once if there is none ---- */

static void condition_open(struct pinion_io *io, struct object *object)
{
    EXPECT(pinion_mutex_lock_uncancelable(io, &object->mutex) == 0);
    object->tokens++;
    pinion_condition_signal(io, &object->condition);
    pinion_mutex_unlock(io, &object->mutex);
}

enum form { FORM_PLAIN, FORM_UNTIL, FORM_UNCANCELABLE };

static int condition_wait(struct pinion_io *io, struct object *object, enum form form,
                          int64_t deadline)
{
    int error = 0;
    EXPECT(pinion_mutex_lock_uncancelable(io, &object->mutex) == 0);
    if (object->tokens > 0 && form != FORM_UNCANCELABLE)
        error = pinion_check_cancel(io); /* the call itself would wait for a next signal */
    while (!error && object->tokens == 0) {
        if (form == FORM_PLAIN)
            error = pinion_condition_wait(io, &object->condition, &object->mutex);
        else if (form == FORM_UNTIL)
            error = pinion_condition_wait_until(io, &object->condition, &object->mutex, deadline);
        else
            error =
                pinion_condition_wait_uncancelable(io, &object->condition, &object->mutex);
        EXPECT(!pinion_mutex_try_lock(&object->mutex));
    }
    if (!error)
        object->tokens--;
    pinion_mutex_unlock(io, &object->mutex);
    return error;
}

PLAIN(condition_plain, condition_wait(io, object, FORM_PLAIN, PINION_FOREVER))
UNTIL(condition_until, condition_wait(io, object, FORM_UNTIL, deadline))
PLAIN(condition_uncancelable, condition_wait(io, object, FORM_UNCANCELABLE, PINION_FOREVER))

/* ---- semaphore ---- */

static void semaphore_open(struct pinion_io *io, struct object *object)
{
    pinion_semaphore_post(io, &object->semaphore);
}

PLAIN(semaphore_plain, pinion_semaphore_wait(io, &object->semaphore))
UNTIL(semaphore_until, pinion_semaphore_wait_until(io, &object->semaphore, deadline))
PLAIN(semaphore_uncancelable, pinion_semaphore_wait_uncancelable(io, &object->semaphore))

/* ---- event ---- */

static void event_open(struct pinion_io *io, struct object *object)
{
    pinion_event_set(io, &object->event);
}

static void event_after(struct pinion_io *io, struct object *object)
{
    (void)io;
    EXPECT(pinion_event_is_set(&object->event));
    pinion_event_reset(&object->event);
}

PLAIN(event_plain, pinion_event_wait(io, &object->event))
UNTIL(event_until, pinion_event_wait_until(io, &object->event, deadline))
PLAIN(event_uncancelable, pinion_event_wait_uncancelable(io, &object->event))

/* ---- rwlock: a reader behind a writer, a writer behind a reader, a writer behind a writer ---- */

static void hold_write(struct pinion_io *io, struct object *object)
{
    EXPECT(pinion_rwlock_write_lock_uncancelable(io, &object->rwlock) == 0);
}

static void drop_write(struct pinion_io *io, struct object *object)
{
    pinion_rwlock_write_unlock(io, &object->rwlock);
}

static void hold_read(struct pinion_io *io, struct object *object)
{
    EXPECT(pinion_rwlock_read_lock_uncancelable(io, &object->rwlock) == 0);
}

static void drop_read(struct pinion_io *io, struct object *object)
{
    pinion_rwlock_read_unlock(io, &object->rwlock);
}

static void read_to_write(struct pinion_io *io, struct object *object)
{
    drop_read(io, object);
    hold_write(io, object);
}

static void write_to_read(struct pinion_io *io, struct object *object)
{
    drop_write(io, object);
    hold_read(io, object);
}

PLAIN(read_plain, pinion_rwlock_read_lock(io, &object->rwlock))
UNTIL(read_until, pinion_rwlock_read_lock_until(io, &object->rwlock, deadline))
PLAIN(read_uncancelable, pinion_rwlock_read_lock_uncancelable(io, &object->rwlock))
PLAIN(write_plain, pinion_rwlock_write_lock(io, &object->rwlock))
UNTIL(write_until, pinion_rwlock_write_lock_until(io, &object->rwlock, deadline))
PLAIN(write_uncancelable, pinion_rwlock_write_lock_uncancelable(io, &object->rwlock))

/* ---- queue: a get of an empty one, a put into a full one, and each without storage ---- */

static int one(ssize_t moved)
{
    EXPECT(moved == 1 || moved < 0);
    return moved < 0 ? (int)moved : 0;
}

static void queue_shut_empty(struct pinion_io *io, struct object *object)
{
    (void)io;
    pinion_queue_init(&object->queue, object->storage, 1, sizeof object->storage);
}

static void queue_shut_none(struct pinion_io *io, struct object *object)
{
    (void)io;
    pinion_queue_init(&object->queue, NULL, 1, 0);
}

static void queue_put_one(struct pinion_io *io, struct object *object)
{
    EXPECT(pinion_queue_put_uncancelable(io, &object->queue, "x", 1, 1) == 1);
}

static void queue_get_one(struct pinion_io *io, struct object *object)
{
    char item = 0;
    EXPECT(pinion_queue_get_uncancelable(io, &object->queue, &item, 1, 1) == 1);
    EXPECT(item == 'x');
}

static void queue_shut_full(struct pinion_io *io, struct object *object)
{
    queue_shut_empty(io, object);
    for (size_t i = 0; i < sizeof object->storage; i++)
        queue_put_one(io, object);
}

static int got(struct pinion_io *io, struct object *object, enum form form, int64_t deadline)
{
    char item = 0;
    ssize_t moved;
    if (form == FORM_PLAIN)
        moved = pinion_queue_get(io, &object->queue, &item, 1, 1);
    else if (form == FORM_UNTIL)
        moved = pinion_queue_get_until(io, &object->queue, &item, 1, 1, deadline);
    else
        moved = pinion_queue_get_uncancelable(io, &object->queue, &item, 1, 1);
    EXPECT(item == (moved == 1 ? 'x' : 0));
    return one(moved);
}

PLAIN(get_plain, got(io, object, FORM_PLAIN, PINION_FOREVER))
UNTIL(get_until, got(io, object, FORM_UNTIL, deadline))
PLAIN(get_uncancelable, got(io, object, FORM_UNCANCELABLE, PINION_FOREVER))
PLAIN(put_plain, one(pinion_queue_put(io, &object->queue, "x", 1, 1)))
UNTIL(put_until, one(pinion_queue_put_until(io, &object->queue, "x", 1, 1, deadline)))
PLAIN(put_uncancelable, one(pinion_queue_put_uncancelable(io, &object->queue, "x", 1, 1)))

#define FORMS(what)                                                                                \
    .plain = what##_plain, .until = what##_until, .uncancelable = what##_uncancelable

const struct wait suite_waits[] = {
    {.name = "futex_wait", FORMS(futex), .open = futex_open},
    {.name = "mutex_lock", FORMS(mutex), .shut = mutex_shut, .open = mutex_open, .is_lock = true,
     .is_for_many = true},
    {.name = "condition_wait", FORMS(condition), .open = condition_open, .is_for_many = true},
    {.name = "semaphore_wait", FORMS(semaphore), .open = semaphore_open, .is_for_many = true},
    {.name = "event_wait", FORMS(event), .open = event_open, .after = event_after},
    {.name = "rwlock_read_lock", FORMS(read), .shut = hold_write, .open = drop_write,
     .after = read_to_write},
    {.name = "rwlock_write_lock behind a reader", FORMS(write), .shut = hold_read,
     .open = drop_read, .after = write_to_read},
    {.name = "rwlock_write_lock", FORMS(write), .shut = hold_write, .open = drop_write,
     .is_lock = true, .is_for_many = true},
    {.name = "queue_get", FORMS(get), .shut = queue_shut_empty, .open = queue_put_one,
     .is_for_many = true},
    {.name = "queue_put", FORMS(put), .shut = queue_shut_full, .open = queue_get_one,
     .is_for_many = true},
    {.name = "queue_get of a rendezvous", FORMS(get), .shut = queue_shut_none,
     .open = queue_put_one, .is_meeting = true, .is_for_many = true},
    {.name = "queue_put into a rendezvous", FORMS(put), .shut = queue_shut_none,
     .open = queue_get_one, .is_meeting = true, .is_for_many = true},
};
const unsigned suite_wait_count = sizeof suite_waits / sizeof suite_waits[0];

void wait_shut(const struct wait *wait, struct pinion_io *io, struct object *object)
{
    memset(object, 0, sizeof *object);
    if (wait->shut)
        wait->shut(io, object);
}

void wait_after(const struct wait *wait, struct pinion_io *io, struct object *object)
{
    if (wait->after)
        wait->after(io, object);
}
