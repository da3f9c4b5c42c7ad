/* SPDX-License-Identifier: MIT */
#include "operation.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "call.h"
#include "futex.h"
#include "socket.h"

/* kind. */
enum {
    READ, READV, PREAD, WRITE, WRITEV, PWRITE, FSYNC, RECV, RECVMSG, SEND, SENDMSG, ACCEPT, CONNECT,
    POLL, SLEEP, SLEEP_UNTIL
};

/* step of a connect: whether the kernel may have begun it. Of a transfer: how it is kept from
 * waiting. PLAINLY: its descriptor waits for a disk at most. */
enum { UNTRIED, BEGUN };
enum { UNKNOWN, PLAINLY, AS_MESSAGE, WITHOUT_WAIT, WITH_ALARM };

/* ---- preparing ---- */

/* All but what follows is zero, and user is the caller's. */
static void prepare(struct pinion_operation *operation, uint32_t kind, int descriptor,
                    const void *address, size_t count)
{
    const size_t kept = offsetof(struct pinion_operation, result);
    memset((char *)operation + kept, 0, sizeof *operation - kept);
    operation->kind = kind;
    operation->descriptor = descriptor;
    operation->address = address;
    operation->count = count;
}

void pinion_prepare_read(struct pinion_operation *operation, int descriptor, void *buffer,
                         size_t count)
{
    prepare(operation, READ, descriptor, buffer, count);
}

void pinion_prepare_readv(struct pinion_operation *operation, int descriptor,
                          const struct iovec *parts, int part_count)
{
    prepare(operation, READV, descriptor, parts, (size_t)part_count);
}

void pinion_prepare_pread(struct pinion_operation *operation, int descriptor, void *buffer,
                          size_t count, off_t offset)
{
    prepare(operation, PREAD, descriptor, buffer, count);
    operation->offset = offset;
}

void pinion_prepare_write(struct pinion_operation *operation, int descriptor, const void *buffer,
                          size_t count)
{
    prepare(operation, WRITE, descriptor, buffer, count);
}

void pinion_prepare_writev(struct pinion_operation *operation, int descriptor,
                           const struct iovec *parts, int part_count)
{
    prepare(operation, WRITEV, descriptor, parts, (size_t)part_count);
}

void pinion_prepare_pwrite(struct pinion_operation *operation, int descriptor, const void *buffer,
                           size_t count, off_t offset)
{
    prepare(operation, PWRITE, descriptor, buffer, count);
    operation->offset = offset;
}

void pinion_prepare_fsync(struct pinion_operation *operation, int descriptor)
{
    prepare(operation, FSYNC, descriptor, NULL, 0);
}

void pinion_prepare_recv(struct pinion_operation *operation, int descriptor, void *buffer,
                         size_t count, int flags)
{
    prepare(operation, RECV, descriptor, buffer, count);
    operation->flags = flags;
}

void pinion_prepare_recvmsg(struct pinion_operation *operation, int descriptor,
                            struct msghdr *message, int flags)
{
    prepare(operation, RECVMSG, descriptor, message, 1);
    operation->flags = flags;
}

void pinion_prepare_send(struct pinion_operation *operation, int descriptor, const void *buffer,
                         size_t count, int flags)
{
    prepare(operation, SEND, descriptor, buffer, count);
    operation->flags = flags;
}

void pinion_prepare_sendmsg(struct pinion_operation *operation, int descriptor,
                            const struct msghdr *message, int flags)
{
    prepare(operation, SENDMSG, descriptor, message, 1);
    operation->flags = flags;
}

void pinion_prepare_accept(struct pinion_operation *operation, int descriptor,
                           struct sockaddr *address, socklen_t *length)
{
    prepare(operation, ACCEPT, descriptor, address, 0);
    operation->length = length;
}

void pinion_prepare_connect(struct pinion_operation *operation, int descriptor,
                            const struct sockaddr *address, socklen_t length)
{
    prepare(operation, CONNECT, descriptor, address, length);
}

void pinion_prepare_poll(struct pinion_operation *operation, int descriptor, short events)
{
    prepare(operation, POLL, descriptor, NULL, 0);
    operation->flags = events;
}

void pinion_prepare_sleep(struct pinion_operation *operation, int64_t duration)
{
    prepare(operation, SLEEP, -1, NULL, 0);
    operation->offset = duration;
}

void pinion_prepare_sleep_until(struct pinion_operation *operation, int64_t deadline)
{
    prepare(operation, SLEEP_UNTIL, -1, NULL, 0);
    operation->offset = deadline;
}

/* ---- what it waits for ---- */

void pn_operation_begin(struct pinion_operation *operation)
{
    operation->state = operation->kind == POLL ? PN_OPERATION_WAITS : PN_OPERATION_FRESH;
    operation->step = 0;
    operation->tries = 0;
    operation->time = operation->kind == SLEEP ? pn_deadline_after(operation->offset)
                      : operation->kind == SLEEP_UNTIL ? operation->offset : 0;
}

static short events_of(const struct pinion_operation *operation)
{
    switch (operation->kind) {
    case READ:
    case PREAD:
        return operation->count > 0 ? POLLIN : 0;
    case RECV:
    case RECVMSG:
        return operation->flags & PN_RECEIVE_NEVER_WAITS ? 0 : POLLIN;
    case READV:
    case ACCEPT:
        return POLLIN;
    case WRITE:
    case WRITEV:
    case PWRITE:
        return POLLOUT;
    case SEND:
    case SENDMSG:
        return operation->flags & PN_SEND_NEVER_WAITS ? 0 : POLLOUT;
    case CONNECT:
        return operation->step == BEGUN ? POLLOUT : 0;
    case POLL:
        return (short)operation->flags;
    default:
        return 0;
    }
}

bool pn_operation_awaits(const struct pinion_operation *operation, short *events)
{
    *events = events_of(operation);
    return operation->descriptor >= 0 && (*events || operation->kind == POLL);
}

long pn_operation_of_readiness(const struct pinion_operation *operation, long ready)
{
    if (operation->kind != POLL)
        return 0;
    return ready < 0 ? ready : ready & (operation->flags | POLLERR | POLLHUP);
}

static bool has_offset(const struct pinion_operation *operation)
{
    return operation->kind == PREAD || operation->kind == PWRITE;
}

static bool is_write(const struct pinion_operation *operation)
{
    return operation->kind == WRITE || operation->kind == WRITEV || operation->kind == PWRITE;
}

struct pn_lanes pn_operation_lanes(const struct pinion_operation *operation)
{
    switch (operation->kind) {
    case PREAD:
    case POLL:
        return (struct pn_lanes){0, 0};
    case PWRITE:
        return (struct pn_lanes){PN_LANE_WRITE_AT, 0};
    case FSYNC:
        return (struct pn_lanes){0, PN_LANE_WRITE | PN_LANE_WRITE_AT};
    case WRITE:
    case WRITEV:
    case SEND:
    case SENDMSG:
    case CONNECT:
        return (struct pn_lanes){PN_LANE_WRITE, PN_LANE_WRITE};
    default:
        return (struct pn_lanes){PN_LANE_READ, PN_LANE_READ};
    }
}

/* ---- its call ---- */

static struct pn_operation message_call(const struct pinion_operation *operation)
{
    const bool is_send = operation->kind == SEND || operation->kind == SENDMSG;
    const bool is_plain = operation->kind == SEND || operation->kind == RECV;
    const int flags = (operation->flags & ~MSG_WAITALL) | MSG_DONTWAIT |
                      (is_send ? MSG_NOSIGNAL : MSG_CMSG_CLOEXEC);
    struct pn_operation call =
        is_plain ? pn_operation(is_send ? SYS_sendto : SYS_recvfrom, operation->descriptor,
                                PN_ADDRESS(operation->address), (long)operation->count, flags, 0,
                                0)
                 : pn_operation(is_send ? SYS_sendmsg : SYS_recvmsg, operation->descriptor,
                                PN_ADDRESS(operation->address), flags, 0, 0, 0);
    call.never_waits = true;
    return call;
}

static struct pn_operation accept_call(const struct pinion_operation *operation)
{
    return pn_operation(SYS_accept4, operation->descriptor, PN_ADDRESS(operation->address),
                        PN_ADDRESS(operation->length), SOCK_CLOEXEC, 0, 0);
}

static struct pn_operation connect_call(const struct pinion_operation *operation)
{
    return pn_operation(SYS_connect, operation->descriptor, PN_ADDRESS(operation->address),
                        (long)operation->count, 0, 0, 0);
}

static struct pn_operation fsync_call(const struct pinion_operation *operation)
{
    return pn_operation(SYS_fsync, operation->descriptor, 0, 0, 0, 0, 0);
}

static struct pn_operation transfer_call(const struct pinion_operation *operation)
{
    static const long numbers[] = {[READ] = SYS_read,   [READV] = SYS_readv,
                                   [PREAD] = SYS_pread64, [WRITE] = SYS_write,
                                   [WRITEV] = SYS_writev, [PWRITE] = SYS_pwrite64};
    struct pn_operation call =
        pn_operation(numbers[operation->kind], operation->descriptor,
                     PN_ADDRESS(operation->address), (long)operation->count, operation->offset, 0,
                     0);
    if (is_write(operation))
        call.sigpipe_below = operation->kind == WRITEV
                                 ? pn_bytes_of(operation->address, (int)operation->count)
                                 : operation->count;
    call.never_waits = true;
    return call;
}

static bool is_vector(const struct pinion_operation *operation)
{
    return operation->kind == READV || operation->kind == WRITEV;
}

static bool has_valid_parts(const struct pinion_operation *operation)
{
    const int count = (int)operation->count;
    return !is_vector(operation) || (count >= 0 && count <= IOV_MAX);
}

bool pn_operation_call(const struct pinion_operation *operation, struct pn_operation *call)
{
    const short events = events_of(operation);
    const int descriptor = operation->descriptor;
    if (descriptor < 0)
        return false;
    if (operation->kind == FSYNC) {
        *call = fsync_call(operation);
        return true;
    }
    if (operation->kind == CONNECT && operation->step == UNTRIED) {
        *call = connect_call(operation);
        call->writable = pn_is_unix_address(operation->address, operation->count) ? descriptor : -1;
        return true;
    }
    if (!events || operation->kind == POLL || operation->kind == CONNECT ||
        !has_valid_parts(operation))
        return false;
    *call = operation->kind == ACCEPT         ? accept_call(operation)
            : operation->kind < FSYNC         ? transfer_call(operation)
                                              : message_call(operation);
    *(events == POLLIN ? &call->readable : &call->writable) = descriptor;
    return true;
}

bool pn_operation_goes_on(struct pinion_operation *operation, long result)
{
    const bool is_connect = operation->kind == CONNECT;
    if (result != -EINPROGRESS && (!is_connect || (result != -EALREADY && result != -ECANCELED)))
        return false;
    if (is_connect)
        operation->step = BEGUN;
    return true;
}

/* ---- doing it ---- */

/* A call that does not wait by itself, or for no more than a disk. */
static long perform(struct pinion_io *io, const struct pn_operation *operation)
{
    return pn_perform(io, operation, PN_UNCANCELABLE(INT64_MAX));
}

/* One that is ended if it waits. */
static long perform_with_alarm(struct pinion_io *io, const struct pn_operation *operation)
{
    const long result = pn_perform(io, operation, PN_UNCANCELABLE(0));
    return result == -ETIMEDOUT ? PN_LATE : result;
}

/* Which of the events are there now; 0: none; -errno. */
static int look(struct pinion_io *io, const struct pinion_operation *operation)
{
    struct pollfd one = {.fd = operation->descriptor, .events = events_of(operation)};
    if (one.fd < 0)
        return -EBADF;
    const int ready = pn_poll(io, &one, 1, PN_UNCANCELABLE(0));
    return ready <= 0 ? ready : one.revents & POLLNVAL ? -EBADF : one.revents;
}

static long poll_one(struct pinion_io *io, const struct pinion_operation *operation)
{
    const int ready = look(io, operation);
    return ready == 0 ? -EAGAIN : ready;
}

/* For calls that no flag keeps from waiting: whoever was faster is seen before the alarm has to. */
static long look_and_perform(struct pinion_io *io, const struct pinion_operation *operation,
                             const struct pn_operation *call)
{
    const int ready = look(io, operation);
    return ready == 0 ? -EAGAIN : perform_with_alarm(io, call);
}

static uint16_t way_of(struct pinion_io *io, const struct pinion_operation *operation)
{
    struct stat status;
    struct pn_operation fstat =
        pn_operation(SYS_fstat, operation->descriptor, PN_ADDRESS(&status), 0, 0, 0, 0);
    fstat.never_waits = true; /* or for so little that a thread for it would cost more */
    if (events_of(operation) == 0 || perform(io, &fstat))
        return PLAINLY;
    if (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode) || S_ISDIR(status.st_mode))
        return PLAINLY;
    return S_ISSOCK(status.st_mode) && !has_offset(operation) ? AS_MESSAGE : WITHOUT_WAIT;
}

static long transfer_as_message(struct pinion_io *io, int descriptor, const struct iovec *parts,
                                int part_count, bool is_write)
{
    const struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts,
                                   .msg_iovlen = (size_t)part_count};
    struct pn_operation call =
        pn_operation(is_write ? SYS_sendmsg : SYS_recvmsg, descriptor, PN_ADDRESS(&message),
                     is_write ? MSG_DONTWAIT | MSG_NOSIGNAL : MSG_DONTWAIT, 0, 0, 0);
    call.never_waits = true;
    return perform(io, &call);
}

static long transfer_parts(struct pinion_io *io, struct pinion_operation *operation,
                           const struct iovec *parts, int part_count)
{
    const bool writes = is_write(operation);
    const long offset = has_offset(operation) ? operation->offset : -1;
    struct pn_operation call = pn_operation(writes ? SYS_pwritev2 : SYS_preadv2,
                                            operation->descriptor, PN_ADDRESS(parts), part_count,
                                            offset, 0, 0);
    if (writes)
        call.sigpipe_below = pn_bytes_of(parts, part_count);
    if (operation->step == UNKNOWN)
        operation->step = way_of(io, operation);
    if (operation->step == AS_MESSAGE)
        return transfer_as_message(io, operation->descriptor, parts, part_count, writes);
    if (operation->step == PLAINLY)
        return perform(io, &call);
    if (operation->step == WITHOUT_WAIT) {
        call.call.arguments[5] = RWF_NOWAIT;
        call.never_waits = true;
        const long result = perform(io, &call);
        if (result != -EOPNOTSUPP)
            return result;
        call.call.arguments[5] = 0;
        call.never_waits = false;
        operation->step = WITH_ALARM;
    }
    return look_and_perform(io, operation, &call);
}

static long transfer(struct pinion_io *io, struct pinion_operation *operation)
{
    const struct iovec one = {(void *)(uintptr_t)operation->address, operation->count};
    if (!has_valid_parts(operation) || (has_offset(operation) && operation->offset < 0))
        return -EINVAL;
    return is_vector(operation)
               ? transfer_parts(io, operation, operation->address, (int)operation->count)
               : transfer_parts(io, operation, &one, 1);
}

/* Of a socket that does not listen poll may say nothing, ever. */
static long accept_one(struct pinion_io *io, const struct pinion_operation *operation)
{
    int listens = 0;
    socklen_t size = sizeof listens;
    const struct pn_operation call = accept_call(operation);
    const struct pn_operation question =
        pn_operation(SYS_getsockopt, operation->descriptor, SOL_SOCKET, SO_ACCEPTCONN,
                     PN_ADDRESS(&listens), PN_ADDRESS(&size), 0);
    const long result = look_and_perform(io, operation, &call);
    if (result != -EAGAIN)
        return result;
    const long error = perform(io, &question);
    return error ? error : listens ? -EAGAIN : -EINVAL;
}

/* The first call begins it, the last one is told what became of it; on a socket that is not
 * O_NONBLOCK an alarm ends the first, and the kernel goes on. A Unix socket whose peer's backlog is
 * full is not connecting: it is tried again. */
static long connect_one(struct pinion_io *io, struct pinion_operation *operation)
{
    int error = 0;
    socklen_t size = sizeof error;
    const struct pn_operation failure =
        pn_operation(SYS_getsockopt, operation->descriptor, SOL_SOCKET, SO_ERROR,
                     PN_ADDRESS(&error), PN_ADDRESS(&size), 0);
    const struct pn_operation call = connect_call(operation);
    const bool was_begun = operation->step == BEGUN;
    if (was_begun && perform(io, &failure) == 0 && error)
        return -error;
    const long result = perform_with_alarm(io, &call);
    if (result == -EISCONN && was_begun)
        return 0;
    if (result == -EINPROGRESS || result == -EALREADY || result == PN_LATE ||
        (result == -EAGAIN && pn_is_unix_address(operation->address, operation->count)))
        operation->step = BEGUN;
    return result == -EALREADY ? -EINPROGRESS : result;
}

static long perform_call(struct pinion_io *io, struct pn_operation call)
{
    return perform(io, &call);
}

static long perform_kind(struct pinion_io *io, struct pinion_operation *operation)
{
    switch (operation->kind) {
    case FSYNC:
        return perform_call(io, fsync_call(operation));
    case RECV:
    case RECVMSG:
    case SEND:
    case SENDMSG:
        return perform_call(io, message_call(operation));
    case ACCEPT:
        return accept_one(io, operation);
    case CONNECT:
        return connect_one(io, operation);
    case POLL:
        return poll_one(io, operation);
    case SLEEP:
    case SLEEP_UNTIL:
        return 0;
    default:
        return transfer(io, operation);
    }
}

long pn_operation_try(struct pinion_io *io, struct pinion_operation *operation)
{
    short events;
    const long result = perform_kind(io, operation);
    return result == -EAGAIN && pn_operation_awaits(operation, &events) ? -EINPROGRESS : result;
}
