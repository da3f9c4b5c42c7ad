/* SPDX-License-Identifier: MIT */
#include "cpulist.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machines.h"

/* What a list reads back as; NULL if it does not parse. */
static const char *round_trip(const char *text)
{
    static char list[256];
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    const int error = pn_cpulist_parse(text, set, NULL);
    assert_true(error == 0 || error == -EINVAL);
    (void)pn_cpulist_short(set, list, sizeof list);
    hwloc_bitmap_free(set);
    return error ? NULL : list;
}

static void lists_of_the_kernel_and_of_taskset_parse(void **state)
{
    (void)state;
    assert_string_equal(round_trip("0-3,8,10-14:2"), "0-3,8,10,12,14");
    assert_string_equal(round_trip("5"), "5");
    assert_string_equal(round_trip("7,1,3-4,2"), "1-4,7");
    assert_string_equal(round_trip(" 0-1\n"), "0-1");
    assert_string_equal(round_trip("3-3,3"), "3");
    assert_string_equal(round_trip("0-9:100"), "0");
    assert_string_equal(round_trip("1048575"), "1048575");
}

static void an_empty_list_names_nothing(void **state)
{
    (void)state;
    assert_string_equal(round_trip(""), "none");
    assert_string_equal(round_trip("\n"), "none");
}

static void malformed_lists_are_refused(void **state)
{
    (void)state;
    static const char *const lists[] = {
        ",",
        "0,",
        ",0",
        "0,,1",
        "a",
        "0-",
        "-1",
        "-",
        "3-1",
        "0-3:",
        "0-3:0",
        "0-3:-1",
        "1:2",
        "0x1",
        "+1",
        "1 2",
        "0 -3",
        "0- 3",
        "0-3/2",
        "0-3:1/2",
        "all",
        "^3",
        "0;1",
        "1.5",
        "1048576",
        "4294967296",
        "99999999999999999999",
        "0-4294967295",
        "0-3\n,4",
        "0-3:4:5",
    };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        if (round_trip(lists[i]))
            fail_msg("\"%s\" was taken", lists[i]);
    }
}

static void the_item_that_does_not_parse_is_pointed_at(void **state)
{
    (void)state;
    const char *bad = NULL;
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    assert_int_equal(pn_cpulist_parse("0-3,8,x9,4", set, &bad), -EINVAL);
    assert_string_equal(bad, "x9,4");
    hwloc_bitmap_free(set);
}

static void random_text_never_parses_to_something_that_does_not_print_back(void **state)
{
    (void)state;
    uint64_t seed = 42;
    for (unsigned i = 0; i < 20000; i++) {
        static const char letters[] = "0123456789,,,--:: \nx";
        char text[16] = "";
        const unsigned length = random_below(&seed, sizeof text - 1);
        for (unsigned j = 0; j < length; j++)
            text[j] = letters[random_below(&seed, sizeof letters - 1)];
        hwloc_bitmap_t set = hwloc_bitmap_alloc(), again = hwloc_bitmap_alloc();
        if (pn_cpulist_parse(text, set, NULL) == 0) {
            struct pn_buffer list = {0};
            pn_cpulist_add(&list, set);
            assert_int_equal(pn_cpulist_parse(pn_buffer_text(&list), again, NULL), 0);
            assert_true(hwloc_bitmap_isequal(set, again));
            pn_buffer_fini(&list);
        }
        hwloc_bitmap_free(set);
        hwloc_bitmap_free(again);
    }
}

static void a_long_list_is_cut_for_a_message(void **state)
{
    (void)state;
    char text[16];
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    for (unsigned i = 0; i < 100; i += 2)
        (void)hwloc_bitmap_set(set, i);
    assert_string_equal(pn_cpulist_short(set, text, sizeof text), "0,2,4,6,8,10...");
    hwloc_bitmap_free(set);
}

static void an_endless_set_prints_without_an_end(void **state)
{
    (void)state;
    char text[16];
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    (void)hwloc_bitmap_set_range(set, 4, -1);
    assert_string_equal(pn_cpulist_short(set, text, sizeof text), "4-");
    hwloc_bitmap_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_the_kernel_and_of_taskset_parse),
        cmocka_unit_test(an_empty_list_names_nothing),
        cmocka_unit_test(malformed_lists_are_refused),
        cmocka_unit_test(the_item_that_does_not_parse_is_pointed_at),
        cmocka_unit_test(random_text_never_parses_to_something_that_does_not_print_back),
        cmocka_unit_test(a_long_list_is_cut_for_a_message),
        cmocka_unit_test(an_endless_set_prints_without_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
