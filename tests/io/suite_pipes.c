/* SPDX-License-Identifier: MIT
 *
 * The calls of file.h that wait for a descriptor.
 */
#include "suite_descriptor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIPE_BYTES 4096

/* What the calls are made on. in: a pipe that is empty. out: one that is full. file: of some bytes.
 * fifo: a path, whose ends nobody has opened. */
struct ends {
    int in[2], out[2], file, other;
    char fifo[64];
    char buffer[PIPE_BYTES];
};

static void *ends_init(bool is_nonblocking)
{
    static struct ends the_ends;
    struct ends *ends = &the_ends;
    char directory[] = "/tmp/pinion-suite-XXXXXX";
    memset(ends, 0, sizeof *ends);
    ends->other = -1;
    assert_int_equal(pipe2(ends->in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(ends->out, O_CLOEXEC), 0);
    assert_int_equal(fcntl(ends->out[1], F_SETPIPE_SZ, PIPE_BYTES), PIPE_BYTES);
    assert_int_equal(write(ends->out[1], ends->buffer, PIPE_BYTES), PIPE_BYTES);
    ends->file = memfd_create("file", MFD_CLOEXEC);
    assert_int_equal(write(ends->file, "abcd", 4), 4);
    assert_int_equal(lseek(ends->file, 0, SEEK_SET), 0);
    assert_non_null(mkdtemp(directory));
    (void)snprintf(ends->fifo, sizeof ends->fifo, "%s/fifo", directory);
    assert_int_equal(mkfifo(ends->fifo, 0600), 0);
    for (int i = 0; i < 2; i++) {
        set_nonblocking(ends->in[i], is_nonblocking);
        set_nonblocking(ends->out[i], is_nonblocking);
    }
    return ends;
}

static void ends_fini(void *on, bool is_nonblocking)
{
    struct ends *ends = on;
    for (int i = 0; i < 2; i++) {
        expect_nonblocking(ends->in[i], is_nonblocking);
        expect_nonblocking(ends->out[i], is_nonblocking);
        assert_int_equal(close(ends->in[i]) | close(ends->out[i]), 0);
    }
    assert_int_equal(close(ends->file), 0);
    if (ends->other >= 0)
        assert_int_equal(close(ends->other), 0);
    assert_int_equal(unlink(ends->fifo), 0);
    *strrchr(ends->fifo, '/') = '\0';
    assert_int_equal(rmdir(ends->fifo), 0);
}

/* ---- the table ---- */

static ssize_t do_read(struct pinion_io *io, void *on, int64_t deadline)
{
    struct ends *ends = on;
    return pinion_read_until(io, ends->in[0], ends->buffer, sizeof ends->buffer, deadline);
}

static ssize_t do_readv(struct pinion_io *io, void *on, int64_t deadline)
{
    struct ends *ends = on;
    const struct iovec parts[] = {{ends->buffer, 2}, {ends->buffer + 2, 100}};
    return pinion_readv_until(io, ends->in[0], parts, 2, deadline);
}

static ssize_t do_read_all(struct pinion_io *io, void *on, int64_t deadline)
{
    struct ends *ends = on;
    return pinion_read_all_until(io, ends->in[0], ends->buffer, 3, deadline);
}

static ssize_t do_poll(struct pinion_io *io, void *on, int64_t deadline)
{
    struct ends *ends = on;
    struct pollfd list[] = {{.fd = ends->in[0], .events = POLLIN},
                            {.fd = ends->out[1], .events = POLLOUT}};
    return pinion_poll_until(io, list, 2, deadline);
}

static ssize_t do_splice(struct pinion_io *io, void *on, int64_t deadline)
{
    struct ends *ends = on;
    return pinion_splice_until(io, ends->in[0], NULL, ends->file, NULL, 100, 0, deadline);
}

static ssize_t do_splice_out(struct pinion_io *io, void *on, int64_t deadline)
{
    struct ends *ends = on;
    return pinion_splice_until(io, ends->file, NULL, ends->out[1], NULL, 4, 0, deadline);
}

static void let_read(void *on)
{
    struct ends *ends = on;
    must(write(ends->in[1], "xyz", 3) == 3);
}

static ssize_t do_write(struct pinion_io *io, void *on, int64_t deadline)
{
    struct ends *ends = on;
    return pinion_write_until(io, ends->out[1], "abc", 3, deadline);
}

static ssize_t do_writev(struct pinion_io *io, void *on, int64_t deadline)
{
    struct ends *ends = on;
    const struct iovec parts[] = {{ends->buffer, 1}, {ends->buffer, 2}};
    return pinion_writev_until(io, ends->out[1], parts, 2, deadline);
}

static ssize_t do_write_all(struct pinion_io *io, void *on, int64_t deadline)
{
    struct ends *ends = on;
    return pinion_write_all_until(io, ends->out[1], "abc", 3, deadline);
}

static ssize_t do_sendfile(struct pinion_io *io, void *on, int64_t deadline)
{
    struct ends *ends = on;
    return pinion_sendfile_until(io, ends->out[1], ends->file, NULL, 4, deadline);
}

static void let_write(void *on)
{
    struct ends *ends = on;
    char bytes[PIPE_BYTES];
    must(read(ends->out[0], bytes, sizeof bytes) == sizeof bytes);
}

static ssize_t do_open_to_read(struct pinion_io *io, void *on, int64_t deadline)
{
    struct ends *ends = on;
    return pinion_open_until(io, ends->fifo, O_RDONLY, 0, deadline);
}

static ssize_t do_open_to_write(struct pinion_io *io, void *on, int64_t deadline)
{
    struct ends *ends = on;
    return pinion_open_until(io, ends->fifo, O_WRONLY, 0, deadline);
}

static void let_open(void *on)
{
    struct ends *ends = on;
    must((ends->other = open(ends->fifo, O_RDWR | O_CLOEXEC)) >= 0);
}

#define ON_ENDS ends_init, ends_fini

const struct waiting pipe_waitings[] = {
    {"read", ON_ENDS, do_read, let_read, 3},
    {"readv", ON_ENDS, do_readv, let_read, 3},
    {"read_all", ON_ENDS, do_read_all, let_read, 3},
    {"poll", ON_ENDS, do_poll, let_read, 1},
    {"splice from a pipe", ON_ENDS, do_splice, let_read, 3},
    {"splice to a pipe", ON_ENDS, do_splice_out, let_write, 4},
    {"sendfile", ON_ENDS, do_sendfile, let_write, 4},
    {"write", ON_ENDS, do_write, let_write, 3},
    {"writev", ON_ENDS, do_writev, let_write, 3},
    {"write_all", ON_ENDS, do_write_all, let_write, 3},
    {"open of a FIFO to read", ON_ENDS, do_open_to_read, let_open, 0},
    {"open of a FIFO to write", ON_ENDS, do_open_to_write, let_open, 0},
    {.name = NULL},
};
