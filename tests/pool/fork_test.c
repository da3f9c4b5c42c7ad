/* SPDX-License-Identifier: MIT
 *
 * Fork in a program that has pools: what the child may do, whatever other threads of the parent
 * were in the middle of.
 */
#include "support.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <pinion/arena.h>

/* In the child checks are `must`: its exit status tells. */
enum { EXITS_WELL = 0 };

/* A sanitizer's malloc has locks that it does not look after at a fork (seen with gcc 12 and clang
 * 14), and ThreadSanitizer forbids threads in such children: with one, children that allocate can
 * hang where a thread of the parent, a worker too, may be in malloc. */
#define TEST_SANITIZED (TEST_SLOW > 1)
static void skip_if_malloc_may_hang(void)
{
    if (TEST_SANITIZED)
        skip();
}

const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "die_after_fork=0"; }

/* What only the stacks of threads that are not in a child point to is no leak. */
static bool has_lost_stacks;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) { return has_lost_stacks; }

static int status_of(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        must(errno == EINTR);
    return status;
}

/* Runs body in a child of its own, which has to end well. */
static void in_a_child(void (*body)(void *context), void *context)
{
    const pid_t child = start_child();
    if (child == 0) {
        body(context);
        _exit(EXITS_WELL);
    }
    must(status_of(child) == 0);
}

PINION_TASK(int, fib, (struct pinion_io *, io), (int, n))
{
    if (n < 2)
        return n;
    struct fib_future left = fib_async(io, io, n - 1);
    const int right = fib(io, n - 2);
    return fib_await(io, &left) + right;
}

/* All that a pool does, with one made here. */
static void use_a_new_pool(void *unused)
{
    (void)unused;
    const struct pinion_pool_options options = {.cpu_count = 3, .eager = true};
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_io *io = pinion_pool_io(pool);
    must(fib(io, 12) == 144);
    atomic_uint counter = 0;
    for (int i = 0; i < 3; i++) {
        struct count_up_future parallel, concurrent;
        must(count_up_parallel(io, &parallel, &counter) == 0);
        must(count_up_concurrent(io, &concurrent, &counter) == 0);
        count_up_detached(io, &counter);
        count_up_await(io, &parallel);
        count_up_await(io, &concurrent);
    }
    must(stats_of(pool).capacity == 2);
    pinion_pool_destroy(pool);
    must(atomic_load(&counter) == 9);
}

/* ---- ways to end ---- */

static void the_child_may_exec(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(3);
    must(fib(pinion_pool_io(pool), 10) == 55);
    const pid_t child = start_child();
    if (child == 0) {
        (void)execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    assert_int_equal(status_of(child), 0);
    pinion_pool_destroy(pool);
}

static void end_at_exit(void) { _exit(7); }

static void the_child_may_exit_through_its_handlers(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(3);
    must(fib(pinion_pool_io(pool), 10) == 55);
    const pid_t child = start_child();
    if (child == 0) {
        must(atexit(end_at_exit) == 0);
        exit(1);
    }
    const int status = status_of(child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    pinion_pool_destroy(pool);
}

/* ---- the parent's io ---- */

static void must_refuse(void *context)
{
    struct pinion_io *io = context;
    atomic_uint counter = 0;
    struct count_up_future future;
    memset(&future, 0x5a, sizeof future);
    const struct count_up_future untouched = future;
    must(count_up_parallel(io, &future, &counter) == -ECHILD);
    must(strstr(pinion_error_detail(), "parent"));
    must(count_up_concurrent(io, &future, &counter) == -ECHILD);
    must(memcmp(&future, &untouched, sizeof future) == 0);
    must(atomic_load(&counter) == 0);

    future = count_up_async(io, &counter);
    must(atomic_load(&counter) == 1 && !future.future.task);
    count_up_await(io, &future);
    count_up_detached(io, &counter);
    must(atomic_load(&counter) == 2);
    must(fib(io, 12) == 144);

    const struct pinion_call call = {.start = count_up_start};
    must(pinion_blocking(io, &call, NULL) == -ECHILD);
    pinion_yield(io);
    must(pinion_check_cancel(io) == 0);
    must(!pinion_cancel_requested(io));
}

static void in_the_child_the_parents_io_refuses_and_runs_in_the_caller(void **state)
{
    (void)state;
    for (unsigned cpu_count = 1; cpu_count <= 3; cpu_count++) {
        const struct pinion_pool_options options = {.cpu_count = cpu_count, .eager = true};
        struct pinion_pool *pool = make_pool(&options);
        must(fib(pinion_pool_io(pool), 10) == 55);
        in_a_child(must_refuse, pinion_pool_io(pool));
        must(fib(pinion_pool_io(pool), 10) == 55);
        pinion_pool_destroy(pool);
    }
}

struct futures {
    struct pinion_io *io;
    struct thread_id_future done, done_too;
    struct pass_gate_future running;
};

static void must_give_what_is_done(void *context)
{
    struct futures *futures = context;
    struct pinion_io *io = futures->io;
    struct pinion_future *both[] = {&futures->running.future, &futures->done.future};
    struct pinion_future *running[] = {&futures->running.future};
    must(pinion_select(io, both, 2, PINION_FOREVER) == 1);
    must(pinion_select(io, running, 1, PINION_FOREVER) == -ECHILD);
    pinion_request_cancel(io, &futures->running.future);
    must(pinion_select(io, running, 1, 0) == -ECHILD);
    must(thread_id_await(io, &futures->done) > 0);
    must(thread_id_cancel(io, &futures->done_too) > 0);
}

static void must_not_wait(void *context)
{
    struct futures *futures = context;
    pass_gate_await(futures->io, &futures->running);
    must(!futures->running.future.task);
}

static void must_not_wait_either(void *context)
{
    struct futures *futures = context;
    pass_gate_cancel(futures->io, &futures->running);
    must(!futures->running.future.task);
}

/* A programming error: in debug builds it stops the program. */
static void expect_programming_error(void (*body)(void *context), void *context)
{
    const pid_t child = start_child();
    if (child == 0) {
        must(signal(SIGABRT, SIG_DFL) != SIG_ERR);
        must(freopen("/dev/null", "w", stderr));
        body(context);
        _exit(EXITS_WELL);
    }
    const int status = status_of(child);
#if PN_DEBUG
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
#else
    assert_int_equal(status, 0);
#endif
}

static void in_the_child_tasks_that_are_done_can_be_awaited_and_selected(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(2);
    struct gate gate = GATE_INIT;
    struct futures futures = {.io = pinion_pool_io(pool)};
    must(thread_id_parallel(futures.io, &futures.done) == 0);
    must(thread_id_parallel(futures.io, &futures.done_too) == 0);
    must(pass_gate_parallel(futures.io, &futures.running, &gate) == 0);
    wait_until(atomic_load(&gate.arrived) == 1);
    struct pinion_future *first[] = {&futures.done.future}, *second[] = {&futures.done_too.future};
    must(pinion_select(futures.io, first, 1, PINION_FOREVER) == 0);
    must(pinion_select(futures.io, second, 1, PINION_FOREVER) == 0);

    in_a_child(must_give_what_is_done, &futures);
    expect_programming_error(must_not_wait, &futures);
    expect_programming_error(must_not_wait_either, &futures);

    gate_open(&gate);
    pass_gate_await(futures.io, &futures.running);
    (void)thread_id_await(futures.io, &futures.done);
    (void)thread_id_await(futures.io, &futures.done_too);
    pinion_pool_destroy(pool);
}

static void must_tell_and_be_forgotten(void *context)
{
    struct pinion_pool *pool = context;
    struct pinion_pool_stats stats = stats_of(pool);
    must(stats.threads == 0 && stats.cpu_count == 3);
    must(stats.capacity == stats.cpu_count - 1 + stats.parallel_count);
    free(report_of(pool));
    free(degraded_of(pool));
    struct pinion_worker_stats rows[8];
    const size_t count = pinion_pool_workers(pool, rows, 8);
    for (size_t i = 0; i < count && i < 8; i++)
        must(!rows[i].alive);
    pinion_pool_destroy(pool);
    use_a_new_pool(NULL);
}

static atomic_bool is_over;

static void *ask_and_spawn(void *argument)
{
    struct pinion_pool *pool = argument;
    struct pinion_io *io = pinion_pool_io(pool);
    while (!atomic_load(&is_over)) {
        struct thread_id_future future;
        if (thread_id_parallel(io, &future) == 0)
            (void)thread_id_await(io, &future);
        (void)stats_of(pool);
    }
    return NULL;
}

static void *ask(void *pool)
{
    while (!atomic_load(&is_over))
        (void)stats_of(pool);
    return NULL;
}

static void the_child_can_ask_about_and_destroy_the_parents_pool(void **state)
{
    (void)state;
    const struct pinion_pool_options options = {.cpu_count = 3, .retire_after = 1};
    struct pinion_pool *pool = make_pool(&options);
    pthread_t asker;
    atomic_store(&is_over, false);
    must(pthread_create(&asker, NULL, TEST_SANITIZED ? ask : ask_and_spawn, pool) == 0);
    for (int i = 0; i < 40 / TEST_SLOW; i++)
        in_a_child(must_tell_and_be_forgotten, pool);
    atomic_store(&is_over, true);
    must(pthread_join(asker, NULL) == 0);
    pinion_pool_destroy(pool);
}

/* The thread has the caller's slot of a pool that is not the child's, whose lock may be held. */
static void the_childs_thread_may_exit(void **state)
{
    (void)state;
    skip_if_malloc_may_hang();
    struct pinion_pool *pool = pool_of(3);
    must(fib(pinion_pool_io(pool), 10) == 55);
    pthread_t asker;
    atomic_store(&is_over, false);
    must(pthread_create(&asker, NULL, ask, pool) == 0);
    for (int i = 0; i < 40 / TEST_SLOW; i++) {
        const pid_t child = start_child();
        if (child == 0) {
            if (i % 2)
                use_a_new_pool(NULL);
            has_lost_stacks = true;
            pthread_exit(NULL);
        }
        must(status_of(child) == 0);
    }
    atomic_store(&is_over, true);
    must(pthread_join(asker, NULL) == 0);
    pinion_pool_destroy(pool);
}

/* ---- a pool of the child's own ---- */

/* Of the signal that cancels use, in a program that does not handle it. */
static void must_not_handle_it(void)
{
    struct sigaction action;
    must(sigaction(SIGURG, NULL, &action) == 0);
    must(action.sa_handler == SIG_DFL);
}

static void use_the_signal(void *unused)
{
    must_not_handle_it();
    use_a_new_pool(unused);
    struct pinion_pool *pool = pool_of(2);
    char *degraded = degraded_of(pool);
    must(!strstr(degraded, "do not interrupt")); /* it is the pool's while there is one */
    free(degraded);
    pinion_pool_destroy(pool);
    must_not_handle_it();
}

static void the_child_has_the_programs_disposition_of_the_signal_that_cancels_use(void **state)
{
    (void)state;
    skip_if_malloc_may_hang();
    struct pinion_pool *pool = pool_of(2), *other = pool_of(1);
    in_a_child(use_the_signal, NULL);
    pinion_pool_destroy(pool);
    in_a_child(use_the_signal, NULL);
    pinion_pool_destroy(other);
    must_not_handle_it();
}

static void use_pools_in_a_grandchild(void *unused)
{
    (void)unused;
    const struct pinion_pool_options options = {.cpu_count = 2};
    struct pinion_pool *pool = make_pool(&options);
    must(fib(pinion_pool_io(pool), 10) == 55);
    in_a_child(use_a_new_pool, NULL);
    in_a_child(must_refuse, pinion_pool_io(pool));
    must(fib(pinion_pool_io(pool), 10) == 55);
    pinion_pool_destroy(pool);
}

static void the_child_makes_pools_of_its_own_and_so_do_its_children(void **state)
{
    (void)state;
    skip_if_malloc_may_hang();
    struct pinion_pool *pool = pool_of(3);
    must(fib(pinion_pool_io(pool), 10) == 55);
    in_a_child(use_pools_in_a_grandchild, NULL);
    pinion_pool_destroy(pool);
}

static struct pinion_arena *shared_arena;

static void *allocate(void *unused)
{
    (void)unused;
    while (!atomic_load(&is_over)) {
        void *small = pinion_arena_alloc(shared_arena, 200, 0);
        void *large = pinion_arena_alloc(shared_arena, 200000, 0);
        must(small && large);
        pinion_arena_free(shared_arena, large, 200000);
        pinion_arena_free(shared_arena, small, 200);
        struct pinion_arena *arena;
        must(pinion_arena_create(-1, &arena) == 0);
        must(pinion_arena_alloc(arena, 100, 0));
        pinion_arena_destroy(arena);
    }
    return NULL;
}

static void *make_and_destroy(void *unused)
{
    (void)unused;
    while (!atomic_load(&is_over)) {
        struct pinion_pool *pool = make_pool(NULL);
        (void)fib(pinion_pool_io(pool), 5);
        pinion_pool_destroy(pool);
    }
    return NULL;
}

static void *spawn_and_cancel(void *argument)
{
    struct pinion_io *io = argument;
    while (!atomic_load(&is_over)) {
        atomic_uint counter = 0;
        struct count_up_future futures[16];
        for (int i = 0; i < 16; i++)
            futures[i] = count_up_async(io, &counter);
        for (int i = 0; i < 16; i++)
            pinion_request_cancel(io, &futures[i].future);
        for (int i = 0; i < 16; i++)
            count_up_await(io, &futures[i]);
        count_up_detached(io, &counter);
        while (atomic_load(&counter) != 17)
            (void)sched_yield();
    }
    return NULL;
}

static void use_all(void *context)
{
    use_a_new_pool(NULL);
    void *block = pinion_arena_alloc(shared_arena, 200, 0);
    void *large = pinion_arena_alloc(shared_arena, 200000, 0);
    must(block && large);
    memset(block, 1, 200);
    memset(large, 1, 200000);
    pinion_arena_free(shared_arena, large, 200000);
    pinion_arena_free(shared_arena, block, 200);
    must_refuse(context);
}

static void a_fork_may_come_while_other_threads_are_in_the_middle_of_anything(void **state)
{
    (void)state;
    const struct pinion_pool_options options = {.cpu_count = 3, .eager = true};
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_io *io = pinion_pool_io(pool);
    must(pinion_arena_create(-1, &shared_arena) == 0);
    atomic_store(&is_over, false);
    pthread_t threads[4];
    must(pthread_create(&threads[0], NULL, allocate, NULL) == 0);
    must(pthread_create(&threads[1], NULL, make_and_destroy, NULL) == 0);
    must(pthread_create(&threads[2], NULL, spawn_and_cancel, io) == 0);
    must(pthread_create(&threads[3], NULL, ask_and_spawn, pool) == 0);
    for (int i = 0; i < 80 / TEST_SLOW; i++) {
        const pid_t child = start_child();
        if (child == 0) {
            if (TEST_SANITIZED)
                must_refuse(io);
            else
                use_all(io);
            _exit(EXITS_WELL);
        }
        must(status_of(child) == 0);
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < 4; i++)
        must(pthread_join(threads[i], NULL) == 0);
    pinion_arena_destroy(shared_arena);
    must(fib(io, 12) == 144);
    pinion_pool_destroy(pool);
}

static void use_the_default_io(void *context)
{
    struct pinion_io *io = pinion_default_io();
    must(io != context && io == pinion_default_io());
    if (context)
        must_refuse(context);
    struct thread_id_future future;
    must(thread_id_parallel(io, &future) == 0);
    must(thread_id_await(io, &future) != gettid());
    must(fib(io, 12) == 144);
}

static void the_child_has_a_default_io_of_its_own(void **state)
{
    (void)state;
    skip_if_malloc_may_hang();
    in_a_child(use_the_default_io, NULL);
    struct pinion_io *io = pinion_default_io();
    must(fib(io, 12) == 144);
    in_a_child(use_the_default_io, io);
    must(io == pinion_default_io());
    must(fib(io, 12) == 144);
}

/* ---- fork in a task ---- */

/* Written by parent and children. */
static atomic_uint *shared_count;

PINION_TASK(void, fork_and_return, (struct pinion_io *, io), (atomic_int *, child))
{
    const pid_t forked = start_child();
    if (forked == 0) {
        must_refuse(io);
        use_a_new_pool(NULL);
        has_lost_stacks = true;
        return; /* the thread, the child's only one, ends */
    }
    atomic_store(child, forked);
}

PINION_TASK(void, fork_when_awaited, (struct pinion_io *, io), (atomic_int *, child))
{
    struct fork_and_return_future future = fork_and_return_async(io, io, child);
    fork_and_return_await(io, &future);
}

/* Both kinds of thread, and tasks that wait in their queues meanwhile: those run in the parent
 * alone. */
static void a_child_that_a_task_forked_ends_with_the_task(void **state)
{
    (void)state;
    skip_if_malloc_may_hang();
    shared_count = mmap(NULL, sizeof *shared_count, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(shared_count != MAP_FAILED);
    for (int way = 0; way < 6; way++) {
        const struct pinion_pool_options options = {.cpu_count = 2, .eager = true};
        struct pinion_pool *pool = make_pool(&options);
        struct pinion_io *io = pinion_pool_io(pool);
        struct gate gate = GATE_INIT;
        atomic_int child = 0;
        atomic_store(shared_count, 0);
        if (way < 4) /* else the one worker forks only when it has all in its queue */
            pass_gate_detached(io, &gate);
        struct pinion_future future = {NULL};
        if (way == 0)
            must(fork_and_return_parallel(io, (struct fork_and_return_future *)(void *)&future, io,
                                          &child) == 0);
        else if (way == 1)
            must(fork_when_awaited_concurrent(
                     io, (struct fork_when_awaited_future *)(void *)&future, io, &child) == 0);
        else if (way % 2)
            fork_when_awaited_detached(io, io, &child);
        else
            fork_and_return_detached(io, io, &child);
        for (int i = 0; i < 5; i++)
            count_up_detached(io, shared_count);
        gate_open(&gate);
        wait_until(atomic_load(&child));
        must(status_of(atomic_load(&child)) == 0);
        pinion_await(io, &future, NULL);
        pinion_pool_destroy(pool);
        assert_int_equal(atomic_load(shared_count), 5);
    }
    must(munmap(shared_count, sizeof *shared_count) == 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_child_may_exec),
        cmocka_unit_test(the_child_may_exit_through_its_handlers),
        cmocka_unit_test(the_childs_thread_may_exit),
        cmocka_unit_test(in_the_child_the_parents_io_refuses_and_runs_in_the_caller),
        cmocka_unit_test(in_the_child_tasks_that_are_done_can_be_awaited_and_selected),
        cmocka_unit_test(the_child_can_ask_about_and_destroy_the_parents_pool),
        cmocka_unit_test(the_child_has_the_programs_disposition_of_the_signal_that_cancels_use),
        cmocka_unit_test(the_child_makes_pools_of_its_own_and_so_do_its_children),
        cmocka_unit_test(a_fork_may_come_while_other_threads_are_in_the_middle_of_anything),
        cmocka_unit_test(the_child_has_a_default_io_of_its_own),
        cmocka_unit_test(a_child_that_a_task_forked_ends_with_the_task),
    };
    if (argc > 1) /* "the_child_*": these alone */
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("pool fork", tests, NULL, NULL);
}
