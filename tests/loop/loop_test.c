/* SPDX-License-Identifier: MIT
 *
 * What only a loop has: a thread of the program's that works in it, and how that is stopped; what
 * overlaps on one CPU; its options. On io_uring and on epoll.
 */
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <pinion.h>

static enum pinion_backend backend;

static struct pinion_loop *make(unsigned cpu_count, enum pinion_idle idle)
{
    struct pinion_loop *loop;
    const struct pinion_loop_options options = {
        .cpu_count = cpu_count, .idle = idle, .backend = backend};
    assert_int_equal(pinion_loop_create(&options, &loop), 0);
    return loop;
}

/* A main task with a pointer to what it needs. */
struct errand {
    struct pinion_loop *loop;
    struct pinion_io *io;
    _Atomic int begun, ended;
    int seen;
    int descriptors[2];
};

static int run(struct errand *errand, pinion_start_fn *start, int *result)
{
    const struct pinion_call call = {.start = start, .context = &errand,
                                     .context_size = sizeof errand,
                                     .context_align = alignof(struct errand *),
                                     .result_size = sizeof *result,
                                     .result_align = alignof(int)};
    errand->io = pinion_loop_io(errand->loop);
    return pinion_loop_run(errand->loop, &call, result);
}

static struct errand *errand_of(const void *context) { return *(struct errand *const *)context; }

static struct pinion_call call_of(pinion_start_fn *start, struct errand *const *errand)
{
    return (struct pinion_call){.start = start, .context = errand,
                                .context_size = sizeof *errand,
                                .context_align = alignof(struct errand *)};
}

/* ---- running ---- */

static void give_seven(const void *context, void *result)
{
    errand_of(context)->ended++;
    *(int *)result = 7;
}

static void run_gives_the_result_of_its_task_each_time(void **state)
{
    (void)state;
    struct errand errand = {.loop = make(1, PINION_IDLE_ADAPTIVE)};
    for (int i = 1; i <= 3; i++) {
        int result = 0;
        assert_int_equal(run(&errand, give_seven, &result), 0);
        assert_int_equal(result, 7);
        assert_int_equal(errand.ended, i);
    }
    const struct pinion_call none = {0};
    assert_int_equal(pinion_loop_run(errand.loop, &none, NULL), -EINVAL);
    pinion_loop_destroy(errand.loop);
}

static void run_again(const void *context, void *result)
{
    struct errand *errand = errand_of(context);
    const struct pinion_call call = {.start = give_seven, .context = context,
                                     .context_size = sizeof errand,
                                     .context_align = alignof(struct errand *),
                                     .result_size = sizeof(int),
                                     .result_align = alignof(int)};
    *(int *)result = pinion_loop_run(errand->loop, &call, NULL);
}

static void a_fiber_cannot_run_a_loop(void **state)
{
    (void)state;
    int result = 0;
    struct errand errand = {.loop = make(1, PINION_IDLE_ADAPTIVE)};
    assert_int_equal(run(&errand, run_again, &result), 0);
    assert_int_equal(result, -EDEADLK);
    assert_int_equal(errand.ended, 0);
    pinion_loop_destroy(errand.loop);
}

/* Of the loop itself, of another, of a pool: base workers and reserve threads. */
static void a_worker_cannot_run_a_loop(void **state)
{
    struct errand errand = {.loop = make(1, PINION_IDLE_ADAPTIVE)}, *self = &errand;
    struct pinion_loop *other = make(2, PINION_IDLE_ADAPTIVE);
    struct pinion_pool *pool;
    (void)state;
    assert_int_equal(pinion_pool_create(NULL, &pool), 0);
    struct pinion_io *ios[] = {pinion_loop_io(errand.loop), pinion_loop_io(other),
                               pinion_pool_io(pool)};
    struct pinion_call call = call_of(run_again, &self);
    call.result_size = sizeof(int);
    call.result_align = alignof(int);
    for (int i = 0; i < 6; i++) {
        int result = 0;
        struct pinion_future future;
        const int error = i % 2 ? pinion_async_concurrent(ios[i / 2], &call, &future)
                                : pinion_async_parallel(ios[i / 2], &call, &future);
        assert_int_equal(error, i == 1 ? -EAGAIN : 0);
        if (!error)
            pinion_await(ios[i / 2], &future, &result);
        assert_int_equal(result, error ? 0 : -EDEADLK);
    }
    assert_int_equal(errand.ended, 0);
    pinion_pool_destroy(pool);
    pinion_loop_destroy(other);
    pinion_loop_destroy(errand.loop);
}

static void *run_elsewhere(void *argument)
{
    struct errand *errand = argument;
    const struct pinion_call call = {.start = give_seven, .context = &errand,
                                     .context_size = sizeof errand,
                                     .context_align = alignof(struct errand *),
                                     .result_size = sizeof(int),
                                     .result_align = alignof(int)};
    errand->seen = pinion_loop_run(errand->loop, &call, NULL);
    return NULL;
}

static void run_while_another_does(const void *context, void *result)
{
    pthread_t thread;
    *(int *)result = pthread_create(&thread, NULL, run_elsewhere, errand_of(context)) ||
                     pthread_join(thread, NULL);
}

static void one_thread_at_a_time_is_in_it(void **state)
{
    (void)state;
    int result = -1;
    struct errand errand = {.loop = make(1, PINION_IDLE_ADAPTIVE)};
    assert_int_equal(run(&errand, run_while_another_does, &result), 0);
    assert_int_equal(result, 0);
    assert_int_equal(errand.seen, -EBUSY);
    run_elsewhere(&errand);
    assert_int_equal(errand.seen, 0);
    pinion_loop_destroy(errand.loop);
}

static void count_late(const void *context, void *unused)
{
    struct errand *errand = errand_of(context);
    (void)unused;
    errand->begun++;
    (void)pinion_sleep(errand->io, 2000000);
    errand->ended++;
}

static void leave_some(const void *context, void *result)
{
    struct errand *errand = errand_of(context);
    const struct pinion_call call = call_of(count_late, &errand);
    for (int i = 0; i < 10; i++)
        pinion_async_detached(errand->io, &call);
    *(int *)result = errand->ended;
}

static void run_returns_when_all_that_began_there_has_ended(void **state)
{
    (void)state;
    int result = -1;
    struct errand errand = {.loop = make(1, PINION_IDLE_ADAPTIVE)};
    assert_int_equal(run(&errand, leave_some, &result), 0);
    assert_int_equal(result, 0);
    assert_int_equal(errand.ended, 10);
    pinion_loop_destroy(errand.loop);
}

static void the_threads_mask_is_put_back(void **state)
{
    (void)state;
    int result;
    cpu_set_t before, after;
    struct errand errand = {.loop = make(2, PINION_IDLE_ADAPTIVE)};
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_int_equal(run(&errand, give_seven, &result), 0);
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
    pinion_loop_destroy(errand.loop);
}

static void without_a_worker_async_runs_in_its_caller_and_concurrent_is_refused(void **state)
{
    (void)state;
    struct errand errand = {.loop = make(1, PINION_IDLE_ADAPTIVE)}, *self = &errand;
    const struct pinion_call call = call_of(count_late, &self);
    struct pinion_future future;
    errand.io = pinion_loop_io(errand.loop);
    pinion_async(errand.io, &call, NULL, &future);
    assert_null(future.task);
    assert_int_equal(errand.ended, 1);
    assert_int_equal(pinion_async_concurrent(errand.io, &call, &future), -EAGAIN);
    assert_int_equal(pinion_async_parallel(errand.io, &call, &future), 0);
    pinion_await(errand.io, &future, NULL);
    assert_int_equal(errand.ended, 2);
    pinion_loop_destroy(errand.loop);
}

/* ---- overlapping ---- */

#define SLEEPERS 100

static void sleep_until_all_have_begun(const void *context, void *unused)
{
    struct errand *errand = errand_of(context);
    (void)unused;
    errand->begun++;
    /* Each sleep is a turn, and some turns begin them all: more mean that it is alone here. */
    for (int turns = 0; errand->begun < SLEEPERS && errand->seen == 0; turns++) {
        (void)pinion_sleep(errand->io, 1000);
        if (turns == 10000)
            errand->seen = -ETIMEDOUT;
    }
    errand->ended += errand->seen == 0;
}

static void sleep_all(const void *context, void *result)
{
    struct errand *errand = errand_of(context);
    const struct pinion_call call = call_of(sleep_until_all_have_begun, &errand);
    struct pinion_future futures[SLEEPERS];
    for (int i = 0; i < SLEEPERS; i++)
        pinion_async(errand->io, &call, NULL, &futures[i]);
    for (int i = 0; i < SLEEPERS; i++)
        pinion_await(errand->io, &futures[i], NULL);
    *(int *)result = errand->ended;
}

static void sleeps_of_async_tasks_overlap_on_one_cpu(void **state)
{
    (void)state;
    int result = 0;
    struct errand errand = {.loop = make(1, PINION_IDLE_ADAPTIVE)};
    struct pinion_loop_stats stats;
    assert_int_equal(run(&errand, sleep_all, &result), 0);
    assert_int_equal(result, SLEEPERS);
    pinion_loop_stats(errand.loop, &stats);
    assert_int_equal(stats.fibers, 0);
    assert_int_equal(stats.inlined, 0);
    assert_int_equal(stats.backend, backend);
    pinion_loop_destroy(errand.loop);
}

static void yield_for_ever(const void *context, void *unused)
{
    struct errand *errand = errand_of(context);
    (void)unused;
    while (!pinion_cancel_requested(errand->io))
        pinion_yield(errand->io);
    errand->ended++;
}

static void read_beside_it(const void *context, void *result)
{
    struct errand *errand = errand_of(context);
    const struct pinion_call call = call_of(yield_for_ever, &errand);
    struct pinion_future futures[2];
    char byte = 0;
    *(int *)result = -1;
    for (int i = 0; i < 2; i++)
        if (pinion_async_concurrent(errand->io, &call, &futures[i]))
            return;
    (void)pinion_sleep(errand->io, 1000000);
    if (write(errand->descriptors[1], "x", 1) == 1)
        *(int *)result = (int)pinion_read(errand->io, errand->descriptors[0], &byte, 1);
    for (int i = 0; i < 2; i++)
        pinion_cancel(errand->io, &futures[i], NULL);
}

static void who_yields_for_ever_holds_up_neither_timers_nor_reads(void **state)
{
    (void)state;
    int result = 0;
    struct errand errand = {.loop = make(1, PINION_IDLE_ADAPTIVE)};
    assert_int_equal(pipe(errand.descriptors), 0);
    assert_int_equal(run(&errand, read_beside_it, &result), 0);
    assert_int_equal(result, 1);
    assert_int_equal(errand.ended, 2);
    (void)close(errand.descriptors[0]);
    (void)close(errand.descriptors[1]);
    pinion_loop_destroy(errand.loop);
}

/* ---- queues ---- */

static void count_one(const void *context, void *unused)
{
    (void)unused;
    errand_of(context)->ended++;
}

/* The first is claimed behind the others, so its entry stays; the take back of the last meets it,
 * and before it the concurrent one, which is not claimed though it is nobody's to claim. */
static void claim_around_a_concurrent_one(const void *context, void *result)
{
    struct errand *errand = errand_of(context);
    const struct pinion_call call = call_of(count_one, &errand);
    struct pinion_future first, last, concurrent;
    pinion_async(errand->io, &call, NULL, &first);
    *(int *)result = pinion_async_concurrent(errand->io, &call, &concurrent);
    pinion_async(errand->io, &call, NULL, &last);
    pinion_await(errand->io, &first, NULL);
    pinion_await(errand->io, &last, NULL);
    if (*(int *)result == 0)
        pinion_await(errand->io, &concurrent, NULL);
}

static void a_concurrent_task_between_claimed_ones_runs_once(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        int result = -1;
        struct errand errand = {.loop = make(1, PINION_IDLE_ADAPTIVE)};
        assert_int_equal(run(&errand, claim_around_a_concurrent_one, &result), 0);
        assert_int_equal(result, 0);
        assert_int_equal(errand.ended, 3);
        pinion_loop_destroy(errand.loop);
    }
}

/* A worker that can't have what it waits in asks again: what was queued counts on it. */
static void a_worker_without_descriptors_begins_when_there_are_some(void **state)
{
    struct errand errand = {.loop = make(2, PINION_IDLE_ADAPTIVE)}, *self = &errand;
    const struct pinion_call call = call_of(count_one, &self);
    struct pinion_future future;
    struct rlimit before, none;
    char words[512] = "";
    (void)state;
    errand.io = pinion_loop_io(errand.loop);
    const int lowest = dup(STDERR_FILENO);
    assert_true(lowest >= 0);
    (void)close(lowest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = (rlim_t)lowest, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const int error = pinion_async_concurrent(errand.io, &call, &future);
    while (!error && !strstr(words, "worker 1 had to wait"))
        (void)pinion_loop_degraded(errand.loop, words, sizeof words);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(error, 0);
    pinion_await(errand.io, &future, NULL);
    assert_int_equal(errand.ended, 1);
    pinion_loop_destroy(errand.loop);
}

/* ---- stopping ---- */

static void sleep_long(const void *context, void *result)
{
    struct errand *errand = errand_of(context);
    errand->begun++;
    *(int *)result = pinion_sleep(errand->io, INT64_C(3600000000000));
}

static void read_for_ever(const void *context, void *result)
{
    struct errand *errand = errand_of(context);
    char byte;
    errand->begun++;
    *(int *)result = (int)pinion_read(errand->io, errand->descriptors[0], &byte, 1);
}

static void look_for_ever(const void *context, void *result)
{
    struct errand *errand = errand_of(context);
    errand->begun++;
    while (!pinion_cancel_requested(errand->io))
        continue;
    *(int *)result = -ECANCELED;
}

static void *stop_once_begun(void *argument)
{
    struct errand *errand = argument;
    while (!errand->begun)
        (void)sched_yield();
    pinion_loop_stop(errand->loop);
    return NULL;
}

static void stop_ends_a_main_task_that_waits_or_looks(void **state)
{
    static pinion_start_fn *const mains[] = {sleep_long, read_for_ever, look_for_ever};
    (void)state;
    for (size_t i = 0; i < sizeof mains / sizeof mains[0]; i++) {
        int result = 0;
        pthread_t thread;
        struct errand errand = {.loop = make(1, PINION_IDLE_ADAPTIVE)};
        assert_int_equal(pipe(errand.descriptors), 0);
        pinion_loop_stop(errand.loop); /* nobody is in it */
        assert_int_equal(pthread_create(&thread, NULL, stop_once_begun, &errand), 0);
        assert_int_equal(run(&errand, mains[i], &result), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(result, -ECANCELED);
        assert_int_equal(run(&errand, give_seven, &result), 0);
        assert_int_equal(result, 7);
        (void)close(errand.descriptors[0]);
        (void)close(errand.descriptors[1]);
        pinion_loop_destroy(errand.loop);
    }
}

static void sleep_beside_those_who_yield(const void *context, void *result)
{
    struct errand *errand = errand_of(context);
    const struct pinion_call call = call_of(yield_for_ever, &errand);
    struct pinion_future futures[2];
    *(int *)result = -1;
    for (int i = 0; i < 2; i++)
        if (pinion_async_concurrent(errand->io, &call, &futures[i]))
            return;
    sleep_long(context, result);
    for (int i = 0; i < 2; i++)
        pinion_cancel(errand->io, &futures[i], NULL);
}

static void stop_reaches_a_main_task_beside_others_that_never_rest(void **state)
{
    (void)state;
    int result = 0;
    pthread_t thread;
    struct errand errand = {.loop = make(1, PINION_IDLE_ADAPTIVE)};
    assert_int_equal(pthread_create(&thread, NULL, stop_once_begun, &errand), 0);
    assert_int_equal(run(&errand, sleep_beside_those_who_yield, &result), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(result, -ECANCELED);
    assert_int_equal(errand.ended, 2);
    pinion_loop_destroy(errand.loop);
}

static struct pinion_loop *interrupted;
static void handle(int signal)
{
    (void)signal;
    pinion_loop_stop(interrupted);
}

static void *signal_once_begun(void *argument)
{
    struct errand *errand = argument;
    while (!errand->begun)
        (void)sched_yield();
    (void)kill(getpid(), SIGUSR1);
    return NULL;
}

static void stop_may_be_called_in_a_signals_handler(void **state)
{
    const struct sigaction action = {.sa_handler = handle};
    (void)state;
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    for (int i = 0; i < 20; i++) {
        int result = 0;
        pthread_t thread;
        struct errand errand = {.loop = make(1, PINION_IDLE_ADAPTIVE)};
        interrupted = errand.loop;
        assert_int_equal(pthread_create(&thread, NULL, signal_once_begun, &errand), 0);
        assert_int_equal(run(&errand, sleep_long, &result), 0);
        assert_int_equal(result, -ECANCELED);
        assert_int_equal(pthread_join(thread, NULL), 0);
        pinion_loop_destroy(errand.loop);
    }
    (void)signal(SIGUSR1, SIG_DFL);
}

/* ---- options ---- */

static void bad_options_are_named(void **state)
{
    struct pinion_loop *loop;
    const struct {
        struct pinion_loop_options options;
        const char *named;
    } rows[] = {
        {{.ring_entries = 1000000000}, "ring_entries"},
        {{.stack_bytes = 100}, "stack_bytes"},
        {{.backend = (enum pinion_backend)9}, "backend"},
        {{.reserved = {1}}, "reserved"},
        {{.spin_us = 2000000}, "spin_us"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(pinion_loop_create(&rows[i].options, &loop), -EINVAL);
        assert_non_null(strstr(pinion_error_detail(), rows[i].named));
    }
    assert_int_equal(setenv("PINION_BACKEND", "kqueue", 1), 0);
    assert_int_equal(pinion_loop_create(NULL, &loop), -EINVAL);
    assert_non_null(strstr(pinion_error_detail(), "PINION_BACKEND"));
    assert_int_equal(unsetenv("PINION_BACKEND"), 0);
    pinion_loop_destroy(NULL);
}

static void the_environment_names_a_backend_where_the_options_do_not(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct pinion_loop *loop;
        struct pinion_loop_stats stats;
        const struct pinion_loop_options options = {
            .cpu_count = 1, .backend = i ? backend : PINION_BACKEND_AUTO};
        assert_int_equal(setenv("PINION_BACKEND", "epoll", 1), 0);
        assert_int_equal(pinion_loop_create(&options, &loop), 0);
        assert_int_equal(unsetenv("PINION_BACKEND"), 0);
        pinion_loop_stats(loop, &stats);
        assert_int_equal(stats.backend, i ? backend : PINION_BACKEND_EPOLL);
        pinion_loop_destroy(loop);
    }
}

static void a_report_says_what_it_waits_in(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    struct pinion_loop *loop = make(2, PINION_IDLE_ADAPTIVE);
    assert_non_null(stream);
    assert_int_equal(pinion_loop_report(loop, stream), 0);
    (void)fclose(stream);
    assert_non_null(strstr(text, "loop: cpu_count 2"));
    assert_non_null(strstr(text, backend == PINION_BACKEND_EPOLL ? "waits in epoll"
                                                                 : "waits in io_uring"));
    char buffer[256];
    const size_t length = pinion_loop_degraded(loop, buffer, sizeof buffer);
    assert_int_equal(length > 0, buffer[0] != '\0');
    struct pinion_loop_stats stats;
    const char *name;
    unsigned named = 0;
    pinion_loop_stats(loop, &stats);
    assert_int_equal(stats.backend, backend);
    assert_int_equal(stats.ring_entries, backend == PINION_BACKEND_EPOLL ? 0 : 256);
    assert_int_equal(stats.ring_error, 0);
    assert_int_equal(stats.features_taken & stats.features_refused, 0);
    for (unsigned i = 0; (name = pinion_backend_feature_name(i)); i++) {
        named |= 1U << i;
        if ((stats.features_taken | stats.features_refused) & 1U << i)
            assert_non_null(strstr(text, name));
    }
    assert_int_equal((stats.features_taken | stats.features_refused) & ~named, 0);
    free(text);
    pinion_loop_destroy(loop);
}

static void its_rows_are_who_runs_it_and_its_workers(void **state)
{
    (void)state;
    int result;
    struct errand errand = {.loop = make(3, PINION_IDLE_ADAPTIVE)};
    struct pinion_worker_stats rows[3];
    memset(rows, 0, sizeof rows);
    assert_int_equal(run(&errand, give_seven, &result), 0);
    const size_t count = pinion_loop_workers(errand.loop, rows, 3);
    assert_true(count >= 1);
    assert_string_equal(rows[0].name, "caller");
    assert_false(rows[0].alive); /* nobody is in it now */
    assert_int_equal(pinion_loop_workers(errand.loop, NULL, 0), count);
    for (size_t i = 1; i < count && i < 3; i++)
        assert_memory_equal(rows[i].name, "pinion/", 7);
    pinion_loop_destroy(errand.loop);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_gives_the_result_of_its_task_each_time),
        cmocka_unit_test(a_fiber_cannot_run_a_loop),
        cmocka_unit_test(a_worker_cannot_run_a_loop),
        cmocka_unit_test(one_thread_at_a_time_is_in_it),
        cmocka_unit_test(run_returns_when_all_that_began_there_has_ended),
        cmocka_unit_test(the_threads_mask_is_put_back),
        cmocka_unit_test(without_a_worker_async_runs_in_its_caller_and_concurrent_is_refused),
        cmocka_unit_test(sleeps_of_async_tasks_overlap_on_one_cpu),
        cmocka_unit_test(who_yields_for_ever_holds_up_neither_timers_nor_reads),
        cmocka_unit_test(stop_ends_a_main_task_that_waits_or_looks),
        cmocka_unit_test(a_concurrent_task_between_claimed_ones_runs_once),
        cmocka_unit_test(a_worker_without_descriptors_begins_when_there_are_some),
        cmocka_unit_test(stop_reaches_a_main_task_beside_others_that_never_rest),
        cmocka_unit_test(stop_may_be_called_in_a_signals_handler),
        cmocka_unit_test(bad_options_are_named),
        cmocka_unit_test(the_environment_names_a_backend_where_the_options_do_not),
        cmocka_unit_test(a_report_says_what_it_waits_in),
        cmocka_unit_test(its_rows_are_who_runs_it_and_its_workers),
    };
    struct pinion_loop *loop;
    const struct pinion_loop_options strict = {
        .cpu_count = 1, .backend = PINION_BACKEND_IO_URING, .strict = true};
    int failed = 0;
    backend = PINION_BACKEND_IO_URING;
    const int error = pinion_loop_create(&strict, &loop);
    if (!error)
        pinion_loop_destroy(loop);
    if (error == -EPERM || error == -ENOSYS)
        (void)printf("skipped: io_uring is denied here\n");
    else
        failed = cmocka_run_group_tests_name("on io_uring", tests, NULL, NULL);
    backend = PINION_BACKEND_EPOLL;
    return failed + cmocka_run_group_tests_name("on epoll", tests, NULL, NULL);
}
