/* SPDX-License-Identifier: MIT
 *
 * What the tests of loops share: a function as main task, each test on both backends, children, and
 * system calls that the kernel denies.
 */
#ifndef TESTS_LOOP_LOOPS_H
#define TESTS_LOOP_LOOPS_H

#include "../pool/support.h"

#include <stdalign.h>
#include <sys/wait.h>

#include <pinion.h>

#include "../filters.h"

#define IS_SANITIZED (TEST_SLOW > 1)

/* That the tests run on. */
static enum pinion_backend backend;

static inline bool is_ring(void) { return backend == PINION_BACKEND_IO_URING; }

static inline struct pinion_loop *make_loop(const struct pinion_loop_options *options)
{
    struct pinion_loop *loop = NULL;
    const int error = pinion_loop_create(options, &loop);
    if (error) {
        (void)fprintf(stderr, "no loop: %s: %s\n", strerror(-error), pinion_error_detail());
        abort();
    }
    return loop;
}

static inline struct pinion_loop *loop_of(unsigned cpu_count)
{
    const struct pinion_loop_options options = {
        .cpu_count = cpu_count, .backend = backend, .retire_after = LONG_NS};
    return make_loop(&options);
}

/* ---- a function as main task ---- */

typedef void body_fn(struct pinion_io *io, void *argument);

struct body {
    body_fn *function;
    struct pinion_io *io;
    void *argument;
};

static inline void run_body(const void *context, void *unused)
{
    const struct body *body = context;
    (void)unused;
    body->function(body->io, body->argument);
}

static inline int try_run(struct pinion_loop *loop, body_fn *function, void *argument)
{
    const struct body body = {function, pinion_loop_io(loop), argument};
    const struct pinion_call call = {.start = run_body, .context = &body,
                                     .context_size = sizeof body,
                                     .context_align = alignof(struct body)};
    return pinion_loop_run(loop, &call, NULL);
}

static inline void run_in(struct pinion_loop *loop, body_fn *function, void *argument)
{
    must(try_run(loop, function, argument) == 0);
}

static inline struct pinion_loop_stats loop_stats(struct pinion_loop *loop)
{
    struct pinion_loop_stats stats;
    pinion_loop_stats(loop, &stats);
    return stats;
}

/* The report, and what is degraded; the caller frees it. */
static inline char *words_of(struct pinion_loop *loop)
{
    char *text = NULL, degraded[1024];
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    must(stream && pinion_loop_report(loop, stream) == 0);
    (void)pinion_loop_degraded(loop, degraded, sizeof degraded);
    must(fputs(degraded, stream) >= 0 && fclose(stream) == 0);
    return text;
}

/* ---- children ---- */

/* Runs body in a child of its own, which has to end well: checks there are `must`. */
static inline void in_a_child(void (*body)(void *argument), void *argument)
{
    int status;
    const pid_t child = start_child();
    if (child == 0) {
        body(argument);
        _exit(0);
    }
    must(waitpid(child, &status, 0) == child);
    assert_int_equal(status, 0);
}

/* ---- both backends ---- */

static inline bool has_rings(void)
{
    struct pinion_loop *loop;
    const struct pinion_loop_options strict = {
        .cpu_count = 1, .backend = PINION_BACKEND_IO_URING, .strict = true};
    const int error = pinion_loop_create(&strict, &loop);
    if (!error)
        pinion_loop_destroy(loop);
    return error != -EPERM && error != -ENOSYS;
}

/* How many failed. */
#define run_on_both(tests)                                                                         \
    run_on_each((tests), sizeof(tests) / sizeof((tests)[0]), has_rings())

static inline int run_on_each(const struct CMUnitTest *tests, size_t count, bool with_rings)
{
    int failed = 0;
    backend = PINION_BACKEND_IO_URING;
    if (with_rings)
        failed = _cmocka_run_group_tests("on io_uring", tests, count, NULL, NULL);
    else
        print_message("io_uring is denied here: epoll alone is tested\n");
    backend = PINION_BACKEND_EPOLL;
    return failed + _cmocka_run_group_tests("on epoll", tests, count, NULL, NULL);
}

#endif
