/* SPDX-License-Identifier: MIT
 *
 * Lookups where there is no memory for them. The linker diverts malloc (--wrap).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netdb.h>

#include <pinion.h>

#include "no_memory.h"

static void without_memory_a_lookup_is_refused(void **state)
{
    const struct pinion_pool_options options = {.cpu_count = 1};
    struct pinion_pool *pool;
    struct addrinfo *list = NULL;
    (void)state;
    assert_int_equal(pinion_pool_create(&options, &pool), 0);
    struct pinion_io *io = pinion_pool_io(pool);
    is_failing = true;
    errno = 77;
    assert_int_equal(pinion_getaddrinfo(io, "localhost", "80", NULL, &list), -ENOMEM);
    assert_int_equal(pinion_connect_to(io, "localhost:80"), -ENOMEM);
    assert_int_equal(errno, 77);
    is_failing = false;
    assert_int_equal(failures, 2);
    assert_null(list);
    assert_int_equal(pinion_getaddrinfo(io, "localhost", "80", NULL, &list), 0);
    freeaddrinfo(list);
    pinion_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(without_memory_a_lookup_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
