/* SPDX-License-Identifier: MIT
 *
 * Memory that others may read: who finds it, who may write it, and what becomes of it at a fork.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "segment.h"

#define BYTES ((size_t)8 * 4096)

static struct pn_segment *segment;

static int set_up(void **state)
{
    (void)state;
    return pn_segment_create(BYTES, &segment);
}

static int tear_down(void **state)
{
    (void)state;
    pn_segment_hide(segment);
    pn_segment_let_go(segment);
    return 0;
}

/* The descriptor by which others find one; -1: there is none. */
static int descriptor(void)
{
    for (int fd = 0; fd < 256; fd++) {
        char path[64], target[64] = "";
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink(path, target, sizeof target - 1) > 0 &&
            strcmp(target, "/memfd:" PN_SEGMENT_NAME " (deleted)") == 0)
            return fd;
    }
    return -1;
}

static void what_is_written_is_read_through_the_descriptor(void **state)
{
    (void)state;
    char *first = pn_segment_take(segment, 4096), *second = pn_segment_take(segment, 4096), byte;
    assert_int_equal(pn_segment_error(segment), 0);
    assert_ptr_equal(second, first + 4096);
    assert_true(pn_segment_has(segment, second + 4095));
    assert_false(pn_segment_has(segment, first + BYTES));
    assert_false(pn_segment_has(segment, first - 1));
    *second = 'x';
    assert_int_equal(pread(descriptor(), &byte, 1, 4096), 1);
    assert_int_equal(byte, 'x');
}

static void no_more_is_given_than_there_is(void **state)
{
    (void)state;
    assert_null(pn_segment_take(segment, BYTES + 4096));
    assert_non_null(pn_segment_take(segment, BYTES - 4096));
    assert_null(pn_segment_take(segment, 8192));
    assert_non_null(pn_segment_take(segment, 4096));
    assert_null(pn_segment_take(segment, 4096));
}

static void nobody_else_may_write_it_or_change_its_size(void **state)
{
    (void)state;
    const int fd = descriptor();
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(status.st_mode & 07777, S_IRUSR);
    const int seals = fcntl(fd, F_GET_SEALS);
    assert_int_equal(seals & (F_SEAL_SHRINK | F_SEAL_GROW), F_SEAL_SHRINK | F_SEAL_GROW);
    assert_int_equal(ftruncate(fd, 4096), -1);
    if (!(seals & F_SEAL_FUTURE_WRITE))
        skip(); /* before Linux 5.1 */
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_ptr_equal(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
}

static void what_is_hidden_is_not_found_and_stays(void **state)
{
    (void)state;
    char *memory = pn_segment_take(segment, 4096);
    pn_segment_hold(segment);
    pn_segment_hide(segment);
    assert_int_equal(descriptor(), -1);
    pn_segment_let_go(segment);
    *memory = 'x';
}

/* A program may close what it doesn't know, and open something else under that number. */
static void another_file_of_its_number_is_not_closed(void **state)
{
    (void)state;
    const int fd = descriptor(), other = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_int_equal(dup3(other, fd, O_CLOEXEC), fd);
    pn_segment_hide(segment);
    assert_int_equal(write(fd, "x", 1), 1);
    (void)close(fd);
    (void)close(other);
}

static void a_child_has_a_copy_that_is_its_own(void **state)
{
    (void)state;
    char *memory = pn_segment_take(segment, 4096);
    *memory = 'p';
    const pid_t child = fork();
    if (child == 0) {
        const bool is_well = *memory == 'p' && descriptor() < 0;
        *memory = 'c';
        _exit(is_well ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(*memory, 'p');
}

/* To make a file larger than that would end the process by a signal. */
static void where_files_may_not_be_so_large_it_is_the_process_own(void **state)
{
    (void)state;
    struct rlimit was, low;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    low = (struct rlimit){.rlim_cur = 4096, .rlim_max = was.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    assert_int_equal(pn_segment_create(BYTES, &segment), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(pn_segment_error(segment), -EFBIG);
    assert_int_equal(descriptor(), -1);
    char *memory = pn_segment_take(segment, BYTES);
    memory[BYTES - 1] = 'x';
    assert_int_equal(memory[0], 0);
}

static void without_a_descriptor_to_be_had_it_is_the_process_own(void **state)
{
    (void)state;
    struct rlimit was, low;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    low = (struct rlimit){.rlim_cur = 0, .rlim_max = was.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    errno = E2BIG;
    assert_int_equal(pn_segment_create(BYTES, &segment), 0);
    assert_int_equal(errno, E2BIG);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    assert_int_equal(pn_segment_error(segment), -EMFILE);
    assert_non_null(pn_segment_take(segment, BYTES));
}

#define WITH_SEGMENT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SEGMENT(what_is_written_is_read_through_the_descriptor),
        WITH_SEGMENT(no_more_is_given_than_there_is),
        WITH_SEGMENT(nobody_else_may_write_it_or_change_its_size),
        WITH_SEGMENT(what_is_hidden_is_not_found_and_stays),
        WITH_SEGMENT(another_file_of_its_number_is_not_closed),
        WITH_SEGMENT(a_child_has_a_copy_that_is_its_own),
        cmocka_unit_test_teardown(where_files_may_not_be_so_large_it_is_the_process_own,
                                  tear_down),
        cmocka_unit_test_teardown(without_a_descriptor_to_be_had_it_is_the_process_own, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
