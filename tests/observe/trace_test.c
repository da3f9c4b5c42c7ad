/* SPDX-License-Identifier: MIT
 *
 * Traces as a program meets them: when the file is there, what ends a trace, and that it leaves the
 * program alone. What is in the file is trace.py's.
 */
#include "../pool/support.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <pinion/trace.h>

/* Children go on with threads of their own. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "die_after_fork=0"; }

/* What only the stacks of threads that are not in a child point to is no leak. */
static bool is_child;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) { return is_child; }

static pid_t begin_child(void)
{
    const pid_t child = start_child();
    is_child |= child == 0;
    return child;
}

static char folder[] = "/tmp/pinion-trace-XXXXXX";
static char path[64], part[80];
static struct pinion_pool *pool;
static struct pinion_io *io;

PINION_TASK(int, twice, (int, n))
{
    return 2 * n;
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(path, sizeof path, "%s/t", folder);
    (void)snprintf(part, sizeof part, "%s.part", path);
    pool = make_pool(&(struct pinion_pool_options){.cpu_count = 3, .eager = true});
    io = pinion_pool_io(pool);
    return 0;
}

static int clear(void **state)
{
    (void)state;
    (void)unlink(path);
    (void)unlink(part);
    return 0;
}

static int tear_down(void **state)
{
    pinion_pool_destroy(pool);
    (void)clear(state);
    return rmdir(folder);
}

static bool is_there(const char *name) { return access(name, F_OK) == 0; }

static int64_t size_of(const char *name)
{
    struct stat status;
    return stat(name, &status) == 0 ? (int64_t)status.st_size : -1;
}

/* Runs some tasks, whose results must be right whatever becomes of a trace. */
static void run_tasks(int count)
{
    for (int i = 0; i < count; i++) {
        struct twice_future one = twice_async(io, i), other = twice_async(io, -i);
        must(twice_await(io, &one) + twice_await(io, &other) == 0);
    }
}

static struct pinion_trace_stats stats_now(void)
{
    struct pinion_trace_stats stats;
    pinion_trace_stats(&stats);
    return stats;
}

static void assert_refused(int error, const char *words, const char *name,
                           const struct pinion_trace_options *options)
{
    assert_int_equal(pinion_trace_start(name, options), -error);
    assert_non_null(strstr(pinion_error_detail(), words));
    assert_false(stats_now().is_on);
}

/* ---- the file ---- */

static void the_file_is_there_when_the_trace_is_stopped(void **state)
{
    (void)state;
    assert_int_equal(pinion_trace_start(path, NULL), 0);
    assert_true(stats_now().is_on);
    run_tasks(100);
    assert_false(is_there(path));
    assert_true(is_there(part));
    assert_int_equal(pinion_trace_stop(), 0);
    assert_true(is_there(path));
    assert_false(is_there(part));
    const struct pinion_trace_stats stats = stats_now();
    assert_false(stats.is_on);
    assert_true(stats.events >= 100 * 2 * 4); /* queued, begun, ended, awaited */
    assert_int_equal(stats.dropped, 0);
    assert_int_equal(stats.bytes, size_of(path));
    assert_int_equal(stats.error, 0);
}

static void a_file_that_was_there_stays_until_the_end(void **state)
{
    (void)state;
    const int file = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(file, "old", 3), 3);
    (void)close(file);
    assert_int_equal(pinion_trace_start(path, NULL), 0);
    assert_int_equal(size_of(path), 3);
    assert_int_equal(pinion_trace_stop(), 0);
    assert_true(size_of(path) > 3);
}

static void what_one_left_that_died_is_written_over(void **state)
{
    (void)state;
    const int file = open(part, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(ftruncate(file, 1 << 20), 0);
    (void)close(file);
    assert_int_equal(pinion_trace_start(path, NULL), 0);
    assert_int_equal(pinion_trace_stop(), 0);
    assert_true(size_of(path) < 1 << 20);
}

static void the_program_may_change_its_folder_meanwhile(void **state)
{
    (void)state;
    char *before = getcwd(NULL, 0);
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(pinion_trace_start("t", NULL), 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(pinion_trace_stop(), 0);
    assert_true(is_there(path));
    assert_int_equal(chdir(before), 0);
    free(before);
}

/* ---- what is refused ---- */

static void what_can_not_be_traced_is_refused_with_words(void **state)
{
    (void)state;
    const struct pinion_trace_options small = {.ring_bytes = 1}, reserved = {.reserved = {1}};
    assert_refused(EINVAL, "name of a file", "", NULL);
    assert_refused(EINVAL, "name of a file", NULL, NULL);
    assert_refused(EINVAL, "no file", folder, NULL);
    assert_refused(EINVAL, "no file", "/dev/null", NULL);
    assert_refused(ENOENT, "No such file", "/nowhere/at/all", NULL);
    assert_refused(EINVAL, "ring_bytes is 1", path, &small);
    assert_refused(EINVAL, "reserved", path, &reserved);
    assert_false(is_there(part));
}

static void one_trace_is_on_at_a_time(void **state)
{
    (void)state;
    assert_int_equal(pinion_trace_start(path, NULL), 0);
    assert_int_equal(pinion_trace_start(path, NULL), -EBUSY);
    assert_non_null(strstr(pinion_error_detail(), path));
    assert_int_equal(pinion_trace_stop(), 0);
    assert_int_equal(pinion_trace_stop(), 0); /* none is on */
}

static void a_file_that_another_process_traces_to_is_refused(void **state)
{
    (void)state;
    const int file = open(part, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(flock(file, LOCK_EX), 0);
    assert_refused(EBUSY, "another process", path, NULL);
    (void)close(file);
    assert_int_equal(pinion_trace_start(path, NULL), 0);
    assert_int_equal(pinion_trace_stop(), 0);
}

/* ---- what ends a trace ---- */

static void a_full_disk_ends_the_trace_and_not_the_program(void **state)
{
    (void)state;
    assert_int_equal(symlink("/dev/full", part), 0);
    assert_int_equal(pinion_trace_start(path, NULL), 0);
    wait_until((run_tasks(10), stats_now().error));
    assert_false(stats_now().is_on);
    run_tasks(100);
    assert_int_equal(pinion_trace_stop(), -ENOSPC);
    assert_non_null(strstr(pinion_error_detail(), "No space left"));
    assert_non_null(strstr(pinion_error_detail(), part));
    assert_false(is_there(path));
    assert_int_equal(stats_now().error, -ENOSPC);
}

/* In a child, which is the only one that is limited. SIGXFSZ would end it. */
static void trace_into_little_room(void)
{
    const struct rlimit little = {.rlim_cur = 10000, .rlim_max = 10000};
    must(setrlimit(RLIMIT_FSIZE, &little) == 0);
    pool = make_pool(&(struct pinion_pool_options){.cpu_count = 2, .eager = true});
    io = pinion_pool_io(pool);
    must(pinion_trace_start(path, NULL) == 0);
    wait_until((run_tasks(100), stats_now().error));
    run_tasks(100);
    must(pinion_trace_stop() == -EFBIG);
    must((uint64_t)size_of(part) == stats_now().bytes); /* to the last whole packet */
    must(size_of(path) == -1);
    pinion_pool_destroy(pool);
    _exit(0);
}

static int status_of_child(pid_t child)
{
    int status;
    return waitpid(child, &status, 0) == child ? status : -1;
}

static void a_file_that_may_not_grow_ends_the_trace_and_not_the_program(void **state)
{
    (void)state;
    const pid_t child = begin_child();
    if (child == 0)
        trace_into_little_room();
    assert_int_equal(status_of_child(child), 0);
}

static void the_end_of_the_process_finishes_a_trace(void **state)
{
    (void)state;
    const pid_t child = begin_child();
    if (child == 0) {
        must(pinion_trace_start(path, NULL) == 0);
        exit(0);
    }
    assert_int_equal(status_of_child(child), 0);
    assert_true(is_there(path));
    assert_false(is_there(part));
}

/* ---- children ---- */

static void trace_in_child(void)
{
    char name[96];
    must(!stats_now().is_on);
    (void)snprintf(name, sizeof name, "%s-child", path);
    pool = make_pool(&(struct pinion_pool_options){.cpu_count = 2, .eager = true});
    io = pinion_pool_io(pool);
    run_tasks(10);
    must(pinion_trace_start(name, NULL) == 0);
    run_tasks(10);
    must(pinion_trace_stop() == 0 && is_there(name) && unlink(name) == 0);
    pinion_pool_destroy(pool);
    exit(0);
}

static void a_child_is_not_traced_and_may_trace_itself(void **state)
{
    (void)state;
    assert_int_equal(pinion_trace_start(path, NULL), 0);
    run_tasks(10);
    for (int i = 0; i < 5; i++) {
        const pid_t child = begin_child();
        if (child == 0)
            trace_in_child();
        assert_int_equal(status_of_child(child), 0);
    }
    assert_true(is_there(part));
    run_tasks(10);
    assert_int_equal(pinion_trace_stop(), 0);
    assert_true(is_there(path));
}

/* ---- rings ---- */

PINION_TASK(void, name_often, (int, times))
{
    for (int i = 0; i < times; i++)
        pinion_task_name("a name of more than sixteen bytes");
}

static void what_has_no_room_is_counted(void **state)
{
    (void)state;
    const struct pinion_trace_options options = {.ring_bytes = 2048};
    struct name_often_future future;
    assert_int_equal(pinion_trace_start(path, &options), 0);
    assert_int_equal(name_often_parallel(io, &future, 100000), 0);
    name_often_await(io, &future);
    assert_int_equal(pinion_trace_stop(), 0);
    assert_true(stats_now().dropped > 0);
    assert_true(stats_now().events + stats_now().dropped >= 300000);
}

static void names_outside_of_traces_and_tasks_do_nothing(void **state)
{
    (void)state;
    pinion_task_name("nobody");
    pinion_trace_name_start(twice_start, "nobody");
    assert_int_equal(pinion_trace_start(path, NULL), 0);
    pinion_task_name("nobody");
    assert_int_equal(pinion_trace_stop(), 0);
    assert_true(stats_now().events == 0);
}

static void *run_tasks_until(void *stop)
{
    while (!atomic_load((atomic_bool *)stop)) {
        struct twice_future future = twice_async(io, 1);
        must(twice_await(io, &future) == 2);
        struct pinion_group group = PINION_GROUP_INIT;
        atomic_uint count = 0;
        for (int i = 0; i < 8; i++)
            count_up_group(io, &group, &count);
        must(pinion_group_await(io, &group) == 0 && atomic_load(&count) == 8);
    }
    return NULL;
}

static void traces_begin_and_end_while_threads_come_and_go(void **state)
{
    (void)state;
    atomic_bool stop = false;
    pthread_t threads[2], one;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_tasks_until, &stop), 0);
    for (int i = 0; i < 40; i++) {
        atomic_bool now = true;
        assert_int_equal(pinion_trace_start(path, NULL), 0);
        run_tasks(20);
        assert_int_equal(pthread_create(&one, NULL, run_tasks_until, &now), 0);
        assert_int_equal(pthread_join(one, NULL), 0);
        assert_int_equal(pinion_trace_stop(), 0);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* ---- the report ---- */

static void the_report_says_where_a_trace_goes(void **state)
{
    (void)state;
    char *text;
    size_t size;
    assert_int_equal(pinion_trace_start(path, NULL), 0);
    FILE *stream = open_memstream(&text, &size);
    assert_int_equal(pinion_pool_report(pool, stream), 0);
    (void)fclose(stream);
    assert_int_equal(pinion_trace_stop(), 0);
    assert_non_null(strstr(text, "trace: to /tmp/pinion-trace-"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_file_is_there_when_the_trace_is_stopped, clear),
        cmocka_unit_test_teardown(a_file_that_was_there_stays_until_the_end, clear),
        cmocka_unit_test_teardown(what_one_left_that_died_is_written_over, clear),
        cmocka_unit_test_teardown(the_program_may_change_its_folder_meanwhile, clear),
        cmocka_unit_test_teardown(what_can_not_be_traced_is_refused_with_words, clear),
        cmocka_unit_test_teardown(one_trace_is_on_at_a_time, clear),
        cmocka_unit_test_teardown(a_file_that_another_process_traces_to_is_refused, clear),
        cmocka_unit_test_teardown(a_full_disk_ends_the_trace_and_not_the_program, clear),
        cmocka_unit_test_teardown(a_file_that_may_not_grow_ends_the_trace_and_not_the_program,
                                  clear),
        cmocka_unit_test_teardown(the_end_of_the_process_finishes_a_trace, clear),
        cmocka_unit_test_teardown(a_child_is_not_traced_and_may_trace_itself, clear),
        cmocka_unit_test_teardown(what_has_no_room_is_counted, clear),
        cmocka_unit_test_teardown(names_outside_of_traces_and_tasks_do_nothing, clear),
        cmocka_unit_test_teardown(traces_begin_and_end_while_threads_come_and_go, clear),
        cmocka_unit_test_teardown(the_report_says_where_a_trace_goes, clear),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
