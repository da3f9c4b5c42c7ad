/* SPDX-License-Identifier: MIT
 *
 * A loop in whose life the n-th allocation fails, and in which the k-th thread can't be had: for
 * every n and k that it reaches. Whatever fails, no task is lost or run twice, what is refused is
 * refused as the headers say, and the next time all goes well. Leaks are found by the address
 * sanitizer's build.
 */
#include "loops.h"

#include "../failing.h"

static _Atomic long threads_left = -1; /* as allocations_left */

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *argument)
{
    return is_to_fail(&threads_left) ? EAGAIN
                                     : __real_pthread_create(thread, attributes, start, argument);
}

/* ---- the workload ---- */

enum { ASYNC = 20, RESERVED = 6, DETACHED = 4, POLLED = 12 };

static struct pinion_topology *topology;
static atomic_uint async_runs, reserved_runs, detached_runs;

PINION_TASK(unsigned, be_async, (struct pinion_io *, io), (unsigned, number))
{
    pinion_yield(io);
    atomic_fetch_add(&async_runs, 1);
    return number + 1;
}

PINION_TASK(int, be_reserved, (struct pinion_io *, io))
{
    atomic_fetch_add(&reserved_runs, 1);
    return pinion_sleep(io, 1000);
}

static void run_async(struct pinion_io *io)
{
    struct be_async_future futures[ASYNC];
    for (unsigned i = 0; i < ASYNC; i++)
        futures[i] = be_async_async(io, io, i);
    for (int i = 0; i < DETACHED; i++)
        count_up_detached(io, &detached_runs);
    for (unsigned i = 0; i < ASYNC; i++)
        must(be_async_await(io, &futures[i]) == i + 1);
}

static void run_reserved(struct pinion_io *io)
{
    struct be_reserved_future futures[RESERVED];
    unsigned accepted = 0;
    for (unsigned i = 0; i < RESERVED; i++) {
        const int error = i % 2 ? be_reserved_parallel(io, &futures[accepted], io)
                                : be_reserved_concurrent(io, &futures[accepted], io);
        must(!error || error == -ENOMEM || error == -EAGAIN);
        must(!error || *pinion_error_detail());
        accepted += !error;
    }
    for (unsigned i = 0; i < accepted; i++)
        must(be_reserved_await(io, &futures[i]) == 0);
    must(atomic_load(&reserved_runs) == accepted);
}

/* A poll of many takes memory, to watch a descriptor over epoll does, and a file's calls there take
 * a thread. */
static void make_calls(struct pinion_io *io)
{
    struct pollfd polled[POLLED];
    int ends[2];
    char byte = 'x';
    must(pinion_pipe(io, ends) == 0);
    for (int i = 0; i < POLLED; i++)
        polled[i] = (struct pollfd){.fd = ends[0], .events = POLLIN};
    const int ready = pinion_poll(io, polled, POLLED, 1);
    must(ready == 0 || ready == -ENOMEM);
    must(pinion_read_until(io, ends[0], &byte, 1, clock_ns() + 1000000) == -ETIMEDOUT);
    must(pinion_write(io, ends[1], &byte, 1) == 1 && pinion_read(io, ends[0], &byte, 1) == 1);
    must(pinion_close(io, ends[0]) == 0 && pinion_close(io, ends[1]) == 0);
    const int null = pinion_open(io, "/dev/null", O_RDWR);
    must(null >= 0);
    must(pinion_write(io, null, &byte, 1) == 1 && pinion_close(io, null) == 0);
}

static void do_all(struct pinion_io *io, void *has_run)
{
    *(bool *)has_run = true;
    run_async(io);
    run_reserved(io);
    make_calls(io);
}

/* Whether all went well. */
static bool run_workload(void)
{
    const struct pinion_loop_options options = {
        .topology = topology, .cpu_count = 2, .backend = backend, .retire_after = LONG_NS};
    struct pinion_loop *loop = NULL;
    bool has_run = false;
    atomic_store(&async_runs, 0);
    atomic_store(&reserved_runs, 0);
    atomic_store(&detached_runs, 0);
    int error = pinion_loop_create(&options, &loop);
    if (error) {
        must(error == -ENOMEM && !loop && *pinion_error_detail());
        return false;
    }
    error = try_run(loop, do_all, &has_run);
    if (error) {
        must(error == -ENOMEM && !has_run && *pinion_error_detail());
        run_in(loop, do_all, &has_run);
    }
    must(loop_stats(loop).fibers == 0 && loop_stats(loop).parallel_count == 0);
    pinion_loop_destroy(loop);
    must(has_run && atomic_load(&async_runs) == ASYNC);
    must(atomic_load(&detached_runs) == DETACHED);
    return !error;
}

static void every_allocation_may_fail_once(void **state)
{
    (void)state;
    assert_true(fail_everywhere(&allocations_left, false, run_workload) > 20);
}

static void every_thread_may_be_refused_once(void **state)
{
    (void)state;
    assert_true(fail_everywhere(&threads_left, false, run_workload) > 1);
}

/* Without any thread but the caller: what needs one is refused, or done in place. */
static void all_threads_may_be_refused(void **state)
{
    (void)state;
    atomic_store(&failures, 0);
    atomic_store(&all_after, true);
    atomic_store(&threads_left, 0);
    must(run_workload());
    atomic_store(&threads_left, -1);
    atomic_store(&all_after, false);
    assert_true(atomic_load(&failures) > 0);
}

/* By a thread outside of it, while nobody is in it. */
static void without_threads_outside_calls_are_refused_or_run_in_the_caller(void **state)
{
    struct pinion_loop *loop = loop_of(2);
    struct pinion_io *io = pinion_loop_io(loop);
    struct be_reserved_future future;
    (void)state;
    atomic_store(&async_runs, 0);
    atomic_store(&failures, 0);
    atomic_store(&all_after, true);
    atomic_store(&threads_left, 0);
    assert_int_equal(be_reserved_concurrent(io, &future, io), -EAGAIN);
    assert_true(*pinion_error_detail());
    assert_int_equal(be_reserved_parallel(io, &future, io), -EAGAIN);
    struct be_async_future here = be_async_async(io, io, 6);
    assert_null(here.future.task);
    assert_int_equal(be_async_await(io, &here), 7);
    atomic_store(&threads_left, -1);
    atomic_store(&all_after, false);
    assert_int_equal(be_reserved_parallel(io, &future, io), 0);
    assert_int_equal(be_reserved_await(io, &future), 0);
    wait_until(be_reserved_concurrent(io, &future, io) == 0); /* it is not asked for at once */
    assert_int_equal(be_reserved_await(io, &future), 0);
    pinion_loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail_once),
        cmocka_unit_test(every_thread_may_be_refused_once),
        cmocka_unit_test(all_threads_may_be_refused),
        cmocka_unit_test(without_threads_outside_calls_are_refused_or_run_in_the_caller),
    };
    must(pinion_topology_load(NULL, &topology) == 0);
    const int failed = run_on_both(tests);
    pinion_topology_destroy(topology);
    return failed;
}
