/* SPDX-License-Identifier: MIT
 *
 * The thread rule: capacity == cpu_count - 1 + parallel_count at every moment, threads come lazily
 * and only while there are fewer than capacity.
 */
#include "support.h"

static void assert_equation(struct pinion_pool *pool)
{
    const struct pinion_pool_stats stats = stats_of(pool);
    assert_int_equal(stats.capacity, stats.cpu_count - 1 + stats.parallel_count);
    assert_true(stats.threads <= stats.threads_peak);
}

static void a_new_pool_has_no_thread_and_capacity_cpu_count_less_one(void **state)
{
    (void)state;
    for (unsigned cpu_count = 1; cpu_count <= 5; cpu_count++) {
        const unsigned before = proc_entries("/proc/self/task");
        struct pinion_pool *pool = pool_of(cpu_count);
        const struct pinion_pool_stats stats = stats_of(pool);
        assert_int_equal(stats.cpu_count, cpu_count);
        assert_int_equal(stats.capacity, cpu_count - 1);
        assert_int_equal(stats.parallel_count, 0);
        assert_int_equal(stats.threads, 0);
        assert_int_equal(stats.threads_peak, 0);
        assert_true(proc_entries("/proc/self/task") <= before);
        pinion_pool_destroy(pool);
    }
}

static void capacity_rises_and_falls_with_each_reservation(void **state)
{
    (void)state;
    enum { COUNT = 6 };
    struct pinion_pool *pool = pool_of(3);
    struct pinion_io *io = pinion_pool_io(pool);
    struct gate gates[COUNT];
    struct pass_gate_future futures[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        gates[i] = (struct gate)GATE_INIT;
        int error = i % 2 ? pass_gate_parallel(io, &futures[i], &gates[i])
                          : pass_gate_concurrent(io, &futures[i], &gates[i]);
        assert_int_equal(error, 0);
        const struct pinion_pool_stats stats = stats_of(pool);
        assert_int_equal(stats.parallel_count, i + 1);
        assert_int_equal(stats.capacity, 2 + i + 1);
        assert_int_equal(stats.threads, i + 1);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        gate_open(&gates[i]);
        pass_gate_await(io, &futures[i]);
        const struct pinion_pool_stats stats = stats_of(pool);
        assert_int_equal(stats.parallel_count, COUNT - i - 1);
        assert_int_equal(stats.capacity, 2 + COUNT - i - 1);
        assert_int_equal(stats.threads, COUNT); /* kept for the next */
        assert_int_equal(stats.threads_peak, COUNT);
    }
    pinion_pool_destroy(pool);
}

static void a_thread_starts_with_the_first_task_and_another_only_when_all_are_busy(void **state)
{
    (void)state;
    enum { CPUS = 4 };
    struct pinion_pool *pool = pool_of(CPUS);
    struct pinion_io *io = pinion_pool_io(pool);
    struct gate gate = GATE_INIT;
    for (unsigned i = 1; i < CPUS; i++) {
        pass_gate_detached(io, &gate);
        wait_until(atomic_load(&gate.arrived) == i);
        assert_int_equal(stats_of(pool).threads, i);
    }
    gate_open(&gate);
    pinion_pool_destroy(pool);
}

static void base_workers_never_exceed_cpu_count_less_one(void **state)
{
    (void)state;
    const struct pinion_pool_options options = {.cpu_count = 3, .eager = true};
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_io *io = pinion_pool_io(pool);
    struct gate gate = GATE_INIT;
    for (unsigned i = 0; i < 64; i++)
        pass_gate_detached(io, &gate);
    wait_until(atomic_load(&gate.arrived) == 2);
    assert_int_equal(stats_of(pool).threads, 2);
    assert_int_equal(stats_of(pool).queued, 64);
    assert_int_equal(threads_named("pinion/"), 2);
    gate_open(&gate);
    wait_until(atomic_load(&gate.arrived) == 64);
    assert_int_equal(stats_of(pool).threads_peak, 2);
    pinion_pool_destroy(pool);
}

/* ---- under load ---- */

struct load {
    struct pinion_pool *pool;
    struct pinion_io *io;
    atomic_bool is_over;
    atomic_uint tasks, snapshots;
};

PINION_TASK(unsigned, spread, (struct pinion_io *, io), (struct load *, load), (unsigned, depth))
{
    atomic_fetch_add(&load->tasks, 1);
    if (depth == 0)
        return 1;
    struct spread_future left = spread_async(io, io, load, depth - 1), right;
    const bool is_other = depth == 2 && spread_parallel(io, &right, io, load, 0) == 0;
    const unsigned here = spread(io, load, depth - 1);
    const unsigned there = is_other ? spread_await(io, &right) : 0;
    return here + there + spread_await(io, &left);
}

static void *load_thread(void *argument)
{
    struct load *load = argument;
    for (int i = 0; i < 40 / TEST_SLOW + 2; i++)
        (void)spread(load->io, load, 6);
    return NULL;
}

#define LOADERS  3
#define BASE_MAX 3

static void *watch_thread(void *argument)
{
    struct load *load = argument;
    unsigned peak = 0;
    uint64_t queued = 0, inlined = 0;
    while (!atomic_load(&load->is_over)) {
        const struct pinion_pool_stats stats = stats_of(load->pool);
        must(stats.cpu_count == BASE_MAX + 1);
        must(stats.capacity == stats.cpu_count - 1 + stats.parallel_count);
        must(stats.threads <= stats.threads_peak);
        must(stats.threads_peak >= peak);
        must(stats.queued >= queued && stats.inlined >= inlined);
        peak = stats.threads_peak;
        queued = stats.queued;
        inlined = stats.inlined;
        atomic_fetch_add(&load->snapshots, 1);
    }
    return NULL;
}

static void the_equation_holds_in_every_snapshot_under_load(void **state)
{
    (void)state;
    const struct pinion_pool_options options = {.cpu_count = BASE_MAX + 1, .retire_after = 50000};
    struct load load = {.pool = make_pool(&options)};
    load.io = pinion_pool_io(load.pool);
    pthread_t loaders[LOADERS], watcher;
    assert_int_equal(pthread_create(&watcher, NULL, watch_thread, &load), 0);
    for (int i = 0; i < LOADERS; i++)
        assert_int_equal(pthread_create(&loaders[i], NULL, load_thread, &load), 0);
    (void)load_thread(&load);
    for (int i = 0; i < LOADERS; i++)
        assert_int_equal(pthread_join(loaders[i], NULL), 0);
    wait_until(atomic_load(&load.snapshots) > 10);
    atomic_store(&load.is_over, true);
    assert_int_equal(pthread_join(watcher, NULL), 0);
    assert_int_equal(stats_of(load.pool).parallel_count, 0);
    assert_equation(load.pool);
    wait_until(stats_of(load.pool).threads <= BASE_MAX);
    pinion_pool_destroy(load.pool);
}

/* ---- cpu_count 1 ---- */

static void one_cpu_runs_async_and_detached_in_the_caller(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(1);
    struct pinion_io *io = pinion_pool_io(pool);
    atomic_uint counter = 0;
    struct thread_id_future future = thread_id_async(io);
    assert_null(future.future.task);
    assert_int_equal(thread_id_await(io, &future), gettid());
    count_up_detached(io, &counter);
    assert_int_equal(counter, 1);
    const struct pinion_pool_stats stats = stats_of(pool);
    assert_int_equal(stats.inlined, 2);
    assert_int_equal(stats.queued, 0);
    assert_int_equal(stats.capacity, 0);
    assert_int_equal(stats.threads_peak, 0);
    pinion_pool_destroy(pool);
}

static void one_cpu_runs_parallel_and_concurrent_on_threads_of_their_own(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(1);
    struct pinion_io *io = pinion_pool_io(pool);
    struct gate gate = GATE_INIT;
    struct pass_gate_future first, second;
    struct thread_id_future third;
    assert_int_equal(pass_gate_parallel(io, &first, &gate), 0);
    assert_int_equal(pass_gate_concurrent(io, &second, &gate), 0);
    wait_until(atomic_load(&gate.arrived) == 2);
    assert_int_equal(stats_of(pool).capacity, 2);
    assert_int_equal(stats_of(pool).threads, 2);
    assert_int_equal(thread_id_parallel(io, &third), 0);
    assert_int_not_equal(thread_id_await(io, &third), gettid());
    gate_open(&gate);
    pass_gate_await(io, &first);
    pass_gate_await(io, &second);
    assert_int_equal(stats_of(pool).capacity, 0);
    pinion_pool_destroy(pool);
}

PINION_TASK(int, forks_here, (struct pinion_io *, io))
{
    struct thread_id_future future = thread_id_async(io);
    return thread_id_await(io, &future) == (int)gettid();
}

static void one_cpu_runs_what_a_parallel_task_spawns_in_that_task(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(1);
    struct pinion_io *io = pinion_pool_io(pool);
    struct forks_here_future future;
    assert_int_equal(forks_here_parallel(io, &future, io), 0);
    assert_int_equal(forks_here_await(io, &future), 1);
    pinion_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_pool_has_no_thread_and_capacity_cpu_count_less_one),
        cmocka_unit_test(capacity_rises_and_falls_with_each_reservation),
        cmocka_unit_test(a_thread_starts_with_the_first_task_and_another_only_when_all_are_busy),
        cmocka_unit_test(base_workers_never_exceed_cpu_count_less_one),
        cmocka_unit_test(the_equation_holds_in_every_snapshot_under_load),
        cmocka_unit_test(one_cpu_runs_async_and_detached_in_the_caller),
        cmocka_unit_test(one_cpu_runs_parallel_and_concurrent_on_threads_of_their_own),
        cmocka_unit_test(one_cpu_runs_what_a_parallel_task_spawns_in_that_task),
    };
    return cmocka_run_group_tests_name("pool capacity", tests, NULL, NULL);
}
