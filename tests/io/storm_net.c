/* SPDX-License-Identifier: MIT */
#include "storm_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../threads.h"
#include "suite_net.h"

/* Closes it so that no port remembers it. */
static void drop(struct pinion_io *io, int fd)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    EXPECT(pinion_close(io, fd) == 0);
}

static int accept_one(struct pinion_io *io, struct storm_net *net, uint32_t random,
                      int64_t deadline)
{
    const int fd =
        pinion_accept_until(io, random % 2 ? net->tcp : net->unix_, NULL, NULL, deadline);
    if (fd < 0)
        return fd;
    atomic_fetch_add(&net->accepted, 1);
    drop(io, fd);
    return 0;
}

static int connect_with(struct pinion_io *io, struct storm_net *net, int family, uint32_t random,
                        const void *at, socklen_t length, int64_t deadline)
{
    const int fd =
        pinion_socket(io, family, SOCK_STREAM | (random % 2 ? SOCK_NONBLOCK : 0), 0);
    if (fd < 0)
        return fd;
    const int error = pinion_connect_until(io, fd, at, length, deadline);
    atomic_fetch_add(&net->connected, !error);
    drop(io, fd);
    return error == -ECONNRESET ? 0 : error; /* who has accepted it drops it */
}

static int connect_tcp(struct pinion_io *io, struct storm_net *net, uint32_t random,
                       int64_t deadline)
{
    return connect_with(io, net, AF_INET, random, &net->at, sizeof net->at, deadline);
}

static int connect_unix(struct pinion_io *io, struct storm_net *net, uint32_t random,
                        int64_t deadline)
{
    return connect_with(io, net, AF_UNIX, random, &net->path, net->path_bytes, deadline);
}

/* ---- messages with descriptors ---- */

static int pass(struct pinion_io *io, struct storm_net *net, uint32_t random, int64_t deadline)
{
    (void)random;
    const ssize_t bytes = pass_on(io, net->over[0], net->tcp, deadline);
    atomic_fetch_add(&net->passed, bytes == 1);
    return bytes == 1 ? 0 : (int)bytes;
}

static int take(struct pinion_io *io, struct storm_net *net, uint32_t random, int64_t deadline)
{
    union control control;
    int fd = -1;
    char byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control};
    (void)random;
    const ssize_t bytes = pinion_recvmsg_until(io, net->over[1], &message, 0, deadline);
    if (bytes < 0)
        return (int)bytes;
    EXPECT(bytes == 1 && message.msg_controllen > 0);
    memcpy(&fd, CMSG_DATA(&control.header), sizeof fd);
    EXPECT(pinion_close(io, fd) == 0);
    atomic_fetch_add(&net->taken, 1);
    return 0;
}

/* ---- names ---- */

/* Seldom: each takes a thread, and keeps it a while. */
static int look_up(struct pinion_io *io, struct storm_net *net, uint32_t random, int64_t deadline)
{
    const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    if (!net->has_resolver || random % 8)
        return 0;
    const int error = pinion_getaddrinfo_until(io, random % 16 ? "silent.test" : "here.test", "80",
                                               &hints, &list, deadline);
    EXPECT(!error == !!list);
    if (list)
        freeaddrinfo(list);
    /* The oldest of many questions is answered; or not asked, as there are so many. */
    return error == -ENOENT || error == -EAGAIN ? 0 : error;
}

storm_net_wait *const storm_net_waits[STORM_NET_WAITS] = {accept_one, connect_tcp, connect_unix,
                                                          pass,       take,        look_up};

/* ---- before and after ---- */

void storm_net_init(struct storm_net *net)
{
    socklen_t length = sizeof net->at;
    memset((void *)net, 0, sizeof *net);
    net->at = (struct sockaddr_in){.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    net->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(bind(net->tcp, (struct sockaddr *)&net->at, sizeof net->at) == 0);
    must(listen(net->tcp, 0) == 0);
    must(getsockname(net->tcp, (struct sockaddr *)&net->at, &length) == 0);
    net->path.sun_family = AF_UNIX;
    net->path_bytes = sizeof net->path;
    net->unix_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    must(bind(net->unix_, (struct sockaddr *)&net->path, sizeof net->path.sun_family) == 0);
    must(listen(net->unix_, 0) == 0);
    must(getsockname(net->unix_, (struct sockaddr *)&net->path, &net->path_bytes) == 0);
    must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, net->over) == 0);
    net->has_resolver = resolver_start(&net->resolver);
}

void storm_net_expect_all(struct pinion_io *io, struct storm_net *net)
{
    while (take(io, net, 0, 0) == 0)
        continue;
    assert_true(atomic_load(&net->passed) > 0);
    assert_int_equal(atomic_load(&net->taken), atomic_load(&net->passed));
    assert_true(atomic_load(&net->accepted) > 0);
    assert_true(atomic_load(&net->connected) > 0);
}

void storm_net_fini(struct storm_net *net)
{
    if (net->has_resolver)
        resolver_stop(&net->resolver);
    must(close(net->tcp) == 0 && close(net->unix_) == 0);
    must(close(net->over[0]) == 0 && close(net->over[1]) == 0);
}
