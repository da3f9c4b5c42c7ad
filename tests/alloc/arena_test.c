/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <pinion/arena.h>
#include <pinion/error.h>

#include "atomic.h"
#include "huge.h"

static struct pinion_arena *make_arena(void)
{
    struct pinion_arena *arena;
    assert_int_equal(pinion_arena_create(-1, &arena), 0);
    return arena;
}

static void blocks_of_all_sizes_and_alignments_are_aligned_and_apart(void **state)
{
    (void)state;
    enum { COUNT = 24 };
    struct pinion_arena *arena = make_arena();
    for (size_t align = 1; align <= (size_t)8 << 20; align *= 2) {
        unsigned char *blocks[COUNT];
        size_t sizes[COUNT], size = 1;
        for (size_t i = 0; i < COUNT; i++) {
            sizes[i] = size;
            blocks[i] = pinion_arena_alloc(arena, size, align);
            assert_non_null(blocks[i]);
            assert_int_equal((uintptr_t)blocks[i] & (align - 1), 0);
            memset(blocks[i], (int)i, size);
            size = size * 2 + (i % 3); /* around the powers of two */
            if (size > (size_t)1 << 20)
                size = i;
        }
        for (size_t i = 0; i < COUNT; i++) {
            for (size_t byte = 0; byte < sizes[i]; byte++)
                if (blocks[i][byte] != i)
                    fail_msg("block %zu of %zu bytes at alignment %zu", i, sizes[i], align);
            pinion_arena_free(arena, blocks[i], sizes[i]);
        }
    }
    pinion_arena_destroy(arena);
}

static void every_small_size_is_served(void **state)
{
    (void)state;
    struct pinion_arena *arena = make_arena();
    for (size_t size = 1; size <= (size_t)140 << 10; size += size < 2048 ? 1 : 509) {
        unsigned char *block = pinion_arena_alloc(arena, size, 0);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % alignof(max_align_t), 0);
        block[0] = block[size - 1] = 1;
        pinion_arena_free(arena, block, size);
    }
    pinion_arena_destroy(arena);
}

static void sizes_and_alignments_that_cannot_be_are_refused(void **state)
{
    (void)state;
    struct pinion_arena *arena = make_arena();
    assert_null(pinion_arena_alloc(arena, 0, 0));
    assert_null(pinion_arena_alloc(arena, 8, 3));
    assert_null(pinion_arena_alloc(arena, 8, 48));
    for (size_t align = 1; align != 0; align *= 2) {
        assert_null(pinion_arena_alloc(arena, SIZE_MAX, align));
        assert_null(pinion_arena_alloc(arena, SIZE_MAX - 4096, align));
        assert_null(pinion_arena_alloc(arena, (size_t)PTRDIFF_MAX + 1, align));
        assert_null(pinion_arena_alloc(arena, PTRDIFF_MAX, align));
        assert_null(pinion_arena_alloc(arena, PTRDIFF_MAX - 4096, align));
    }
    assert_null(pinion_arena_alloc(arena, 1, (size_t)1 << 63));
    assert_null(pinion_arena_alloc(arena, (size_t)1 << 62, (size_t)1 << 62));
    void *block = pinion_arena_alloc(arena, 64, 64); /* and it still works */
    assert_non_null(block);
    pinion_arena_free(arena, block, 64);
    pinion_arena_free(arena, NULL, 64);
    pinion_arena_destroy(arena);
    pinion_arena_destroy(NULL);
}

static void a_free_keeps_errno(void **state)
{
    (void)state;
    struct pinion_arena *arena = make_arena();
    void *block = pinion_arena_alloc(arena, 1 << 20, 0);
    errno = 4711;
    pinion_arena_free(arena, block, 1 << 20);
    assert_int_equal(errno, 4711);
    pinion_arena_destroy(arena);
}

static void freed_memory_is_used_again(void **state)
{
    (void)state;
    struct pinion_arena *arena = make_arena();
    static const size_t sizes[] = {16, 200, 4096, 60000, 300000};
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        size_t before = 0;
        for (unsigned round = 0; round < 2000; round++) {
            void *blocks[8];
            for (size_t i = 0; i < 8; i++) {
                blocks[i] = pinion_arena_alloc(arena, sizes[s], 0);
                assert_non_null(blocks[i]);
                memset(blocks[i], 1, sizes[s] < 64 ? sizes[s] : 64);
            }
            for (size_t i = 0; i < 8; i++)
                pinion_arena_free(arena, blocks[i], sizes[s]);
            if (round == 100)
                before = statm_bytes(0);
        }
        assert_true(statm_bytes(0) <= before + (16 << 20));
    }
    pinion_arena_destroy(arena);
}

static void an_arena_that_keeps_serves_large_blocks_from_what_it_kept(void **state)
{
    (void)state;
    struct pinion_arena *arena = make_arena();
    pn_arena_keep(arena);
    void *first = pinion_arena_alloc(arena, 1 << 20, 4096);
    assert_non_null(first);
    pinion_arena_free(arena, first, 1 << 20);
    void *again = pinion_arena_alloc(arena, 1 << 20, 4096);
    assert_ptr_equal(again, first);
    memset(again, 1, 1 << 20);
    void *other = pinion_arena_alloc(arena, 1 << 20, 4096);
    assert_non_null(other);
    assert_ptr_not_equal(other, again);
    pinion_arena_free(arena, other, 1 << 20);
    pinion_arena_destroy(arena);
}

static void what_one_kept_the_next_gives_back(void **state)
{
    (void)state;
    if (!with_jemalloc())
        skip();
    for (unsigned i = 0; i < 2; i++) {
        struct pinion_arena *arena = make_arena();
        if (i == 0)
            pn_arena_keep(arena);
        unsigned kept = 0, count = jemalloc_arenas();
        for (unsigned index = 0; index < count; index++) {
            char name[64];
            ssize_t ms = 0;
            size_t size = sizeof(ms);
            snprintf(name, sizeof(name), "arena.%u.dirty_decay_ms", index);
            if (mallctl(name, &ms, &size, NULL, 0) == 0 && ms == -1)
                kept++;
        }
        assert_int_equal(kept, i == 0 ? 1 : 0);
        pinion_arena_destroy(arena);
    }
}

static void ten_thousand_arenas_in_turn_leave_nothing_behind(void **state)
{
    (void)state;
    size_t maps = 0, resident = 0;
    unsigned arenas = 0;
    for (unsigned i = 0; i < 10000; i++) {
        if (i == 100) {
            maps = mappings();
            resident = resident_bytes();
            arenas = jemalloc_arenas();
        }
        struct pinion_arena *arena = make_arena();
        memset(pinion_arena_alloc(arena, 100, 0), 1, 100);
        memset(pinion_arena_alloc(arena, 1 << 16, 1 << 16), 1, 1 << 10);
        memset(pinion_arena_alloc(arena, 300000, 0), 1, 1 << 10);
        pinion_arena_destroy(arena);
    }
    assert_int_equal(jemalloc_arenas(), arenas);
    assert_true(mappings() <= maps + 16);
    /* Sanitizers keep memory of their own for what was mapped or freed, and look for leaks. */
    assert_true(WITH_ASAN || WITH_TSAN || resident_bytes() <= resident + (4 << 20));
}

static void destroy_releases_what_is_still_allocated(void **state)
{
    (void)state;
    enum { BYTES = 64 << 20 };
    size_t before = resident_bytes();
    for (unsigned i = 0; i < 8; i++) {
        struct pinion_arena *arena = make_arena();
        memset(pinion_arena_alloc(arena, BYTES / 2, 0), 1, BYTES / 2);
        for (unsigned j = 0; j < BYTES / 2 / 4096; j++)
            memset(pinion_arena_alloc(arena, 4096, 64), 1, 4096);
        assert_true(resident_bytes() >= before + BYTES / 4 * 3);
        pinion_arena_destroy(arena);
        assert_true(resident_bytes() <= before + BYTES / 4);
    }
}

static void arenas_that_live_at_once_are_apart(void **state)
{
    (void)state;
    enum { COUNT = 32 };
    struct pinion_arena *arenas[COUNT];
    unsigned char *blocks[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        arenas[i] = make_arena();
        blocks[i] = pinion_arena_alloc(arenas[i], 1000, 0);
        memset(blocks[i], (int)i, 1000);
    }
    for (unsigned i = 0; i < COUNT; i += 2)
        pinion_arena_destroy(arenas[i]);
    for (unsigned i = 1; i < COUNT; i += 2) {
        for (unsigned byte = 0; byte < 1000; byte++)
            assert_int_equal(blocks[i][byte], i);
        pinion_arena_destroy(arenas[i]);
    }
}

/* --- threads ---------------------------------------------------------------------------------- */

enum { THREADS = 4, SLOTS = 64, TURNS = 4000 };

struct exchange {
    struct pinion_arena *arena;
    _Atomic(size_t *) slots[SLOTS]; /* a block's first word is its size */
    _Atomic unsigned seed;
};

/* Puts blocks into slots and frees whatever was there before, mostly made by others. */
static void *exchange_blocks(void *argument)
{
    struct exchange *exchange = argument;
    unsigned random = pn_fetch_add_relaxed(&exchange->seed, 1) * 7919 + 1;
    for (unsigned turn = 0; turn < TURNS; turn++) {
        random = random * 1664525 + 1013904223;
        size_t size = sizeof(size_t) << (random >> 16) % 15;
        size_t *block = pinion_arena_alloc(exchange->arena, size, (size_t)1 << (random >> 24) % 13);
        if (block == NULL)
            return exchange;
        memset(block, 0x5a, size);
        *block = size;
        block = pn_exchange_acq_rel(&exchange->slots[(random >> 8) % SLOTS], block);
        if (block != NULL)
            pinion_arena_free(exchange->arena, block, *block);
    }
    return NULL;
}

static void blocks_may_be_freed_by_other_threads(void **state)
{
    (void)state;
    struct exchange exchange = {.arena = make_arena()};
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, exchange_blocks, &exchange), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    pinion_arena_destroy(exchange.arena);
}

/* Gives its argument back if something failed. */
static void *create_and_destroy(void *argument)
{
    for (unsigned i = 0; i < 200; i++) {
        struct pinion_arena *arena;
        if (pinion_arena_create(-1, &arena) != 0)
            return argument;
        memset(pinion_arena_alloc(arena, 5000, 0), 1, 5000);
        pinion_arena_destroy(arena);
    }
    return NULL;
}

static void arenas_may_be_made_by_many_threads_at_once(void **state)
{
    (void)state;
    unsigned before = jemalloc_arenas();
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, create_and_destroy, threads), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_true(jemalloc_arenas() <= before + THREADS);
}

/* --- failures --------------------------------------------------------------------------------- */

static void a_node_that_is_not_there_is_refused_in_words(void **state)
{
    (void)state;
    static const int nodes[] = {-2, INT32_MIN, 1023, 1024, 100000, INT32_MAX};
    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
        struct pinion_arena *arena = (struct pinion_arena *)state, *untouched = arena;
        assert_int_equal(pinion_arena_create(nodes[i], &arena), -EINVAL);
        assert_ptr_equal(arena, untouched);
        char number[32];
        snprintf(number, sizeof(number), "node %d ", nodes[i]);
        assert_non_null(strstr(pinion_error_detail(), number));
        snprintf(number, sizeof(number), "nodes: %d", first_node());
        assert_non_null(strstr(pinion_error_detail(), number));
    }
}

static int run_out_of_memory(void)
{
    enum { BLOCK = 4 << 20, BLOCKS_MAX = 1 << 12 };
    struct pinion_arena *arena;
    if (pinion_arena_create(-1, &arena) != 0)
        return 1;
    struct rlimit limit = {.rlim_cur = statm_bytes(0) + (256 << 20),
                           .rlim_max = statm_bytes(0) + (256 << 20)};
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return 2;
    static void *blocks[BLOCKS_MAX];
    unsigned count = 0;
    while (count < BLOCKS_MAX && (blocks[count] = pinion_arena_alloc(arena, BLOCK, 0)) != NULL)
        count++;
    if (count < 16 || count == BLOCKS_MAX)
        return 3;
    while (pinion_arena_alloc(arena, 1000, 0) != NULL) /* the small ones come to an end too */
        continue;
    struct pinion_arena *others[1000];
    unsigned made = 0;
    while (made < 1000 && pinion_arena_create(-1, &others[made]) == 0)
        made++;
    if (made == 1000 || strstr(pinion_error_detail(), "no memory") == NULL)
        return 4;
    for (unsigned i = 0; i < count; i++)
        pinion_arena_free(arena, blocks[i], BLOCK);
    if (pinion_arena_alloc(arena, BLOCK, 0) == NULL)
        return 5;
    for (unsigned i = 0; i < made; i++)
        pinion_arena_destroy(others[i]);
    pinion_arena_destroy(arena);
    return 0;
}

static void out_of_memory_is_null_and_is_survived(void **state)
{
    (void)state;
    if (WITH_ASAN || WITH_TSAN)
        skip(); /* their shadow is larger than any limit */
    assert_int_equal(run_in_child(run_out_of_memory), 0);
}

#if WITH_ASAN
static int use_after_free(void)
{
    struct pinion_arena *arena = make_arena();
    char *block = pinion_arena_alloc(arena, 100, 0);
    pinion_arena_free(arena, block, 100);
    return ((volatile char *)block)[50] & 0;
}

static int use_past_the_end(void)
{
    char *block = pinion_arena_alloc(make_arena(), 100, 0);
    return ((volatile char *)block)[104] & 0;
}

static int free_twice(void)
{
    struct pinion_arena *arena = make_arena();
    char *block = pinion_arena_alloc(arena, 100, 0);
    pinion_arena_free(arena, block, 100);
    pinion_arena_free(arena, block, 100);
    return 0;
}

static void address_sanitizer_finds_wrong_uses(void **state)
{
    (void)state;
    assert_int_not_equal(run_in_child(use_after_free), 0);
    assert_int_not_equal(run_in_child(use_past_the_end), 0);
    assert_int_not_equal(run_in_child(free_twice), 0);
}
#endif

/* --- words ------------------------------------------------------------------------------------ */

static void huge_pages_are_read_as_the_kernel_writes_them(void **state)
{
    (void)state;
    static const struct {
        const char *enabled, *size;
        size_t bytes;
        const char *word;
    } cases[] = {
        {"always [madvise] never\n", "2097152\n", 2097152, "by madvise"},
        {"[always] madvise never\n", "2097152\n", 2097152, "always"},
        {"always madvise [never]\n", "2097152\n", 0, "never"},
        {"something else\n", "2097152\n", 0, "off"},
        {"always [madvise] never\n", NULL, 0, "off"},
        {"always [madvise] never\n", "100\n", 0, "off"},
        {"always [madvise] never\n", "3000000\n", 0, "off"},
        {NULL, NULL, 0, "no transparent huge pages"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pn_huge_pages pages = pn_huge_pages_parse(cases[i].enabled, cases[i].size);
        assert_int_equal(pages.bytes, cases[i].bytes);
        assert_non_null(strstr(pages.sentence, cases[i].word));
    }
}

static void an_arena_says_how_it_stands(void **state)
{
    (void)state;
    bool on = true;
    const char *sentence = pn_arena_huge_pages(&on);
    assert_non_null(sentence);
    assert_int_equal(on, strncmp(sentence, "off", 3) != 0);
    assert_true(with_jemalloc() ? strncmp(pn_arena_backend(), "jemalloc 5.", 11) == 0
                                : strcmp(pn_arena_backend(), "mmap") == 0);
    struct pinion_arena *arena = make_arena();
    assert_int_equal(pn_arena_bind_error(arena), 0);
    pinion_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_arenas_in_turn_leave_nothing_behind),
        cmocka_unit_test(destroy_releases_what_is_still_allocated),
        cmocka_unit_test(blocks_of_all_sizes_and_alignments_are_aligned_and_apart),
        cmocka_unit_test(every_small_size_is_served),
        cmocka_unit_test(sizes_and_alignments_that_cannot_be_are_refused),
        cmocka_unit_test(a_free_keeps_errno),
        cmocka_unit_test(freed_memory_is_used_again),
        cmocka_unit_test(an_arena_that_keeps_serves_large_blocks_from_what_it_kept),
        cmocka_unit_test(what_one_kept_the_next_gives_back),
        cmocka_unit_test(arenas_that_live_at_once_are_apart),
        cmocka_unit_test(blocks_may_be_freed_by_other_threads),
        cmocka_unit_test(arenas_may_be_made_by_many_threads_at_once),
        cmocka_unit_test(a_node_that_is_not_there_is_refused_in_words),
        cmocka_unit_test(out_of_memory_is_null_and_is_survived),
#if WITH_ASAN
        cmocka_unit_test(address_sanitizer_finds_wrong_uses),
#endif
        cmocka_unit_test(huge_pages_are_read_as_the_kernel_writes_them),
        cmocka_unit_test(an_arena_says_how_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
