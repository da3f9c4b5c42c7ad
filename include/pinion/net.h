/* SPDX-License-Identifier: MIT
 *
 * Sockets and names: the POSIX calls, as waits that a request to cancel and a deadline reach. What
 * file.h says at its top holds here too: a count, 0 or a descriptor, or -errno; no -EINTR; whether
 * a socket is O_NONBLOCK makes no difference, and that flag is never changed; descriptors are
 * O_CLOEXEC; no SIGPIPE; cancelation points; _until and its deadline. Calls of this kind that never
 * wait (getsockname, getsockopt, setsockopt) are used as they are.
 *
 * A socket may be read by one task and written by another at the same time. pinion_poll and
 * pinion_close are in file.h. Any thread may call these.
 */
#ifndef PINION_NET_H
#define PINION_NET_H

#include <sys/socket.h>

#include <pinion/file.h>

PINION_BEGIN

struct addrinfo; /* <netdb.h> */

/* A new socket, the caller's to close; type may have SOCK_NONBLOCK. -EMFILE, -ENFILE,
 * -EAFNOSUPPORT (no IPv6 here, say), -EPROTONOSUPPORT, -EINVAL: as socket(2). */
PINION_API int pinion_socket(struct pinion_io *io, int family, int type, int protocol);

/* Two sockets that are connected to each other, the caller's to close: as socketpair(2). */
PINION_API int pinion_socketpair(struct pinion_io *io, int family, int type, int protocol,
                                 int ends[2]);

/* Gives the socket an address of its own. -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, …: as bind(2). */
PINION_API int pinion_bind(struct pinion_io *io, int descriptor, const struct sockaddr *address,
                           socklen_t length);

/* Lets it be connected to; backlog: how many may wait to be accepted. As listen(2). */
PINION_API int pinion_listen(struct pinion_io *io, int descriptor, int backlog);

/* Waits for a connection. Returns its socket, the caller's to close: blocking, whatever the
 * listening one is. address (may be NULL, and length with it): who has connected, cut to *length,
 * which becomes its size. No connection is lost: where a request or the deadline comes first it
 * waits for the next accept. Errors as accept(2): -ECONNABORTED and those of the network
 * (-ENETDOWN, -EPROTO, …) are one connection's, so a server goes on; -EMFILE, -ENFILE: the
 * connection waits until a descriptor is free; -EINVAL: the socket does not listen, or was shut
 * down meanwhile. */
PINION_API int pinion_accept(struct pinion_io *io, int descriptor, struct sockaddr *address,
                             socklen_t *length);
PINION_API int pinion_accept_until(struct pinion_io *io, int descriptor, struct sockaddr *address,
                                   socklen_t *length, int64_t deadline);

/* Connects the socket, and waits until it is. -ECONNREFUSED, -ETIMEDOUT (also the network's own),
 * -ENETUNREACH, -EADDRINUSE, -EISCONN, …: as connect(2). After -ECANCELED or -ETIMEDOUT the kernel
 * may go on connecting: either connect the same socket to the same address again, which waits for
 * what was begun; or close it. After other errors close it. */
PINION_API int pinion_connect(struct pinion_io *io, int descriptor, const struct sockaddr *address,
                              socklen_t length);
PINION_API int pinion_connect_until(struct pinion_io *io, int descriptor,
                                    const struct sockaddr *address, socklen_t length,
                                    int64_t deadline);

/* Sends, and returns how many bytes: a datagram is sent whole or not at all (-EMSGSIZE). Of a
 * stream all of it, unless a request comes or the socket is O_NONBLOCK; with a deadline, as many
 * bytes as there is room for at once. MSG_NOSIGNAL is always set; with MSG_DONTWAIT in flags it
 * does not wait: -EAGAIN. -EPIPE: the connection is shut down; -ECONNRESET: the peer has reset it;
 * …: as send(2). */
PINION_API ssize_t pinion_send(struct pinion_io *io, int descriptor, const void *buffer,
                               size_t count, int flags);
PINION_API ssize_t pinion_send_until(struct pinion_io *io, int descriptor, const void *buffer,
                                     size_t count, int flags, int64_t deadline);
PINION_API ssize_t pinion_sendto(struct pinion_io *io, int descriptor, const void *buffer,
                                 size_t count, int flags, const struct sockaddr *address,
                                 socklen_t length);
PINION_API ssize_t pinion_sendto_until(struct pinion_io *io, int descriptor, const void *buffer,
                                       size_t count, int flags, const struct sockaddr *address,
                                       socklen_t length, int64_t deadline);
PINION_API ssize_t pinion_sendmsg(struct pinion_io *io, int descriptor,
                                  const struct msghdr *message, int flags);
PINION_API ssize_t pinion_sendmsg_until(struct pinion_io *io, int descriptor,
                                        const struct msghdr *message, int flags,
                                        int64_t deadline);

/* Receives up to count bytes, as soon as there are any. Returns how many; 0: the peer has ended
 * the stream, or sent an empty datagram. With MSG_DONTWAIT, MSG_OOB or MSG_ERRQUEUE in flags it
 * does not wait: -EAGAIN. address (may be NULL, and length with it): who sent it, cut to *length,
 * which becomes its size. -ECONNRESET, -ECONNREFUSED (a datagram sent before met nobody),
 * -ENOTCONN, …: as recv(2). */
PINION_API ssize_t pinion_recv(struct pinion_io *io, int descriptor, void *buffer, size_t count,
                               int flags);
PINION_API ssize_t pinion_recv_until(struct pinion_io *io, int descriptor, void *buffer,
                                     size_t count, int flags, int64_t deadline);
PINION_API ssize_t pinion_recvfrom(struct pinion_io *io, int descriptor, void *buffer,
                                   size_t count, int flags, struct sockaddr *address,
                                   socklen_t *length);
PINION_API ssize_t pinion_recvfrom_until(struct pinion_io *io, int descriptor, void *buffer,
                                         size_t count, int flags, struct sockaddr *address,
                                         socklen_t *length, int64_t deadline);
/* Descriptors that come with the message (SCM_RIGHTS) are O_CLOEXEC and the caller's to close; they
 * come with a count only, so none is lost to a request. */
PINION_API ssize_t pinion_recvmsg(struct pinion_io *io, int descriptor, struct msghdr *message,
                                  int flags);
PINION_API ssize_t pinion_recvmsg_until(struct pinion_io *io, int descriptor,
                                        struct msghdr *message, int flags, int64_t deadline);

/* Of a stream: sends until all is sent: count; or an error, and then some of it may be sent. */
PINION_API ssize_t pinion_send_all(struct pinion_io *io, int descriptor, const void *buffer,
                                   size_t count, int flags);
PINION_API ssize_t pinion_send_all_until(struct pinion_io *io, int descriptor, const void *buffer,
                                         size_t count, int flags, int64_t deadline);

/* Of a stream: receives until there are count bytes or it ends. Returns how many there are. Fewer
 * than count: it ended after that many, or a request or the deadline came, which the next call
 * gives (at the end it gives 0). An error of the connection (-ECONNRESET) is given at once, since
 * the kernel gives it once. -EINVAL: flags have MSG_PEEK. */
PINION_API ssize_t pinion_recv_all(struct pinion_io *io, int descriptor, void *buffer,
                                   size_t count, int flags);
PINION_API ssize_t pinion_recv_all_until(struct pinion_io *io, int descriptor, void *buffer,
                                         size_t count, int flags, int64_t deadline);

/* Ends one direction of a connection or both (SHUT_RD, SHUT_WR, SHUT_RDWR): as shutdown(2). Who
 * waits in it, here too, is told. */
PINION_API int pinion_shutdown(struct pinion_io *io, int descriptor, int how);

/* ---- names ---- */

/* Looks up a host, a service or both (either may be NULL, not both) as getaddrinfo(3). *result:
 * the list, which the caller frees by freeaddrinfo(3). Addresses in digits are read at once. For
 * names libc asks, on a thread of the io's own, a reservation as a parallel task's, which lasts
 * until the answer is there: a request or the deadline abandons that; the thread ends when libc
 * gives up, frees what it was given, and the io's destroy waits for it. Where no thread can be had
 * the lookup runs in the calling one, which then waits for it in any case (as pinion_blocking).
 * Errors, with the detail: -ENOENT (no such name or service, or it has no such address), -EAGAIN
 * (no name server has answered; later it may), -ENOMEM, -EIO (it can't be asked), -EINVAL (what
 * the hints want is none), -ECANCELED, -ETIMEDOUT. */
PINION_API int pinion_getaddrinfo(struct pinion_io *io, const char *host, const char *service,
                                  const struct addrinfo *hints, struct addrinfo **result);
PINION_API int pinion_getaddrinfo_until(struct pinion_io *io, const char *host,
                                        const char *service, const struct addrinfo *hints,
                                        struct addrinfo **result, int64_t deadline);

/* ---- the ten lines that everybody writes ---- */

/* Both take where as HOST:PORT, HOST a name, an IPv4 address, or an IPv6 address in brackets; PORT
 * 0 to 65535, or a service's name: "localhost:http", "127.0.0.1:0", "[::1]:8080". "unix:PATH" is a
 * Unix socket. What is malformed gives -EINVAL with the detail, a path that is too long
 * -ENAMETOOLONG. Else the errors of pinion_getaddrinfo and of the calls below. */

/* A TCP socket that listens there, the caller's to close. ":8080" is every address of this machine,
 * IPv6 and IPv4, if it has IPv6. Of a name's addresses the first that can be had. Port 0: one that
 * is free, which getsockname(2) tells. A restart is not held up by old connections (SO_REUSEADDR).
 * backlog as for pinion_listen; 0: the most. A Unix socket's path must not be there yet, and is
 * the caller's to unlink. */
PINION_API int pinion_listen_on(struct pinion_io *io, const char *where, int backlog);
PINION_API int pinion_listen_on_until(struct pinion_io *io, const char *where, int backlog,
                                      int64_t deadline);

/* A TCP socket that is connected to there, the caller's to close. Tries the name's addresses one
 * after the other; if none will have it, the first one's error. ":8080" is this machine. */
PINION_API int pinion_connect_to(struct pinion_io *io, const char *where);
PINION_API int pinion_connect_to_until(struct pinion_io *io, const char *where, int64_t deadline);

PINION_END

#endif
