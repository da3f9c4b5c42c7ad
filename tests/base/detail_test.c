/* SPDX-License-Identifier: MIT
 *
 * The words behind an error belong to the thread that failed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include <pinion/error.h>

#include "detail.h"

static void *fail_elsewhere(void *argument)
{
    char *found = argument;
    (void)strcpy(found, pinion_error_detail());
    (void)pn_error(ENOMEM, "there");
    return NULL;
}

static void a_thread_begins_without_words_and_keeps_its_own(void **state)
{
    char found[16] = "x";
    pthread_t thread;
    (void)state;
    assert_int_equal(pn_error(EINVAL, "here %d", 5), -EINVAL);
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, found), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(found, "");
    assert_string_equal(pinion_error_detail(), "here 5");
}

static void the_last_failure_counts(void **state)
{
    (void)state;
    assert_int_equal(pn_error(EPERM, "first, and longer"), -EPERM);
    assert_int_equal(pn_error(EAGAIN, "second"), -EAGAIN);
    assert_string_equal(pinion_error_detail(), "second");
}

static void a_long_line_is_cut(void **state)
{
    char line[2000];
    (void)state;
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\0';
    assert_int_equal(pn_error(EINVAL, "%s", line), -EINVAL);
    assert_int_equal(strlen(pinion_error_detail()), 511);
}

static void the_words_may_quote_the_last_ones(void **state)
{
    (void)state;
    (void)pn_error(EINVAL, "inner");
    (void)pn_error(EINVAL, "outer: %s", pinion_error_detail());
    assert_string_equal(pinion_error_detail(), "outer: inner");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_begins_without_words_and_keeps_its_own),
        cmocka_unit_test(the_last_failure_counts),
        cmocka_unit_test(a_long_line_is_cut),
        cmocka_unit_test(the_words_may_quote_the_last_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
