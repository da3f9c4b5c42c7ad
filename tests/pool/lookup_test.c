/* SPDX-License-Identifier: MIT
 *
 * Lookups of names and the threads of the pool: one each, which is given back, or the caller's
 * where none can be had.
 */
#include "support.h"

#include <netdb.h>

#include <pinion/net.h>

/* Every machine knows it, without asking others. */
static void expect_localhost(struct pinion_io *io)
{
    struct addrinfo *list = NULL;
    assert_int_equal(pinion_getaddrinfo(io, "localhost", "80", NULL, &list), 0);
    assert_non_null(list);
    freeaddrinfo(list);
}

static void a_lookup_has_a_thread_and_gives_it_back(void **state)
{
    (void)state;
    const struct pinion_pool_options options = {.cpu_count = 1, .max_parallel = 1};
    struct pinion_pool *pool = make_pool(&options);
    for (int i = 0; i < 100 / TEST_SLOW; i++)
        expect_localhost(pinion_pool_io(pool));
    assert_true(stats_of(pool).threads_peak == 1);
    wait_until(stats_of(pool).parallel_count == 0);
    pinion_pool_destroy(pool);
}

static void an_address_in_digits_takes_no_thread(void **state)
{
    (void)state;
    struct pinion_pool *pool = pool_of(1);
    struct addrinfo *list = NULL;
    assert_int_equal(pinion_getaddrinfo(pinion_pool_io(pool), "127.0.0.1", "80", NULL, &list), 0);
    freeaddrinfo(list);
    assert_int_equal(stats_of(pool).threads_peak, 0);
    pinion_pool_destroy(pool);
}

static void without_a_thread_a_lookup_runs_in_the_caller(void **state)
{
    (void)state;
    const struct pinion_pool_options options = {.cpu_count = 1, .max_parallel = 1};
    struct pinion_pool *pool = make_pool(&options);
    struct pinion_io *io = pinion_pool_io(pool);
    struct gate gate = GATE_INIT;
    struct pass_gate_future blocked;
    assert_int_equal(pass_gate_parallel(io, &blocked, &gate), 0);
    expect_localhost(io);
    assert_int_equal(stats_of(pool).threads_peak, 1);
    gate_open(&gate);
    pass_gate_await(io, &blocked);
    pinion_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lookup_has_a_thread_and_gives_it_back),
        cmocka_unit_test(an_address_in_digits_takes_no_thread),
        cmocka_unit_test(without_a_thread_a_lookup_runs_in_the_caller),
    };
    return cmocka_run_group_tests_name("pool lookup", tests, NULL, NULL);
}
