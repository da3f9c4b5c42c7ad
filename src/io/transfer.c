/* SPDX-License-Identifier: MIT
 *
 * Moving bytes to and from descriptors.
 */
#include <pinion/file.h>

#include <errno.h>
#include <limits.h>
#include <sys/syscall.h>

#include "call.h"
#include "cancel.h"

_Static_assert(sizeof(off_t) == sizeof(long), "an offset is one argument of a system call");

/* ---- read ---- */

ssize_t pinion_read_until(struct pinion_io *io, int descriptor, void *buffer, size_t count,
                          int64_t deadline)
{
    struct pn_operation operation = pn_operation(SYS_read, descriptor, PN_ADDRESS(buffer),
                                                 (long)count, 0, 0, 0);
    operation.readable = descriptor;
    return pn_perform(io, &operation, PN_CANCELABLE(deadline));
}

ssize_t pinion_read(struct pinion_io *io, int descriptor, void *buffer, size_t count)
{
    return pinion_read_until(io, descriptor, buffer, count, PINION_FOREVER);
}

ssize_t pinion_readv_until(struct pinion_io *io, int descriptor, const struct iovec *parts,
                           int part_count, int64_t deadline)
{
    struct pn_operation operation = pn_operation(SYS_readv, descriptor, PN_ADDRESS(parts),
                                                 part_count, 0, 0, 0);
    operation.readable = descriptor;
    return pn_perform(io, &operation, PN_CANCELABLE(deadline));
}

ssize_t pinion_readv(struct pinion_io *io, int descriptor, const struct iovec *parts,
                     int part_count)
{
    return pinion_readv_until(io, descriptor, parts, part_count, PINION_FOREVER);
}

ssize_t pinion_pread(struct pinion_io *io, int descriptor, void *buffer, size_t count,
                     off_t offset)
{
    struct pn_operation operation = pn_operation(SYS_pread64, descriptor, PN_ADDRESS(buffer),
                                                 (long)count, offset, 0, 0);
    operation.readable = descriptor;
    return pn_perform(io, &operation, PN_CANCELABLE(PINION_FOREVER));
}

ssize_t pinion_preadv(struct pinion_io *io, int descriptor, const struct iovec *parts,
                      int part_count, off_t offset)
{
    struct pn_operation operation = pn_operation(SYS_preadv, descriptor, PN_ADDRESS(parts),
                                                 part_count, offset, 0, 0);
    operation.readable = descriptor;
    return pn_perform(io, &operation, PN_CANCELABLE(PINION_FOREVER));
}

/* ---- write ---- */

ssize_t pinion_write_until(struct pinion_io *io, int descriptor, const void *buffer, size_t count,
                           int64_t deadline)
{
    struct pn_operation operation = pn_operation(SYS_write, descriptor, PN_ADDRESS(buffer),
                                                 (long)count, 0, 0, 0);
    operation.writable = descriptor;
    operation.sigpipe_below = count;
    return pn_perform(io, &operation, PN_CANCELABLE(deadline));
}

ssize_t pinion_write(struct pinion_io *io, int descriptor, const void *buffer, size_t count)
{
    return pinion_write_until(io, descriptor, buffer, count, PINION_FOREVER);
}

size_t pn_bytes_of(const struct iovec *parts, int part_count)
{
    size_t sum = 0;
    if (part_count > IOV_MAX) /* the kernel says no without reading them */
        return 0;
    for (int i = 0; i < part_count; i++)
        sum = parts[i].iov_len < SIZE_MAX - sum ? sum + parts[i].iov_len : SIZE_MAX;
    return sum;
}

ssize_t pinion_writev_until(struct pinion_io *io, int descriptor, const struct iovec *parts,
                            int part_count, int64_t deadline)
{
    struct pn_operation operation = pn_operation(SYS_writev, descriptor, PN_ADDRESS(parts),
                                                 part_count, 0, 0, 0);
    operation.writable = descriptor;
    operation.sigpipe_below = pn_bytes_of(parts, part_count);
    return pn_perform(io, &operation, PN_CANCELABLE(deadline));
}

ssize_t pinion_writev(struct pinion_io *io, int descriptor, const struct iovec *parts,
                      int part_count)
{
    return pinion_writev_until(io, descriptor, parts, part_count, PINION_FOREVER);
}

ssize_t pinion_pwrite(struct pinion_io *io, int descriptor, const void *buffer, size_t count,
                      off_t offset)
{
    struct pn_operation operation = pn_operation(SYS_pwrite64, descriptor, PN_ADDRESS(buffer),
                                                 (long)count, offset, 0, 0);
    operation.writable = descriptor;
    return pn_perform(io, &operation, PN_CANCELABLE(PINION_FOREVER));
}

ssize_t pinion_pwritev(struct pinion_io *io, int descriptor, const struct iovec *parts,
                       int part_count, off_t offset)
{
    struct pn_operation operation = pn_operation(SYS_pwritev, descriptor, PN_ADDRESS(parts),
                                                 part_count, offset, 0, 0);
    operation.writable = descriptor;
    return pn_perform(io, &operation, PN_CANCELABLE(PINION_FOREVER));
}

/* ---- all of it ---- */

/* What a call that has moved so much gives, where the last one gave `last`: its error only if
 * nothing moved; else the next call gives that. */
static ssize_t moved(size_t done, ssize_t last)
{
    if (last < 0 && done == 0)
        return last;
    if (last == -ECANCELED)
        pn_cancel_put_back();
    return (ssize_t)done;
}

ssize_t pinion_read_all_until(struct pinion_io *io, int descriptor, void *buffer, size_t count,
                              int64_t deadline)
{
    size_t done = 0;
    ssize_t last;
    do {
        last = pinion_read_until(io, descriptor, (char *)buffer + done, count - done, deadline);
        done += last > 0 ? (size_t)last : 0;
    } while (last > 0 && done < count);
    return moved(done, last);
}

ssize_t pinion_read_all(struct pinion_io *io, int descriptor, void *buffer, size_t count)
{
    return pinion_read_all_until(io, descriptor, buffer, count, PINION_FOREVER);
}

ssize_t pinion_pread_all(struct pinion_io *io, int descriptor, void *buffer, size_t count,
                         off_t offset)
{
    size_t done = 0;
    ssize_t last;
    do {
        last = pinion_pread(io, descriptor, (char *)buffer + done, count - done,
                            offset + (off_t)done);
        done += last > 0 ? (size_t)last : 0;
    } while (last > 0 && done < count);
    return moved(done, last);
}

ssize_t pinion_write_all_until(struct pinion_io *io, int descriptor, const void *buffer,
                               size_t count, int64_t deadline)
{
    size_t done = 0;
    do {
        const ssize_t last = pinion_write_until(io, descriptor, (const char *)buffer + done,
                                                count - done, deadline);
        if (last < 0 || (last == 0 && count > 0))
            return last < 0 ? last : -EIO;
        done += (size_t)last;
    } while (done < count);
    return (ssize_t)done;
}

ssize_t pinion_write_all(struct pinion_io *io, int descriptor, const void *buffer, size_t count)
{
    return pinion_write_all_until(io, descriptor, buffer, count, PINION_FOREVER);
}

ssize_t pinion_pwrite_all(struct pinion_io *io, int descriptor, const void *buffer, size_t count,
                          off_t offset)
{
    size_t done = 0;
    do {
        const ssize_t last = pinion_pwrite(io, descriptor, (const char *)buffer + done,
                                           count - done, offset + (off_t)done);
        if (last < 0 || (last == 0 && count > 0))
            return last < 0 ? last : -EIO;
        done += (size_t)last;
    } while (done < count);
    return (ssize_t)done;
}

/* ---- inside the kernel ---- */

ssize_t pinion_sendfile_until(struct pinion_io *io, int target, int source, off_t *offset,
                              size_t count, int64_t deadline)
{
    struct pn_operation operation = pn_operation(SYS_sendfile, target, source, PN_ADDRESS(offset),
                                                 (long)count, 0, 0);
    operation.writable = target;
    operation.readable = source;
    operation.sigpipe_below = count;
    return pn_perform(io, &operation, PN_CANCELABLE(deadline));
}

ssize_t pinion_sendfile(struct pinion_io *io, int target, int source, off_t *offset, size_t count)
{
    return pinion_sendfile_until(io, target, source, offset, count, PINION_FOREVER);
}

ssize_t pinion_splice_until(struct pinion_io *io, int source, off_t *source_offset, int target,
                            off_t *target_offset, size_t count, unsigned flags, int64_t deadline)
{
    struct pn_operation operation = pn_operation(SYS_splice, source, PN_ADDRESS(source_offset),
                                                 target, PN_ADDRESS(target_offset), (long)count,
                                                 (long)flags);
    operation.readable = source;
    operation.writable = target;
    operation.sigpipe_below = count;
    return pn_perform(io, &operation, PN_CANCELABLE(deadline));
}

ssize_t pinion_splice(struct pinion_io *io, int source, off_t *source_offset, int target,
                      off_t *target_offset, size_t count, unsigned flags)
{
    return pinion_splice_until(io, source, source_offset, target, target_offset, count, flags,
                               PINION_FOREVER);
}
