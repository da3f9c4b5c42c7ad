/* SPDX-License-Identifier: MIT
 *
 * Batches whose operations are under way in a loop's ring: who else may go on with them, what
 * becomes of them when a task, a run or a process ends, and that no byte is lost on the way.
 */
#include "loops.h"

#include <fcntl.h>

#define PIPES 200
#define MS    INT64_C(1000000)

static struct its {
    struct pinion_loop *loop;
    struct pinion_pool *pool;
    struct pinion_batch batch;
    struct pinion_operation operations[PIPES];
    int pipes[PIPES][2];
    char bytes[PIPES];
    unsigned count;
} its;

static void open_pipes(unsigned count)
{
    its.batch = (struct pinion_batch)PINION_BATCH_INIT;
    its.count = count;
    for (unsigned i = 0; i < count; i++) {
        must(pipe2(its.pipes[i], O_CLOEXEC) == 0);
        its.bytes[i] = 0;
        pinion_prepare_read(&its.operations[i], its.pipes[i][0], &its.bytes[i], 1);
    }
}

static void close_pipes(void)
{
    for (unsigned i = 0; i < its.count; i++)
        must(close(its.pipes[i][0]) == 0 && close(its.pipes[i][1]) == 0);
}

static void feed(unsigned index, char byte) { must(write(its.pipes[index][1], &byte, 1) == 1); }

static void submit_all(struct pinion_io *io)
{
    must(pinion_batch_submit(io, &its.batch, its.operations, its.count) == 0);
}

/* All are under way after, where there is a ring. */
static void find_nothing(struct pinion_io *io)
{
    struct pinion_operation *taken = NULL;
    must(pinion_batch_next_until(io, &its.batch, &taken, clock_ns() + MS / 10) == -ETIMEDOUT);
    must(!taken);
}

static void take(struct pinion_io *io, unsigned index, char byte)
{
    struct pinion_operation *taken = NULL;
    must(pinion_batch_next(io, &its.batch, &taken) == 0);
    must(taken == &its.operations[index] && taken->result == 1 && its.bytes[index] == byte);
}

/* What none of them has is there for who reads by itself. */
static void cancel_all(struct pinion_io *io)
{
    char byte;
    pinion_batch_cancel(io, &its.batch);
    for (unsigned i = 0; i < its.count; i++) {
        its.bytes[i] = 'u';
        feed(i, 'x');
        must(read(its.pipes[i][0], &byte, 1) == 1 && byte == 'x' && its.bytes[i] == 'u');
    }
}

PINION_TASK(void, begin, (struct pinion_io *, io))
{
    submit_all(io);
    find_nothing(io);
}

PINION_TASK(void, feed_and_take, (struct pinion_io *, io), (unsigned, index))
{
    feed(index, 'a');
    take(io, index, 'a');
    find_nothing(io);
}

/* ---- others go on ---- */

static void what_a_fiber_began_anyone_goes_on_with(void **state)
{
    struct begin_future beginner;
    struct feed_and_take_future taker;
    (void)state;
    its.loop = loop_of(3);
    its.pool = pool_of(2);
    struct pinion_io *io = pinion_loop_io(its.loop), *pool_io = pinion_pool_io(its.pool);
    open_pipes(8);
    must(begin_concurrent(io, &beginner, io) == 0);
    begin_await(io, &beginner);
    feed(0, 'b'); /* a thread */
    take(io, 0, 'b');
    must(feed_and_take_concurrent(io, &taker, io, 1) == 0);
    feed_and_take_await(io, &taker);
    must(feed_and_take_parallel(io, &taker, io, 2) == 0);
    feed_and_take_await(io, &taker);
    must(feed_and_take_parallel(pool_io, &taker, io, 3) == 0);
    feed_and_take_await(pool_io, &taker);
    must(feed_and_take_concurrent(io, &taker, pool_io, 4) == 0);
    feed_and_take_await(io, &taker);
    pinion_batch_request_cancel(io, &its.batch, &its.operations[5]); /* a thread again */
    struct pinion_operation *taken;
    must(pinion_batch_next(io, &its.batch, &taken) == 0);
    must(taken == &its.operations[5] && taken->result == -ECANCELED);
    must(feed_and_take_concurrent(io, &taker, io, 6) == 0);
    feed_and_take_await(io, &taker);
    must(pinion_batch_submit(io, &its.batch, its.operations, 1) == 0);
    cancel_all(io);
    must(its.operations[0].result == -ECANCELED && its.operations[7].result == -ECANCELED);
    close_pipes();
    pinion_pool_destroy(its.pool);
    pinion_loop_destroy(its.loop);
}

/* ---- a storm ---- */

#define SHARED  6
#define PARTIES 6
#define ROUNDS  (IS_SANITIZED ? 300 : 3000)

/* One batch, which goes from hand to hand; its bytes come all the time. */
static struct storm {
    struct pinion_mutex mutex;
    unsigned long sent, got; /* got: under the mutex */
    bool is_away[SHARED];    /* likewise: in the batch */
    _Atomic bool is_over;
} storm;

static void keep_away(struct pinion_io *io)
{
    for (unsigned i = 0; i < SHARED; i++) {
        if (storm.is_away[i])
            continue;
        storm.is_away[i] = true;
        must(pinion_batch_submit(io, &its.batch, &its.operations[i], 1) == 0);
    }
}

static void note_taken(const struct pinion_operation *taken)
{
    const size_t index = (size_t)(taken - its.operations);
    must(taken->result == 1 || taken->result == -ECANCELED);
    storm.is_away[index] = false;
    storm.got += taken->result == 1 ? (unsigned long)its.bytes[index] : 0;
}

static void take_till(struct pinion_io *io, int64_t deadline)
{
    struct pinion_operation *taken;
    int error;
    while (!(error = pinion_batch_next_until(io, &its.batch, &taken, deadline)))
        note_taken(taken);
    must(error == -ETIMEDOUT || error == -ENOENT);
}

static void be_party(struct pinion_io *io, uint32_t seed)
{
    for (int i = 0; i < ROUNDS; i++) {
        seed = seed * 1664525u + 1013904223u;
        must(pinion_mutex_lock(io, &storm.mutex) == 0);
        keep_away(io);
        if (seed >> 16 & 1)
            take_till(io, seed >> 17 & 1 ? 0 : clock_ns() + (seed >> 18) % 64 * 1000);
        if (seed >> 24 & 1)
            pinion_batch_request_cancel(io, &its.batch, &its.operations[(seed >> 25) % SHARED]);
        if ((seed >> 28) % 8 == 0)
            pinion_batch_cancel(io, &its.batch);
        pinion_mutex_unlock(io, &storm.mutex);
        pinion_yield(io);
    }
}

PINION_TASK(void, be_party_task, (struct pinion_io *, io), (uint32_t, seed))
{
    be_party(io, seed);
}

static void *be_party_thread(void *unused)
{
    (void)unused;
    be_party(pinion_loop_io(its.loop), 7);
    return NULL;
}

static void *send_all_the_time(void *unused)
{
    (void)unused;
    for (unsigned i = 0; !atomic_load(&storm.is_over); i++) {
        const char byte = (char)(i % 100 + 1);
        feed(i * 7 % SHARED, byte);
        storm.sent += (unsigned long)byte;
        if (i % 16 == 0)
            nap();
    }
    return NULL;
}

static void what_goes_from_hand_to_hand_loses_no_byte(void **state)
{
    struct be_party_task_future parties[PARTIES];
    pthread_t sender, thread;
    (void)state;
    storm = (struct storm){.sent = 0};
    its.loop = loop_of(3);
    its.pool = pool_of(2);
    struct pinion_io *io = pinion_loop_io(its.loop), *pool_io = pinion_pool_io(its.pool);
    open_pipes(SHARED);
    must(pthread_create(&sender, NULL, send_all_the_time, NULL) == 0);
    must(pthread_create(&thread, NULL, be_party_thread, NULL) == 0);
    for (uint32_t i = 0; i < PARTIES; i++) {
        struct pinion_io *of = i % 3 == 2 ? pool_io : io;
        if (i % 2)
            must(be_party_task_parallel(of, &parties[i], io, i) == 0);
        else
            must(be_party_task_concurrent(of, &parties[i], io, i) == 0);
    }
    for (unsigned i = 0; i < PARTIES; i++)
        be_party_task_await(i % 3 == 2 ? pool_io : io, &parties[i]);
    must(pthread_join(thread, NULL) == 0);
    atomic_store(&storm.is_over, true);
    must(pthread_join(sender, NULL) == 0);
    take_till(io, 0);
    pinion_batch_cancel(io, &its.batch);
    take_till(io, 0);
    for (unsigned i = 0; i < SHARED; i++) {
        char byte;
        must(fcntl(its.pipes[i][0], F_SETFL, O_NONBLOCK) == 0);
        while (read(its.pipes[i][0], &byte, 1) == 1)
            storm.got += (unsigned long)byte;
    }
    assert_int_equal(storm.got, storm.sent);
    close_pipes();
    pinion_pool_destroy(its.pool);
    pinion_loop_destroy(its.loop);
}

/* ---- cancels ---- */

static void *feed_first(void *unused)
{
    (void)unused;
    feed(0, 'c');
    return NULL;
}

static void race_cancels(struct pinion_io *io, void *unused)
{
    struct pinion_operation *taken;
    char byte;
    (void)unused;
    for (int i = 0; i < (IS_SANITIZED ? 50 : 300); i++) {
        pthread_t feeder;
        submit_all(io);
        find_nothing(io);
        must(pthread_create(&feeder, NULL, feed_first, NULL) == 0);
        for (int turns = i % 8; turns > 0; turns--)
            (void)sched_yield();
        pinion_batch_request_cancel(io, &its.batch, &its.operations[0]);
        must(pinion_batch_next(io, &its.batch, &taken) == 0 && taken == &its.operations[0]);
        must(pthread_join(feeder, NULL) == 0);
        if (taken->result == -ECANCELED)
            must(read(its.pipes[0][0], &byte, 1) == 1 && byte == 'c');
        else
            must(taken->result == 1 && its.bytes[0] == 'c');
        its.bytes[0] = 0;
        cancel_all(io);
        while (pinion_batch_next(io, &its.batch, &taken) == 0)
            must(taken->result == -ECANCELED);
    }
}

static void one_that_is_canceled_on_its_way_loses_nothing(void **state)
{
    (void)state;
    its.loop = loop_of(1);
    open_pipes(3);
    run_in(its.loop, race_cancels, NULL);
    close_pipes();
    pinion_loop_destroy(its.loop);
}

/* ---- many ---- */

static void take_many(struct pinion_io *io, void *unused)
{
    struct pinion_operation *taken;
    (void)unused;
    for (unsigned i = 0; i < its.count; i++)
        feed(i, 'd');
    submit_all(io);
    for (unsigned i = 0; i < its.count; i++)
        take(io, i, 'd');
    must(pinion_batch_next(io, &its.batch, &taken) == -ENOENT);
    submit_all(io);
    find_nothing(io);
    for (unsigned i = 0; i < its.count; i++)
        feed(i, 'e');
    for (unsigned i = 0; i < its.count; i++) {
        must(pinion_batch_next(io, &its.batch, &taken) == 0 && taken->result == 1);
        must(*(const char *)taken->address == 'e');
    }
    must(pinion_batch_next(io, &its.batch, &taken) == -ENOENT);
    submit_all(io);
    find_nothing(io);
}

static void more_than_a_ring_has_room_for_are_under_way_at_once(void **state)
{
    const struct pinion_loop_options options = {
        .cpu_count = 1, .backend = backend, .ring_entries = 4};
    (void)state;
    its.loop = make_loop(&options);
    open_pipes(PIPES);
    run_in(its.loop, take_many, NULL);
    cancel_all(pinion_loop_io(its.loop));
    close_pipes();
    pinion_loop_destroy(its.loop);
}

#define WRITES 40
#define CHUNK  1000

static void *read_slowly(void *unused)
{
    char bytes[CHUNK];
    (void)unused;
    for (int i = 0; i < WRITES; i++) {
        if (i % 4 == 0)
            nap();
        for (size_t got = 0; got < CHUNK;) {
            const ssize_t more = read(its.pipes[0][0], bytes + got, CHUNK - got);
            must(more > 0);
            got += (size_t)more;
        }
        for (int j = 0; j < CHUNK; j++)
            must(bytes[j] == (char)i);
    }
    return NULL;
}

static void write_in_order(struct pinion_io *io, void *unused)
{
    static char bytes[WRITES][CHUNK];
    struct pinion_operation *taken;
    pthread_t reader;
    (void)unused;
    must(fcntl(its.pipes[0][1], F_SETPIPE_SZ, 4096) == 4096);
    for (int i = 0; i < WRITES; i++) {
        memset(bytes[i], i, CHUNK);
        pinion_prepare_write(&its.operations[i], its.pipes[0][1], bytes[i], CHUNK);
    }
    must(pinion_batch_submit(io, &its.batch, its.operations, WRITES) == 0);
    must(pthread_create(&reader, NULL, read_slowly, NULL) == 0);
    for (int i = 0; i < WRITES; i++) {
        must(pinion_batch_next(io, &its.batch, &taken) == 0);
        must(taken == &its.operations[i] && taken->result == CHUNK);
    }
    must(pthread_join(reader, NULL) == 0);
}

static void writes_to_one_stream_keep_their_order_in_a_ring(void **state)
{
    (void)state;
    if (!is_ring())
        skip();
    its.loop = loop_of(1);
    open_pipes(1);
    run_in(its.loop, write_in_order, NULL);
    close_pipes();
    pinion_loop_destroy(its.loop);
}

/* ---- what ends ---- */

static void begin_in_main(struct pinion_io *io, void *unused)
{
    (void)unused;
    submit_all(io);
    find_nothing(io);
}

static void take_in_main(struct pinion_io *io, void *unused)
{
    (void)unused;
    feed(1, 'f');
    take(io, 1, 'f');
}

static void what_is_under_way_when_a_run_ends_is_given_back(void **state)
{
    (void)state;
    its.loop = loop_of(1);
    struct pinion_io *io = pinion_loop_io(its.loop);
    open_pipes(3);
    run_in(its.loop, begin_in_main, NULL);
    feed(0, 'g');
    take(io, 0, 'g');
    run_in(its.loop, take_in_main, NULL);
    struct pinion_loop *const other = loop_of(1);
    pinion_loop_destroy(its.loop);
    cancel_all(pinion_loop_io(other));
    assert_int_equal(its.operations[2].result, -ECANCELED);
    close_pipes();
    pinion_loop_destroy(other);
}

static void what_a_parallel_task_leaves_under_way_is_given_back(void **state)
{
    struct begin_future beginner;
    (void)state;
    its.loop = loop_of(2);
    struct pinion_io *io = pinion_loop_io(its.loop);
    open_pipes(3);
    must(begin_parallel(io, &beginner, io) == 0);
    begin_await(io, &beginner);
    feed(2, 'h');
    take(io, 2, 'h');
    cancel_all(io);
    close_pipes();
    pinion_loop_destroy(its.loop);
}

static void fork_meanwhile(struct pinion_io *io, void *unused)
{
    (void)unused;
    submit_all(io);
    find_nothing(io);
    pinion_batch_request_cancel(io, &its.batch, &its.operations[2]);
    const pid_t child = start_child();
    if (child == 0) {
        struct pinion_pool *pool = pool_of(1);
        struct pinion_operation *taken;
        must(pinion_batch_next(pinion_pool_io(pool), &its.batch, &taken) == 0);
        must(taken == &its.operations[2] && taken->result == -ECANCELED);
        pinion_batch_cancel(pinion_pool_io(pool), &its.batch);
        must(its.operations[0].result == -ECANCELED && its.operations[1].result == -ECANCELED);
        pinion_pool_destroy(pool);
        _exit(0);
    }
    int status;
    must(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    struct pinion_operation *taken;
    must(pinion_batch_next(io, &its.batch, &taken) == 0);
    must(taken == &its.operations[2] && taken->result == -ECANCELED);
    feed(0, 'i');
    take(io, 0, 'i');
    cancel_all(io);
}

static void in_a_child_what_is_under_way_in_its_parent_begins_anew(void **state)
{
    (void)state;
    if (IS_SANITIZED) /* as in loop_fork_test.c */
        skip();
    its.loop = loop_of(1);
    open_pipes(3);
    run_in(its.loop, fork_meanwhile, NULL);
    close_pipes();
    pinion_loop_destroy(its.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_fiber_began_anyone_goes_on_with),
        cmocka_unit_test(what_goes_from_hand_to_hand_loses_no_byte),
        cmocka_unit_test(one_that_is_canceled_on_its_way_loses_nothing),
        cmocka_unit_test(more_than_a_ring_has_room_for_are_under_way_at_once),
        cmocka_unit_test(writes_to_one_stream_keep_their_order_in_a_ring),
        cmocka_unit_test(what_is_under_way_when_a_run_ends_is_given_back),
        cmocka_unit_test(what_a_parallel_task_leaves_under_way_is_given_back),
        cmocka_unit_test(in_a_child_what_is_under_way_in_its_parent_begins_anew),
    };
    return run_on_both(tests);
}
