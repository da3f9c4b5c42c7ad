/* SPDX-License-Identifier: MIT
 *
 * Reserve threads: a parallel or concurrent task has one to itself; when it ends the thread is
 * kept, becomes a base worker where a seat is free, or ends when it is surplus for long enough.
 */
#include "support.h"

static void a_parallel_task_runs_while_every_other_thread_is_blocked(void **state)
{
    (void)state;
    enum { BASE = 3, BLOCKED = 5 };
    const struct pinion_pool_options options = {.cpu_count = BASE + 1, .eager = true};
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_io *io = pinion_pool_io(pool);
    struct gate gate = GATE_INIT;
    struct pass_gate_future blocked[BLOCKED];
    for (int i = 0; i < BASE + 10; i++)
        pass_gate_detached(io, &gate);
    for (int i = 0; i < BLOCKED; i++)
        assert_int_equal(i % 2 ? pass_gate_concurrent(io, &blocked[i], &gate)
                               : pass_gate_parallel(io, &blocked[i], &gate), 0);
    wait_until(atomic_load(&gate.arrived) == BASE + BLOCKED);

    for (int i = 0; i < 3; i++) {
        struct thread_id_future future;
        assert_int_equal(thread_id_parallel(io, &future), 0);
        assert_int_not_equal(thread_id_await(io, &future), gettid());
        assert_int_equal(thread_id_concurrent(io, &future), 0);
        assert_int_not_equal(thread_id_await(io, &future), gettid());
    }
    assert_int_equal(stats_of(pool).parallel_count, BLOCKED);
    assert_int_equal(stats_of(pool).threads, BASE + BLOCKED + 1);
    gate_open(&gate);
    for (int i = 0; i < BLOCKED; i++)
        pass_gate_await(io, &blocked[i]);
    assert_int_equal(stats_of(pool).capacity, BASE);
    pinion_pool_destroy(pool);
}

static void parallel_count_has_fallen_before_the_await_returns(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(2);
    struct pinion_io *io = pinion_pool_io(pool);
    for (int i = 0; i < 2000 / TEST_SLOW; i++) {
        struct thread_id_future future;
        assert_int_equal(i % 2 ? thread_id_parallel(io, &future)
                               : thread_id_concurrent(io, &future), 0);
        (void)thread_id_await(io, &future);
        const struct pinion_pool_stats stats = stats_of(pool);
        assert_int_equal(stats.parallel_count, 0);
        assert_int_equal(stats.capacity, 1);
    }
    pinion_pool_destroy(pool);
}

static void a_kept_thread_runs_the_next_parallel_task(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(1);
    struct pinion_io *io = pinion_pool_io(pool);
    int first = 0;
    for (int i = 0; i < 20; i++) {
        struct thread_id_future future;
        assert_int_equal(thread_id_parallel(io, &future), 0);
        const int id = thread_id_await(io, &future);
        if (i == 0)
            first = id;
        assert_int_equal(id, first);
    }
    assert_int_equal(stats_of(pool).threads_peak, 1);
    pinion_pool_destroy(pool);
}

struct sighting {
    atomic_int tid;
    char name[32];
    atomic_bool is_done;
};

PINION_TASK(void, be_seen, (struct sighting *, sighting))
{
    thread_name((int)gettid(), sighting->name);
    atomic_store(&sighting->tid, (int)gettid());
    atomic_store(&sighting->is_done, true);
}

static void an_idle_reserve_thread_takes_a_seat_before_a_thread_is_created(void **state)
{
    (void)state;
    for (unsigned cpu_count = 2; cpu_count <= 4; cpu_count++) {
        struct pinion_pool *pool = pool_of(cpu_count);
        struct pinion_io *io = pinion_pool_io(pool);
        struct thread_id_future future;
        assert_int_equal(thread_id_parallel(io, &future), 0);
        const int reserve = thread_id_await(io, &future);

        struct sighting sighting = {0};
        be_seen_detached(io, &sighting);
        wait_until(atomic_load(&sighting.is_done));
        assert_int_equal(sighting.tid, reserve);
        assert_string_equal(sighting.name, "pinion/0");
        const struct pinion_pool_stats stats = stats_of(pool);
        assert_int_equal(stats.queued, 1);
        assert_int_equal(stats.threads, 1);
        assert_int_equal(stats.threads_peak, 1);
        pinion_pool_destroy(pool);
    }
}

static void every_idle_reserve_thread_takes_a_seat_before_a_thread_is_created(void **state)
{
    (void)state;
    enum { BASE = 3 };
    struct pinion_pool *pool = pool_of(BASE + 1);
    struct pinion_io *io = pinion_pool_io(pool);
    struct gate reserved = GATE_INIT, seated = GATE_INIT;
    struct pass_gate_future futures[BASE];
    for (int i = 0; i < BASE; i++)
        assert_int_equal(pass_gate_parallel(io, &futures[i], &reserved), 0);
    gate_open(&reserved);
    for (int i = 0; i < BASE; i++)
        pass_gate_await(io, &futures[i]);
    for (unsigned i = 1; i <= BASE; i++) {
        pass_gate_detached(io, &seated);
        wait_until(atomic_load(&seated.arrived) == i);
        assert_int_equal(stats_of(pool).threads, BASE);
    }
    assert_int_equal(stats_of(pool).threads_peak, BASE);
    assert_int_equal(threads_named("pinion/r"), 0);
    assert_int_equal(threads_named("pinion/"), BASE);
    gate_open(&seated);
    pinion_pool_destroy(pool);
}

static void a_detached_task_right_after_a_parallel_one_runs_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < 200 / TEST_SLOW; i++) {
        struct pinion_pool *pool = pool_of(2);
        struct pinion_io *io = pinion_pool_io(pool);
        struct thread_id_future future;
        struct sighting sighting = {0};
        assert_int_equal(thread_id_parallel(io, &future), 0);
        (void)thread_id_await(io, &future);
        be_seen_detached(io, &sighting);
        wait_until(atomic_load(&sighting.is_done));
        assert_int_equal(stats_of(pool).threads_peak, 1);
        pinion_pool_destroy(pool);
    }
}

/* ---- retiring ---- */

/* Runs count parallel tasks at a time. */
static void burst(struct pinion_io *io, unsigned count)
{
    struct gate gate = GATE_INIT;
    struct pass_gate_future *futures = calloc(count, sizeof futures[0]);
    must(futures);
    for (unsigned i = 0; i < count; i++)
        must(pass_gate_parallel(io, &futures[i], &gate) == 0);
    gate_open(&gate);
    for (unsigned i = 0; i < count; i++)
        pass_gate_await(io, &futures[i]);
    free(futures);
}

static void surplus_threads_end_and_threads_falls_to_capacity(void **state)
{
    (void)state;
    for (unsigned cpu_count = 1; cpu_count <= 3; cpu_count++) {
        const struct pinion_pool_options options = {.cpu_count = cpu_count,
                                                    .retire_after = 1000000};
        const unsigned others = proc_entries("/proc/self/task");
        struct pinion_pool *pool = make_pool(&options);
        for (int round = 0; round < 3; round++) {
            burst(pinion_pool_io(pool), 6);
            assert_int_equal(stats_of(pool).capacity, cpu_count - 1);
            wait_until(stats_of(pool).threads == cpu_count - 1);
            /* At most: one of the last pool may still have been counted among the others. */
            wait_until(proc_entries("/proc/self/task") <= others + cpu_count - 1);
            assert_true(stats_of(pool).threads_peak <= 6 + cpu_count - 1);
        }
        pinion_pool_destroy(pool);
    }
}

static void threads_within_capacity_stay(void **state)
{
    (void)state;
    const struct pinion_pool_options options = {.cpu_count = 3, .retire_after = 1};
    struct pinion_pool *pool = make_pool(&options);
    burst(pinion_pool_io(pool), 5);
    wait_until(stats_of(pool).threads == 2);
    /* Retiring goes on in the background, if at all: some rounds in which it could. */
    for (int i = 0; i < 50; i++) {
        nap();
        assert_int_equal(stats_of(pool).threads, 2);
    }
    pinion_pool_destroy(pool);
}

static void a_surplus_thread_ends_also_when_another_took_the_seat(void **state)
{
    (void)state;
    const struct pinion_pool_options options = {.cpu_count = 2, .retire_after = 200000000};
    for (int order = 0; order < 2; order++) {
        struct pinion_pool *pool = make_pool(&options);
        struct pinion_io *io = pinion_pool_io(pool);
        struct gate first_gate = GATE_INIT, second_gate = GATE_INIT;
        struct pass_gate_future first, second;
        assert_int_equal(pass_gate_parallel(io, &first, &first_gate), 0);
        assert_int_equal(pass_gate_parallel(io, &second, &second_gate), 0);
        gate_open(order ? &first_gate : &second_gate);
        pass_gate_await(io, order ? &first : &second);
        gate_open(order ? &second_gate : &first_gate);
        pass_gate_await(io, order ? &second : &first);
        /* Two idle threads, capacity 1. One takes the seat; the other must end some time. */
        atomic_uint counter = 0;
        count_up_detached(io, &counter);
        wait_until(atomic_load(&counter) == 1);
        wait_until(stats_of(pool).threads == 1);
        pinion_pool_destroy(pool);
    }
}

/* ---- the limit ---- */

static void max_parallel_refuses_more_and_runs_nothing_of_it(void **state)
{
    (void)state;
    const struct pinion_pool_options options = {.cpu_count = 2, .max_parallel = 2};
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_io *io = pinion_pool_io(pool);
    for (int round = 0; round < 3; round++) {
        struct gate gate = GATE_INIT;
        atomic_uint ran = 0;
        struct pass_gate_future first, second;
        struct count_up_future refused;
        memset(&refused, 0x5a, sizeof refused);
        const struct count_up_future untouched = refused;
        assert_int_equal(pass_gate_parallel(io, &first, &gate), 0);
        assert_int_equal(pass_gate_concurrent(io, &second, &gate), 0);
        assert_int_equal(count_up_parallel(io, &refused, &ran), -EAGAIN);
        assert_non_null(strstr(pinion_error_detail(), "max_parallel is 2"));
        assert_int_equal(count_up_concurrent(io, &refused, &ran), -EAGAIN);
        assert_memory_equal(&refused, &untouched, sizeof refused);
        assert_int_equal(stats_of(pool).parallel_count, 2);
        gate_open(&gate);
        pass_gate_await(io, &first);
        assert_int_equal(count_up_parallel(io, &refused, &ran), 0);
        count_up_await(io, &refused);
        pass_gate_await(io, &second);
        assert_int_equal(ran, 1);
        assert_int_equal(stats_of(pool).parallel_count, 0);
    }
    pinion_pool_destroy(pool);
}

static void a_bad_call_is_refused(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(2);
    struct pinion_io *io = pinion_pool_io(pool);
    struct pinion_future future = {NULL};
    const struct pinion_call bad[] = {
        {.start = NULL},
        {.start = thread_id_start, .result_size = 4, .result_align = 3},
        {.start = thread_id_start, .result_size = 4, .result_align = 8192},
        {.start = thread_id_start, .context_size = 4, .context_align = 12},
        {.start = thread_id_start, .context_size = 4, .context = NULL},
        {.start = thread_id_start, .result_size = SIZE_MAX},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(pinion_async_parallel(io, &bad[i], &future), -EINVAL);
        assert_int_equal(pinion_async_concurrent(io, &bad[i], &future), -EINVAL);
        assert_null(future.task);
    }
    assert_int_equal(stats_of(pool).threads_peak, 0);
    pinion_pool_destroy(pool);
}

/* ---- what a reserved task queues ---- */

PINION_TASK(void, queue_and_block, (struct pinion_io *, io), (atomic_uint *, counter),
            (struct gate *, gate))
{
    for (int i = 0; i < 5; i++)
        count_up_detached(io, counter);
    gate_pass(gate);
}

static void base_workers_take_what_a_blocked_parallel_task_queued(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(2);
    struct pinion_io *io = pinion_pool_io(pool);
    for (int round = 0; round < 20; round++) {
        struct gate gate = GATE_INIT;
        atomic_uint counter = 0;
        struct queue_and_block_future future;
        assert_int_equal(queue_and_block_parallel(io, &future, io, &counter, &gate), 0);
        wait_until(atomic_load(&counter) == 5);
        gate_open(&gate);
        queue_and_block_await(io, &future);
    }
    pinion_pool_destroy(pool);
}

static void what_a_parallel_task_queued_runs_after_it_ended(void **state)
{
    (void)state;
    const struct pinion_pool_options options = {.cpu_count = 2, .eager = true};
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_io *io = pinion_pool_io(pool);
    struct gate busy = GATE_INIT, open = GATE_INIT;
    atomic_uint counter = 0;
    pass_gate_detached(io, &busy); /* the one base worker */
    wait_until(atomic_load(&busy.arrived) == 1);
    gate_open(&open);
    for (int i = 0; i < 10; i++) {
        struct queue_and_block_future future;
        assert_int_equal(queue_and_block_parallel(io, &future, io, &counter, &open), 0);
        queue_and_block_await(io, &future);
    }
    assert_int_equal(atomic_load(&counter), 0);
    gate_open(&busy);
    wait_until(atomic_load(&counter) == 50);
    pinion_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_parallel_task_runs_while_every_other_thread_is_blocked),
        cmocka_unit_test(parallel_count_has_fallen_before_the_await_returns),
        cmocka_unit_test(a_kept_thread_runs_the_next_parallel_task),
        cmocka_unit_test(an_idle_reserve_thread_takes_a_seat_before_a_thread_is_created),
        cmocka_unit_test(every_idle_reserve_thread_takes_a_seat_before_a_thread_is_created),
        cmocka_unit_test(a_detached_task_right_after_a_parallel_one_runs_at_once),
        cmocka_unit_test(surplus_threads_end_and_threads_falls_to_capacity),
        cmocka_unit_test(threads_within_capacity_stay),
        cmocka_unit_test(a_surplus_thread_ends_also_when_another_took_the_seat),
        cmocka_unit_test(max_parallel_refuses_more_and_runs_nothing_of_it),
        cmocka_unit_test(a_bad_call_is_refused),
        cmocka_unit_test(base_workers_take_what_a_blocked_parallel_task_queued),
        cmocka_unit_test(what_a_parallel_task_queued_runs_after_it_ended),
    };
    return cmocka_run_group_tests_name("pool reserve", tests, NULL, NULL);
}
