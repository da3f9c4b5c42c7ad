/* SPDX-License-Identifier: MIT
 *
 * A small workload in which the n-th allocation fails, or the n-th and all after it, and in which
 * the k-th thread can't be had: for every n and k that it reaches. Whatever fails, no task is lost
 * or run twice, the counters are right, and the errors are those that the headers name. Leaks are
 * found by the address sanitizer's build.
 *
 * The library is linked statically here, and its calls are diverted by the linker (--wrap).
 */
#include "support.h"
#include "../failing.h"

#include <signal.h>

#include <pinion/metrics.h>

/* As allocations_left. */
static _Atomic long threads_left = -1;
/* Threads whose maker had blocked what they are to block, and others. */
static atomic_uint threads_deaf, threads_hearing;

/* A new thread begins with its maker's mask. */
static bool blocks_all_but_faults(void)
{
    sigset_t blocked;
    must(pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0);
    return sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGUSR1) == 1 &&
           sigismember(&blocked, SIGSEGV) == 0;
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *argument)
{
    if (is_to_fail(&threads_left))
        return EAGAIN;
    if (blocks_all_but_faults())
        atomic_fetch_add(&threads_deaf, 1);
    else
        atomic_fetch_add(&threads_hearing, 1);
    return __real_pthread_create(thread, attributes, start, argument);
}

/* ---- the workload ---- */

enum {
    SMALL = 24,
    LARGE = 4,
    RESERVED = 3,
    DETACHED = 4,
    NESTED = 3,
    BLOCKING = 3,
    MEMBERS = 8,
    OUTSIDE = 8
};

static struct pinion_topology *topology;
static atomic_uint small_runs, large_runs, reserved_runs, nested_runs, detached_runs, blocking_runs;
static atomic_uint member_runs, outside_runs;

PINION_TASK(int, small, (struct pinion_io *, io), (int, i))
{
    atomic_fetch_add(&small_runs, 1);
    struct count_up_future futures[NESTED];
    for (int n = 0; n < NESTED; n++)
        futures[n] = count_up_async(io, &nested_runs);
    for (int n = 0; n < NESTED; n++)
        count_up_await(io, &futures[n]);
    return i + 1;
}

/* Too large for a slab's block. */
struct block {
    unsigned char bytes[3000];
};

PINION_TASK(struct block, large, (struct block, block))
{
    atomic_fetch_add(&large_runs, 1);
    block.bytes[0]++;
    return block;
}

static int await_small(struct pinion_io *io, int i)
{
    struct small_future future = small_async(io, io, i);
    return small_await(io, &future);
}

/* Where tasks are not run in place any more, and an await asks for a thread. */
static __attribute__((noinline)) int await_small_at_the_end(struct pinion_io *io, int i)
{
    volatile char level[1024];
    level[0] = 0;
    if (pinion_stack_pointer_() < pinion_thread_1.stack_low)
        return await_small(io, i) + level[0];
    return await_small_at_the_end(io, i) + level[0];
}

PINION_TASK(int, reserved, (struct pinion_io *, io), (int, i))
{
    atomic_fetch_add(&reserved_runs, 1);
    return i < 2 ? await_small_at_the_end(io, i) : await_small(io, i);
}

static void block_once(const void *context, void *result)
{
    (void)context;
    (void)result;
    atomic_fetch_add(&blocking_runs, 1);
}

/* Whatever is refused, what blocks runs once, and what is made after it is no worse. */
PINION_TASK(int, blocks, (struct pinion_io *, io), (int, i))
{
    const struct pinion_call call = {.start = block_once};
    must(pinion_blocking(io, &call, NULL) == 0);
    return small(io, i);
}

/* The reserved tasks that were accepted. */
static unsigned run_reserved(struct pinion_io *io)
{
    struct reserved_future futures[2 * RESERVED];
    int indices[2 * RESERVED];
    unsigned accepted = 0;
    for (int i = 0; i < 2 * RESERVED; i++) {
        struct reserved_future future = {.future = {(struct pinion_task *)&accepted}};
        const int error = i % 2 ? reserved_parallel(io, &future, io, i)
                                : reserved_concurrent(io, &future, io, i);
        if (error) {
            must(error == -ENOMEM || error == -EAGAIN);
            must(future.future.task == (struct pinion_task *)&accepted);
            must(*pinion_error_detail());
            continue;
        }
        indices[accepted] = i;
        futures[accepted++] = future;
    }
    for (unsigned i = 0; i < accepted; i++)
        must(reserved_await(io, &futures[i]) == indices[i] + 1);
    return accepted;
}

/* The members that were accepted. */
static unsigned run_group(struct pinion_io *io)
{
    struct pinion_group group = PINION_GROUP_INIT;
    unsigned accepted = MEMBERS;
    for (int i = 0; i < MEMBERS; i++) {
        const struct count_up_args args = {&member_runs};
        const struct pinion_call call = count_up_call(&args);
        count_up_group(io, &group, &member_runs);
        const int error = pinion_group_concurrent(io, &group, &call);
        must(!error || error == -ENOMEM || error == -EAGAIN);
        accepted += !error;
    }
    must(pinion_group_await(io, &group) == 0);
    return accepted;
}

static void *run_outside(void *io)
{
    struct count_up_future futures[OUTSIDE];
    for (int i = 0; i < OUTSIDE; i++)
        futures[i] = count_up_async(io, &outside_runs);
    for (int i = 0; i < OUTSIDE; i++)
        count_up_await(io, &futures[i]);
    return NULL;
}

/* On a thread that is no worker, which the system does not refuse. */
static void call_outside(struct pinion_io *io)
{
    pthread_t outside;
    must(__real_pthread_create(&outside, NULL, run_outside, io) == 0);
    must(pthread_join(outside, NULL) == 0);
}

static void run_async(struct pinion_io *io)
{
    struct small_future small_futures[SMALL];
    struct large_future large_futures[LARGE];
    struct blocks_future blocks_futures[BLOCKING];
    struct pinion_future *selected[SMALL];
    for (int i = 0; i < SMALL; i++) {
        small_futures[i] = small_async(io, io, i);
        selected[i] = &small_futures[i].future;
    }
    must(pinion_select(io, selected, SMALL, PINION_FOREVER) >= 0);
    for (int i = 0; i < BLOCKING; i++)
        blocks_futures[i] = blocks_async(io, io, i);
    for (int i = 0; i < LARGE; i++)
        large_futures[i] = large_async(io, (struct block){{(unsigned char)i}});
    for (int i = 0; i < DETACHED; i++)
        count_up_detached(io, &detached_runs);
    for (int i = 0; i < SMALL; i++)
        must(small_await(io, &small_futures[i]) == i + 1);
    for (int i = 0; i < LARGE; i++)
        must(large_await(io, &large_futures[i]).bytes[0] == i + 1);
    for (int i = 0; i < BLOCKING; i++)
        must(blocks_await(io, &blocks_futures[i]) == i + 1);
}

static void check(struct pinion_pool *pool, unsigned accepted, unsigned members)
{
    must(atomic_load(&small_runs) == SMALL + BLOCKING + accepted);
    must(atomic_load(&nested_runs) == NESTED * (SMALL + BLOCKING + accepted));
    must(atomic_load(&blocking_runs) == BLOCKING);
    must(atomic_load(&large_runs) == LARGE);
    must(atomic_load(&reserved_runs) == accepted);
    must(atomic_load(&member_runs) == members);
    must(atomic_load(&outside_runs) == OUTSIDE);
    const struct pinion_pool_stats stats = stats_of(pool);
    const unsigned made = (1 + NESTED) * (SMALL + accepted + BLOCKING) + LARGE + DETACHED +
                          MEMBERS + OUTSIDE; /* blocks, not its small */
    must(stats.queued + stats.inlined == made);
    must(stats.parallel_count == 0);
    must(stats.capacity == stats.cpu_count - 1);
    must(stats.threads <= stats.threads_peak);
}

/* Whether the pool could be made. */
static bool is_eager; /* the pool of the workload */

static bool run_workload(void)
{
    const struct pinion_pool_options options = {
        .topology = topology, .cpu_count = 3, .eager = is_eager, .retire_after = LONG_NS,
        .stack_bytes = 256 * 1024};
    struct pinion_pool *pool = NULL;
    atomic_store(&small_runs, 0);
    atomic_store(&member_runs, 0);
    atomic_store(&outside_runs, 0);
    atomic_store(&large_runs, 0);
    atomic_store(&reserved_runs, 0);
    atomic_store(&nested_runs, 0);
    atomic_store(&detached_runs, 0);
    atomic_store(&blocking_runs, 0);
    const int error = pinion_pool_create(&options, &pool);
    if (error) {
        must(error == -ENOMEM);
        must(!pool);
        must(*pinion_error_detail());
        return false;
    }
    struct pinion_io *io = pinion_pool_io(pool);
    run_async(io);
    call_outside(io);
    const unsigned members = run_group(io);
    check(pool, run_reserved(io), members);
    pinion_pool_destroy(pool);
    must(atomic_load(&detached_runs) == DETACHED);
    return true;
}

static long fail_in(bool eager, _Atomic long *left, bool and_all_after)
{
    is_eager = eager;
    pinion_metrics_time_tasks(eager); /* who has no memory for that is not timed */
    const long places = fail_everywhere(left, and_all_after, run_workload);
    pinion_metrics_time_tasks(false);
    return places;
}

static void every_allocation_may_fail_once(void **state)
{
    (void)state;
    assert_true(fail_in(true, &allocations_left, false) > 10);
    assert_true(fail_in(false, &allocations_left, false) > 10);
}

static void from_any_allocation_on_all_may_fail(void **state)
{
    (void)state;
    assert_true(fail_in(true, &allocations_left, true) > 10);
}

static void every_thread_may_be_refused_once(void **state)
{
    (void)state;
    assert_true(fail_in(true, &threads_left, false) > 1);
}

static void from_any_thread_on_all_may_be_refused(void **state)
{
    (void)state;
    assert_true(fail_in(true, &threads_left, true) > 1);
    assert_true(fail_in(false, &threads_left, true) > 1);
}

/* ---- many tasks, of which none is awaited before all are made ---- */

enum { MANY = 100000 / TEST_SLOW, SEVERAL = 5000 };

static struct count_up_future many[MANY];

/* What of them was queued. The worker is held, so all of that stands in the queue at a time. left:
 * how many allocations go well, then how many of these were not made. */
static unsigned run_many(unsigned count, long *left)
{
    const struct pinion_pool_options options = {
        .topology = topology, .cpu_count = 2, .eager = true};
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_io *io = pinion_pool_io(pool);
    struct gate gate = GATE_INIT;
    atomic_uint counter = 0;
    pass_gate_detached(io, &gate);
    wait_until(atomic_load(&gate.arrived) == 1);
    atomic_store(&failures, 0);
    atomic_store(&allocations_left, *left);
    for (unsigned i = 0; i < count; i++)
        many[i] = count_up_async(io, &counter);
    for (unsigned i = 0; i < count; i++)
        count_up_await(io, &many[i]);
    *left = atomic_exchange(&allocations_left, -1);
    assert_int_equal(atomic_load(&counter), count);
    const struct pinion_pool_stats stats = stats_of(pool);
    assert_int_equal(stats.queued + stats.inlined, count + 1);
    gate_open(&gate);
    pinion_pool_destroy(pool);
    return (unsigned)stats.queued - 1;
}

/* How many allocations they need. */
static long needed_by(unsigned count)
{
    enum { PLENTY = 1000000 };
    long left = PLENTY;
    assert_int_equal(run_many(count, &left), count);
    return PLENTY - left;
}

static void a_queue_that_is_refused_room_or_blocks_once_misses_that_task_alone(void **state)
{
    (void)state;
    const long needed = needed_by(SEVERAL);
    assert_true(needed > 0);
    atomic_store(&all_after, false);
    for (long n = 0; n < needed; n++) {
        long left = n;
        assert_int_equal(run_many(SEVERAL, &left), SEVERAL - 1);
        assert_int_equal(atomic_load(&failures), 1);
    }
}

static void what_memory_has_room_for_is_queued_and_the_rest_runs_in_place(void **state)
{
    (void)state;
    long left = needed_by(MANY) / 2;
    atomic_store(&all_after, true);
    assert_in_range(run_many(MANY, &left), MANY / 8, MANY - MANY / 8);
    assert_true(atomic_load(&failures) > 0);
}

static void every_thread_begins_with_its_signals_blocked(void **state)
{
    const struct pinion_pool_options strict = {
        .topology = topology, .cpu_count = 2, .plan.placement = PINION_PLACE_COMPACT,
        .strict = true};
    struct pinion_pool *pool = NULL;
    (void)state;
    atomic_store(&threads_deaf, 0);
    atomic_store(&threads_hearing, 0);
    is_eager = true;
    must(run_workload());
    assert_true(atomic_load(&threads_deaf) > 1);
    const unsigned before = atomic_load(&threads_deaf);
    (void)pinion_pool_create(&strict, &pool); /* tries the seats on a thread */
    pinion_pool_destroy(pool);
    assert_true(atomic_load(&threads_deaf) > before);
    assert_int_equal(atomic_load(&threads_hearing), 0);
}

static int load(void **state)
{
    (void)state;
    return pinion_topology_load(NULL, &topology);
}

static int unload(void **state)
{
    (void)state;
    pinion_topology_destroy(topology);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail_once),
        cmocka_unit_test(from_any_allocation_on_all_may_fail),
        cmocka_unit_test(every_thread_may_be_refused_once),
        cmocka_unit_test(from_any_thread_on_all_may_be_refused),
        cmocka_unit_test(a_queue_that_is_refused_room_or_blocks_once_misses_that_task_alone),
        cmocka_unit_test(what_memory_has_room_for_is_queued_and_the_rest_runs_in_place),
        cmocka_unit_test(every_thread_begins_with_its_signals_blocked),
    };
    return cmocka_run_group_tests_name("pool failure", tests, load, unload);
}
