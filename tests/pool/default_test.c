/* SPDX-License-Identifier: MIT
 *
 * The io that a process has without making it, and the one that refuses everything.
 */
#include "support.h"

/* The pool is never destroyed, so nobody joins a thread of it that has retired by the end. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "report_thread_leaks=0"; }

enum { ASKERS = 8 };

static pthread_barrier_t together;

static void *ask(void *unused)
{
    (void)unused;
    (void)pthread_barrier_wait(&together);
    return pinion_default_io();
}

/* First: nobody has asked before. */
static void all_who_ask_at_once_get_the_same(void **state)
{
    (void)state;
    pthread_t threads[ASKERS];
    must(pthread_barrier_init(&together, NULL, ASKERS) == 0);
    for (int i = 0; i < ASKERS; i++)
        must(pthread_create(&threads[i], NULL, ask, NULL) == 0);
    for (int i = 0; i < ASKERS; i++) {
        void *io;
        must(pthread_join(threads[i], &io) == 0);
        assert_non_null(io);
        assert_ptr_equal(io, pinion_default_io());
    }
    (void)pthread_barrier_destroy(&together);
}

static void every_cpu_has_a_worker_and_no_thread_is_the_caller(void **state)
{
    (void)state;
    struct pinion_topology *machine = machine_of(NULL);
    const unsigned workers = pinion_topology_cpu_count(machine);
    pinion_topology_destroy(machine);
    struct pinion_io *io = pinion_default_io();
    struct gate gate = GATE_INIT;
    /* So many tasks can wait at a time, none of them here. */
    struct pass_gate_future *futures = calloc(workers, sizeof futures[0]);
    must(futures);
    for (unsigned i = 0; i < workers; i++) {
        futures[i] = pass_gate_async(io, &gate);
        assert_non_null(futures[i].future.task);
        wait_until(atomic_load(&gate.arrived) == i + 1);
    }
    assert_int_equal(threads_named("pinion/"), workers);
    gate_open(&gate);
    for (unsigned i = 0; i < workers; i++)
        pass_gate_await(io, &futures[i]);
    free(futures);
}

static void its_workers_sit_on_different_cpus(void **state)
{
    (void)state;
    struct pinion_topology *machine = machine_of(NULL);
    const unsigned workers = pinion_topology_cpu_count(machine);
    pinion_topology_destroy(machine);
    cpu_set_t all;
    CPU_ZERO(&all);
    unsigned seen = 0;
    DIR *folder = opendir("/proc/self/task");
    must(folder);
    for (const struct dirent *entry; (entry = readdir(folder));) {
        char name[32];
        cpu_set_t its;
        if (entry->d_name[0] == '.')
            continue;
        thread_name(atoi(entry->d_name), name);
        if (strncmp(name, "pinion/", 7) != 0 || name[7] == 'r')
            continue;
        if (sched_getaffinity(atoi(entry->d_name), sizeof its, &its) || CPU_COUNT(&its) != 1)
            continue; /* the machine refuses to pin */
        seen++;
        CPU_OR(&all, &all, &its);
    }
    (void)closedir(folder);
    assert_true(seen <= workers);
    assert_int_equal(CPU_COUNT(&all), seen);
}

PINION_TASK(int, fib, (struct pinion_io *, io), (int, n))
{
    if (n < 2)
        return n;
    struct fib_future left = fib_async(io, io, n - 1);
    const int right = fib(io, n - 2);
    return fib_await(io, &left) + right;
}

static void it_does_what_a_pool_does(void **state)
{
    (void)state;
    struct pinion_io *io = pinion_default_io();
    struct thread_id_future future;
    atomic_uint counter = 0;
    assert_int_equal(fib(io, 15), 610);
    assert_int_equal(thread_id_parallel(io, &future), 0);
    assert_int_not_equal(thread_id_await(io, &future), gettid());
    assert_int_equal(thread_id_concurrent(io, &future), 0);
    assert_int_not_equal(thread_id_await(io, &future), gettid());
    count_up_detached(io, &counter);
    wait_until(atomic_load(&counter) == 1);
}

/* ---- refusing ---- */

static void must_refuse(struct pinion_io *io)
{
    struct thread_id_future future, untouched;
    memset(&future, 0x5a, sizeof future);
    untouched = future;
    must(thread_id_parallel(io, &future) == -ENOTSUP);
    must(*pinion_error_detail());
    must(thread_id_concurrent(io, &future) == -ENOTSUP);
    must(memcmp(&future, &untouched, sizeof future) == 0);

    future = thread_id_async(io);
    must(!future.future.task);
    struct pinion_future *futures[] = {&future.future};
    must(pinion_select(io, futures, 1, PINION_FOREVER) == 0);
    must(pinion_select(io, futures, 0, PINION_FOREVER) == -EINVAL);
    pinion_request_cancel(io, &future.future);
    must(thread_id_await(io, &future) == gettid());
    future = thread_id_async(io);
    must(thread_id_cancel(io, &future) == gettid());

    atomic_uint counter = 0;
    count_up_detached(io, &counter);
    must(atomic_load(&counter) == 1);
    must(fib(io, 12) == 144);
    const struct pinion_call call = {.start = thread_id_start, .result_size = sizeof(int)};
    must(pinion_blocking(io, &call, NULL) == -ENOTSUP);
    pinion_yield(io);
    must(!pinion_cancel_requested(io));
    must(pinion_check_cancel(io) == 0);
}

static void the_failing_io_runs_async_in_the_caller_and_refuses_the_rest(void **state)
{
    (void)state;
    assert_ptr_equal(pinion_io_failing(), pinion_io_failing());
    must_refuse(pinion_io_failing());
}

PINION_TASK(int, use_failing)
{
    must_refuse(pinion_io_failing());
    return 1;
}

static void a_task_of_a_pool_may_use_the_failing_io(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(2);
    struct pinion_io *io = pinion_pool_io(pool);
    struct use_failing_future future;
    assert_int_equal(use_failing_parallel(io, &future), 0);
    assert_int_equal(use_failing_await(io, &future), 1);
    pinion_pool_destroy(pool);
}

/* In a process that asks for the first time with an environment that is wrong. */
static int without_a_pool(void)
{
    struct pinion_io *io = pinion_default_io();
    must(io && io == pinion_default_io());
    must_refuse(io);
    return EXIT_SUCCESS;
}

static void where_no_pool_can_be_made_it_runs_async_in_the_caller(void **state)
{
    (void)state;
    must(setenv("PINION_IDLE", "sometimes", 1) == 0);
    assert_int_equal(system("exec /proc/$PPID/exe without-a-pool"), 0);
    must(unsetenv("PINION_IDLE") == 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_who_ask_at_once_get_the_same),
        cmocka_unit_test(every_cpu_has_a_worker_and_no_thread_is_the_caller),
        cmocka_unit_test(its_workers_sit_on_different_cpus),
        cmocka_unit_test(it_does_what_a_pool_does),
        cmocka_unit_test(the_failing_io_runs_async_in_the_caller_and_refuses_the_rest),
        cmocka_unit_test(a_task_of_a_pool_may_use_the_failing_io),
        cmocka_unit_test(where_no_pool_can_be_made_it_runs_async_in_the_caller),
    };
    if (argc > 1 && strcmp(argv[1], "without-a-pool") == 0)
        return without_a_pool();
    return cmocka_run_group_tests_name("pool default", tests, NULL, NULL);
}
