/* SPDX-License-Identifier: MIT
 *
 * Parallel tasks of a loop: a thread each, with a backend of its own in which they wait.
 */
#include "loops.h"

#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

/* Descriptors of rings, or of what epoll waits in. */
static unsigned backends(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    must(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char target[64] = "";
        if (readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1) > 0)
            count += !strcmp(target, is_ring() ? "anon_inode:[io_uring]"
                                               : "anon_inode:[eventpoll]");
    }
    must(closedir(folder) == 0);
    return count;
}

PINION_TASK(int, read_one, (struct pinion_io *, io), (int, descriptor), (atomic_uint *, begun))
{
    char byte;
    atomic_fetch_add(begun, 1);
    return (int)pinion_read(io, descriptor, &byte, 1);
}

#define READERS 3

static void wait_until_empty(struct pinion_io *io, int descriptor)
{
    int left;
    do
        must(pinion_sleep(io, 1000000) == 0 && ioctl(descriptor, FIONREAD, &left) == 0);
    while (left);
}

static void have_readers(struct pinion_io *io, void *unused)
{
    const unsigned before = backends();
    struct read_one_future readers[READERS];
    atomic_uint begun = 0;
    int ends[2], got = 0, canceled = 0;
    (void)unused;
    must(pipe(ends) == 0);
    for (int i = 0; i < READERS; i++)
        must(read_one_parallel(io, &readers[i], io, ends[0], &begun) == 0);
    while (atomic_load(&begun) < READERS)
        must(pinion_sleep(io, 1000000) == 0);
    must(backends() == before + READERS);
    must(pinion_write(io, ends[1], "x", 1) == 1);
    wait_until_empty(io, ends[0]);
    for (int i = 0; i < READERS; i++) {
        const int result = read_one_cancel(io, &readers[i]);
        got += result == 1;
        canceled += result == -ECANCELED;
    }
    must(got == 1 && canceled == READERS - 1);
    must(close(ends[0]) == 0 && close(ends[1]) == 0);
}

static void each_waits_in_a_backend_of_its_own(void **state)
{
    (void)state;
    struct pinion_loop *loop = loop_of(1);
    const unsigned before = backends();
    run_in(loop, have_readers, NULL);
    pinion_loop_destroy(loop);
    assert_int_equal(backends(), before);
}

#define MUCH_STACK ((size_t)1024 * 1024) /* four times a fiber's */

PINION_TASK(int, use_stack, (struct pinion_io *, io))
{
    volatile char bytes[MUCH_STACK];
    for (size_t i = 0; i < sizeof bytes; i += 4096)
        bytes[i] = (char)(i / 4096);
    const int error = pinion_sleep(io, 1000000);
    for (size_t i = 0; i < sizeof bytes; i += 4096)
        if (bytes[i] != (char)(i / 4096))
            return -EFAULT;
    return error;
}

static void have_much_stack(struct pinion_io *io, void *unused)
{
    struct use_stack_future user;
    (void)unused;
    must(use_stack_parallel(io, &user, io) == 0);
    must(use_stack_await(io, &user) == 0);
}

static void its_stack_is_its_threads(void **state)
{
    (void)state;
    struct pinion_loop *loop = loop_of(1);
    run_in(loop, have_much_stack, NULL);
    pinion_loop_destroy(loop);
}

static void tell_thread(const void *context, void *result)
{
    (void)context;
    *(pid_t *)result = gettid();
}

PINION_TASK(bool, is_blocked_in_place, (struct pinion_io *, io))
{
    const struct pinion_call call = {tell_thread, NULL, 0, 0, sizeof(pid_t), alignof(pid_t)};
    pid_t thread = 0;
    return pinion_blocking(io, &call, &thread) == 0 && thread == gettid();
}

static void block_in_place(struct pinion_io *io, void *unused)
{
    struct is_blocked_in_place_future future;
    (void)unused;
    must(is_blocked_in_place_parallel(io, &future, io) == 0);
    must(is_blocked_in_place_await(io, &future));
}

static void what_blocks_it_takes_no_other_thread(void **state)
{
    (void)state;
    struct pinion_loop *loop = loop_of(1);
    run_in(loop, block_in_place, NULL);
    assert_int_equal(loop_stats(loop).threads_peak, 1);
    pinion_loop_destroy(loop);
}

/* All descriptors there may be are in use. */
static void use_without_descriptors(struct pinion_io *io, void *loop)
{
    struct use_stack_future user;
    const struct rlimit none = {0, 0};
    struct rlimit limit;
    must(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    must(setrlimit(RLIMIT_NOFILE, &(struct rlimit){none.rlim_cur, limit.rlim_max}) == 0);
    must(use_stack_parallel(io, &user, io) == 0);
    must(use_stack_await(io, &user) == 0);
    must(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    char *words = words_of(loop);
    must(strstr(words, "a parallel task waits as threads do"));
    free(words);
}

static void lack_descriptors(void *unused)
{
    (void)unused;
    struct pinion_loop *loop = loop_of(1);
    run_in(loop, use_without_descriptors, loop);
    pinion_loop_destroy(loop);
}

static void where_no_backend_can_be_had_it_waits_as_threads_do(void **state)
{
    (void)state;
    in_a_child(lack_descriptors, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_waits_in_a_backend_of_its_own),
        cmocka_unit_test(its_stack_is_its_threads),
        cmocka_unit_test(what_blocks_it_takes_no_other_thread),
        cmocka_unit_test(where_no_backend_can_be_had_it_waits_as_threads_do),
    };
    return run_on_both(tests);
}
