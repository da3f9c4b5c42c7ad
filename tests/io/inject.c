/* SPDX-License-Identifier: MIT
 *
 * inject CASE DIRECTORY: one piece of known work in a task, and what came of it on a line; for
 * inject.sh, which runs it under strace and lets system calls fail that touch the files of
 * DIRECTORY: "file" and "other", of six bytes, and "fifo", which is empty.
 */
#include <fcntl.h>
#include <pinion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define FAR INT64_C(3600000000000)

/* path: that of file. file, fifo: opened for both ways. What a case reads goes into bytes, which is
 * dots before. */
struct work {
    struct pinion_io *io;
    const char *path, *other;
    int file, fifo;
    char bytes[8];
};

static long do_open(struct work *work)
{
    const int file = pinion_open(work->io, work->other, O_RDONLY);
    if (file < 0)
        return file;
    return pinion_pread(work->io, file, work->bytes, 3, 0) + pinion_close(work->io, file);
}

static long do_read(struct work *work)
{
    return pinion_read(work->io, work->file, work->bytes, 6);
}

static long do_read_until(struct work *work)
{
    (void)!write(work->fifo, "abcdef", 6);
    return pinion_read_until(work->io, work->fifo, work->bytes, 6,
                             pinion_now(work->io, CLOCK_MONOTONIC) + FAR);
}

static long do_read_all(struct work *work)
{
    return pinion_read_all(work->io, work->file, work->bytes, 7);
}

static long do_readv(struct work *work)
{
    const struct iovec parts[] = {{work->bytes, 2}, {work->bytes + 3, 4}};
    return pinion_readv(work->io, work->file, parts, 2);
}

static long do_pread(struct work *work)
{
    return pinion_pread(work->io, work->file, work->bytes, 3, 2);
}

static long do_pread_all(struct work *work)
{
    return pinion_pread_all(work->io, work->file, work->bytes, 7, 1);
}

static long seen_in_file(struct work *work, long result)
{
    const int again = open(work->path, O_RDONLY | O_CLOEXEC);
    (void)!readv(again, &(const struct iovec){work->bytes, 6}, 1); /* by no call that is injected */
    (void)close(again);
    return result;
}

static long do_write(struct work *work)
{
    return seen_in_file(work, pinion_write(work->io, work->file, "UVW", 3));
}

static long do_write_all(struct work *work)
{
    return seen_in_file(work, pinion_write_all(work->io, work->file, "UVWXYZ", 6));
}

static long do_writev(struct work *work)
{
    const struct iovec parts[] = {{(char[]){"U"}, 1}, {(char[]){"VW"}, 2}};
    return seen_in_file(work, pinion_writev(work->io, work->file, parts, 2));
}

static long do_ftruncate(struct work *work)
{
    return seen_in_file(work, pinion_ftruncate(work->io, work->file, 2));
}

static long do_pwrite(struct work *work)
{
    return seen_in_file(work, pinion_pwrite(work->io, work->file, "UVW", 3, 1));
}

static long do_pwrite_all(struct work *work)
{
    return seen_in_file(work, pinion_pwrite_all(work->io, work->file, "UVWXY", 5, 1));
}

static long do_fsync(struct work *work)
{
    return pinion_fsync(work->io, work->file) + pinion_fdatasync(work->io, work->file);
}

static long do_poll(struct work *work)
{
    struct pollfd one = {.fd = work->fifo, .events = POLLIN};
    (void)!write(work->fifo, "a", 1);
    return pinion_poll(work->io, &one, 1, -1);
}

static long do_poll_until(struct work *work)
{
    struct pollfd one = {.fd = work->fifo, .events = POLLIN};
    return pinion_poll_until(work->io, &one, 1,
                             pinion_now(work->io, CLOCK_MONOTONIC) + 1000000);
}

static long do_close(struct work *work)
{
    const int file = dup(work->file);
    return pinion_close(work->io, file);
}

/* ---- sockets: they have no paths, so all calls of the name are injected ---- */

/* A socket that listens, and its address. */
static int listening(struct sockaddr_un *at, socklen_t *length)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *at = (struct sockaddr_un){.sun_family = AF_UNIX};
    *length = sizeof *at;
    if (bind(fd, (struct sockaddr *)at, sizeof at->sun_family) || listen(fd, 1) ||
        getsockname(fd, (struct sockaddr *)at, length))
        exit(EXIT_FAILURE);
    return fd;
}

static long do_accept(struct work *work)
{
    struct sockaddr_un at;
    socklen_t length;
    const int listener = listening(&at, &length);
    const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(client, (struct sockaddr *)&at, length))
        return EXIT_FAILURE;
    const int fd = pinion_accept(work->io, listener, NULL, NULL);
    return fd < 0 ? fd : pinion_close(work->io, fd);
}

static long do_connect(struct work *work)
{
    struct sockaddr_un at;
    socklen_t length;
    (void)listening(&at, &length);
    const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return pinion_connect(work->io, client, (struct sockaddr *)&at, length);
}

static void make_pair(int ends[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        exit(EXIT_FAILURE);
}

static long seen_at(struct work *work, int ends[2], long result)
{
    (void)close(ends[0]);
    (void)!read(ends[1], work->bytes, 7);
    return result;
}

static long do_send(struct work *work)
{
    int ends[2];
    make_pair(ends);
    return seen_at(work, ends, pinion_send(work->io, ends[0], "UVW", 3, 0));
}

static long do_send_all(struct work *work)
{
    int ends[2];
    make_pair(ends);
    return seen_at(work, ends, pinion_send_all(work->io, ends[0], "UVWXYZ", 6, 0));
}

static long do_sendmsg(struct work *work)
{
    struct iovec parts[] = {{(char[]){"U"}, 1}, {(char[]){"VW"}, 2}};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    int ends[2];
    make_pair(ends);
    return seen_at(work, ends, pinion_sendmsg(work->io, ends[0], &message, 0));
}

/* Where six bytes have come, and no more will. */
static int with_bytes(void)
{
    int ends[2];
    make_pair(ends);
    (void)!write(ends[0], "abcdef", 6);
    (void)close(ends[0]);
    return ends[1];
}

static long do_recv(struct work *work)
{
    return pinion_recv(work->io, with_bytes(), work->bytes, 6, 0);
}

static long do_recv_until(struct work *work)
{
    return pinion_recv_until(work->io, with_bytes(), work->bytes, 6, 0,
                             pinion_now(work->io, CLOCK_MONOTONIC) + FAR);
}

static long do_recv_all(struct work *work)
{
    return pinion_recv_all(work->io, with_bytes(), work->bytes, 7, 0);
}

static long do_recvmsg(struct work *work)
{
    struct iovec parts[] = {{work->bytes, 2}, {work->bytes + 3, 4}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    return pinion_recvmsg(work->io, with_bytes(), &message, 0);
}

static const struct {
    const char *name;
    long (*work)(struct work *work);
} cases[] = {
    {"open", do_open},
    {"read", do_read},
    {"read_until", do_read_until},
    {"read_all", do_read_all},
    {"readv", do_readv},
    {"pread", do_pread},
    {"pread_all", do_pread_all},
    {"write", do_write},
    {"write_all", do_write_all},
    {"pwrite", do_pwrite},
    {"pwrite_all", do_pwrite_all},
    {"writev", do_writev},
    {"ftruncate", do_ftruncate},
    {"fsync", do_fsync},
    {"poll", do_poll},
    {"poll_until", do_poll_until},
    {"close", do_close},
    {"accept", do_accept},
    {"connect", do_connect},
    {"send", do_send},
    {"send_all", do_send_all},
    {"sendmsg", do_sendmsg},
    {"recv", do_recv},
    {"recv_all", do_recv_all},
    {"recvmsg", do_recvmsg},
    {"recv_until", do_recv_until},
};

PINION_TASK(long, run, (struct work *, work), (size_t, which)) { return cases[which].work(work); }

static void do_case(struct work *work, size_t which)
{
    struct run_future future;
    work->io = pinion_default_io();
    memcpy(work->bytes, ".......", 8);
    if (run_parallel(work->io, &future, work, which))
        exit(EXIT_FAILURE);
    const long result = run_await(work->io, &future);
    (void)printf("%ld %s\n", result, work->bytes);
}

int main(int argc, char **argv)
{
    char path[256], other[256], fifo[256];
    if (argc != 3)
        return 2;
    (void)snprintf(path, sizeof path, "%s/file", argv[2]);
    (void)snprintf(other, sizeof other, "%s/other", argv[2]);
    (void)snprintf(fifo, sizeof fifo, "%s/fifo", argv[2]);
    struct work work = {.path = path,
                        .other = other,
                        .file = open(path, O_RDWR | O_CLOEXEC),
                        .fifo = open(fifo, O_RDWR | O_CLOEXEC)};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (strcmp(argv[1], cases[i].name) == 0 && work.file >= 0 && work.fifo >= 0) {
            do_case(&work, i);
            return 0;
        }
    return 2;
}
