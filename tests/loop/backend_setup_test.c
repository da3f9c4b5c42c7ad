/* SPDX-License-Identifier: MIT
 *
 * Backends as they are made and unmade, also where the kernel refuses.
 */
#include <linux/audit.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "../filters.h"
#include "backend_support.h"
#include <pinion/error.h>
#include <pinion/loop.h>

static int make(enum pn_backend_kind kind, unsigned entries, struct pn_backend **backend)
{
    return pn_backend_create(
        &(struct pn_backend_options){.kind = kind, .ring_entries = entries}, backend);
}

/* Waits and wakes: it serves. */
static bool serves(struct pn_backend *backend)
{
    pn_backend_wake(backend);
    return pn_backend_wait(backend, INT64_MAX) == 0;
}

static void entries_are_rounded_up_and_bounded(void **state)
{
    struct pn_backend *backend;
    (void)state;
    if (!has_rings())
        skip();
    static const unsigned given[][2] = {{0, 256}, {1, 1}, {3, 4}, {4, 4}, {100, 128},
                                        {32768, 32768}};
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
        assert_int_equal(make(PN_BACKEND_RING, given[i][0], &backend), 0);
        assert_int_equal(pn_backend_report(backend)->entries, given[i][1]);
        assert_true(pn_backend_report(backend)->completions >= 2 * given[i][1]);
        assert_true(serves(backend));
        pn_backend_destroy(backend);
    }
    assert_int_equal(make(PN_BACKEND_RING, 1000000000, &backend), -EINVAL);
    assert_non_null(strstr(pinion_error_detail(), "1 to 32768"));
    assert_int_equal(make(PN_BACKEND_AUTO, 32769, &backend), -EINVAL);
}

static void what_was_taken_is_told(void **state)
{
    struct pn_backend_report report;
    char words[PN_BACKEND_WORDS];
    (void)state;
    assert_int_equal(pn_backend_probe(&(struct pn_backend_options){.kind = PN_BACKEND_EPOLL},
                                      &report), 0);
    assert_int_equal(report.kind, PN_BACKEND_EPOLL);
    assert_int_equal(report.ring_error, 0);
    pn_backend_report_describe(&report, words, sizeof words);
    assert_memory_equal(words, "epoll", 5);
    assert_null(strstr(words, "io_uring"));
    assert_int_equal(pn_backend_probe(&(struct pn_backend_options){0}, &report), 0);
    pn_backend_report_describe(&report, words, sizeof words);
    assert_int_equal(report.taken & report.refused, 0);
    if (has_rings()) {
        assert_memory_equal(words, "io_uring, 256 entries: ", 23);
        for (unsigned i = 0; i < PN_FEATURES; i++)
            assert_int_equal(!!strstr(words, pinion_backend_feature_name(i)),
                             !!((report.taken | report.refused) & 1u << i));
    }
    char few[9];
    memset(few, 'x', sizeof few);
    pn_backend_report_describe(&report, few, 8);
    assert_int_equal(strlen(few), 7);
    assert_int_equal(few[8], 'x');
}

static void a_kernel_thread_submits_where_asked_for(void **state)
{
    struct pn_backend *backend;
    int ends[2];
    char byte = 0;
    (void)state;
    struct place place = {.kind = PN_BACKEND_RING};
    if (pn_backend_create(&(struct pn_backend_options){PN_BACKEND_RING, 8, true}, &backend))
        skip();
    place.backend = backend;
    if (!(pn_backend_report(backend)->taken & 1u << PN_FEATURE_SQPOLL)) {
        pn_backend_destroy(backend);
        skip();
    }
    assert_int_equal(pipe(ends), 0);
    static struct wait waits[100];
    for (int i = 0; i < 100; i++)
        must_start(&place, &waits[i], reading(ends[0], &byte, 1));
    turn(&place);
    for (int i = 0; i < 50; i++)
        pn_backend_cancel(backend, &waits[i].completion);
    for (int i = 0; i < 50; i++)
        assert_int_equal(finish(&place, &waits[i]), -ECANCELED);
    for (int i = 0; i < 50; i++)
        assert_int_equal(write(ends[1], "x", 1), 1);
    for (int i = 50; i < 100; i++)
        assert_int_equal(finish(&place, &waits[i]), 1);
    assert_true(serves(backend));
    pn_backend_destroy(backend);
    assert_int_equal(close(ends[0]) | close(ends[1]), 0);
}

static int mapping_count(void)
{
    int count = 0, letter;
    FILE *maps = fopen("/proc/self/maps", "r");
    must(maps);
    while ((letter = fgetc(maps)) != EOF)
        count += letter == '\n';
    must(fclose(maps) == 0);
    return count;
}

static void a_thousand_leave_nothing(void **state)
{
    (void)state;
    for (enum pn_backend_kind kind = PN_BACKEND_AUTO; kind <= PN_BACKEND_EPOLL; kind++) {
        int descriptors = 0, mappings = 0;
        for (int i = 0; i < 1010; i++) {
            struct pn_backend *backend;
            if (i == 10) { /* the allocators have what they need */
                descriptors = descriptor_count();
                mappings = mapping_count();
            }
            if (kind == PN_BACKEND_RING && !has_rings())
                break;
            assert_int_equal(make(kind, 64, &backend), 0);
            if (i % 2)
                pn_backend_wake(backend);
            if (i % 3)
                assert_int_equal(pn_backend_flush(backend), 0);
            pn_backend_destroy(backend);
        }
        if (kind == PN_BACKEND_RING && !has_rings())
            continue;
        assert_int_equal(descriptor_count(), descriptors);
        assert_true(mapping_count() <= mappings + 2);
    }
}

/* ---- refused ---- */

static int in_child(int (*body)(int), int argument)
{
    int status;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(body(argument));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The number of the line that does not hold. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%d: %s\n", __LINE__, #condition);                               \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

static int without_rings(int error)
{
    struct pn_backend *backend;
    char words[PN_BACKEND_WORDS];
    EXPECT(deny_call(SYS_io_uring_setup, error));
    EXPECT(make(PN_BACKEND_RING, 0, &backend) == -error);
    const char *why = pinion_error_detail();
    EXPECT(strstr(why, "seccomp") || strstr(why, "io_uring_disabled, which is 2"));
    EXPECT(make(PN_BACKEND_AUTO, 0, &backend) == 0);
    EXPECT(pn_backend_report(backend)->kind == PN_BACKEND_EPOLL);
    EXPECT(pn_backend_report(backend)->ring_error == -error);
    pn_backend_report_describe(pn_backend_report(backend), words, sizeof words);
    EXPECT(strstr(words, error == EPERM ? "no io_uring: EPERM" : "no io_uring: ENOSYS"));
    EXPECT(serves(backend));
    pn_backend_destroy(backend);
    return 0;
}

static void where_rings_are_denied_it_is_epoll_and_says_why(void **state)
{
    (void)state;
    if (!has_rings())
        skip();
    assert_int_equal(in_child(without_rings, EPERM), 0);
    assert_int_equal(in_child(without_rings, ENOSYS), 0);
}

/* Old kernels count a ring as locked memory, new ones do not. */
static int with_little_memory(int bytes)
{
    const struct rlimit little = {(rlim_t)bytes, (rlim_t)bytes};
    struct pn_backend *backend;
    EXPECT(setrlimit(RLIMIT_MEMLOCK, &little) == 0);
    EXPECT(make(PN_BACKEND_AUTO, 32768, &backend) == 0);
    EXPECT(serves(backend));
    pn_backend_destroy(backend);
    return 0;
}

static void with_little_memory_to_lock_it_serves_all_the_same(void **state)
{
    (void)state;
    assert_int_equal(in_child(with_little_memory, 65536), 0);
    assert_int_equal(in_child(with_little_memory, 0), 0);
}

static int without_descriptors(int left)
{
    const struct rlimit none = {(rlim_t)left, (rlim_t)left};
    struct pn_backend *backend;
    EXPECT(setrlimit(RLIMIT_NOFILE, &none) == 0);
    EXPECT(make(PN_BACKEND_AUTO, 8, &backend) == -EMFILE);
    EXPECT(make(PN_BACKEND_EPOLL, 8, &backend) == -EMFILE);
    return 0;
}

static void without_descriptors_it_is_refused(void **state)
{
    (void)state;
    const int next = dup(0);
    assert_int_equal(close(next), 0);
    assert_int_equal(in_child(without_descriptors, next), 0);
    assert_int_equal(in_child(without_descriptors, next + 1), 0);
}

static int without_pwait2(int error)
{
    struct pn_backend *backend;
    EXPECT(deny_call(SYS_epoll_pwait2, error));
    EXPECT(make(PN_BACKEND_EPOLL, 0, &backend) == 0);
    const int64_t deadline = pn_now() + 1500000;
    EXPECT(pn_backend_wait(backend, deadline) == 0);
    EXPECT(pn_now() >= deadline);
    EXPECT(pn_backend_report(backend)->refused == 1u << PN_FEATURE_NANOSECONDS);
    EXPECT(serves(backend));
    pn_backend_destroy(backend);
    return 0;
}

static void an_old_epoll_waits_in_milliseconds(void **state)
{
    (void)state;
    assert_int_equal(in_child(without_pwait2, ENOSYS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_rounded_up_and_bounded),
        cmocka_unit_test(what_was_taken_is_told),
        cmocka_unit_test(a_kernel_thread_submits_where_asked_for),
        cmocka_unit_test(a_thousand_leave_nothing),
        cmocka_unit_test(where_rings_are_denied_it_is_epoll_and_says_why),
        cmocka_unit_test(with_little_memory_to_lock_it_serves_all_the_same),
        cmocka_unit_test(without_descriptors_it_is_refused),
        cmocka_unit_test(an_old_epoll_waits_in_milliseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
