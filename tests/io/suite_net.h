/* SPDX-License-Identifier: MIT
 *
 * Connections over loopback, for the parts of the suite on sockets.
 */
#ifndef SUITE_NET_H
#define SUITE_NET_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "suite_descriptor.h"

static inline struct sockaddr_in loopback(void)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* A socket that listens on some port of loopback, which goes to *at. */
static inline int listener_at(struct pinion_io *io, struct sockaddr_in *at, int backlog)
{
    socklen_t length = sizeof *at;
    const int fd = pinion_socket(io, AF_INET, SOCK_STREAM, 0);
    *at = loopback();
    assert_int_equal(pinion_bind(io, fd, (struct sockaddr *)at, sizeof *at), 0);
    assert_int_equal(pinion_listen(io, fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)at, &length), 0);
    return fd;
}

static inline int connected_to(struct pinion_io *io, const struct sockaddr_in *at,
                               bool is_nonblocking)
{
    const int fd =
        pinion_socket(io, AF_INET, SOCK_STREAM | (is_nonblocking ? SOCK_NONBLOCK : 0), 0);
    assert_int_equal(pinion_connect(io, fd, (const struct sockaddr *)at, sizeof *at), 0);
    return fd;
}

/* The two ends of a connection over TCP. */
static inline void connection(struct pinion_io *io, int ends[2])
{
    struct sockaddr_in at;
    const int listener = listener_at(io, &at, 1);
    ends[0] = connected_to(io, &at, false);
    ends[1] = pinion_accept(io, listener, NULL, NULL);
    assert_true(ends[1] >= 0);
    assert_int_equal(pinion_close(io, listener), 0);
}

/* Room for one descriptor in a message. */
union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
};

/* Sends a byte, and a descriptor with it. */
static inline ssize_t pass_on(struct pinion_io *io, int over, int descriptor, int64_t deadline)
{
    union control control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                                        .cmsg_level = SOL_SOCKET,
                                        .cmsg_type = SCM_RIGHTS}};
    struct iovec part = {(char[]){"x"}, 1};
    const struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                                   .msg_controllen = sizeof control};
    memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
    return pinion_sendmsg_until(io, over, &message, 0, deadline);
}

#endif
