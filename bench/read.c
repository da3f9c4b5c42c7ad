/* SPDX-License-Identifier: MIT
 *
 * What it costs that a read can be canceled, where it does not wait: beside the bare system call,
 * and beside libc's, which a program with threads can cancel in its own way (pthread_cancel).
 *
 * A pipe is filled before each part of a round, which is not measured, and then read in pieces; a
 * file is in the page cache. Rows "in a task" run in a parallel task of a pool, each in a thread of
 * the same kind; "outside" is the program's own thread.
 */
#include <fcntl.h>
#include <pinion.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rounds.h"

#define ROUNDS     31
#define PIPE_BYTES (256 * 1024)
#define BYTES_MAX  4096
#define FAR        INT64_C(3600000000000)

static const char about[] =
    "What it adds to a read of a ready pipe, and to a pread of a cached file, that it can be\n"
    "canceled: pinion's beside the bare system call and libc's. An operation is one call.\n";

static struct pinion_io *io;
static int ends[2], file;
static int64_t deadline; /* far */

/* One way to read. in_task: in which thread. */
struct way {
    long (*call)(char *buffer, size_t bytes);
    size_t bytes;
    bool in_task, is_pipe;
};

static long bare_read(char *buffer, size_t bytes)
{
    return syscall(SYS_read, ends[0], buffer, bytes);
}

static long libc_read(char *buffer, size_t bytes) { return read(ends[0], buffer, bytes); }

static long our_read(char *buffer, size_t bytes)
{
    return pinion_read(io, ends[0], buffer, bytes);
}

static long our_read_until(char *buffer, size_t bytes)
{
    return pinion_read_until(io, ends[0], buffer, bytes, deadline);
}

static long bare_pread(char *buffer, size_t bytes)
{
    return syscall(SYS_pread64, file, buffer, bytes, 0);
}

static long libc_pread(char *buffer, size_t bytes) { return pread(file, buffer, bytes, 0); }

static long our_pread(char *buffer, size_t bytes)
{
    return pinion_pread(io, file, buffer, bytes, 0);
}

static void fill(uint64_t bytes)
{
    static const char zeros[PIPE_BYTES];
    if (write(ends[1], zeros, bytes) != (ssize_t)bytes)
        rounds_die("a pipe does not take %llu bytes", (unsigned long long)bytes);
}

static int64_t read_some(const struct way *way, uint64_t n)
{
    char buffer[BYTES_MAX];
    const int64_t began = rounds_now();
    for (uint64_t i = 0; i < n; i++)
        if (way->call(buffer, way->bytes) != (long)way->bytes)
            rounds_die("a read does not give %zu bytes", way->bytes);
    return rounds_now() - began;
}

/* As much at a time as the pipe holds. */
static int64_t read_all(const struct way *way, uint64_t n)
{
    const uint64_t most = way->is_pipe ? PIPE_BYTES / way->bytes : n;
    int64_t ns = 0;
    for (uint64_t left = n; left > 0;) {
        const uint64_t now = left < most ? left : most;
        if (way->is_pipe)
            fill(now * way->bytes);
        ns += read_some(way, now);
        left -= now;
    }
    return ns;
}

PINION_TASK(int64_t, read_in_task, (const struct way *, way), (uint64_t, n))
{
    return read_all(way, n);
}

static int64_t run(void *context, uint64_t n)
{
    const struct way *way = context;
    struct read_in_task_future future;
    if (!way->in_task)
        return read_all(way, n);
    if (read_in_task_parallel(io, &future, way, n))
        rounds_die("no parallel task");
    return read_in_task_await(io, &future);
}

static struct rounds_row *add(struct rounds *rounds, const struct way *way, const char *name)
{
    static struct way ways[ROUNDS_ROWS_MAX];
    struct way *own = &ways[rounds->row_count];
    *own = *way;
    return rounds_row(rounds, run, own, "%s of %zu bytes %s, %s",
                      way->is_pipe ? "pipe: read" : "file: pread", way->bytes,
                      way->in_task ? "in a task" : "outside", name);
}

static void add_pair(struct rounds *rounds, size_t bytes, bool in_task, bool is_pipe)
{
    struct way way = {is_pipe ? bare_read : bare_pread, bytes, in_task, is_pipe};
    const struct rounds_row *bare = add(rounds, &way, "bare");
    way.call = is_pipe ? libc_read : libc_pread;
    const struct rounds_row *libc = add(rounds, &way, "libc");
    way.call = is_pipe ? our_read : our_pread;
    struct rounds_row *ours = add(rounds, &way, "pinion");
    ours->peers[0] = bare;
    ours->peers[1] = libc;
    if (is_pipe && in_task) {
        way.call = our_read_until;
        add(rounds, &way, "pinion, by a deadline")->peers[0] = bare;
    }
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {1, 64, BYTES_MAX};
    static struct rounds rounds;
    struct pinion_pool *pool;
    static const char zeros[BYTES_MAX];
    rounds_begin(&rounds, "read", about, ROUNDS, argc, argv);
    file = memfd_create("read", MFD_CLOEXEC);
    if (pinion_pool_create(NULL, &pool) || pipe2(ends, O_CLOEXEC) ||
        fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES) < PIPE_BYTES ||
        write(file, zeros, sizeof zeros) != sizeof zeros)
        rounds_die("no pool, no pipe, or no file");
    io = pinion_pool_io(pool);
    deadline = rounds_now() + FAR;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int in_task = 1; in_task >= 0; in_task--)
            for (int is_pipe = 1; is_pipe >= 0; is_pipe--)
                add_pair(&rounds, sizes[i], in_task, is_pipe);
    rounds_run(&rounds);
    pinion_pool_destroy(pool);
    return rounds_end(&rounds);
}
