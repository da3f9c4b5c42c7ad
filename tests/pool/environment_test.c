/* SPDX-License-Identifier: MIT
 *
 * The PINION_* variables as a pool takes them: each has its effect, gives way to a field that is
 * set in code, counts as unset when empty, and is refused in words when it does not parse.
 */
#include "support.h"

static const char *const variables[] = {"PINION_CPUS", "PINION_PLACE", "PINION_IDLE",
                                        "PINION_SLICE"};

#define VARIABLES (sizeof variables / sizeof variables[0])

/* This machine as it is without variables. */
static struct pinion_topology *machine;
static const struct pinion_cpu *cpus;
static unsigned cpu_total;

static int unset_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < VARIABLES; i++)
        (void)unsetenv(variables[i]);
    return 0;
}

static int set_up(void **state)
{
    (void)unset_all(state);
    machine = machine_of(NULL);
    cpu_total = pinion_topology_cpus(machine, &cpus);
    return 0;
}

static int tear_down(void **state)
{
    pinion_topology_destroy(machine);
    return unset_all(state);
}

static void set(const char *name, const char *value)
{
    must(setenv(name, value, 1) == 0);
}

/* Whether the report of a pool with these options has this in it. */
static bool is_reported(const struct pinion_pool_options *options, const char *part)
{
    struct pinion_pool *pool = make_pool(options);
    char *report = report_of(pool);
    const bool is_in = strstr(report, part);
    if (!is_in)
        print_message("nothing of \"%s\" in:\n%s", part, report);
    free(report);
    pinion_pool_destroy(pool);
    return is_in;
}

static unsigned cpu_count_of(const struct pinion_pool_options *options)
{
    struct pinion_pool *pool = make_pool(options);
    const unsigned cpu_count = stats_of(pool).cpu_count;
    pinion_pool_destroy(pool);
    return cpu_count;
}

/* ---- each is taken ---- */

static void pinion_cpus_says_which_cpus_there_are(void **state)
{
    const struct pinion_pool_options options = {.cpu_count = 4,
                                                .plan.placement = PINION_PLACE_COMPACT};
    const unsigned picked = cpus[cpu_total - 1].os_index;
    char list[16];
    (void)state;
    (void)snprintf(list, sizeof list, "%u", picked);
    set("PINION_CPUS", list);
    assert_int_equal(cpu_count_of(NULL), 1);
    struct pinion_pool *pool = make_pool(&options);
    char *degraded = degraded_of(pool);
    assert_says(degraded, "cpu_count 4 on a machine that allows 1 CPUs");
    free(degraded);
    pinion_pool_destroy(pool);
}

/* The CPU that a pool's one worker sits on; -1 where the kernel refused to pin it. */
static int only_workers_cpu(void)
{
    const struct pinion_pool_options options = {.cpu_count = 2,
                                                .plan.placement = PINION_PLACE_COMPACT};
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_worker_stats rows[2];
    atomic_uint counter = 0;
    count_up_detached(pinion_pool_io(pool), &counter);
    wait_until(atomic_load(&counter) == 1);
    assert_int_equal(pinion_pool_workers(pool, rows, 2), 2);
    char *degraded = degraded_of(pool);
    assert_int_equal(rows[1].cpu < 0, strstr(degraded, "is not pinned") != NULL);
    free(degraded);
    pinion_pool_destroy(pool);
    return rows[1].cpu;
}

static void workers_sit_on_the_cpus_that_pinion_cpus_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < cpu_total; i++) {
        char list[16];
        (void)snprintf(list, sizeof list, "%u", cpus[i].os_index);
        set("PINION_CPUS", list);
        const int cpu = only_workers_cpu();
        if (cpu < 0) {
            print_message("the kernel pins no thread to cpu %s\n", list);
            skip();
        }
        assert_int_equal(cpu, cpus[i].os_index);
    }
}

static void pinion_cpus_may_name_all(void **state)
{
    char *list = calloc(cpu_total, 12);
    (void)state;
    assert_non_null(list);
    for (unsigned i = 0, length = 0; i < cpu_total; i++)
        length += (unsigned)sprintf(list + length, "%s%u", i ? "," : "", cpus[i].os_index);
    set("PINION_CPUS", list);
    free(list);
    assert_int_equal(cpu_count_of(NULL), pinion_topology_cpu_count(machine));
}

static void pinion_cpus_does_not_apply_to_a_topology_passed_in(void **state)
{
    struct pinion_topology *synthetic = machine_of("core:6 pu:1");
    const struct pinion_pool_options options = {.topology = synthetic};
    char list[16];
    (void)state;
    (void)snprintf(list, sizeof list, "%u", cpus[0].os_index);
    set("PINION_CPUS", list);
    assert_int_equal(cpu_count_of(&options), 6);
    pinion_topology_destroy(synthetic);
}

static void pinion_place_says_how_workers_are_placed(void **state)
{
    static const struct {
        const char *value, *reason;
    } rows[] = {{"compact", "plan: compact: asked for\n"},
                {"scatter", "plan: scatter: asked for\n"},
                {"node", "plan: node: asked for\n"},
                {"none", "plan: none: asked for\n"},
                {"auto", "plan: auto chose "}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set("PINION_PLACE", rows[i].value);
        assert_true(is_reported(NULL, rows[i].reason));
    }
}

static void pinion_idle_says_what_idle_workers_do(void **state)
{
    /* A description has no quota, under which adaptive means park. */
    struct pinion_topology *synthetic = machine_of("core:2 pu:1");
    const struct pinion_pool_options options = {.topology = synthetic};
    (void)state;
    set("PINION_IDLE", "park");
    assert_true(is_reported(&options, ", idle park\n"));
    set("PINION_IDLE", "poll");
    assert_true(is_reported(&options, ", idle poll\n"));
    set("PINION_IDLE", "adaptive");
    assert_true(is_reported(&options, ", idle adaptive\n"));
    pinion_topology_destroy(synthetic);
}

static void pinion_slice_says_which_part_of_the_machine_is_ours(void **state)
{
    struct pinion_topology *synthetic = machine_of("core:6 pu:1");
    const struct pinion_pool_options options = {.topology = synthetic};
    (void)state;
    set("PINION_SLICE", "1/3");
    assert_int_equal(cpu_count_of(&options), 2);
    assert_true(is_reported(&options, "plan: slice 1/3: 2 cpus, 2 cores\n"));
    set("PINION_SLICE", "0/1");
    assert_int_equal(cpu_count_of(&options), 6);
    pinion_topology_destroy(synthetic);
}

static void all_variables_count_at_once(void **state)
{
    char list[16];
    (void)state;
    (void)snprintf(list, sizeof list, "%u", cpus[0].os_index);
    set("PINION_CPUS", list);
    set("PINION_PLACE", "scatter");
    set("PINION_IDLE", "poll");
    set("PINION_SLICE", "1/2");
    struct pinion_pool *pool = make_pool(NULL);
    char *report = report_of(pool);
    assert_says(report, "cpu_count 1,");
    assert_says(report, "plan: scatter: asked for\n");
    assert_says(report, ", idle poll\n");
    assert_says(report, "plan: slice 1/2: 1 cpus");
    free(report);
    pinion_pool_destroy(pool);
}

/* ---- what wins ---- */

static void a_field_set_in_code_wins(void **state)
{
    struct pinion_topology *synthetic = machine_of("core:6 pu:1");
    const struct pinion_pool_options options = {
        .topology = synthetic,
        .idle = PINION_IDLE_PARK,
        .plan = {.placement = PINION_PLACE_NODE, .slice_index = 0, .slice_count = 2}};
    (void)state;
    set("PINION_PLACE", "scatter");
    set("PINION_IDLE", "poll");
    set("PINION_SLICE", "2/3");
    assert_true(is_reported(&options, ", idle park\n"));
    assert_true(is_reported(&options, "plan: node: asked for\n"));
    assert_true(is_reported(&options, "plan: slice 0/2: 3 cpus, 3 cores\n"));
    assert_int_equal(cpu_count_of(&options), 3);
    pinion_topology_destroy(synthetic);
}

static void a_cpu_count_set_in_code_wins_over_the_number_of_cpus(void **state)
{
    const struct pinion_pool_options options = {.cpu_count = 5};
    char list[16];
    (void)state;
    (void)snprintf(list, sizeof list, "%u", cpus[0].os_index);
    set("PINION_CPUS", list);
    set("PINION_SLICE", "0/2");
    assert_int_equal(cpu_count_of(&options), 5);
}

static void an_empty_variable_counts_as_unset(void **state)
{
    (void)state;
    struct pinion_pool *pool = make_pool(NULL);
    char *without = report_of(pool);
    pinion_pool_destroy(pool);
    for (size_t i = 0; i < VARIABLES; i++)
        set(variables[i], "");
    pool = make_pool(NULL);
    char *with_empty = report_of(pool);
    pinion_pool_destroy(pool);
    assert_string_equal(with_empty, without);
    free(with_empty);
    free(without);
}

/* ---- what is refused ---- */

static const struct {
    const char *name, *value, *right;
} refusals[] = {
    {"PINION_CPUS", "banana", "\"0-3,8\""},
    {"PINION_CPUS", "3-1", "\"0-3,8\""},
    {"PINION_CPUS", ",", "\"0-3,8\""},
    {"PINION_CPUS", " ", "name at least one cpu"},
    {"PINION_CPUS", "1048000", "ask for one of those"},
    {"PINION_PLACE", "heap", "auto, compact, scatter, node or none"},
    {"PINION_PLACE", "Compact", "auto, compact, scatter, node or none"},
    {"PINION_IDLE", "sleep", "adaptive, park or poll"},
    {"PINION_IDLE", "1", "adaptive, park or poll"},
    {"PINION_SLICE", "3/2", "such as 0/2"},
    {"PINION_SLICE", "2/2", "counted from 0"},
    {"PINION_SLICE", "half", "such as 0/2"},
};

static void assert_refused(const struct pinion_pool_options *options, size_t i)
{
    char mark;
    struct pinion_pool *pool = (struct pinion_pool *)(void *)&mark;
    assert_int_equal(pinion_pool_create(options, &pool), -EINVAL);
    assert_ptr_equal(pool, &mark);
    assert_says(pinion_error_detail(), refusals[i].name);
    assert_says(pinion_error_detail(), refusals[i].value);
    assert_says(pinion_error_detail(), refusals[i].right);
    assert_null(strchr(pinion_error_detail(), '\n'));
}

static void a_variable_that_does_not_parse_is_refused_in_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        (void)unset_all(NULL);
        set(refusals[i].name, refusals[i].value);
        assert_refused(NULL, i);
    }
}

static void it_is_refused_also_where_the_field_is_set_in_code(void **state)
{
    const struct pinion_pool_options options = {
        .cpu_count = 2,
        .idle = PINION_IDLE_PARK,
        .plan = {.placement = PINION_PLACE_NODE, .slice_index = 0, .slice_count = 1}};
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        (void)unset_all(NULL);
        set(refusals[i].name, refusals[i].value);
        assert_refused(&options, i);
    }
}

/* What is wrong with something else is not blamed on the variable. */
static void a_list_that_is_right_is_not_blamed(void **state)
{
    const struct pinion_pool_options options = {.plan = {.slice_index = 2, .slice_count = 2}};
    struct pinion_pool *pool = NULL;
    char list[16];
    (void)state;
    (void)snprintf(list, sizeof list, "%u", cpus[0].os_index);
    set("PINION_CPUS", list);
    assert_int_equal(pinion_pool_create(&options, &pool), -EINVAL);
    assert_null(strstr(pinion_error_detail(), "PINION_CPUS"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(pinion_cpus_says_which_cpus_there_are, unset_all),
        cmocka_unit_test_setup(workers_sit_on_the_cpus_that_pinion_cpus_names, unset_all),
        cmocka_unit_test_setup(pinion_cpus_may_name_all, unset_all),
        cmocka_unit_test_setup(pinion_cpus_does_not_apply_to_a_topology_passed_in, unset_all),
        cmocka_unit_test_setup(pinion_place_says_how_workers_are_placed, unset_all),
        cmocka_unit_test_setup(pinion_idle_says_what_idle_workers_do, unset_all),
        cmocka_unit_test_setup(pinion_slice_says_which_part_of_the_machine_is_ours, unset_all),
        cmocka_unit_test_setup(all_variables_count_at_once, unset_all),
        cmocka_unit_test_setup(a_field_set_in_code_wins, unset_all),
        cmocka_unit_test_setup(a_cpu_count_set_in_code_wins_over_the_number_of_cpus, unset_all),
        cmocka_unit_test_setup(an_empty_variable_counts_as_unset, unset_all),
        cmocka_unit_test_setup(a_variable_that_does_not_parse_is_refused_in_words, unset_all),
        cmocka_unit_test_setup(it_is_refused_also_where_the_field_is_set_in_code, unset_all),
        cmocka_unit_test_setup(a_list_that_is_right_is_not_blamed, unset_all),
    };
    return cmocka_run_group_tests_name("pool environment", tests, set_up, tear_down);
}
