/* SPDX-License-Identifier: MIT
 *
 * What groups and loops are to a pool: how they are counted, what they are refused, and that
 * nothing of them stays.
 */
#include "support.h"

PINION_TASK(void, spawn_into, (struct pinion_io *, io), (struct pinion_group *, group),
            (atomic_uint *, counter), (int, depth))
{
    atomic_fetch_add(counter, 1);
    if (depth == 0)
        return;
    spawn_into_group(io, group, io, group, counter, depth - 1);
    spawn_into_group(io, group, io, group, counter, depth - 1);
}

static void each_member_is_counted_once_in_inlined_or_in_queued(void **state)
{
    (void)state;
    for (unsigned cpu_count = 1; cpu_count <= 4; cpu_count++) {
        for (int is_eager = 0; is_eager <= 1; is_eager++) {
            const struct pinion_pool_options options = {.cpu_count = cpu_count,
                                                        .eager = is_eager};
            struct pinion_pool *pool = make_pool(&options);
            struct pinion_group group = PINION_GROUP_INIT;
            atomic_uint counter = 0;
            spawn_into_group(pinion_pool_io(pool), &group, pinion_pool_io(pool), &group, &counter,
                             7);
            assert_int_equal(pinion_group_await(pinion_pool_io(pool), &group), 0);
            assert_int_equal(atomic_load(&counter), 255);
            const struct pinion_pool_stats stats = stats_of(pool);
            assert_int_equal(stats.inlined + stats.queued, 255);
            assert_true(stats.claimed <= stats.queued);
            if (cpu_count == 1)
                assert_int_equal(stats.inlined, 255);
            if (cpu_count > 1 && is_eager)
                assert_int_equal(stats.queued, 255);
            pinion_pool_destroy(pool);
        }
    }
}

static void reserved_members_are_reservations_and_are_not_counted_as_queued(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(2);
    struct pinion_io *io = pinion_pool_io(pool);
    struct pinion_group group = PINION_GROUP_INIT;
    struct gate gate = GATE_INIT;
    const struct pass_gate_args args = {&gate};
    const struct pinion_call call = pass_gate_call(&args);
    assert_int_equal(pinion_group_parallel(io, &group, &call), 0);
    assert_int_equal(pinion_group_concurrent(io, &group, &call), 0);
    assert_int_equal(stats_of(pool).parallel_count, 2);
    assert_int_equal(stats_of(pool).capacity, 3);
    gate_open(&gate);
    assert_int_equal(pinion_group_await(io, &group), 0);
    assert_int_equal(stats_of(pool).parallel_count, 0); /* has fallen before await returns */
    assert_int_equal(stats_of(pool).inlined + stats_of(pool).queued, 0);
    pinion_pool_destroy(pool);
}

static void a_member_that_is_refused_a_thread_is_no_member(void **state)
{
    (void)state;
    const struct pinion_pool_options options = {.cpu_count = 2, .max_parallel = 1};
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_io *io = pinion_pool_io(pool);
    struct pinion_group held = PINION_GROUP_INIT, refused = PINION_GROUP_INIT;
    struct gate gate = GATE_INIT;
    const struct pass_gate_args args = {&gate};
    const struct pinion_call call = pass_gate_call(&args);
    assert_int_equal(pinion_group_concurrent(io, &held, &call), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pinion_group_concurrent(io, &held, &call), -EAGAIN);
        assert_int_equal(pinion_group_parallel(io, &refused, &call), -EAGAIN);
    }
    assert_int_equal(pinion_group_await(io, &refused), 0); /* though the other waits at the gate */
    gate_open(&gate);
    assert_int_equal(pinion_group_await(io, &held), 0);
    assert_int_equal(atomic_load(&gate.arrived), 1);
    assert_int_equal(pinion_group_parallel(io, &refused, &call), 0);
    assert_int_equal(pinion_group_await(io, &refused), 0);
    pinion_pool_destroy(pool);
}

/* ---- memory ---- */

static uint64_t arena_bytes(struct pinion_pool *pool)
{
    struct pinion_worker_stats rows[32];
    uint64_t bytes = 0;
    const size_t count = pinion_pool_workers(pool, rows, 32);
    must(count <= 32);
    for (size_t i = 0; i < count; i++)
        bytes += rows[i].arena_bytes;
    return bytes;
}

struct round {
    struct pinion_io *io;
    int members, rounds;
};

static void run_rounds(const struct round *round)
{
    atomic_uint counter = 0;
    for (int i = 0; i < round->rounds; i++) {
        struct pinion_group group = PINION_GROUP_INIT;
        for (int j = 0; j < round->members; j++)
            count_up_group(round->io, &group, &counter);
        if (i % 2)
            must(pinion_group_await(round->io, &group) == 0);
        else
            pinion_group_cancel(round->io, &group);
    }
    must(atomic_load(&counter) == (unsigned)(round->members * round->rounds));
}

static void members_leave_no_memory_behind(void **state)
{
    (void)state;
    for (unsigned cpu_count = 2; cpu_count <= 8; cpu_count += 3) {
        const struct pinion_pool_options options = {.cpu_count = cpu_count, .eager = true};
        struct pinion_pool *pool = make_pool(&options);
        const struct round first = {pinion_pool_io(pool), 500, 20};
        const struct round many = {pinion_pool_io(pool), 500, 400 / TEST_SLOW};
        run_rounds(&first);
        const uint64_t before = arena_bytes(pool);
        run_rounds(&many);
        const uint64_t leaked = (uint64_t)(many.members * many.rounds) * 128;
        assert_true(leaked > 3000000);
        /* A round's worth may be on the way from another thread. */
        assert_true(arena_bytes(pool) <= before + 1000000);
        pinion_pool_destroy(pool);
    }
}

static void *rounds_outside(void *argument)
{
    run_rounds(argument);
    return NULL;
}

/* What an await claims stays in its queue as a tombstone, until a worker comes by. */
static void a_pool_may_end_with_claimed_members_still_in_its_queues(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(3);
    struct pinion_io *io = pinion_pool_io(pool);
    struct gate gate = GATE_INIT;
    pthread_t thread;
    for (int i = 0; i < 2; i++)
        pass_gate_detached(io, &gate);
    wait_until(atomic_load(&gate.arrived) == 2);
    struct round round = {io, 6, 5};
    run_rounds(&round);
    assert_int_equal(pthread_create(&thread, NULL, rounds_outside, &round), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(stats_of(pool).claimed > 0);
    gate_open(&gate);
    pinion_pool_destroy(pool);
}

/* ---- loops ---- */

struct sum {
    atomic_size_t iterations;
    atomic_uint parts;
};

static void sum_up(void *context, size_t begin, size_t end)
{
    struct sum *sum = context;
    atomic_fetch_add(&sum->iterations, end - begin);
    atomic_fetch_add(&sum->parts, 1);
}

static void a_loop_queues_no_more_helpers_than_there_are_workers(void **state)
{
    (void)state;
    enum { LOOPS = 50, ITERATIONS = 2000 };
    for (unsigned cpu_count = 1; cpu_count <= 4; cpu_count++) {
        struct pinion_pool *pool = pool_of(cpu_count);
        struct sum sum = {0};
        for (int i = 0; i < LOOPS; i++)
            pinion_parallel_for(pinion_pool_io(pool), 0, ITERATIONS, (size_t)i % 2, sum_up, &sum);
        assert_int_equal(atomic_load(&sum.iterations), LOOPS * ITERATIONS);
        assert_true(stats_of(pool).queued <= LOOPS * (cpu_count - 1));
        assert_int_equal(stats_of(pool).queued > 0, cpu_count > 1);
        assert_int_equal(stats_of(pool).inlined, 0);
        pinion_pool_destroy(pool);
    }
}

static void without_workers_a_loop_with_a_grain_of_its_choice_is_one_part(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(1);
    struct sum sum = {0};
    pinion_parallel_for(pinion_pool_io(pool), 0, 1000000, 0, sum_up, &sum);
    assert_int_equal(atomic_load(&sum.parts), 1);
    assert_int_equal(atomic_load(&sum.iterations), 1000000);
    pinion_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_member_is_counted_once_in_inlined_or_in_queued),
        cmocka_unit_test(reserved_members_are_reservations_and_are_not_counted_as_queued),
        cmocka_unit_test(a_member_that_is_refused_a_thread_is_no_member),
        cmocka_unit_test(members_leave_no_memory_behind),
        cmocka_unit_test(a_pool_may_end_with_claimed_members_still_in_its_queues),
        cmocka_unit_test(a_loop_queues_no_more_helpers_than_there_are_workers),
        cmocka_unit_test(without_workers_a_loop_with_a_grain_of_its_choice_is_one_part),
    };
    return cmocka_run_group_tests_name("pool groups", tests, NULL, NULL);
}
