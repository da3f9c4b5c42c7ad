/* SPDX-License-Identifier: MIT
 *
 * Many operations on descriptors at once, from one thread: submitted as one, completed as they
 * come, each cancelable, and waited for until one deadline.
 *
 *     struct pinion_operation operations[2], *done;
 *     struct pinion_batch batch = PINION_BATCH_INIT;
 *     pinion_prepare_recv(&operations[0], client, buffer, sizeof buffer, 0);
 *     pinion_prepare_accept(&operations[1], listener, NULL, NULL);
 *     pinion_batch_submit(io, &batch, operations, 2);
 *     while (pinion_batch_next(io, &batch, &done) == 0)
 *         use(done->result);
 *
 * Operations are the caller's memory, of any number. From submit until it is taken an operation,
 * and what it points to, must stay where it is, and the batch with it. It is taken when
 * pinion_batch_next gives it, and may then be submitted again, prepared anew or as it is.
 *
 * What an operation does is what the call of that name does (file.h, net.h, clock.h): it waits
 * whether or not its descriptor is O_NONBLOCK, which is never changed, and raises no SIGPIPE;
 * descriptors that it makes are O_CLOEXEC. It moves what can be moved when its descriptor is ready,
 * as a call on one that is O_NONBLOCK: so a write to a pipe or a socket may move a part, while a
 * file is read and written as far as it goes. Cancel an operation before you close its descriptor.
 *
 * How it is done is up to who waits in pinion_batch_next, whichever io that passes:
 *   a fiber of a loop over io_uring
 *       The operations that have not begun become the ring's, all in one system call, or as many as
 *       the ring has room for. They go on between the calls below, as others of the loop run, until
 *       they have ended: what has ended and was not taken yet has its result, and is not undone.
 *       Of those that read from one descriptor, and those that write to it, one at a time is under
 *       way, in the order of submission, and an fsync after the writes before it; not so pread,
 *       pwrite and poll. What the ring can't do is done in the other way.
 *   anyone else: a thread, a task of a pool, a fiber over epoll
 *       Each is done when it is taken, and goes on in no other call; all that wait are polled at
 *       once. Where a disk makes a call wait, the others wait too.
 * A parallel task of a loop has a ring, too; what it has not taken when it ends stops going on, and
 * so does what the fibers of pinion_loop_run's thread have not when that returns; the batch can be
 * used as before.
 *
 * A batch is used by one thread or fiber at a time, and with one io until it is empty. While some
 * of it is under way in a ring, any call below, by others than that ring's thread, first gets it
 * back: it waits until that thread comes to it, whatever the deadline, and the kernel has let go;
 * what that had done by then is not lost, the rest goes on with who waits next. In a child of fork
 * what is under way in the parent begins anew.
 */
#ifndef PINION_BATCH_H
#define PINION_BATCH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <pinion/api.h>
#include <pinion/io.h>

PINION_BEGIN

/* user: the caller's own; no function here touches it. result: -EINPROGRESS until it is taken or
 * the batch canceled; then a count or 0, a descriptor, or revents, as its kind has it, or -errno:
 * -ECANCELED if it was canceled before it had done anything. The rest is the library's. */
struct pinion_operation {
    void *user;
    ssize_t result;

    const void *address; /* what was prepared */
    void *length;
    size_t count;
    int64_t offset;
    int descriptor, flags;

    uint32_t kind, state; /* and where it stands */
    struct pinion_operation *next, *previous, *follower;
    int64_t time;
    uint32_t place;
    uint16_t step, tries;
    void *load;
    ssize_t outcome;
    uint64_t reserved[6];
};

/* All zero is ready and empty, and there is nothing to destroy: but see pinion_batch_cancel. Fields
 * are the library's. */
struct pinion_batch {
    struct pinion_operation *first, *last, *ready_first, *ready_last, *away_first, *away_last;
    size_t count, away_count;
    uint32_t has_moved, is_called_back, process;
    void *carrier, *waiter;
    uint64_t reserved[3];
};
#define PINION_BATCH_INIT {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {0, 0, 0}}

/* ---- preparing ---- */

/* These say what an operation is to do; its former contents, but for user, are overwritten, so it
 * must not be in a batch. They check nothing: errors are the result's. What they are given is
 * borrowed until the operation is taken. */

/* result: how many bytes; 0: end of file. At an offset: as pread(2), the descriptor's own stays. */
PINION_API void pinion_prepare_read(struct pinion_operation *operation, int descriptor,
                                    void *buffer, size_t count);
PINION_API void pinion_prepare_readv(struct pinion_operation *operation, int descriptor,
                                     const struct iovec *parts, int part_count);
PINION_API void pinion_prepare_pread(struct pinion_operation *operation, int descriptor,
                                     void *buffer, size_t count, off_t offset);

/* result: how many bytes. */
PINION_API void pinion_prepare_write(struct pinion_operation *operation, int descriptor,
                                     const void *buffer, size_t count);
PINION_API void pinion_prepare_writev(struct pinion_operation *operation, int descriptor,
                                      const struct iovec *parts, int part_count);
PINION_API void pinion_prepare_pwrite(struct pinion_operation *operation, int descriptor,
                                      const void *buffer, size_t count, off_t offset);

/* result: 0. */
PINION_API void pinion_prepare_fsync(struct pinion_operation *operation, int descriptor);

/* result: how many bytes. With MSG_DONTWAIT in flags it does not wait: -EAGAIN; MSG_WAITALL has no
 * effect. */
PINION_API void pinion_prepare_recv(struct pinion_operation *operation, int descriptor,
                                    void *buffer, size_t count, int flags);
PINION_API void pinion_prepare_recvmsg(struct pinion_operation *operation, int descriptor,
                                       struct msghdr *message, int flags);
PINION_API void pinion_prepare_send(struct pinion_operation *operation, int descriptor,
                                    const void *buffer, size_t count, int flags);
PINION_API void pinion_prepare_sendmsg(struct pinion_operation *operation, int descriptor,
                                       const struct msghdr *message, int flags);

/* result: the connection's descriptor, blocking, the caller's to close. It is never dropped: look
 * at the result of one that you canceled, too. address (may be NULL, and length with it) as in
 * accept(2). */
PINION_API void pinion_prepare_accept(struct pinion_operation *operation, int descriptor,
                                      struct sockaddr *address, socklen_t *length);

/* result: 0. The kernel may go on connecting one that was canceled: close the socket, or connect
 * it again. Where many connect at once give them sockets that are O_NONBLOCK: one that is not may
 * hold up the others for a millisecond. */
PINION_API void pinion_prepare_connect(struct pinion_operation *operation, int descriptor,
                                       const struct sockaddr *address, socklen_t length);

/* result: which of events are there, with POLLERR and POLLHUP if they are. */
PINION_API void pinion_prepare_poll(struct pinion_operation *operation, int descriptor,
                                    short events);

/* result: 0, when duration ns have passed since it was submitted, or at deadline (ns of
 * CLOCK_MONOTONIC); PINION_FOREVER: never. */
PINION_API void pinion_prepare_sleep(struct pinion_operation *operation, int64_t duration);
PINION_API void pinion_prepare_sleep_until(struct pinion_operation *operation, int64_t deadline);

/* ---- the batch ---- */

/* Adds count operations that were prepared, an array, to those that a batch has; does not wait for
 * them. 0, or nothing was submitted: -EBUSY (one of them is in a batch, not taken yet), -ENOTSUP,
 * -ECHILD (the io refuses). Not a cancelation point. */
PINION_API int pinion_batch_submit(struct pinion_io *io, struct pinion_batch *batch,
                                   struct pinion_operation *operations, size_t count);

/* Waits until one of the operations has ended, and takes it: *operation. Each is taken once, those
 * that are ready at the same time in the order in which they were submitted, from a ring in that in
 * which they have ended; one that is ready is never passed over by others for long. Errors, and
 * then the batch is as it was, its operations go on, and it can be waited for again or canceled:
 * -ECANCELED (a cancelation point), -ETIMEDOUT (the deadline, ns of CLOCK_MONOTONIC; one that has
 * passed takes what has ended or is ready, but for what a ring has left to threads of the
 * kernel's), -ENOENT (it is empty), -ENOTSUP, -ECHILD. */
PINION_API int pinion_batch_next(struct pinion_io *io, struct pinion_batch *batch,
                                 struct pinion_operation **operation);
PINION_API int pinion_batch_next_until(struct pinion_io *io, struct pinion_batch *batch,
                                       struct pinion_operation **operation, int64_t deadline);

/* Requests that one operation of the batch be canceled. It ends with -ECANCELED, unless it has done
 * something, and is taken as any other: now, and has its result, or, if it is under way in a ring,
 * when the kernel has let go of it. One that has ended stays as it is. Does not wait for its end,
 * and is not a cancelation point. */
PINION_API void pinion_batch_request_cancel(struct pinion_io *io, struct pinion_batch *batch,
                                            struct pinion_operation *operation);

/* Requests that all be canceled, and returns when they have ended, and the kernel has let go of
 * what they point to: not a cancelation point. They can be taken then, without a wait; or batch and
 * operations are left as they are: each has its result, an accept's perhaps a descriptor, and must
 * be prepared before it is used again. A batch must be empty or canceled before its memory and that
 * of its operations is used for anything else. */
PINION_API void pinion_batch_cancel(struct pinion_io *io, struct pinion_batch *batch);

PINION_END

#endif
