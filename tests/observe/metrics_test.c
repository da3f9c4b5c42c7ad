/* SPDX-License-Identifier: MIT
 *
 * Metrics: what the text says, in buffers of all sizes, while workers run and pools come and go.
 * That a parser of others' takes it is metrics.py's to see.
 */
#include "metrics.h"

#include <stdalign.h>
#include <sys/wait.h>

#include <pinion/loop.h>

/* The sum of a metric's samples whose labels have that part, or any; counts them, too. */
static double sum_of(const char *text, const char *name, const char *part, unsigned *count)
{
    double sum = 0;
    const size_t length = strlen(name);
    *count = 0;
    for (const char *line = text; line && *line; line = strchr(line, '\n') + 1) {
        const char *end = strchr(line, '\n'), *found = strstr(line, part);
        if (strncmp(line, name, length) || line[length] != '{' || !found || found > end)
            continue;
        sum += strtod(strchr(line, '}') + 1, NULL);
        ++*count;
    }
    return sum;
}

static uint64_t total(const char *text, const char *name)
{
    unsigned count;
    return (uint64_t)sum_of(text, name, "", &count);
}

/* ---- counters and gauges ---- */

static void assert_sums(struct pinion_pool *pool)
{
    const struct pinion_pool_stats stats = stats_of(pool);
    const struct {
        const char *name;
        uint64_t value;
    } all[] = {
        {"pinion_cpus", stats.cpu_count},
        {"pinion_reservations", stats.parallel_count},
        {"pinion_capacity", stats.capacity},
        {"pinion_threads", stats.threads},
        {"pinion_threads_peak", stats.threads_peak},
        {"pinion_inlined_total", stats.inlined},
        {"pinion_queued_total", stats.queued},
        {"pinion_claimed_total", stats.claimed},
        {"pinion_stolen_near_total", stats.stolen_near},
        {"pinion_stolen_far_total", stats.stolen_far},
        {"pinion_injected_total", stats.injected},
        {"pinion_parked_total", stats.parked},
        {"pinion_woken_total", stats.woken},
        {"pinion_remote_frees_total", stats.remote_frees},
        {"pinion_searched_total", stats.searched},
    };
    char *text = metrics();
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (total(text, all[i].name) != all[i].value)
            fail_msg("%s is %llu, not %llu", all[i].name,
                     (unsigned long long)total(text, all[i].name),
                     (unsigned long long)all[i].value);
    free(text);
}

static void the_sums_over_workers_are_what_the_stats_say(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(3);
    work(pinion_pool_io(pool));
    wait_until(is_idle(pool));
    assert_int_equal(stats_of(pool).injected, 100);
    assert_sums(pool);
    pinion_pool_destroy(pool);
}

static void what_a_worker_ran_is_told_by_its_name(void **state)
{
    (void)state;
    unsigned count;
    struct pinion_pool *pool = pool_of(2);
    struct thread_id_future ids[9]; /* in more than one chunk of reserve threads */
    for (int i = 0; i < 9; i++)
        must(thread_id_parallel(pinion_pool_io(pool), &ids[i]) == 0);
    for (int i = 0; i < 9; i++)
        (void)thread_id_await(pinion_pool_io(pool), &ids[i]);
    char *text = metrics();
    assert_int_equal(sum_of(text, "pinion_tasks_total", "worker=\"reserve\"", &count), 9);
    assert_int_equal(count, 1); /* however many threads there are */
    assert_int_equal(sum_of(text, "pinion_tasks_total", "worker=\"caller\"", &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(sum_of(text, "pinion_queued_total", "worker=\"outside\"", &count), 0);
    assert_int_equal(count, 1);
    free(text);
    pinion_pool_destroy(pool);
}

static void run_fibers(const void *io, void *unused)
{
    (void)unused;
    atomic_uint count = 0;
    struct count_up_future futures[5];
    for (int i = 0; i < 5; i++)
        must(count_up_concurrent(*(struct pinion_io *const *)io, &futures[i], &count) == 0);
    for (int i = 0; i < 5; i++)
        count_up_await(*(struct pinion_io *const *)io, &futures[i]);
}

static void a_loop_tells_its_fibers_too(void **state)
{
    (void)state;
    unsigned count;
    struct pinion_loop *loop;
    const struct pinion_loop_options options = {.cpu_count = 2};
    must(pinion_loop_create(&options, &loop) == 0);
    struct pinion_io *io = pinion_loop_io(loop);
    const struct pinion_call call = {.start = run_fibers, .context = &io,
                                     .context_size = sizeof io,
                                     .context_align = alignof(struct pinion_io *)};
    struct pinion_pool *pool = pool_of(1);
    must(pinion_loop_run(loop, &call, NULL) == 0);
    char *text = metrics();
    assert_int_equal(sum_of(text, "pinion_fibers_started_total", "kind=\"loop\"", &count), 6);
    (void)sum_of(text, "pinion_fibers_started_total", "kind=\"pool\"", &count);
    assert_int_equal(count, 0);
    assert_true(sum_of(text, "pinion_stack_bytes", "kind=\"loop\"", &count) > 0);
    (void)sum_of(text, "pinion_cpus", "", &count);
    assert_int_equal(count, 2);
    free(text);
    pinion_pool_destroy(pool);
    pinion_loop_destroy(loop);
}

/* ---- how long tasks wait and run ---- */

#define SPELL_NS INT64_C(2000000)

static void let_time_pass(void)
{
    const int64_t until = clock_ns() + SPELL_NS;
    while (clock_ns() < until)
        (void)sched_yield();
}

PINION_TASK(void, take_time)
{
    let_time_pass();
}

static uint64_t timed(const char *what)
{
    char name[64];
    char *text = metrics();
    (void)snprintf(name, sizeof name, "pinion_task_%s_seconds_count", what);
    const uint64_t count = total(text, name);
    free(text);
    return count;
}

static double seconds(const char *what)
{
    char name[64];
    unsigned count;
    char *text = metrics();
    (void)snprintf(name, sizeof name, "pinion_task_%s_seconds_sum", what);
    const double sum = sum_of(text, name, "", &count);
    free(text);
    return sum;
}

static void every_task_that_was_queued_or_handed_over_is_timed_once(void **state)
{
    (void)state;
    const struct pinion_pool_options options = {
        .cpu_count = 3, .retire_after = LONG_NS, .eager = true};
    struct pinion_pool *pool = make_pool(&options);
    pinion_metrics_time_tasks(true);
    work(pinion_pool_io(pool));
    wait_until(is_idle(pool));
    assert_true(tasks_of(pool) > 100);
    assert_int_equal(timed("wait"), tasks_of(pool));
    assert_int_equal(timed("run"), tasks_of(pool));
    pinion_metrics_time_tasks(false);
    pinion_pool_destroy(pool);
}

static void without_being_told_none_is_timed(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(2);
    work(pinion_pool_io(pool));
    char *text = metrics();
    assert_null(strstr(text, "seconds_count"));
    assert_non_null(strstr(text, "# TYPE pinion_task_run_seconds histogram\n"));
    free(text);
    pinion_metrics_time_tasks(true);
    work(pinion_pool_io(pool));
    pinion_metrics_time_tasks(false);
    wait_until(is_idle(pool));
    const uint64_t count = timed("run");
    work(pinion_pool_io(pool));
    wait_until(is_idle(pool));
    assert_int_equal(timed("run"), count);
    pinion_pool_destroy(pool);
}

static void a_task_runs_for_as_long_as_its_function(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(1);
    struct take_time_future future;
    pinion_metrics_time_tasks(true);
    must(take_time_parallel(pinion_pool_io(pool), &future) == 0);
    take_time_await(pinion_pool_io(pool), &future);
    pinion_metrics_time_tasks(false);
    assert_true(seconds("run") >= (double)SPELL_NS / 1e9);
    pinion_pool_destroy(pool);
}

static void a_task_waits_while_the_one_before_it_runs(void **state)
{
    (void)state;
    const struct pinion_pool_options options = {.cpu_count = 2, .eager = true};
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_io *io = pinion_pool_io(pool);
    struct gate gate = GATE_INIT;
    atomic_uint count = 0;
    pass_gate_detached(io, &gate);
    wait_until(atomic_load(&gate.arrived) == 1);
    pinion_metrics_time_tasks(true);
    count_up_detached(io, &count);
    pinion_metrics_time_tasks(false);
    let_time_pass();
    gate_open(&gate);
    wait_until(timed("wait") == 1);
    assert_true(seconds("wait") >= (double)SPELL_NS / 1e9);
    pinion_pool_destroy(pool);
}

struct large {
    unsigned char bytes[3000];
};

PINION_TASK(struct large, reverse, (struct large, from))
{
    struct large to;
    for (size_t i = 0; i < sizeof to.bytes; i++)
        to.bytes[i] = from.bytes[sizeof to.bytes - 1 - i];
    return to;
}

static void a_timed_task_has_its_context_and_its_result(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(2);
    struct pinion_io *io = pinion_pool_io(pool);
    struct pinion_group group = PINION_GROUP_INIT;
    struct large from;
    atomic_uint count = 0;
    for (size_t i = 0; i < sizeof from.bytes; i++)
        from.bytes[i] = (unsigned char)(i * 7);
    pinion_metrics_time_tasks(true);
    struct reverse_future future;
    must(reverse_concurrent(io, &future, from) == 0);
    count_up_group(io, &group, &count);
    count_up_group(io, &group, &count);
    must(pinion_group_await(io, &group) == 0);
    const struct large to = reverse_await(io, &future);
    pinion_metrics_time_tasks(false);
    assert_int_equal(atomic_load(&count), 2);
    for (size_t i = 0; i < sizeof to.bytes; i++)
        assert_int_equal(to.bytes[i], from.bytes[sizeof to.bytes - 1 - i]);
    pinion_pool_destroy(pool);
}

/* ---- the buffer ---- */

static void of_a_text_that_does_not_fit_there_are_whole_lines(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(1); /* no worker that counts */
    char *text = metrics();
    const size_t length = strlen(text);
    char *buffer = malloc(length + 2);
    must(buffer);
    assert_int_equal(pinion_metrics_write(NULL, 0), length);
    for (size_t size = 1; size <= length + 1; size++) {
        memset(buffer, '#', length + 2);
        assert_int_equal(pinion_metrics_write(buffer, size), length);
        const size_t got = strlen(buffer);
        assert_true(got < size && buffer[size] == '#');
        assert_memory_equal(buffer, text, got);
        assert_true(got == 0 || buffer[got - 1] == '\n');
        if (got < length) /* the next line does not fit */
            assert_true((size_t)(strchr(text + got, '\n') + 1 - text) >= size);
    }
    assert_string_equal(buffer, text);
    assert_string_equal(text + length - strlen("# EOF\n"), "# EOF\n");
    free(buffer);
    free(text);
    pinion_pool_destroy(pool);
}

/* ---- meanwhile ---- */

static void *write_again_and_again(void *is_over)
{
    unsigned count;
    while (!atomic_load((atomic_bool *)is_over)) {
        char *text = metrics();
        must(!strcmp(text + strlen(text) - 6, "# EOF\n"));
        must(sum_of(text, "pinion_woken_total", "", &count) <=
             sum_of(text, "pinion_queued_total", "", &count));
        free(text);
    }
    return NULL;
}

static void it_is_written_while_workers_run(void **state)
{
    (void)state;
    atomic_bool is_over = false;
    pthread_t writer;
    pinion_metrics_time_tasks(true);
    struct pinion_pool *pool = pool_of(4);
    must(pthread_create(&writer, NULL, write_again_and_again, &is_over) == 0);
    for (int i = 0; i < 8 / TEST_SLOW; i++)
        work(pinion_pool_io(pool));
    atomic_store(&is_over, true);
    must(pthread_join(writer, NULL) == 0);
    pinion_metrics_time_tasks(false);
    pinion_pool_destroy(pool);
}

static void *make_loops(void *unused)
{
    (void)unused;
    for (int i = 0; i < 16 / TEST_SLOW; i++) {
        struct pinion_loop *loop;
        const struct pinion_loop_options options = {.cpu_count = 1};
        must(pinion_loop_create(&options, &loop) == 0);
        pinion_loop_destroy(loop);
    }
    return NULL;
}

static void it_is_written_while_pools_and_loops_come_and_go(void **state)
{
    (void)state;
    atomic_bool is_over = false;
    pthread_t writers[2], maker;
    for (int i = 0; i < 2; i++)
        must(pthread_create(&writers[i], NULL, write_again_and_again, &is_over) == 0);
    must(pthread_create(&maker, NULL, make_loops, NULL) == 0);
    for (int i = 0; i < 16 / TEST_SLOW; i++) {
        struct pinion_pool *pool = pool_of(2);
        struct thread_id_future id = thread_id_async(pinion_pool_io(pool));
        (void)thread_id_await(pinion_pool_io(pool), &id);
        pinion_pool_destroy(pool);
    }
    must(pthread_join(maker, NULL) == 0);
    atomic_store(&is_over, true);
    for (int i = 0; i < 2; i++)
        must(pthread_join(writers[i], NULL) == 0);
}

static void in_a_child_there_are_the_pools_that_it_made(void **state)
{
    (void)state;
    int status;
    struct pinion_pool *pool = pool_of(2);
    work(pinion_pool_io(pool));
    const pid_t child = start_child();
    if (child == 0) {
        unsigned count;
        struct pinion_pool *own = pool_of(3);
        char *text = metrics();
        must(sum_of(text, "pinion_cpus", "", &count) == 3 && count == 1);
        pinion_pool_destroy(own);
        pinion_pool_destroy(pool);
        _exit(0);
    }
    must(waitpid(child, &status, 0) == child);
    assert_int_equal(status, 0);
    pinion_pool_destroy(pool);
}

/* What only the stacks of threads that are not in a child point to is no leak. */
static bool has_lost_stacks;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) { return has_lost_stacks; }

PINION_TASK(pid_t, fork_here)
{
    const pid_t child = start_child();
    has_lost_stacks = child == 0;
    return child;
}

/* Not where a thread's end counts as a crash (clang 14's thread sanitizer, in children). */
static void a_timed_task_that_comes_back_in_a_child_is_not_counted_there(void **state)
{
    (void)state;
    if (TEST_SLOW > 1)
        skip();
    int status;
    struct pinion_pool *pool = pool_of(2);
    struct pinion_io *io = pinion_pool_io(pool);
    struct fork_here_future future;
    pinion_metrics_time_tasks(true);
    must(fork_here_parallel(io, &future) == 0);
    const pid_t child = fork_here_await(io, &future); /* in the child the thread ends, and it too */
    pinion_metrics_time_tasks(false);
    must(waitpid(child, &status, 0) == child);
    assert_int_equal(status, 0);
    assert_int_equal(timed("run"), 1);
    pinion_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sums_over_workers_are_what_the_stats_say),
        cmocka_unit_test(what_a_worker_ran_is_told_by_its_name),
        cmocka_unit_test(a_loop_tells_its_fibers_too),
        cmocka_unit_test(every_task_that_was_queued_or_handed_over_is_timed_once),
        cmocka_unit_test(without_being_told_none_is_timed),
        cmocka_unit_test(a_task_runs_for_as_long_as_its_function),
        cmocka_unit_test(a_task_waits_while_the_one_before_it_runs),
        cmocka_unit_test(a_timed_task_has_its_context_and_its_result),
        cmocka_unit_test(of_a_text_that_does_not_fit_there_are_whole_lines),
        cmocka_unit_test(it_is_written_while_workers_run),
        cmocka_unit_test(it_is_written_while_pools_and_loops_come_and_go),
        cmocka_unit_test(in_a_child_there_are_the_pools_that_it_made),
        cmocka_unit_test(a_timed_task_that_comes_back_in_a_child_is_not_counted_there),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
