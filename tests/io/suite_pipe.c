/* SPDX-License-Identifier: MIT
 *
 * The suite's part on calls that wait for a descriptor: pipes, FIFOs, poll. What is the same for
 * all of them is tested on a table of them.
 */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../threads.h"

#define PIPE_BYTES 4096
#define MS         INT64_C(1000000)
#define HOUR       INT64_C(3600000000000)

/* What the calls are made on. in: a pipe that is empty. out: one that is full. file: of some bytes.
 * fifo: a path, whose ends nobody has opened. */
struct ends {
    int in[2], out[2], file, other;
    char fifo[64];
    char buffer[PIPE_BYTES];
};

static void set_nonblocking(int fd, bool is_nonblocking)
{
    const int flags = fcntl(fd, F_GETFL);
    must(flags >= 0);
    must(fcntl(fd, F_SETFL, is_nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) == 0);
}

static void ends_init(struct ends *ends, bool is_nonblocking)
{
    char directory[] = "/tmp/pinion-suite-XXXXXX";
    memset(ends, 0, sizeof *ends);
    ends->other = -1;
    assert_int_equal(pipe2(ends->in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(ends->out, O_CLOEXEC), 0);
    assert_int_equal(fcntl(ends->out[1], F_SETPIPE_SZ, PIPE_BYTES), PIPE_BYTES);
    assert_int_equal(write(ends->out[1], ends->buffer, PIPE_BYTES), PIPE_BYTES);
    ends->file = memfd_create("file", MFD_CLOEXEC);
    assert_int_equal(write(ends->file, "abcd", 4), 4);
    assert_int_equal(lseek(ends->file, 0, SEEK_SET), 0);
    assert_non_null(mkdtemp(directory));
    (void)snprintf(ends->fifo, sizeof ends->fifo, "%s/fifo", directory);
    assert_int_equal(mkfifo(ends->fifo, 0600), 0);
    for (int i = 0; i < 2; i++) {
        set_nonblocking(ends->in[i], is_nonblocking);
        set_nonblocking(ends->out[i], is_nonblocking);
    }
}

static void ends_fini(struct ends *ends)
{
    for (int i = 0; i < 2; i++)
        assert_int_equal(close(ends->in[i]) | close(ends->out[i]), 0);
    assert_int_equal(close(ends->file), 0);
    if (ends->other >= 0)
        assert_int_equal(close(ends->other), 0);
    assert_int_equal(unlink(ends->fifo), 0);
    *strrchr(ends->fifo, '/') = '\0';
    assert_int_equal(rmdir(ends->fifo), 0);
}

/* ---- the table ---- */

/* A call that waits until it is let go on, and then gives `result`; 0: a descriptor. */
struct waiting {
    const char *name;
    ssize_t (*call)(struct pinion_io *io, struct ends *ends, int64_t deadline);
    void (*let)(struct ends *ends);
    ssize_t result;
};

static ssize_t do_read(struct pinion_io *io, struct ends *ends, int64_t deadline)
{
    return pinion_read_until(io, ends->in[0], ends->buffer, sizeof ends->buffer, deadline);
}

static ssize_t do_readv(struct pinion_io *io, struct ends *ends, int64_t deadline)
{
    const struct iovec parts[] = {{ends->buffer, 2}, {ends->buffer + 2, 100}};
    return pinion_readv_until(io, ends->in[0], parts, 2, deadline);
}

static ssize_t do_read_all(struct pinion_io *io, struct ends *ends, int64_t deadline)
{
    return pinion_read_all_until(io, ends->in[0], ends->buffer, 3, deadline);
}

static ssize_t do_poll(struct pinion_io *io, struct ends *ends, int64_t deadline)
{
    struct pollfd list[] = {{.fd = ends->in[0], .events = POLLIN},
                            {.fd = ends->out[1], .events = POLLOUT}};
    return pinion_poll_until(io, list, 2, deadline);
}

static ssize_t do_splice(struct pinion_io *io, struct ends *ends, int64_t deadline)
{
    return pinion_splice_until(io, ends->in[0], NULL, ends->file, NULL, 100, 0, deadline);
}

static ssize_t do_splice_out(struct pinion_io *io, struct ends *ends, int64_t deadline)
{
    return pinion_splice_until(io, ends->file, NULL, ends->out[1], NULL, 4, 0, deadline);
}

static void let_read(struct ends *ends) { must(write(ends->in[1], "xyz", 3) == 3); }

static ssize_t do_write(struct pinion_io *io, struct ends *ends, int64_t deadline)
{
    return pinion_write_until(io, ends->out[1], "abc", 3, deadline);
}

static ssize_t do_writev(struct pinion_io *io, struct ends *ends, int64_t deadline)
{
    const struct iovec parts[] = {{ends->buffer, 1}, {ends->buffer, 2}};
    return pinion_writev_until(io, ends->out[1], parts, 2, deadline);
}

static ssize_t do_write_all(struct pinion_io *io, struct ends *ends, int64_t deadline)
{
    return pinion_write_all_until(io, ends->out[1], "abc", 3, deadline);
}

static ssize_t do_sendfile(struct pinion_io *io, struct ends *ends, int64_t deadline)
{
    return pinion_sendfile_until(io, ends->out[1], ends->file, NULL, 4, deadline);
}

static void let_write(struct ends *ends)
{
    char bytes[PIPE_BYTES];
    must(read(ends->out[0], bytes, sizeof bytes) == sizeof bytes);
}

static ssize_t do_open_to_read(struct pinion_io *io, struct ends *ends, int64_t deadline)
{
    return pinion_open_until(io, ends->fifo, O_RDONLY, 0, deadline);
}

static ssize_t do_open_to_write(struct pinion_io *io, struct ends *ends, int64_t deadline)
{
    return pinion_open_until(io, ends->fifo, O_WRONLY, 0, deadline);
}

static void let_open(struct ends *ends)
{
    must((ends->other = open(ends->fifo, O_RDWR | O_CLOEXEC)) >= 0);
}

static const struct waiting waitings[] = {
    {"read", do_read, let_read, 3},
    {"readv", do_readv, let_read, 3},
    {"read_all", do_read_all, let_read, 3},
    {"poll", do_poll, let_read, 1},
    {"splice from a pipe", do_splice, let_read, 3},
    {"splice to a pipe", do_splice_out, let_write, 4},
    {"sendfile", do_sendfile, let_write, 4},
    {"write", do_write, let_write, 3},
    {"writev", do_writev, let_write, 3},
    {"write_all", do_write_all, let_write, 3},
    {"open of a FIFO to read", do_open_to_read, let_open, 0},
    {"open of a FIFO to write", do_open_to_write, let_open, 0},
};

/* Runs body for each of them, with O_NONBLOCK and without. */
static void for_each(struct suite *suite, void (*body)(struct suite *suite,
                                                       const struct waiting *waiting,
                                                       struct ends *ends))
{
    for (size_t i = 0; i < 2 * sizeof waitings / sizeof waitings[0]; i++) {
        static struct ends ends;
        suite_note(waitings[i / 2].name);
        ends_init(&ends, i % 2);
        body(suite, &waitings[i / 2], &ends);
        for (int end = 0; end < 2; end++) {
            assert_int_equal(!!(fcntl(ends.in[end], F_GETFL) & O_NONBLOCK), i % 2);
            assert_int_equal(!!(fcntl(ends.out[end], F_GETFL) & O_NONBLOCK), i % 2);
        }
        ends_fini(&ends);
    }
    suite_note(NULL);
}

static void expect_result(const struct waiting *waiting, ssize_t result)
{
    if (waiting->result) {
        EXPECT(result == waiting->result);
        return;
    }
    EXPECT(result >= 0);
    EXPECT(fcntl((int)result, F_GETFD) == FD_CLOEXEC);
    EXPECT((fcntl((int)result, F_GETFL) & O_NONBLOCK) == 0);
    EXPECT(close((int)result) == 0);
}

/* ---- outside tasks ---- */

static void give_what_is_there(struct suite *suite, const struct waiting *waiting,
                               struct ends *ends)
{
    errno = 77;
    waiting->let(ends);
    expect_result(waiting, waiting->call(suite->io, ends, PINION_FOREVER));
    assert_int_equal(errno, 77);
}

static void a_call_that_need_not_wait_does_not(struct suite *suite)
{
    for_each(suite, give_what_is_there);
}

static void be_late(struct suite *suite, const struct waiting *waiting, struct ends *ends)
{
    errno = 77;
    for (int64_t ns = -MS; ns <= 2 * MS; ns += MS) {
        const int64_t deadline = suite_now() + ns;
        assert_int_equal(waiting->call(suite->io, ends, deadline), -ETIMEDOUT);
        assert_true(suite_now() >= deadline);
    }
    assert_int_equal(waiting->call(suite->io, ends, INT64_MIN), -ETIMEDOUT);
    assert_int_equal(waiting->call(suite->io, ends, 0), -ETIMEDOUT);
    assert_int_equal(errno, 77);
}

static void a_deadline_ends_the_wait_and_no_earlier(struct suite *suite)
{
    for_each(suite, be_late);
}

static void poll_what_is_there(struct suite *suite, const struct waiting *waiting,
                               struct ends *ends)
{
    waiting->let(ends);
    expect_result(waiting, waiting->call(suite->io, ends, INT64_MIN));
}

static void a_deadline_that_has_passed_gives_what_is_there(struct suite *suite)
{
    for_each(suite, poll_what_is_there);
}

static void be_in_time(struct suite *suite, const struct waiting *waiting, struct ends *ends)
{
    waiting->let(ends);
    expect_result(waiting, waiting->call(suite->io, ends, suite_now() + HOUR));
}

static void a_deadline_that_is_far_changes_nothing(struct suite *suite)
{
    for_each(suite, be_in_time);
}

static void block_all_and_be_late(struct suite *suite, const struct waiting *waiting,
                                  struct ends *ends)
{
    sigset_t all, former, now;
    (void)sigfillset(&all);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &all, &former), 0);
    be_late(suite, waiting, ends);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &former, &now), 0);
    for (int signal = 1; signal < 32; signal++)
        assert_int_equal(sigismember(&now, signal), signal != SIGKILL && signal != SIGSTOP);
}

static void a_thread_that_blocks_all_signals_has_deadlines_too(struct suite *suite)
{
    for_each(suite, block_all_and_be_late);
}

/* ---- in tasks ---- */

/* A call on a thread of its own, in a task. */
struct in_task {
    const struct waiting *waiting;
    struct ends *ends;
    int64_t deadline;
    _Atomic int tid; /* it is about to call */
    bool is_requested; /* a request comes, soon or late */
    ssize_t result;
    int check, after; /* cancelation points that follow */
};

static void call_it(struct within *within)
{
    struct in_task *call = within->extra;
    errno = 77;
    atomic_store(&call->tid, (int)gettid());
    call->result = call->waiting->call(within->io, call->ends, call->deadline);
    EXPECT(errno == 77);
    while (call->is_requested && !pinion_cancel_requested(within->io))
        (void)sched_yield();
    call->check = pinion_check_cancel(within->io);
    call->after = pinion_check_cancel(within->io);
}

static void start(struct suite *suite, struct within *within, struct in_task *call, bool canceled)
{
    within_start(suite, within, call_it, call, canceled);
}

static void until_asleep(const struct in_task *call)
{
    suite_until_holds(atomic_load(&call->tid) && sleeps(atomic_load(&call->tid)));
}

static void cancel_it_first(struct suite *suite, const struct waiting *waiting, struct ends *ends)
{
    for (int i = 0; i < 3; i++) {
        struct within within;
        struct in_task call = {.waiting = waiting, .ends = ends,
                               .deadline = i == 0 ? PINION_FOREVER : i == 1 ? 0 : INT64_MAX - 1};
        start(suite, &within, &call, true);
        within_end(&within);
        assert_int_equal(call.result, -ECANCELED);
        assert_int_equal(call.check, 0);
    }
    waiting->let(ends); /* also where it need not wait, and nothing was done */
    struct within within;
    struct in_task call = {.waiting = waiting, .ends = ends, .deadline = PINION_FOREVER};
    start(suite, &within, &call, true);
    within_end(&within);
    assert_int_equal(call.result, -ECANCELED);
    expect_result(waiting, waiting->call(suite->io, ends, PINION_FOREVER));
}

static void a_request_that_came_before_is_delivered_and_nothing_done(struct suite *suite)
{
    for_each(suite, cancel_it_first);
}

static void cancel_it(struct suite *suite, const struct waiting *waiting, struct ends *ends)
{
    for (int i = 0; i < 3; i++) {
        struct within within;
        struct in_task call = {.waiting = waiting, .ends = ends,
                               .deadline = i == 0 ? PINION_FOREVER : suite_now() + HOUR};
        start(suite, &within, &call, false);
        if (i < 2)
            until_asleep(&call);
        pinion_request_cancel(suite->io, &within.future);
        within_end(&within);
        assert_int_equal(call.result, -ECANCELED);
        assert_int_equal(call.check, 0);
    }
}

static void a_request_ends_the_wait(struct suite *suite) { for_each(suite, cancel_it); }

static void let_it(struct suite *suite, const struct waiting *waiting, struct ends *ends)
{
    struct within within;
    struct in_task call = {.waiting = waiting, .ends = ends, .deadline = PINION_FOREVER};
    start(suite, &within, &call, false);
    until_asleep(&call);
    waiting->let(ends);
    within_end(&within);
    expect_result(waiting, call.result);
    assert_int_equal(call.check, 0);
}

static void a_call_that_waits_goes_on_when_it_can(struct suite *suite) { for_each(suite, let_it); }

/* Either the call gives what is there and the request stays, or the request is delivered and what
 * is there stays. */
static void race_it(struct suite *suite, const struct waiting *waiting, struct ends *ends)
{
    struct within within;
    struct in_task call = {.waiting = waiting, .ends = ends, .deadline = PINION_FOREVER,
                           .is_requested = true};
    start(suite, &within, &call, false);
    if (suite_now() % 2)
        until_asleep(&call);
    waiting->let(ends);
    pinion_request_cancel(suite->io, &within.future);
    within_end(&within);
    if (call.result == -ECANCELED) {
        assert_int_equal(call.check, 0);
        expect_result(waiting, waiting->call(suite->io, ends, PINION_FOREVER));
    } else {
        expect_result(waiting, call.result);
        assert_int_equal(call.check, -ECANCELED);
    }
    assert_int_equal(call.after, 0);
}

static void a_request_at_the_same_time_loses_nothing(struct suite *suite)
{
    for (int i = 0; i < SUITE_ROUNDS(8); i++)
        for_each(suite, race_it);
}

static void count_nothing(int signal) { (void)signal; }

static void interrupt_it(struct suite *suite, const struct waiting *waiting, struct ends *ends)
{
    struct within within;
    struct in_task call = {.waiting = waiting, .ends = ends, .deadline = PINION_FOREVER};
    start(suite, &within, &call, false);
    until_asleep(&call);
    for (int i = 0; i < 5; i++) { /* it is the signal that cancels use */
        assert_int_equal(tgkill(getpid(), atomic_load(&call.tid), SIGURG), 0);
        (void)sched_yield();
    }
    waiting->let(ends);
    within_end(&within);
    expect_result(waiting, call.result);
}

static void a_stray_signal_ends_no_wait(struct suite *suite) { for_each(suite, interrupt_it); }

struct outside {
    struct pinion_io *io;
    const struct waiting *waiting;
    struct ends *ends;
    _Atomic int tid;
    ssize_t result;
};

static void *call_outside(void *argument)
{
    struct outside *outside = argument;
    atomic_store(&outside->tid, (int)gettid());
    outside->result = outside->waiting->call(outside->io, outside->ends, suite_now() + HOUR);
    return NULL;
}

/* Its handler does not restart what it interrupts. */
static void handle_it(struct suite *suite, const struct waiting *waiting, struct ends *ends)
{
    struct outside outside = {.io = suite->io, .waiting = waiting, .ends = ends};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, call_outside, &outside), 0);
    suite_until_holds(atomic_load(&outside.tid) && sleeps(atomic_load(&outside.tid)));
    for (int i = 0; i < 5; i++) {
        assert_int_equal(pthread_kill(thread, SIGUSR1), 0);
        (void)sched_yield();
    }
    waiting->let(ends);
    assert_int_equal(pthread_join(thread, NULL), 0);
    expect_result(waiting, outside.result);
}

static void a_handler_of_the_program_ends_no_wait(struct suite *suite)
{
    struct sigaction action = {.sa_handler = count_nothing}, former;
    assert_int_equal(sigaction(SIGUSR1, &action, &former), 0);
    for_each(suite, handle_it);
    assert_int_equal(sigaction(SIGUSR1, &former, NULL), 0);
}

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
        (void)sched_yield();
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
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
    assert_int_equal(sigismember(&mask, SIGPIPE), 0);
    within_start(suite, &within, write_to_nobody, NULL, false);
    within_end(&within);
}

static void a_signal_of_the_program_that_was_pending_stays(struct suite *suite)
{
    sigset_t set;
    int taken;
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
    struct ends ends;
    struct pollfd list[3];
    ends_init(&ends, false);
    list[0] = (struct pollfd){.fd = ends.in[0], .events = POLLIN};
    list[1] = (struct pollfd){.fd = -1, .events = POLLIN, .revents = 7};
    list[2] = (struct pollfd){.fd = ends.out[1], .events = POLLOUT};
    assert_int_equal(pinion_poll(suite->io, list, 3, 0), 0);
    assert_int_equal(pinion_poll(suite->io, list, 3, 1), 0);
    assert_int_equal(pinion_poll(suite->io, NULL, 0, 1), 0);
    assert_int_equal(pinion_poll_until(suite->io, list, 3, 0), -ETIMEDOUT);
    let_read(&ends);
    assert_int_equal(pinion_poll(suite->io, list, 3, -1), 1);
    assert_int_equal(list[0].revents, POLLIN);
    assert_int_equal(list[1].revents, 0);
    assert_int_equal(list[2].revents, 0);
    let_write(&ends);
    assert_int_equal(pinion_poll_until(suite->io, list, 3, 0), 2);
    list[1].fd = 1 << 20; /* nothing is open there */
    assert_int_equal(pinion_poll(suite->io, list, 3, 0), 3);
    assert_int_equal(list[1].revents, POLLNVAL);
    ends_fini(&ends);
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(a_call_that_need_not_wait_does_not),
    SUITE_TEST(a_deadline_ends_the_wait_and_no_earlier),
    SUITE_TEST(a_deadline_that_has_passed_gives_what_is_there),
    SUITE_TEST(a_deadline_that_is_far_changes_nothing),
    SUITE_TEST(a_thread_that_blocks_all_signals_has_deadlines_too),
    SUITE_TEST(a_request_that_came_before_is_delivered_and_nothing_done),
    SUITE_TEST(a_request_ends_the_wait),
    SUITE_TEST(a_call_that_waits_goes_on_when_it_can),
    SUITE_TEST(a_request_at_the_same_time_loses_nothing),
    SUITE_TEST(a_stray_signal_ends_no_wait),
    SUITE_TEST(a_handler_of_the_program_ends_no_wait),
    SUITE_TEST(a_write_that_a_deadline_ends_gives_what_it_moved),
    SUITE_TEST(a_write_that_a_request_ends_gives_what_it_moved_and_the_next_the_request),
    SUITE_TEST(a_read_of_all_that_a_request_ends_gives_what_it_moved_and_the_next_the_request),
    SUITE_TEST(readers_whose_bytes_others_took_end_at_their_deadline),
    SUITE_TEST(a_write_that_nobody_reads_raises_no_signal),
    SUITE_TEST(a_signal_of_the_program_that_was_pending_stays),
    SUITE_TEST(poll_is_as_polls_own),
    {NULL, NULL},
};
