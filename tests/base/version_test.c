/* SPDX-License-Identifier: MIT
 *
 * The library that is loaded says which it is: the version of the header that programs compile
 * with, and what it was built of.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <pinion/version.h>

static void the_loaded_version_is_the_headers(void **state)
{
    char version[64];
    (void)state;
    (void)snprintf(version, sizeof version, "%d.%d.%d", PINION_VERSION_MAJOR, PINION_VERSION_MINOR,
                   PINION_VERSION_PATCH);
    assert_string_equal(pinion_version(), version);
    assert_ptr_equal(pinion_version(), pinion_version()); /* static */
}

/* The line that begins so, in one of its forms; NULL if there is none. */
static const char *line_of(const char *info, const char *name)
{
    const size_t length = strlen(name);
    for (const char *line = info; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ' ')
            return line;
    }
    return NULL;
}

static void assert_has_version(const char *info, const char *name)
{
    const char *line = line_of(info, name);
    if (!line)
        fail_msg("no line of %s in: %s", name, info);
    const char first = line[strlen(name) + 1];
    if (first < '0' || first > '9')
        fail_msg("no version of %s in: %s", name, info);
}

static void the_build_info_names_each_part_with_its_version(void **state)
{
    const char *info = pinion_build_info();
    (void)state;
    assert_has_version(info, "hwloc");
#ifdef WITH_JEMALLOC
    assert_has_version(info, "jemalloc");
    assert_null(line_of(info, "allocator"));
#else
    assert_null(line_of(info, "jemalloc"));
    assert_non_null(strstr(info, "\nallocator mmap\n"));
#endif
#ifdef __clang__
    assert_has_version(info, "clang");
#else
    assert_has_version(info, "gcc");
#endif
    assert_ptr_equal(pinion_build_info(), info); /* static */
}

static void the_build_info_has_a_name_and_a_version_a_line(void **state)
{
    unsigned lines = 0;
    (void)state;
    for (const char *line = pinion_build_info(); *line; lines++) {
        const size_t length = strcspn(line, "\n"), name = strcspn(line, " \n");
        assert_in_range(name, 1, length - 2);
        line += length;
        if (*line)
            assert_int_not_equal(*++line, '\0'); /* no newline at the end */
    }
    assert_int_equal(lines, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loaded_version_is_the_headers),
        cmocka_unit_test(the_build_info_names_each_part_with_its_version),
        cmocka_unit_test(the_build_info_has_a_name_and_a_version_a_line),
    };
    return cmocka_run_group_tests_name("version", tests, NULL, NULL);
}
