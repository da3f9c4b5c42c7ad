/* SPDX-License-Identifier: MIT
 *
 * The suite's part on sockets: what each call does, and what becomes of bad input. Connections that
 * are not made, or end, are in suite_connect.c; what is the same for all calls that wait is in
 * suite_descriptor.c.
 */
#include "suite_net.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- what they do ---- */

static void expect_made(int fd)
{
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    expect_nonblocking(fd, false);
    assert_int_equal(close(fd), 0);
}

static void a_socket_that_is_made_is_blocking_and_closed_on_exec(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    int ends[2];
    errno = 77;
    expect_made(pinion_socket(io, AF_INET, SOCK_STREAM, 0));
    expect_made(pinion_socket(io, AF_UNIX, SOCK_DGRAM, 0));
    assert_int_equal(pinion_socketpair(io, AF_UNIX, SOCK_STREAM, 0, ends), 0);
    expect_made(ends[0]);
    expect_made(ends[1]);
    const int other = pinion_socket(io, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    expect_nonblocking(other, true);
    assert_int_equal(pinion_close(io, other), 0);
    assert_int_equal(errno, 77);
}

#define STREAM_BYTES 1000000
static unsigned char sent[STREAM_BYTES], received[STREAM_BYTES];

static void send_stream(struct within *within)
{
    const int fd = *(const int *)within->extra;
    EXPECT(pinion_send_all(within->io, fd, sent, sizeof sent, 0) == sizeof sent);
    EXPECT(pinion_shutdown(within->io, fd, SHUT_WR) == 0);
}

static void a_stream_arrives_in_order_and_ends(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (unsigned char)(i * 2654435761u >> 16);
    for (int i = 0; i < 4; i++) {
        struct within within;
        int ends[2];
        char byte;
        connection(io, ends);
        set_nonblocking(ends[0], i % 2);
        set_nonblocking(ends[1], i / 2);
        within_start(suite, &within, send_stream, &ends[0], false);
        memset(received, 0, sizeof received);
        assert_int_equal(pinion_recv_all(io, ends[1], received, sizeof received, 0),
                         sizeof received);
        assert_memory_equal(received, sent, sizeof sent);
        assert_int_equal(pinion_recv(io, ends[1], &byte, 1, 0), 0);
        assert_int_equal(pinion_recv_all(io, ends[1], &byte, 1, 0), 0);
        within_end(&within);
        assert_int_equal(pinion_close(io, ends[0]) | pinion_close(io, ends[1]), 0);
    }
}

static void who_has_connected_is_told(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    struct sockaddr_in at, who, is;
    socklen_t length = sizeof who, is_length = sizeof is;
    const int listener = listener_at(io, &at, 5);
    const int client = connected_to(io, &at, true);
    const int other = connected_to(io, &at, false);
    const int server = pinion_accept(io, listener, (struct sockaddr *)&who, &length);
    assert_int_equal(length, sizeof who);
    assert_int_equal(getsockname(client, (struct sockaddr *)&is, &is_length), 0);
    assert_int_equal(who.sin_port, is.sin_port);
    struct pollfd another = {.fd = listener, .events = POLLIN}; /* the kernel may take its time */
    assert_int_equal(pinion_poll(io, &another, 1, -1), 1);
    length = 1;
    const int second = pinion_accept_until(io, listener, (struct sockaddr *)&who, &length, 0);
    assert_int_equal(length, sizeof who);
    const int fds[] = {listener, client, other, server, second};
    for (int i = 0; i < 5; i++)
        assert_int_equal(pinion_close(io, fds[i]), 0);
}

static void a_datagram_arrives_whole_and_says_from_whom(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    struct sockaddr_in at[2], from;
    int fds[2];
    char bytes[10] = "";
    for (int i = 0; i < 2; i++) {
        socklen_t length = sizeof at[i];
        fds[i] = pinion_socket(io, AF_INET, SOCK_DGRAM, 0);
        at[i] = loopback();
        assert_int_equal(pinion_bind(io, fds[i], (struct sockaddr *)&at[i], length), 0);
        assert_int_equal(getsockname(fds[i], (struct sockaddr *)&at[i], &length), 0);
    }
    socklen_t length = sizeof from;
    const struct sockaddr *to = (struct sockaddr *)&at[1];
    assert_int_equal(pinion_sendto(io, fds[0], "abcde", 5, 0, to, sizeof at[1]), 5);
    assert_int_equal(pinion_sendto(io, fds[0], "", 0, 0, to, sizeof at[1]), 0);
    assert_int_equal(pinion_sendto_until(io, fds[0], "fg", 2, 0, to, sizeof at[1], 0), 2);
    assert_int_equal(pinion_recvfrom(io, fds[1], bytes, 3, 0, (struct sockaddr *)&from, &length),
                     3); /* the rest of it is gone */
    assert_memory_equal(bytes, "abc", 3);
    assert_int_equal(length, sizeof from);
    assert_int_equal(from.sin_port, at[0].sin_port);
    assert_int_equal(pinion_recv(io, fds[1], bytes, sizeof bytes, 0), 0);
    assert_int_equal(pinion_recv_until(io, fds[1], bytes, sizeof bytes, 0, 0), 2);
    static char large[70000];
    assert_int_equal(pinion_sendto(io, fds[0], large, sizeof large, 0, to, sizeof at[1]),
                     -EMSGSIZE);
    assert_int_equal(pinion_close(io, fds[1]), 0);
    assert_int_equal(pinion_connect(io, fds[0], to, sizeof at[1]), 0);
    assert_int_equal(pinion_send(io, fds[0], "a", 1, 0), 1);
    assert_int_equal(pinion_recv(io, fds[0], bytes, 1, 0), -ECONNREFUSED);
    assert_int_equal(pinion_close(io, fds[0]), 0);
}

/* ---- descriptors that are passed on ---- */

/* The descriptor, or an error. */
static int take(struct pinion_io *io, int over)
{
    union control control;
    char byte;
    int descriptor = -1;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control};
    const ssize_t bytes = pinion_recvmsg(io, over, &message, 0);
    if (bytes < 0)
        return (int)bytes;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    EXPECT(bytes == 1 && header && header->cmsg_type == SCM_RIGHTS);
    if (header)
        memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
    return descriptor;
}

static void a_descriptor_is_passed_on(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    int over[2], ends[2];
    char byte = 0;
    assert_int_equal(pinion_socketpair(io, AF_UNIX, SOCK_STREAM, 0, over), 0);
    assert_int_equal(pinion_pipe(io, ends), 0);
    assert_int_equal(pass_on(io, over[0], ends[0], PINION_FOREVER), 1);
    assert_int_equal(pinion_close(io, ends[0]), 0);
    const int taken = take(io, over[1]);
    assert_true(taken >= 0);
    assert_int_equal(fcntl(taken, F_GETFD), FD_CLOEXEC);
    assert_int_equal(pinion_write(io, ends[1], "a", 1), 1);
    assert_int_equal(pinion_read(io, taken, &byte, 1), 1);
    assert_int_equal(byte, 'a');
    const int fds[] = {over[0], over[1], ends[1], taken};
    for (int i = 0; i < 4; i++)
        assert_int_equal(pinion_close(io, fds[i]), 0);
}

static void take_until_canceled(struct within *within)
{
    const int over = *(const int *)within->extra;
    int taken;
    while ((taken = take(within->io, over)) >= 0)
        EXPECT(pinion_close(within->io, taken) == 0);
    EXPECT(taken == -ECANCELED);
}

static void take_one_and_cancel(struct suite *suite, const int over[2], int round)
{
    struct pinion_io *io = suite->io;
    struct within within;
    within_start(suite, &within, take_until_canceled, (void *)(uintptr_t)&over[1], false);
    assert_int_equal(pass_on(io, over[0], STDERR_FILENO, PINION_FOREVER), 1);
    suite_linger(round);
    assert_int_equal(pass_on(io, over[0], STDERR_FILENO, PINION_FOREVER), 1);
    pinion_request_cancel(io, &within.future);
    within_end(&within);
    struct pollfd left = {.fd = over[1], .events = POLLIN};
    while (pinion_poll(io, &left, 1, 0) == 1)
        assert_int_equal(pinion_close(io, take(io, over[1])), 0);
}

static void a_descriptor_on_its_way_to_who_is_canceled_is_not_lost(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    int over[2];
    assert_int_equal(pinion_socketpair(io, AF_UNIX, SOCK_STREAM, 0, over), 0);
    struct held held; /* every worker has what it waits in, its own descriptors, after it */
    suite_hold(suite, &held);
    suite_release(suite, &held);
    take_one_and_cancel(suite, over, 0);
    const int before = descriptor_count();
    for (int i = 0; i < SUITE_ROUNDS(200); i++) {
        take_one_and_cancel(suite, over, i);
        assert_int_equal(descriptor_count(), before);
    }
    assert_int_equal(pinion_close(io, over[0]) | pinion_close(io, over[1]), 0);
}

/* ---- flags ---- */

static void flags_that_say_not_to_wait_are_obeyed(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    static char bytes[1000000];
    int ends[2];
    connection(io, ends);
    struct iovec part = {bytes, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    assert_int_equal(pinion_recv(io, ends[0], bytes, 1, MSG_DONTWAIT), -EAGAIN);
    assert_int_equal(pinion_recv_until(io, ends[0], bytes, 1, MSG_DONTWAIT, suite_now() + HOUR),
                     -EAGAIN);
    assert_int_equal(pinion_recvmsg(io, ends[0], &message, MSG_DONTWAIT), -EAGAIN);
    assert_int_equal(pinion_recv(io, ends[0], bytes, 1, MSG_ERRQUEUE), -EAGAIN);
    assert_int_equal(pinion_recv(io, ends[0], bytes, 1, MSG_OOB), -EINVAL);
    assert_int_equal(pinion_recv_all(io, ends[0], bytes, 2, MSG_PEEK), -EINVAL);
    assert_int_equal(pinion_send(io, ends[1], "ab", 2, 0), 2);
    assert_int_equal(pinion_recv(io, ends[0], bytes, 2, MSG_PEEK), 2);
    assert_int_equal(pinion_recv_until(io, ends[0], bytes, 3, MSG_WAITALL, suite_now() + MS), 2);
    while (pinion_send(io, ends[1], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        continue;
    assert_int_equal(pinion_send(io, ends[1], bytes, 1, MSG_DONTWAIT), -EAGAIN);
    assert_int_equal(pinion_sendmsg(io, ends[1], &message, MSG_DONTWAIT), -EAGAIN);
    assert_int_equal(pinion_send_until(io, ends[1], bytes, 1, 0, suite_now() + MS), -ETIMEDOUT);
    assert_int_equal(pinion_close(io, ends[0]) | pinion_close(io, ends[1]), 0);
}

/* ---- bad input ---- */

#define ON_ALL(io, fd, error)                                                                      \
    do {                                                                                           \
        struct sockaddr_in on_ = loopback();                                                       \
        struct sockaddr *at_ = (struct sockaddr *)&on_;                                            \
        struct msghdr message_ = {.msg_iov = NULL};                                                \
        const int64_t far_ = suite_now() + HOUR;                                                   \
        char byte_ = 0;                                                                            \
        assert_int_equal(pinion_bind(io, fd, at_, sizeof on_), error);                             \
        assert_int_equal(pinion_listen(io, fd, 1), error);                                         \
        assert_int_equal(pinion_accept(io, fd, NULL, NULL), error);                                \
        assert_int_equal(pinion_accept_until(io, fd, NULL, NULL, far_), error);                    \
        assert_int_equal(pinion_connect(io, fd, at_, sizeof on_), error);                          \
        assert_int_equal(pinion_connect_until(io, fd, at_, sizeof on_, far_), error);              \
        assert_int_equal(pinion_send(io, fd, "a", 1, 0), error);                                   \
        assert_int_equal(pinion_send_all(io, fd, "a", 1, 0), error);                               \
        assert_int_equal(pinion_sendto(io, fd, "a", 1, 0, at_, sizeof on_), error);                \
        assert_int_equal(pinion_sendmsg(io, fd, &message_, 0), error);                             \
        assert_int_equal(pinion_recv(io, fd, &byte_, 1, 0), error);                                \
        assert_int_equal(pinion_recv_until(io, fd, &byte_, 1, 0, far_), error);                    \
        assert_int_equal(pinion_recv_all(io, fd, &byte_, 1, 0), error);                            \
        assert_int_equal(pinion_recvfrom(io, fd, &byte_, 1, 0, NULL, NULL), error);                \
        assert_int_equal(pinion_recvmsg(io, fd, &message_, 0), error);                             \
        assert_int_equal(pinion_shutdown(io, fd, SHUT_WR), error);                                 \
    } while (0)

static void a_descriptor_that_is_none_is_refused(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    int ends[2];
    errno = 77;
    const int file = pinion_open(io, "/dev/null", O_RDWR);
    ON_ALL(io, file, -ENOTSOCK);
    assert_int_equal(pinion_close(io, file), 0);
    ON_ALL(io, file, -EBADF);
    ON_ALL(io, -1, -EBADF);
    ON_ALL(pinion_io_failing(), file, -ENOTSUP);
    assert_int_equal(pinion_socket(pinion_io_failing(), AF_INET, SOCK_STREAM, 0), -ENOTSUP);
    assert_int_equal(pinion_socketpair(pinion_io_failing(), AF_UNIX, SOCK_STREAM, 0, ends),
                     -ENOTSUP);
    assert_int_equal(errno, 77);
}

static void what_a_socket_cant_is_refused(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    struct sockaddr_in at;
    char byte;
    int ends[2] = {-7, -7};
    void *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(nowhere, MAP_FAILED);
    errno = 77;
    assert_int_equal(pinion_socket(io, 99, SOCK_STREAM, 0), -EAFNOSUPPORT);
    assert_int_equal(pinion_socket(io, AF_INET, 99, 0), -EINVAL);
    assert_int_equal(pinion_socket(io, AF_INET, SOCK_STREAM, IPPROTO_UDP), -EPROTONOSUPPORT);
    assert_int_equal(pinion_socketpair(io, AF_INET, SOCK_STREAM, 0, ends), -EOPNOTSUPP);
    assert_int_equal(ends[0], -7);
    const int listener = listener_at(io, &at, 1);
    const int fd = pinion_socket(io, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(pinion_bind(io, fd, (struct sockaddr *)&at, sizeof at), -EADDRINUSE);
    assert_int_equal(pinion_bind(io, fd, (struct sockaddr *)&at, 3), -EINVAL);
    assert_int_equal(pinion_bind(io, fd, nowhere, sizeof at), -EFAULT);
    assert_int_equal(pinion_connect(io, fd, NULL, 0), -EINVAL);
    assert_int_equal(pinion_accept(io, fd, NULL, NULL), -EINVAL);
    assert_int_equal(pinion_recv(io, fd, &byte, 1, 0), -ENOTCONN);
    assert_int_equal(pinion_send(io, fd, "a", 1, 0), -EPIPE);
    assert_int_equal(pinion_shutdown(io, fd, SHUT_WR), -ENOTCONN);
    assert_int_equal(pinion_shutdown(io, fd, 99), -EINVAL);
    assert_int_equal(pinion_recvmsg(io, fd, nowhere, 0), -EFAULT);
    assert_int_equal(pinion_sendmsg(io, fd, nowhere, 0), -EFAULT);
    at.sin_addr.s_addr = htonl(0xc0000201); /* 192.0.2.1 is nobody's: RFC 5737 */
    assert_int_equal(pinion_bind(io, fd, (struct sockaddr *)&at, sizeof at), -EADDRNOTAVAIL);
    assert_int_equal(errno, 77);
    assert_int_equal(pinion_close(io, fd) | pinion_close(io, listener), 0);
    assert_int_equal(munmap(nowhere, 4096), 0);
}

static void when_no_descriptor_is_left_that_is_said_and_nothing_lost(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    struct rlimit former;
    struct sockaddr_in at;
    char place[32];
    int fds[64], count = 0;
    const int listener = listener_at(io, &at, 5), client = connected_to(io, &at, false);
    const int before = descriptor_count();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &former), 0);
    const struct rlimit few = {64, former.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int wanted = 0; wanted < 100000; wanted++) {
        const int fd = pinion_socket(io, AF_INET, SOCK_STREAM, 0);
        if (fd >= 0)
            fds[count++] = fd;
        else
            assert_int_equal(fd, -EMFILE);
    }
    (void)snprintf(place, sizeof place, "127.0.0.1:%d", ntohs(at.sin_port));
    assert_int_equal(pinion_socketpair(io, AF_UNIX, SOCK_STREAM, 0, (int[]){0, 0}), -EMFILE);
    assert_int_equal(pinion_accept(io, listener, NULL, NULL), -EMFILE);
    assert_int_equal(pinion_accept_until(io, listener, NULL, NULL, 0), -EMFILE);
    assert_int_equal(pinion_listen_on(io, "127.0.0.1:0", 1), -EMFILE);
    assert_int_equal(pinion_connect_to(io, place), -EMFILE);
    assert_int_equal(pinion_close(io, fds[--count]), 0);
    const int server = pinion_accept(io, listener, NULL, NULL); /* it has waited */
    assert_true(server >= 0);
    assert_int_equal(pinion_close(io, server), 0);
    while (count > 0)
        assert_int_equal(pinion_close(io, fds[--count]), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &former), 0);
    assert_int_equal(descriptor_count(), before);
    assert_int_equal(pinion_close(io, listener) | pinion_close(io, client), 0);
}

/* ---- cancelation ---- */

static void be_refused_once(struct within *within)
{
    struct pinion_io *io = within->io;
    const struct sockaddr_in on = loopback();
    const struct sockaddr *at = (const struct sockaddr *)&on;
    struct msghdr message = {.msg_iov = NULL};
    char byte;
    int ends[2], fds[2];
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    EXPECT(send(ends[1], "a", 1, 0) == 1);
    REFUSED(pinion_socket(io, AF_INET, SOCK_STREAM, 0));
    REFUSED(pinion_socketpair(io, AF_UNIX, SOCK_STREAM, 0, fds));
    REFUSED(pinion_bind(io, ends[0], at, sizeof on));
    REFUSED(pinion_listen(io, ends[0], 1));
    REFUSED(pinion_accept(io, ends[0], NULL, NULL));
    REFUSED(pinion_connect(io, ends[0], at, sizeof on));
    REFUSED(pinion_send(io, ends[0], "a", 1, 0));
    REFUSED(pinion_send(io, ends[0], "a", 1, MSG_DONTWAIT));
    REFUSED(pinion_sendto(io, ends[0], "a", 1, 0, NULL, 0));
    REFUSED(pinion_sendmsg(io, ends[0], &message, 0));
    REFUSED(pinion_send_all(io, ends[0], "a", 1, 0));
    REFUSED(pinion_recv(io, ends[0], &byte, 1, 0));
    REFUSED(pinion_recvfrom(io, ends[0], &byte, 1, 0, NULL, NULL));
    REFUSED(pinion_recvmsg(io, ends[0], &message, 0));
    REFUSED(pinion_recv_all(io, ends[0], &byte, 1, 0));
    REFUSED(pinion_shutdown(io, ends[0], SHUT_RDWR));
    EXPECT(pinion_check_cancel(io) == -ECANCELED);
    EXPECT(recv(ends[1], &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
    EXPECT(recv(ends[0], &byte, 1, MSG_DONTWAIT) == 1);
    EXPECT(close(ends[0]) == 0 && close(ends[1]) == 0);
}

static void a_request_is_delivered_by_each_call(struct suite *suite)
{
    struct within within;
    within_start(suite, &within, be_refused_once, NULL, true);
    within_end(&within);
}

struct receiving {
    int fd;
    ssize_t result, next;
    _Atomic int tid;
};

static void receive_all(struct within *within)
{
    struct receiving *receiving = within->extra;
    char bytes[10];
    atomic_store(&receiving->tid, (int)gettid());
    receiving->result = pinion_recv_all(within->io, receiving->fd, bytes, sizeof bytes, 0);
    receiving->next = pinion_recv(within->io, receiving->fd, bytes, sizeof bytes, 0);
}

static void what_was_received_goes_before_a_request_or_deadline(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    struct within within;
    char bytes[10];
    int ends[2];
    connection(io, ends);
    struct receiving receiving = {.fd = ends[0]};
    struct pollfd empty = {.fd = ends[0], .events = POLLIN};
    within_start(suite, &within, receive_all, &receiving, false);
    assert_int_equal(pinion_send(io, ends[1], "abc", 3, 0), 3);
    suite_until_holds(atomic_load(&receiving.tid) && poll(&empty, 1, 0) == 0 &&
                      sleeps(atomic_load(&receiving.tid)));
    pinion_request_cancel(io, &within.future);
    within_end(&within);
    assert_int_equal(receiving.result, 3);
    assert_int_equal(receiving.next, -ECANCELED);
    assert_int_equal(pinion_send(io, ends[1], "abc", 3, 0), 3);
    assert_int_equal(pinion_recv_all_until(io, ends[0], bytes, sizeof bytes, 0, suite_now() + MS),
                     3);
    assert_int_equal(pinion_recv_all_until(io, ends[0], bytes, sizeof bytes, 0, suite_now() + MS),
                     -ETIMEDOUT);
    assert_int_equal(pinion_close(io, ends[0]) | pinion_close(io, ends[1]), 0);
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(a_socket_that_is_made_is_blocking_and_closed_on_exec),
    SUITE_TEST(a_stream_arrives_in_order_and_ends),
    SUITE_TEST(who_has_connected_is_told),
    SUITE_TEST(a_datagram_arrives_whole_and_says_from_whom),
    SUITE_TEST(a_descriptor_is_passed_on),
    SUITE_TEST(a_descriptor_on_its_way_to_who_is_canceled_is_not_lost),
    SUITE_TEST(flags_that_say_not_to_wait_are_obeyed),
    SUITE_TEST(a_descriptor_that_is_none_is_refused),
    SUITE_TEST(what_a_socket_cant_is_refused),
    SUITE_TEST(when_no_descriptor_is_left_that_is_said_and_nothing_lost),
    SUITE_TEST(a_request_is_delivered_by_each_call),
    SUITE_TEST(what_was_received_goes_before_a_request_or_deadline),
    {NULL, NULL},
};
