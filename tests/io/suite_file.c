/* SPDX-License-Identifier: MIT
 *
 * The suite's part on files: what each call does, and what becomes of bad input. Those that wait
 * for a descriptor are in suite_pipe.c.
 */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../threads.h"

/* ---- a directory of the test's own ---- */

static char directory[64];

static const char *path_of(const char *name)
{
    static char paths[4][128];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

static void make_directory(void)
{
    (void)strcpy(directory, "/tmp/pinion-suite-XXXXXX");
    assert_non_null(mkdtemp(directory));
    errno = 77;
}

/* Everything in it is gone by then. */
static void remove_directory(void)
{
    assert_int_equal(errno, 77);
    assert_int_equal(rmdir(directory), 0);
}

static int make_file(struct pinion_io *io, const char *name)
{
    const int file = pinion_open(io, path_of(name), O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(file >= 0);
    return file;
}

static void expect_content(int file, const char *content)
{
    char bytes[64];
    const ssize_t length = pread(file, bytes, sizeof bytes, 0);
    assert_int_equal(length, strlen(content));
    assert_memory_equal(bytes, content, (size_t)length);
}

/* ---- what they do ---- */

static void an_opened_file_is_as_asked(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    const mode_t former = umask(022);
    struct stat status;
    make_directory();
    const int file = pinion_open(io, path_of("a"), O_WRONLY | O_CREAT, 0640);
    assert_true(file >= 0);
    assert_int_equal(pinion_fstat(io, file, &status), 0);
    assert_int_equal(status.st_mode, S_IFREG | 0640);
    assert_int_equal(fcntl(file, F_GETFD), FD_CLOEXEC);
    assert_int_equal(fcntl(file, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_WRONLY);
    assert_int_equal(pinion_open(io, path_of("a"), O_WRONLY | O_CREAT | O_EXCL, 0640), -EEXIST);
    const int again = pinion_open(io, path_of("a"), O_RDONLY);
    const int late = pinion_open_until(io, path_of("b"), O_RDWR | O_CREAT, 0604, 0);
    assert_true(again >= 0 && late >= 0);
    assert_int_equal(pinion_fstat(io, late, &status), 0);
    assert_int_equal(status.st_mode, S_IFREG | 0604);
    assert_int_equal(pinion_close(io, file) | pinion_close(io, again) | pinion_close(io, late), 0);
    assert_int_equal(pinion_unlink(io, path_of("a")) | pinion_unlink(io, path_of("b")), 0);
    remove_directory();
    (void)umask(former);
}

static void a_file_is_opened_below_a_directory(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    make_directory();
    const int below = pinion_open(io, directory, O_RDONLY | O_DIRECTORY);
    assert_true(below >= 0);
    const int file = pinion_openat(io, below, "a", O_WRONLY | O_CREAT, 0600);
    assert_true(file >= 0);
    assert_int_equal(fcntl(file, F_GETFD), FD_CLOEXEC);
    assert_int_equal(pinion_close(io, file) | pinion_close(io, below), 0);
    assert_int_equal(pinion_openat(io, AT_FDCWD, path_of("b"), O_RDONLY), -ENOENT);
    assert_int_equal(pinion_unlink(io, path_of("a")), 0);
    remove_directory();
}

static void bytes_are_written_and_read(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    char bytes[16] = "";
    make_directory();
    const int file = make_file(io, "a");
    const struct iovec out[] = {{(char[]){"cd"}, 2}, {(char[]){"efg"}, 3}};
    const struct iovec in[] = {{bytes, 3}, {bytes + 8, 8}};
    assert_int_equal(pinion_write(io, file, "ab", 2), 2);
    assert_int_equal(pinion_writev(io, file, out, 2), 5);
    assert_int_equal(pinion_write_all(io, file, "hi", 2), 2);
    expect_content(file, "abcdefghi");
    assert_int_equal(lseek(file, 0, SEEK_SET), 0);
    assert_int_equal(pinion_read(io, file, bytes, 2), 2);
    assert_memory_equal(bytes, "ab", 2);
    assert_int_equal(pinion_readv(io, file, in, 2), 7);
    assert_memory_equal(bytes, "cde", 3);
    assert_memory_equal(bytes + 8, "fghi", 4);
    assert_int_equal(pinion_read(io, file, bytes, sizeof bytes), 0);
    assert_int_equal(pinion_read_all(io, file, bytes, sizeof bytes), 0);
    assert_int_equal(lseek(file, 1, SEEK_SET), 1);
    assert_int_equal(pinion_read_all(io, file, bytes, sizeof bytes), 8);
    assert_int_equal(pinion_close(io, file) | pinion_unlink(io, path_of("a")), 0);
    remove_directory();
}

static void bytes_are_written_and_read_at_an_offset(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    char bytes[16] = "";
    make_directory();
    const int file = make_file(io, "a");
    const struct iovec out[] = {{(char[]){"a"}, 1}, {(char[]){"b"}, 1}};
    const struct iovec in[] = {{bytes, 1}, {bytes + 4, 4}};
    assert_int_equal(pinion_pwrite(io, file, "cd", 2, 2), 2);
    assert_int_equal(pinion_pwritev(io, file, out, 2, 0), 2);
    assert_int_equal(pinion_pwrite_all(io, file, "ef", 2, 4), 2);
    expect_content(file, "abcdef");
    assert_int_equal(pinion_pread(io, file, bytes, 2, 1), 2);
    assert_memory_equal(bytes, "bc", 2);
    assert_int_equal(pinion_preadv(io, file, in, 2, 3), 3);
    assert_int_equal(bytes[0], 'd');
    assert_memory_equal(bytes + 4, "ef", 2);
    assert_int_equal(pinion_pread_all(io, file, bytes, sizeof bytes, 2), 4);
    assert_memory_equal(bytes, "cdef", 4);
    assert_int_equal(pinion_pread(io, file, bytes, 2, 6), 0);
    assert_int_equal(lseek(file, 0, SEEK_CUR), 0);
    assert_int_equal(pinion_close(io, file) | pinion_unlink(io, path_of("a")), 0);
    remove_directory();
}

static void move_nothing(struct pinion_io *io, int from, int to)
{
    const struct iovec none[2] = {{"", 0}, {"", 0}};
    char byte;
    errno = 77;
    assert_int_equal(pinion_write(io, to, "", 0), 0);
    assert_int_equal(pinion_write_all(io, to, "", 0), 0);
    assert_int_equal(pinion_writev(io, to, NULL, 0), 0);
    assert_int_equal(pinion_writev(io, to, none, 2), 0);
    assert_int_equal(pinion_read(io, from, &byte, 0), 0);
    assert_int_equal(pinion_read_all(io, from, &byte, 0), 0);
    assert_int_equal(pinion_readv(io, from, none, 2), 0);
    assert_int_equal(errno, 77);
}

static void nothing_is_moved_where_nothing_is_asked_for(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    int ends[2];
    assert_int_equal(pinion_pipe(io, ends), 0);
    move_nothing(io, ends[0], ends[1]);
    assert_int_equal(pinion_close(io, ends[0]) | pinion_close(io, ends[1]), 0);
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY); /* no flag keeps it from waiting */
    if (terminal >= 0 && !grantpt(terminal) && !unlockpt(terminal)) {
        const int other = open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
        assert_true(other >= 0);
        move_nothing(io, other, other);
        assert_int_equal(close(other) | close(terminal), 0);
    }
}

static void files_are_named_and_measured(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    struct stat status;
    make_directory();
    const int file = make_file(io, "a");
    assert_int_equal(pinion_ftruncate(io, file, 12345), 0);
    assert_int_equal(pinion_fsync(io, file) | pinion_fdatasync(io, file), 0);
    assert_int_equal(pinion_fstat(io, file, &status), 0);
    assert_int_equal(status.st_size, 12345);
    assert_int_equal(pinion_mkdir(io, path_of("d"), 0700), 0);
    assert_int_equal(pinion_mkdir(io, path_of("d"), 0700), -EEXIST);
    assert_int_equal(pinion_rename(io, path_of("a"), path_of("d/b")), 0);
    assert_int_equal(pinion_unlink(io, path_of("a")), -ENOENT);
    assert_int_equal(pinion_unlink(io, path_of("d")), -EISDIR);
    assert_int_equal(pinion_unlink(io, path_of("d/b")), 0);
    assert_int_equal(rmdir(path_of("d")), 0);
    assert_int_equal(pinion_close(io, file), 0);
    remove_directory();
}

static void bytes_move_inside_the_kernel(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    int ends[2];
    off_t offset = 1;
    make_directory();
    const int source = make_file(io, "a"), target = make_file(io, "b");
    assert_int_equal(pinion_pipe(io, ends), 0);
    assert_int_equal(pinion_pwrite(io, source, "abcdef", 6, 0), 6);
    assert_int_equal(pinion_sendfile(io, ends[1], source, &offset, 2), 2);
    assert_int_equal(offset, 3);
    assert_int_equal(pinion_splice(io, source, &offset, ends[1], NULL, 100, 0), 3);
    assert_int_equal(offset, 6);
    offset = 2;
    assert_int_equal(pinion_splice(io, ends[0], NULL, target, &offset, 5, 0), 5);
    char bytes[16];
    assert_int_equal(pread(target, bytes, sizeof bytes, 0), 7);
    assert_memory_equal(bytes, "\0\0bcdef", 7);
    assert_int_equal(pinion_close(io, ends[0]) | pinion_close(io, ends[1]), 0);
    assert_int_equal(pinion_close(io, source) | pinion_close(io, target), 0);
    assert_int_equal(pinion_unlink(io, path_of("a")) | pinion_unlink(io, path_of("b")), 0);
    remove_directory();
}

/* ---- bad input ---- */

static void a_descriptor_that_is_closed_is_refused(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    struct iovec part = {NULL, 0};
    struct stat status;
    char byte = 0;
    int ends[2];
    assert_int_equal(pinion_pipe(io, ends), 0);
    assert_int_equal(pinion_close(io, ends[0]) | pinion_close(io, ends[1]), 0);
    errno = 77;
    for (int i = 0; i < 3; i++) {
        const int fd = i == 0 ? -1 : i == 1 ? ends[0] : 1 << 30;
        assert_int_equal(pinion_close(io, fd), -EBADF);
        assert_int_equal(pinion_read(io, fd, &byte, 1), -EBADF);
        assert_int_equal(pinion_read_all(io, fd, &byte, 1), -EBADF);
        assert_int_equal(pinion_read_until(io, fd, &byte, 1, i == 1 ? 0 : suite_now()), -EBADF);
        assert_int_equal(pinion_readv(io, fd, &part, 1), -EBADF);
        assert_int_equal(pinion_pread(io, fd, &byte, 1, 0), -EBADF);
        assert_int_equal(pinion_preadv(io, fd, &part, 1, 0), -EBADF);
        assert_int_equal(pinion_write(io, fd, &byte, 1), -EBADF);
        assert_int_equal(pinion_write_all(io, fd, &byte, 1), -EBADF);
        assert_int_equal(pinion_write_until(io, fd, &byte, 1, 0), -EBADF);
        assert_int_equal(pinion_writev(io, fd, &part, 1), -EBADF);
        assert_int_equal(pinion_pwrite(io, fd, &byte, 1, 0), -EBADF);
        assert_int_equal(pinion_pwritev(io, fd, &part, 1, 0), -EBADF);
        assert_int_equal(pinion_sendfile(io, fd, fd, NULL, 1), -EBADF);
        assert_int_equal(pinion_splice(io, fd, NULL, fd, NULL, 1, 0), -EBADF);
        assert_int_equal(pinion_fsync(io, fd), -EBADF);
        assert_int_equal(pinion_fdatasync(io, fd), -EBADF);
        assert_int_equal(pinion_ftruncate(io, fd, 0), -EBADF);
        assert_int_equal(pinion_fstat(io, fd, &status), -EBADF);
        assert_int_equal(pinion_openat(io, fd, "a", O_RDONLY), -EBADF);
    }
    assert_int_equal(errno, 77);
}

static void a_call_that_a_descriptor_does_not_allow_is_refused(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    char byte = 0;
    int ends[2];
    assert_int_equal(pinion_pipe(io, ends), 0);
    errno = 77;
    assert_int_equal(pinion_read(io, ends[1], &byte, 1), -EBADF);
    assert_int_equal(pinion_write(io, ends[0], &byte, 1), -EBADF);
    assert_int_equal(pinion_pread(io, ends[0], &byte, 1, 0), -ESPIPE);
    assert_int_equal(pinion_pwrite(io, ends[1], &byte, 1, 0), -ESPIPE);
    assert_int_equal(pinion_ftruncate(io, ends[1], 0), -EINVAL);
    assert_int_equal(pinion_fsync(io, ends[1]), -EINVAL);
    assert_int_equal(pinion_readv(io, ends[0], NULL, -1), -EINVAL);
    assert_int_equal(pinion_readv(io, ends[0], NULL, 100000), -EINVAL);
    assert_int_equal(pinion_writev(io, ends[1], NULL, -1), -EINVAL);
    assert_int_equal(pinion_writev(io, ends[1], NULL, 100000), -EINVAL);
    assert_int_equal(pinion_open(io, "/tmp", O_RDWR), -EISDIR);
    assert_int_equal(pinion_open(io, "/tmp", O_WRONLY), -EISDIR);
    assert_int_equal(pinion_open(io, "", O_RDONLY), -ENOENT);
    assert_int_equal(pinion_open(io, "/dev/null/a", O_RDONLY), -ENOTDIR);
    const int tmp = pinion_open(io, "/tmp", O_RDONLY);
    assert_int_equal(pinion_read(io, tmp, &byte, 1), -EISDIR);
    assert_int_equal(pinion_close(io, tmp), 0);
    assert_int_equal(pinion_close(io, ends[0]) | pinion_close(io, ends[1]), 0);
    assert_int_equal(errno, 77);
}

static void a_path_that_is_too_long_is_refused(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    static char path[10001], name[301];
    memset(path, 'a', sizeof path - 1);
    memset(name, 'a', sizeof name - 1);
    for (int i = 0; i < 2; i++) {
        const char *what = i ? path : name;
        assert_int_equal(pinion_open(io, what, O_RDONLY | O_CREAT, 0600), -ENAMETOOLONG);
        assert_int_equal(pinion_unlink(io, what), -ENAMETOOLONG);
        assert_int_equal(pinion_rename(io, what, "b"), -ENAMETOOLONG);
        assert_int_equal(pinion_mkdir(io, what, 0700), -ENAMETOOLONG);
    }
}

static void an_address_that_is_not_there_is_refused(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    char *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int ends[2];
    assert_ptr_not_equal(nowhere, MAP_FAILED);
    assert_int_equal(pinion_pipe(io, ends), 0);
    assert_int_equal(pinion_write(io, ends[1], nowhere, 1), -EFAULT);
    assert_int_equal(pinion_write(io, ends[1], "a", 1), 1);
    assert_int_equal(pinion_read(io, ends[0], nowhere, 1), -EFAULT);
    assert_int_equal(pinion_open(io, nowhere, O_RDONLY), -EFAULT);
    assert_int_equal(pinion_fstat(io, ends[0], (struct stat *)(void *)nowhere), -EFAULT);
    assert_int_equal(pinion_close(io, ends[0]) | pinion_close(io, ends[1]), 0);
    assert_int_equal(munmap(nowhere, 4096), 0);
}

static void when_no_descriptor_is_left_that_is_said(struct suite *suite)
{
    struct pinion_io *io = suite->io;
    struct rlimit former;
    int files[64], count = 0, last = 0;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &former), 0);
    const struct rlimit few = {64, former.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int wanted = 0; wanted < 10000; wanted++) {
        last = pinion_open(io, "/dev/null", O_RDONLY);
        if (last >= 0 && count < 64)
            files[count++] = last;
        else
            assert_int_equal(last, -EMFILE);
    }
    int ends[2] = {-7, -7};
    assert_int_equal(pinion_pipe(io, ends), -EMFILE);
    assert_int_equal(ends[0], -7);
    while (count > 0)
        assert_int_equal(pinion_close(io, files[--count]), 0);
    assert_int_equal(pinion_pipe(io, ends), 0);
    assert_int_equal(pinion_close(io, ends[0]) | pinion_close(io, ends[1]), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &former), 0);
}

/* ---- a disk that is full ---- */

enum { DISK_DENIED = 77, DISK_WRONG = 1 };

static void write_line(const char *path, const char *line)
{
    const int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file >= 0) {
        (void)!write(file, line, strlen(line));
        (void)close(file);
    }
}

/* A disk of 64 KiB, seen by this process alone. */
static bool mount_disk(void)
{
    char users[32], groups[32];
    (void)snprintf(users, sizeof users, "0 %u 1", getuid());
    (void)snprintf(groups, sizeof groups, "0 %u 1", getgid());
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
        return false;
    write_line("/proc/self/uid_map", users);
    write_line("/proc/self/setgroups", "deny");
    write_line("/proc/self/gid_map", groups);
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", directory, "tmpfs", 0, "size=64k") == 0;
}

#define DISK_EXPECT(condition)                                                                     \
    do                                                                                             \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);   \
            _exit(DISK_WRONG);                                                                     \
        }                                                                                          \
    while (0)

static _Noreturn void fill_disk(const struct suite_io *of)
{
    static char bytes[100000];
    struct pinion_io *io;
    void *made;
    if (!mount_disk())
        _exit(DISK_DENIED);
    DISK_EXPECT(of->make(of, &io, &made) == 0);
    const int file = pinion_open(io, path_of("a"), O_RDWR | O_CREAT, 0600);
    DISK_EXPECT(file >= 0);
    const ssize_t written = pinion_write(io, file, bytes, sizeof bytes);
    DISK_EXPECT(written > 0 && written <= 65536);
    DISK_EXPECT(pinion_write(io, file, bytes, sizeof bytes) == -ENOSPC);
    DISK_EXPECT(pinion_write_all(io, file, bytes, sizeof bytes) == -ENOSPC);
    DISK_EXPECT(pinion_pwrite(io, file, bytes, 1, 1 << 20) == -ENOSPC);
    DISK_EXPECT(pinion_ftruncate(io, file, 0) == 0);
    DISK_EXPECT(pinion_write_all(io, file, bytes, sizeof bytes) == -ENOSPC); /* after a part */
    DISK_EXPECT(pinion_pwrite_all(io, file, bytes, sizeof bytes, 0) == -ENOSPC);
    DISK_EXPECT(pinion_close(io, file) == 0);
    of->destroy(made);
    _exit(0);
}

static void a_disk_that_is_full_is_told(struct suite *suite)
{
    int status;
    if (!SUITE_CAN_FORK)
        skip();
    make_directory();
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        fill_disk(suite->of);
    assert_int_equal(waitpid(child, &status, 0), child);
    remove_directory();
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == DISK_DENIED) {
        print_message("a mount namespace of its own is denied\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- cancelation ---- */

static void be_refused_once(struct within *within)
{
    struct pinion_io *io = within->io;
    struct stat status;
    const int file = memfd_create("file", MFD_CLOEXEC);
    char byte;
    REFUSED(pinion_open(io, path_of("a"), O_WRONLY | O_CREAT, 0600));
    REFUSED(pinion_openat(io, AT_FDCWD, path_of("a"), O_WRONLY | O_CREAT, 0600));
    REFUSED(pinion_read(io, file, &byte, 1));
    REFUSED(pinion_write(io, file, "a", 1));
    REFUSED(pinion_pread(io, file, &byte, 1, 0));
    REFUSED(pinion_pwrite(io, file, "a", 1, 0));
    REFUSED(pinion_read_all(io, file, &byte, 1));
    REFUSED(pinion_write_all(io, file, "a", 1));
    REFUSED(pinion_fsync(io, file));
    REFUSED(pinion_fdatasync(io, file));
    REFUSED(pinion_ftruncate(io, file, 1));
    REFUSED(pinion_fstat(io, file, &status));
    REFUSED(pinion_mkdir(io, path_of("a"), 0700));
    REFUSED(pinion_rename(io, path_of("a"), path_of("b")));
    REFUSED(pinion_unlink(io, path_of("a")));
    REFUSED(pinion_pipe(io, (int[]){0, 0}));
    REFUSED(pinion_poll(io, NULL, 0, 0));
    EXPECT(lseek(file, 0, SEEK_END) == 0);
    EXPECT(pinion_close(io, file) == 0); /* whatever is pending */
    EXPECT(fcntl(file, F_GETFD) == -1);
    EXPECT(pinion_check_cancel(io) == -ECANCELED);
    const bool was = pinion_cancel_protect(io, true);
    pinion_recancel(io);
    const int other = pinion_open(io, "/dev/null", O_RDONLY);
    EXPECT(other >= 0 && pinion_read(io, other, &byte, 1) == 0 && pinion_close(io, other) == 0);
    (void)pinion_cancel_protect(io, was);
    EXPECT(pinion_check_cancel(io) == -ECANCELED);
}

static void a_request_is_delivered_by_each_call_but_close(struct suite *suite)
{
    struct within within;
    make_directory();
    within_start(suite, &within, be_refused_once, NULL, true);
    within_end(&within);
    errno = 77;
    remove_directory();
}

static void an_io_that_refuses_refuses_all_but_close(struct suite *suite)
{
    struct pinion_io *io = pinion_io_failing();
    struct stat status;
    struct pollfd none = {.fd = -1};
    char byte;
    int ends[2];
    assert_int_equal(pinion_pipe(suite->io, ends), 0);
    errno = 77;
    assert_int_equal(pinion_open(io, "/dev/null", O_RDONLY), -ENOTSUP);
    assert_int_equal(pinion_open_until(io, "/dev/null", O_RDONLY, 0, 0), -ENOTSUP);
    assert_int_equal(pinion_pipe(io, (int[]){0, 0}), -ENOTSUP);
    assert_int_equal(pinion_read(io, ends[0], &byte, 1), -ENOTSUP);
    assert_int_equal(pinion_read_until(io, ends[0], &byte, 1, 0), -ENOTSUP);
    assert_int_equal(pinion_write(io, ends[1], "a", 1), -ENOTSUP);
    assert_int_equal(pinion_write_all(io, ends[1], "a", 1), -ENOTSUP);
    assert_int_equal(pinion_fsync(io, ends[0]), -ENOTSUP);
    assert_int_equal(pinion_fstat(io, ends[0], &status), -ENOTSUP);
    assert_int_equal(pinion_poll(io, &none, 1, -1), -ENOTSUP);
    assert_int_equal(pinion_close(io, ends[0]), 0);
    assert_int_equal(pinion_close(io, ends[1]), 0);
    assert_int_equal(pinion_close(io, ends[1]), -EBADF);
    assert_int_equal(errno, 77);
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(an_opened_file_is_as_asked),
    SUITE_TEST(a_file_is_opened_below_a_directory),
    SUITE_TEST(bytes_are_written_and_read),
    SUITE_TEST(bytes_are_written_and_read_at_an_offset),
    SUITE_TEST(nothing_is_moved_where_nothing_is_asked_for),
    SUITE_TEST(files_are_named_and_measured),
    SUITE_TEST(bytes_move_inside_the_kernel),
    SUITE_TEST(a_descriptor_that_is_closed_is_refused),
    SUITE_TEST(a_call_that_a_descriptor_does_not_allow_is_refused),
    SUITE_TEST(a_path_that_is_too_long_is_refused),
    SUITE_TEST(an_address_that_is_not_there_is_refused),
    SUITE_TEST(when_no_descriptor_is_left_that_is_said),
    SUITE_TEST(a_disk_that_is_full_is_told),
    SUITE_TEST(a_request_is_delivered_by_each_call_but_close),
    SUITE_TEST(an_io_that_refuses_refuses_all_but_close),
    {NULL, NULL},
};
