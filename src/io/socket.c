/* SPDX-License-Identifier: MIT
 *
 * Sockets: made, connected, sent to and received from.
 */
#include <pinion/net.h>

#include <errno.h>
#include <stdbool.h>
#include <sys/syscall.h>

#include "call.h"
#include "cancel.h"
#include "futex.h"
#include "socket.h"

/* Calls that wait for nobody else. */
static int perform(struct pinion_io *io, long number, long a0, long a1, long a2, long a3)
{
    const struct pn_operation operation = pn_operation(number, a0, a1, a2, a3, 0, 0);
    return (int)pn_perform(io, &operation, PN_CANCELABLE(PINION_FOREVER));
}

/* ---- made ---- */

int pinion_socket(struct pinion_io *io, int family, int type, int protocol)
{
    return perform(io, SYS_socket, family, type | SOCK_CLOEXEC, protocol, 0);
}

int pinion_socketpair(struct pinion_io *io, int family, int type, int protocol, int ends[2])
{
    int made[2]; /* the kernel writes them before it knows that it can */
    const int error = perform(io, SYS_socketpair, family, type | SOCK_CLOEXEC, protocol,
                              PN_ADDRESS(made));
    for (int i = 0; i < 2 && !error; i++)
        ends[i] = made[i];
    return error;
}

int pinion_bind(struct pinion_io *io, int descriptor, const struct sockaddr *address,
                socklen_t length)
{
    return perform(io, SYS_bind, descriptor, PN_ADDRESS(address), length, 0);
}

int pinion_listen(struct pinion_io *io, int descriptor, int backlog)
{
    return perform(io, SYS_listen, descriptor, backlog, 0, 0);
}

int pinion_shutdown(struct pinion_io *io, int descriptor, int how)
{
    return perform(io, SYS_shutdown, descriptor, how, 0, 0);
}

/* ---- connected ---- */

/* If the kernel gave a connection it is returned, whatever came meanwhile. */
int pinion_accept_until(struct pinion_io *io, int descriptor, struct sockaddr *address,
                        socklen_t *length, int64_t deadline)
{
    struct pn_operation operation =
        pn_operation(SYS_accept4, descriptor, PN_ADDRESS(address), PN_ADDRESS(length),
                     SOCK_CLOEXEC, 0, 0);
    operation.readable = descriptor;
    return (int)pn_perform(io, &operation, PN_CANCELABLE(deadline));
}

int pinion_accept(struct pinion_io *io, int descriptor, struct sockaddr *address,
                  socklen_t *length)
{
    return pinion_accept_until(io, descriptor, address, length, PINION_FOREVER);
}

/* What became of a connection that the kernel has begun. */
static int connected(struct pinion_io *io, int descriptor, int64_t deadline)
{
    struct pollfd one = {.fd = descriptor, .events = POLLOUT};
    const int ready = pn_poll(io, &one, 1, PN_CANCELABLE(deadline));
    if (ready <= 0)
        return ready ? ready : -ETIMEDOUT;
    const int saved = errno;
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size))
        error = errno;
    errno = saved;
    return -error;
}

int pinion_connect_until(struct pinion_io *io, int descriptor, const struct sockaddr *address,
                         socklen_t length, int64_t deadline)
{
    struct pn_operation operation =
        pn_operation(SYS_connect, descriptor, PN_ADDRESS(address), length, 0, 0, 0);
    operation.writable = pn_is_unix_address(address, length) ? descriptor : -1;
    const int result = (int)pn_perform(io, &operation, PN_CANCELABLE(deadline));
    if (result == -EINPROGRESS || result == -EALREADY)
        return connected(io, descriptor, deadline);
    return result;
}

int pinion_connect(struct pinion_io *io, int descriptor, const struct sockaddr *address,
                   socklen_t length)
{
    return pinion_connect_until(io, descriptor, address, length, PINION_FOREVER);
}

/* ---- messages ---- */

/* With a deadline the kernel is not to wait: poll does. Unless it is to collect all, which it does
 * only where it may wait. */
static bool is_kernel_to_wait(int flags, int64_t deadline)
{
    return deadline == PINION_FOREVER || (flags & MSG_WAITALL);
}

/* Waits until the socket is what waits_for names, a field of the operation; flags are argument `at`
 * of the call. */
static ssize_t transfer(struct pinion_io *io, struct pn_operation *operation, int at, int flags,
                        int *waits_for, int64_t deadline)
{
    const int never =
        waits_for == &operation->writable ? PN_SEND_NEVER_WAITS : PN_RECEIVE_NEVER_WAITS;
    const bool waits = !(flags & never);
    if (waits)
        *waits_for = (int)operation->call.arguments[0];
    if (waits && !is_kernel_to_wait(flags, deadline))
        flags |= MSG_DONTWAIT;
    operation->never_waits = !waits || (flags & MSG_DONTWAIT);
    operation->call.arguments[at] = flags;
    return pn_perform(io, operation, PN_CANCELABLE(deadline));
}

ssize_t pinion_sendto_until(struct pinion_io *io, int descriptor, const void *buffer, size_t count,
                            int flags, const struct sockaddr *address, socklen_t length,
                            int64_t deadline)
{
    struct pn_operation operation = pn_operation(SYS_sendto, descriptor, PN_ADDRESS(buffer),
                                                 (long)count, 0, PN_ADDRESS(address), length);
    return transfer(io, &operation, 3, flags | MSG_NOSIGNAL, &operation.writable, deadline);
}

ssize_t pinion_sendto(struct pinion_io *io, int descriptor, const void *buffer, size_t count,
                      int flags, const struct sockaddr *address, socklen_t length)
{
    return pinion_sendto_until(io, descriptor, buffer, count, flags, address, length,
                               PINION_FOREVER);
}

ssize_t pinion_send_until(struct pinion_io *io, int descriptor, const void *buffer, size_t count,
                          int flags, int64_t deadline)
{
    return pinion_sendto_until(io, descriptor, buffer, count, flags, NULL, 0, deadline);
}

ssize_t pinion_send(struct pinion_io *io, int descriptor, const void *buffer, size_t count,
                    int flags)
{
    return pinion_sendto_until(io, descriptor, buffer, count, flags, NULL, 0, PINION_FOREVER);
}

ssize_t pinion_sendmsg_until(struct pinion_io *io, int descriptor, const struct msghdr *message,
                             int flags, int64_t deadline)
{
    struct pn_operation operation =
        pn_operation(SYS_sendmsg, descriptor, PN_ADDRESS(message), 0, 0, 0, 0);
    return transfer(io, &operation, 2, flags | MSG_NOSIGNAL, &operation.writable, deadline);
}

ssize_t pinion_sendmsg(struct pinion_io *io, int descriptor, const struct msghdr *message,
                       int flags)
{
    return pinion_sendmsg_until(io, descriptor, message, flags, PINION_FOREVER);
}

ssize_t pinion_recvfrom_until(struct pinion_io *io, int descriptor, void *buffer, size_t count,
                              int flags, struct sockaddr *address, socklen_t *length,
                              int64_t deadline)
{
    struct pn_operation operation =
        pn_operation(SYS_recvfrom, descriptor, PN_ADDRESS(buffer), (long)count, 0,
                     PN_ADDRESS(address), PN_ADDRESS(length));
    return transfer(io, &operation, 3, flags, &operation.readable, deadline);
}

ssize_t pinion_recvfrom(struct pinion_io *io, int descriptor, void *buffer, size_t count,
                        int flags, struct sockaddr *address, socklen_t *length)
{
    return pinion_recvfrom_until(io, descriptor, buffer, count, flags, address, length,
                                 PINION_FOREVER);
}

ssize_t pinion_recv_until(struct pinion_io *io, int descriptor, void *buffer, size_t count,
                          int flags, int64_t deadline)
{
    return pinion_recvfrom_until(io, descriptor, buffer, count, flags, NULL, NULL, deadline);
}

ssize_t pinion_recv(struct pinion_io *io, int descriptor, void *buffer, size_t count, int flags)
{
    return pinion_recvfrom_until(io, descriptor, buffer, count, flags, NULL, NULL,
                                 PINION_FOREVER);
}

ssize_t pinion_recvmsg_until(struct pinion_io *io, int descriptor, struct msghdr *message,
                             int flags, int64_t deadline)
{
    struct pn_operation operation =
        pn_operation(SYS_recvmsg, descriptor, PN_ADDRESS(message), 0, 0, 0, 0);
    return transfer(io, &operation, 2, flags | MSG_CMSG_CLOEXEC, &operation.readable, deadline);
}

ssize_t pinion_recvmsg(struct pinion_io *io, int descriptor, struct msghdr *message, int flags)
{
    return pinion_recvmsg_until(io, descriptor, message, flags, PINION_FOREVER);
}

/* ---- all of it ---- */

ssize_t pinion_send_all_until(struct pinion_io *io, int descriptor, const void *buffer,
                              size_t count, int flags, int64_t deadline)
{
    size_t done = 0;
    do {
        const ssize_t last = pinion_send_until(io, descriptor, (const char *)buffer + done,
                                               count - done, flags, deadline);
        if (last < 0)
            return last;
        done += (size_t)last;
    } while (done < count);
    return (ssize_t)done;
}

ssize_t pinion_send_all(struct pinion_io *io, int descriptor, const void *buffer, size_t count,
                        int flags)
{
    return pinion_send_all_until(io, descriptor, buffer, count, flags, PINION_FOREVER);
}

/* Whether the next call gives this error too, so that what was received goes before it. The kernel
 * gives its own once: after a reset the stream seems to have ended. */
static bool comes_again(ssize_t error, int64_t deadline)
{
    return error == -ECANCELED || (error == -ETIMEDOUT && pn_now() >= deadline);
}

ssize_t pinion_recv_all_until(struct pinion_io *io, int descriptor, void *buffer, size_t count,
                              int flags, int64_t deadline)
{
    size_t done = 0;
    ssize_t last;
    if (flags & MSG_PEEK)
        return -EINVAL;
    do {
        last = pinion_recv_until(io, descriptor, (char *)buffer + done, count - done, flags,
                                 deadline);
        done += last > 0 ? (size_t)last : 0;
    } while (last > 0 && done < count);
    if (last < 0 && (done == 0 || !comes_again(last, deadline)))
        return last;
    if (last == -ECANCELED)
        pn_cancel_put_back();
    return (ssize_t)done;
}

ssize_t pinion_recv_all(struct pinion_io *io, int descriptor, void *buffer, size_t count,
                        int flags)
{
    return pinion_recv_all_until(io, descriptor, buffer, count, flags, PINION_FOREVER);
}
