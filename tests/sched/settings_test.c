/* SPDX-License-Identifier: MIT
 *
 * The environment variables that shape a pool.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pinion/error.h>

#include "settings.h"

static const char *const names[] = {"PINION_CPUS", "PINION_PLACE", "PINION_IDLE", "PINION_SLICE"};

static int unset_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unsetenv(names[i]);
    return 0;
}

static void set(const char *name, const char *value) { (void)setenv(name, value, 1); }

static void without_variables_nothing_changes(void **state)
{
    struct pinion_plan_options plan = {0};
    enum pinion_idle idle = PINION_IDLE_ADAPTIVE;
    (void)state;
    assert_int_equal(pn_settings_read(&plan, &idle), 0);
    assert_int_equal(idle, PINION_IDLE_ADAPTIVE);
    assert_int_equal(plan.placement, PINION_PLACE_AUTO);
    assert_int_equal(plan.slice_count, 0);
    assert_null(pn_settings_cpus());
}

static void an_empty_variable_counts_as_unset(void **state)
{
    struct pinion_plan_options plan = {0};
    enum pinion_idle idle = PINION_IDLE_ADAPTIVE;
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        set(names[i], "");
    assert_int_equal(pn_settings_read(&plan, &idle), 0);
    assert_int_equal(plan.slice_count, 0);
    assert_null(pn_settings_cpus());
}

static void each_variable_fills_its_field(void **state)
{
    static const struct {
        const char *text;
        enum pinion_placement placement;
    } places[] = {{"auto", PINION_PLACE_AUTO},
                  {"compact", PINION_PLACE_COMPACT},
                  {"scatter", PINION_PLACE_SCATTER},
                  {"node", PINION_PLACE_NODE},
                  {"none", PINION_PLACE_NONE}};
    static const struct {
        const char *text;
        enum pinion_idle idle;
    } idles[] = {{"adaptive", PINION_IDLE_ADAPTIVE},
                 {"park", PINION_IDLE_PARK},
                 {"poll", PINION_IDLE_POLL}};
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct pinion_plan_options plan = {0};
        enum pinion_idle idle = PINION_IDLE_ADAPTIVE;
        set("PINION_PLACE", places[i].text);
        set("PINION_IDLE", idles[i % 3].text);
        set("PINION_SLICE", "1/3");
        set("PINION_CPUS", "0-3,8");
        assert_int_equal(pn_settings_read(&plan, &idle), 0);
        assert_int_equal(plan.placement, places[i].placement);
        assert_int_equal(idle, idles[i % 3].idle);
        assert_int_equal(plan.slice_index, 1);
        assert_int_equal(plan.slice_count, 3);
        assert_string_equal(pn_settings_cpus(), "0-3,8");
        assert_string_equal(pn_idle_name(idle), idles[i % 3].text);
    }
}

static void a_field_that_is_set_wins(void **state)
{
    struct pinion_plan_options plan = {
        .placement = PINION_PLACE_NODE, .slice_index = 0, .slice_count = 2};
    enum pinion_idle idle = PINION_IDLE_PARK;
    (void)state;
    set("PINION_PLACE", "scatter");
    set("PINION_IDLE", "poll");
    set("PINION_SLICE", "2/3");
    assert_int_equal(pn_settings_read(&plan, &idle), 0);
    assert_int_equal(plan.placement, PINION_PLACE_NODE);
    assert_int_equal(idle, PINION_IDLE_PARK);
    assert_int_equal(plan.slice_index, 0);
    assert_int_equal(plan.slice_count, 2);
}

static void is_refused(const char *name, const char *value)
{
    for (int is_set = 0; is_set < 2; is_set++) { /* also where the field is set in code */
        struct pinion_plan_options plan = {.placement = is_set ? PINION_PLACE_NODE : 0,
                                           .slice_count = is_set ? 2 : 0};
        const struct pinion_plan_options before = plan;
        enum pinion_idle idle = is_set ? PINION_IDLE_PARK : 0;
        (void)unset_all(NULL);
        set(name, value);
        assert_int_equal(pn_settings_read(&plan, &idle), -EINVAL);
        assert_memory_equal(&plan, &before, sizeof plan);
        assert_int_equal(idle, is_set ? PINION_IDLE_PARK : 0);
        assert_non_null(strstr(pinion_error_detail(), name));
        assert_non_null(strstr(pinion_error_detail(), value));
    }
}

static void what_does_not_parse_is_an_error_that_names_it(void **state)
{
    static const char *const places[] = {"Compact", "compact ", " node", "5", "compact,node", "x"};
    static const char *const idles[] = {"POLL", "poll ", "sleep", "1", "adaptivee"};
    static const char *const slices[] = {"1",   "/",    "1/",    "/2",   "2/2",  "3/2", "-1/2",
                                         "0/0", "0/2x", "0 / 2", "0x0/2", "a/b", "0/-2", "+0/2",
                                         "0/99999999999999999999", " 0/2"};
    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        is_refused("PINION_PLACE", places[i]);
    for (size_t i = 0; i < sizeof idles / sizeof idles[0]; i++)
        is_refused("PINION_IDLE", idles[i]);
    for (size_t i = 0; i < sizeof slices / sizeof slices[0]; i++)
        is_refused("PINION_SLICE", slices[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_variables_nothing_changes, unset_all),
        cmocka_unit_test_setup(an_empty_variable_counts_as_unset, unset_all),
        cmocka_unit_test_setup(each_variable_fills_its_field, unset_all),
        cmocka_unit_test_setup(a_field_that_is_set_wins, unset_all),
        cmocka_unit_test_setup(what_does_not_parse_is_an_error_that_names_it, unset_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
