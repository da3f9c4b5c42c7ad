/* SPDX-License-Identifier: MIT
 *
 * Fork in a program that has a loop at work: by another thread, by the main task, by a fiber of a
 * worker. In the child no other fiber goes on, and it may have pools and loops of its own.
 */
#include "loops.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

/* Seen by parent and children. */
static struct shared {
    atomic_uint steps_in_child, counted;
    _Atomic pid_t parent;
} *shared;

static void must_end_well(pid_t child)
{
    int status;
    must(child > 0 && waitpid(child, &status, 0) == child);
    must(status == 0);
}

PINION_TASK(int, seven)
{
    return 7;
}

PINION_TASK(int, sleep_long, (struct pinion_io *, io))
{
    return pinion_sleep(io, LONG_NS);
}

/* ---- in the child ---- */

static void do_nothing(struct pinion_io *io, void *argument)
{
    (void)io;
    (void)argument;
    must(false);
}

static void must_refuse(struct pinion_loop *loop)
{
    struct pinion_io *io = pinion_loop_io(loop);
    struct seven_future future;
    struct pinion_mutex mutex = {0};
    char byte;
    int ends[2];
    must(seven_concurrent(io, &future) == -ECHILD && seven_parallel(io, &future) == -ECHILD);
    future = seven_async(io);
    must(!future.future.task && seven_await(io, &future) == 7);
    must(pinion_sleep(io, 1000) == 0);
    must(pipe(ends) == 0 && pinion_read(io, ends[0], &byte, 1) == -ECHILD);
    must(close(ends[0]) == 0 && pinion_close(io, ends[1]) == 0);
    must(pinion_mutex_lock(io, &mutex) == -ECHILD);
    pinion_yield(io);
    must(try_run(loop, do_nothing, NULL) == -ECHILD);
    pinion_loop_stop(loop);
    (void)loop_stats(loop);
    free(words_of(loop));
}

static void use_fibers(struct pinion_io *io, void *unused)
{
    (void)unused;
    for (int i = 0; i < 10; i++) {
        struct sleep_long_future sleeper;
        must(sleep_long_concurrent(io, &sleeper, io) == 0);
        must(pinion_sleep(io, 1000) == 0);
        must(sleep_long_cancel(io, &sleeper) == -ECANCELED);
    }
}

static void use_new_ones(void)
{
    struct pinion_loop *loop = loop_of(2);
    struct pinion_pool *pool = pool_of(2);
    struct pinion_io *ios[] = {pinion_pool_io(pool), pinion_loop_io(loop)};
    for (int i = 0; i < 2; i++) {
        struct sleep_long_future sleeper;
        must(sleep_long_concurrent(ios[i], &sleeper, ios[i]) == 0);
        must(pinion_sleep(ios[i], 1000) == 0);
        must(sleep_long_cancel(ios[i], &sleeper) == -ECANCELED);
    }
    run_in(loop, use_fibers, NULL);
    pinion_loop_destroy(loop);
    pinion_pool_destroy(pool);
}

/* ---- by another thread ---- */

static atomic_bool runs, is_over;

static void be_busy(struct pinion_io *io, void *unused)
{
    (void)unused;
    atomic_store(&runs, true);
    while (!pinion_cancel_requested(io))
        (void)pinion_sleep(io, 10000);
}

static void *work_in(void *loop)
{
    run_in(loop, be_busy, NULL);
    return NULL;
}

static void a_child_leaves_the_running_loop_of_its_parent_alone(void **state)
{
    struct pinion_loop *loop = loop_of(2);
    pthread_t worker;
    (void)state;
    atomic_store(&runs, false);
    must(pthread_create(&worker, NULL, work_in, loop) == 0);
    wait_until(atomic_load(&runs));
    for (int i = 0; i < 10; i++) {
        const pid_t child = start_child();
        if (child == 0) {
            must_refuse(loop);
            use_new_ones();
            pinion_loop_destroy(loop);
            _exit(0);
        }
        must_end_well(child);
    }
    pinion_loop_stop(loop);
    must(pthread_join(worker, NULL) == 0);
    run_in(loop, use_fibers, NULL);
    pinion_loop_destroy(loop);
}

static void *make_and_destroy(void *unused)
{
    (void)unused;
    while (!atomic_load(&is_over)) {
        struct pinion_loop *loop = loop_of(2);
        run_in(loop, use_fibers, NULL);
        pinion_loop_destroy(loop);
    }
    return NULL;
}

static void a_fork_may_come_while_loops_are_made_used_and_destroyed(void **state)
{
    pthread_t makers[2], worker;
    struct pinion_loop *loop = loop_of(2);
    (void)state;
    atomic_store(&runs, false);
    atomic_store(&is_over, false);
    must(pthread_create(&worker, NULL, work_in, loop) == 0);
    for (int i = 0; i < 2; i++)
        must(pthread_create(&makers[i], NULL, make_and_destroy, NULL) == 0);
    wait_until(atomic_load(&runs));
    for (int i = 0; i < 30; i++) {
        const pid_t child = start_child();
        if (child == 0) {
            must_refuse(loop);
            use_new_ones();
            _exit(0);
        }
        must_end_well(child);
    }
    atomic_store(&is_over, true);
    pinion_loop_stop(loop);
    must(pthread_join(worker, NULL) == 0);
    for (int i = 0; i < 2; i++)
        must(pthread_join(makers[i], NULL) == 0);
    pinion_loop_destroy(loop);
}

/* ---- by a fiber ---- */

PINION_TASK(void, step_on, (struct pinion_io *, io))
{
    while (!pinion_cancel_requested(io)) {
        if (getpid() != atomic_load(&shared->parent))
            atomic_fetch_add(&shared->steps_in_child, 1);
        pinion_yield(io);
    }
}

PINION_TASK(void, count_up_shared)
{
    atomic_fetch_add(&shared->counted, 1);
}

static void fork_among_others(struct pinion_io *io, void *loop)
{
    struct step_on_future others[3];
    struct sleep_long_future sleeper;
    struct count_up_shared_future queued[5];
    for (int i = 0; i < 3; i++)
        must(step_on_concurrent(io, &others[i], io) == 0);
    must(sleep_long_concurrent(io, &sleeper, io) == 0);
    for (int i = 0; i < 3; i++)
        pinion_yield(io);
    for (int i = 0; i < 5; i++)
        queued[i] = count_up_shared_async(io);
    const pid_t child = start_child();
    if (child == 0) {
        must_refuse(loop);
        use_new_ones();
        return;
    }
    must_end_well(child);
    for (int i = 0; i < 5; i++)
        count_up_shared_await(io, &queued[i]);
    must(sleep_long_cancel(io, &sleeper) == -ECANCELED);
    for (int i = 0; i < 3; i++)
        step_on_cancel(io, &others[i]);
}

static void a_child_that_the_main_task_forked_goes_on_after_run(void **state)
{
    const pid_t parent = getpid();
    sigset_t signals, now_signals;
    cpu_set_t mask, now_mask;
    (void)state;
    struct pinion_loop *loop = loop_of(1);
    must(pthread_sigmask(SIG_SETMASK, NULL, &signals) == 0);
    must(sched_getaffinity(0, sizeof mask, &mask) == 0);
    atomic_store(&shared->parent, parent);
    const int error = try_run(loop, fork_among_others, loop);
    if (getpid() != parent) {
        must(error == -ECHILD && strstr(pinion_error_detail(), "parent"));
        must(sched_getaffinity(0, sizeof now_mask, &now_mask) == 0);
        must(CPU_EQUAL(&mask, &now_mask));
        must(pthread_sigmask(SIG_SETMASK, NULL, &now_signals) == 0);
        must(sigismember(&now_signals, SIGPIPE) == sigismember(&signals, SIGPIPE));
        must_refuse(loop);
        use_new_ones();
        _exit(0);
    }
    assert_int_equal(error, 0);
    assert_int_equal(atomic_load(&shared->steps_in_child), 0);
    assert_int_equal(atomic_load(&shared->counted), 5);
    run_in(loop, use_fibers, NULL);
    pinion_loop_destroy(loop);
}

PINION_TASK(void, fork_as_task, (struct pinion_io *, io), (struct pinion_loop *, loop))
{
    fork_among_others(io, loop);
}

static void a_child_that_a_workers_fiber_forked_ends_with_its_task(void **state)
{
    struct pinion_loop *loop = loop_of(2);
    struct pinion_io *io = pinion_loop_io(loop);
    struct fork_as_task_future future;
    (void)state;
    atomic_store(&shared->parent, getpid());
    must(fork_as_task_concurrent(io, &future, io, loop) == 0);
    fork_as_task_await(io, &future);
    assert_int_equal(atomic_load(&shared->steps_in_child), 0);
    assert_int_equal(atomic_load(&shared->counted), 5);
    pinion_loop_destroy(loop);
}

static int clear_shared(void **state)
{
    (void)state;
    atomic_store(&shared->steps_in_child, 0);
    atomic_store(&shared->counted, 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_leaves_the_running_loop_of_its_parent_alone),
        cmocka_unit_test(a_fork_may_come_while_loops_are_made_used_and_destroyed),
        cmocka_unit_test_setup(a_child_that_the_main_task_forked_goes_on_after_run, clear_shared),
        cmocka_unit_test_setup(a_child_that_a_workers_fiber_forked_ends_with_its_task,
                               clear_shared),
    };
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(shared != MAP_FAILED);
    if (IS_SANITIZED) {
        print_message("skipped: a sanitizer's malloc may hang in a child of a program with "
                      "threads\n");
        return 77;
    }
    return run_on_both(tests);
}
