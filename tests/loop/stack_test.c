/* SPDX-License-Identifier: MIT
 *
 * Stacks: what comes, what is reused, what goes back to the system.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stack.h"

static void the_stack_put_last_comes_first(void **state)
{
    struct pn_stack_depot *depot;
    struct pn_stack_cache *cache;
    struct pn_stack a, b, c;
    (void)state;
    assert_int_equal(pn_stack_depot_create(-1, &depot), 0);
    assert_int_equal(pn_stack_cache_create(depot, &cache), 0);
    assert_int_equal(pn_stack_get(cache, 100000, &a), 0);
    assert_int_equal(pn_stack_get(cache, 100000, &b), 0);
    assert_true(a.bytes >= 100000 && b.bytes == a.bytes && a.low != b.low);
    memset(a.low, 1, a.bytes);
    memset(b.low, 2, b.bytes);
    pn_stack_put(cache, &a);
    pn_stack_put(cache, &b);
    assert_int_equal(pn_stack_get(cache, 100000, &c), 0);
    assert_ptr_equal(c.low, b.low);
    pn_stack_put(cache, &c);
    pn_stack_cache_destroy(cache);
    pn_stack_depot_destroy(depot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_stack_put_last_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
