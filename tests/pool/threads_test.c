/* SPDX-License-Identifier: MIT
 *
 * A pool's threads as the rest of the program meets them: the CPU mask that they give back for a
 * child, the signals that they leave to others, the node that their memory is on.
 */
#include "sight.h"

#include <pinion/arena.h>

/* ---- pinion_affinity_restore ---- */

PINION_TASK(int, restore, (struct sight *, sight))
{
    const int error = pinion_affinity_restore();
    *sight = sight_here();
    return error;
}

static void *restore_thread(void *error)
{
    *(int *)error = pinion_affinity_restore();
    return NULL;
}

static void restore_outside_a_worker_is_refused(void **state)
{
    struct pinion_pool *pool = pool_of(1);
    pthread_t thread;
    int error = 0;
    struct sight sight;
    (void)state;
    assert_int_equal(pinion_affinity_restore(), -ESRCH);
    assert_int_equal(pthread_create(&thread, NULL, restore_thread, &error), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(error, -ESRCH);
    /* With one CPU it runs here: a task, but not on a worker. */
    struct restore_future future = restore_async(pinion_pool_io(pool), &sight);
    assert_int_equal(restore_await(pinion_pool_io(pool), &future), -ESRCH);
    pinion_pool_destroy(pool);
}

/* A pool whose program has one CPU and whose seats are on all: its maker is pinned. */
struct narrow {
    int cpu;
    struct pinion_pool *pool;
};

static void *make_narrow(void *argument)
{
    struct narrow *narrow = argument;
    const struct mask one = mask_of_cpu(narrow->cpu);
    const struct pinion_pool_options options = {.topology = machine,
                                                .cpu_count = 2,
                                                .plan.placement = PINION_PLACE_COMPACT,
                                                .eager = true,
                                                .retire_after = LONG_NS};
    must(sched_setaffinity(0, sizeof one, one.sets) == 0);
    narrow->pool = make_pool(&options);
    return NULL;
}

static struct pinion_pool *narrow_pool(int cpu)
{
    struct narrow narrow = {.cpu = cpu};
    pthread_t thread;
    must(pthread_create(&thread, NULL, make_narrow, &narrow) == 0);
    must(pthread_join(thread, NULL) == 0);
    return narrow.pool;
}

struct glance {
    struct sight sight;
    int error;
    atomic_bool is_done; /* set last */
};

PINION_TASK(void, restore_and_look, (struct glance *, glance))
{
    glance->error = restore(&glance->sight);
    atomic_store(&glance->is_done, true);
}

PINION_TASK(void, only_look, (struct glance *, glance))
{
    glance->sight = sight_here();
    atomic_store(&glance->is_done, true);
}

/* The worker's seat is on another CPU than the program's, if there is another. */
static void restore_gives_a_task_the_programs_mask_until_it_ends(void **state)
{
    const struct mask original = mask_of_cpu(whole->seats[cpu_total - 1].cpu);
    const struct mask seat = mask_of_cpu(whole->seats[0].cpu);
    (void)state;
    needs_pinning();
    struct pinion_pool *pool = narrow_pool(whole->seats[cpu_total - 1].cpu);
    struct pinion_io *io = pinion_pool_io(pool);
    for (unsigned round = 1; round <= 3; round++) {
        struct glance during = {.error = 1}, after = {.error = 0};
        restore_and_look_detached(io, &during); /* by the one worker: nobody claims it */
        wait_until(atomic_load(&during.is_done));
        assert_int_equal(during.error, 0);
        assert_string_equal(during.sight.name, "pinion/0");
        assert_mask(&during.sight.mask, &original, "restored");
        only_look_detached(io, &after);
        wait_until(atomic_load(&after.is_done));
        assert_string_equal(after.sight.name, "pinion/0");
        assert_mask(&after.sight.mask, &seat, "back on its seat");
    }
    struct pinion_worker_stats rows[2];
    assert_int_equal(pinion_pool_workers(pool, rows, 2), 2);
    assert_int_equal(rows[1].cpu, whole->seats[0].cpu);
    pinion_pool_destroy(pool);
}

static void restore_works_in_a_parallel_task_too(void **state)
{
    const struct mask original = mask_of_cpu(whole->seats[cpu_total - 1].cpu);
    (void)state;
    needs_pinning();
    struct pinion_pool *pool = narrow_pool(whole->seats[cpu_total - 1].cpu);
    for (unsigned i = 0; i < 3; i++) {
        struct glance during = {.error = 1};
        struct restore_and_look_future future;
        assert_int_equal(restore_and_look_parallel(pinion_pool_io(pool), &future, &during), 0);
        restore_and_look_await(pinion_pool_io(pool), &future);
        assert_int_equal(during.error, 0);
        assert_mask(&during.sight.mask, &original, "restored");
        /* The next one's, which a thread on the first CPU asks for. */
        struct asking asking = {.io = pinion_pool_io(pool), .cpu = whole->seats[0].cpu};
        const struct mask node = mask_of_node(whole->seats[0].node);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, ask_from_outside, &asking), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_string_equal(asking.sight.name, "pinion/r0");
        assert_mask(&asking.sight.mask, &node, "floating again");
    }
    pinion_pool_destroy(pool);
}

/* ---- signals ---- */

static bool is_fault(int signal)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        if (faults[i] == signal)
            return true;
    return false;
}

/* Those that may be blocked: not libc's own, which it hides between the two kinds. */
static bool is_blockable(int signal)
{
    return signal != SIGKILL && signal != SIGSTOP && (signal < 32 || signal >= SIGRTMIN);
}

/* The signal that cancels use: its handler is not the program's. */
static bool is_of_cancels(int signal)
{
    return signal == SIGURG;
}

static void assert_blocks_all_but_ours(const struct sight *sight)
{
    for (int signal = 1; signal <= SIGRTMAX; signal++) {
        if (!is_blockable(signal) ||
            sigismember(&sight->blocked, signal) !=
                (is_fault(signal) || is_of_cancels(signal) ? 1 : 0))
            continue;
        fail_msg("%s: signal %d is wrongly blocked or not", sight->name, signal);
    }
}

static void threads_block_every_signal_but_faults_and_the_one_of_cancels(void **state)
{
    enum { BASE = 3 };
    struct crew crew;
    struct look_once_future future;
    (void)state;
    crew_make(&crew, (struct pinion_pool_options){.cpu_count = BASE + 1});
    for (unsigned i = 0; i < BASE; i++)
        assert_blocks_all_but_ours(&crew.sights[i]);
    assert_int_equal(look_once_parallel(crew.io, &future), 0);
    const struct sight reserve = look_once_await(crew.io, &future);
    assert_blocks_all_but_ours(&reserve);
    crew_end(&crew);
}

/* One that nobody else takes would end the program if one of ours took it. */
static void a_signal_to_the_program_is_left_to_its_own_threads(void **state)
{
    struct crew crew;
    sigset_t one, former, pending;
    int taken = 0;
    (void)state;
    crew_make(&crew, (struct pinion_pool_options){.cpu_count = 4});
    assert_int_equal(sigemptyset(&one) | sigaddset(&one, SIGUSR1), 0);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &one, &former), 0);
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    assert_int_equal(sigpending(&pending), 0);
    assert_true(sigismember(&pending, SIGUSR1));
    assert_int_equal(sigwait(&one, &taken), 0);
    assert_int_equal(taken, SIGUSR1);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &former, NULL), 0);
    crew_end(&crew);
}

/* ---- memory ---- */

PINION_TASK(void, make_closures, (struct pinion_io *, io), (atomic_uint *, counter),
            (struct gate *, gate))
{
    enum { COUNT = 2000 };
    struct count_up_future *futures = calloc(COUNT, sizeof futures[0]);
    must(futures);
    for (unsigned i = 0; i < COUNT; i++)
        futures[i] = count_up_async(io, counter);
    for (unsigned i = 0; i < COUNT; i++)
        count_up_await(io, &futures[i]);
    free(futures);
    gate_pass(gate);
}

static void closures_are_on_the_node_of_their_worker(void **state)
{
    static atomic_uint counter;
    const struct pinion_pool_options options = {.topology = machine,
                                                .cpu_count = cpu_total + 1,
                                                .plan.placement = PINION_PLACE_COMPACT,
                                                .eager = true};
    struct gate gate = GATE_INIT, open = GATE_OPEN;
    size_t count;
    (void)state;
    if (pinion_arena_node_of(&counter) < 0 || whole->seats[0].node == PINION_NO_NODE) {
        print_message("the kernel does not tell where a page is, or names no nodes\n");
        skip();
    }
    struct pinion_pool *pool = make_pool(&options);
    for (unsigned i = 0; i < cpu_total; i++) {
        make_closures_detached(pinion_pool_io(pool), pinion_pool_io(pool), &counter, &gate);
        wait_until(atomic_load(&gate.arrived) == i + 1);
    }
    make_closures(pinion_pool_io(pool), &counter, &open); /* the caller's */
    struct pinion_worker_stats *rows = rows_of(pool, &count);
    char *degraded = degraded_of(pool);
    const bool is_bound = !strstr(degraded, "memory is not bound");
    if (!is_bound)
        print_message("what is remote is not looked at: %s\n", degraded);
    assert_int_equal(count, 1 + cpu_total);
    for (size_t i = 0; i < count; i++) {
        assert_true(rows[i].arena_bytes > 0);
        assert_true(rows[i].local_bytes + rows[i].remote_bytes > 0);
        assert_true(rows[i].local_bytes + rows[i].remote_bytes <= rows[i].arena_bytes);
        if (is_bound)
            assert_int_equal(rows[i].remote_bytes, 0);
    }
    free(degraded);
    free(rows);
    gate_open(&gate);
    pinion_pool_destroy(pool);
}

static void without_a_node_memory_is_neither_local_nor_remote(void **state)
{
    static atomic_uint counter;
    const struct pinion_pool_options options = {
        .topology = machine, .cpu_count = 2, .eager = true, .plan.placement = PINION_PLACE_NONE};
    struct gate open = GATE_OPEN;
    struct pinion_worker_stats rows[2];
    (void)state;
    struct pinion_pool *pool = make_pool(&options);
    make_closures_detached(pinion_pool_io(pool), pinion_pool_io(pool), &counter, &open);
    wait_until(atomic_load(&open.arrived) == 1);
    assert_int_equal(pinion_pool_workers(pool, rows, 2), 2);
    assert_true(rows[1].arena_bytes > 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(rows[i].local_bytes + rows[i].remote_bytes, 0);
    pinion_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restore_outside_a_worker_is_refused),
        cmocka_unit_test(restore_gives_a_task_the_programs_mask_until_it_ends),
        cmocka_unit_test(restore_works_in_a_parallel_task_too),
        cmocka_unit_test(threads_block_every_signal_but_faults_and_the_one_of_cancels),
        cmocka_unit_test(a_signal_to_the_program_is_left_to_its_own_threads),
        cmocka_unit_test(closures_are_on_the_node_of_their_worker),
        cmocka_unit_test(without_a_node_memory_is_neither_local_nor_remote),
    };
    return cmocka_run_group_tests_name("pool threads", tests, set_up, tear_down);
}
