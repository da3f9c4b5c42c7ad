/* SPDX-License-Identifier: MIT
 *
 * The calls of net.h that wait for a descriptor. A connection over TCP is not among them: who
 * retries it is the kernel, a second later.
 */
#include "suite_descriptor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* What the calls are made on. mine: the socket that is tested; its address is `at`. other: what
 * lets it go on, or -1. */
struct sockets {
    int mine, other, extra;
    struct sockaddr_storage at;
    socklen_t length;
    char buffer[100];
};
static struct sockets the_sockets;

static struct sockets *sockets_of(int mine, int other, bool is_nonblocking)
{
    the_sockets = (struct sockets){.mine = mine, .other = other, .extra = -1};
    must(mine >= 0);
    set_nonblocking(mine, is_nonblocking);
    return &the_sockets;
}

static void sockets_fini(void *on, bool is_nonblocking)
{
    const struct sockets *sockets = on;
    expect_nonblocking(sockets->mine, is_nonblocking);
    assert_int_equal(close(sockets->mine), 0);
    if (sockets->other >= 0)
        assert_int_equal(close(sockets->other), 0);
    if (sockets->extra >= 0)
        assert_int_equal(close(sockets->extra), 0);
}

/* ---- addresses ---- */

/* A socket that is bound to some port of loopback; its address goes to at. -1: there is no IPv6. */
static int bound(int family, int type, struct sockaddr_storage *at, socklen_t *length)
{
    const int fd = socket(family, type | SOCK_CLOEXEC, 0);
    memset(at, 0, sizeof *at);
    at->ss_family = (sa_family_t)family;
    if (family == AF_INET)
        ((struct sockaddr_in *)at)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else if (family == AF_INET6)
        ((struct sockaddr_in6 *)at)->sin6_addr = in6addr_loopback;
    *length = family == AF_UNIX ? sizeof at->ss_family : sizeof *at; /* Unix: some name */
    if (fd < 0 || bind(fd, (struct sockaddr *)at, *length)) {
        must(family == AF_INET6);
        if (fd >= 0)
            must(close(fd) == 0);
        return -1;
    }
    *length = sizeof *at;
    must(getsockname(fd, (struct sockaddr *)at, length) == 0);
    return fd;
}

/* ---- accept ---- */

static void *listening(int family, bool is_nonblocking)
{
    struct sockaddr_storage at;
    socklen_t length;
    const int fd = bound(family, SOCK_STREAM, &at, &length);
    if (fd < 0)
        return NULL;
    must(listen(fd, 5) == 0);
    struct sockets *sockets = sockets_of(fd, -1, is_nonblocking);
    sockets->at = at;
    sockets->length = length;
    return sockets;
}

static void *listening_on_4(bool is_nonblocking) { return listening(AF_INET, is_nonblocking); }
static void *listening_on_6(bool is_nonblocking) { return listening(AF_INET6, is_nonblocking); }
static void *listening_on_unix(bool is_nonblocking) { return listening(AF_UNIX, is_nonblocking); }

static ssize_t do_accept(struct pinion_io *io, void *on, int64_t deadline)
{
    return pinion_accept_until(io, ((struct sockets *)on)->mine, NULL, NULL, deadline);
}

static void let_accept(void *on)
{
    struct sockets *sockets = on;
    sockets->other = socket(sockets->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(connect(sockets->other, (struct sockaddr *)&sockets->at, sockets->length) == 0);
}

/* ---- connect ---- */

/* other listens, and extra waits in its backlog, which takes no more. */
static void *unconnected(bool is_nonblocking)
{
    struct sockaddr_storage at;
    socklen_t length;
    const int other = bound(AF_UNIX, SOCK_STREAM, &at, &length);
    const int extra = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(listen(other, 0) == 0);
    must(connect(extra, (struct sockaddr *)&at, length) == 0);
    struct sockets *sockets =
        sockets_of(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), other, is_nonblocking);
    sockets->extra = extra;
    sockets->at = at;
    sockets->length = length;
    return sockets;
}

static ssize_t do_connect(struct pinion_io *io, void *on, int64_t deadline)
{
    struct sockets *sockets = on;
    const int error = pinion_connect_until(io, sockets->mine, (struct sockaddr *)&sockets->at,
                                           sockets->length, deadline);
    return error ? error : 1;
}

static void let_connect(void *on)
{
    struct sockets *sockets = on;
    const int accepted = accept(sockets->other, NULL, NULL);
    must(accepted >= 0 && close(accepted) == 0);
}

/* ---- receiving ---- */

static void *pair_of(int type, bool is_nonblocking)
{
    int ends[2];
    must(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) == 0);
    return sockets_of(ends[0], ends[1], is_nonblocking);
}

static void *stream_pair(bool is_nonblocking) { return pair_of(SOCK_STREAM, is_nonblocking); }

static void *tcp_pair(bool is_nonblocking)
{
    struct sockets *sockets = listening_on_4(false);
    const int listener = sockets->mine;
    let_accept(sockets);
    const int other = sockets->other;
    const int mine = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    must(close(listener) == 0);
    return sockets_of(mine, other, is_nonblocking);
}

/* Both bound; other is connected to mine. */
static void *datagrams(int family, bool is_nonblocking)
{
    struct sockaddr_storage at;
    socklen_t length;
    const int mine = bound(family, SOCK_DGRAM, &at, &length);
    if (mine < 0)
        return NULL;
    const int other = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    must(connect(other, (struct sockaddr *)&at, length) == 0);
    return sockets_of(mine, other, is_nonblocking);
}

static void *datagrams_4(bool is_nonblocking) { return datagrams(AF_INET, is_nonblocking); }
static void *datagrams_6(bool is_nonblocking) { return datagrams(AF_INET6, is_nonblocking); }
static void *datagrams_unix(bool is_nonblocking) { return datagrams(AF_UNIX, is_nonblocking); }

static ssize_t do_recv(struct pinion_io *io, void *on, int64_t deadline)
{
    struct sockets *sockets = on;
    return pinion_recv_until(io, sockets->mine, sockets->buffer, sizeof sockets->buffer, 0,
                             deadline);
}

static ssize_t do_recv_waitall(struct pinion_io *io, void *on, int64_t deadline)
{
    struct sockets *sockets = on;
    return pinion_recv_until(io, sockets->mine, sockets->buffer, 3, MSG_WAITALL, deadline);
}

static ssize_t do_recv_all(struct pinion_io *io, void *on, int64_t deadline)
{
    struct sockets *sockets = on;
    return pinion_recv_all_until(io, sockets->mine, sockets->buffer, 3, 0, deadline);
}

static ssize_t do_recvfrom(struct pinion_io *io, void *on, int64_t deadline)
{
    struct sockets *sockets = on;
    struct sockaddr_storage from;
    socklen_t length = sizeof from;
    return pinion_recvfrom_until(io, sockets->mine, sockets->buffer, sizeof sockets->buffer, 0,
                                 (struct sockaddr *)&from, &length, deadline);
}

static ssize_t do_recvmsg(struct pinion_io *io, void *on, int64_t deadline)
{
    struct sockets *sockets = on;
    struct iovec parts[] = {{sockets->buffer, 1}, {sockets->buffer + 1, 50}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    return pinion_recvmsg_until(io, sockets->mine, &message, 0, deadline);
}

static void let_recv(void *on) { must(send(((struct sockets *)on)->other, "xyz", 3, 0) == 3); }

/* ---- sending ---- */

static void *full_pair(int type, bool is_nonblocking)
{
    struct sockets *sockets = pair_of(type, true);
    while (send(sockets->mine, "abc", 3, 0) == 3)
        continue;
    must(errno == EAGAIN);
    set_nonblocking(sockets->mine, is_nonblocking);
    return sockets;
}

static void *full_stream(bool is_nonblocking) { return full_pair(SOCK_STREAM, is_nonblocking); }
static void *full_datagrams(bool is_nonblocking) { return full_pair(SOCK_DGRAM, is_nonblocking); }

/* mine is not connected to other, whose queue is full. */
static void *full_peer(bool is_nonblocking)
{
    struct sockaddr_storage at;
    socklen_t length;
    const int other = bound(AF_UNIX, SOCK_DGRAM, &at, &length);
    const int mine = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    while (sendto(mine, "abc", 3, MSG_DONTWAIT, (struct sockaddr *)&at, length) == 3)
        continue;
    must(errno == EAGAIN);
    struct sockets *sockets = sockets_of(mine, other, is_nonblocking);
    sockets->at = at;
    sockets->length = length;
    return sockets;
}

static ssize_t do_send(struct pinion_io *io, void *on, int64_t deadline)
{
    return pinion_send_until(io, ((struct sockets *)on)->mine, "abc", 3, 0, deadline);
}

static ssize_t do_send_all(struct pinion_io *io, void *on, int64_t deadline)
{
    return pinion_send_all_until(io, ((struct sockets *)on)->mine, "abc", 3, 0, deadline);
}

static ssize_t do_sendto(struct pinion_io *io, void *on, int64_t deadline)
{
    struct sockets *sockets = on;
    return pinion_sendto_until(io, sockets->mine, "abc", 3, 0, (struct sockaddr *)&sockets->at,
                               sockets->length, deadline);
}

static ssize_t do_sendmsg(struct pinion_io *io, void *on, int64_t deadline)
{
    struct iovec parts[] = {{(char[]){"a"}, 1}, {(char[]){"bc"}, 2}};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    return pinion_sendmsg_until(io, ((struct sockets *)on)->mine, &message, 0, deadline);
}

static void let_send(void *on)
{
    char bytes[4096];
    while (recv(((struct sockets *)on)->other, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        continue;
    must(errno == EAGAIN);
}

#define ROW(words, init, call, let, result) {words, init, sockets_fini, call, let, result}

const struct waiting socket_waitings[] = {
    ROW("accept", listening_on_4, do_accept, let_accept, 0),
    ROW("accept on IPv6", listening_on_6, do_accept, let_accept, 0),
    ROW("accept on a Unix socket", listening_on_unix, do_accept, let_accept, 0),
    ROW("connect", unconnected, do_connect, let_connect, 1),
    ROW("recv", stream_pair, do_recv, let_recv, 3),
    ROW("recv over TCP", tcp_pair, do_recv, let_recv, 3),
    ROW("recv of all", stream_pair, do_recv_waitall, let_recv, 3),
    ROW("recv_all", tcp_pair, do_recv_all, let_recv, 3),
    ROW("recvfrom", datagrams_4, do_recvfrom, let_recv, 3),
    ROW("recvfrom on IPv6", datagrams_6, do_recvfrom, let_recv, 3),
    ROW("recvmsg", datagrams_unix, do_recvmsg, let_recv, 3),
    ROW("recvmsg of a stream", stream_pair, do_recvmsg, let_recv, 3),
    ROW("send", full_stream, do_send, let_send, 3),
    ROW("send of a datagram", full_datagrams, do_send, let_send, 3),
    ROW("send_all", full_stream, do_send_all, let_send, 3),
    ROW("sendto", full_peer, do_sendto, let_send, 3),
    ROW("sendmsg", full_stream, do_sendmsg, let_send, 3),
    {.name = NULL},
};
