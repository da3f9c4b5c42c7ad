/* SPDX-License-Identifier: MIT */
#include "translate.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "progress.h"

/* The kernel moves no more in one call: INT_MAX, rounded down to a page of 4 KiB. */
#define BYTES_MAX 0x7ffff000ul

static unsigned bytes_of(long count)
{
    return (unsigned long)count < BYTES_MAX ? (unsigned)count : (unsigned)BYTES_MAX;
}

static bool can_seek(int descriptor)
{
    const int saved = errno;
    const bool can = lseek(descriptor, 0, SEEK_CUR) >= 0 || errno != ESPIPE;
    errno = saved;
    return can;
}

void pn_translate_awaited(const struct pn_operation *operation, int *readable, int *writable)
{
    *readable = operation->readable;
    *writable = operation->writable;
    if (operation->call.number == SYS_connect) /* the ring says so instead of -EINPROGRESS */
        *writable = (int)operation->call.arguments[0];
}

static bool can_await(const struct pn_operation *operation)
{
    return operation->readable >= 0 || operation->writable >= 0;
}

/* ---- bytes ---- */

/* What comes of no bytes the call itself knows best: most files give 0 at once, where a ring may
 * wait until there are some (a pipe's before Linux 6.5, a terminal's). */
static bool has_bytes(const struct iovec *parts, long count)
{
    return pn_bytes_of(parts, (int)count) > 0;
}

static bool translate_write(struct pn_completion *completion, struct io_uring_sqe *entry)
{
    const struct iovec *parts;
    const int descriptor = (int)completion->operation->call.arguments[0];
    const int count = pn_progress_rest(completion, &parts);
    if (!has_bytes(parts, count))
        return false;
    if (parts == &completion->part)
        io_uring_prep_write(entry, descriptor, parts->iov_base, bytes_of((long)parts->iov_len),
                            (__u64)-1);
    else
        io_uring_prep_writev(entry, descriptor, parts, (unsigned)count, (__u64)-1);
    return true;
}

/* From where the descriptor stands. */
static bool translate_transfer(struct pn_completion *completion, struct io_uring_sqe *entry)
{
    const long *a = completion->operation->call.arguments;
    switch (completion->operation->call.number) {
    case SYS_read:
        io_uring_prep_read(entry, (int)a[0], (void *)a[1], bytes_of(a[2]), (__u64)-1);
        return a[2] != 0;
    case SYS_readv:
        io_uring_prep_readv(entry, (int)a[0], (const struct iovec *)a[1], (unsigned)a[2],
                            (__u64)-1);
        return has_bytes((const struct iovec *)a[1], a[2]);
    case SYS_write:
    case SYS_writev:
        return translate_write(completion, entry);
    default:
        return false;
    }
}

static bool translate_at_offset(const struct pn_operation *operation, struct io_uring_sqe *entry)
{
    const long *a = operation->call.arguments;
    const bool has_flags =
        operation->call.number == SYS_preadv2 || operation->call.number == SYS_pwritev2;
    const bool is_here = has_flags && a[3] == -1;
    if (is_here ? !has_bytes((const struct iovec *)a[1], a[2])
                : a[3] < 0 || !can_seek((int)a[0]))
        return false;
    switch (operation->call.number) {
    case SYS_pread64:
        io_uring_prep_read(entry, (int)a[0], (void *)a[1], bytes_of(a[2]), (__u64)a[3]);
        break;
    case SYS_pwrite64:
        io_uring_prep_write(entry, (int)a[0], (const void *)a[1], bytes_of(a[2]), (__u64)a[3]);
        break;
    case SYS_preadv:
    case SYS_preadv2:
        io_uring_prep_readv(entry, (int)a[0], (const struct iovec *)a[1], (unsigned)a[2],
                            (__u64)a[3]);
        break;
    default:
        io_uring_prep_writev(entry, (int)a[0], (const struct iovec *)a[1], (unsigned)a[2],
                             (__u64)a[3]);
        break;
    }
    entry->rw_flags = has_flags ? (__kernel_rwf_t)a[5] : 0;
    return true;
}

static bool translate_splice(const struct pn_operation *operation, struct io_uring_sqe *entry)
{
    const long *a = operation->call.arguments;
    const int64_t *from = (const int64_t *)a[1], *to = (const int64_t *)a[3];
    if ((from && *from < 0) || (to && *to < 0))
        return false;
    io_uring_prep_splice(entry, (int)a[0], from ? *from : -1, (int)a[2], to ? *to : -1,
                         bytes_of(a[4]), (unsigned)a[5]);
    return true;
}

/* ---- sockets ---- */

/* What is to wait waits in the ring, also where a deadline made it a call that does not. */
static unsigned receive_flags(const struct pn_operation *operation, long flags)
{
    const bool waits = can_await(operation) && operation->never_waits;
    return (unsigned)flags & (waits ? ~(unsigned)MSG_DONTWAIT : ~0u);
}

/* A send that is to wait is made again when there is room: the ring's own wait makes it again with
 * what it had not copied yet, which of a datagram to a full peer is nothing. */
static unsigned send_flags(const struct pn_operation *operation, long flags)
{
    return (unsigned)flags | (can_await(operation) ? (unsigned)MSG_DONTWAIT : 0);
}

static struct msghdr *message_of(struct pn_completion *completion, long address, long length)
{
    const long *a = completion->operation->call.arguments;
    completion->part = (struct iovec){(void *)a[1], bytes_of(a[2])};
    completion->message = (struct msghdr){.msg_name = (void *)address,
                                          .msg_namelen = (socklen_t)length,
                                          .msg_iov = &completion->part,
                                          .msg_iovlen = 1};
    return &completion->message;
}

/* Of a stream, which has no address: what has not been moved. */
static struct msghdr *rest_of(struct pn_completion *completion)
{
    const struct iovec *parts;
    const int count = pn_progress_rest(completion, &parts);
    completion->message = (struct msghdr){.msg_iov = (struct iovec *)(uintptr_t)parts,
                                          .msg_iovlen = (size_t)count};
    return &completion->message;
}

static bool translate_send(struct pn_completion *completion, struct io_uring_sqe *entry)
{
    const struct pn_operation *operation = completion->operation;
    const long *a = operation->call.arguments;
    const bool is_message = operation->call.number == SYS_sendmsg;
    const unsigned flags = send_flags(operation, a[is_message ? 2 : 3]);
    if (completion->moved)
        io_uring_prep_sendmsg(entry, (int)a[0], rest_of(completion), flags);
    else if (is_message)
        io_uring_prep_sendmsg(entry, (int)a[0], (const struct msghdr *)a[1], flags);
    else if (!a[4])
        io_uring_prep_send(entry, (int)a[0], (const void *)a[1], bytes_of(a[2]), (int)flags);
    else if (a[5] < 0 || a[5] > (long)sizeof(struct sockaddr_storage))
        return false;
    else
        io_uring_prep_sendmsg(entry, (int)a[0], message_of(completion, a[4], a[5]), flags);
    return true;
}

static bool translate_receive(struct pn_completion *completion, struct io_uring_sqe *entry)
{
    const struct pn_operation *operation = completion->operation;
    const long *a = operation->call.arguments;
    const socklen_t *length = (const socklen_t *)a[5];
    if (operation->call.number == SYS_recvmsg)
        io_uring_prep_recvmsg(entry, (int)a[0], (struct msghdr *)a[1],
                              receive_flags(operation, a[2]));
    else if (!a[4])
        io_uring_prep_recv(entry, (int)a[0], (void *)a[1], bytes_of(a[2]),
                           (int)receive_flags(operation, a[3]));
    else if (!length || (int)*length < 0)
        return false;
    else
        io_uring_prep_recvmsg(entry, (int)a[0], message_of(completion, a[4], (long)*length),
                              receive_flags(operation, a[3]));
    return true;
}

static bool translate_socket(struct pn_completion *completion, struct io_uring_sqe *entry)
{
    const long *a = completion->operation->call.arguments;
    switch (completion->operation->call.number) {
    case SYS_accept4:
        io_uring_prep_accept(entry, (int)a[0], (struct sockaddr *)a[1], (socklen_t *)a[2],
                             (int)a[3]);
        return true;
    case SYS_connect:
        io_uring_prep_connect(entry, (int)a[0], (const struct sockaddr *)a[1], (socklen_t)a[2]);
        return true;
    case SYS_sendto:
    case SYS_sendmsg:
        return translate_send(completion, entry);
    case SYS_recvfrom:
    case SYS_recvmsg:
        return translate_receive(completion, entry);
    default:
        return false;
    }
}

/* ---- files ---- */

static bool translate_name(const struct pn_operation *operation, struct io_uring_sqe *entry)
{
    const long *a = operation->call.arguments;
    const char *const first = (const char *)a[1], *const second = (const char *)a[3];
    switch (operation->call.number) {
    case SYS_unlinkat:
        io_uring_prep_unlinkat(entry, (int)a[0], first, (int)a[2]);
        return true;
    case SYS_renameat2:
        io_uring_prep_renameat(entry, (int)a[0], first, (int)a[2], second, (unsigned)a[4]);
        return true;
    case SYS_mkdirat:
        io_uring_prep_mkdirat(entry, (int)a[0], first, (mode_t)a[2]);
        return true;
    case SYS_linkat:
        io_uring_prep_linkat(entry, (int)a[0], first, (int)a[2], second, (int)a[4]);
        return true;
    case SYS_symlinkat:
        io_uring_prep_symlinkat(entry, (const char *)a[0], (int)a[1], (const char *)a[2]);
        return true;
    default:
        return false;
    }
}

/* The ring tries it first as if it were O_NONBLOCK, which for a FIFO is another thing: it goes to a
 * thread of the kernel's at once where it might be one. */
static bool translate_open(const struct pn_operation *operation, struct io_uring_sqe *entry)
{
    const long *a = operation->call.arguments;
    io_uring_prep_openat(entry, (int)a[0], (const char *)a[1], (int)a[2], (mode_t)a[3]);
    if (!(a[2] & (O_NONBLOCK | O_DIRECTORY | O_PATH)))
        entry->flags |= IOSQE_ASYNC;
    return true;
}

static bool translate_file(const struct pn_operation *operation, struct io_uring_sqe *entry)
{
    const long *a = operation->call.arguments;
    switch (operation->call.number) {
    case SYS_fsync:
        io_uring_prep_fsync(entry, (int)a[0], 0);
        return true;
    case SYS_fdatasync:
        io_uring_prep_fsync(entry, (int)a[0], IORING_FSYNC_DATASYNC);
        return true;
    case SYS_fallocate:
        io_uring_prep_fallocate(entry, (int)a[0], (int)a[1], a[2], a[3]);
        return true;
    case SYS_ftruncate:
        io_uring_prep_rw(PN_OP_FTRUNCATE, entry, (int)a[0], NULL, 0, (__u64)a[1]);
        return true;
    case SYS_openat:
        return translate_open(operation, entry);
    case SYS_statx:
        io_uring_prep_statx(entry, (int)a[0], (const char *)a[1], (int)a[2], (unsigned)a[3],
                            (struct statx *)a[4]);
        return true;
    case SYS_close:
        io_uring_prep_close(entry, (int)a[0]);
        return true;
    default:
        return translate_name(operation, entry);
    }
}

/* ---- all ---- */

static bool translate_poll(const struct pn_operation *operation, struct io_uring_sqe *entry)
{
    const long *a = operation->call.arguments;
    const struct pollfd *one = (const struct pollfd *)a[0];
    if (a[1] != 1 || a[3] != 0 || one->fd < 0)
        return false;
    io_uring_prep_poll_add(entry, one->fd, (unsigned short)one->events);
    return true;
}

bool pn_translate(struct pn_completion *completion, struct io_uring_sqe *entry)
{
    const struct pn_operation *operation = completion->operation;
    switch (operation->call.number) {
    case SYS_pread64:
    case SYS_preadv:
    case SYS_preadv2:
    case SYS_pwrite64:
    case SYS_pwritev:
    case SYS_pwritev2:
        return translate_at_offset(operation, entry);
    case SYS_splice:
        return translate_splice(operation, entry);
    case SYS_ppoll:
        return translate_poll(operation, entry);
    default:
        return translate_transfer(completion, entry) || translate_socket(completion, entry) ||
               translate_file(operation, entry);
    }
}

static void move_offset(long address, long by)
{
    if (address)
        *(int64_t *)address += by;
}

static long poll_result(const struct pn_operation *operation, long result)
{
    struct pollfd *one = (struct pollfd *)operation->call.arguments[0];
    if (result < 0 && result != -EBADF)
        return result;
    one->revents = result < 0 ? POLLNVAL : (short)result;
    return 1;
}

long pn_translate_result(struct pn_completion *completion, long result)
{
    const struct pn_operation *operation = completion->operation;
    const long *a = operation->call.arguments;
    if (operation->sigpipe_below)
        (void)pn_perform_end(operation, result);
    switch (operation->call.number) {
    case SYS_recvfrom:
        if (a[4] && result >= 0)
            *(socklen_t *)a[5] = completion->message.msg_namelen;
        return result;
    case SYS_splice:
        if (result > 0) {
            move_offset(a[1], result);
            move_offset(a[3], result);
        }
        return result;
    case SYS_ppoll:
        return poll_result(operation, result);
    default:
        return result;
    }
}
