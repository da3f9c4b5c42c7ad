/* SPDX-License-Identifier: MIT
 *
 * The typed macros of task.h in C: every number of arguments, every kind of type, every form.
 */
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "typed_shared.h"

static struct pinion_pool *pool;
static struct pinion_io *io;

PINION_TASK(int, none) { return 5; }
PINION_TASK(int, one, (int, a)) { return a; }
PINION_TASK(int, two, (int, a), (int, b)) { return a * 10 + b; }
PINION_TASK(int, three, (int, a), (int, b), (int, c)) { return two(a, b) * 10 + c; }
PINION_TASK(int, four, (int, a), (int, b), (int, c), (int, d)) { return three(a, b, c) * 10 + d; }
PINION_TASK(int, five, (int, a), (int, b), (int, c), (int, d), (int, e))
{
    return four(a, b, c, d) * 10 + e;
}
PINION_TASK(int, six, (int, a), (int, b), (int, c), (int, d), (int, e), (int, f))
{
    return five(a, b, c, d, e) * 10 + f;
}
PINION_TASK(int, seven, (int, a), (int, b), (int, c), (int, d), (int, e), (int, f), (int, g))
{
    return six(a, b, c, d, e, f) * 10 + g;
}
PINION_TASK(int, eight, (int, a), (int, b), (int, c), (int, d), (int, e), (int, f), (int, g),
            (int, h))
{
    return seven(a, b, c, d, e, f, g) * 10 + h;
}

/* Every form of a task with a result, given its arguments. */
#define EVERY_FORM(name, expected, ...)                                                            \
    do {                                                                                           \
        struct name##_future future_ = name##_async(io __VA_ARGS__);                               \
        assert_int_equal(name##_await(io, &future_), expected);                                    \
        assert_int_equal(name##_await(io, &future_), expected);                                    \
        assert_int_equal(future_.result, expected);                                                \
        assert_int_equal(name##_concurrent(io, &future_ __VA_ARGS__), 0);                          \
        assert_int_equal(name##_await(io, &future_), expected);                                    \
        assert_int_equal(name##_parallel(io, &future_ __VA_ARGS__), 0);                            \
        assert_int_equal(name##_cancel(io, &future_), expected);                                   \
        assert_int_equal(name##_cancel(io, &future_), expected);                                   \
        name##_detached(io __VA_ARGS__);                                                           \
    } while (0)
#define AND(...) , __VA_ARGS__

static void tasks_take_none_to_eight_arguments(void **state)
{
    (void)state;
    EVERY_FORM(none, 5, );
    EVERY_FORM(one, 1, AND(1));
    EVERY_FORM(two, 12, AND(1, 2));
    EVERY_FORM(three, 123, AND(1, 2, 3));
    EVERY_FORM(four, 1234, AND(1, 2, 3, 4));
    EVERY_FORM(five, 12345, AND(1, 2, 3, 4, 5));
    EVERY_FORM(six, 123456, AND(1, 2, 3, 4, 5, 6));
    EVERY_FORM(seven, 1234567, AND(1, 2, 3, 4, 5, 6, 7));
    EVERY_FORM(eight, 12345678, AND(1, 2, 3, 4, 5, 6, 7, 8));
}

static _Atomic int calls;

PINION_TASK(void, void_none) { atomic_fetch_add(&calls, 1); }
PINION_TASK(void, void_one, (int, n)) { atomic_fetch_add(&calls, n); }
PINION_TASK(void, void_eight, (int, a), (int, b), (int, c), (int, d), (int, e), (int, f), (int, g),
            (int, h))
{
    atomic_fetch_add(&calls, a + b + c + d + e + f + g + h);
}

static void a_task_may_have_no_result(void **state)
{
    (void)state;
    atomic_store(&calls, 0);
    struct void_none_future future = void_none_async(io);
    void_none_await(io, &future);
    void_none_await(io, &future);
    assert_int_equal(atomic_load(&calls), 1);
    struct void_one_future one_future;
    assert_int_equal(void_one_concurrent(io, &one_future, 10), 0);
    void_one_await(io, &one_future);
    assert_int_equal(void_one_parallel(io, &one_future, 100), 0);
    void_one_cancel(io, &one_future);
    assert_int_equal(atomic_load(&calls), 111);
    struct void_eight_future eight_future = void_eight_async(io, 1, 1, 1, 1, 1, 1, 1, 1);
    void_eight_await(io, &eight_future);
    assert_int_equal(atomic_load(&calls), 119);
    assert_int_equal(sizeof(struct void_one_future), sizeof(struct pinion_future));
}

struct large {
    char bytes[5000];
};

struct aligned {
    alignas(64) int value;
};

typedef int (*function)(int);
static int square(int n) { return n * n; }

PINION_TASK(struct pair, swap_pair, (struct pair, pair))
{
    return (struct pair){(long)pair.second, (double)pair.first};
}
PINION_TASK(const char *, skip_chars, (const char *, text), (size_t, n)) { return text + n; }
PINION_TASK(void *, same_pointer, (void *, pointer)) { return pointer; }
PINION_TASK(struct large, make_large, (struct large, from), (char, c))
{
    memset(from.bytes, c, 10);
    return from;
}
PINION_TASK(struct aligned, make_aligned, (struct aligned, from))
{
    from.value += (uintptr_t)&from % 64 == 0 ? 1 : 1000;
    return from;
}
PINION_TASK(bool, is_even, (unsigned long long, n)) { return n % 2 == 0; }
PINION_TASK(double, halve, (const double, x)) { return x / 2; }
PINION_TASK(int, apply, (function, f), (int, n)) { return f(n); }
PINION_TASK(function, give_function, (int, unused))
{
    (void)unused;
    return square;
}

static void arguments_and_results_are_of_any_type(void **state)
{
    (void)state;
    struct swap_pair_future pair = swap_pair_async(io, (struct pair){1, 2.0});
    assert_int_equal(swap_pair_await(io, &pair).first, 2);
    assert_true(swap_pair_await(io, &pair).second == 1.0);

    struct skip_chars_future text = skip_chars_async(io, "pinion", 3);
    assert_string_equal(skip_chars_await(io, &text), "ion");

    struct same_pointer_future pointer;
    assert_int_equal(same_pointer_parallel(io, &pointer, &pair), 0);
    assert_ptr_equal(same_pointer_await(io, &pointer), &pair);

    struct large from;
    memset(&from, 'x', sizeof from);
    struct make_large_future large;
    assert_int_equal(make_large_parallel(io, &large, from, 'y'), 0);
    const struct large made = make_large_await(io, &large);
    assert_memory_equal(made.bytes, "yyyyyyyyyyx", 11);
    assert_memory_equal(made.bytes + 11, from.bytes + 11, sizeof made - 11);

    for (int i = 0; i < 50; i++) {
        struct make_aligned_future aligned = make_aligned_async(io, (struct aligned){i});
        assert_int_equal(make_aligned_await(io, &aligned).value, i + 1);
    }

    struct is_even_future even = is_even_async(io, 4);
    assert_true(is_even_await(io, &even));
    struct halve_future half = halve_async(io, 5.0);
    assert_true(halve_await(io, &half) == 2.5);
    struct apply_future applied = apply_async(io, square, 9);
    assert_int_equal(apply_await(io, &applied), 81);
    struct give_function_future given = give_function_async(io, 0);
    assert_int_equal(give_function_await(io, &given)(4), 16);
}

PINION_TASK(int, fib, (struct pinion_io *, through), (int, n))
{
    if (n < 2)
        return n;
    struct fib_future left = fib_async(through, through, n - 1);
    int right = fib(through, n - 2);
    return fib_await(through, &left) + right;
}

static void a_task_calls_itself(void **state)
{
    (void)state;
    assert_int_equal(fib(io, 15), 610);
}

/* Declared ahead: each makes the other. */
PINION_TASK_DECLARE(int, odd_steps, (struct pinion_io *, through), (int, n));
PINION_TASK_DECLARE(int, even_steps, (struct pinion_io *, through), (int, n));
PINION_TASK_DECLARE(void, note_steps, (int, n));
PINION_TASK_DECLARE(int, no_steps);

static int odd_steps(struct pinion_io *through, int n)
{
    if (n == 0)
        return 0;
    struct even_steps_future future = even_steps_async(through, through, n - 1);
    return even_steps_await(through, &future) + 1;
}

static int even_steps(struct pinion_io *through, int n)
{
    if (n == 0)
        return 0;
    struct odd_steps_future future = odd_steps_async(through, through, n - 1);
    return odd_steps_await(through, &future) + 100;
}

static void note_steps(int n) { atomic_fetch_add(&calls, n); }
static int no_steps(void) { return 3; }

static void tasks_are_declared_ahead_of_their_definition(void **state)
{
    (void)state;
    assert_int_equal(odd_steps(io, 6), 303);
    atomic_store(&calls, 0);
    struct note_steps_future future = note_steps_async(io, 4);
    note_steps_await(io, &future);
    assert_int_equal(atomic_load(&calls), 4);
    struct no_steps_future none_future = no_steps_async(io);
    assert_int_equal(no_steps_await(io, &none_future), 3);
}

static void tasks_are_shared_by_source_files(void **state)
{
    (void)state;
    const long numbers[] = {1, 2, 3, 4};
    struct shared_sum_future sum = shared_sum_async(io, numbers, 4);
    assert_int_equal(shared_sum_await(io, &sum), 10);
    assert_int_equal(sum_elsewhere(io, numbers, 3), 6);
    assert_int_equal(shared_sum(numbers, 2), 3);
    struct pair there = {0, 0};
    struct shared_store_future store = shared_store_async(io, &there, (struct pair){7, 8});
    shared_store_await(io, &store);
    assert_int_equal(there.first, 7);
    struct shared_none_future none_future = shared_none_async(io);
    assert_int_equal(shared_none_await(io, &none_future), 77);
}

static void a_typed_future_may_be_copied(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct two_future future = two_async(io, i, 1);
        struct two_future copy = future;
        assert_int_equal(two_await(io, &copy), i * 10 + 1);
    }
}

static int set_up(void **state)
{
    (void)state;
    const struct pinion_pool_options options = {.cpu_count = 2};
    const int error = pinion_pool_create(&options, &pool);
    if (!error)
        io = pinion_pool_io(pool);
    return error;
}

static int tear_down(void **state)
{
    (void)state;
    pinion_pool_destroy(pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_take_none_to_eight_arguments),
        cmocka_unit_test(a_task_may_have_no_result),
        cmocka_unit_test(arguments_and_results_are_of_any_type),
        cmocka_unit_test(a_task_calls_itself),
        cmocka_unit_test(tasks_are_declared_ahead_of_their_definition),
        cmocka_unit_test(tasks_are_shared_by_source_files),
        cmocka_unit_test(a_typed_future_may_be_copied),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
