/* SPDX-License-Identifier: MIT
 *
 * Making and ending pools: what was queued runs, what is detached is waited for, nothing is left
 * over, whoever makes and destroys.
 */
#include "support.h"

/* ---- destroy ---- */

static void destroy_of_null_and_of_an_unused_pool_does_nothing(void **state)
{
    (void)state;
    pinion_pool_destroy(NULL);
    struct pinion_pool *pool = make_pool(NULL);
    assert_true(stats_of(pool).cpu_count >= 1);
    pinion_pool_destroy(pool);
}

static void destroy_runs_what_is_queued_and_waits_for_it(void **state)
{
    (void)state;
    for (int is_eager = 0; is_eager < 2; is_eager++) {
        const struct pinion_pool_options options = {.cpu_count = 3, .eager = is_eager};
        for (int i = 0; i < 100 / TEST_SLOW; i++) {
            struct pinion_pool *pool = make_pool(&options);
            struct pinion_io *io = pinion_pool_io(pool);
            atomic_uint counter = 0;
            for (int k = 0; k < 100; k++)
                count_up_detached(io, &counter);
            pinion_pool_destroy(pool);
            assert_int_equal(counter, 100);
        }
    }
}

PINION_TASK(void, pass_and_count, (struct gate *, gate), (atomic_uint *, counter))
{
    gate_pass(gate);
    atomic_fetch_add(counter, 1);
}

static void *open_gate_thread(void *argument)
{
    struct gate *gate = argument;
    wait_until(atomic_load(&gate->arrived) >= 1);
    gate_open(gate);
    return NULL;
}

static void destroy_waits_for_a_detached_task_that_waits(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(3);
    struct gate gate = GATE_INIT;
    atomic_uint counter = 0;
    pthread_t opener;
    pass_and_count_detached(pinion_pool_io(pool), &gate, &counter);
    pass_and_count_detached(pinion_pool_io(pool), &gate, &counter);
    assert_int_equal(pthread_create(&opener, NULL, open_gate_thread, &gate), 0);
    pinion_pool_destroy(pool);
    assert_int_equal(counter, 2);
    assert_int_equal(pthread_join(opener, NULL), 0);
}

static void futures_that_nobody_awaits_are_run_and_freed(void **state)
{
    (void)state;
    char large[5000] = {0};
    for (int i = 0; i < 50 / TEST_SLOW + 1; i++) {
        struct pinion_pool *pool = pool_of(2);
        struct pinion_io *io = pinion_pool_io(pool);
        atomic_uint counter = 0;
        for (int k = 0; k < 20; k++) {
            (void)count_up_async(io, &counter);
            struct count_up_future future;
            assert_int_equal(count_up_parallel(io, &future, &counter), 0);
            struct pinion_future unwanted;
            char result[6000];
            const struct pinion_call call = {.start = thread_id_start, .context = large,
                                             .context_size = sizeof large, .context_align = 1,
                                             .result_size = sizeof result, .result_align = 4};
            pinion_async(io, &call, NULL, &unwanted);
        }
        pinion_pool_destroy(pool);
        assert_int_equal(counter, 40);
    }
}

/* ---- tasks that make tasks while the pool ends ---- */

struct breeding {
    struct pinion_io *io;
    atomic_uint made, ran;
    atomic_uint left; /* so many more may be made */
};

static bool may_make(struct breeding *breeding)
{
    unsigned left = atomic_load(&breeding->left);
    while (left)
        if (atomic_compare_exchange_weak(&breeding->left, &left, left - 1))
            return true;
    return false;
}

PINION_TASK_DECLARE(void, breed, (struct breeding *, breeding));

static void breed(struct breeding *breeding)
{
    atomic_fetch_add(&breeding->ran, 1);
    for (int i = 0; i < 2 && may_make(breeding); i++) {
        atomic_fetch_add(&breeding->made, 1);
        breed_detached(breeding->io, breeding);
    }
    if (may_make(breeding)) {
        struct breed_future future;
        atomic_fetch_add(&breeding->made, 1);
        const int error = breed_parallel(breeding->io, &future, breeding);
        must(error == 0 || error == -EAGAIN);
        if (error)
            future = breed_async(breeding->io, breeding);
        breed_await(breeding->io, &future);
    }
}

static void tasks_that_keep_making_tasks_all_run_before_destroy_returns(void **state)
{
    (void)state;
    for (int i = 0; i < 100 / TEST_SLOW; i++) {
        struct pinion_pool *pool = pool_of(1 + (unsigned)i % 4);
        struct breeding breeding = {.io = pinion_pool_io(pool), .made = 1, .left = 300};
        breed_detached(breeding.io, &breeding);
        pinion_pool_destroy(pool);
        assert_int_equal(breeding.ran, breeding.made);
        assert_int_equal(breeding.left, 0);
    }
}

struct feeding {
    struct pinion_io *io;
    atomic_uint ran;
    atomic_bool has_begun, is_over;
    unsigned made;
};

PINION_TASK(void, feed_until_refused, (struct feeding *, feeding))
{
    struct count_up_future probe;
    atomic_uint unused = 0;
    atomic_store(&feeding->has_begun, true);
    for (bool is_ending = false; !is_ending;) {
        for (int i = 0; i < 3; i++) {
            count_up_detached(feeding->io, &feeding->ran);
            (void)count_up_async(feeding->io, &feeding->ran);
            feeding->made += 2;
        }
        if (feeding->made % 60 == 0) {
            is_ending = count_up_parallel(feeding->io, &probe, &unused) == -EAGAIN;
            if (!is_ending)
                count_up_await(feeding->io, &probe);
        }
    }
}

static void what_a_parallel_task_queues_while_the_pool_ends_is_not_lost(void **state)
{
    (void)state;
    for (int i = 0; i < 1500 / TEST_SLOW; i++) {
        struct pinion_pool *pool = pool_of(2);
        struct feeding feeding = {.io = pinion_pool_io(pool)};
        struct feed_until_refused_future future;
        assert_int_equal(feed_until_refused_parallel(feeding.io, &future, &feeding), 0);
        wait_until(atomic_load(&feeding.has_begun));
        for (int turns = i % 64; turns; turns--)
            (void)sched_yield();
        pinion_pool_destroy(pool); /* the future is not awaited */
        assert_int_equal(feeding.ran, feeding.made);
    }
}

/* ---- who makes and who destroys ---- */

struct visit {
    unsigned cpu_count;
    struct pinion_pool *pool;
    atomic_uint counter;
    bool is_maker_first;
};

static void *make_and_queue_thread(void *argument)
{
    struct visit *visit = argument;
    visit->pool = pool_of(visit->cpu_count);
    for (int i = 0; i < 6; i++)
        count_up_detached(pinion_pool_io(visit->pool), &visit->counter);
    return NULL;
}

static void what_a_creator_queued_runs_after_it_exited(void **state)
{
    (void)state;
    for (int i = 0; i < 100 / TEST_SLOW + 5; i++) {
        struct visit visit = {.cpu_count = 2 + (unsigned)i % 2};
        pthread_t maker;
        assert_int_equal(pthread_create(&maker, NULL, make_and_queue_thread, &visit), 0);
        assert_int_equal(pthread_join(maker, NULL), 0);
        if (i % 2)
            wait_until(atomic_load(&visit.counter) == 6);
        struct pinion_worker_stats caller;
        assert_true(pinion_pool_workers(visit.pool, &caller, 1) >= 1);
        assert_string_equal(caller.name, "caller");
        assert_false(caller.alive);
        for (int k = 0; k < 3; k++) { /* now from outside */
            struct count_up_future future = count_up_async(pinion_pool_io(visit.pool),
                                                           &visit.counter);
            count_up_await(pinion_pool_io(visit.pool), &future);
        }
        pinion_pool_destroy(visit.pool);
        assert_int_equal(visit.counter, 9);
    }
}

static void *exit_with_queued_thread(void *argument)
{
    struct visit *visit = argument;
    struct gate *gate = calloc(1, sizeof *gate);
    must(gate);
    *gate = (struct gate)GATE_INIT;
    visit->pool = pool_of(2);
    struct pinion_io *io = pinion_pool_io(visit->pool);
    struct pass_gate_future blocker = pass_gate_async(io, gate);
    must(blocker.future.task);
    wait_until(atomic_load(&gate->arrived) == 1); /* the one worker is busy */
    for (int i = 0; i < 3; i++)
        count_up_detached(io, &visit->counter);
    must(atomic_load(&visit->counter) == 0);
    gate_open(gate);
    pass_gate_await(io, &blocker);
    free(gate);
    return NULL;
}

static void a_creator_may_exit_while_its_queue_is_being_emptied(void **state)
{
    (void)state;
    for (int i = 0; i < 100 / TEST_SLOW + 5; i++) {
        struct visit visit = {0};
        pthread_t maker;
        assert_int_equal(pthread_create(&maker, NULL, exit_with_queued_thread, &visit), 0);
        assert_int_equal(pthread_join(maker, NULL), 0);
        wait_until(atomic_load(&visit.counter) == 3);
        pinion_pool_destroy(visit.pool);
    }
}

static void *destroy_thread(void *argument)
{
    pinion_pool_destroy(argument);
    return NULL;
}

static void a_pool_may_be_destroyed_by_another_thread(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        atomic_uint counter = 0;
        struct pinion_pool *pool = pool_of(2), *next;
        pthread_t destroyer;
        for (int k = 0; k < 5; k++)
            count_up_detached(pinion_pool_io(pool), &counter);
        assert_int_equal(pthread_create(&destroyer, NULL, destroy_thread, pool), 0);
        next = pool_of(3); /* in the same storage perhaps: no mistaking one for the other */
        struct count_up_future future = count_up_async(pinion_pool_io(next), &counter);
        assert_int_equal(pthread_join(destroyer, NULL), 0);
        count_up_await(pinion_pool_io(next), &future);
        pinion_pool_destroy(next);
        assert_int_equal(counter, 6);
    }
}

static void pools_side_by_side_do_not_mix(void **state)
{
    (void)state;
    enum { POOLS = 5 };
    struct pinion_pool *pools[POOLS];
    atomic_uint counters[POOLS] = {0};
    for (unsigned i = 0; i < POOLS; i++)
        pools[i] = pool_of(i + 1);
    for (int round = 0; round < 20; round++)
        for (unsigned i = 0; i < POOLS; i++)
            count_up_detached(pinion_pool_io(pools[i]), &counters[i]);
    for (unsigned i = 0; i < POOLS; i++) {
        const struct pinion_pool_stats stats = stats_of(pools[i]);
        assert_int_equal(stats.inlined + stats.queued, 20);
        assert_int_equal(stats.injected, 0);
    }
    for (unsigned i = 0; i < POOLS; i++) {
        pinion_pool_destroy(pools[(i + 2) % POOLS]);
        assert_int_equal(counters[(i + 2) % POOLS], 20);
    }
}

/* A pool made, used and ended by a task of another, and one more that outlives the task. */
PINION_TASK(void, use_pools, (atomic_uint *, counter), (struct pinion_pool **, left))
{
    struct pinion_pool *pool = pool_of(2);
    struct count_up_future futures[8];
    for (int i = 0; i < 8; i++)
        futures[i] = count_up_async(pinion_pool_io(pool), counter);
    for (int i = 0; i < 8; i++)
        count_up_await(pinion_pool_io(pool), &futures[i]);
    pinion_pool_destroy(pool);
    *left = pool_of(2);
    count_up_detached(pinion_pool_io(*left), counter);
}

static void tasks_may_make_pools_that_outlive_them(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        struct pinion_pool *pool = pool_of(3), *left[4];
        struct pinion_io *io = pinion_pool_io(pool);
        atomic_uint counter = 0;
        struct use_pools_future futures[4];
        for (int k = 0; k < 4; k++) {
            if (k % 2)
                futures[k] = use_pools_async(io, &counter, &left[k]);
            else
                assert_int_equal(use_pools_parallel(io, &futures[k], &counter, &left[k]), 0);
        }
        for (int k = 0; k < 4; k++)
            use_pools_await(io, &futures[k]);
        if (i % 2)
            pinion_pool_destroy(pool);
        for (int k = 0; k < 4; k++)
            pinion_pool_destroy(left[k]);
        if (i % 2 == 0)
            pinion_pool_destroy(pool);
        assert_int_equal(counter, 36);
    }
}

/* ---- leaks ---- */

static void work_a_little(int turn)
{
    struct pinion_pool *pool = pool_of(1 + (unsigned)turn % 3);
    struct pinion_io *io = pinion_pool_io(pool);
    atomic_uint counter = 0;
    if (turn % 4 == 0)
        count_up_detached(io, &counter);
    if (turn % 16 == 0) {
        struct count_up_future future;
        must(count_up_parallel(io, &future, &counter) == 0);
        count_up_await(io, &future);
    }
    pinion_pool_destroy(pool);
}

static void thousands_of_pools_leave_nothing_behind(void **state)
{
    (void)state;
    const int pools = (PN_DEBUG ? 10000 : 2500) / (TEST_SLOW * TEST_SLOW);
    for (int i = 0; i < 200; i++)
        work_a_little(i);
    const unsigned threads = proc_entries("/proc/self/task");
    const unsigned descriptors = proc_entries("/proc/self/fd");
    const unsigned mappings = proc_lines("/proc/self/maps");
    for (int i = 0; i < pools; i++)
        work_a_little(i);
    assert_int_equal(proc_entries("/proc/self/fd"), descriptors);
    wait_until(proc_entries("/proc/self/task") <= threads);
    /* Allocators keep some for later; what leaks would be in the thousands. */
    assert_in_range(proc_lines("/proc/self/maps"), 1, mappings + 100);
}

/* A thread of its own, so that its pools are those that a thread forgot. */
static void *many_pools_thread(void *argument)
{
    (void)argument;
    struct pinion_pool *pools[10];
    for (int i = 0; i < 10; i++)
        pools[i] = pool_of(2);
    for (int i = 0; i < 5; i++)
        pinion_pool_destroy(pools[i]);
    pthread_t destroyer;
    for (int i = 5; i < 10; i++) {
        must(pthread_create(&destroyer, NULL, destroy_thread, pools[i]) == 0);
        must(pthread_join(destroyer, NULL) == 0);
    }
    return NULL;
}

static void a_thread_forgets_pools_that_others_destroyed(void **state)
{
    (void)state;
    pthread_t thread;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(pthread_create(&thread, NULL, many_pools_thread, NULL), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(destroy_of_null_and_of_an_unused_pool_does_nothing),
        cmocka_unit_test(destroy_runs_what_is_queued_and_waits_for_it),
        cmocka_unit_test(destroy_waits_for_a_detached_task_that_waits),
        cmocka_unit_test(futures_that_nobody_awaits_are_run_and_freed),
        cmocka_unit_test(tasks_that_keep_making_tasks_all_run_before_destroy_returns),
        cmocka_unit_test(what_a_parallel_task_queues_while_the_pool_ends_is_not_lost),
        cmocka_unit_test(what_a_creator_queued_runs_after_it_exited),
        cmocka_unit_test(a_creator_may_exit_while_its_queue_is_being_emptied),
        cmocka_unit_test(a_pool_may_be_destroyed_by_another_thread),
        cmocka_unit_test(pools_side_by_side_do_not_mix),
        cmocka_unit_test(tasks_may_make_pools_that_outlive_them),
        cmocka_unit_test(thousands_of_pools_leave_nothing_behind),
        cmocka_unit_test(a_thread_forgets_pools_that_others_destroyed),
    };
    return cmocka_run_group_tests_name("pool lifecycle", tests, NULL, NULL);
}
