/* SPDX-License-Identifier: MIT
 *
 * Opening, closing and naming files, and waiting for descriptors.
 */
#include <pinion/file.h>

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "call.h"
#include "futex.h"

/* Calls that wait for nobody else: what little they wait, the kernel decides. */
static int perform(struct pinion_io *io, long number, long a0, long a1, long a2, long a3)
{
    const struct pn_operation operation = pn_operation(number, a0, a1, a2, a3, 0, 0);
    return (int)pn_perform(io, &operation, PN_CANCELABLE(PINION_FOREVER));
}

/* ---- open, close ---- */

static int open_at(struct pinion_io *io, int directory, const char *path, int flags, mode_t mode,
                   int64_t deadline)
{
    const struct pn_operation operation = pn_operation(
        SYS_openat, directory, PN_ADDRESS(path), flags | O_CLOEXEC, (long)mode, 0, 0);
    return (int)pn_perform(io, &operation, PN_CANCELABLE(deadline));
}

static bool has_mode(int flags)
{
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

/* A mode_t that is narrower than an int arrives as an int. */
static mode_t mode_of(int flags, va_list *rest)
{
    if (!has_mode(flags))
        return 0;
    return sizeof(mode_t) < sizeof(int) ? (mode_t)va_arg(*rest, int) : va_arg(*rest, mode_t);
}

int pinion_open(struct pinion_io *io, const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = mode_of(flags, &rest);
    va_end(rest);
    return open_at(io, AT_FDCWD, path, flags, mode, PINION_FOREVER);
}

int pinion_openat(struct pinion_io *io, int directory, const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = mode_of(flags, &rest);
    va_end(rest);
    return open_at(io, directory, path, flags, mode, PINION_FOREVER);
}

int pinion_open_until(struct pinion_io *io, const char *path, int flags, mode_t mode,
                      int64_t deadline)
{
    return open_at(io, AT_FDCWD, path, flags, has_mode(flags) ? mode : 0, deadline);
}

/* Linux releases the descriptor before anything in it waits, so it is never closed again. */
int pinion_close(struct pinion_io *io, int descriptor)
{
    (void)io;
    const int saved = errno;
    const int error = close(descriptor) ? -errno : 0;
    errno = saved;
    return error == -EINTR ? 0 : error;
}

int pinion_pipe(struct pinion_io *io, int ends[2])
{
    return perform(io, SYS_pipe2, PN_ADDRESS(ends), O_CLOEXEC, 0, 0);
}

/* ---- what is known of a file, and its names ---- */

int pinion_fsync(struct pinion_io *io, int descriptor)
{
    return perform(io, SYS_fsync, descriptor, 0, 0, 0);
}

int pinion_fdatasync(struct pinion_io *io, int descriptor)
{
    return perform(io, SYS_fdatasync, descriptor, 0, 0, 0);
}

int pinion_ftruncate(struct pinion_io *io, int descriptor, off_t size)
{
    return perform(io, SYS_ftruncate, descriptor, size, 0, 0);
}

int pinion_fstat(struct pinion_io *io, int descriptor, struct stat *status)
{
    return perform(io, SYS_fstat, descriptor, PN_ADDRESS(status), 0, 0);
}

int pinion_unlink(struct pinion_io *io, const char *path)
{
    return perform(io, SYS_unlinkat, AT_FDCWD, PN_ADDRESS(path), 0, 0);
}

int pinion_rename(struct pinion_io *io, const char *from, const char *to)
{
    return perform(io, SYS_renameat2, AT_FDCWD, PN_ADDRESS(from), AT_FDCWD, PN_ADDRESS(to));
}

int pinion_mkdir(struct pinion_io *io, const char *path, mode_t mode)
{
    return perform(io, SYS_mkdirat, AT_FDCWD, PN_ADDRESS(path), (long)mode, 0);
}

/* ---- poll ---- */

int pinion_poll_until(struct pinion_io *io, struct pollfd *descriptors, nfds_t count,
                      int64_t deadline)
{
    const int ready = pn_poll(io, descriptors, count, PN_CANCELABLE(deadline));
    return ready == 0 ? -ETIMEDOUT : ready;
}

int pinion_poll(struct pinion_io *io, struct pollfd *descriptors, nfds_t count, int timeout_ms)
{
    const int64_t deadline =
        timeout_ms < 0 ? PINION_FOREVER
                       : timeout_ms == 0 ? 0 : pn_now() + timeout_ms * INT64_C(1000000);
    return pn_poll(io, descriptors, count, PN_CANCELABLE(deadline));
}
