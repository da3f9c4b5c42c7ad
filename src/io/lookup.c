/* SPDX-License-Identifier: MIT
 *
 * Names. libc's lookup can't be interrupted and has no deadline, so it runs in a task of its own,
 * and who waits for it may leave.
 */
#include <pinion/net.h>

#include <errno.h>
#include <netdb.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include <pinion/sync.h>

#include "cancel.h"
#include "detail.h"
#include "futex.h"
#include "interface.h"
#include "trace.h"

/* What is looked for, and what was found. holders: who asked, and the task; the last to let go
 * frees it. answer: written by the task before it sets done. */
struct lookup {
    struct pinion_io *io;
    _Atomic(unsigned) holders;
    struct pinion_event done;
    struct addrinfo hints;
    const char *host, *service; /* in names, or NULL */
    struct answer {
        int code, error; /* of getaddrinfo, and errno */
        struct addrinfo *list;
    } answer;
    char names[];
};

/* ---- what libc says ---- */

static int error_of(const struct answer *answer)
{
    switch (answer->code) {
    case 0:
        return 0;
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
    case EAI_SERVICE:
        return ENOENT;
    case EAI_AGAIN:
        return EAGAIN;
    case EAI_MEMORY:
        return ENOMEM;
    case EAI_BADFLAGS:
    case EAI_FAMILY:
    case EAI_SOCKTYPE:
        return EINVAL;
    default:
        return EIO;
    }
}

static int give(const struct answer *answer, const char *host, const char *service,
                struct addrinfo **result)
{
    const int error = error_of(answer);
    if (!error) {
        *result = answer->list;
        return 0;
    }
    const char *why =
        answer->code == EAI_SYSTEM ? strerrordesc_np(answer->error) : gai_strerror(answer->code);
    return pn_error(error, "looking up host '%s', service '%s': %s", host ? host : "",
                    service ? service : "", why ? why : "?");
}

static struct answer ask(const char *host, const char *service, const struct addrinfo *hints)
{
    struct answer answer = {.list = NULL};
    const int saved = errno;
    answer.code = getaddrinfo(host, service, hints, &answer.list);
    answer.error = errno;
    errno = saved;
    return answer;
}

/* ---- the task ---- */

static void let_go(struct lookup *lookup)
{
    /* Pairs with itself: who frees it sees what the other has done. */
    if (pn_fetch_sub_acq_rel(&lookup->holders, 1u) != 1)
        return;
    if (lookup->answer.list)
        freeaddrinfo(lookup->answer.list);
    free(lookup);
}

static void run(const void *context, void *unused)
{
    struct lookup *lookup = *(struct lookup *const *)context;
    (void)unused;
    PN_TASK_IS(run, "getaddrinfo");
    lookup->answer = ask(lookup->host, lookup->service, &lookup->hints);
    pinion_event_set(lookup->io, &lookup->done);
    let_go(lookup);
}

static char *copy(char **room, const char *name)
{
    char *begin = *room;
    if (!name)
        return NULL;
    *room = stpcpy(begin, name) + 1;
    return begin;
}

static struct lookup *prepare(struct pinion_io *io, const char *host, const char *service,
                              const struct addrinfo *hints)
{
    const size_t bytes =
        (host ? strlen(host) + 1 : 0) + (service ? strlen(service) + 1 : 0);
    const int saved = errno;
    struct lookup *lookup = malloc(sizeof *lookup + bytes);
    errno = saved;
    if (!lookup)
        return NULL;
    char *room = lookup->names;
    *lookup = (struct lookup){.io = io, .hints = *hints};
    pn_store_relaxed(&lookup->holders, 2u); /* nobody else knows it yet */
    lookup->host = copy(&room, host);
    lookup->service = copy(&room, service);
    return lookup;
}

/* Starts it, or runs it here. -ECANCELED: neither. */
static int start(struct lookup *lookup)
{
    const struct pinion_call call = {.start = run, .context = &lookup,
                                     .context_size = sizeof lookup,
                                     .context_align = alignof(struct lookup *)};
    const struct pn_spawn spawn = {.call = &call, .io = lookup->io, .kind = PN_DETACHED};
    struct pinion_task *unused;
    if (pn_spawn(lookup->io, &spawn, &unused) == 0)
        return 0;
    return pinion_blocking(lookup->io, &call, NULL);
}

static int look_up(struct pinion_io *io, const char *host, const char *service,
                   const struct addrinfo *hints, struct addrinfo **result, int64_t deadline)
{
    struct lookup *lookup = prepare(io, host, service, hints);
    if (!lookup)
        return pn_error(ENOMEM, "out of memory for a lookup");
    int error = start(lookup);
    if (error)
        let_go(lookup); /* for the task that there isn't */
    else
        error = pinion_event_wait_until(io, &lookup->done, deadline);
    if (!error) {
        error = give(&lookup->answer, host, service, result);
        lookup->answer.list = NULL; /* the caller's */
    }
    let_go(lookup);
    return error;
}

/* ---- the call ---- */

/* A port, or none: then nobody needs to be asked for the service. */
static bool is_in_digits(const char *service)
{
    return !service || service[strspn(service, "0123456789")] == '\0';
}

/* libc takes the lower 16 bits of what is larger. */
static int check_port(const char *service)
{
    const int saved = errno;
    const bool is_port = !service || strtoul(service, NULL, 10) <= UINT16_MAX;
    errno = saved;
    return is_port ? 0 : pn_error(EINVAL, "port %.20s is out of range 0..65535", service);
}

int pinion_getaddrinfo_until(struct pinion_io *io, const char *host, const char *service,
                             const struct addrinfo *hints, struct addrinfo **result,
                             int64_t deadline)
{
    struct addrinfo wanted = {.ai_flags = AI_V4MAPPED | AI_ADDRCONFIG}; /* libc's own, for NULL */
    int error = pn_io_enter(io, PN_CANCELABLE(deadline));
    if (error)
        return error;
    if (hints)
        wanted = (struct addrinfo){.ai_flags = hints->ai_flags,
                                   .ai_family = hints->ai_family,
                                   .ai_socktype = hints->ai_socktype,
                                   .ai_protocol = hints->ai_protocol};
    if (is_in_digits(service)) {
        if ((error = check_port(service)))
            return error;
        struct addrinfo digits = wanted;
        digits.ai_flags = (digits.ai_flags & ~AI_CANONIDN) | AI_NUMERICHOST | AI_NUMERICSERV;
        const struct answer answer = ask(host, service, &digits);
        if (answer.code != EAI_NONAME || !host || (wanted.ai_flags & AI_NUMERICHOST))
            return give(&answer, host, service, result);
    }
    if (deadline <= pn_now())
        return -ETIMEDOUT;
    return look_up(io, host, service, &wanted, result, deadline);
}

int pinion_getaddrinfo(struct pinion_io *io, const char *host, const char *service,
                       const struct addrinfo *hints, struct addrinfo **result)
{
    return pinion_getaddrinfo_until(io, host, service, hints, result, PINION_FOREVER);
}
