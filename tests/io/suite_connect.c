/* SPDX-License-Identifier: MIT
 *
 * The suite's part on connections that are not made, or end.
 */
#include "suite_net.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

/* Listens, and takes no more: what connects to it waits. */
static int full_listener(struct pinion_io *io, struct sockaddr_in *at, int *first)
{
    const int listener = listener_at(io, at, 0);
    struct pollfd there = {.fd = listener, .events = POLLIN};
    *first = connected_to(io, at, false);
    assert_int_equal(pinion_poll(io, &there, 1, -1), 1);
    return listener;
}

struct connecting {
    struct sockaddr_in at;
    int fd, result;
    _Atomic int tid;
};

static void connect_it(struct within *within)
{
    struct connecting *connecting = within->extra;
    atomic_store(&connecting->tid, (int)gettid());
    connecting->result = pinion_connect(within->io, connecting->fd,
                                        (struct sockaddr *)&connecting->at, sizeof connecting->at);
    EXPECT(pinion_check_cancel(within->io) == 0);
}

/* On a thread that takes the program's signals, as the program's own do. */
static void connect_unmasked(struct within *within)
{
    sigset_t set, former;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR1);
    EXPECT(pthread_sigmask(SIG_UNBLOCK, &set, &former) == 0);
    connect_it(within);
    EXPECT(pthread_sigmask(SIG_SETMASK, &former, NULL) == 0);
}

static void a_connect_that_a_request_or_deadline_ends_may_be_taken_up_again(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    struct sockaddr_in at;
    int first, fds[2];
    const int listener = full_listener(io, &at, &first);
    for (int i = 0; i < 2; i++) {
        struct within within;
        struct connecting connecting = {.at = at, .fd = pinion_socket(io, AF_INET, SOCK_STREAM, 0)};
        fds[i] = connecting.fd;
        set_nonblocking(fds[i], i);
        for (int64_t ns = 0; ns <= 2 * MS; ns += MS) {
            const int64_t deadline = suite_now() + ns;
            assert_int_equal(pinion_connect_until(io, fds[i], (struct sockaddr *)&at, sizeof at,
                                                  deadline),
                             -ETIMEDOUT);
            assert_true(suite_now() >= deadline);
        }
        for (int round = 0; round < 3; round++) {
            within_start(suite, &within, connect_it, &connecting, round == 0);
            if (round == 2)
                suite_until_holds(sleeps(atomic_load(&connecting.tid)));
            pinion_request_cancel(io, &within.future);
            within_end(&within);
            assert_int_equal(connecting.result, -ECANCELED);
        }
        expect_nonblocking(fds[i], i);
    }
    assert_int_equal(pinion_listen(io, listener, 5), 0);
    assert_int_equal(pinion_connect(io, fds[0], (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(pinion_connect(io, fds[1], (struct sockaddr *)&at, sizeof at), 0);
    const int all[] = {listener, first, fds[0], fds[1]};
    for (int i = 0; i < 4; i++)
        assert_int_equal(pinion_close(io, all[i]), 0);
}

static void count_nothing(int signal) { (void)signal; }

/* Its handler does not restart what it interrupts: the connection that was begun goes on. */
static void a_handler_of_the_program_ends_no_connect(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    struct sigaction action = {.sa_handler = count_nothing}, former;
    struct within within;
    int first;
    assert_int_equal(sigaction(SIGUSR1, &action, &former), 0);
    struct connecting connecting = {.fd = pinion_socket(io, AF_INET, SOCK_STREAM, 0)};
    const int listener = full_listener(io, &connecting.at, &first);
    within_start(suite, &within, connect_unmasked, &connecting, false);
    for (int i = 0; i < 3; i++) {
        suite_until_holds(atomic_load(&connecting.tid) && sleeps(atomic_load(&connecting.tid)));
        assert_int_equal(tgkill(getpid(), atomic_load(&connecting.tid), SIGUSR1), 0);
    }
    const int taken = pinion_accept(io, listener, NULL, NULL);
    struct pollfd next = {.fd = listener, .events = POLLIN};
    assert_int_equal(pinion_poll(io, &next, 1, -1), 1); /* once its first segment is sent again */
    within_end(&within);
    assert_int_equal(connecting.result, 0);
    assert_int_equal(sigaction(SIGUSR1, &former, NULL), 0);
    assert_int_equal(pinion_close(io, listener) | pinion_close(io, first), 0);
    assert_int_equal(pinion_close(io, connecting.fd) | pinion_close(io, taken), 0);
}

static void a_connect_that_nobody_listens_for_is_refused(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    struct sockaddr_in at;
    assert_int_equal(pinion_close(io, listener_at(io, &at, 1)), 0);
    for (int i = 0; i < 4; i++) {
        const int fd = pinion_socket(io, AF_INET, SOCK_STREAM, 0);
        set_nonblocking(fd, i % 2);
        assert_int_equal(pinion_connect_until(io, fd, (struct sockaddr *)&at, sizeof at,
                                              i < 2 ? PINION_FOREVER : suite_now() + HOUR),
                         -ECONNREFUSED);
        assert_int_equal(pinion_close(io, fd), 0);
    }
}

static void reset(struct pinion_io *io, int fd)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    assert_int_equal(pinion_close(io, fd), 0);
}

static void a_peer_that_resets_is_told_once(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    char bytes[10];
    for (int i = 0; i < 6; i++) {
        int ends[2];
        connection(io, ends);
        set_nonblocking(ends[0], i % 2);
        assert_int_equal(pinion_send(io, ends[1], "abc", 3, 0), 3);
        if (i < 4)
            assert_int_equal(pinion_recv_all(io, ends[0], bytes, 2, 0), 2);
        reset(io, ends[1]);
        struct pollfd told = {.fd = ends[0], .events = POLLRDHUP};
        assert_int_equal(pinion_poll(io, &told, 1, -1), 1);
        if (i < 2) {
            assert_int_equal(pinion_recv(io, ends[0], bytes, sizeof bytes, 0), 1);
            assert_int_equal(pinion_recv(io, ends[0], bytes, sizeof bytes, 0), -ECONNRESET);
        } else if (i < 4) {
            assert_int_equal(pinion_send(io, ends[0], "d", 1, 0), -ECONNRESET);
        } else { /* some of it was there: it is told all the same */
            assert_int_equal(pinion_recv_all(io, ends[0], bytes, sizeof bytes, 0), -ECONNRESET);
        }
        assert_int_equal(pinion_send(io, ends[0], "d", 1, 0), -EPIPE);
        assert_int_equal(pinion_close(io, ends[0]), 0);
    }
}

static void expect_no_sigpipe(struct pinion_io *io)
{
    const struct iovec part = {(char[]){"abc"}, 3};
    const struct msghdr message = {.msg_iov = (struct iovec *)&part, .msg_iovlen = 1};
    sigset_t pending;
    int ends[2];
    EXPECT(pinion_socketpair(io, AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    EXPECT(close(ends[0]) == 0);
    for (int i = 0; i < 2; i++) {
        const int64_t deadline = i ? suite_now() + HOUR : 0;
        EXPECT(pinion_send(io, ends[1], "abc", 3, 0) == -EPIPE);
        EXPECT(pinion_send_until(io, ends[1], "abc", 3, 0, deadline) == -EPIPE);
        EXPECT(pinion_send_all(io, ends[1], "abc", 3, 0) == -EPIPE);
        EXPECT(pinion_sendto(io, ends[1], "abc", 3, 0, NULL, 0) == -EPIPE);
        EXPECT(pinion_sendmsg(io, ends[1], &message, 0) == -EPIPE);
        EXPECT(pinion_sendmsg_until(io, ends[1], &message, 0, deadline) == -EPIPE);
        EXPECT(pinion_write(io, ends[1], "abc", 3) == -EPIPE);
    }
    EXPECT(sigpending(&pending) == 0 && !sigismember(&pending, SIGPIPE));
    EXPECT(close(ends[1]) == 0);
}

static void send_to_nobody(struct within *within) { expect_no_sigpipe(within->io); }

static void what_is_sent_to_nobody_raises_no_signal(struct suite *suite)
{
    struct within within;
    expect_no_sigpipe(suite->io);
    within_start(suite, &within, send_to_nobody, NULL, false);
    within_end(&within);
}

struct shut {
    int fd, result;
    _Atomic int tid;
};

static void accept_it(struct within *within)
{
    struct shut *shut = within->extra;
    atomic_store(&shut->tid, (int)gettid());
    shut->result = pinion_accept(within->io, shut->fd, NULL, NULL);
}

static void who_waits_for_a_connection_is_told_of_a_shutdown(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    for (int i = 0; i < 2; i++) {
        struct within within;
        struct sockaddr_in at;
        struct shut shut = {.fd = listener_at(io, &at, 1)};
        set_nonblocking(shut.fd, i);
        within_start(suite, &within, accept_it, &shut, false);
        suite_until_holds(atomic_load(&shut.tid) && sleeps(atomic_load(&shut.tid)));
        assert_int_equal(pinion_shutdown(io, shut.fd, SHUT_RDWR), 0);
        within_end(&within);
        assert_int_equal(shut.result, -EINVAL);
        assert_int_equal(pinion_close(io, shut.fd), 0);
    }
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(a_connect_that_a_request_or_deadline_ends_may_be_taken_up_again),
    SUITE_TEST(a_handler_of_the_program_ends_no_connect),
    SUITE_TEST(a_connect_that_nobody_listens_for_is_refused),
    SUITE_TEST(a_peer_that_resets_is_told_once),
    SUITE_TEST(what_is_sent_to_nobody_raises_no_signal),
    SUITE_TEST(who_waits_for_a_connection_is_told_of_a_shutdown),
    {NULL, NULL},
};
