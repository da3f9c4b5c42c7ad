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
static long perform(struct pinion_io *io, const struct pn_system_call *call)
{
    const struct pn_operation operation = {.call = *call};
    return pn_perform(io, &operation, PN_CANCELABLE(PINION_FOREVER));
}

/* ---- open, close ---- */

static int open_at(struct pinion_io *io, int directory, const char *path, int flags, mode_t mode,
                   int64_t deadline)
{
    const struct pn_operation operation = {
        .call = {SYS_openat, {directory, PN_ADDRESS(path), flags | O_CLOEXEC, (long)mode}}};
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
    return (int)perform(io, PN_SYSTEM_CALL(SYS_pipe2, PN_ADDRESS(ends), O_CLOEXEC));
}

/* ---- what is known of a file, and its names ---- */

int pinion_fsync(struct pinion_io *io, int descriptor)
{
    return (int)perform(io, PN_SYSTEM_CALL(SYS_fsync, descriptor));
}

int pinion_fdatasync(struct pinion_io *io, int descriptor)
{
    return (int)perform(io, PN_SYSTEM_CALL(SYS_fdatasync, descriptor));
}

int pinion_ftruncate(struct pinion_io *io, int descriptor, off_t size)
{
    return (int)perform(io, PN_SYSTEM_CALL(SYS_ftruncate, descriptor, size));
}

int pinion_fstat(struct pinion_io *io, int descriptor, struct stat *status)
{
    return (int)perform(io, PN_SYSTEM_CALL(SYS_fstat, descriptor, PN_ADDRESS(status)));
}

int pinion_unlink(struct pinion_io *io, const char *path)
{
    return (int)perform(io, PN_SYSTEM_CALL(SYS_unlinkat, AT_FDCWD, PN_ADDRESS(path), 0));
}

int pinion_rename(struct pinion_io *io, const char *from, const char *to)
{
    return (int)perform(io, PN_SYSTEM_CALL(SYS_renameat2, AT_FDCWD, PN_ADDRESS(from), AT_FDCWD,
                                           PN_ADDRESS(to), 0));
}

int pinion_mkdir(struct pinion_io *io, const char *path, mode_t mode)
{
    return (int)perform(io, PN_SYSTEM_CALL(SYS_mkdirat, AT_FDCWD, PN_ADDRESS(path), (long)mode));
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
