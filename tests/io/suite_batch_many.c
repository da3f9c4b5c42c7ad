/* SPDX-License-Identifier: MIT
 *
 * The suite's part on batches of many operations: their order, what they share, what holds nobody
 * up; and on what each kind gives that does not wait.
 */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../threads.h"

#define MS INT64_C(1000000)
#define MANY 10000

static struct pinion_operation operations[MANY];
static char bytes[MANY];

static void submit(struct suite *suite, struct pinion_batch *batch,
                   struct pinion_operation *operation)
{
    assert_int_equal(pinion_batch_submit(suite->io, batch, operation, 1), 0);
}

static void expect_next(struct suite *suite, struct pinion_batch *batch,
                        const struct pinion_operation *operation, ssize_t result)
{
    struct pinion_operation *taken = NULL;
    assert_int_equal(pinion_batch_next(suite->io, batch, &taken), 0);
    assert_ptr_equal(taken, operation);
    assert_int_equal(taken->result, result);
}

static void expect_none(struct suite *suite, struct pinion_batch *batch, int error)
{
    struct pinion_operation *taken = NULL;
    assert_int_equal(pinion_batch_next_until(suite->io, batch, &taken, suite_now() + 2 * MS),
                     error);
    assert_null(taken);
}

/* Does one alone. */
static ssize_t do_one(struct suite *suite, struct pinion_operation *operation)
{
    struct pinion_batch batch = PINION_BATCH_INIT;
    struct pinion_operation *taken;
    submit(suite, &batch, operation);
    assert_int_equal(pinion_batch_next(suite->io, &batch, &taken), 0);
    return taken->result;
}

static void open_pipe(int ends[2]) { assert_int_equal(pipe2(ends, O_CLOEXEC), 0); }

static void close_both(const int ends[2])
{
    assert_int_equal(close(ends[0]) | close(ends[1]), 0);
}

/* ---- the batch ---- */

static void a_batch_that_is_empty_has_nothing(struct suite *suite)
{
    struct pinion_batch batch = PINION_BATCH_INIT;
    struct pinion_operation *none = NULL;
    assert_int_equal(pinion_batch_submit(suite->io, &batch, NULL, 0), 0);
    assert_int_equal(pinion_batch_next(suite->io, &batch, &none), -ENOENT);
    assert_int_equal(pinion_batch_next_until(suite->io, &batch, &none, 0), -ENOENT);
    pinion_batch_cancel(suite->io, &batch);
    assert_int_equal(pinion_batch_next(suite->io, &batch, &none), -ENOENT);
    assert_null(none);
}

static void one_that_is_in_a_batch_is_refused_with_all_others(struct suite *suite)
{
    struct pinion_batch batch = PINION_BATCH_INIT, other = PINION_BATCH_INIT;
    for (int i = 0; i < 3; i++)
        pinion_prepare_sleep(&operations[i], PINION_FOREVER);
    submit(suite, &batch, &operations[1]);
    assert_int_equal(pinion_batch_submit(suite->io, &other, operations, 3), -EBUSY);
    assert_int_equal(operations[0].result, 0);
    expect_none(suite, &other, -ENOENT);
    pinion_batch_request_cancel(suite->io, &batch, &operations[1]);
    assert_int_equal(pinion_batch_submit(suite->io, &other, operations, 3), -EBUSY);
    expect_next(suite, &batch, &operations[1], -ECANCELED);
    assert_int_equal(pinion_batch_submit(suite->io, &other, operations, 3), 0);
    pinion_batch_cancel(suite->io, &other);
    for (int i = 0; i < 3; i++)
        expect_next(suite, &other, &operations[i], -ECANCELED);
}

static void an_io_that_refuses_takes_none(struct suite *suite)
{
    struct pinion_io *io = pinion_io_failing();
    struct pinion_batch batch = PINION_BATCH_INIT;
    struct pinion_operation *none = NULL;
    pinion_prepare_sleep(&operations[0], 0);
    assert_int_equal(pinion_batch_submit(io, &batch, operations, 1), -ENOTSUP);
    assert_int_equal(pinion_batch_next(io, &batch, &none), -ENOTSUP);
    submit(suite, &batch, &operations[0]);
    pinion_batch_cancel(io, &batch);
    expect_next(suite, &batch, &operations[0], -ECANCELED);
    assert_null(none);
}

#define PIPES 100
static void those_that_are_ready_are_taken_in_their_order(struct suite *suite)
{
    struct pinion_batch batch = PINION_BATCH_INIT;
    int pipes[PIPES][2];
    for (int i = 0; i < PIPES; i++) {
        open_pipe(pipes[i]);
        assert_int_equal(write(pipes[i][1], "a", 1), 1);
    }
    for (int i = 0; i < PIPES; i++)
        pinion_prepare_read(&operations[i], pipes[i * 37 % PIPES][0], &bytes[i], 1);
    assert_int_equal(pinion_batch_submit(suite->io, &batch, operations, PIPES), 0);
    for (int i = 0; i < PIPES; i++)
        expect_next(suite, &batch, &operations[i], 1);
    expect_none(suite, &batch, -ENOENT);
    for (int i = 0; i < PIPES; i++)
        close_both(pipes[i]);
}

static void one_whose_turn_has_not_come_can_be_canceled_and_has_done_nothing(struct suite *suite)
{
    struct pinion_batch batch = PINION_BATCH_INIT;
    int ends[2];
    open_pipe(ends);
    assert_int_equal(write(ends[1], "abc", 3), 3);
    for (int i = 0; i < 4; i++)
        pinion_prepare_read(&operations[i], ends[0], &bytes[i], 1);
    assert_int_equal(pinion_batch_submit(suite->io, &batch, operations, 4), 0);
    expect_next(suite, &batch, &operations[0], 1);
    pinion_batch_request_cancel(suite->io, &batch, &operations[1]);
    pinion_batch_request_cancel(suite->io, &batch, &operations[3]);
    for (int i = 1; i < 4; i++) {
        struct pinion_operation *taken;
        assert_int_equal(pinion_batch_next(suite->io, &batch, &taken), 0);
        assert_int_equal(taken->result, taken == &operations[2] ? 1 : -ECANCELED);
    }
    assert_int_equal(bytes[2], 'b');
    assert_int_equal(read(ends[0], bytes, 2), 1);
    expect_none(suite, &batch, -ENOENT);
    close_both(ends);
}

static void one_that_comes_late_is_not_starved(struct suite *suite)
{
    struct pinion_batch batch = PINION_BATCH_INIT;
    struct pinion_operation *taken = NULL;
    const int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    int ends[2];
    open_pipe(ends);
    for (int i = 0; i < 5; i++)
        pinion_prepare_read(&operations[i], zero, &bytes[i], 1);
    pinion_prepare_read(&operations[5], ends[0], &bytes[5], 1);
    assert_int_equal(pinion_batch_submit(suite->io, &batch, operations, 6), 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(pinion_batch_next(suite->io, &batch, &taken), 0);
        assert_ptr_equal(taken, &operations[i % 5]);
        submit(suite, &batch, taken);
    }
    assert_int_equal(write(ends[1], "a", 1), 1);
    for (int left = 12; taken != &operations[5]; left--) {
        assert_int_not_equal(left, 0);
        assert_int_equal(pinion_batch_next(suite->io, &batch, &taken), 0);
        if (taken != &operations[5])
            submit(suite, &batch, taken);
    }
    pinion_batch_cancel(suite->io, &batch);
    assert_int_equal(close(zero), 0);
    close_both(ends);
}

static void many_on_one_descriptor_are_served_in_turn(struct suite *suite)
{
    struct pinion_batch batch = PINION_BATCH_INIT;
    int ends[2];
    open_pipe(ends);
    for (int i = 0; i < 300; i++)
        pinion_prepare_read(&operations[i], ends[0], &bytes[i], 1);
    assert_int_equal(pinion_batch_submit(suite->io, &batch, operations, 300), 0);
    assert_int_equal(write(ends[1], "abcde", 5), 5);
    for (int i = 0; i < 5; i++) {
        expect_next(suite, &batch, &operations[i], 1);
        assert_int_equal(bytes[i], "abcde"[i]);
        submit(suite, &batch, &operations[i]);
    }
    expect_none(suite, &batch, -ETIMEDOUT);
    for (int i = 5; i < 400; i++) { /* who was served is behind those who were not */
        assert_int_equal(write(ends[1], "a", 1), 1);
        expect_next(suite, &batch, &operations[i % 300], 1);
        submit(suite, &batch, &operations[i % 300]);
    }
    pinion_batch_cancel(suite->io, &batch);
    close_both(ends);
}

/* ---- many ---- */

static void limit_descriptors(struct rlimit *former, rlim_t to)
{
    assert_int_equal(getrlimit(RLIMIT_NOFILE, former), 0);
    const struct rlimit limit = {to, former->rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Far more than the process may open, on few descriptors. */
static void ten_thousand_are_submitted_taken_and_canceled(struct suite *suite)
{
    struct pinion_batch batch = PINION_BATCH_INIT;
    struct pinion_operation *taken;
    struct rlimit former;
    int pipes[PIPES][2], canceled = 0;
    for (int i = 0; i < PIPES; i++)
        open_pipe(pipes[i]);
    limit_descriptors(&former, 512);
    for (int i = 0; i < MANY; i++) {
        operations[i].user = &bytes[i];
        if (i % 3 == 2)
            pinion_prepare_sleep(&operations[i], PINION_FOREVER);
        else
            pinion_prepare_read(&operations[i], pipes[i % PIPES][0], &bytes[i], 1);
    }
    assert_int_equal(pinion_batch_submit(suite->io, &batch, operations, MANY), 0);
    expect_none(suite, &batch, -ETIMEDOUT);
    for (int i = 0; i < PIPES; i++)
        assert_int_equal(write(pipes[i][1], "ab", 2), 2);
    for (int i = 0; i < 2 * PIPES; i++) {
        assert_int_equal(pinion_batch_next(suite->io, &batch, &taken), 0);
        assert_int_equal(taken->result, 1);
        assert_ptr_equal(taken->user, &bytes[taken - operations]);
    }
    expect_none(suite, &batch, -ETIMEDOUT);
    for (int i = 0; i < MANY; i += 2)
        pinion_batch_request_cancel(suite->io, &batch, &operations[i]);
    pinion_batch_cancel(suite->io, &batch);
    while (pinion_batch_next(suite->io, &batch, &taken) == 0)
        canceled += taken->result == -ECANCELED;
    assert_int_equal(canceled, MANY - 2 * PIPES);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &former), 0);
    for (int i = 0; i < PIPES; i++)
        close_both(pipes[i]);
}

/* Poll takes no more of them; so they are tried one by one. */
static void more_descriptors_than_the_limit_allows_now_are_waited_for(struct suite *suite)
{
    struct pinion_batch batch = PINION_BATCH_INIT;
    struct rlimit former;
    int pipes[PIPES][2];
    for (int i = 0; i < PIPES; i++) {
        open_pipe(pipes[i]);
        if (i % 2)
            pinion_prepare_read(&operations[i], pipes[i][0], &bytes[i], 1);
        else
            pinion_prepare_poll(&operations[i], pipes[i][0], POLLIN);
    }
    limit_descriptors(&former, 64);
    assert_int_equal(pinion_batch_submit(suite->io, &batch, operations, PIPES), 0);
    expect_none(suite, &batch, -ETIMEDOUT);
    for (int i = PIPES - 1; i >= 0; i--) {
        assert_int_equal(write(pipes[i][1], "a", 1), 1);
        expect_next(suite, &batch, &operations[i], 1);
    }
    expect_none(suite, &batch, -ENOENT);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &former), 0);
    for (int i = 0; i < PIPES; i++)
        close_both(pipes[i]);
}

/* ---- who would block ---- */

/* Two want what is there for one, on a descriptor that blocks: the second holds nobody up. */
static void expect_one_of_two(struct suite *suite, void (*feed)(int to), int from, int to)
{
    struct pinion_batch batch = PINION_BATCH_INIT;
    static char event[2][4096];
    int ends[2];
    open_pipe(ends);
    for (int i = 0; i < 2; i++)
        pinion_prepare_read(&operations[i], from, event[i], sizeof event[i]);
    pinion_prepare_read(&operations[2], ends[0], &bytes[2], 1);
    assert_int_equal(pinion_batch_submit(suite->io, &batch, operations, 3), 0);
    expect_none(suite, &batch, -ETIMEDOUT);
    feed(to);
    assert_int_equal(write(ends[1], "a", 1), 1);
    struct pinion_operation *taken;
    for (int i = 0; i < 2; i++) { /* in whichever order the kernel came to know */
        assert_int_equal(pinion_batch_next(suite->io, &batch, &taken), 0);
        assert_ptr_not_equal(taken, &operations[1]);
        assert_true(taken->result > 0);
    }
    expect_none(suite, &batch, -ETIMEDOUT);
    feed(to);
    assert_int_equal(pinion_batch_next(suite->io, &batch, &taken), 0);
    assert_ptr_equal(taken, &operations[1]);
    assert_true(taken->result > 0);
    close_both(ends);
}

static void feed_byte(int to) { assert_int_equal(write(to, "a", 1), 1); }

static void feed_event(int to) { assert_int_equal(eventfd_write(to, 1), 0); }

static char watched[] = "/tmp/pinion-suite-XXXXXX";

static void feed_watch(int to)
{
    (void)to;
    const int directory = open(watched, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(close(directory), 0);
}

static void feed_line(int to) { assert_int_equal(write(to, "a\n", 2), 2); }

static void one_that_would_block_holds_nobody_up(struct suite *suite)
{
    int ends[2];
    open_pipe(ends);
    expect_one_of_two(suite, feed_byte, ends[0], ends[1]);
    close_both(ends);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    expect_one_of_two(suite, feed_byte, ends[0], ends[1]);
    close_both(ends);
    const int event = eventfd(0, EFD_CLOEXEC);
    expect_one_of_two(suite, feed_event, event, event);
    assert_int_equal(close(event), 0);
    const int watch = inotify_init1(IN_CLOEXEC);
    memset(strrchr(watched, '-') + 1, 'X', 6);
    assert_non_null(mkdtemp(watched));
    assert_true(inotify_add_watch(watch, watched, IN_OPEN | IN_ONLYDIR) >= 0);
    expect_one_of_two(suite, feed_watch, watch, watch);
    assert_int_equal(close(watch) | rmdir(watched), 0);
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal >= 0 && !grantpt(terminal) && !unlockpt(terminal)) {
        const int other = open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
        assert_true(other >= 0);
        expect_one_of_two(suite, feed_line, other, terminal);
        assert_int_equal(close(other) | close(terminal), 0);
    }
}

/* Poll says that it can be written, and it can't: it waits, and others do not. */
static void one_that_only_seems_ready_holds_nobody_up(struct suite *suite)
{
    struct pinion_batch batch = PINION_BATCH_INIT;
    const int event = eventfd(0, EFD_CLOEXEC);
    const uint64_t few = 5;
    int ends[2];
    open_pipe(ends);
    assert_int_equal(eventfd_write(event, UINT64_MAX - 3), 0);
    pinion_prepare_write(&operations[0], event, &few, sizeof few);
    pinion_prepare_read(&operations[1], ends[0], bytes, 1);
    assert_int_equal(pinion_batch_submit(suite->io, &batch, operations, 2), 0);
    for (int i = 0; i < 20; i++) {
        expect_none(suite, &batch, -ETIMEDOUT);
        assert_int_equal(write(ends[1], "a", 1), 1);
        expect_next(suite, &batch, &operations[1], 1);
        submit(suite, &batch, &operations[1]);
    }
    eventfd_t value;
    assert_int_equal(eventfd_read(event, &value), 0);
    expect_next(suite, &batch, &operations[0], sizeof few);
    pinion_batch_cancel(suite->io, &batch);
    assert_int_equal(close(event), 0);
    close_both(ends);
}

static void a_write_moves_what_there_is_room_for(struct suite *suite)
{
    int ends[2];
    open_pipe(ends);
    assert_int_equal(fcntl(ends[1], F_SETPIPE_SZ, 4096), 4096);
    pinion_prepare_write(&operations[0], ends[1], bytes, sizeof bytes);
    assert_int_equal(do_one(suite, &operations[0]), 4096);
    close_both(ends);
    static char large[4 << 20];
    const struct iovec parts[] = {{large, sizeof large / 2}, {large, sizeof large / 2}};
    const struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = 2};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        if (i == 0)
            pinion_prepare_write(&operations[0], ends[1], large, sizeof large);
        else if (i == 1)
            pinion_prepare_writev(&operations[0], ends[1], parts, 2);
        else if (i == 2)
            pinion_prepare_send(&operations[0], ends[1], large, sizeof large, 0);
        else
            pinion_prepare_sendmsg(&operations[0], ends[1], &message, 0);
        const ssize_t result = do_one(suite, &operations[0]);
        assert_true(result > 0 && result < (ssize_t)sizeof large);
        close_both(ends);
    }
}

/* ---- several threads ---- */

/* Each takes bytes from one pipe by a batch of its own, until the pipe ends. */
struct share {
    int from, more; /* more: another descriptor, which never has anything */
    _Atomic int taken;
};

static void take_share(struct pinion_io *io, void *context, unsigned index)
{
    struct share *share = context;
    struct pinion_batch batch = PINION_BATCH_INIT;
    struct pinion_operation mine[4], *taken;
    char byte[4];
    (void)index;
    for (int i = 0; i < 3; i++)
        pinion_prepare_read(&mine[i], share->from, &byte[i], 1);
    pinion_prepare_read(&mine[3], share->more, &byte[3], 1);
    must(pinion_batch_submit(io, &batch, mine, 4) == 0);
    for (int ended = 0; ended < 3;) {
        must(pinion_batch_next(io, &batch, &taken) == 0);
        must(taken->result == 0 || taken->result == 1);
        if (taken->result == 1) {
            atomic_fetch_add(&share->taken, byte[taken - mine]);
            must(pinion_batch_submit(io, &batch, taken, 1) == 0);
        } else {
            ended++;
        }
    }
    pinion_batch_cancel(io, &batch);
    must(mine[3].result == -ECANCELED);
}

static void batches_of_several_threads_share_a_descriptor(struct suite *suite)
{
    struct crew crew = {0};
    struct share share = {0};
    int ends[2], others[2];
    open_pipe(ends);
    open_pipe(others);
    share.from = ends[0];
    share.more = others[0];
    crew_start(suite, &crew, crew_size(suite, 6), take_share, &share);
    const int rounds = SUITE_ROUNDS(4000);
    for (int i = 0; i < rounds; i++) {
        assert_int_equal(write(ends[1], (char[]){1}, 1), 1);
        if (i % 64 == 0)
            suite_linger(i / 64);
    }
    assert_int_equal(close(ends[1]), 0);
    crew_end(&crew);
    assert_int_equal(atomic_load(&share.taken), rounds);
    assert_int_equal(close(ends[0]), 0);
    close_both(others);
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(a_batch_that_is_empty_has_nothing),
    SUITE_TEST(one_that_is_in_a_batch_is_refused_with_all_others),
    SUITE_TEST(an_io_that_refuses_takes_none),
    SUITE_TEST(those_that_are_ready_are_taken_in_their_order),
    SUITE_TEST(one_whose_turn_has_not_come_can_be_canceled_and_has_done_nothing),
    SUITE_TEST(one_that_comes_late_is_not_starved),
    SUITE_TEST(many_on_one_descriptor_are_served_in_turn),
    SUITE_TEST(ten_thousand_are_submitted_taken_and_canceled),
    SUITE_TEST(more_descriptors_than_the_limit_allows_now_are_waited_for),
    SUITE_TEST(one_that_would_block_holds_nobody_up),
    SUITE_TEST(one_that_only_seems_ready_holds_nobody_up),
    SUITE_TEST(a_write_moves_what_there_is_room_for),
    SUITE_TEST(batches_of_several_threads_share_a_descriptor),
    {NULL, NULL},
};
