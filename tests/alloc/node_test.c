/* SPDX-License-Identifier: MIT
 *
 * Whether memory really is where it was asked for, by the kernel's word. It says most on a machine
 * with several nodes.
 */
#include "support.h"

#include <errno.h>
#include <stdlib.h>

#include <pinion/error.h>

#include "binding.h"
#include "slab.h"

enum { NODES = 64 };

static size_t page;

static int skip_where_the_kernel_cannot_tell(void **state)
{
    (void)state;
    static int touched = 1;
    page = (size_t)sysconf(_SC_PAGESIZE);
    if (pinion_arena_node_of(&touched) >= 0)
        return 0;
    print_message("the kernel does not tell where a page is: error %d\n",
                  pinion_arena_node_of(&touched));
    exit(77);
}

static void assert_all_on(int node, const char *block, size_t size)
{
    for (size_t offset = 0; offset < size; offset += page)
        assert_int_equal(pinion_arena_node_of(block + offset), node);
}

static void memory_is_on_its_node(void **state)
{
    (void)state;
    static const size_t sizes[] = {100, 5000, 70000, 3 << 20, 12 << 20};
    for (int node = 0; node < NODES; node++) {
        struct pinion_arena *arena;
        if (pn_memory_node_check(node) != 0)
            continue;
        assert_int_equal(pinion_arena_create(node, &arena), 0);
        assert_int_equal(pn_arena_bind_error(arena), 0);
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            char *block = pinion_arena_alloc(arena, sizes[i], 0);
            assert_non_null(block);
            memset(block, 1, sizes[i]);
            assert_all_on(node, block, sizes[i]);
        }
        pinion_arena_destroy(arena);
        print_message("node %d: right\n", node);
    }
}

static void memory_that_was_given_back_and_comes_again_is_on_its_node(void **state)
{
    (void)state;
    enum { SIZE = 6 << 20 };
    for (int node = 0; node < NODES; node++) {
        if (pn_memory_node_check(node) != 0)
            continue;
        for (unsigned round = 0; round < 4;
             round++) { /* the arena is recycled on each but the first */
            struct pinion_arena *arena;
            assert_int_equal(pinion_arena_create(node, &arena), 0);
            for (unsigned again = 0; again < 3; again++) {
                char *block = pinion_arena_alloc(arena, SIZE, 4096);
                assert_non_null(block);
                memset(block, 1, SIZE);
                assert_all_on(node, block, SIZE);
                pinion_arena_free(arena, block, SIZE);
                purge_all();
            }
            pinion_arena_destroy(arena);
        }
    }
}

static void slabs_are_on_the_node_of_their_arena(void **state)
{
    (void)state;
    for (int node = 0; node < NODES; node++) {
        if (pn_memory_node_check(node) != 0)
            continue;
        struct pinion_arena *arena;
        struct pn_slab *slab;
        assert_int_equal(pinion_arena_create(node, &arena), 0);
        assert_int_equal(pn_slab_create(arena, &slab), 0);
        for (unsigned i = 0; i < 5000; i++)
            memset(pn_slab_alloc(slab, 320), 1, 320);
        size_t local, elsewhere;
        assert_int_equal(pn_slab_locality(slab, (unsigned)node, &local, &elsewhere), 0);
        assert_true(local >= 5000 * 320);
        assert_int_equal(elsewhere, 0);
        assert_int_equal(pn_slab_locality(slab, (unsigned)node + 1, &local, &elsewhere), 0);
        assert_int_equal(local, 0);
        pn_slab_destroy(slab);
        pinion_arena_destroy(arena);
    }
}

static void every_other_node_is_refused_in_words(void **state)
{
    (void)state;
    for (int node = 0; node < NODES; node++) {
        struct pinion_arena *arena;
        if (pn_memory_node_check(node) == 0)
            continue;
        assert_int_equal(pinion_arena_create(node, &arena), -EINVAL);
        char number[24];
        snprintf(number, sizeof(number), "node %d ", node);
        assert_non_null(strstr(pinion_error_detail(), number));
        if (node == 0 || pn_memory_node_check(node - 1) == 0)
            print_message("%s\n", pinion_error_detail());
    }
}

static void an_arena_of_any_node_works_and_is_not_bound(void **state)
{
    (void)state;
    struct pinion_arena *arena;
    assert_int_equal(pinion_arena_create(-1, &arena), 0);
    assert_int_equal(pn_arena_bind_error(arena), 0);
    char *block = pinion_arena_alloc(arena, 1 << 20, 0);
    memset(block, 1, 1 << 20);
    assert_true(pinion_arena_node_of(block) >= 0);
    pinion_arena_destroy(arena);
}

static void node_of_tells_what_it_cannot_know(void **state)
{
    (void)state;
    struct pinion_arena *arena;
    assert_int_equal(pinion_arena_create(-1, &arena), 0);
    purge_all();
    char *block = pinion_arena_alloc(arena, 1 << 20, 4096);
    bool huge;
    if (strcmp(pn_arena_huge_pages(&huge), "transparent, always") != 0)
        assert_int_equal(pinion_arena_node_of(block + (1 << 19)), -ENOENT);
    block[1 << 19] = 1;
    assert_true(pinion_arena_node_of(block + (1 << 19)) >= 0);
    assert_int_equal(pinion_arena_node_of(NULL), -EFAULT);
    pinion_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_on_its_node),
        cmocka_unit_test(memory_that_was_given_back_and_comes_again_is_on_its_node),
        cmocka_unit_test(slabs_are_on_the_node_of_their_arena),
        cmocka_unit_test(every_other_node_is_refused_in_words),
        cmocka_unit_test(an_arena_of_any_node_works_and_is_not_bound),
        cmocka_unit_test(node_of_tells_what_it_cannot_know),
    };
    return cmocka_run_group_tests(tests, skip_where_the_kernel_cannot_tell, NULL);
}
