/* SPDX-License-Identifier: MIT
 *
 * What recursion through async needs of the stack, and what happens where it ends.
 */
#include "support.h"

#include <pinion/sync.h>

/* ---- how much a level takes ---- */

/* The least that the stack pointer was in a leaf. */
static uintptr_t lowest;

static __attribute__((noinline)) unsigned look_at_stack(void)
{
    const uintptr_t here = pinion_stack_pointer_();
    if (here < lowest)
        lowest = here;
    return 0;
}

struct node {
    struct node *left, *right;
    unsigned value;
};

/* Both functions are handed the same, and have the same to keep across their calls. */
static __attribute__((noinline)) unsigned sum_plainly(struct pinion_io *io,
                                                      const struct node *node)
{
    if (!node)
        return look_at_stack();
    const unsigned left = sum_plainly(io, node->left);
    const unsigned right = sum_plainly(io, node->right);
    __asm__ volatile("" : : "r"(io));
    return left + right + node->value;
}

PINION_TASK_DECLARE(unsigned, sum, (struct pinion_io *, io), (const struct node *, node));

static __attribute__((noinline)) unsigned sum(struct pinion_io *io, const struct node *node)
{
    if (!node)
        return look_at_stack();
    struct sum_future left = sum_async(io, io, node->left);
    const unsigned right = sum(io, node->right);
    return right + node->value + sum_await(io, &left);
}

typedef unsigned sum_fn(struct pinion_io *io, const struct node *node);

enum { LEVELS = 1000 };

static size_t bytes_a_level(sum_fn *fn, struct pinion_io *io, const struct node *nodes)
{
    lowest = UINTPTR_MAX;
    must(fn(io, &nodes[LEVELS]) == 1);
    const uintptr_t top = lowest;
    must(fn(io, nodes) == LEVELS + 1);
    return (top - lowest) / LEVELS;
}

static void in_place_a_level_takes_at_most_twice_the_stack_of_a_plain_call(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(1);
    struct pinion_io *io = pinion_pool_io(pool);
    static struct node nodes[LEVELS + 1];
    for (int i = 0; i <= LEVELS; i++)
        nodes[i] = (struct node){.left = i < LEVELS ? &nodes[i + 1] : NULL, .value = 1};
    must(sum(io, &nodes[LEVELS]) == 1); /* the first asks the library, and not the others */
    const size_t plain = bytes_a_level(sum_plainly, io, nodes);
    const size_t async = bytes_a_level(sum, io, nodes);
    print_message("a level takes %zu bytes of stack plainly, %zu through async\n", plain, async);
    assert_int_equal(stats_of(pool).inlined, LEVELS + 3);
    assert_in_range(plain, 1, async);
#ifdef __OPTIMIZE__
    if (TEST_SLOW == 1)
        assert_in_range(async, 1, 2 * plain);
#endif
    pinion_pool_destroy(pool);
}

/* ---- where the stack ends ---- */

enum { STACK = 256 * 1024, LEVEL = 1024 };

/* Of levels that take at least so much, these take 50 stacks. */
enum { STACKS = 50, DEEP = STACKS * (STACK / LEVEL) };

enum way { BY_AWAIT, BY_CANCEL, BY_SELECT, BY_GROUP, WAYS };

PINION_TASK_DECLARE(unsigned, sink, (struct pinion_io *, io), (enum way, way), (unsigned, depth));

PINION_TASK(void, sink_to, (struct pinion_io *, io), (enum way, way), (unsigned, depth),
            (unsigned *, sum))
{
    *sum = sink(io, way, depth);
}

static unsigned sink_by_group(struct pinion_io *io, unsigned depth)
{
    struct pinion_group group = PINION_GROUP_INIT;
    unsigned sum = 0;
    sink_to_group(io, &group, io, BY_GROUP, depth, &sum);
    (void)pinion_group_await(io, &group);
    return sum;
}

static unsigned sink(struct pinion_io *io, enum way way, unsigned depth)
{
    volatile char level[LEVEL];
    level[depth % LEVEL] = 1;
    if (depth == 0)
        return 0;
    if (way == BY_GROUP)
        return sink_by_group(io, depth - 1) + (unsigned)level[depth % LEVEL];
    struct sink_future future = sink_async(io, io, way, depth - 1);
    struct pinion_future *const only = &future.future;
    if (way == BY_SELECT)
        must(pinion_select(io, &only, 1, PINION_FOREVER) == 0);
    const unsigned sum = way == BY_CANCEL ? sink_cancel(io, &future) : sink_await(io, &future);
    return sum + (unsigned)level[depth % LEVEL];
}

static void check_deep(bool eager, enum way way)
{
    const struct pinion_pool_options options = {
        .cpu_count = 3, .eager = eager, .stack_bytes = STACK};
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_io *io = pinion_pool_io(pool);
    struct sink_future future;
    assert_int_equal(sink_parallel(io, &future, io, way, DEEP), 0);
    assert_int_equal(sink_await(io, &future), DEEP);
    const struct pinion_pool_stats stats = stats_of(pool);
    print_message("%s, way %d: %u threads\n", eager ? "eager" : "lazy", way, stats.threads_peak);
    assert_true(stats.threads_peak > STACKS / 4); /* libc's stacks may be larger than asked */
    assert_int_equal(stats.parallel_count, 0);
    pinion_pool_destroy(pool);
}

static void recursion_deeper_than_any_stack_goes_on_on_others(void **state)
{
    (void)state;
    for (int way = 0; way < WAYS; way++) {
        check_deep(false, (enum way)way);
        check_deep(true, (enum way)way);
    }
}

/* A pool whose only worker is held, so that nobody takes what is queued. */
struct held {
    struct pinion_pool *pool;
    struct pinion_io *io;
    struct gate gate;
    struct pinion_event event;
    atomic_uint begun;
};

static void hold(struct held *held, const struct pinion_pool_options *options)
{
    *held = (struct held){.pool = make_pool(options), .gate = GATE_INIT};
    held->io = pinion_pool_io(held->pool);
    pass_gate_detached(held->io, &held->gate);
    wait_until(atomic_load(&held->gate.arrived) == 1);
}

static void let_go(struct held *held)
{
    gate_open(&held->gate);
    pinion_pool_destroy(held->pool);
}

/* Calls itself until tasks are not run in place any more. */
static __attribute__((noinline)) int at_the_end(struct held *held, int (*then)(struct held *))
{
    volatile char level[LEVEL];
    level[0] = 0;
    if (pinion_stack_pointer_() < pinion_thread_1.stack_low)
        return then(held) + level[0];
    return at_the_end(held, then) + level[0];
}

typedef int then_fn(struct held *held);

PINION_TASK(int, go_to_the_end, (struct held *, held), (then_fn *, then))
{
    return at_the_end(held, then);
}

static int run_at_the_end(struct held *held, then_fn *then)
{
    struct go_to_the_end_future future;
    must(go_to_the_end_parallel(held->io, &future, held, then) == 0);
    return go_to_the_end_await(held->io, &future);
}

PINION_TASK(int, look_around, (struct held *, held), (unsigned, parallel_count))
{
    const struct pinion_pool_stats stats = stats_of(held->pool);
    must(stats.parallel_count == parallel_count);
    must(stats.capacity == 1 + parallel_count);
    return (int)gettid();
}

static int await_two_elsewhere(struct held *held)
{
    struct look_around_future first = look_around_async(held->io, held, 2);
    struct look_around_future second = look_around_async(held->io, held, 2);
    must(first.future.task && second.future.task);
    must(look_around_await(held->io, &first) != (int)gettid()); /* not the youngest */
    must(stats_of(held->pool).parallel_count == 1);
    must(look_around_await(held->io, &second) != (int)gettid());
    must(stats_of(held->pool).parallel_count == 1);
    return 1;
}

static void there_an_await_makes_a_reservation_for_the_task_that_it_would_run(void **state)
{
    (void)state;
    for (int eager = 0; eager < 2; eager++) {
        const struct pinion_pool_options options = {
            .cpu_count = 2, .eager = eager, .stack_bytes = STACK};
        struct held held;
        hold(&held, &options);
        assert_int_equal(run_at_the_end(&held, await_two_elsewhere), 1);
        const struct pinion_pool_stats stats = stats_of(held.pool);
        assert_int_equal(stats.parallel_count, 0);
        /* The worker has stolen the one that holds it; who awaits the whole may help. */
        assert_int_equal(stats.claimed + stats.stolen_near + stats.stolen_far, 3);
        assert_int_equal(stats.threads_peak, 3); /* the worker, the task's thread and another */
        let_go(&held);
    }
}

static int await_here(struct held *held)
{
    struct look_around_future first = look_around_async(held->io, held, 1);
    struct look_around_future second = look_around_async(held->io, held, 1);
    must(first.future.task && second.future.task);
    errno = 0;
    must(look_around_await(held->io, &first) == (int)gettid());
    must(look_around_await(held->io, &second) == (int)gettid());
    must(errno == 0);
    return 1;
}

static void where_no_reservation_can_be_had_it_runs_in_place_there_too(void **state)
{
    (void)state;
    const struct pinion_pool_options options = {
        .cpu_count = 2, .stack_bytes = STACK, .max_parallel = 1};
    struct held held;
    hold(&held, &options);
    assert_int_equal(run_at_the_end(&held, await_here), 1);
    assert_int_equal(stats_of(held.pool).threads_peak, 2);
    let_go(&held);
}

PINION_TASK(int, wait_for_ever, (struct held *, held), (void *, local))
{
    must(pinion_task_local(held->io) == local);
    atomic_fetch_add(&held->begun, 1);
    return pinion_event_wait(held->io, &held->event);
}

static int await_for_ever(struct held *held)
{
    pinion_task_local_set(held->io, held);
    struct wait_for_ever_future future = wait_for_ever_async(held->io, held, held);
    const int outcome = wait_for_ever_await(held->io, &future);
    must(pinion_cancel_requested(held->io));
    must(pinion_check_cancel(held->io) == 0); /* it was delivered */
    return outcome;
}

static void a_request_reaches_the_task_that_was_handed_to_another_thread(void **state)
{
    (void)state;
    const struct pinion_pool_options options = {.cpu_count = 2, .stack_bytes = STACK};
    struct held held;
    struct go_to_the_end_future future;
    hold(&held, &options);
    assert_int_equal(go_to_the_end_parallel(held.io, &future, &held, await_for_ever), 0);
    wait_until(atomic_load(&held.begun) == 1);
    assert_int_equal(go_to_the_end_cancel(held.io, &future), -ECANCELED);
    let_go(&held);
}

static int cancel_there(struct held *held)
{
    struct wait_for_ever_future future = wait_for_ever_async(held->io, held, NULL);
    must(future.future.task);
    must(wait_for_ever_cancel(held->io, &future) == -ECANCELED);
    must(!pinion_cancel_requested(held->io));
    return 1;
}

static void a_cancel_there_hands_its_task_over_too(void **state)
{
    (void)state;
    const struct pinion_pool_options options = {.cpu_count = 2, .stack_bytes = STACK};
    struct held held;
    hold(&held, &options);
    assert_int_equal(run_at_the_end(&held, cancel_there), 1);
    assert_int_equal(stats_of(held.pool).threads_peak, 3);
    let_go(&held);
}

PINION_TASK(void, need_room, (struct held *, held))
{
    must(pinion_stack_pointer_() >= pinion_thread_1.stack_low);
    atomic_fetch_add(&held->begun, 1);
}

/* Leaves some time to who waits for this, and looks for what this has queued. */
PINION_TASK(int, queue_and_linger, (struct held *, held))
{
    struct need_room_future future = need_room_async(held->io, held);
    for (int i = 0; i < 1000 && !atomic_load(&held->begun); i++)
        (void)sched_yield();
    need_room_await(held->io, &future);
    return (int)gettid();
}

static int await_who_lingers(struct held *held)
{
    struct queue_and_linger_future future = queue_and_linger_async(held->io, held);
    must(future.future.task);
    return queue_and_linger_await(held->io, &future) != (int)gettid();
}

static void who_waits_there_runs_nothing_on_what_is_left_of_the_stack(void **state)
{
    (void)state;
    const struct pinion_pool_options options = {
        .cpu_count = 2, .eager = true, .stack_bytes = STACK, .idle = PINION_IDLE_POLL};
    struct held held;
    hold(&held, &options);
    assert_int_equal(run_at_the_end(&held, await_who_lingers), 1);
    let_go(&held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_place_a_level_takes_at_most_twice_the_stack_of_a_plain_call),
        cmocka_unit_test(recursion_deeper_than_any_stack_goes_on_on_others),
        cmocka_unit_test(who_waits_there_runs_nothing_on_what_is_left_of_the_stack),
        cmocka_unit_test(there_an_await_makes_a_reservation_for_the_task_that_it_would_run),
        cmocka_unit_test(where_no_reservation_can_be_had_it_runs_in_place_there_too),
        cmocka_unit_test(a_request_reaches_the_task_that_was_handed_to_another_thread),
        cmocka_unit_test(a_cancel_there_hands_its_task_over_too),
    };
    return cmocka_run_group_tests_name("pool depth", tests, NULL, NULL);
}
