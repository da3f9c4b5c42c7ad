/* SPDX-License-Identifier: MIT
 *
 * What calls on sockets need to know of their arguments, be they made at once (socket.c) or in a
 * batch (operation.c).
 */
#ifndef PN_SOCKET_H
#define PN_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* With any of these in its flags a call does not wait: -EAGAIN is its result. */
#define PN_SEND_NEVER_WAITS    MSG_DONTWAIT
#define PN_RECEIVE_NEVER_WAITS (MSG_DONTWAIT | MSG_OOB | MSG_ERRQUEUE)

/* A Unix socket that is O_NONBLOCK gives -EAGAIN to connect while the other's backlog is full: it
 * is not connecting, and connect is to be called again. */
static inline bool pn_is_unix_address(const struct sockaddr *address, size_t length)
{
    return address && length >= sizeof address->sa_family && address->sa_family == AF_UNIX;
}

#endif
