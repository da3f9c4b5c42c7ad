/* SPDX-License-Identifier: MIT
 *
 * The options of a pool at their borders: a value that is out of range is refused in words, and
 * changes nothing; one that is not has the effect that pool.h tells.
 */
#include "support.h"

#include <limits.h>

#define CPU_COUNT_MAX (1u << 20)
#define SPIN_US_MAX   1000000u

/* Cores enough for any plan here, and SMT. */
#define SYNTHETIC "core:4 pu:2"

/* ---- what is refused ---- */

/* The detail names the value, and says what would be right. */
static void is_refused(struct pinion_pool_options options, const char *value, const char *right)
{
    struct pinion_topology *synthetic = machine_of(SYNTHETIC);
    for (int is_discovered = 0; is_discovered < 2; is_discovered++) {
        char mark;
        struct pinion_pool *pool = (struct pinion_pool *)(void *)&mark;
        options.topology = is_discovered ? NULL : synthetic;
        assert_int_equal(pinion_pool_create(&options, &pool), -EINVAL);
        assert_ptr_equal(pool, &mark);
        assert_says(pinion_error_detail(), value);
        assert_says(pinion_error_detail(), right);
    }
    pinion_topology_destroy(synthetic);
}

static void a_cpu_count_above_2_to_the_20_is_refused(void **state)
{
    (void)state;
    is_refused((struct pinion_pool_options){.cpu_count = CPU_COUNT_MAX + 1}, "cpu_count 1048577",
               "above 1048576");
    is_refused((struct pinion_pool_options){.cpu_count = UINT_MAX}, "cpu_count 4294967295",
               "above 1048576");
}

static void workers_in_the_plan_are_refused(void **state)
{
    (void)state;
    is_refused((struct pinion_pool_options){.plan.workers = 1}, "plan.workers is 1",
               "set cpu_count");
    is_refused((struct pinion_pool_options){.cpu_count = 4, .plan.workers = 3}, "plan.workers is 3",
               "leave it 0");
}

static void an_idle_mode_that_is_none_is_refused(void **state)
{
    (void)state;
    is_refused((struct pinion_pool_options){.idle = (enum pinion_idle)3}, "3 is no idle mode",
               "enum pinion_idle");
    is_refused((struct pinion_pool_options){.idle = (enum pinion_idle) - 1}, "-1 is no idle mode",
               "enum pinion_idle");
}

static void a_spin_above_a_second_is_refused(void **state)
{
    (void)state;
    is_refused((struct pinion_pool_options){.spin_us = SPIN_US_MAX + 1}, "spin_us 1000001",
               "above 1000000");
    is_refused((struct pinion_pool_options){.spin_us = UINT_MAX}, "spin_us 4294967295",
               "above 1000000");
}

static void a_negative_retire_after_is_refused(void **state)
{
    (void)state;
    is_refused((struct pinion_pool_options){.retire_after = -1}, "retire_after -1 is negative",
               "ns, or 0 for 2 s");
    is_refused((struct pinion_pool_options){.retire_after = INT64_MIN},
               "retire_after -9223372036854775808", "ns, or 0 for 2 s");
}

static void a_stack_that_no_thread_can_have_is_refused(void **state)
{
    const size_t least = (size_t)PTHREAD_STACK_MIN;
    const size_t bad[] = {1, least - 1, SIZE_MAX / 2 + 1, SIZE_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char value[64], right[96];
        (void)snprintf(value, sizeof value, "stack_bytes %zu:", bad[i]);
        (void)snprintf(right, sizeof right, "takes %zu to %zu, or 0", least, SIZE_MAX / 2);
        is_refused((struct pinion_pool_options){.stack_bytes = bad[i]}, value, right);
    }
}

static void reserved_fields_that_are_not_zero_are_refused(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        struct pinion_pool_options options = {0};
        options.reserved[i] = UINT64_C(1) << (9 * i);
        is_refused(options, "reserved fields of the options", "{0}");
        options.reserved[i] = 0;
        options.plan.reserved[i] = UINT64_C(1) << (9 * i);
        is_refused(options, "reserved fields of the plan's options", "{0}");
    }
}

static void a_placement_that_is_none_is_refused(void **state)
{
    (void)state;
    is_refused((struct pinion_pool_options){.plan.placement = (enum pinion_placement)5},
               "5 is no placement", "enum pinion_placement");
    is_refused((struct pinion_pool_options){.plan.placement = (enum pinion_placement) - 1},
               "-1 is no placement", "enum pinion_placement");
}

static void a_slice_that_does_not_exist_is_refused(void **state)
{
    (void)state;
    is_refused((struct pinion_pool_options){.plan = {.slice_index = 2, .slice_count = 2}},
               "slice 2 of 2", "from 0, up to 1");
    is_refused((struct pinion_pool_options){.plan = {.slice_index = UINT_MAX, .slice_count = 3}},
               "slice 4294967295 of 3", "from 0, up to 2");
    is_refused((struct pinion_pool_options){.plan = {.slice_index = 1}}, "slice 1 of 1",
               "from 0, up to 0");
}

static void avoid_smt_with_more_workers_than_cores_is_refused(void **state)
{
    struct pinion_topology *topology = machine_of("core:2 pu:2");
    struct pinion_pool_options options = {.topology = topology, .plan.avoid_smt = true};
    struct pinion_pool *pool = NULL;
    (void)state;
    for (options.cpu_count = 4; options.cpu_count <= 64; options.cpu_count *= 4) {
        char value[32];
        (void)snprintf(value, sizeof value, "%u workers", options.cpu_count - 1);
        assert_int_equal(pinion_pool_create(&options, &pool), -EINVAL);
        assert_null(pool);
        assert_says(pinion_error_detail(), value);
        assert_says(pinion_error_detail(), "2 cores");
        assert_says(pinion_error_detail(), "at most");
    }
    options.cpu_count = 3; /* two workers, each on a core */
    pool = make_pool(&options);
    assert_int_equal(stats_of(pool).capacity, 2);
    pinion_pool_destroy(pool);
    pinion_topology_destroy(topology);
}

/* ---- cpu_count ---- */

static void without_a_cpu_count_the_topology_gives_it(void **state)
{
    static const struct {
        struct pinion_plan_options plan;
        unsigned cpu_count;
    } rows[] = {
        {{0}, 8},
        {{.avoid_smt = true}, 4},
        {{.slice_index = 0, .slice_count = 1}, 8},
        {{.slice_index = 1, .slice_count = 2}, 4},
        {{.slice_index = 1, .slice_count = 2, .avoid_smt = true}, 2},
        {{.slice_index = 3, .slice_count = 4}, 2},
    };
    struct pinion_topology *topology = machine_of(SYNTHETIC);
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct pinion_pool_options options = {.topology = topology, .plan = rows[i].plan};
        struct pinion_pool *pool = make_pool(&options);
        assert_int_equal(stats_of(pool).cpu_count, rows[i].cpu_count);
        assert_int_equal(stats_of(pool).capacity, rows[i].cpu_count - 1);
        pinion_pool_destroy(pool);
    }
    pinion_topology_destroy(topology);

    topology = machine_of(NULL);
    struct pinion_pool *pool = make_pool(NULL);
    assert_int_equal(stats_of(pool).cpu_count, pinion_topology_cpu_count(topology));
    pinion_pool_destroy(pool);
    pinion_topology_destroy(topology);
}

/* Keeps count workers busy. */
static void occupy(struct pinion_pool *pool, struct gate *gate, unsigned count)
{
    for (unsigned i = 1; i <= count; i++) {
        pass_gate_detached(pinion_pool_io(pool), gate);
        wait_until(atomic_load(&gate->arrived) == i);
    }
}

static void assert_wraps(struct pinion_pool *pool, unsigned cpu_count)
{
    char sentence[64];
    char *degraded = degraded_of(pool), *report = report_of(pool);
    (void)snprintf(sentence, sizeof sentence, "seats wrap round: cpu_count %u ", cpu_count);
    assert_says(degraded, sentence);
    assert_says(report, sentence);
    (void)snprintf(sentence, sizeof sentence, "\nplan: %u workers on ", cpu_count - 1);
    assert_says(report, sentence);
    free(report);
    free(degraded);
}

static void far_more_cpus_than_the_machine_has_are_allowed_and_reported(void **state)
{
    struct pinion_topology *topology = machine_of(NULL);
    const unsigned total = cpus_of(topology), counts[] = {total + 62, total + 998};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct pinion_pool_options options = {.cpu_count = counts[i],
                                                    .plan.placement = PINION_PLACE_COMPACT};
        struct pinion_pool *pool = make_pool(&options);
        struct gate gate = GATE_INIT;
        assert_int_equal(stats_of(pool).cpu_count, counts[i]);
        assert_int_equal(stats_of(pool).capacity, counts[i] - 1);
        assert_int_equal(stats_of(pool).threads, 0);
        assert_wraps(pool, counts[i]);
        occupy(pool, &gate, 6);
        assert_int_equal(stats_of(pool).threads_peak, 6); /* no more than there was work for */
        assert_int_equal(threads_named("pinion/"), 6);
        gate_open(&gate);
        pinion_pool_destroy(pool);
    }
    pinion_topology_destroy(topology);
}

static void seats_that_wrap_round_are_those_of_the_first_round(void **state)
{
    struct pinion_topology *topology = machine_of(NULL);
    const unsigned total = cpus_of(topology), workers = total + 3;
    const struct pinion_pool_options options = {
        .topology = topology, .cpu_count = workers + 1, .plan.placement = PINION_PLACE_COMPACT};
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_worker_stats *rows = calloc(workers + 1, sizeof rows[0]);
    struct gate gate = GATE_INIT;
    (void)state;
    assert_non_null(rows);
    occupy(pool, &gate, workers);
    assert_int_equal(pinion_pool_workers(pool, rows, workers + 1), workers + 1);
    for (unsigned i = total; i < workers; i++) {
        assert_int_equal(rows[1 + i].cpu, rows[1 + i - total].cpu);
        assert_int_equal(rows[1 + i].node, rows[1 + i - total].node);
    }
    gate_open(&gate);
    free(rows);
    pinion_pool_destroy(pool);
    pinion_topology_destroy(topology);
}

static void as_many_cpus_as_there_are_do_not_wrap(void **state)
{
    struct pinion_topology *topology = machine_of(SYNTHETIC);
    (void)state;
    for (unsigned cpu_count = 7; cpu_count <= 9; cpu_count++) {
        const struct pinion_pool_options options = {.topology = topology, .cpu_count = cpu_count};
        struct pinion_pool *pool = make_pool(&options);
        char *degraded = degraded_of(pool);
        assert_int_equal(strstr(degraded, "seats wrap round") != NULL, cpu_count == 9);
        free(degraded);
        pinion_pool_destroy(pool);
    }
    pinion_topology_destroy(topology);
}

static void a_slice_whose_seats_wrap_round_is_reported_too(void **state)
{
    struct pinion_topology *topology = machine_of("core:8 pu:1");
    (void)state;
    for (unsigned cpu_count = 4; cpu_count <= 8; cpu_count++) {
        const struct pinion_pool_options options = {.topology = topology,
                                                    .cpu_count = cpu_count,
                                                    .plan = {.slice_index = 1, .slice_count = 2}};
        struct pinion_pool *pool = make_pool(&options);
        char *degraded = degraded_of(pool);
        if (cpu_count == 4)
            assert_null(strstr(degraded, "seats wrap round"));
        else
            assert_says(degraded, "on a slice that has 4 CPUs");
        free(degraded);
        pinion_pool_destroy(pool);
    }
    pinion_topology_destroy(topology);
}

static void the_greatest_cpu_count_works(void **state)
{
    const struct pinion_pool_options options = {.cpu_count = CPU_COUNT_MAX};
    struct pinion_pool *pool = make_pool(&options);
    struct gate gate = GATE_INIT;
    (void)state;
    assert_int_equal(stats_of(pool).capacity, CPU_COUNT_MAX - 1);
    occupy(pool, &gate, 2);
    assert_int_equal(stats_of(pool).threads_peak, 2);
    gate_open(&gate);
    pinion_pool_destroy(pool);
}

/* ---- max_parallel, retire_after ---- */

static void max_parallel_bounds_reservations_and_0_does_not(void **state)
{
    static const unsigned limits[] = {0, 1, 5, UINT_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        enum { TRIED = 12 };
        const struct pinion_pool_options options = {.cpu_count = 2, .max_parallel = limits[i]};
        struct pinion_pool *pool = make_pool(&options);
        struct pinion_io *io = pinion_pool_io(pool);
        struct pass_gate_future futures[TRIED] = {0};
        struct gate gate = GATE_INIT;
        unsigned accepted = 0;
        for (unsigned k = 0; k < TRIED; k++) {
            const int error = k % 2 ? pass_gate_parallel(io, &futures[k], &gate)
                                    : pass_gate_concurrent(io, &futures[k], &gate);
            assert_int_equal(error, limits[i] && k >= limits[i] ? -EAGAIN : 0);
            accepted += !error;
        }
        assert_int_equal(stats_of(pool).parallel_count, accepted);
        gate_open(&gate);
        for (unsigned k = 0; k < accepted; k++)
            pass_gate_await(io, &futures[k]);
        pinion_pool_destroy(pool);
    }
}

static void retire_after_forever_keeps_surplus_threads(void **state)
{
    const struct pinion_pool_options options = {.cpu_count = 2, .retire_after = PINION_FOREVER};
    (void)state;
    for (int mode = PINION_IDLE_ADAPTIVE; mode <= PINION_IDLE_POLL; mode++) {
        struct pinion_pool_options with_mode = options;
        with_mode.idle = (enum pinion_idle)mode;
        struct pinion_pool *pool = make_pool(&with_mode);
        struct pinion_io *io = pinion_pool_io(pool);
        struct pass_gate_future first, second;
        struct gate gate = GATE_INIT;
        assert_int_equal(pass_gate_parallel(io, &first, &gate), 0);
        assert_int_equal(pass_gate_parallel(io, &second, &gate), 0);
        gate_open(&gate);
        pass_gate_await(io, &first);
        pass_gate_await(io, &second);
        assert_int_equal(stats_of(pool).capacity, 1);
        for (int i = 0; i < 50; i++) { /* rounds in which one could retire */
            nap();
            assert_int_equal(stats_of(pool).threads, 2);
        }
        pinion_pool_destroy(pool);
    }
}

/* ---- eager ---- */

static void eager_queues_what_else_would_run_in_the_caller(void **state)
{
    enum { TASKS = 5000 }; /* more than a queue's first size */
    (void)state;
    for (int is_eager = 0; is_eager < 2; is_eager++) {
        const struct pinion_pool_options options = {.cpu_count = 2, .eager = is_eager};
        struct pinion_pool *pool = make_pool(&options);
        struct gate gate = GATE_INIT;
        atomic_uint counter = 0;
        occupy(pool, &gate, 1); /* the one worker */
        for (int i = 0; i < TASKS; i++)
            count_up_detached(pinion_pool_io(pool), &counter);
        const struct pinion_pool_stats stats = stats_of(pool);
        assert_int_equal(stats.queued + stats.inlined, 1 + TASKS);
        assert_int_equal(stats.inlined, atomic_load(&counter));
        if (is_eager)
            assert_int_equal(stats.queued, 1 + TASKS);
        else
            assert_in_range(stats.queued, 2, TASKS / 10);
        gate_open(&gate);
        pinion_pool_destroy(pool);
        assert_int_equal(counter, TASKS);
    }
}

static void eager_with_one_cpu_runs_in_the_caller(void **state)
{
    const struct pinion_pool_options options = {.cpu_count = 1, .eager = true};
    struct pinion_pool *pool = make_pool(&options);
    atomic_uint counter = 0;
    (void)state;
    count_up_detached(pinion_pool_io(pool), &counter);
    assert_int_equal(counter, 1);
    assert_int_equal(stats_of(pool).inlined, 1);
    assert_int_equal(stats_of(pool).queued, 0);
    pinion_pool_destroy(pool);
}

/* ---- stack_bytes ---- */

PINION_TASK(size_t, own_stack_bytes, (struct gate *, gate))
{
    pthread_attr_t attributes;
    void *base;
    size_t bytes, guard;
    must(pthread_getattr_np(pthread_self(), &attributes) == 0);
    must(pthread_attr_getstack(&attributes, &base, &bytes) == 0);
    must(pthread_attr_getguardsize(&attributes, &guard) == 0);
    must(pthread_attr_destroy(&attributes) == 0);
    /* Not a variable's address: a sanitizer may keep variables elsewhere. */
    const char *here = __builtin_frame_address(0);
    must(here >= (const char *)base && here < (const char *)base + bytes);
    gate_pass(gate);
    return bytes;
}

static void threads_have_the_stack_that_was_asked_for(void **state)
{
    /* libc may give a thread the stack of one that ended, if that is at most four times as large:
     * these are further apart. */
    static const size_t sizes[] = {(size_t)64 << 20 | 1, (size_t)6 << 20, (size_t)512 << 10};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const struct pinion_pool_options options = {.cpu_count = 2, .stack_bytes = sizes[i]};
        struct pinion_pool *pool = make_pool(&options);
        struct pinion_io *io = pinion_pool_io(pool);
        struct own_stack_bytes_future base, reserve;
        struct gate gate = GATE_INIT;
        base = own_stack_bytes_async(io, &gate);
        assert_non_null(base.future.task);
        wait_until(atomic_load(&gate.arrived) == 1); /* so that it is the worker's */
        assert_int_equal(own_stack_bytes_parallel(io, &reserve, &gate), 0);
        gate_open(&gate);
        assert_in_range(own_stack_bytes_await(io, &base), sizes[i], 4 * sizes[i]);
        assert_in_range(own_stack_bytes_await(io, &reserve), sizes[i], 4 * sizes[i]);
        pinion_pool_destroy(pool);
    }
}

static void the_smallest_stack_is_accepted(void **state)
{
    const struct pinion_pool_options options = {.stack_bytes = (size_t)PTHREAD_STACK_MIN};
    (void)state;
    pinion_pool_destroy(make_pool(&options));
}

static void a_stack_that_the_system_refuses_leaves_async_to_the_caller(void **state)
{
    const struct pinion_pool_options options = {.cpu_count = 3, .stack_bytes = SIZE_MAX / 2};
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_io *io = pinion_pool_io(pool);
    struct count_up_future refused;
    atomic_uint counter = 0;
    (void)state;
    count_up_detached(io, &counter);
    assert_int_equal(counter, 1);
    assert_int_equal(count_up_parallel(io, &refused, &counter), -EAGAIN);
    assert_says(pinion_error_detail(), "no thread can be had");
    assert_int_equal(stats_of(pool).threads_peak, 0);
    assert_int_equal(stats_of(pool).parallel_count, 0);
    pinion_pool_destroy(pool);
    assert_int_equal(counter, 1);
}

/* ---- idle, spin_us ---- */

static void each_idle_mode_works_and_is_named_in_the_report(void **state)
{
    static const char *const names[] = {", idle adaptive\n", ", idle park\n", ", idle poll\n"};
    static const unsigned spins[] = {0, 1, SPIN_US_MAX};
    struct pinion_topology *topology = machine_of(SYNTHETIC); /* which has no quota */
    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        const struct pinion_pool_options options = {.topology = topology,
                                                    .cpu_count = 3,
                                                    .idle = (enum pinion_idle)(i / 3),
                                                    .spin_us = spins[i % 3]};
        struct pinion_pool *pool = make_pool(&options);
        struct gate gate = GATE_INIT;
        occupy(pool, &gate, 2);
        gate_open(&gate);
        if (options.idle == PINION_IDLE_PARK)
            wait_until(stats_of(pool).parked >= 2);
        if (options.idle == PINION_IDLE_ADAPTIVE && options.spin_us <= 1)
            wait_until(stats_of(pool).parked >= 2);
        if (options.idle == PINION_IDLE_POLL)
            assert_int_equal(stats_of(pool).parked, 0);
        char *report = report_of(pool);
        assert_says(report, names[options.idle]);
        free(report);
        pinion_pool_destroy(pool);
    }
    pinion_topology_destroy(topology);
}

/* ---- strict ---- */

static void strict_refuses_what_is_degraded_and_says_what(void **state)
{
    struct pinion_topology *topology = machine_of(SYNTHETIC);
    struct pinion_pool_options options = {.topology = topology, .strict = true};
    struct pinion_pool *pool = NULL;
    (void)state;
    assert_int_equal(pinion_pool_create(&options, &pool), -ENOTSUP);
    assert_null(pool);
    assert_says(pinion_error_detail(), "strict, and degraded: ");
    assert_says(pinion_error_detail(), "the topology is not this machine's");
    options.cpu_count = 9; /* the first rung is what counts */
    assert_int_equal(pinion_pool_create(&options, &pool), -EINVAL);
    assert_null(pool);
    assert_says(pinion_error_detail(), "degraded: seats wrap round: cpu_count 9");
    assert_null(strchr(pinion_error_detail(), '\n'));
    pinion_topology_destroy(topology);
}

/* What a pool says after every seat was taken. */
static char *degraded_in_use(const struct pinion_pool_options *options, bool *has_begun_well)
{
    struct pinion_pool *pool = make_pool(options);
    struct gate gate = GATE_INIT;
    *has_begun_well = pinion_pool_degraded(pool, NULL, 0) == 0;
    occupy(pool, &gate, stats_of(pool).capacity);
    char *degraded = degraded_of(pool);
    gate_open(&gate);
    pinion_pool_destroy(pool);
    return degraded;
}

static void strict_accepts_exactly_what_is_not_degraded(void **state)
{
    struct pinion_pool_options options = {.plan.placement = PINION_PLACE_COMPACT};
    struct pinion_pool *pool = NULL;
    bool has_begun_well;
    (void)state;
    char *degraded = degraded_in_use(&options, &has_begun_well);
    options.strict = true;
    const int error = pinion_pool_create(&options, &pool);
    if (*degraded) {
        print_message("degraded here: %s\n", degraded);
        assert_true(error < 0);
        assert_null(pool);
        assert_says(pinion_error_detail(), "strict, and degraded: ");
        degraded[strcspn(degraded, "\n")] = '\0';
        if (!has_begun_well) /* seats are tried in other words than workers are pinned */
            assert_says(pinion_error_detail(), degraded);
    } else {
        assert_int_equal(error, 0);
        assert_int_equal(pinion_pool_degraded(pool, NULL, 0), 0);
    }
    pinion_pool_destroy(pool);
    free(degraded);
}

/* ---- topology ---- */

static void a_topology_may_be_destroyed_right_after_create(void **state)
{
    static const char *const machines[] = {NULL, SYNTHETIC, "node:3 core:2 pu:1"};
    (void)state;
    for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++) {
        struct pinion_topology *topology = machine_of(machines[i]);
        const struct pinion_pool_options options = {
            .topology = topology, .cpu_count = 7, .plan.placement = PINION_PLACE_NODE};
        struct pinion_pool *pool = make_pool(&options);
        pinion_topology_destroy(topology);
        struct pinion_io *io = pinion_pool_io(pool);
        struct gate gate = GATE_INIT;
        struct pass_gate_future future;
        occupy(pool, &gate, 6);
        assert_int_equal(pass_gate_parallel(io, &future, &gate), 0);
        gate_open(&gate);
        pass_gate_await(io, &future);
        char *report = report_of(pool);
        assert_says(report, "plan: node: asked for");
        free(report);
        pinion_pool_destroy(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cpu_count_above_2_to_the_20_is_refused),
        cmocka_unit_test(workers_in_the_plan_are_refused),
        cmocka_unit_test(an_idle_mode_that_is_none_is_refused),
        cmocka_unit_test(a_spin_above_a_second_is_refused),
        cmocka_unit_test(a_negative_retire_after_is_refused),
        cmocka_unit_test(a_stack_that_no_thread_can_have_is_refused),
        cmocka_unit_test(reserved_fields_that_are_not_zero_are_refused),
        cmocka_unit_test(a_placement_that_is_none_is_refused),
        cmocka_unit_test(a_slice_that_does_not_exist_is_refused),
        cmocka_unit_test(avoid_smt_with_more_workers_than_cores_is_refused),
        cmocka_unit_test(without_a_cpu_count_the_topology_gives_it),
        cmocka_unit_test(far_more_cpus_than_the_machine_has_are_allowed_and_reported),
        cmocka_unit_test(seats_that_wrap_round_are_those_of_the_first_round),
        cmocka_unit_test(as_many_cpus_as_there_are_do_not_wrap),
        cmocka_unit_test(a_slice_whose_seats_wrap_round_is_reported_too),
        cmocka_unit_test(the_greatest_cpu_count_works),
        cmocka_unit_test(max_parallel_bounds_reservations_and_0_does_not),
        cmocka_unit_test(retire_after_forever_keeps_surplus_threads),
        cmocka_unit_test(eager_queues_what_else_would_run_in_the_caller),
        cmocka_unit_test(eager_with_one_cpu_runs_in_the_caller),
        cmocka_unit_test(threads_have_the_stack_that_was_asked_for),
        cmocka_unit_test(the_smallest_stack_is_accepted),
        cmocka_unit_test(a_stack_that_the_system_refuses_leaves_async_to_the_caller),
        cmocka_unit_test(each_idle_mode_works_and_is_named_in_the_report),
        cmocka_unit_test(strict_refuses_what_is_degraded_and_says_what),
        cmocka_unit_test(strict_accepts_exactly_what_is_not_degraded),
        cmocka_unit_test(a_topology_may_be_destroyed_right_after_create),
    };
    return cmocka_run_group_tests_name("pool options", tests, NULL, NULL);
}
