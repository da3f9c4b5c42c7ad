/* SPDX-License-Identifier: MIT
 *
 * For the tests of backends: each runs on both kinds, with a backend of its own.
 */
#ifndef TESTS_BACKEND_SUPPORT_H
#define TESTS_BACKEND_SUPPORT_H

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "../threads.h"
#include "backend.h"
#include "futex.h"

struct place {
    enum pn_backend_kind kind;
    struct pn_backend *backend;
};

static inline bool is_ring(const struct place *place) { return place->kind == PN_BACKEND_RING; }

/* Options of few entries, so that what is full is met. */
static inline int make_backend(void **state)
{
    struct place *place = *state;
    return pn_backend_create(
        &(struct pn_backend_options){.kind = place->kind, .ring_entries = 8}, &place->backend);
}

static inline int destroy_backend(void **state)
{
    struct place *place = *state;
    const bool is_clean = !pn_backend_has_pending(place->backend);
    if (is_clean)
        pn_backend_destroy(place->backend);
    return is_clean ? 0 : -1;
}

#define ON_BACKEND(test)                                                                           \
    {                                                                                              \
        #test, test, make_backend, destroy_backend, NULL                                           \
    }

/* One that is under way. */
struct wait {
    struct pn_completion completion;
    struct pn_operation operation;
    unsigned times; /* done was called */
};

static inline void note_done(struct pn_completion *completion)
{
    ((struct wait *)(void *)completion)->times++;
}

static inline bool start(struct place *place, struct wait *wait, struct pn_operation operation)
{
    wait->times = 0;
    wait->completion.done = note_done;
    wait->operation = operation;
    return pn_backend_start(place->backend, &wait->operation, &wait->completion);
}

static inline void start_poll(struct place *place, struct wait *wait, int descriptor, short events)
{
    wait->times = 0;
    wait->completion.done = note_done;
    pn_backend_poll(place->backend, descriptor, events, &wait->completion);
}

static inline void must_start(struct place *place, struct wait *wait, struct pn_operation operation)
{
    assert_true(start(place, wait, operation));
}

/* Waits for it: its result. */
static inline long finish(struct place *place, struct wait *wait)
{
    while (wait->times == 0)
        assert_int_equal(pn_backend_wait(place->backend, INT64_MAX), 0);
    assert_int_equal(wait->times, 1);
    return wait->completion.result;
}

/* Submits, and takes what has ended already, with no wait: three times, for steps that follow. */
static inline void turn(struct place *place)
{
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pn_backend_flush(place->backend), 0);
        (void)pn_backend_reap(place->backend);
    }
}

static inline struct pn_operation reading(int descriptor, void *buffer, size_t count)
{
    struct pn_operation operation =
        pn_operation(SYS_read, descriptor, PN_ADDRESS(buffer), (long)count, 0, 0, 0);
    operation.readable = descriptor;
    return operation;
}

static inline struct pn_operation writing(int descriptor, const void *buffer, size_t count)
{
    struct pn_operation operation =
        pn_operation(SYS_write, descriptor, PN_ADDRESS(buffer), (long)count, 0, 0, 0);
    operation.writable = descriptor;
    operation.sigpipe_below = count;
    return operation;
}

static inline long perform(struct place *place, struct pn_operation operation)
{
    struct wait wait;
    must_start(place, &wait, operation);
    return finish(place, &wait);
}

static inline bool has_rings(void)
{
    struct pn_backend_report report;
    return pn_backend_probe(&(struct pn_backend_options){.kind = PN_BACKEND_RING}, &report) == 0;
}

static const char *const kind_names[] = {[PN_BACKEND_RING] = "ring", [PN_BACKEND_EPOLL] = "epoll"};

/* Runs the tests on each kind: how many failed. */
static inline int run_on_both(struct CMUnitTest *tests, size_t count)
{
    sigset_t pipe;
    int failed = 0;
    (void)sigemptyset(&pipe);
    (void)sigaddset(&pipe, SIGPIPE);
    must(pthread_sigmask(SIG_BLOCK, &pipe, NULL) == 0);
    pn_interrupt_hold();
    pn_interrupt_own_thread();
    for (enum pn_backend_kind kind = PN_BACKEND_RING; kind <= PN_BACKEND_EPOLL; kind++) {
        struct place place = {.kind = kind};
        if (kind == PN_BACKEND_RING && !has_rings()) {
            (void)fprintf(stderr, "no io_uring here: epoll alone is tested\n");
            continue;
        }
        for (size_t i = 0; i < count; i++)
            tests[i].initial_state = &place;
        failed += _cmocka_run_group_tests(kind_names[kind], tests, count, NULL, NULL);
    }
    pn_interrupt_release();
    return failed;
}

#endif
