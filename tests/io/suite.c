/* SPDX-License-Identifier: MIT */
#include "suite.h"

#include <errno.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A wait that lasts so long hangs. */
#define PATIENCE_S 60

static _Atomic(const char *) broken;
static _Atomic int broken_line;

void suite_expect(bool holds, const char *what, const char *file, int line)
{
    if (holds)
        return;
    (void)fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    atomic_store(&broken_line, line);
    atomic_store(&broken, what);
}

static _Noreturn void hangs(const char *where)
{
    (void)fprintf(stderr, "%s: waited for %d s; this hangs\n", where, PATIENCE_S);
    abort();
}

static time_t seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

void suite_until(const _Atomic int *value, int n)
{
    const time_t end = seconds() + PATIENCE_S;
    while (atomic_load(value) < n) {
        if (seconds() > end)
            hangs("suite_until");
        (void)sched_yield();
    }
}

void gate_init(struct gate *gate)
{
    (void)pthread_mutex_init(&gate->lock, NULL);
    (void)pthread_cond_init(&gate->opened, NULL);
    gate->is_open = false;
    atomic_store(&gate->inside, 0);
}

void gate_fini(struct gate *gate)
{
    (void)pthread_cond_destroy(&gate->opened);
    (void)pthread_mutex_destroy(&gate->lock);
}

void gate_enter(struct gate *gate)
{
    struct timespec end;
    (void)clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += PATIENCE_S;
    (void)pthread_mutex_lock(&gate->lock);
    atomic_fetch_add(&gate->inside, 1);
    while (!gate->is_open)
        if (pthread_cond_timedwait(&gate->opened, &gate->lock, &end) == ETIMEDOUT)
            hangs("gate_enter");
    (void)pthread_mutex_unlock(&gate->lock);
}

void gate_open(struct gate *gate)
{
    (void)pthread_mutex_lock(&gate->lock);
    gate->is_open = true;
    (void)pthread_cond_broadcast(&gate->opened);
    (void)pthread_mutex_unlock(&gate->lock);
}

struct pinion_call suite_call(pinion_start_fn *start, void *const *pointer)
{
    return (struct pinion_call){
        .start = start, .context = pointer, .context_size = sizeof *pointer,
        .context_align = alignof(void *)};
}

static void hold_one(const void *context, void *result)
{
    struct held *held = *(struct held *const *)context;
    (void)result;
    if (!pthread_equal(pthread_self(), held->caller)) /* else it ran in its maker: not this way */
        gate_enter(&held->gate);
}

void suite_hold(struct suite *suite, struct held *held)
{
    void *pointer = held;
    const struct pinion_call call = suite_call(hold_one, &pointer);
    const time_t end = seconds() + PATIENCE_S;
    gate_init(&held->gate);
    held->caller = pthread_self();
    held->count = 0;
    while (held->count < suite->of->workers) {
        struct pinion_future *future = &held->futures[held->count];
        pinion_async(suite->io, &call, NULL, future);
        if (future->task)
            suite_until(&held->gate.inside, (int)++held->count);
        else if (seconds() > end)
            hangs("suite_hold");
    }
}

void suite_release(struct suite *suite, struct held *held)
{
    gate_open(&held->gate);
    for (unsigned i = 0; i < held->count; i++)
        pinion_await(suite->io, &held->futures[i], NULL);
    gate_fini(&held->gate);
}

void suite_start(struct suite *suite, const struct pinion_call *call, struct pinion_future *future)
{
    if (!suite->of->has_parallel)
        skip();
    assert_int_equal(pinion_async_parallel(suite->io, call, future), 0);
    assert_non_null(future->task);
}

void suite_destroy(struct suite *suite)
{
    if (suite->io)
        suite->of->destroy(suite->made);
    suite->io = NULL;
}

/* ---- the program ---- */

/* One test on one implementation. */
struct entry {
    const struct suite_test *test;
    struct suite suite;
    char name[160];
};

static int set_up(void **state)
{
    struct entry *entry = *state;
    atomic_store(&broken, NULL);
    return entry->suite.of->make(entry->suite.of, &entry->suite.io, &entry->suite.made);
}

static void run(void **state)
{
    struct entry *entry = *state;
    entry->test->run(&entry->suite);
    const char *what = atomic_load(&broken);
    if (what)
        fail_msg("in a task, line %d: does not hold: %s", atomic_load(&broken_line), what);
}

static int tear_down(void **state)
{
    struct entry *entry = *state;
    suite_destroy(&entry->suite);
    return atomic_load(&broken) ? -1 : 0;
}

int main(int argc, char **argv)
{
    size_t tests = 0;
    while (suite_tests[tests].name)
        tests++;
    const size_t count = tests * suite_io_count;
    struct entry *entries = calloc(count, sizeof *entries);
    struct CMUnitTest *units = calloc(count, sizeof *units);
    if (!entries || !units)
        return EXIT_FAILURE;
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = &entries[i];
        entry->test = &suite_tests[i % tests];
        entry->suite.of = &suite_ios[i / tests];
        (void)snprintf(entry->name, sizeof entry->name, "%s (%s)", entry->test->name,
                       entry->suite.of->name);
        units[i] = (struct CMUnitTest){entry->name, run, set_up, tear_down, entry};
    }
    if (argc > 1) /* "await_*": these alone */
        cmocka_set_test_filter(argv[1]);
    const int failed = _cmocka_run_group_tests("suite", units, count, NULL, NULL);
    free(units);
    free(entries);
    return failed;
}
