/* SPDX-License-Identifier: MIT
 *
 * The suite's part on batches, operation by operation: what each kind of them does, and what is the
 * same for all that wait, tested on a table of those.
 */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "../threads.h"

#define PIPE_BYTES 4096
#define MS         INT64_C(1000000)
#define HOUR       INT64_C(3600000000000)

/* What operations are done on. in, near: empty, of a pipe and of sockets. out, far: full. listener:
 * nobody connects to it yet. crowd: a Unix socket that listens, whose backlog is full; guest: one
 * that would connect to it. */
struct ends {
    int in[2], out[2], near[2], far[2], listener, crowd, filler, guest, client;
    struct sockaddr_in address;
    struct sockaddr_un crowd_address;
    socklen_t crowd_length;
    struct iovec parts[2];
    struct msghdr message;
    char buffer[PIPE_BYTES];
};

static void set_nonblocking(int fd, bool is_nonblocking)
{
    const int flags = fcntl(fd, F_GETFL);
    must(flags >= 0);
    must(fcntl(fd, F_SETFL, is_nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) == 0);
}

static void fill(int fd)
{
    static const char bytes[4096];
    while (send(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        continue;
    assert_int_equal(errno, EAGAIN);
}

static void drain(int fd)
{
    char bytes[4096];
    while (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        continue;
    must(errno == EAGAIN);
}

static void open_listeners(struct ends *ends)
{
    socklen_t length = sizeof ends->address;
    ends->address = (struct sockaddr_in){.sin_family = AF_INET,
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ends->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(ends->listener, (struct sockaddr *)&ends->address, length), 0);
    assert_int_equal(listen(ends->listener, 8), 0);
    assert_int_equal(getsockname(ends->listener, (struct sockaddr *)&ends->address, &length), 0);

    ends->crowd_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    ends->crowd_length = sizeof ends->crowd_address;
    ends->crowd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(ends->crowd, (struct sockaddr *)&ends->crowd_address,
                          sizeof ends->crowd_address.sun_family), 0);
    assert_int_equal(listen(ends->crowd, 0), 0);
    assert_int_equal(getsockname(ends->crowd, (struct sockaddr *)&ends->crowd_address,
                                 &ends->crowd_length), 0);
    ends->filler = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(ends->filler, (struct sockaddr *)&ends->crowd_address,
                             ends->crowd_length), 0);
    ends->guest = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void ends_init(struct ends *ends, bool is_nonblocking)
{
    memset(ends, 0, sizeof *ends);
    ends->client = -1;
    assert_int_equal(pipe2(ends->in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(ends->out, O_CLOEXEC), 0);
    assert_int_equal(fcntl(ends->out[1], F_SETPIPE_SZ, PIPE_BYTES), PIPE_BYTES);
    assert_int_equal(write(ends->out[1], ends->buffer, PIPE_BYTES), PIPE_BYTES);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends->near), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends->far), 0);
    fill(ends->far[0]);
    open_listeners(ends);
    ends->parts[0] = (struct iovec){ends->buffer, 1};
    ends->parts[1] = (struct iovec){ends->buffer + 1, 2};
    ends->message = (struct msghdr){.msg_iov = ends->parts, .msg_iovlen = 2};
    const int all[] = {ends->in[0], ends->out[1], ends->near[0], ends->far[0], ends->listener,
                       ends->guest};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        set_nonblocking(all[i], is_nonblocking);
}

static void ends_fini(struct ends *ends, bool is_nonblocking)
{
    const int used[] = {ends->in[0], ends->out[1], ends->near[0], ends->far[0], ends->listener,
                        ends->guest};
    const int others[] = {ends->in[1], ends->out[0], ends->near[1], ends->far[1], ends->crowd,
                          ends->filler};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(!!(fcntl(used[i], F_GETFL) & O_NONBLOCK), is_nonblocking);
        assert_int_equal(close(used[i]) | close(others[i]), 0);
    }
    if (ends->client >= 0)
        assert_int_equal(close(ends->client), 0);
}

/* ---- the table ---- */

/* An operation that waits until it is let go on, and then gives `result`; DESCRIPTOR: one. */
#define DESCRIPTOR (-1)
struct waiting {
    const char *name;
    void (*prepare)(struct pinion_operation *operation, struct ends *ends);
    void (*let)(struct ends *ends);
    ssize_t result;
};

static void prepare_read(struct pinion_operation *operation, struct ends *ends)
{
    pinion_prepare_read(operation, ends->in[0], ends->buffer, PIPE_BYTES);
}

static void prepare_readv(struct pinion_operation *operation, struct ends *ends)
{
    pinion_prepare_readv(operation, ends->in[0], ends->parts, 2);
}

static void prepare_poll(struct pinion_operation *operation, struct ends *ends)
{
    pinion_prepare_poll(operation, ends->in[0], POLLIN | POLLPRI);
}

static void let_in(struct ends *ends) { must(write(ends->in[1], "xyz", 3) == 3); }

static void prepare_write(struct pinion_operation *operation, struct ends *ends)
{
    pinion_prepare_write(operation, ends->out[1], "abc", 3);
}

static void prepare_writev(struct pinion_operation *operation, struct ends *ends)
{
    pinion_prepare_writev(operation, ends->out[1], ends->parts, 2);
}

static void let_out(struct ends *ends)
{
    char bytes[PIPE_BYTES];
    must(read(ends->out[0], bytes, sizeof bytes) == sizeof bytes);
}

static void prepare_read_of_socket(struct pinion_operation *operation, struct ends *ends)
{
    pinion_prepare_read(operation, ends->near[0], ends->buffer, PIPE_BYTES);
}

static void prepare_recv(struct pinion_operation *operation, struct ends *ends)
{
    pinion_prepare_recv(operation, ends->near[0], ends->buffer, PIPE_BYTES, 0);
}

static void prepare_recvmsg(struct pinion_operation *operation, struct ends *ends)
{
    pinion_prepare_recvmsg(operation, ends->near[0], &ends->message, 0);
}

static void let_near(struct ends *ends) { must(send(ends->near[1], "xyz", 3, 0) == 3); }

static void prepare_write_of_socket(struct pinion_operation *operation, struct ends *ends)
{
    pinion_prepare_write(operation, ends->far[0], "abc", 3);
}

static void prepare_send(struct pinion_operation *operation, struct ends *ends)
{
    pinion_prepare_send(operation, ends->far[0], "abc", 3, 0);
}

static void prepare_sendmsg(struct pinion_operation *operation, struct ends *ends)
{
    pinion_prepare_sendmsg(operation, ends->far[0], &ends->message, 0);
}

static void let_far(struct ends *ends) { drain(ends->far[1]); }

static void prepare_accept(struct pinion_operation *operation, struct ends *ends)
{
    pinion_prepare_accept(operation, ends->listener, NULL, NULL);
}

static void let_accept(struct ends *ends)
{
    ends->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(connect(ends->client, (struct sockaddr *)&ends->address, sizeof ends->address) == 0);
}

static void prepare_connect(struct pinion_operation *operation, struct ends *ends)
{
    pinion_prepare_connect(operation, ends->guest, (struct sockaddr *)&ends->crowd_address,
                           ends->crowd_length);
}

static void let_connect(struct ends *ends)
{
    const int filler = accept4(ends->crowd, NULL, NULL, SOCK_CLOEXEC);
    must(filler >= 0 && close(filler) == 0);
}

static const struct waiting waitings[] = {
    {"read of a pipe", prepare_read, let_in, 3},
    {"read of a socket", prepare_read_of_socket, let_near, 3},
    {"readv", prepare_readv, let_in, 3},
    {"poll", prepare_poll, let_in, POLLIN},
    {"write to a pipe", prepare_write, let_out, 3},
    {"write to a socket", prepare_write_of_socket, let_far, 3},
    {"writev", prepare_writev, let_out, 3},
    {"recv", prepare_recv, let_near, 3},
    {"recvmsg", prepare_recvmsg, let_near, 3},
    {"send", prepare_send, let_far, 3},
    {"sendmsg", prepare_sendmsg, let_far, 3},
    {"accept", prepare_accept, let_accept, DESCRIPTOR},
    {"connect", prepare_connect, let_connect, 0},
};

/* One of them alone in a batch. */
struct one {
    const struct waiting *waiting;
    struct ends *ends;
    struct pinion_batch batch;
    struct pinion_operation operation;
};

static void submit(struct suite *suite, struct one *one)
{
    memset(&one->operation, 0x55, sizeof one->operation);
    one->operation.user = one;
    one->waiting->prepare(&one->operation, one->ends);
    assert_int_equal(pinion_batch_submit(suite->io, &one->batch, &one->operation, 1), 0);
    assert_int_equal(one->operation.result, -EINPROGRESS);
}

/* Runs body for each of them, with O_NONBLOCK and without. */
static void for_each(struct suite *suite, void (*body)(struct suite *suite, struct one *one))
{
    for (size_t i = 0; i < 2 * sizeof waitings / sizeof waitings[0]; i++) {
        static struct ends ends;
        struct one one = {.waiting = &waitings[i / 2], .ends = &ends};
        suite_note(waitings[i / 2].name);
        ends_init(&ends, i % 2);
        submit(suite, &one);
        body(suite, &one);
        ends_fini(&ends, i % 2);
    }
    suite_note(NULL);
}

static void expect_result(const struct one *one)
{
    const int result = (int)one->operation.result;
    EXPECT(one->operation.user == one);
    if (one->waiting->result != DESCRIPTOR) {
        EXPECT(result == one->waiting->result);
        return;
    }
    EXPECT(result >= 0);
    EXPECT(fcntl(result, F_GETFD) == FD_CLOEXEC);
    EXPECT((fcntl(result, F_GETFL) & O_NONBLOCK) == 0);
    EXPECT(close(result) == 0);
}

/* It is taken, and nothing is left. */
static void expect_taken(struct pinion_io *io, struct one *one)
{
    struct pinion_operation *taken = NULL, *none = NULL;
    EXPECT(pinion_batch_next(io, &one->batch, &taken) == 0);
    EXPECT(taken == &one->operation);
    expect_result(one);
    EXPECT(pinion_batch_next(io, &one->batch, &none) == -ENOENT);
    EXPECT(none == NULL);
}

/* ---- outside tasks ---- */

static void take_what_is_there(struct suite *suite, struct one *one)
{
    one->waiting->let(one->ends);
    errno = 77;
    expect_taken(suite->io, one);
    EXPECT(errno == 77);
}

static void an_operation_that_need_not_wait_is_taken(struct suite *suite)
{
    for_each(suite, take_what_is_there);
}

static void be_late_and_go_on(struct suite *suite, struct one *one)
{
    struct pinion_operation *taken = NULL;
    errno = 77;
    for (int64_t ns = -MS; ns <= 2 * MS; ns += MS) {
        const int64_t deadline = suite_now() + ns;
        assert_int_equal(pinion_batch_next_until(suite->io, &one->batch, &taken, deadline),
                         -ETIMEDOUT);
        assert_true(suite_now() >= deadline);
    }
    assert_int_equal(pinion_batch_next_until(suite->io, &one->batch, &taken, INT64_MIN),
                     -ETIMEDOUT);
    assert_null(taken);
    assert_int_equal(one->operation.result, -EINPROGRESS);
    assert_int_equal(errno, 77);
    one->waiting->let(one->ends);
    assert_int_equal(pinion_batch_next_until(suite->io, &one->batch, &taken, suite_now() + HOUR),
                     0);
    expect_result(one);
}

static void a_deadline_ends_the_wait_and_the_operation_goes_on(struct suite *suite)
{
    for_each(suite, be_late_and_go_on);
}

static void take_late(struct suite *suite, struct one *one)
{
    struct pinion_operation *taken = NULL;
    one->waiting->let(one->ends);
    assert_int_equal(pinion_batch_next_until(suite->io, &one->batch, &taken, 0), 0);
    expect_result(one);
}

static void a_deadline_that_has_passed_takes_what_is_there(struct suite *suite)
{
    for_each(suite, take_late);
}

static void cancel_one_that_waits(struct suite *suite, struct one *one)
{
    struct pinion_operation *taken = NULL;
    if (suite_now() % 2)
        assert_int_equal(pinion_batch_next_until(suite->io, &one->batch, &taken, 0), -ETIMEDOUT);
    pinion_batch_request_cancel(suite->io, &one->batch, &one->operation);
    if (!suite_calls_from_fiber) /* whose ring may have it */
        assert_int_equal(one->operation.result, -ECANCELED);
    pinion_batch_request_cancel(suite->io, &one->batch, &one->operation);
    one->waiting->let(one->ends); /* what it would have had is there for another */
    assert_int_equal(pinion_batch_next(suite->io, &one->batch, &taken), 0);
    assert_ptr_equal(taken, &one->operation);
    if (suite_calls_from_fiber && taken->result != -ECANCELED) {
        expect_result(one);
        return;
    }
    assert_int_equal(taken->result, -ECANCELED);
    pinion_batch_request_cancel(suite->io, &one->batch, &one->operation);
    assert_int_equal(taken->result, -ECANCELED);
    assert_int_equal(pinion_batch_submit(suite->io, &one->batch, taken, 1), 0);
    expect_taken(suite->io, one);
}

static void one_that_is_canceled_has_done_nothing(struct suite *suite)
{
    for_each(suite, cancel_one_that_waits);
}

static void forget_it(struct suite *suite, struct one *one)
{
    pinion_batch_cancel(suite->io, &one->batch);
    assert_int_equal(one->operation.result, -ECANCELED);
}

static void a_batch_that_is_canceled_can_be_forgotten(struct suite *suite)
{
    for_each(suite, forget_it);
}

/* ---- in tasks ---- */

struct in_task {
    struct one *one;
    _Atomic int tid; /* it is about to wait */
    bool is_requested; /* a request comes, soon or late */
    int error, check;
};

static void take_in_task(struct within *within)
{
    struct in_task *call = within->extra;
    struct pinion_operation *taken = NULL;
    errno = 77;
    atomic_store(&call->tid, (int)gettid());
    call->error = pinion_batch_next_until(within->io, &call->one->batch, &taken,
                                          suite_now() % 2 ? PINION_FOREVER : suite_now() + HOUR);
    EXPECT(errno == 77);
    EXPECT(taken == (call->error ? NULL : &call->one->operation));
    while (call->is_requested && !pinion_cancel_requested(within->io))
        suite_yield();
    call->check = pinion_check_cancel(within->io);
}

static void until_asleep(const struct in_task *call)
{
    suite_until_holds(atomic_load(&call->tid) && sleeps(atomic_load(&call->tid)));
}

static void let_it(struct suite *suite, struct one *one)
{
    struct within within;
    struct in_task call = {.one = one};
    within_start(suite, &within, take_in_task, &call, false);
    until_asleep(&call);
    one->waiting->let(one->ends);
    within_end(&within);
    assert_int_equal(call.error, 0);
    assert_int_equal(call.check, 0);
    expect_result(one);
}

static void who_waits_goes_on_when_one_can(struct suite *suite) { for_each(suite, let_it); }

static void cancel_it_and_go_on(struct suite *suite, struct one *one)
{
    for (int i = 0; i < 3; i++) {
        struct within within;
        struct in_task call = {.one = one, .is_requested = true};
        within_start(suite, &within, take_in_task, &call, i == 0);
        if (i == 1)
            until_asleep(&call);
        pinion_request_cancel(suite->io, &within.future);
        within_end(&within);
        assert_int_equal(call.error, -ECANCELED);
        assert_int_equal(call.check, 0);
        assert_int_equal(one->operation.result, -EINPROGRESS);
    }
    one->waiting->let(one->ends);
    expect_taken(suite->io, one);
}

static void a_request_ends_the_wait_and_the_batch_is_as_it_was(struct suite *suite)
{
    for_each(suite, cancel_it_and_go_on);
}

/* A request that came before is delivered first, though there is something to take. */
static void cancel_it_first(struct suite *suite, struct one *one)
{
    struct within within;
    struct in_task call = {.one = one};
    one->waiting->let(one->ends);
    within_start(suite, &within, take_in_task, &call, true);
    within_end(&within);
    assert_int_equal(call.error, -ECANCELED);
    assert_int_equal(one->operation.result, -EINPROGRESS);
    expect_taken(suite->io, one);
}

static void a_request_that_came_before_is_delivered_first(struct suite *suite)
{
    for_each(suite, cancel_it_first);
}

/* Either it is taken and the request stays, or the request is delivered and it stays. */
static void race_it(struct suite *suite, struct one *one)
{
    struct within within;
    struct in_task call = {.one = one, .is_requested = true};
    within_start(suite, &within, take_in_task, &call, false);
    if (suite_now() % 2)
        until_asleep(&call);
    one->waiting->let(one->ends);
    pinion_request_cancel(suite->io, &within.future);
    within_end(&within);
    if (call.error == 0) {
        assert_int_equal(call.check, -ECANCELED);
        expect_result(one);
    } else {
        assert_int_equal(call.error, -ECANCELED);
        assert_int_equal(call.check, 0);
        expect_taken(suite->io, one);
    }
}

static void nothing_is_lost_between_a_request_and_what_is_there(struct suite *suite)
{
    for (int i = 0; i < SUITE_ROUNDS(8); i++)
        for_each(suite, race_it);
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(an_operation_that_need_not_wait_is_taken),
    SUITE_TEST(a_deadline_ends_the_wait_and_the_operation_goes_on),
    SUITE_TEST(a_deadline_that_has_passed_takes_what_is_there),
    SUITE_TEST(one_that_is_canceled_has_done_nothing),
    SUITE_TEST(a_batch_that_is_canceled_can_be_forgotten),
    SUITE_TEST(who_waits_goes_on_when_one_can),
    SUITE_TEST(a_request_ends_the_wait_and_the_batch_is_as_it_was),
    SUITE_TEST(a_request_that_came_before_is_delivered_first),
    SUITE_TEST(nothing_is_lost_between_a_request_and_what_is_there),
    {NULL, NULL},
};
