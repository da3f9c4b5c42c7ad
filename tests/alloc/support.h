/* SPDX-License-Identifier: MIT
 *
 * What the tests of this room share: cmocka, and looks at what a process has mapped.
 */
#ifndef PN_TESTS_ALLOC_SUPPORT_H
#define PN_TESTS_ALLOC_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "arena.h"
#include "binding.h"

#ifndef __has_feature
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define WITH_ASAN 1
#else
#define WITH_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#else
#define WITH_TSAN 0
#endif

/* jemalloc's, where the room is built with it. */
extern int mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size)
    __attribute__((weak));

static inline bool with_jemalloc(void)
{
    return strncmp(pn_arena_backend(), "jemalloc", 8) == 0;
}

/* A node that this process may have memory on. */
static inline int first_node(void)
{
    int node = 0;
    while (node < 1024 && pn_memory_node_check(node) != 0)
        node++;
    return node;
}

/* How many arenas jemalloc has; 0 without it. */
static inline unsigned jemalloc_arenas(void)
{
    unsigned count = 0;
    size_t size = sizeof(count);
    if (with_jemalloc())
        assert_int_equal(mallctl("arenas.narenas", &count, &size, NULL, 0), 0);
    return count;
}

/* Makes jemalloc give back all that is in no use. */
static inline void purge_all(void)
{
    if (with_jemalloc())
        assert_int_equal(mallctl("arena.4096.purge", NULL, NULL, NULL, 0), 0);
}

static inline size_t lines_of(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t lines = 0;
    for (int c; (c = fgetc(file)) != EOF;)
        lines += c == '\n';
    fclose(file);
    return lines;
}

static inline size_t mappings(void)
{
    return lines_of("/proc/self/maps");
}

static inline size_t statm_bytes(unsigned column)
{
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    size_t pages = 0;
    for (unsigned i = 0; i <= column; i++)
        assert_int_equal(fscanf(file, "%zu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static inline size_t resident_bytes(void)
{
    return statm_bytes(1);
}

/* Runs a function in a child, silently: its exit status, or -1 if it was killed. */
static inline int run_in_child(int (*function)(void))
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(99);
        _exit(function());
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
