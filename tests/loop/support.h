/* SPDX-License-Identifier: MIT
 *
 * What the tests of this room share: cmocka, children that end without a word, and looks at what a
 * process has mapped.
 */
#ifndef PN_TESTS_LOOP_SUPPORT_H
#define PN_TESTS_LOOP_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../threads.h"
#include "fiber.h"
#include "stack.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#define IS_SANITIZED (PN_FIBER_ASAN || PN_FIBER_TSAN)

/* Runs a function in a child, its standard error closed: what waitpid gives. The child checks with
 * must(), and ends by _exit. */
static inline int status_of_child(int (*function)(void))
{
    int status;
    (void)fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit none = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        _exit(function());
    }
    assert_true(waitpid(child, &status, 0) == child);
    return status;
}

static inline void assert_child_exits(int (*function)(void), int expected)
{
    const int status = status_of_child(function);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), expected);
}

static inline size_t mappings(void)
{
    FILE *const file = fopen("/proc/self/maps", "r");
    size_t lines = 0;
    must(file != NULL);
    for (int c; (c = fgetc(file)) != EOF;)
        lines += c == '\n';
    (void)fclose(file);
    return lines;
}

#endif
