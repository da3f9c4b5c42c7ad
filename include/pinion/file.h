/* SPDX-License-Identifier: MIT
 *
 * Files, pipes, and every other descriptor: the POSIX calls, as waits that a request to cancel and
 * a deadline reach. What the call of the same name does is in its man page; here is what differs,
 * for all of them:
 *
 *   - They return a count or 0, or -errno; errno stays as it is. A signal's handler that runs
 *     meanwhile never shows: the call resumes, and never gives -EINTR.
 *   - Each but pinion_close is a cancelation point, on entry and while it waits: -ECANCELED, and
 *     nothing was done. What was done is never lost to a request: the call returns it, and the
 *     request stays for the next one.
 *   - They wait, whether or not the descriptor is O_NONBLOCK. That flag is never changed.
 *   - Descriptors that they make are O_CLOEXEC.
 *   - A write to a pipe or socket that nobody reads gives -EPIPE and raises no SIGPIPE.
 *   - A thread that calls them waits: one that runs tasks does not run others meanwhile. A fiber
 *     of a loop waits alone.
 *   - A descriptor that is closed while a call waits for it leaves the call waiting: for the file
 *     that it was, or for the next that gets its number. Requests and deadlines still end it, and
 *     so should whoever closes, first: by a cancel, or of a socket by pinion_shutdown.
 *   - Calls whose name ends in _until give -ETIMEDOUT when the deadline (ns of CLOCK_MONOTONIC)
 *     passes and nothing has moved; one in the past takes what is there without waiting, and
 *     PINION_FOREVER makes them the call without _until. The kernel's own waits for a disk end
 *     neither at a deadline nor by a request, so calls that wait for no more than that have none.
 *   - With an io that refuses (pinion_io_failing, or one that a parent process made) they give
 *     -ENOTSUP or -ECHILD and do nothing; again but pinion_close.
 *
 * Any thread may call them, inside tasks and outside. Two that use the same descriptor at the same
 * time are ordered as the kernel orders them.
 */
#ifndef PINION_FILE_H
#define PINION_FILE_H

#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <pinion/api.h>
#include <pinion/io.h>

PINION_BEGIN

/* Opens path, relative to the working directory or to the one that directory (a descriptor, or
 * AT_FDCWD) stands for. With O_CREAT or O_TMPFILE in flags a mode_t follows, as in open(2). May
 * wait: a FIFO is opened when its other end is. Returns a descriptor, the caller's to close.
 * Errors as open(2): -ENOENT, -EACCES, -EISDIR (a directory, for writing), -ENAMETOOLONG, -EMFILE,
 * -EAGAIN (flags have O_NONBLOCK, and a lease is in the way), … */
PINION_API int pinion_open(struct pinion_io *io, const char *path, int flags, ...);
PINION_API int pinion_openat(struct pinion_io *io, int directory, const char *path, int flags,
                             ...);
/* mode: used where flags have O_CREAT or O_TMPFILE. */
PINION_API int pinion_open_until(struct pinion_io *io, const char *path, int flags, mode_t mode,
                                 int64_t deadline);

/* Closes the descriptor. It is released whatever is returned, with any io, and also if a request is
 * pending: not a cancelation point. 0, or what close(2) found: -EBADF, -EIO, -ENOSPC, -EDQUOT. */
PINION_API int pinion_close(struct pinion_io *io, int descriptor);

/* Makes a pipe: what is written to ends[1] is read from ends[0]. Both blocking and O_CLOEXEC, the
 * caller's to close. 0, or as pipe2(2): -EMFILE, -ENFILE. */
PINION_API int pinion_pipe(struct pinion_io *io, int ends[2]);

/* Reads up to count bytes, as soon as there are any. Returns how many; 0: end of file.
 * Errors as read(2): -EBADF, -EISDIR, -EIO, … */
PINION_API ssize_t pinion_read(struct pinion_io *io, int descriptor, void *buffer, size_t count);
PINION_API ssize_t pinion_read_until(struct pinion_io *io, int descriptor, void *buffer,
                                     size_t count, int64_t deadline);
PINION_API ssize_t pinion_readv(struct pinion_io *io, int descriptor, const struct iovec *parts,
                                int part_count);
PINION_API ssize_t pinion_readv_until(struct pinion_io *io, int descriptor,
                                      const struct iovec *parts, int part_count, int64_t deadline);

/* Writes up to count bytes: to a file all of them as long as there is room, to a pipe or socket
 * all, unless a request or the deadline ends it or the descriptor is O_NONBLOCK; then as many as
 * were moved. Returns how many. Errors as write(2): -EBADF, -EPIPE, -ENOSPC, -EFBIG (with SIGXFSZ,
 * where the thread lets it through), … */
PINION_API ssize_t pinion_write(struct pinion_io *io, int descriptor, const void *buffer,
                                size_t count);
PINION_API ssize_t pinion_write_until(struct pinion_io *io, int descriptor, const void *buffer,
                                      size_t count, int64_t deadline);
PINION_API ssize_t pinion_writev(struct pinion_io *io, int descriptor, const struct iovec *parts,
                                 int part_count);
PINION_API ssize_t pinion_writev_until(struct pinion_io *io, int descriptor,
                                       const struct iovec *parts, int part_count,
                                       int64_t deadline);

/* The same at an offset, which the descriptor's own is not moved by: -ESPIPE where it has none. */
PINION_API ssize_t pinion_pread(struct pinion_io *io, int descriptor, void *buffer, size_t count,
                                off_t offset);
PINION_API ssize_t pinion_pwrite(struct pinion_io *io, int descriptor, const void *buffer,
                                 size_t count, off_t offset);
PINION_API ssize_t pinion_preadv(struct pinion_io *io, int descriptor, const struct iovec *parts,
                                 int part_count, off_t offset);
PINION_API ssize_t pinion_pwritev(struct pinion_io *io, int descriptor, const struct iovec *parts,
                                  int part_count, off_t offset);

/* Reads again and again until there are count bytes or the file ends. Returns how many were read.
 * Fewer than count: the end of the file, or a request, the deadline or an error came after that
 * many, which the next call gives (at the end of the file it gives 0). An error means that nothing
 * was read. */
PINION_API ssize_t pinion_read_all(struct pinion_io *io, int descriptor, void *buffer,
                                   size_t count);
PINION_API ssize_t pinion_read_all_until(struct pinion_io *io, int descriptor, void *buffer,
                                         size_t count, int64_t deadline);
PINION_API ssize_t pinion_pread_all(struct pinion_io *io, int descriptor, void *buffer,
                                    size_t count, off_t offset);

/* Writes again and again until all is written: count; or an error, and then some of it may be
 * written. Who must know how much uses pinion_write. -EIO: the descriptor takes nothing and says no
 * error. */
PINION_API ssize_t pinion_write_all(struct pinion_io *io, int descriptor, const void *buffer,
                                    size_t count);
PINION_API ssize_t pinion_write_all_until(struct pinion_io *io, int descriptor,
                                          const void *buffer, size_t count, int64_t deadline);
PINION_API ssize_t pinion_pwrite_all(struct pinion_io *io, int descriptor, const void *buffer,
                                     size_t count, off_t offset);

/* Moves up to count bytes inside the kernel: from source (a file) to target, beginning at *offset,
 * which is moved on, or with NULL at the file's own offset; as sendfile(2). Returns how many; 0:
 * end of file. -EINVAL where the kernel can't with these two: read and write then. */
PINION_API ssize_t pinion_sendfile(struct pinion_io *io, int target, int source, off_t *offset,
                                   size_t count);
PINION_API ssize_t pinion_sendfile_until(struct pinion_io *io, int target, int source,
                                         off_t *offset, size_t count, int64_t deadline);

/* The same where one of the two is a pipe; an offset must be NULL for a pipe; flags SPLICE_F_*; as
 * splice(2). SPLICE_F_NONBLOCK has no effect. */
PINION_API ssize_t pinion_splice(struct pinion_io *io, int source, off_t *source_offset,
                                 int target, off_t *target_offset, size_t count, unsigned flags);
PINION_API ssize_t pinion_splice_until(struct pinion_io *io, int source, off_t *source_offset,
                                       int target, off_t *target_offset, size_t count,
                                       unsigned flags, int64_t deadline);

/* Waits until what was written is on the disk; fdatasync: as far as it is needed to read it again.
 * -EIO, -ENOSPC, -EDQUOT: something that was written before is lost. */
PINION_API int pinion_fsync(struct pinion_io *io, int descriptor);
PINION_API int pinion_fdatasync(struct pinion_io *io, int descriptor);

PINION_API int pinion_ftruncate(struct pinion_io *io, int descriptor, off_t size);
PINION_API int pinion_fstat(struct pinion_io *io, int descriptor, struct stat *status);
PINION_API int pinion_unlink(struct pinion_io *io, const char *path);
PINION_API int pinion_rename(struct pinion_io *io, const char *from, const char *to);
PINION_API int pinion_mkdir(struct pinion_io *io, const char *path, mode_t mode);

/* Waits until one of the descriptors is as its events ask. timeout_ms as in poll(2): below 0
 * without end, 0 not at all. Returns how many are, 0 when the time is over; revents says what. */
PINION_API int pinion_poll(struct pinion_io *io, struct pollfd *descriptors, nfds_t count,
                           int timeout_ms);
/* The same, but -ETIMEDOUT when the deadline passes. */
PINION_API int pinion_poll_until(struct pinion_io *io, struct pollfd *descriptors, nfds_t count,
                                 int64_t deadline);

PINION_END

#endif
