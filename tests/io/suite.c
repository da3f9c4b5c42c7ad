/* SPDX-License-Identifier: MIT */
#include "suite.h"

#include <errno.h>
#include <sched.h>
#include <stdalign.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../threads.h"

static _Atomic(const char *) broken;
static _Atomic int broken_line;
static _Atomic(const char *) note;

void suite_note(const char *what) { atomic_store(&note, what); }

void suite_expect(bool holds, const char *what, const char *file, int line)
{
    if (holds)
        return;
    const char *of = atomic_load(&note);
    (void)fprintf(stderr, "%s:%d: does not hold: %s%s%s\n", file, line, what, of ? " of " : "",
                  of ? of : "");
    atomic_store(&broken_line, line);
    atomic_store(&broken, what);
}

static _Noreturn void hangs(const char *where)
{
    const char *of = atomic_load(&note);
    (void)fprintf(stderr, "%s: waited for %d s; this hangs%s%s\n", where, patience_s(),
                  of ? ": " : "", of ? of : "");
    abort();
}

static time_t seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* That of the test which runs, for what waits in its tasks. */
static struct pinion_io *io_of_test;

void suite_yield(void)
{
    if (io_of_test)
        pinion_yield(io_of_test); /* where a fiber's thread has others to run */
    (void)sched_yield();
}

int64_t suite_patience(void) { return (int64_t)seconds() + patience_s(); }

void suite_turn(int64_t end, const char *what)
{
    if ((int64_t)seconds() > end)
        hangs(what);
    suite_yield();
}

void suite_until(const _Atomic int *value, int n)
{
    suite_until_holds(atomic_load(value) >= n);
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
    end.tv_sec += patience_s();
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
    const time_t end = seconds() + patience_s();
    gate_init(&held->gate);
    held->caller = pthread_self();
    held->count = 0;
    suite->is_held = true;
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
    suite->is_held = false;
    for (unsigned i = 0; i < held->count; i++)
        pinion_await(suite->io, &held->futures[i], NULL);
    gate_fini(&held->gate);
}

void suite_start(struct suite *suite, const struct pinion_call *call, struct pinion_future *future)
{
    if (!suite->of->has_parallel)
        skip();
    if (suite->of->has_fibers && suite->of->workers && !suite->is_held)
        assert_int_equal(pinion_async_concurrent(suite->io, call, future), 0);
    else
        assert_int_equal(pinion_async_parallel(suite->io, call, future), 0);
    assert_non_null(future->task);
}

int64_t suite_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void suite_linger(int round)
{
    /* One yield may last, where others take the CPUs. */
    const int64_t end = suite_now() + 200000;
    for (int left = 1 << (2 * (round % 6)); left > 0 && suite_now() < end; left--)
        suite_yield();
}

uint32_t suite_random(uint32_t *state)
{
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

static void run_within(const void *context, void *result)
{
    struct within *within = *(struct within *const *)context;
    (void)result;
    gate_enter(&within->gate);
    within->body(within);
    atomic_store(&within->ended, 1);
}

void within_start(struct suite *suite, struct within *within, void (*body)(struct within *within),
                  void *extra, bool is_canceled)
{
    void *pointer = within;
    const struct pinion_call call = suite_call(run_within, &pointer);
    *within = (struct within){.suite = suite, .io = suite->io, .body = body, .extra = extra};
    gate_init(&within->gate);
    suite_start(suite, &call, &within->future);
    suite_until(&within->gate.inside, 1);
    if (is_canceled)
        pinion_request_cancel(suite->io, &within->future);
    gate_open(&within->gate);
}

void within_end(struct within *within)
{
    suite_until(&within->ended, 1); /* who awaited it might run what it made */
    pinion_await(within->suite->io, &within->future, NULL);
    gate_fini(&within->gate);
}

static void *run_member(void *argument)
{
    struct crew_member *member = argument;
    member->run(member->io, member->context, member->index);
    return NULL;
}

static void run_member_task(const void *context, void *result)
{
    (void)result;
    (void)run_member(*(void *const *)context);
}

unsigned crew_size(const struct suite *suite, unsigned count)
{
    return suite->of->polls && count > 4 ? 4 : count;
}

/* Of each kind in turn, as far as there is that. */
static void start_member(struct suite *suite, struct crew_member *member, unsigned turn)
{
    void *pointer = member;
    const struct pinion_call call = suite_call(run_member_task, &pointer);
    if (turn % 3 == 0 && suite->of->has_parallel) {
        assert_int_equal(pinion_async_parallel(suite->io, &call, &member->future), 0);
    } else if (turn % 3 == 2 && suite->of->has_concurrent) {
        assert_int_equal(pinion_async_concurrent(suite->io, &call, &member->future), 0);
    } else {
        member->is_thread = true;
        assert_int_equal(pthread_create(&member->thread, NULL, run_member, member), 0);
    }
}

void crew_start(struct suite *suite, struct crew *crew, unsigned count,
                void (*run)(struct pinion_io *io, void *context, unsigned index), void *context)
{
    crew->suite = suite;
    for (unsigned i = 0; i < count; i++) {
        struct crew_member *member = &crew->members[crew->count];
        *member = (struct crew_member){
            .io = suite->io, .run = run, .context = context, .index = crew->count++};
        if (crew->second && member->index % 2)
            member->io = crew->second;
        start_member(suite, member, i);
    }
}

void crew_end(struct crew *crew)
{
    for (unsigned i = 0; i < crew->count; i++) {
        if (crew->members[i].is_thread)
            assert_int_equal(pthread_join(crew->members[i].thread, NULL), 0);
        else
            pinion_await(crew->suite->io, &crew->members[i].future, NULL);
    }
    crew->count = 0;
}

static _Noreturn void stop_child(const struct suite_io *of,
                                 void (*body)(struct pinion_io *io, void *context), void *context)
{
    const struct rlimit no_core = {0, 0};
    struct pinion_io *io;
    void *made;
    (void)setrlimit(RLIMIT_CORE, &no_core);
    (void)freopen("/dev/null", "w", stderr); /* the assertion's message is no failure's */
    if (of->make(of, &io, &made))
        _exit(2);
    body(io, context);
    _exit(0);
}

bool suite_stops(struct suite *suite, void (*body)(struct pinion_io *io, void *context),
                 void *context)
{
    int status = 0;
    if (!SUITE_CAN_FORK)
        skip();
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        stop_child(suite->of, body, context);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    else
        assert_int_equal(WTERMSIG(status), SIGABRT);
    return WIFSIGNALED(status);
}

void suite_destroy(struct suite *suite)
{
    io_of_test = NULL;
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
    suite_note(NULL);
    entry->suite.descriptors = descriptor_count();
    const int error = entry->suite.of->make(entry->suite.of, &entry->suite.io, &entry->suite.made);
    io_of_test = entry->suite.io;
    return error;
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

/* All of them: the exit status. */
static int run_all(void)
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
    const int failed = _cmocka_run_group_tests("suite", units, count, NULL, NULL);
    free(units);
    free(entries);
    return failed;
}

static void run_all_in_task(const void *context, void *result)
{
    (void)context;
    *(int *)result = run_all();
}

/* A fiber of a loop around all of the tests calls what they call. cmocka's jumps stay on its
 * stack. */
static int run_all_in_fiber(void)
{
    const struct pinion_loop_options options = {
        .cpu_count = 1, .plan.placement = PINION_PLACE_NONE, .stack_bytes = 1 << 20};
    const struct pinion_call call = {.start = run_all_in_task, .result_size = sizeof(int),
                                     .result_align = alignof(int)};
    struct pinion_loop *loop;
    int failed = EXIT_FAILURE;
    if (pinion_loop_create(&options, &loop))
        return failed;
    if (pinion_loop_run(loop, &call, &failed))
        failed = EXIT_FAILURE;
    pinion_loop_destroy(loop);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc > 1) /* "await_*": these alone */
        cmocka_set_test_filter(argv[1]);
    return suite_calls_from_fiber ? run_all_in_fiber() : run_all();
}
