/* SPDX-License-Identifier: MIT
 *
 * The suite's storm: very many tasks go from one wait to the next, of all kinds there are, and each
 * is canceled wherever it is. None hangs, each is told once, and in the end nothing is lost: items,
 * bytes, permits and tokens add up, every lock is free, and no descriptor is left open.
 */
#include "storm_net.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../threads.h"

/* Of a pool; of the loops, which are more, together. All where assertions look at each. */
#define CANCELS (PN_DEBUG ? 100000 : 25000)
#define IN_FLIGHT 8 /* of each of two drivers */
#define QUEUES 3
#define PIPES 2
#define PIPE_BYTES 4096

struct storm {
    struct suite *suite;
    int cancels; /* of each driver */
    struct pinion_mutex mutex;
    struct pinion_rwlock lock;
    struct pinion_semaphore semaphore;
    struct pinion_event event;
    PINION_ATOMIC(uint32_t) word;
    struct pinion_mutex token_mutex;
    struct pinion_condition token_there;
    long tokens, tokens_made, tokens_taken; /* under token_mutex */
    long writes;                            /* under mutex */
    long versions, copy;                    /* under lock */
    struct pinion_queue queues[QUEUES];
    uint32_t storage[64 + 1];
    _Atomic long put[QUEUES], got[QUEUES], put_sum[QUEUES], got_sum[QUEUES];
    int pipes[PIPES][2];
    _Atomic long written[PIPES], read[PIPES], written_sum[PIPES], read_sum[PIPES];
    char directory[32], fifo[48], file[48];
    struct storm_net net;
    _Atomic long told;
};

/* A task on its way: its own randomness. */
struct walk {
    struct pinion_io *io;
    struct storm *storm;
    uint32_t seed;
};

static uint32_t random_of(struct walk *walk) { return suite_random(&walk->seed); }

/* Deadlines are mostly far; else soon. Some error of it means no more than that it has passed. */
static int64_t deadline_of(struct walk *walk)
{
    return random_of(walk) % 4 ? PINION_FOREVER : suite_now() + random_of(walk) % 100000;
}

static int but_not_late(int error) { return error == -ETIMEDOUT ? 0 : error; }

static int fall_asleep(struct walk *walk)
{
    if (random_of(walk) % 4 == 0)
        return pinion_sleep(walk->io, random_of(walk) % 50000);
    return pinion_sleep(walk->io, PINION_FOREVER);
}

/* ---- locks and permits, which are held while it waits for something else ---- */

static int in_mutex(struct walk *walk)
{
    struct storm *storm = walk->storm;
    int error = pinion_mutex_lock_until(walk->io, &storm->mutex, deadline_of(walk));
    if (error)
        return but_not_late(error);
    storm->writes++;
    error = fall_asleep(walk);
    storm->writes--;
    EXPECT(storm->writes == 0);
    pinion_mutex_unlock(walk->io, &storm->mutex);
    return error;
}

static int in_read_lock(struct walk *walk)
{
    struct storm *storm = walk->storm;
    int error = pinion_rwlock_read_lock_until(walk->io, &storm->lock, deadline_of(walk));
    if (error)
        return but_not_late(error);
    EXPECT(storm->versions == storm->copy);
    error = fall_asleep(walk);
    EXPECT(storm->versions == storm->copy);
    pinion_rwlock_read_unlock(walk->io, &storm->lock);
    return error;
}

static int in_write_lock(struct walk *walk)
{
    struct storm *storm = walk->storm;
    int error = pinion_rwlock_write_lock_until(walk->io, &storm->lock, deadline_of(walk));
    if (error)
        return but_not_late(error);
    EXPECT(storm->versions == storm->copy);
    storm->versions++;
    error = random_of(walk) % 2 ? fall_asleep(walk) : 0;
    storm->copy++;
    pinion_rwlock_write_unlock(walk->io, &storm->lock);
    return error;
}

static int with_permit(struct walk *walk)
{
    struct storm *storm = walk->storm;
    int error = pinion_semaphore_wait_until(walk->io, &storm->semaphore, deadline_of(walk));
    if (error)
        return but_not_late(error);
    error = fall_asleep(walk);
    pinion_semaphore_post(walk->io, &storm->semaphore);
    return error;
}

/* ---- events, conditions, futexes: now and then it is this task that wakes the others ---- */

static int at_event(struct walk *walk)
{
    struct storm *storm = walk->storm;
    const uint32_t what = random_of(walk) % 8;
    if (what == 0)
        pinion_event_set(walk->io, &storm->event);
    if (what < 2)
        pinion_event_reset(&storm->event);
    return but_not_late(pinion_event_wait_until(walk->io, &storm->event, deadline_of(walk)));
}

static int at_condition(struct walk *walk)
{
    struct storm *storm = walk->storm;
    int error = 0;
    EXPECT(pinion_mutex_lock_uncancelable(walk->io, &storm->token_mutex) == 0);
    if (random_of(walk) % 4 == 0) {
        storm->tokens++;
        storm->tokens_made++;
        pinion_condition_signal(walk->io, &storm->token_there);
    } else {
        const int64_t deadline = deadline_of(walk);
        while (!error && storm->tokens == 0)
            error = pinion_condition_wait_until(walk->io, &storm->token_there,
                                                &storm->token_mutex, deadline);
        EXPECT(!pinion_mutex_try_lock(&storm->token_mutex));
        storm->tokens -= !error;
        storm->tokens_taken += !error;
    }
    pinion_mutex_unlock(walk->io, &storm->token_mutex);
    return but_not_late(error);
}

static int at_futex(struct walk *walk)
{
    struct storm *storm = walk->storm;
    if (random_of(walk) % 4 == 0) {
        atomic_fetch_add(&storm->word, 1);
        pinion_futex_wake(walk->io, &storm->word, 2);
    }
    const uint32_t seen = atomic_load(&storm->word);
    return but_not_late(pinion_futex_wait(walk->io, &storm->word, seen, deadline_of(walk)));
}

/* ---- queues ---- */

static int moved(ssize_t n) { return n < 0 ? but_not_late((int)n) : 0; }

static int put_items(struct walk *walk)
{
    struct storm *storm = walk->storm;
    uint32_t items[3];
    const uint32_t q = random_of(walk) % QUEUES, count = 1 + random_of(walk) % 3;
    for (uint32_t i = 0; i < count; i++)
        items[i] = random_of(walk) % 1000;
    const ssize_t n = pinion_queue_put_until(walk->io, &storm->queues[q], items, count,
                                             1 + random_of(walk) % count, deadline_of(walk));
    EXPECT(n <= (ssize_t)count && n != 0);
    for (ssize_t i = 0; i < n; i++)
        atomic_fetch_add(&storm->put_sum[q], (long)items[i]);
    atomic_fetch_add(&storm->put[q], n > 0 ? n : 0);
    return moved(n);
}

static ssize_t take(struct storm *storm, uint32_t q, const uint32_t *items, ssize_t n)
{
    for (ssize_t i = 0; i < n; i++)
        atomic_fetch_add(&storm->got_sum[q], (long)items[i]);
    atomic_fetch_add(&storm->got[q], n > 0 ? n : 0);
    return n;
}

static int get_items(struct walk *walk)
{
    struct storm *storm = walk->storm;
    uint32_t items[4];
    const uint32_t q = random_of(walk) % QUEUES, count = 1 + random_of(walk) % 4;
    const ssize_t n = pinion_queue_get_until(walk->io, &storm->queues[q], items, count,
                                             1 + random_of(walk) % count, deadline_of(walk));
    EXPECT(n <= (ssize_t)count && n != 0);
    return moved(take(storm, q, items, n));
}

/* ---- descriptors ---- */

static long sum_of(const unsigned char *bytes, ssize_t count)
{
    long sum = 0;
    for (ssize_t i = 0; i < count; i++)
        sum += bytes[i];
    return sum;
}

static int write_pipe(struct walk *walk)
{
    struct storm *storm = walk->storm;
    unsigned char bytes[PIPE_BYTES];
    const uint32_t p = random_of(walk) % PIPES, count = 1 + random_of(walk) % sizeof bytes;
    memset(bytes, (int)(random_of(walk) % 256), count);
    const ssize_t n =
        pinion_write_until(walk->io, storm->pipes[p][1], bytes, count, deadline_of(walk));
    EXPECT(n <= (ssize_t)count && n != 0);
    atomic_fetch_add(&storm->written[p], n > 0 ? n : 0);
    atomic_fetch_add(&storm->written_sum[p], sum_of(bytes, n));
    return moved(n);
}

static ssize_t take_bytes(struct storm *storm, uint32_t p, const unsigned char *bytes, ssize_t n)
{
    atomic_fetch_add(&storm->read[p], n > 0 ? n : 0);
    atomic_fetch_add(&storm->read_sum[p], sum_of(bytes, n));
    return n;
}

static int read_pipe(struct walk *walk)
{
    struct storm *storm = walk->storm;
    unsigned char bytes[PIPE_BYTES];
    const uint32_t p = random_of(walk) % PIPES, count = 1 + random_of(walk) % sizeof bytes;
    const ssize_t n =
        random_of(walk) % 2
            ? pinion_read_until(walk->io, storm->pipes[p][0], bytes, count, deadline_of(walk))
            : pinion_read_all_until(walk->io, storm->pipes[p][0], bytes, count, deadline_of(walk));
    EXPECT(n <= (ssize_t)count && n != 0);
    return moved(take_bytes(storm, p, bytes, n));
}

static int poll_pipes(struct walk *walk)
{
    struct pollfd list[PIPES];
    for (int p = 0; p < PIPES; p++) {
        const bool to_read = random_of(walk) % 2;
        list[p] = (struct pollfd){.fd = walk->storm->pipes[p][to_read ? 0 : 1],
                                  .events = to_read ? POLLIN : POLLOUT};
    }
    const int ready = pinion_poll_until(walk->io, list, PIPES, deadline_of(walk));
    return ready > 0 ? 0 : but_not_late(ready);
}

static int open_fifo(struct walk *walk)
{
    const int file = pinion_open_until(walk->io, walk->storm->fifo,
                                       random_of(walk) % 2 ? O_RDONLY : O_WRONLY, 0,
                                       deadline_of(walk));
    if (file >= 0)
        EXPECT(pinion_close(walk->io, file) == 0);
    return file >= 0 ? 0 : but_not_late(file);
}

static void lock_file(const void *context, void *result)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    (void)result;
    EXPECT(fcntl(*(const int *)context, F_OFD_SETLKW, &lock) == 0);
}

/* A lock that pinion knows nothing of. Seldom: each takes a thread. */
static int with_file_lock(struct walk *walk)
{
    if (random_of(walk) % 16)
        return 0;
    const int file = pinion_open(walk->io, walk->storm->file, O_RDWR);
    if (file < 0)
        return file;
    const struct pinion_call call = {
        .start = lock_file, .context = &file, .context_size = sizeof file,
        .context_align = sizeof file};
    const int error = pinion_blocking(walk->io, &call, NULL);
    suite_yield();
    EXPECT(pinion_close(walk->io, file) == 0); /* releases it */
    return error;
}

static int on_the_net(struct walk *walk)
{
    storm_net_wait *const wait = storm_net_waits[random_of(walk) % STORM_NET_WAITS];
    return but_not_late(wait(walk->io, &walk->storm->net, random_of(walk), deadline_of(walk)));
}

/* ---- tasks of its own ---- */

static int wait_for_cancel(struct walk *walk)
{
    int error;
    const bool is_asleep = random_of(walk) % 2;
    while (!(error = is_asleep ? fall_asleep(walk) : at_futex(walk)))
        continue;
    EXPECT(error == -ECANCELED);
    return error;
}

PINION_TASK(int, child, (struct pinion_io *, io), (struct storm *, storm), (uint32_t, seed))
{
    struct walk walk = {io, storm, seed | 1};
    return wait_for_cancel(&walk);
}

static void be_member(const void *context, void *result)
{
    struct walk walk = *(const struct walk *)context;
    (void)result;
    (void)wait_for_cancel(&walk);
}

/* On loops few are: fibers are what is new there. */
static bool is_parallel(const struct storm *storm, uint32_t random)
{
    return random % (storm->suite->of->has_fibers ? 16 : 2) == 0;
}

static int at_await(struct walk *walk)
{
    struct child_future future;
    EXPECT(child_concurrent(walk->io, &future, walk->io, walk->storm, random_of(walk)) == 0);
    EXPECT(child_await(walk->io, &future) == -ECANCELED); /* passed on, and so consumed */
    EXPECT(pinion_check_cancel(walk->io) == 0);
    return -ECANCELED;
}

static int at_select(struct walk *walk)
{
    struct child_future future;
    struct pinion_future *const list[] = {&future.future};
    EXPECT((is_parallel(walk->storm, random_of(walk))
                ? child_parallel(walk->io, &future, walk->io, walk->storm, random_of(walk))
                : child_concurrent(walk->io, &future, walk->io, walk->storm, random_of(walk))) ==
           0);
    const int error = pinion_select(walk->io, list, 1, deadline_of(walk));
    EXPECT(error == -ECANCELED || error == -ETIMEDOUT);
    EXPECT(child_cancel(walk->io, &future) == -ECANCELED);
    return but_not_late(error);
}

static int at_group(struct walk *walk)
{
    struct pinion_group group = PINION_GROUP_INIT;
    for (uint32_t i = 1 + random_of(walk) % 2; i > 0; i--) {
        const struct walk member = {walk->io, walk->storm, random_of(walk) | 1};
        const struct pinion_call call = {
            .start = be_member, .context = &member, .context_size = sizeof member};
        EXPECT(pinion_group_concurrent(walk->io, &group, &call) == 0);
    }
    return pinion_group_await(walk->io, &group);
}

/* ---- the walk ---- */

static int (*const waits[])(struct walk *walk) = {
    fall_asleep, in_mutex,     in_mutex,   in_read_lock,   in_write_lock, with_permit,
    at_event,    at_condition, at_futex,   put_items,      put_items,     get_items,
    get_items,   at_await,     at_select,  at_group,       write_pipe,    write_pipe,
    read_pipe,   read_pipe,    open_fifo,  poll_pipes,     with_file_lock, on_the_net,
    on_the_net,  on_the_net,   on_the_net, on_the_net,     on_the_net};

PINION_TASK(void, wander, (struct pinion_io *, io), (struct storm *, storm), (uint32_t, seed))
{
    struct walk walk = {io, storm, seed | 1};
    int error = 0;
    while (!error)
        error = waits[random_of(&walk) % (sizeof waits / sizeof waits[0])](&walk);
    EXPECT(error == -ECANCELED);
    EXPECT(pinion_cancel_requested(io));
    EXPECT(pinion_check_cancel(io) == 0);
    atomic_fetch_add(&storm->told, 1);
}

PINION_TASK(int, compute, (struct pinion_io *, io), (int, n))
{
    if (n < 2)
        return n;
    struct compute_future left = compute_async(io, io, n - 1);
    const int right = compute(io, n - 2);
    return compute_await(io, &left) + right;
}

static void start_walk(struct storm *storm, struct wander_future *future, uint32_t *seed)
{
    struct pinion_io *io = storm->suite->io;
    EXPECT((is_parallel(storm, suite_random(seed))
                ? wander_parallel(io, future, io, storm, suite_random(seed))
                : wander_concurrent(io, future, io, storm, suite_random(seed))) == 0);
}

static void end_walk(struct storm *storm, struct wander_future *future, uint32_t *seed)
{
    struct pinion_io *io = storm->suite->io;
    if (suite_random(seed) % 2) {
        pinion_request_cancel(io, &future->future);
        if (suite_random(seed) % 8 == 0)
            EXPECT(compute(io, 8) == 21);
        wander_await(io, future);
    } else {
        wander_cancel(io, future);
    }
}

/* Keeps so many in flight, and cancels one of them at a time. */
static void *drive(void *argument)
{
    struct storm *storm = argument;
    struct wander_future futures[IN_FLIGHT];
    uint32_t seed = (uint32_t)(uintptr_t)&futures | 1;
    for (int i = 0; i < IN_FLIGHT; i++)
        start_walk(storm, &futures[i], &seed);
    for (int i = 0; i < storm->cancels - IN_FLIGHT; i++) {
        struct wander_future *future = &futures[suite_random(&seed) % IN_FLIGHT];
        end_walk(storm, future, &seed);
        start_walk(storm, future, &seed);
    }
    for (int i = 0; i < IN_FLIGHT; i++)
        end_walk(storm, &futures[i], &seed);
    return NULL;
}

static void expect_all_free(struct suite *suite, struct storm *storm)
{
    assert_true(pinion_mutex_try_lock(&storm->mutex));
    assert_true(pinion_mutex_try_lock(&storm->token_mutex));
    assert_true(pinion_rwlock_try_write_lock(&storm->lock));
    assert_int_equal(storm->versions, storm->copy);
    assert_true(pinion_semaphore_try_wait(&storm->semaphore));
    assert_true(pinion_semaphore_try_wait(&storm->semaphore));
    assert_false(pinion_semaphore_try_wait(&storm->semaphore));
    pinion_event_reset(&storm->event);
    assert_int_equal(pinion_event_wait_until(suite->io, &storm->event, 0), -ETIMEDOUT);
    assert_int_equal(storm->tokens, storm->tokens_made - storm->tokens_taken);
}

static void expect_all_items(struct suite *suite, struct storm *storm)
{
    for (uint32_t q = 0; q < QUEUES; q++) {
        uint32_t item;
        pinion_queue_close(suite->io, &storm->queues[q]);
        while (take(storm, q, &item, pinion_queue_get(suite->io, &storm->queues[q], &item, 1, 1)) >
               0)
            continue;
        assert_true(atomic_load(&storm->put[q]) > 0);
        assert_int_equal(atomic_load(&storm->got[q]), atomic_load(&storm->put[q]));
        assert_int_equal(atomic_load(&storm->got_sum[q]), atomic_load(&storm->put_sum[q]));
    }
}

static void expect_all_bytes(struct suite *suite, struct storm *storm)
{
    static unsigned char bytes[PIPE_BYTES];
    for (uint32_t p = 0; p < PIPES; p++) {
        while (take_bytes(storm, p, bytes,
                          pinion_read_until(suite->io, storm->pipes[p][0], bytes, sizeof bytes,
                                            0)) > 0)
            continue;
        assert_true(atomic_load(&storm->written[p]) > 0);
        assert_int_equal(atomic_load(&storm->read[p]), atomic_load(&storm->written[p]));
        assert_int_equal(atomic_load(&storm->read_sum[p]), atomic_load(&storm->written_sum[p]));
    }
}

/* Of pipes, one is O_NONBLOCK. */
static void make_files(struct storm *storm)
{
    (void)strcpy(storm->directory, "/tmp/pinion-storm-XXXXXX");
    assert_non_null(mkdtemp(storm->directory));
    (void)snprintf(storm->fifo, sizeof storm->fifo, "%s/fifo", storm->directory);
    (void)snprintf(storm->file, sizeof storm->file, "%s/file", storm->directory);
    assert_int_equal(mkfifo(storm->fifo, 0600), 0);
    assert_int_equal(close(open(storm->file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
    for (int p = 0; p < PIPES; p++) {
        assert_int_equal(pipe2(storm->pipes[p], O_CLOEXEC | (p ? O_NONBLOCK : 0)), 0);
        assert_int_equal(fcntl(storm->pipes[p][1], F_SETPIPE_SZ, PIPE_BYTES), PIPE_BYTES);
    }
}

static void remove_files(struct storm *storm)
{
    for (int p = 0; p < PIPES; p++)
        assert_int_equal(close(storm->pipes[p][0]) | close(storm->pipes[p][1]), 0);
    assert_int_equal(unlink(storm->fifo) | unlink(storm->file) | rmdir(storm->directory), 0);
}

static void a_storm_of_cancels_hangs_nobody_and_loses_nothing(struct suite *suite)
{
    static struct storm storm;
    pthread_t second;
    if (!suite->of->has_parallel || !suite->of->has_concurrent)
        skip();
    memset((void *)&storm, 0, sizeof storm);
    storm.suite = suite;
    make_files(&storm);
    storm_net_init(&storm.net);
    storm.cancels = SUITE_ROUNDS(suite->of->has_fibers ? CANCELS / 8 : CANCELS / 2);
    storm.semaphore = (struct pinion_semaphore)PINION_SEMAPHORE_INIT(2);
    pinion_queue_init(&storm.queues[0], NULL, sizeof(uint32_t), 0);
    pinion_queue_init(&storm.queues[1], storm.storage, sizeof(uint32_t), 1);
    pinion_queue_init(&storm.queues[2], storm.storage + 1, sizeof(uint32_t), 64);
    assert_int_equal(pthread_create(&second, NULL, drive, &storm), 0);
    (void)drive(&storm);
    assert_int_equal(pthread_join(second, NULL), 0);
    assert_int_equal(atomic_load(&storm.told), 2 * storm.cancels);
    expect_all_free(suite, &storm);
    expect_all_items(suite, &storm);
    expect_all_bytes(suite, &storm);
    storm_net_expect_all(suite->io, &storm.net);
    remove_files(&storm);
    storm_net_fini(&storm.net);
    suite_destroy(suite); /* waits for lookups that were abandoned */
    assert_int_equal(descriptor_count(), suite->descriptors);
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(a_storm_of_cancels_hangs_nobody_and_loses_nothing),
    {NULL, NULL},
};
