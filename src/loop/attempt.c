/* SPDX-License-Identifier: MIT */
#include "attempt.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "futex.h"
#include "progress.h"

static long call(const struct pn_system_call *system_call)
{
    return pn_syscall(system_call, false, INT64_MAX);
}

/* ---- bytes ---- */

static long as_message(int descriptor, const struct iovec *parts, int count, bool is_write)
{
    const struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts,
                                   .msg_iovlen = (size_t)count};
    return call(PN_SYSTEM_CALL(is_write ? SYS_sendmsg : SYS_recvmsg, descriptor,
                               PN_ADDRESS(&message),
                               is_write ? MSG_DONTWAIT | MSG_NOSIGNAL : MSG_DONTWAIT));
}

/* A file's read or write waits for its disk, which nothing tells the end of. */
static bool is_file(int descriptor)
{
    struct stat status;
    return call(PN_SYSTEM_CALL(SYS_fstat, descriptor, PN_ADDRESS(&status))) == 0 &&
           (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode) || S_ISDIR(status.st_mode));
}

/* Sockets first: they are what a loop has most of. */
static long transfer(int descriptor, const struct iovec *parts, int count, bool is_write)
{
    if (count > 0 && pn_bytes_of(parts, count) > 0) {
        const long result = as_message(descriptor, parts, count, is_write);
        if (result != -ENOTSOCK)
            return result;
    }
    if (is_file(descriptor))
        return PN_NOT_HERE;
    const long result = call(PN_SYSTEM_CALL(is_write ? SYS_pwritev2 : SYS_preadv2, descriptor,
                                            PN_ADDRESS(parts), count, -1, -1, RWF_NOWAIT));
    if (result != -EOPNOTSUPP)
        return result;
    if (!pn_is_nonblocking(descriptor))
        return PN_NOT_HERE;
    return call(PN_SYSTEM_CALL(is_write ? SYS_writev : SYS_readv, descriptor, PN_ADDRESS(parts),
                               count));
}

static long read_into(const struct pn_operation *operation)
{
    const long *a = operation->call.arguments;
    const bool has_parts = operation->call.number == SYS_readv;
    const struct iovec one = {has_parts ? NULL : (void *)a[1], has_parts ? 0 : (size_t)a[2]};
    return has_parts ? transfer((int)a[0], (const struct iovec *)a[1], (int)a[2], false)
                     : transfer((int)a[0], &one, 1, false);
}

static long write_rest(struct pn_completion *completion)
{
    const struct iovec *parts;
    const int count = pn_progress_rest(completion, &parts);
    return transfer((int)completion->operation->call.arguments[0], parts, count, true);
}

/* ---- sockets ---- */

/* With argument `at` its flags. MSG_WAITALL needs a call that waits. */
static long with_flags(const struct pn_operation *operation, int at)
{
    struct pn_system_call system_call = operation->call;
    if ((system_call.arguments[at] & MSG_WAITALL) && operation->readable >= 0)
        return PN_NOT_HERE;
    system_call.arguments[at] |= MSG_DONTWAIT;
    return call(&system_call);
}

static long send_rest(struct pn_completion *completion, int at)
{
    const struct iovec *parts;
    if (completion->moved == 0)
        return with_flags(completion->operation, at);
    const int count = pn_progress_rest(completion, &parts);
    return as_message((int)completion->operation->call.arguments[0], parts, count, true);
}

static bool is_ready(int descriptor, short events)
{
    struct pollfd one = {.fd = descriptor, .events = events};
    struct timespec none = {0, 0};
    return call(PN_SYSTEM_CALL(SYS_ppoll, PN_ADDRESS(&one), 1, PN_ADDRESS(&none))) != 0;
}

/* No flag keeps it from waiting where another takes the connection first: a deadline does. Of one
 * that does not listen poll may say nothing, ever. */
static long accept_one(const struct pn_operation *operation)
{
    int listens = 0;
    socklen_t size = sizeof listens;
    const int descriptor = (int)operation->call.arguments[0];
    if (pn_is_nonblocking(descriptor))
        return call(&operation->call);
    const long error = call(PN_SYSTEM_CALL(SYS_getsockopt, descriptor, SOL_SOCKET, SO_ACCEPTCONN,
                                           PN_ADDRESS(&listens), PN_ADDRESS(&size)));
    if (error || !listens)
        return error ? error : call(&operation->call);
    if (!is_ready(descriptor, POLLIN))
        return -EAGAIN;
    const long result = pn_syscall(&operation->call, false, 0);
    return result == PN_LATE ? -EAGAIN : result;
}

/* ---- all ---- */

static long attempt(struct pn_completion *completion)
{
    const struct pn_operation *operation = completion->operation;
    switch (operation->call.number) {
    case SYS_read:
    case SYS_readv:
        return read_into(operation);
    case SYS_write:
    case SYS_writev:
        return write_rest(completion);
    case SYS_recvfrom:
        return with_flags(operation, 3);
    case SYS_recvmsg:
        return with_flags(operation, 2);
    case SYS_sendto:
        return send_rest(completion, 3);
    case SYS_sendmsg:
        return send_rest(completion, 2);
    case SYS_accept4:
        return accept_one(operation);
    case SYS_connect:
        return pn_is_nonblocking((int)operation->call.arguments[0]) ? call(&operation->call)
                                                                    : PN_NOT_HERE;
    default:
        return PN_NOT_HERE;
    }
}

long pn_attempt(struct pn_completion *completion)
{
    const long result = attempt(completion);
    return pn_progress_goes_on(completion, result) ? -EAGAIN : result;
}
