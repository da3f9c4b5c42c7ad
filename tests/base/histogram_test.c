/* SPDX-License-Identifier: MIT
 *
 * The buckets of a histogram: without gaps, as wide as promised, from one end to the other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "histogram.h"

static void each_bucket_begins_above_the_end_of_the_one_before(void **state)
{
    (void)state;
    uint64_t before = 0;
    for (unsigned i = 0; i < PN_HISTOGRAM_BUCKETS; i++) {
        const uint64_t end = pn_histogram_end(i);
        assert_true(end > before);
        assert_int_equal(pn_histogram_bucket(before + 1), i);
        assert_int_equal(pn_histogram_bucket(end), i);
        before = end;
    }
    assert_true(before == UINT64_MAX);
    assert_int_equal(pn_histogram_bucket(0), 0);
}

static void a_bucket_ends_at_most_a_quarter_above_its_beginning(void **state)
{
    (void)state;
    for (unsigned i = 2 * PN_HISTOGRAM_PARTS; i + 1 < PN_HISTOGRAM_BUCKETS; i++) {
        const uint64_t begin = pn_histogram_end(i - 1), end = pn_histogram_end(i);
        assert_true(end - begin <= begin / 4);
    }
    for (unsigned i = 0; i < 2 * PN_HISTOGRAM_PARTS; i++)
        assert_int_equal(pn_histogram_end(i), i + 1);
}

static void what_is_put_in_is_counted_and_summed_up(void **state)
{
    (void)state;
    static struct pn_histogram histogram;
    const uint64_t times[] = {0, 1, 100, 100, 128, UINT64_C(1) << 40};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        pn_histogram_add(&histogram, times[i]);
    assert_true(pn_load_relaxed(&histogram.sum) == 329 + (UINT64_C(1) << 40));
    assert_int_equal(pn_load_relaxed(&histogram.counts[0]), 2);
    assert_int_equal(pn_load_relaxed(&histogram.counts[pn_histogram_bucket(97)]), 2);
    assert_int_equal(pn_load_relaxed(&histogram.counts[pn_histogram_bucket(113)]), 1);
    assert_int_equal(
        pn_load_relaxed(&histogram.counts[pn_histogram_bucket(UINT64_C(1) << 40)]), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_bucket_begins_above_the_end_of_the_one_before),
        cmocka_unit_test(a_bucket_ends_at_most_a_quarter_above_its_beginning),
        cmocka_unit_test(what_is_put_in_is_counted_and_summed_up),
    };
    return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
