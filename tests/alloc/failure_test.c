/* SPDX-License-Identifier: MIT
 *
 * Every call below this room fails once, in turn; nothing is lost, and nothing stops working. The
 * calls are exchanged by the linker's --wrap: see meson.build.
 */
#include "support.h"

#include <errno.h>
#include <sys/mman.h>

#include <pinion/error.h>

#include "slab.h"

/* The calls that can fail, and which one does next: the one that finds left at 1. */
static enum call { NONE, MAP, CALLOC, MALLCTL, MALLOCX, ASK, CHECK } failing;
static unsigned left;
static size_t mapped; /* bytes */
static int bind_result;
static int node; /* one that this process may use */

static bool fails(enum call call)
{
    return failing == call && left > 0 && --left == 0;
}

/* mmap goes by this name where off_t is made 64 bits wide, as Meson does. */
void *__real_mmap64(void *, size_t, int, int, int, off_t);
int __real_munmap(void *, size_t);
void *__real_calloc(size_t, size_t);
int __real_mallctl(const char *, void *, size_t *, void *, size_t) __attribute__((weak));
void *__real_mallocx(size_t, int) __attribute__((weak));
int __real_pn_memory_bind(void *, size_t, int);
int __real_pn_memory_nodes_of(const void *const *, size_t, int *);
int __real_pn_memory_node_check(int);

void *__wrap_mmap64(void *, size_t, int, int, int, off_t);
int __wrap_munmap(void *, size_t);
void *__wrap_calloc(size_t, size_t);
int __wrap_mallctl(const char *, void *, size_t *, void *, size_t);
void *__wrap_mallocx(size_t, int);
int __wrap_pn_memory_bind(void *, size_t, int);
int __wrap_pn_memory_nodes_of(const void *const *, size_t, int *);
int __wrap_pn_memory_node_check(int);

void *__wrap_mmap64(void *address, size_t length, int protection, int flags, int file, off_t offset)
{
    if (fails(MAP)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    void *start = __real_mmap64(address, length, protection, flags, file, offset);
    if (start != MAP_FAILED)
        mapped += length;
    return start;
}

int __wrap_munmap(void *address, size_t length)
{
    mapped -= length;
    return __real_munmap(address, length);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails(CALLOC) ? NULL : __real_calloc(count, size);
}

int __wrap_mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size)
{
    return fails(MALLCTL) ? EAGAIN : __real_mallctl(name, old, old_size, new, new_size);
}

void *__wrap_mallocx(size_t size, int flags)
{
    return fails(MALLOCX) ? NULL : __real_mallocx(size, flags);
}

int __wrap_pn_memory_bind(void *address, size_t length, int on)
{
    return bind_result != 0 ? bind_result : __real_pn_memory_bind(address, length, on);
}

int __wrap_pn_memory_nodes_of(const void *const *pages, size_t count, int *nodes)
{
    return fails(ASK) ? -EPERM : __real_pn_memory_nodes_of(pages, count, nodes);
}

int __wrap_pn_memory_node_check(int on)
{
    if (on >= 0 && on < 2 && failing == CHECK)
        return on == 0 ? -ENODEV : 0;
    return __real_pn_memory_node_check(on);
}

/* --- what is run until nothing fails any more ------------------------------------------------- */

/* 0, or the first error; all is released either way. */
static int use_slab(struct pinion_arena *arena)
{
    struct pn_slab *slab;
    int error = pn_slab_create(arena, &slab);
    if (error != 0)
        return error;
    for (unsigned i = 0; i < 400 && error == 0; i++) {
        size_t size = i % PN_SLAB_SIZE_MAX + 1;
        void *block = pn_slab_alloc(slab, size);
        if (block == NULL)
            error = -ENOMEM;
        else
            memset(block, 1, size);
    }
    size_t local, elsewhere;
    if (error == 0)
        error = pn_slab_locality(slab, 0, &local, &elsewhere);
    pn_slab_destroy(slab);
    return error;
}

static int use_arena(struct pinion_arena *arena)
{
    static const struct {
        size_t size, align;
    } blocks[] = {{10, 0},      {3000, 4096}, {100000, 0}, {1 << 20, 1 << 16},
                  {5 << 20, 0}, {9, 8 << 20}};
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
        char *block = pinion_arena_alloc(arena, blocks[i].size, blocks[i].align);
        if (block == NULL)
            return -ENOMEM;
        block[0] = block[blocks[i].size - 1] = 1;
        if (i % 2)
            pinion_arena_free(arena, block, blocks[i].size);
    }
    return use_slab(arena);
}

static int scenario(void)
{
    struct pinion_arena *arena;
    int error = pinion_arena_create(node, &arena);
    if (error != 0)
        return error;
    pn_arena_keep(arena);
    error = use_arena(arena);
    pinion_arena_destroy(arena);
    return error;
}

/* Holds the arenas that jemalloc has in store, so that a new one has to be made. */
static int scenario_with_a_new_arena(void)
{
    static struct pinion_arena *held[512];
    enum call call = failing;
    failing = NONE;
    unsigned count = 0, before = jemalloc_arenas();
    do {
        assert_in_range(count, 0, 511);
        assert_int_equal(pinion_arena_create(node, &held[count++]), 0);
    } while (jemalloc_arenas() == before && with_jemalloc());
    failing = call;
    int error = scenario();
    failing = NONE;
    while (count > 0)
        pinion_arena_destroy(held[--count]);
    return error;
}

/* How many of the calls there were; each failed once. */
static unsigned fail_each(enum call call, int error)
{
    size_t before = mapped;
    for (unsigned nth = 1; nth < 1000; nth++) {
        failing = call;
        left = nth;
        int result = scenario_with_a_new_arena();
        assert_int_equal(mapped, before);
        if (left > 0) {
            left = 0;
            assert_int_equal(result, 0);
            return nth - 1;
        }
        if (result != 0)
            assert_int_equal(result, error);
    }
    fail_msg("there is no end to it");
    return 0;
}

static void every_mapping_may_fail(void **state)
{
    (void)state;
    unsigned count = fail_each(MAP, -ENOMEM);
    assert_true(with_jemalloc() ? count == 0 : count >= 5);
}

static void every_call_of_jemalloc_may_fail(void **state)
{
    (void)state;
    if (!with_jemalloc())
        skip();
    assert_int_equal(fail_each(CALLOC, -ENOMEM), 1);
    assert_true(fail_each(MALLCTL, -ENOMEM) >= 4);
    assert_true(fail_each(MALLOCX, -ENOMEM) >= 8);
}

static void a_question_that_the_kernel_refuses_is_told(void **state)
{
    (void)state;
    assert_true(fail_each(ASK, -EPERM) >= 1);
}

static void a_bind_that_is_refused_is_remembered_and_the_memory_good(void **state)
{
    (void)state;
    struct pinion_arena *hoard[64], *arena = NULL;
    unsigned count = 0;
    bind_result = -EPERM;
    while (count < 64) { /* the first few may be recycled, and bound */
        assert_int_equal(pinion_arena_create(node, &hoard[count]), 0);
        arena = hoard[count++];
        if (pn_arena_bind_error(arena) != 0)
            break;
    }
    assert_int_equal(pn_arena_bind_error(arena), -EPERM);
    assert_int_equal(use_arena(arena), 0);
    assert_int_equal(pn_arena_bind_error(arena), -EPERM);
    while (count > 0)
        pinion_arena_destroy(hoard[--count]);
    bind_result = 0;
}

static void a_later_bind_that_is_refused_is_remembered_too(void **state)
{
    (void)state;
    struct pinion_arena *arena;
    unsigned count = 0;
    do { /* past those that the test before left unbound */
        assert_int_equal(pinion_arena_create(node, &arena), 0);
    } while (pn_arena_bind_error(arena) != 0 && ++count < 64);
    assert_int_equal(pn_arena_bind_error(arena), 0);
    bind_result = -ENOMEM;
    void *block = pinion_arena_alloc(arena, 100 << 20, 0);
    bind_result = 0;
    assert_non_null(block);
    assert_int_equal(pn_arena_bind_error(arena), -ENOMEM);
    pinion_arena_destroy(arena);
}

static void one_node_means_nothing_to_bind_and_no_error(void **state)
{
    (void)state;
    struct pinion_arena *arena;
    bind_result = -ENOTSUP;
    unsigned before = jemalloc_arenas();
    do {
        assert_int_equal(pinion_arena_create(node, &arena), 0);
    } while (with_jemalloc() && jemalloc_arenas() == before);
    assert_int_equal(pn_arena_bind_error(arena), 0);
    assert_int_equal(use_arena(arena), 0);
    assert_int_equal(pn_arena_bind_error(arena), 0);
    pinion_arena_destroy(arena);
    bind_result = 0;
}

static void a_node_outside_is_refused_with_those_inside(void **state)
{
    (void)state;
    struct pinion_arena *arena;
    failing = CHECK;
    assert_int_equal(pinion_arena_create(0, &arena), -EINVAL);
    failing = NONE;
    assert_non_null(strstr(pinion_error_detail(), "node 0 "));
    assert_non_null(strstr(pinion_error_detail(), "(its nodes: 1"));
}

int main(void)
{
    node = first_node();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mapping_may_fail),
        cmocka_unit_test(every_call_of_jemalloc_may_fail),
        cmocka_unit_test(a_question_that_the_kernel_refuses_is_told),
        cmocka_unit_test(a_bind_that_is_refused_is_remembered_and_the_memory_good),
        cmocka_unit_test(a_later_bind_that_is_refused_is_remembered_too),
        cmocka_unit_test(one_node_means_nothing_to_bind_and_no_error),
        cmocka_unit_test(a_node_outside_is_refused_with_those_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
