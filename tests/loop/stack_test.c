/* SPDX-License-Identifier: MIT
 *
 * Stacks: what comes, what is reused, what goes back to the system.
 */
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

#define USUAL ((size_t)256 * 1024)

static struct pn_stack_depot *depot;
static struct pn_stack_cache *cache;

static int begin(void **state)
{
    (void)state;
    return pn_stack_depot_create(-1, &depot) != 0 || pn_stack_cache_create(depot, &cache) != 0;
}

static int end(void **state)
{
    (void)state;
    pn_stack_cache_destroy(cache);
    pn_stack_depot_destroy(depot);
    return 0;
}

static struct pn_stack get(size_t bytes)
{
    struct pn_stack stack;
    must(pn_stack_get(cache, bytes, &stack) == 0);
    return stack;
}

static struct pn_stack_stats stats(void)
{
    struct pn_stack_stats stats;
    pn_stack_depot_stats(depot, &stats);
    return stats;
}

/* Pages of a stack that are in memory. */
static size_t resident(const struct pn_stack *stack)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *const there = malloc(stack->bytes / page);
    size_t count = 0;
    must(there && mincore(stack->low, stack->bytes, there) == 0);
    for (size_t i = 0; i < stack->bytes / page; i++)
        count += there[i] & 1;
    free(there);
    return count;
}

static void the_stack_put_last_comes_first(void **state)
{
    const struct pn_stack a = get(USUAL), b = get(USUAL);
    (void)state;
    pn_stack_put(cache, &a);
    pn_stack_put(cache, &b);
    const struct pn_stack c = get(USUAL), d = get(USUAL);
    assert_ptr_equal(c.low, b.low);
    assert_ptr_equal(d.low, a.low);
    pn_stack_put(cache, &c);
    pn_stack_put(cache, &d);
}

static void a_stack_has_what_was_asked_for_and_can_be_written_to(void **state)
{
    static const size_t sizes[] = {
        1, 4096, 16384, 16385, 100000, USUAL, USUAL + 1, PN_STACK_CLASS_MAX,
        PN_STACK_CLASS_MAX + 1, (size_t)64 << 20};
    enum { SIZES = sizeof sizes / sizeof sizes[0] };
    struct pn_stack stacks[SIZES];
    (void)state;
    for (size_t i = 0; i < SIZES; i++) {
        stacks[i] = get(sizes[i]);
        assert_true(stacks[i].bytes >= sizes[i] && stacks[i].bytes % 4096 == 0);
        assert_true((uintptr_t)stacks[i].low % 4096 == 0);
        stacks[i].low[0] = stacks[i].low[stacks[i].bytes - 1] = (char)i;
    }
    for (size_t i = 0; i < SIZES; i++) {
        assert_true(stacks[i].low[0] == (char)i);
        assert_true(stacks[i].low[stacks[i].bytes - 1] == (char)i);
        pn_stack_put(cache, &stacks[i]);
    }
    assert_true(pn_stack_min() >= 16384);
}

static void what_cannot_be_mapped_is_refused(void **state)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 4096, SIZE_MAX / 2, SIZE_MAX / 4};
    struct pn_stack stack;
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        assert_int_equal(pn_stack_get(cache, sizes[i], &stack), -ENOMEM);
}

static int take_all_there_is(void)
{
    const struct rlimit limit = {(size_t)1 << 30, (size_t)1 << 30};
    struct pn_stack stack, last = {0};
    size_t count = 0;
    must(begin(NULL) == 0 && setrlimit(RLIMIT_AS, &limit) == 0);
    while (pn_stack_get(cache, USUAL, &stack) == 0) {
        stack.low[0] = 1;
        last = stack;
        count++;
    }
    must(pn_stack_get(cache, USUAL, &stack) == -ENOMEM);
    must(pn_stack_get(cache, (size_t)1 << 29, &stack) == -ENOMEM);
    must(count > 2000 && stats().in_use == count);
    pn_stack_put(cache, &last);
    must(pn_stack_get(cache, USUAL, &stack) == 0 && stack.low == last.low);
    return 7;
}

static void without_memory_what_there_is_is_used_up_and_then_refused(void **state)
{
    (void)state;
    if (IS_SANITIZED || RUNNING_ON_VALGRIND)
        skip(); /* they take more than the limit for themselves */
    assert_child_exits(take_all_there_is, 7);
}

static void many_stacks_take_few_mappings(void **state)
{
    enum { MANY = IS_SANITIZED ? 1000 : 100000 };
    const size_t before = mappings();
    struct pn_stack *const stacks = malloc(MANY * sizeof *stacks);
    (void)state;
    assert_non_null(stacks);
    stacks[0] = get(65536);
    if (strstr(pn_stack_guard_text(depot), "marked") == NULL || RUNNING_ON_VALGRIND) {
        pn_stack_put(cache, &stacks[0]);
        free(stacks);
        skip();
    }
    for (size_t i = 1; i < MANY; i++)
        stacks[i] = get(65536);
    for (size_t i = 0; i < MANY; i += 100)
        stacks[i].low[stacks[i].bytes - 1] = 1;
    assert_true(mappings() < before + 500);
    assert_true(stats().in_use_peak >= MANY && stats().in_use >= MANY);
    assert_true(stats().bytes >= (size_t)65536 * MANY);
    for (size_t i = 0; i < MANY; i++)
        pn_stack_put(cache, &stacks[i]);
    free(stacks);
    assert_true(stats().in_use <= 64);
}

static void what_is_deep_in_a_stack_goes_back_when_its_cache_is_flushed(void **state)
{
    (void)state;
    pn_stack_cache_flush(cache);
    const uint64_t trimmed = stats().trimmed;
    struct pn_stack stack = get(USUAL);
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    memset(stack.low, 1, stack.bytes);
    assert_int_equal(resident(&stack), stack.bytes / page);
    pn_stack_put(cache, &stack);
    assert_int_equal(resident(&stack), stack.bytes / page); /* it is likely to be used again */
    assert_int_equal(stats().trimmed, trimmed);
    pn_stack_cache_flush(cache);
    assert_int_equal(stats().trimmed, trimmed + 1);
    assert_true(resident(&stack) >= 1 && resident(&stack) <= 16384 / page);
    pn_stack_cache_flush(cache);
    assert_int_equal(stats().trimmed, trimmed + 1);
    stack = get(USUAL);
    memset(stack.low + stack.bytes - 8192, 1, 8192);
    pn_stack_put(cache, &stack);
    pn_stack_cache_flush(cache);
    assert_int_equal(stats().trimmed, trimmed + 1); /* there was nothing deep in it */
}

static void of_many_stacks_the_depot_keeps_few_pages(void **state)
{
    enum { MANY = 3000 };
    struct pn_stack stacks[MANY];
    size_t pages = 0;
    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        stacks[i] = get(32768);
        stacks[i].low[stacks[i].bytes - 1] = 1;
    }
    for (size_t i = 0; i < MANY; i++)
        pn_stack_put(cache, &stacks[i]);
    for (size_t i = 0; i < MANY; i++)
        pages += resident(&stacks[i]);
    assert_true(pages >= 1000 && pages <= 1024 + 64 + 16);
}

static void depots_leave_no_mapping_behind(void **state)
{
    (void)state;
    for (int i = 0; i < 1001; i++) {
        static size_t before;
        if (i == 1) /* the first may have given the C library cause to map something */
            before = mappings();
        struct pn_stack_depot *one;
        struct pn_stack_cache *of_it;
        struct pn_stack stack;
        assert_int_equal(pn_stack_depot_create(-1, &one), 0);
        assert_int_equal(pn_stack_cache_create(one, &of_it), 0);
        for (size_t bytes = 1; bytes < (size_t)16 << 20; bytes *= 16) {
            assert_int_equal(pn_stack_get(of_it, bytes, &stack), 0);
            pn_stack_put(of_it, &stack);
        }
        pn_stack_cache_destroy(of_it);
        pn_stack_depot_destroy(one);
        if (i == 1000 && !RUNNING_ON_VALGRIND) /* which maps for itself, too */
            assert_int_equal(mappings(), before);
    }
}

#define THREADS 4

static void *churn(void *argument)
{
    enum { HELD = 200 };
    const uintptr_t seed = (uintptr_t)argument;
    struct pn_stack_cache *mine;
    struct pn_stack held[HELD];
    must(pn_stack_cache_create(depot, &mine) == 0);
    for (int round = 0; round < (IS_SANITIZED || RUNNING_ON_VALGRIND ? 5 : 100); round++) {
        for (size_t i = 0; i < HELD; i++) {
            must(pn_stack_get(mine, 32768, &held[i]) == 0);
            memcpy(held[i].low + 8192, &seed, sizeof seed);
        }
        for (size_t i = 0; i < HELD; i++) {
            must(memcmp(held[i].low + 8192, &seed, sizeof seed) == 0);
            pn_stack_put(mine, &held[i]);
        }
    }
    pn_stack_cache_destroy(mine);
    return NULL;
}

static void threads_never_have_the_same_stack(void **state)
{
    pthread_t threads[THREADS];
    (void)state;
    const size_t before = stats().in_use;
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(stats().in_use, before);
}

static int use_after_put(void)
{
    must(begin(NULL) == 0);
    const struct pn_stack stack = get(USUAL);
    pn_stack_put(cache, &stack);
    stack.low[stack.bytes / 2] = 1;
    return 0;
}

static void address_sanitizer_finds_use_after_put(void **state)
{
    (void)state;
    if (!PN_FIBER_ASAN)
        skip();
    assert_int_not_equal(status_of_child(use_after_put), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_stack_put_last_comes_first, begin, end),
        cmocka_unit_test_setup_teardown(a_stack_has_what_was_asked_for_and_can_be_written_to,
                                        begin, end),
        cmocka_unit_test_setup_teardown(what_cannot_be_mapped_is_refused, begin, end),
        cmocka_unit_test(without_memory_what_there_is_is_used_up_and_then_refused),
        cmocka_unit_test_setup_teardown(many_stacks_take_few_mappings, begin, end),
        cmocka_unit_test_setup_teardown(
            what_is_deep_in_a_stack_goes_back_when_its_cache_is_flushed, begin, end),
        cmocka_unit_test_setup_teardown(of_many_stacks_the_depot_keeps_few_pages, begin, end),
        cmocka_unit_test(depots_leave_no_mapping_behind),
        cmocka_unit_test_setup_teardown(threads_never_have_the_same_stack, begin, end),
        cmocka_unit_test(address_sanitizer_finds_use_after_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
