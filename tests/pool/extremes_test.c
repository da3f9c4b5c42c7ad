/* SPDX-License-Identifier: MIT
 *
 * Tasks that block for long among tiny ones, and more tasks than anyone would queue. What recursion
 * does to the stack is in depth_test.c, what is left when memory is refused in failure_test.c.
 */
#include "support.h"

#include <stdalign.h>

/* ---- tasks that block ---- */

/* So many tiny ones are made for each that blocks. */
enum { TINY = 10000 / TEST_SLOW };

static void make_tiny(struct pinion_io *io, atomic_uint *counter)
{
    for (int i = 0; i < TINY; i++)
        count_up_detached(io, counter);
}

/* One worker after the other comes to the gate, and the tiny ones go on with one less. */
static void check_tiny_among_blocked(bool eager)
{
    enum { CPUS = 4, BLOCKED = CPUS - 2 };
    const struct pinion_pool_options options = {.cpu_count = CPUS, .eager = eager};
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_io *io = pinion_pool_io(pool);
    struct gate gate = GATE_INIT;
    atomic_uint counter = 0;
    for (unsigned i = 0; i < BLOCKED; i++) {
        pass_gate_detached(io, &gate);
        make_tiny(io, &counter);
        wait_until(atomic_load(&counter) == (i + 1) * TINY);
        wait_until(atomic_load(&gate.arrived) == i + 1);
    }
    make_tiny(io, &counter);
    wait_until(atomic_load(&counter) == (BLOCKED + 1) * TINY);
    assert_int_equal(stats_of(pool).capacity, CPUS - 1);
    gate_open(&gate);
    pinion_pool_destroy(pool);
}

static void tiny_tasks_end_while_workers_are_held_by_others(void **state)
{
    (void)state;
    check_tiny_among_blocked(false);
    check_tiny_among_blocked(true);
}

struct behind {
    struct pinion_io *io;
    struct gate gate;
    atomic_uint counter;
};

/* Queues tiny ones, then is held before it awaits them. */
PINION_TASK(void, queue_and_be_held, (struct behind *, behind))
{
    struct count_up_future *futures = calloc(TINY, sizeof *futures);
    must(futures);
    for (int i = 0; i < TINY; i++)
        futures[i] = count_up_async(behind->io, &behind->counter);
    gate_pass(&behind->gate);
    for (int i = 0; i < TINY; i++)
        count_up_await(behind->io, &futures[i]);
    free(futures);
}

static void tiny_tasks_that_stand_behind_one_that_is_held_are_run_by_others(void **state)
{
    (void)state;
    for (int eager = 0; eager < 2; eager++) {
        const struct pinion_pool_options options = {.cpu_count = 3, .eager = eager};
        struct pinion_pool *pool = make_pool(&options);
        struct behind behind = {.io = pinion_pool_io(pool), .gate = GATE_INIT};
        queue_and_be_held_detached(behind.io, &behind);
        wait_until(atomic_load(&behind.counter) == TINY);
        gate_open(&behind.gate);
        pinion_pool_destroy(pool);
        assert_int_equal(atomic_load(&behind.counter), TINY);
    }
}

static void pass_gate_blocking(const void *context, void *result)
{
    (void)result;
    gate_pass(*(struct gate *const *)context);
}

PINION_TASK(void, be_held_blocking, (struct pinion_io *, io), (struct gate *, gate))
{
    const struct pinion_call call = {.start = pass_gate_blocking, .context = &gate,
                                     .context_size = sizeof gate,
                                     .context_align = alignof(struct gate *)};
    must(pinion_blocking(io, &call, NULL) == 0);
}

static void with_blocking_one_worker_is_enough_for_tiny_tasks_among_many_that_are_held(void **state)
{
    (void)state;
    enum { BLOCKED = 8 };
    for (int eager = 0; eager < 2; eager++) {
        const struct pinion_pool_options options = {.cpu_count = 2, .eager = eager};
        struct pinion_pool *pool = make_pool(&options);
        struct pinion_io *io = pinion_pool_io(pool);
        struct gate gate = GATE_INIT;
        atomic_uint counter = 0;
        for (unsigned i = 0; i < BLOCKED; i++) {
            be_held_blocking_detached(io, io, &gate);
            make_tiny(io, &counter);
            wait_until(atomic_load(&counter) == (i + 1) * TINY);
            wait_until(atomic_load(&gate.arrived) == i + 1);
        }
        assert_int_equal(stats_of(pool).parallel_count, BLOCKED);
        gate_open(&gate);
        wait_until(stats_of(pool).parallel_count == 0);
        pinion_pool_destroy(pool);
    }
}

/* ---- a million tasks ---- */

enum { MILLION = 1000000 / TEST_SLOW };

PINION_TASK(unsigned, twice, (unsigned, i))
{
    return 2 * i;
}

static uint64_t closure_bytes(struct pinion_pool *pool)
{
    struct pinion_worker_stats rows[16];
    const size_t count = pinion_pool_workers(pool, rows, 16);
    uint64_t bytes = 0;
    must(count <= 16);
    for (size_t i = 0; i < count; i++)
        bytes += rows[i].arena_bytes;
    return bytes;
}

/* Returns what all closures occupied before the first was awaited. */
static uint64_t make_million(struct pinion_pool *pool, struct twice_future *futures)
{
    struct pinion_io *io = pinion_pool_io(pool);
    for (unsigned i = 0; i < MILLION; i++)
        futures[i] = twice_async(io, i);
    const uint64_t bytes = closure_bytes(pool);
    for (unsigned i = 0; i < MILLION; i++)
        must(twice_await(io, &futures[i]) == 2 * i);
    return bytes;
}

static void check_million(unsigned cpu_count, bool eager)
{
    const struct pinion_pool_options options = {.cpu_count = cpu_count, .eager = eager};
    struct pinion_pool *pool = make_pool(&options);
    struct twice_future *futures = calloc(MILLION, sizeof *futures);
    must(futures);
    const uint64_t first = make_million(pool, futures);
    const uint64_t second = make_million(pool, futures);
    const struct pinion_pool_stats stats = stats_of(pool);
    assert_int_equal(stats.queued + stats.inlined, 2 * MILLION);
    if (cpu_count == 1)
        assert_int_equal(stats.inlined, 2 * MILLION);
    else if (eager)
        assert_int_equal(stats.queued, 2 * MILLION);
    /* The second million takes the blocks of the first. Else how many stand at a time is a race. */
    if (eager)
        assert_in_range(second, 0, first + first / 8);
    free(futures);
    pinion_pool_destroy(pool);
}

static void a_million_tasks_wait_for_their_awaits(void **state)
{
    (void)state;
    for (unsigned cpu_count = 1; cpu_count <= 4; cpu_count *= 2) {
        check_million(cpu_count, false);
        check_million(cpu_count, true);
    }
}

/* ---- the same from a thread that is no worker ---- */

static void *make_million_outside(void *pool)
{
    struct twice_future *futures = calloc(MILLION, sizeof *futures);
    must(futures);
    (void)make_million(pool, futures);
    free(futures);
    return NULL;
}

static void a_million_tasks_of_an_outside_thread_wait_for_their_awaits(void **state)
{
    (void)state;
    for (int eager = 0; eager < 2; eager++) {
        const struct pinion_pool_options options = {.cpu_count = 3, .eager = eager};
        struct pinion_pool *pool = make_pool(&options);
        pthread_t outside;
        assert_int_equal(pthread_create(&outside, NULL, make_million_outside, pool), 0);
        assert_int_equal(pthread_join(outside, NULL), 0);
        const struct pinion_pool_stats stats = stats_of(pool);
        assert_int_equal(stats.queued + stats.inlined, MILLION);
        assert_int_equal(stats.injected, stats.queued);
        if (eager)
            assert_int_equal(stats.queued, MILLION);
        pinion_pool_destroy(pool);
    }
}

static void detached_tasks_by_the_hundred_thousand_all_run_and_leave_nothing(void **state)
{
    (void)state;
    enum { MANY = MILLION / 10, ROUNDS = 4 };
    for (int eager = 0; eager < 2; eager++) {
        const struct pinion_pool_options options = {.cpu_count = 3, .eager = eager};
        struct pinion_pool *pool = make_pool(&options);
        struct pinion_io *io = pinion_pool_io(pool);
        atomic_uint counter = 0;
        for (unsigned round = 0; round < ROUNDS; round++) {
            for (unsigned i = 0; i < MANY; i++)
                count_up_detached(io, &counter);
            wait_until(atomic_load(&counter) == (round + 1) * MANY);
        }
        /* A round needs at most so much, and the next takes the same. */
        assert_in_range(closure_bytes(pool), 0, (uint64_t)MANY * 128 + ((uint64_t)1 << 20));
        pinion_pool_destroy(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiny_tasks_end_while_workers_are_held_by_others),
        cmocka_unit_test(tiny_tasks_that_stand_behind_one_that_is_held_are_run_by_others),
        cmocka_unit_test(
            with_blocking_one_worker_is_enough_for_tiny_tasks_among_many_that_are_held),
        cmocka_unit_test(a_million_tasks_wait_for_their_awaits),
        cmocka_unit_test(a_million_tasks_of_an_outside_thread_wait_for_their_awaits),
        cmocka_unit_test(detached_tasks_by_the_hundred_thousand_all_run_and_leave_nothing),
    };
    return cmocka_run_group_tests_name("pool extremes", tests, NULL, NULL);
}
