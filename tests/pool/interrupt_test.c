/* SPDX-License-Identifier: MIT
 *
 * The signal that a pool's cancels interrupt system calls by: taken with the first pool, given back
 * with the last, in the report; and sleeps and waits for signals that are ended by it or without
 * it.
 */
#include "support.h"

#include <fcntl.h>
#include <signal.h>

#include <pinion/clock.h>
#include <pinion/signal.h>

static atomic_uint handled;

static void count_handled(int signal)
{
    (void)signal;
    atomic_fetch_add(&handled, 1);
}

static void handle_by(int signal, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    must(sigaction(signal, &action, NULL) == 0);
}

static struct sigaction disposition(int signal)
{
    struct sigaction action;
    must(sigaction(signal, NULL, &action) == 0);
    return action;
}

static void assert_reports(struct pinion_pool *pool, const char *line)
{
    char *report = report_of(pool);
    assert_says(report, line);
    free(report);
}

/* ---- the disposition ---- */

static void the_handler_is_there_from_the_first_pool_to_the_last(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        assert_true(disposition(SIGURG).sa_handler == SIG_DFL);
        struct pinion_pool *first = pool_of(1), *second = pool_of(2);
        const struct sigaction ours = disposition(SIGURG);
        assert_true(ours.sa_flags & SA_SIGINFO);
        assert_true(ours.sa_flags & SA_ONSTACK);
        assert_reports(first, "\ncancels interrupt system calls by SIGURG\n");
        assert_reports(second, "\ncancels interrupt system calls by SIGURG\n");
        pinion_pool_destroy(first);
        assert_true(disposition(SIGURG).sa_sigaction == ours.sa_sigaction);
        pinion_pool_destroy(second);
    }
    assert_true(disposition(SIGURG).sa_handler == SIG_DFL);
}

static void a_pool_that_could_not_be_made_gives_the_signal_back(void **state)
{
    const struct pinion_pool_options options = {.plan = {.slice_index = 3, .slice_count = 2}};
    struct pinion_pool *pool;
    (void)state;
    assert_int_equal(pinion_pool_create(&options, &pool), -EINVAL);
    assert_true(disposition(SIGURG).sa_handler == SIG_DFL);
}

PINION_TASK(int, wait_for_usr1, (struct pinion_io *, io), (atomic_uint *, inside))
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR1);
    atomic_fetch_add(inside, 1);
    return pinion_signal_wait(io, &set, PINION_FOREVER);
}

static void a_program_that_handles_sigurg_keeps_it_and_cancels_work(void **state)
{
    (void)state;
    atomic_store(&handled, 0);
    handle_by(SIGURG, count_handled);
    handle_by(SIGRTMIN, count_handled);
    struct pinion_pool *pool = pool_of(2);
    struct wait_for_usr1_future future;
    atomic_uint inside = 0;
    assert_reports(pool, "\ncancels interrupt system calls by SIGRTMIN+1, since the program "
                         "handles SIGURG\n");
    assert_int_equal(
        wait_for_usr1_parallel(pinion_pool_io(pool), &future, pinion_pool_io(pool), &inside), 0);
    wait_until(atomic_load(&inside));
    nap(); /* so that it waits, mostly */
    assert_int_equal(wait_for_usr1_cancel(pinion_pool_io(pool), &future), -ECANCELED);
    assert_int_equal(atomic_load(&handled), 0);
    pinion_pool_destroy(pool);
    assert_true(disposition(SIGURG).sa_handler == count_handled);
    assert_true(disposition(SIGRTMIN).sa_handler == count_handled);
    assert_true(disposition(SIGRTMIN + 1).sa_handler == SIG_DFL);
    handle_by(SIGURG, SIG_DFL);
    handle_by(SIGRTMIN, SIG_DFL);
}

static void a_handler_that_the_program_has_set_meanwhile_stays(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(1);
    handle_by(SIGURG, count_handled);
    assert_reports(pool, "\ncancels do not interrupt system calls, since the program has replaced "
                         "the handler of SIGURG\n");
    pinion_pool_destroy(pool);
    assert_true(disposition(SIGURG).sa_handler == count_handled);
    handle_by(SIGURG, SIG_DFL);
}

static void without_a_free_signal_the_pool_is_degraded(void **state)
{
    const char *why = "cancels do not interrupt system calls, since the program ignores SIGURG and "
                      "all real-time signals are taken";
    (void)state;
    handle_by(SIGURG, SIG_IGN);
    for (int signal = SIGRTMIN; signal <= SIGRTMAX; signal++)
        handle_by(signal, SIG_IGN);
    struct pinion_pool *pool = pool_of(1);
    char *degraded = degraded_of(pool);
    assert_says(degraded, why);
    free(degraded);
    assert_reports(pool, why);
    pinion_pool_destroy(pool);
    handle_by(SIGURG, SIG_DFL);
    for (int signal = SIGRTMIN; signal <= SIGRTMAX; signal++)
        handle_by(signal, SIG_DFL);
}

/* ---- what a pool's tasks wait for ---- */

static void the_signal_of_cancels_can_not_be_waited_for(void **state)
{
    (void)state;
    sigset_t set;
    struct pinion_pool *pool = pool_of(1);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGURG);
    assert_int_equal(pinion_signal_wait(pinion_pool_io(pool), &set, 0), -EINVAL);
    assert_says(pinion_error_detail(), "the one that cancels use");
    pinion_pool_destroy(pool);
}

PINION_TASK(int, sleep_for_ever, (struct pinion_io *, io), (atomic_int *, tid))
{
    atomic_store(tid, (int)gettid());
    return pinion_sleep(io, PINION_FOREVER);
}

static void a_sleep_takes_no_cpu_also_where_idle_threads_poll(void **state)
{
    const struct pinion_pool_options options = {.cpu_count = 2, .idle = PINION_IDLE_POLL};
    (void)state;
    struct pinion_pool *pool = make_pool(&options);
    struct sleep_for_ever_future future;
    atomic_int tid = 0;
    assert_int_equal(
        sleep_for_ever_parallel(pinion_pool_io(pool), &future, pinion_pool_io(pool), &tid), 0);
    wait_until(atomic_load(&tid) && sleeps(atomic_load(&tid)));
    assert_int_equal(sleep_for_ever_cancel(pinion_pool_io(pool), &future), -ECANCELED);
    pinion_pool_destroy(pool);
}

struct canceler {
    struct pinion_io *io;
    struct pinion_future *future;
    atomic_uint inside;
};

static void *cancel_when_inside(void *argument)
{
    struct canceler *canceler = argument;
    wait_until(atomic_load(&canceler->inside));
    nap(); /* so that it waits, mostly */
    pinion_request_cancel(canceler->io, canceler->future);
    return NULL;
}

/* A task that await runs on a thread of the program, which blocks the signal. */
static void a_cancel_reaches_a_task_on_a_thread_that_blocks_the_signal(void **state)
{
    (void)state;
    sigset_t all, former, pending;
    struct pinion_pool *pool = pool_of(2);
    struct pinion_io *io = pinion_pool_io(pool);
    struct gate gate = GATE_INIT;
    (void)sigfillset(&all);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &all, &former), 0);
    struct pass_gate_future held = pass_gate_async(io, &gate);
    wait_until(atomic_load(&gate.arrived)); /* the one worker has it */
    for (int i = 0; i < 20; i++) {
        struct wait_for_usr1_future future;
        struct canceler canceler = {.io = io, .future = &future.future};
        pthread_t thread;
        future = wait_for_usr1_async(io, io, &canceler.inside);
        assert_non_null(future.future.task); /* queued: nobody but this thread will run it */
        assert_int_equal(pthread_create(&thread, NULL, cancel_when_inside, &canceler), 0);
        assert_int_equal(wait_for_usr1_await(io, &future), -ECANCELED);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    gate_open(&gate);
    pass_gate_await(io, &held);
    assert_int_equal(sigpending(&pending), 0);
    assert_false(sigismember(&pending, SIGURG));
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &former, NULL), 0);
    pinion_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_handler_is_there_from_the_first_pool_to_the_last),
        cmocka_unit_test(a_pool_that_could_not_be_made_gives_the_signal_back),
        cmocka_unit_test(a_program_that_handles_sigurg_keeps_it_and_cancels_work),
        cmocka_unit_test(a_handler_that_the_program_has_set_meanwhile_stays),
        cmocka_unit_test(without_a_free_signal_the_pool_is_degraded),
        cmocka_unit_test(the_signal_of_cancels_can_not_be_waited_for),
        cmocka_unit_test(a_sleep_takes_no_cpu_also_where_idle_threads_poll),
        cmocka_unit_test(a_cancel_reaches_a_task_on_a_thread_that_blocks_the_signal),
    };
    return cmocka_run_group_tests_name("pool interrupt", tests, NULL, NULL);
}
