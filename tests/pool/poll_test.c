/* SPDX-License-Identifier: MIT
 *
 * A polling pool makes no system call once it is warm, however its tasks are started, handed over
 * and awaited.
 *
 * Each case is a child: a filter sends every thread that makes a system call a signal, whose
 * handler counts. The clock alone passes, for machines that have none without a system call.
 */
#include "support.h"

#include <sys/wait.h>

#include "../filters.h"

/* How the child ends, if not as it should. */
enum { EXIT_OK, EXIT_SYSTEM_CALLS, EXIT_BLIND, EXIT_NO_FILTER = 77 };

struct work {
    struct pinion_pool_options options;
    void (*run)(struct pinion_io *io, unsigned count);
    unsigned count;
};

static void spawn_async(struct pinion_io *io, unsigned count)
{
    atomic_uint counter = 0;
    for (unsigned i = 0; i < count; i++) {
        struct count_up_future future = count_up_async(io, &counter);
        count_up_await(io, &future);
    }
    must(atomic_load(&counter) == count);
}

static void spawn_detached(struct pinion_io *io, unsigned count)
{
    atomic_uint counter = 0;
    for (unsigned i = 0; i < count; i++)
        count_up_detached(io, &counter);
    while (atomic_load(&counter) < count)
        continue;
}

static void spawn_reserved(struct pinion_io *io, unsigned count)
{
    atomic_uint counter = 0;
    for (unsigned i = 0; i < count; i++) {
        struct count_up_future futures[2];
        must(count_up_concurrent(io, &futures[0], &counter) == 0);
        must(count_up_parallel(io, &futures[1], &counter) == 0);
        count_up_await(io, &futures[0]);
        count_up_await(io, &futures[1]);
    }
    must(atomic_load(&counter) == 2 * count);
}

PINION_TASK(void, note_thread, (atomic_int *, thread)) { atomic_store(thread, gettid()); }

/* A thread that begins late would be seen to take its seat; its signals are blocked then, which
 * ends the process. */
static void wait_for_another_worker(struct pinion_io *io)
{
    atomic_int thread;
    do {
        atomic_store(&thread, 0);
        note_thread_detached(io, &thread);
        while (!atomic_load(&thread))
            continue;
    } while (atomic_load(&thread) == gettid());
}

/* In the child. The pool is left alone: to end it takes system calls. */
static int watch(const struct work *work)
{
    struct pinion_io *io = pinion_pool_io(make_pool(&work->options));
    work->run(io, work->count);
    if (work->options.cpu_count > 1)
        wait_for_another_worker(io);
    if (!watch_calls(-1))
        return EXIT_NO_FILTER;
    work->run(io, work->count);
    const unsigned made = atomic_load(&calls);
    (void)syscall(SYS_getppid);
    if (atomic_load(&calls) != made + 1)
        return EXIT_BLIND;
    if (made)
        (void)fprintf(stderr, "%u system calls, the first is number %d\n", made,
                      atomic_load(&first_call));
    return made ? EXIT_SYSTEM_CALLS : EXIT_OK;
}

static void assert_no_calls(const struct work *work)
{
    int status;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(watch(work));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == EXIT_NO_FILTER) {
        print_message("the kernel has no system call filters\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), EXIT_OK);
}

#define POLLING(...)                                                                               \
    {                                                                                              \
        .idle = PINION_IDLE_POLL, .retire_after = LONG_NS, __VA_ARGS__                             \
    }

static void async_tasks_take_no_system_call(void **state)
{
    const struct work work = {POLLING(.cpu_count = 2), spawn_async, 100000};
    (void)state;
    assert_no_calls(&work);
}

static void eager_async_tasks_take_no_system_call(void **state)
{
    const struct work work = {POLLING(.cpu_count = 2, .eager = true), spawn_async, 100000};
    (void)state;
    assert_no_calls(&work);
}

static void detached_tasks_take_no_system_call(void **state)
{
    const struct work work = {POLLING(.cpu_count = 2), spawn_detached, 1000};
    (void)state;
    assert_no_calls(&work);
}

static void tasks_on_warm_reserve_threads_take_no_system_call(void **state)
{
    const struct work work = {POLLING(.cpu_count = 1), spawn_reserved, 200};
    (void)state;
    assert_no_calls(&work);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(async_tasks_take_no_system_call),
        cmocka_unit_test(eager_async_tasks_take_no_system_call),
        cmocka_unit_test(detached_tasks_take_no_system_call),
        cmocka_unit_test(tasks_on_warm_reserve_threads_take_no_system_call),
    };
    if (TEST_SLOW > 1) {
        print_message("skipped: sanitizers make system calls of their own\n");
        return 77;
    }
    return cmocka_run_group_tests_name("pool poll", tests, NULL, NULL);
}
