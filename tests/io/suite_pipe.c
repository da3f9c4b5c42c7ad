/* SPDX-License-Identifier: MIT
 *
 * The suite's part on pipes and poll. What is the same for all calls that wait is in
 * suite_descriptor.c.
 */
#include "suite_descriptor.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PIPE_BYTES 4096

/* ---- what moves in parts ---- */

static void a_write_that_a_deadline_ends_gives_what_it_moved(struct suite *suite)
{
    static char bytes[3 * PIPE_BYTES], taken[3 * PIPE_BYTES];
    for (int i = 0; i < 4; i++) {
        int ends[2];
        assert_int_equal(pinion_pipe(suite->io, ends), 0);
        assert_int_equal(fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES), PIPE_BYTES);
        set_nonblocking(ends[1], i % 2);
        const int64_t deadline = i < 2 ? suite_now() + MS : 0;
        assert_int_equal(pinion_write_until(suite->io, ends[1], bytes, sizeof bytes, deadline),
                         PIPE_BYTES);
        assert_int_equal(pinion_write_until(suite->io, ends[1], bytes, 1, deadline), -ETIMEDOUT);
        assert_int_equal(pinion_read_all_until(suite->io, ends[0], taken, sizeof taken, deadline),
                         PIPE_BYTES);
        assert_int_equal(pinion_write_all_until(suite->io, ends[1], bytes, sizeof bytes, deadline),
                         -ETIMEDOUT);
        assert_int_equal(pinion_close(suite->io, ends[0]) | pinion_close(suite->io, ends[1]), 0);
    }
}

/* A reader in a task, and a writer outside, each of which only a signal ends. */
PINION_TASK(ssize_t, read_nothing, (struct pinion_io *, io), (int, fd))
{
    char byte;
    return pinion_read(io, fd, &byte, 1);
}

static void be_ended_by_signals(struct pinion_io *io, void *unused)
{
    static char bytes[2 * PIPE_BYTES];
    struct read_nothing_future future;
    int in[2], out[2];
    (void)unused;
    must(pinion_pipe(io, in) == 0 && pinion_pipe(io, out) == 0);
    must(fcntl(out[1], F_SETPIPE_SZ, PIPE_BYTES) == PIPE_BYTES);
    must(read_nothing_parallel(io, &future, io, in[0]) == 0);
    must(pinion_write_until(io, out[1], bytes, sizeof bytes, suite_now() + MS) == PIPE_BYTES);
    must(read_nothing_cancel(io, &future) == -ECANCELED);
    must((pinion_close(io, in[0]) | pinion_close(io, in[1])) == 0);
    must((pinion_close(io, out[0]) | pinion_close(io, out[1])) == 0);
}

/* Whose threads and timers are not its parent's. */
static void a_child_of_fork_with_an_io_of_its_own_cancels_and_has_deadlines(struct suite *suite)
{
    if (!suite->of->has_parallel)
        skip();
    be_ended_by_signals(suite->io, NULL);
    if (suite->made) /* else it is the parent's own, also in the child */
        assert_false(suite_stops(suite, be_ended_by_signals, NULL));
    be_ended_by_signals(suite->io, NULL);
}

struct stream {
    int ends[2];
    size_t count;
    _Atomic int tid;
    ssize_t result, next;
};

static char bytes_of_stream[16 * PIPE_BYTES];

static void write_stream(struct within *within)
{
    struct stream *stream = within->extra;
    atomic_store(&stream->tid, (int)gettid());
    stream->result =
        pinion_write(within->io, stream->ends[1], bytes_of_stream, sizeof bytes_of_stream);
    stream->next = pinion_write(within->io, stream->ends[1], bytes_of_stream, 1);
}

static void read_stream(struct within *within)
{
    struct stream *stream = within->extra;
    static char bytes[100];
    atomic_store(&stream->tid, (int)gettid());
    stream->result = pinion_read_all(within->io, stream->ends[0], bytes, sizeof bytes);
    stream->next = pinion_read(within->io, stream->ends[0], bytes, sizeof bytes);
}

static void start_stream(struct suite *suite, struct within *within, struct stream *stream,
                         void (*body)(struct within *within))
{
    memset(stream, 0, sizeof *stream);
    assert_int_equal(pinion_pipe(suite->io, stream->ends), 0);
    assert_int_equal(fcntl(stream->ends[1], F_SETPIPE_SZ, PIPE_BYTES), PIPE_BYTES);
    within_start(suite, within, body, stream, false);
}

static void end_stream(struct suite *suite, struct within *within, struct stream *stream)
{
    suite_until_holds(atomic_load(&stream->tid) && sleeps(atomic_load(&stream->tid)));
    pinion_request_cancel(suite->io, &within->future);
    within_end(within);
    assert_int_equal(pinion_close(suite->io, stream->ends[0]), 0);
    assert_int_equal(pinion_close(suite->io, stream->ends[1]), 0);
}

static void a_write_that_a_request_ends_gives_what_it_moved_and_the_next_the_request(
    struct suite *suite)
{
    struct within within;
    struct stream stream;
    start_stream(suite, &within, &stream, write_stream);
    struct pollfd full = {.fd = stream.ends[1], .events = POLLOUT};
    suite_until_holds(poll(&full, 1, 0) == 0);
    end_stream(suite, &within, &stream);
    assert_int_equal(stream.result, PIPE_BYTES);
    assert_int_equal(stream.next, -ECANCELED);
}

static void a_read_of_all_that_a_request_ends_gives_what_it_moved_and_the_next_the_request(
    struct suite *suite)
{
    struct within within;
    struct stream stream;
    start_stream(suite, &within, &stream, read_stream);
    assert_int_equal(pinion_write(suite->io, stream.ends[1], "abc", 3), 3);
    struct pollfd empty = {.fd = stream.ends[0], .events = POLLIN};
    suite_until_holds(poll(&empty, 1, 0) == 0);
    end_stream(suite, &within, &stream);
    assert_int_equal(stream.result, 3);
    assert_int_equal(stream.next, -ECANCELED);
}

/* ---- races for what is there ---- */

struct race {
    int ends[2];
    int64_t deadline;
    _Atomic int got, late;
};

static void read_by_deadline(struct pinion_io *io, void *context, unsigned index)
{
    struct race *race = context;
    char byte;
    ssize_t result;
    (void)index;
    while ((result = pinion_read_until(io, race->ends[0], &byte, 1, race->deadline)) == 1)
        atomic_fetch_add(&race->got, 1);
    EXPECT(result == -ETIMEDOUT);
    EXPECT(suite_now() >= race->deadline);
    atomic_fetch_add(&race->late, 1);
}

static void readers_whose_bytes_others_took_end_at_their_deadline(struct suite *suite)
{
    struct crew crew = {0};
    struct race race = {0};
    const int count = (int)crew_size(suite, 8);
    int put = 0;
    assert_int_equal(pinion_pipe(suite->io, race.ends), 0);
    race.deadline = suite_now() + 100 * MS;
    crew_start(suite, &crew, (unsigned)count, read_by_deadline, &race);
    for (; suite_now() < race.deadline; put++) {
        assert_int_equal(write(race.ends[1], "x", 1), 1);
        suite_yield();
    }
    crew_end(&crew);
    assert_int_equal(atomic_load(&race.late), count);
    char byte;
    while (pinion_read_until(suite->io, race.ends[0], &byte, 1, 0) == 1)
        atomic_fetch_add(&race.got, 1);
    assert_int_equal(atomic_load(&race.got), put);
    assert_int_equal(close(race.ends[0]) | close(race.ends[1]), 0);
}

/* ---- SIGPIPE ---- */

static bool sigpipe_is_pending(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

static void expect_no_sigpipe(struct pinion_io *io)
{
    const struct iovec part = {(char[]){"abc"}, 3};
    const int file = memfd_create("file", MFD_CLOEXEC);
    int ends[2];
    EXPECT(write(file, "abc", 3) == 3 && lseek(file, 0, SEEK_SET) == 0);
    EXPECT(pinion_pipe(io, ends) == 0);
    EXPECT(close(ends[0]) == 0);
    for (int is_nonblocking = 0; is_nonblocking < 2; is_nonblocking++) {
        set_nonblocking(ends[1], is_nonblocking);
        EXPECT(pinion_write(io, ends[1], "abc", 3) == -EPIPE);
        EXPECT(pinion_write_until(io, ends[1], "abc", 3, 0) == -EPIPE);
        EXPECT(pinion_write_all(io, ends[1], "abc", 3) == -EPIPE);
        EXPECT(pinion_writev(io, ends[1], &part, 1) == -EPIPE);
        EXPECT(pinion_sendfile(io, ends[1], file, NULL, 3) == -EPIPE);
        EXPECT(pinion_splice(io, file, NULL, ends[1], NULL, 3, 0) == -EPIPE);
        EXPECT(!sigpipe_is_pending());
    }
    EXPECT(close(ends[1]) == 0 && close(file) == 0);
}

static void write_to_nobody(struct within *within) { expect_no_sigpipe(within->io); }

static void a_write_that_nobody_reads_raises_no_signal(struct suite *suite)
{
    struct within within;
    sigset_t mask;
    expect_no_sigpipe(suite->io);
    if (suite_calls_from_fiber) /* its thread has it blocked */
        skip();
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
    assert_int_equal(sigismember(&mask, SIGPIPE), 0);
    within_start(suite, &within, write_to_nobody, NULL, false);
    within_end(&within);
}

static void a_signal_of_the_program_that_was_pending_stays(struct suite *suite)
{
    sigset_t set;
    int taken;
    if (suite_calls_from_fiber) /* as who writes on its thread, it is a loop's to take */
        skip();
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGPIPE);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    expect_no_sigpipe(suite->io);
    assert_int_equal(pthread_kill(pthread_self(), SIGPIPE), 0);
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(pinion_write(suite->io, ends[1], "abc", 3), -EPIPE);
    assert_true(sigpipe_is_pending());
    assert_int_equal(sigwait(&set, &taken), 0);
    assert_false(sigpipe_is_pending());
    assert_int_equal(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
    assert_int_equal(close(ends[1]), 0);
}

/* ---- poll ---- */

static void poll_is_as_polls_own(struct suite *suite)
{
    int in[2], out[2];
    static char bytes[PIPE_BYTES];
    assert_int_equal(pinion_pipe(suite->io, in) | pinion_pipe(suite->io, out), 0);
    assert_int_equal(fcntl(out[1], F_SETPIPE_SZ, PIPE_BYTES), PIPE_BYTES);
    assert_int_equal(write(out[1], bytes, PIPE_BYTES), PIPE_BYTES);
    struct pollfd list[] = {{.fd = in[0], .events = POLLIN},
                            {.fd = -1, .events = POLLIN, .revents = 7},
                            {.fd = out[1], .events = POLLOUT}};
    assert_int_equal(pinion_poll(suite->io, list, 3, 0), 0);
    assert_int_equal(pinion_poll(suite->io, list, 3, 1), 0);
    assert_int_equal(pinion_poll(suite->io, NULL, 0, 1), 0);
    assert_int_equal(pinion_poll_until(suite->io, list, 3, 0), -ETIMEDOUT);
    assert_int_equal(write(in[1], "xyz", 3), 3);
    assert_int_equal(pinion_poll(suite->io, list, 3, -1), 1);
    assert_int_equal(list[0].revents, POLLIN);
    assert_int_equal(list[1].revents, 0);
    assert_int_equal(list[2].revents, 0);
    assert_int_equal(read(out[0], bytes, PIPE_BYTES), PIPE_BYTES);
    assert_int_equal(pinion_poll_until(suite->io, list, 3, 0), 2);
    list[1].fd = 1 << 20; /* nothing is open there */
    assert_int_equal(pinion_poll(suite->io, list, 3, 0), 3);
    assert_int_equal(list[1].revents, POLLNVAL);
    assert_int_equal(close(in[0]) | close(in[1]) | close(out[0]) | close(out[1]), 0);
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(a_write_that_a_deadline_ends_gives_what_it_moved),
    SUITE_TEST(a_child_of_fork_with_an_io_of_its_own_cancels_and_has_deadlines),
    SUITE_TEST(a_write_that_a_request_ends_gives_what_it_moved_and_the_next_the_request),
    SUITE_TEST(a_read_of_all_that_a_request_ends_gives_what_it_moved_and_the_next_the_request),
    SUITE_TEST(readers_whose_bytes_others_took_end_at_their_deadline),
    SUITE_TEST(a_write_that_nobody_reads_raises_no_signal),
    SUITE_TEST(a_signal_of_the_program_that_was_pending_stays),
    SUITE_TEST(poll_is_as_polls_own),
    {NULL, NULL},
};
