/* SPDX-License-Identifier: MIT
 *
 * What a pool tells of itself: the report, what is degraded, and the rows of its workers.
 */
#include "support.h"

#include <fcntl.h>

/* Degraded in two ways on any machine: it is not this one, and its seats wrap round. */
#define SYNTHETIC "node:2 core:2 pu:1"
#define POOL_CPUS 6

static struct pinion_topology *synthetic;

static int set_up(void **state)
{
    (void)state;
    synthetic = machine_of(SYNTHETIC);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pinion_topology_destroy(synthetic);
    return 0;
}

static struct pinion_pool *make_degraded(void)
{
    const struct pinion_pool_options options = {
        .topology = synthetic,
        .cpu_count = POOL_CPUS,
        .plan = {.placement = PINION_PLACE_SCATTER, .slice_index = 0, .slice_count = 1},
        .retire_after = LONG_NS};
    return make_pool(&options);
}

/* ---- the report ---- */

/* Whether each line of a text stands in the report behind a prefix. */
static void assert_lines(const char *report, const char *prefix, const char *text)
{
    while (*text) {
        char line[400];
        const size_t length = strcspn(text, "\n");
        (void)snprintf(line, sizeof line, "\n%s%.*s\n", prefix, (int)length, text);
        assert_says(report, line);
        text += length + (text[length] == '\n');
    }
}

static unsigned count_of(const char *text, const char *part)
{
    unsigned count = 0;
    for (; (text = strstr(text, part)); text++)
        count++;
    return count;
}

static void the_report_has_the_plan_and_its_reason(void **state)
{
    const struct pinion_plan_options how = {.placement = PINION_PLACE_SCATTER,
                                            .workers = POOL_CPUS - 1};
    struct pinion_pool *pool = make_degraded();
    struct pinion_plan *plan = NULL;
    char *report = report_of(pool);
    (void)state;
    assert_int_equal(pinion_plan_make(synthetic, &how, &plan), 0);
    assert_lines(report, "plan: ", pinion_plan_reason(plan));
    assert_says(report, "plan: scatter: asked for\n");
    assert_says(report, "plan: 5 workers on 4 cpus: seats wrap round");
    pinion_plan_destroy(plan);
    free(report);
    pinion_pool_destroy(pool);
}

static void the_report_has_every_line_of_what_is_degraded(void **state)
{
    struct pinion_pool *pool = make_degraded();
    char *report = report_of(pool), *degraded = degraded_of(pool);
    (void)state;
    assert_says(degraded, "seats wrap round: cpu_count 6 on a machine that allows 4 CPUs\n");
    assert_says(degraded, "the topology is not this machine's");
    assert_int_equal(count_of(report, "\ndegraded: "), 1 + count_of(degraded, "\n"));
    assert_lines(report, "degraded: ", degraded);
    free(degraded);
    free(report);
    pinion_pool_destroy(pool);
}

static void the_report_has_a_line_for_each_worker(void **state)
{
    struct pinion_pool *pool = make_degraded();
    struct pinion_io *io = pinion_pool_io(pool);
    struct gate gate = GATE_INIT;
    struct pass_gate_future future;
    (void)state;
    char *report = report_of(pool); /* before any thread: the caller's alone */
    assert_int_equal(count_of(report, "\n  caller "), 1);
    assert_int_equal(count_of(report, "\n  pinion/"), 0);
    free(report);
    for (unsigned i = 1; i <= 3; i++) {
        pass_gate_detached(io, &gate);
        wait_until(atomic_load(&gate.arrived) == i);
    }
    assert_int_equal(pass_gate_parallel(io, &future, &gate), 0);
    report = report_of(pool);
    assert_says(report, "pool: cpu_count 6, parallel_count 1, capacity 6, threads 4 (at most 4), ");
    assert_int_equal(count_of(report, "\n  caller "), 1);
    assert_int_equal(count_of(report, "\n  pinion/"), 4);
    assert_says(report, "\n  pinion/0 ");
    assert_says(report, "\n  pinion/1 ");
    assert_says(report, "\n  pinion/2 ");
    assert_says(report, "\n  pinion/r0 ");
    assert_null(strstr(report, "(no thread)"));
    assert_int_equal(report[strlen(report) - 1], '\n');
    free(report);
    gate_open(&gate);
    pass_gate_await(io, &future);
    pinion_pool_destroy(pool);
}

static void the_report_says_which_slot_has_no_thread(void **state)
{
    const struct pinion_pool_options options = {.cpu_count = 1, .retire_after = 1};
    struct pinion_pool *pool = make_pool(&options);
    struct count_up_future future;
    atomic_uint counter = 0;
    struct pinion_worker_stats rows[2];
    (void)state;
    assert_int_equal(count_up_parallel(pinion_pool_io(pool), &future, &counter), 0);
    count_up_await(pinion_pool_io(pool), &future);
    wait_until(pinion_pool_workers(pool, rows, 2) == 2 && !rows[1].alive);
    char *report = report_of(pool);
    assert_int_equal(count_of(report, "(no thread)\n"), 1);
    assert_string_equal(rows[1].name, "pinion/r0");
    assert_int_equal(rows[1].tasks, 1);
    free(report);
    pinion_pool_destroy(pool);
}

/* ---- streams that take nothing ---- */

/* Full at the end, when it is flushed, or at once. */
static void a_full_stream_is_an_error(void **state)
{
    struct pinion_pool *pool = make_degraded();
    (void)state;
    for (int is_buffered = 0; is_buffered < 2; is_buffered++) {
        FILE *full = fopen("/dev/full", "we");
        if (!full) {
            pinion_pool_destroy(pool);
            print_message("there is no /dev/full\n");
            skip();
        }
        assert_int_equal(setvbuf(full, NULL, is_buffered ? _IOFBF : _IONBF, 65536), 0);
        const int error = pinion_pool_report(pool, full);
        assert_true(error == -ENOSPC || error == -EIO);
        (void)fclose(full);
    }
    pinion_pool_destroy(pool);
}

static void a_stream_that_cannot_be_written_to_is_an_error(void **state)
{
    struct pinion_pool *pool = make_degraded();
    (void)state;
    FILE *readable = fopen("/dev/null", "re");
    assert_non_null(readable);
    assert_true(pinion_pool_report(pool, readable) < 0);
    (void)fclose(readable);

    FILE *closed = fopen("/dev/null", "we");
    assert_non_null(closed);
    const int spare = fcntl(fileno(closed), F_DUPFD_CLOEXEC, 0);
    assert_int_equal(close(fileno(closed)), 0);
    assert_int_equal(pinion_pool_report(pool, closed), -EBADF);
    assert_true(dup2(spare, fileno(closed)) >= 0); /* so that it may be closed in peace */
    (void)fclose(closed);
    (void)close(spare);
    pinion_pool_destroy(pool);
}

static void a_report_that_failed_can_be_had_again(void **state)
{
    struct pinion_pool *pool = make_degraded();
    FILE *readable = fopen("/dev/null", "re");
    (void)state;
    assert_non_null(readable);
    char *before = report_of(pool);
    assert_true(pinion_pool_report(pool, readable) < 0);
    char *after = report_of(pool);
    assert_string_equal(after, before);
    free(after);
    free(before);
    (void)fclose(readable);
    pinion_pool_destroy(pool);
}

/* ---- the raw material ---- */

static void what_is_degraded_is_cut_to_the_buffer(void **state)
{
    struct pinion_pool *pool = make_degraded();
    char *whole = degraded_of(pool);
    const size_t length = strlen(whole);
    (void)state;
    assert_int_equal(pinion_pool_degraded(pool, NULL, 0), length);
    for (size_t size = 1; size <= length + 2; size++) {
        char buffer[4096];
        memset(buffer, 'x', sizeof buffer);
        assert_int_equal(pinion_pool_degraded(pool, buffer, size), length);
        const size_t copied = size <= length ? size - 1 : length;
        assert_memory_equal(buffer, whole, copied);
        assert_int_equal(buffer[copied], '\0');
        assert_int_equal(buffer[size < sizeof buffer ? size : 0], 'x');
    }
    free(whole);
    pinion_pool_destroy(pool);
}

static void rows_are_filled_as_far_as_there_is_room(void **state)
{
    struct pinion_pool *pool = make_degraded();
    struct pinion_worker_stats rows[4];
    struct gate gate = GATE_INIT;
    (void)state;
    assert_int_equal(pinion_pool_workers(pool, NULL, 0), 1);
    pass_gate_detached(pinion_pool_io(pool), &gate);
    wait_until(atomic_load(&gate.arrived) == 1);
    for (size_t count = 0; count <= 3; count++) {
        memset(rows, 0x5a, sizeof rows);
        const struct pinion_worker_stats untouched = rows[3];
        assert_int_equal(pinion_pool_workers(pool, rows, count), 2);
        const size_t filled = count < 2 ? count : 2;
        for (size_t i = 0; i < filled; i++)
            assert_string_equal(rows[i].name, i ? "pinion/0" : "caller");
        for (size_t i = filled; i < 4; i++)
            assert_memory_equal(&rows[i], &untouched, sizeof untouched);
    }
    gate_open(&gate);
    pinion_pool_destroy(pool);
}

static void rows_tell_who_ran_what(void **state)
{
    enum { TASKS = 20 };
    const struct pinion_pool_options options = {
        .topology = synthetic, .cpu_count = 2, .eager = true};
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_worker_stats rows[2];
    atomic_uint counter = 0;
    (void)state;
    for (int i = 0; i < TASKS; i++)
        count_up_detached(pinion_pool_io(pool), &counter);
    wait_until(atomic_load(&counter) == TASKS);
    assert_int_equal(pinion_pool_workers(pool, rows, 2), 2);
    assert_int_equal(rows[0].tasks, 0);
    assert_true(rows[0].alive);
    assert_true(rows[0].arena_bytes > 0); /* the closures are the caller's */
    assert_int_equal(rows[1].tasks, TASKS);
    assert_int_equal(rows[1].inlined, 0);
    assert_int_equal(rows[1].stolen_near + rows[1].stolen_far, TASKS);
    const struct pinion_pool_stats stats = stats_of(pool);
    assert_int_equal(stats.stolen_near, rows[1].stolen_near);
    assert_int_equal(stats.stolen_far, rows[1].stolen_far);
    pinion_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_report_has_the_plan_and_its_reason),
        cmocka_unit_test(the_report_has_every_line_of_what_is_degraded),
        cmocka_unit_test(the_report_has_a_line_for_each_worker),
        cmocka_unit_test(the_report_says_which_slot_has_no_thread),
        cmocka_unit_test(a_full_stream_is_an_error),
        cmocka_unit_test(a_stream_that_cannot_be_written_to_is_an_error),
        cmocka_unit_test(a_report_that_failed_can_be_had_again),
        cmocka_unit_test(what_is_degraded_is_cut_to_the_buffer),
        cmocka_unit_test(rows_are_filled_as_far_as_there_is_room),
        cmocka_unit_test(rows_tell_who_ran_what),
    };
    return cmocka_run_group_tests_name("pool report", tests, set_up, tear_down);
}
