/* SPDX-License-Identifier: MIT
 *
 * pinion_blocking on a pool: another thread takes over what the caller's would have run, as a
 * reservation that lasts until the caller's task ends; or it runs in place.
 */
#include "support.h"

#include <stdalign.h>

static void pass(const void *context, void *result)
{
    (void)result;
    gate_pass(*(struct gate *const *)context);
}

/* Blocks the thread until the gate is opened. */
static int block_at(struct pinion_io *io, struct gate *gate)
{
    const struct pinion_call call = {.start = pass, .context = &gate, .context_size = sizeof gate,
                                     .context_align = alignof(struct gate *)};
    return pinion_blocking(io, &call, NULL);
}

PINION_TASK(int, block, (struct pinion_io *, io), (struct gate *, gate))
{
    const int id = (int)gettid();
    must(block_at(io, gate) == 0);
    must(gettid() == id);
    return id;
}

static void must_fit(struct pinion_pool *pool)
{
    const struct pinion_pool_stats stats = stats_of(pool);
    must(stats.capacity == stats.cpu_count - 1 + stats.parallel_count);
}

/* ---- on a worker ---- */

static void other_tasks_run_while_the_only_worker_blocks(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(2);
    struct pinion_io *io = pinion_pool_io(pool);
    for (unsigned round = 0; round < 20; round++) {
        struct gate gate = GATE_INIT;
        atomic_uint counter = 0;
        block_detached(io, io, &gate);
        wait_until(atomic_load(&gate.arrived) == 1);
        for (int i = 0; i < 5; i++)
            count_up_detached(io, &counter);
        wait_until(atomic_load(&counter) == 5);
        const struct pinion_pool_stats stats = stats_of(pool);
        assert_int_equal(stats.parallel_count, 1);
        assert_int_equal(stats.capacity, 2);
        assert_int_equal(stats.threads, 2);
        gate_open(&gate);
        wait_until(stats_of(pool).parallel_count == 0);
    }
    assert_int_equal(stats_of(pool).threads_peak, 2);
    pinion_pool_destroy(pool);
}

PINION_TASK(void, queue_and_block, (struct pinion_io *, io), (atomic_uint *, counter),
            (struct gate *, gate))
{
    struct count_up_future futures[5];
    for (int i = 0; i < 5; i++) {
        futures[i] = count_up_async(io, counter);
        count_up_detached(io, counter);
    }
    must(block_at(io, gate) == 0);
    for (int i = 0; i < 5; i++)
        count_up_await(io, &futures[i]);
    struct count_up_future last = count_up_async(io, counter);
    count_up_await(io, &last);
}

static void what_the_task_queued_before_runs_while_it_blocks(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 40 / TEST_SLOW; round++) {
        const struct pinion_pool_options options = {.cpu_count = 2, .eager = round % 2};
        struct pinion_pool *pool = make_pool(&options);
        struct pinion_io *io = pinion_pool_io(pool);
        for (int kind = 0; kind < 3; kind++) {
            struct gate gate = GATE_INIT;
            atomic_uint counter = 0;
            struct queue_and_block_future future;
            if (kind == 0)
                queue_and_block_detached(io, io, &counter, &gate);
            else
                must((kind == 1 ? queue_and_block_parallel(io, &future, io, &counter, &gate)
                                : queue_and_block_concurrent(io, &future, io, &counter, &gate)) ==
                     0);
            wait_until(atomic_load(&gate.arrived) == 1);
            wait_until(atomic_load(&counter) == 10);
            assert_int_equal(stats_of(pool).parallel_count, 1);
            gate_open(&gate);
            if (kind)
                queue_and_block_await(io, &future);
            wait_until(atomic_load(&counter) == 11);
            wait_until(stats_of(pool).parallel_count == 0);
        }
        pinion_pool_destroy(pool);
    }
}

static void the_reservation_has_ended_before_the_await_of_the_task_returns(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(2);
    struct pinion_io *io = pinion_pool_io(pool);
    for (int i = 0; i < 2000 / TEST_SLOW; i++) {
        struct gate gate = GATE_INIT;
        struct block_future future = block_async(io, io, &gate);
        assert_non_null(future.future.task); /* nothing else is queued */
        wait_until(atomic_load(&gate.arrived) == 1);
        assert_int_equal(stats_of(pool).parallel_count, 1);
        gate_open(&gate);
        assert_int_not_equal(block_await(io, &future), gettid());
        const struct pinion_pool_stats stats = stats_of(pool);
        assert_int_equal(stats.parallel_count, 0);
        assert_int_equal(stats.capacity, 1);
    }
    assert_int_equal(stats_of(pool).threads_peak, 2);
    pinion_pool_destroy(pool);
}

struct view {
    struct gate gate, late;
    char before[32], meanwhile[32];
    atomic_int id;
};

PINION_TASK(void, block_in_view, (struct pinion_io *, io), (struct view *, view))
{
    thread_name((int)gettid(), view->before);
    must(block_at(io, &view->gate) == 0);
    thread_name((int)gettid(), view->meanwhile);
    atomic_store(&view->id, (int)gettid());
    gate_pass(&view->late);
}

static void the_thread_is_a_reserve_thread_until_the_task_ends_and_an_idle_one_then(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(2);
    struct pinion_io *io = pinion_pool_io(pool);
    struct view view = {.gate = GATE_INIT, .late = GATE_INIT};
    block_in_view_detached(io, io, &view);
    wait_until(atomic_load(&view.gate.arrived) == 1);
    gate_open(&view.gate);
    wait_until(atomic_load(&view.late.arrived) == 1);
    assert_string_equal(view.before, "pinion/0");
    assert_string_equal(view.meanwhile, "pinion/r0");
    assert_int_equal(stats_of(pool).parallel_count, 1); /* it no longer blocks, but has no seat */
    gate_open(&view.late);
    wait_until(stats_of(pool).parallel_count == 0);
    struct thread_id_future future;
    assert_int_equal(thread_id_parallel(io, &future), 0);
    assert_int_equal(thread_id_await(io, &future), atomic_load(&view.id));
    assert_int_equal(stats_of(pool).threads_peak, 2);
    pinion_pool_destroy(pool);
}

static void an_idle_reserve_thread_takes_over_before_a_thread_is_created(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(2);
    struct pinion_io *io = pinion_pool_io(pool);
    struct gate seat = GATE_INIT, gate = GATE_INIT, first = GATE_INIT;
    struct pass_gate_future reserved;
    pass_gate_detached(io, &seat);
    wait_until(atomic_load(&seat.arrived) == 1);
    assert_int_equal(pass_gate_parallel(io, &reserved, &first), 0);
    gate_open(&first);
    pass_gate_await(io, &reserved);
    block_detached(io, io, &gate);
    gate_open(&seat);
    wait_until(atomic_load(&gate.arrived) == 1);
    atomic_uint counter = 0;
    count_up_detached(io, &counter);
    wait_until(atomic_load(&counter) == 1);
    assert_int_equal(stats_of(pool).threads_peak, 2);
    gate_open(&gate);
    pinion_pool_destroy(pool);
}

static void threads_that_stood_in_retire(void **state)
{
    (void)state;
    const struct pinion_pool_options options = {.cpu_count = 3, .retire_after = 1000000};
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_io *io = pinion_pool_io(pool);
    for (int round = 0; round < 5; round++) {
        struct gate gate = GATE_INIT;
        for (unsigned i = 1; i <= 6; i++) {
            block_detached(io, io, &gate);
            wait_until(atomic_load(&gate.arrived) == i);
        }
        const struct pinion_pool_stats stats = stats_of(pool);
        assert_int_equal(stats.parallel_count, 6);
        assert_int_equal(stats.capacity, 8);
        assert_true(stats.threads >= 7 && stats.threads <= 8);
        gate_open(&gate);
        wait_until(stats_of(pool).parallel_count == 0);
        wait_until(stats_of(pool).threads <= 2);
    }
    pinion_pool_destroy(pool);
}

static void destroy_waits_for_a_task_that_blocks(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct pinion_pool *pool = pool_of(2);
        struct gate gate = GATE_INIT;
        atomic_uint counter = 0;
        queue_and_block_detached(pinion_pool_io(pool), pinion_pool_io(pool), &counter, &gate);
        if (round % 2) /* else it may come to block when the pool ends */
            wait_until(atomic_load(&gate.arrived) == 1);
        gate_open(&gate);
        pinion_pool_destroy(pool);
        assert_int_equal(atomic_load(&counter), 11);
    }
}

PINION_TASK(void, block_loosely, (struct pinion_io *, io), (atomic_uint *, counter))
{
    struct gate gate = GATE_OPEN;
    cpu_set_t before, after;
    must(pinion_affinity_restore() == 0);
    must(sched_getaffinity(0, sizeof before, &before) == 0);
    must(block_at(io, &gate) == 0);
    must(sched_getaffinity(0, sizeof after, &after) == 0);
    must(CPU_EQUAL(&before, &after));
    atomic_fetch_add(counter, 1);
}

static void a_thread_that_was_given_all_cpus_keeps_them(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(2);
    atomic_uint counter = 0;
    block_loosely_detached(pinion_pool_io(pool), pinion_pool_io(pool), &counter);
    wait_until(atomic_load(&counter) == 1);
    pinion_pool_destroy(pool);
}

/* ---- several tasks on one thread ---- */

PINION_TASK(int, block_twice, (struct pinion_io *, io), (struct gate *, gate))
{
    must(block_at(io, gate) == 0);
    must(block_at(io, gate) == 0);
    return (int)gettid();
}

struct nested {
    struct pinion_io *io;
    struct pinion_pool *pool;
    struct gate gate;
};

/* Its awaited tasks are claimed: the worker is here. */
PINION_TASK(int, block_inside, (struct nested *, nested))
{
    struct pinion_io *io = nested->io;
    struct block_twice_future first = block_twice_async(io, io, &nested->gate);
    struct count_up_future counts[4];
    atomic_uint counter = 0;
    for (int i = 0; i < 4; i++)
        counts[i] = count_up_async(io, &counter);
    const int id = block_twice_await(io, &first);
    must(stats_of(nested->pool).parallel_count <= 2);
    for (int i = 0; i < 4; i++)
        count_up_await(io, &counts[i]);
    must(atomic_load(&counter) == 4);
    return id == (int)gettid();
}

static void a_task_that_an_await_runs_may_block_too(void **state)
{
    (void)state;
    unsigned claimed = 0;
    for (int round = 0; round < 200 / TEST_SLOW; round++) {
        const struct pinion_pool_options options = {.cpu_count = 2, .eager = true};
        struct nested nested = {.pool = make_pool(&options), .gate = GATE_INIT};
        nested.io = pinion_pool_io(nested.pool);
        gate_open(&nested.gate);
        struct block_inside_future future = block_inside_async(nested.io, &nested);
        atomic_uint counter = 0;
        count_up_detached(nested.io, &counter);
        wait_until(atomic_load(&counter) == 1);
        claimed += (unsigned)block_inside_await(nested.io, &future);
        assert_int_equal(stats_of(nested.pool).parallel_count, 0);
        pinion_pool_destroy(nested.pool);
    }
    assert_true(claimed > 0);
}

PINION_TASK(void, block_for_another, (struct pinion_io *, other), (struct gate *, gate))
{
    must(block_at(other, gate) == 0);
}

static void who_calls_is_replaced_whichever_io_is_passed(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(2), *other = pool_of(2);
    struct pinion_io *io = pinion_pool_io(pool);
    struct gate gate = GATE_INIT;
    atomic_uint counter = 0;
    block_for_another_detached(io, pinion_pool_io(other), &gate);
    wait_until(atomic_load(&gate.arrived) == 1);
    count_up_detached(io, &counter);
    wait_until(atomic_load(&counter) == 1);
    assert_int_equal(stats_of(pool).parallel_count, 1);
    assert_int_equal(stats_of(other).parallel_count, 0);
    gate_open(&gate);
    pinion_pool_destroy(pool);
    pinion_pool_destroy(other);
}

/* ---- in place ---- */

static void an_outside_thread_and_the_caller_block_in_place(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(2);
    struct gate gate = GATE_OPEN;
    for (int i = 0; i < 3; i++)
        assert_int_equal(block(pinion_pool_io(pool), &gate), gettid());
    assert_int_equal(stats_of(pool).threads_peak, 0);
    pinion_pool_destroy(pool);
}

static void without_workers_it_runs_in_place(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(1);
    struct pinion_io *io = pinion_pool_io(pool);
    struct gate gate = GATE_OPEN;
    struct block_future future = block_async(io, io, &gate);
    assert_int_equal(block_await(io, &future), gettid());
    assert_int_equal(stats_of(pool).threads_peak, 0);
    assert_int_equal(stats_of(pool).parallel_count, 0);
    pinion_pool_destroy(pool);
}

static void where_no_reservation_can_be_had_it_runs_in_place(void **state)
{
    (void)state;
    const struct pinion_pool_options options = {.cpu_count = 2, .max_parallel = 1};
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_io *io = pinion_pool_io(pool);
    for (int round = 0; round < 3; round++) {
        struct gate reserved = GATE_INIT, gate = GATE_INIT;
        struct pass_gate_future parallel;
        assert_int_equal(pass_gate_parallel(io, &parallel, &reserved), 0);
        struct block_future future = block_async(io, io, &gate);
        wait_until(atomic_load(&gate.arrived) == 1);
        assert_int_equal(stats_of(pool).parallel_count, 1);
        gate_open(&gate);
        (void)block_await(io, &future);
        assert_int_equal(stats_of(pool).parallel_count, 1);
        gate_open(&reserved);
        pass_gate_await(io, &parallel);
        assert_int_equal(stats_of(pool).parallel_count, 0);
    }
    assert_int_equal(stats_of(pool).threads_peak, 2);
    pinion_pool_destroy(pool);
}

static void its_reservation_counts_against_max_parallel(void **state)
{
    (void)state;
    const struct pinion_pool_options options = {.cpu_count = 2, .max_parallel = 1};
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_io *io = pinion_pool_io(pool);
    struct gate gate = GATE_INIT;
    struct block_future future = block_async(io, io, &gate);
    wait_until(atomic_load(&gate.arrived) == 1);
    struct thread_id_future refused;
    assert_int_equal(thread_id_parallel(io, &refused), -EAGAIN);
    gate_open(&gate);
    (void)block_await(io, &future);
    assert_int_equal(thread_id_parallel(io, &refused), 0);
    (void)thread_id_await(io, &refused);
    pinion_pool_destroy(pool);
}

/* ---- the call ---- */

struct wide {
    alignas(256) unsigned char bytes[300];
};

static void fill_wide(const void *context, void *result)
{
    struct wide *wide = result;
    must(((uintptr_t)result & 255) == 0);
    memset(wide->bytes, *(const unsigned char *)context, sizeof wide->bytes);
}

static void write_answer(const void *context, void *result)
{
    (void)context;
    *(int *)result = 42;
}

PINION_TASK(void, call_blocking, (struct pinion_io *, io), (atomic_uint *, counter))
{
    const unsigned char value = 7;
    struct wide wide;
    int answer = 0;
    const struct pinion_call fill = {.start = fill_wide, .context = &value, .context_size = 1,
                                     .context_align = 1, .result_size = sizeof wide,
                                     .result_align = 256};
    const struct pinion_call write = {.start = write_answer, .result_size = sizeof answer,
                                      .result_align = alignof(int)};
    must(pinion_blocking(io, &fill, &wide) == 0);
    must(wide.bytes[0] == 7 && wide.bytes[299] == 7);
    must(pinion_blocking(io, &write, &answer) == 0);
    must(answer == 42);
    must(pinion_blocking(io, &fill, NULL) == 0);
    must(pinion_blocking(io, &write, NULL) == 0);
    atomic_fetch_add(counter, 1);
}

static void the_result_is_written_and_aligned_or_discarded(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(2);
    struct pinion_io *io = pinion_pool_io(pool);
    atomic_uint counter = 0;
    call_blocking(io, &counter);
    call_blocking_detached(io, io, &counter);
    wait_until(atomic_load(&counter) == 2);
    pinion_pool_destroy(pool);
}

static void a_bad_call_is_refused_and_does_not_run(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(2);
    const struct pinion_call bad[] = {
        {.start = NULL},
        {.start = write_answer, .result_size = 4, .result_align = 3},
        {.start = write_answer, .context_size = 4, .context = NULL},
    };
    int answer = 0;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(pinion_blocking(pinion_pool_io(pool), &bad[i], &answer), -EINVAL);
    assert_int_equal(answer, 0);
    pinion_pool_destroy(pool);
}

struct canceled {
    struct pinion_io *io;
    struct gate begun;
};

PINION_TASK(int, be_canceled, (struct canceled *, canceled))
{
    struct pinion_io *io = canceled->io;
    int answer = 0;
    const struct pinion_call write = {.start = write_answer, .result_size = sizeof answer,
                                      .result_align = alignof(int)};
    gate_pass(&canceled->begun);
    must(pinion_cancel_requested(io));
    (void)pinion_cancel_protect(io, true);
    must(pinion_blocking(io, &write, &answer) == 0 && answer == 42);
    (void)pinion_cancel_protect(io, false);
    answer = 0;
    must(pinion_blocking(io, &write, &answer) == -ECANCELED && answer == 0);
    must(pinion_blocking(io, &write, &answer) == 0 && answer == 42); /* delivered once */
    return 1;
}

static void it_is_a_cancelation_point_before_it_runs(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(2);
    struct canceled canceled = {.io = pinion_pool_io(pool), .begun = GATE_INIT};
    struct be_canceled_future future = be_canceled_async(canceled.io, &canceled);
    wait_until(atomic_load(&canceled.begun.arrived) == 1);
    pinion_request_cancel(canceled.io, &future.future);
    gate_open(&canceled.begun);
    assert_int_equal(be_canceled_await(canceled.io, &future), 1);
    pinion_pool_destroy(pool);
}

static void mark(const void *context, void *result)
{
    (void)result;
    atomic_store(*(atomic_uint *const *)context, 1);
}

PINION_TASK(void, block_when_canceled, (struct pinion_io *, io), (struct gate *, gate),
            (atomic_uint *, ran))
{
    const struct pinion_call call = {.start = mark, .context = &ran, .context_size = sizeof ran,
                                     .context_align = alignof(atomic_uint *)};
    gate_pass(gate);
    must(pinion_blocking(io, &call, NULL) == -ECANCELED);
}

static void a_canceled_call_makes_no_reservation(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(2);
    struct pinion_io *io = pinion_pool_io(pool);
    struct gate gate = GATE_INIT;
    atomic_uint ran = 0;
    struct block_when_canceled_future future = block_when_canceled_async(io, io, &gate, &ran);
    wait_until(atomic_load(&gate.arrived) == 1);
    pinion_request_cancel(io, &future.future);
    gate_open(&gate);
    block_when_canceled_await(io, &future);
    assert_int_equal(atomic_load(&ran), 0);
    assert_int_equal(stats_of(pool).threads_peak, 1);
    pinion_pool_destroy(pool);
}

/* ---- stress ---- */

static void nothing(const void *context, void *result)
{
    (void)context;
    (void)result;
}

/* A tree of tasks, each of which blocks at some point, so that threads and slots are exchanged
 * under tasks that others await. */
PINION_TASK(unsigned, grow_tree, (struct pinion_io *, io), (unsigned, depth))
{
    const struct pinion_call call = {.start = nothing};
    if (depth == 0)
        return 1;
    struct grow_tree_future left = grow_tree_async(io, io, depth - 1);
    if (depth % 2)
        must(pinion_blocking(io, &call, NULL) == 0);
    struct grow_tree_future right = grow_tree_async(io, io, depth - 1);
    unsigned sum = 1;
    if (depth % 3 == 0)
        must(pinion_blocking(io, &call, NULL) == 0);
    sum += grow_tree_await(io, &right);
    return sum + grow_tree_await(io, &left);
}

/* On a worker: an await in the test's thread would run it there. */
PINION_TASK(void, plant, (struct pinion_io *, io), (atomic_uint *, nodes))
{
    atomic_fetch_add(nodes, grow_tree(io, 5));
}

static atomic_bool is_over;

static void *watch_formula(void *pool)
{
    while (!atomic_load(&is_over)) {
        must_fit(pool);
        nap();
    }
    return NULL;
}

static void thousands_of_tasks_block_and_nothing_is_lost(void **state)
{
    (void)state;
    enum { ROUNDS = 10000 };
    for (int eager = 0; eager < 2; eager++) {
        const struct pinion_pool_options options = {.cpu_count = eager ? 4 : 2, .eager = eager};
        struct pinion_pool *pool = make_pool(&options);
        struct pinion_io *io = pinion_pool_io(pool);
        pthread_t watcher;
        atomic_store(&is_over, false);
        must(pthread_create(&watcher, NULL, watch_formula, pool) == 0);
        atomic_uint nodes = 0;
        const unsigned trees = ROUNDS / 21 / TEST_SLOW; /* of 21 tasks that block at least once */
        for (unsigned i = 0; i < trees; i++) {
            plant_detached(io, io, &nodes);
            if (i % 4 == 0)
                wait_until(atomic_load(&nodes) == 63 * (i + 1));
        }
        wait_until(atomic_load(&nodes) == 63 * trees);
        wait_until(stats_of(pool).parallel_count == 0);
        atomic_store(&is_over, true);
        must(pthread_join(watcher, NULL) == 0);
        assert_true(stats_of(pool).threads_peak >= 2);
        pinion_pool_destroy(pool);
    }
}

PINION_TASK(void, block_and_count, (struct pinion_io *, io), (atomic_uint *, counter))
{
    const struct pinion_call call = {.start = nothing};
    must(pinion_blocking(io, &call, NULL) == 0);
    atomic_fetch_add(counter, 1);
}

static void thousands_of_detached_tasks_that_block_all_end(void **state)
{
    (void)state;
    enum { ROUNDS = 10000 / TEST_SLOW };
    const struct pinion_pool_options options = {
        .cpu_count = 3, .eager = true, .retire_after = 100000};
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_io *io = pinion_pool_io(pool);
    atomic_uint counter = 0;
    for (int i = 0; i < ROUNDS; i++)
        block_and_count_detached(io, io, &counter);
    wait_until(atomic_load(&counter) > ROUNDS / 2);
    pinion_pool_destroy(pool);
    assert_int_equal(atomic_load(&counter), ROUNDS);
}

static void a_thread_that_ran_tasks_in_place_queues_again_after_it_blocked(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(2);
    struct pinion_io *io = pinion_pool_io(pool);
    struct gate gate = GATE_INIT, open = GATE_OPEN;
    atomic_uint counter = 0;
    pass_gate_detached(io, &gate); /* keeps the worker busy */
    wait_until(atomic_load(&gate.arrived) == 1);
    for (int i = 0; i < 100; i++)
        count_up_detached(io, &counter);
    assert_true(stats_of(pool).inlined > 0);
    must(block_at(io, &open) == 0);
    const uint64_t queued = stats_of(pool).queued;
    count_up_detached(io, &counter);
    assert_int_equal(stats_of(pool).queued, queued + 1);
    gate_open(&gate);
    pinion_pool_destroy(pool);
    assert_int_equal(atomic_load(&counter), 101);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_tasks_run_while_the_only_worker_blocks),
        cmocka_unit_test(what_the_task_queued_before_runs_while_it_blocks),
        cmocka_unit_test(the_reservation_has_ended_before_the_await_of_the_task_returns),
        cmocka_unit_test(the_thread_is_a_reserve_thread_until_the_task_ends_and_an_idle_one_then),
        cmocka_unit_test(an_idle_reserve_thread_takes_over_before_a_thread_is_created),
        cmocka_unit_test(threads_that_stood_in_retire),
        cmocka_unit_test(destroy_waits_for_a_task_that_blocks),
        cmocka_unit_test(a_thread_that_was_given_all_cpus_keeps_them),
        cmocka_unit_test(a_task_that_an_await_runs_may_block_too),
        cmocka_unit_test(who_calls_is_replaced_whichever_io_is_passed),
        cmocka_unit_test(an_outside_thread_and_the_caller_block_in_place),
        cmocka_unit_test(a_thread_that_ran_tasks_in_place_queues_again_after_it_blocked),
        cmocka_unit_test(without_workers_it_runs_in_place),
        cmocka_unit_test(where_no_reservation_can_be_had_it_runs_in_place),
        cmocka_unit_test(its_reservation_counts_against_max_parallel),
        cmocka_unit_test(the_result_is_written_and_aligned_or_discarded),
        cmocka_unit_test(a_bad_call_is_refused_and_does_not_run),
        cmocka_unit_test(it_is_a_cancelation_point_before_it_runs),
        cmocka_unit_test(a_canceled_call_makes_no_reservation),
        cmocka_unit_test(thousands_of_tasks_block_and_nothing_is_lost),
        cmocka_unit_test(thousands_of_detached_tasks_that_block_all_end),
    };
    return cmocka_run_group_tests_name("pool blocking", tests, NULL, NULL);
}
