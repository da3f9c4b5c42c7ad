/* SPDX-License-Identifier: MIT
 *
 * Where to listen or to connect to, in a word: HOST:PORT or unix:PATH.
 */
#include <pinion/net.h>

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/un.h>

#include "detail.h"
#include "futex.h"

/* list: the addresses, own if it is a Unix socket. host: "" for every address, or for this
 * machine. */
struct place {
    char host[NI_MAXHOST];
    const char *service;
    struct addrinfo *list, own;
    struct sockaddr_un path;
};

static bool begins_with(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* ---- reading ---- */

static int read_path(const char *path, struct place *place)
{
    const size_t bytes = strlen(path) + 1;
    if (bytes == 1)
        return pn_error(EINVAL, "'unix:' lacks a path; write unix:PATH");
    if (bytes > sizeof place->path.sun_path)
        return pn_error(ENAMETOOLONG, "the path of a Unix socket has %zu bytes; it takes %zu",
                        bytes - 1, sizeof place->path.sun_path - 1);
    place->path.sun_family = AF_UNIX;
    memcpy(place->path.sun_path, path, bytes);
    place->own = (struct addrinfo){.ai_family = AF_UNIX,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_addr = (struct sockaddr *)&place->path,
                                   .ai_addrlen = sizeof place->path};
    place->list = &place->own;
    return 0;
}

/* Where the host begins and ends, and the port's colon. */
static int split(const char *where, const char **host, size_t *bytes, const char **colon)
{
    const bool is_bracketed = where[0] == '[';
    const char *end = is_bracketed ? strchr(where, ']') : strchr(where, ':');
    *host = where + is_bracketed;
    *colon = is_bracketed && end ? end + 1 : end;
    if (is_bracketed && !end)
        return pn_error(EINVAL, "'%s' lacks its closing bracket; write [ADDRESS]:PORT", where);
    if (!*colon || **colon != ':' || (*colon)[1] == '\0')
        return pn_error(EINVAL, "'%s' has no port; write HOST:PORT", where);
    if (strchr(*colon + 1, ':'))
        return pn_error(EINVAL, "'%s' has more than one colon; write [ADDRESS]:PORT", where);
    *bytes = (size_t)(end - *host);
    return is_bracketed && *bytes == 0 ? pn_error(EINVAL, "'%s' has no address", where) : 0;
}

static int read_host(const char *where, struct place *place)
{
    const char *host, *colon;
    size_t bytes = 0;
    const int error = split(where, &host, &bytes, &colon);
    if (error)
        return error;
    if (bytes >= sizeof place->host)
        return pn_error(EINVAL, "a host's name of %zu bytes; it takes %zu", bytes,
                        sizeof place->host - 1);
    memcpy(place->host, host, bytes);
    place->host[bytes] = '\0';
    place->service = colon + 1;
    return 0;
}

static int find(struct pinion_io *io, const char *where, int flags, int64_t deadline,
                struct place *place)
{
    const struct addrinfo hints = {
        .ai_socktype = SOCK_STREAM,
        .ai_flags = flags | (where[0] == '[' ? AI_NUMERICHOST : 0)};
    if (begins_with(where, "unix:"))
        return read_path(where + strlen("unix:"), place);
    const int error = read_host(where, place);
    if (error)
        return error;
    return pinion_getaddrinfo_until(io, place->host[0] ? place->host : NULL, place->service,
                                    &hints, &place->list, deadline);
}

static void forget(struct place *place)
{
    if (place->list != &place->own)
        freeaddrinfo(place->list);
}

/* ---- listening ---- */

static void set(int descriptor, int level, int option, int value)
{
    const int saved = errno;
    (void)setsockopt(descriptor, level, option, &value, sizeof value);
    errno = saved;
}

static int listen_at(struct pinion_io *io, const struct addrinfo *at, int backlog, bool is_any)
{
    const int descriptor = pinion_socket(io, at->ai_family, at->ai_socktype, at->ai_protocol);
    if (descriptor < 0)
        return descriptor;
    if (at->ai_family != AF_UNIX)
        set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
    if (is_any && at->ai_family == AF_INET6)
        set(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    int error = pinion_bind(io, descriptor, at->ai_addr, at->ai_addrlen);
    if (!error)
        error = pinion_listen(io, descriptor, backlog > 0 ? backlog : SOMAXCONN);
    if (!error)
        return descriptor;
    (void)pinion_close(io, descriptor);
    return error;
}

/* Every address: IPv6's takes IPv4 too. */
static int listen_on_any(struct pinion_io *io, const struct place *place, int backlog)
{
    static const int families[] = {AF_INET6, AF_INET};
    int result = -EAFNOSUPPORT;
    for (size_t i = 0; i < 2 && (result == -EAFNOSUPPORT || result == -EADDRNOTAVAIL); i++)
        for (const struct addrinfo *at = place->list; at; at = at->ai_next)
            if (at->ai_family == families[i])
                result = listen_at(io, at, backlog, true);
    return result;
}

static int listen_on_first(struct pinion_io *io, const struct place *place, int backlog)
{
    int first = 0;
    for (const struct addrinfo *at = place->list; at; at = at->ai_next) {
        const int result = listen_at(io, at, backlog, false);
        if (result >= 0 || result == -ECANCELED)
            return result;
        first = first ? first : result;
    }
    return first;
}

int pinion_listen_on_until(struct pinion_io *io, const char *where, int backlog, int64_t deadline)
{
    struct place place = {.list = NULL};
    int result = find(io, where, AI_PASSIVE, deadline, &place);
    if (result)
        return result;
    if (place.list != &place.own && !place.host[0])
        result = listen_on_any(io, &place, backlog);
    else
        result = listen_on_first(io, &place, backlog);
    forget(&place);
    return result;
}

int pinion_listen_on(struct pinion_io *io, const char *where, int backlog)
{
    return pinion_listen_on_until(io, where, backlog, PINION_FOREVER);
}

/* ---- connecting ---- */

static int connect_at(struct pinion_io *io, const struct addrinfo *at, int64_t deadline)
{
    const int descriptor = pinion_socket(io, at->ai_family, at->ai_socktype, at->ai_protocol);
    if (descriptor < 0)
        return descriptor;
    const int error =
        pinion_connect_until(io, descriptor, at->ai_addr, at->ai_addrlen, deadline);
    if (!error)
        return descriptor;
    (void)pinion_close(io, descriptor);
    return error;
}

int pinion_connect_to_until(struct pinion_io *io, const char *where, int64_t deadline)
{
    struct place place = {.list = NULL};
    int result = find(io, where, 0, deadline, &place);
    int first = result;
    if (result)
        return result;
    for (const struct addrinfo *at = place.list; at; at = at->ai_next) {
        result = connect_at(io, at, deadline);
        first = first ? first : result;
        if (result >= 0 || result == -ECANCELED ||
            (result == -ETIMEDOUT && deadline <= pn_now()))
            break;
        result = first;
    }
    forget(&place);
    return result;
}

int pinion_connect_to(struct pinion_io *io, const char *where)
{
    return pinion_connect_to_until(io, where, PINION_FOREVER);
}
