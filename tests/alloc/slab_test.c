/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <errno.h>
#include <pthread.h>

#include "atomic.h"
#include "binding.h"
#include "slab.h"

struct fixture {
    struct pinion_arena *arena;
    struct pn_slab *slab, *other;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    assert_int_equal(pinion_arena_create(-1, &fixture.arena), 0);
    assert_int_equal(pn_slab_create(fixture.arena, &fixture.slab), 0);
    assert_int_equal(pn_slab_create(fixture.arena, &fixture.other), 0);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    pn_slab_destroy(fixture->slab);
    pn_slab_destroy(fixture->other);
    pinion_arena_destroy(fixture->arena);
    return 0;
}

static struct pn_slab_stats stats_of(const struct pn_slab *slab)
{
    struct pn_slab_stats stats;
    pn_slab_stats(slab, &stats);
    return stats;
}

/* What pn_slab_alloc promises for a size. */
static size_t alignment_of(size_t size)
{
    return size > 64 && size <= PN_SLAB_ODD ? 16 : 64;
}

static void blocks_are_aligned_and_apart_and_hold_their_size(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 4096 };
    static unsigned char *blocks[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = i % PN_SLAB_SIZE_MAX + 1;
        blocks[i] = pn_slab_alloc(fixture->slab, size);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % alignment_of(size), 0);
        memset(blocks[i], (int)(i % 251), size);
    }
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = i % PN_SLAB_SIZE_MAX + 1;
        for (size_t byte = 0; byte < size; byte++)
            if (blocks[i][byte] != i % 251)
                fail_msg("block %zu was written over", i);
        pn_slab_free(fixture->slab, blocks[i]);
    }
}

static void a_larger_alignment_is_had_by_asking_for_more(void **state)
{
    struct fixture *fixture = *state;
    for (size_t size = 1; size <= PN_SLAB_SIZE_MAX; size++) {
        for (size_t align = 1; align <= 64; align *= 2) {
            size_t more = pn_slab_size_aligned(size, align);
            assert_true(more >= size);
            assert_true(more == size || align > alignment_of(size));
            void *blocks[4]; /* of neighbors in a run not all happen to be aligned */
            for (unsigned i = 0; i < 4; i++) {
                blocks[i] = pn_slab_alloc(fixture->slab, more);
                assert_int_equal((uintptr_t)blocks[i] % align, 0);
            }
            for (unsigned i = 0; i < 4; i++)
                pn_slab_free(fixture->slab, blocks[i]);
        }
    }
}

static void a_small_closure_costs_two_bytes_more_than_it_has(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 20000 };
    for (unsigned i = 0; i < COUNT; i++)
        assert_non_null(pn_slab_alloc(fixture->slab, PN_SLAB_ODD));
    size_t bytes = stats_of(fixture->slab).chunk_bytes;
    assert_true(bytes - PN_SLAB_CHUNK <= COUNT * (PN_SLAB_ODD + 2)); /* the last is begun only */
}

static void a_block_is_owned_by_the_slab_that_made_it(void **state)
{
    struct fixture *fixture = *state;
    void *block = pn_slab_alloc(fixture->slab, 64), *foreign = pn_slab_alloc(fixture->other, 64);
    assert_true(pn_slab_owns(fixture->slab, block));
    assert_false(pn_slab_owns(fixture->other, block));
    assert_true(pn_slab_owns(fixture->other, foreign));
}

static void a_freed_block_is_the_next_of_its_size(void **state)
{
    struct fixture *fixture = *state;
    for (size_t size = 1; size <= PN_SLAB_SIZE_MAX; size++) {
        void *block = pn_slab_alloc(fixture->slab, size);
        pn_slab_free(fixture->slab, block);
        assert_ptr_equal(pn_slab_alloc(fixture->slab, size), block);
        pn_slab_free(fixture->slab, block);
    }
}

static void blocks_freed_elsewhere_come_home_to_their_sizes(void **state)
{
    struct fixture *fixture = *state;
    static const size_t sizes[] = {64, 112, 128, 192, 256, 320, 384, 448, 512};
    enum { CLASSES = sizeof(sizes) / sizeof(sizes[0]), COUNT = 100 * CLASSES };
    static void *blocks[COUNT];
    for (size_t round = 0; round < 50; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            size_t size = sizes[i % CLASSES];
            blocks[i] = pn_slab_alloc(fixture->slab, size);
            memset(blocks[i], 1, size);
        }
        for (size_t i = 0; i < COUNT; i++) /* one way and the other to be no owner */
            pn_slab_free(i % 2 ? fixture->other : NULL, blocks[i]);
        pn_slab_flush(fixture->other);
    }
    struct pn_slab_stats stats = stats_of(fixture->slab);
    assert_int_equal(stats.remote_frees, 49 * COUNT); /* the last round's are still on their way */
    size_t bytes = 100 * (64 + 112 + 128 + 192 + 256 + 320 + 384 + 448 + 512);
    assert_true(stats.chunk_bytes <= bytes + bytes / 4 + PN_SLAB_CHUNK);
    assert_int_equal(stats_of(fixture->other).remote_frees, 0);
    assert_int_equal(stats_of(fixture->other).chunk_bytes, 0);
}

/* Of the blocks of a slab that had none on its local list: those that have come home. */
static uint64_t come_home(struct pn_slab *slab, size_t size)
{
    uint64_t before = stats_of(slab).remote_frees;
    void *block = pn_slab_alloc(slab, size); /* it has to look for one */
    uint64_t came = stats_of(slab).remote_frees - before;
    for (uint64_t i = 1; i < came; i++)
        (void)pn_slab_alloc(slab, size);
    pn_slab_free(NULL, block);
    return came;
}

static void what_is_held_back_is_less_than_goes_at_a_time_and_goes_by_a_flush(void **state)
{
    struct fixture *fixture = *state;
    static void *blocks[3 * PN_OUTGOING_MAX];
    for (size_t size = 64; size <= PN_SLAB_SIZE_MAX; size += 16) {
        for (unsigned count = 1; count <= 3 * PN_OUTGOING_MAX; count++) {
            struct pn_slab *slab;
            assert_int_equal(pn_slab_create(fixture->arena, &slab), 0);
            for (unsigned i = 0; i < count; i++)
                blocks[i] = pn_slab_alloc(slab, size);
            for (unsigned i = 0; i < count; i++)
                pn_slab_free(fixture->other, blocks[i]);
            unsigned held = count % PN_OUTGOING_MAX;
            assert_int_equal(come_home(slab, size), count - held);
            pn_slab_flush(fixture->other);
            assert_int_equal(come_home(slab, size), held + 1); /* and the one that it sent itself */
            pn_slab_flush(fixture->other);
            assert_int_equal(come_home(slab, size), 1);
            pn_slab_destroy(slab);
        }
    }
}

static void blocks_of_many_slabs_go_each_to_its_own(void **state)
{
    struct fixture *fixture = *state;
    enum { SLABS = 3 * PN_SLAB_OUTGOING, EACH = 2 * PN_OUTGOING_MAX };
    static struct pn_slab *slabs[SLABS];
    static void *blocks[SLABS][EACH];
    for (unsigned i = 0; i < SLABS; i++) {
        assert_int_equal(pn_slab_create(fixture->arena, &slabs[i]), 0);
        for (unsigned k = 0; k < EACH; k++)
            blocks[i][k] = pn_slab_alloc(slabs[i], 100);
    }
    for (unsigned k = 0; k < EACH; k++)
        for (unsigned i = 0; i < SLABS; i++)
            pn_slab_free(fixture->other, blocks[i][k]);
    pn_slab_flush(fixture->other);
    for (unsigned i = 0; i < SLABS; i++) {
        assert_int_equal(come_home(slabs[i], 100), EACH);
        pn_slab_destroy(slabs[i]);
    }
}

static void slabs_that_end_together_may_hold_blocks_of_each_other(void **state)
{
    struct fixture *fixture = *state;
    struct pn_slab *slabs[2];
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pn_slab_create(fixture->arena, &slabs[i]), 0);
    for (unsigned i = 0; i < 2; i++)
        pn_slab_free(slabs[1 - i], pn_slab_alloc(slabs[i], 100));
    for (unsigned i = 0; i < 2; i++)
        pn_slab_destroy(slabs[i]);
}

static void destroy_frees_chunks_with_blocks_in_use(void **state)
{
    struct fixture *fixture = *state;
    size_t resident = 0;
    for (unsigned round = 0; round < 300; round++) {
        struct pn_slab *slab;
        assert_int_equal(pn_slab_create(fixture->arena, &slab), 0);
        for (unsigned i = 0; i < 2000; i++)
            memset(pn_slab_alloc(slab, 512), 1, 512);
        assert_true(stats_of(slab).chunk_bytes >= 2000 * 512);
        pn_slab_destroy(slab);
        if (round == 50)
            resident = resident_bytes();
    }
    assert_true(resident_bytes() <= resident + (8 << 20));
    pn_slab_destroy(NULL);
}

/* --- where the pages are ---------------------------------------------------------------------- */

static int can_ask(void)
{
    static int touched = 1;
    return pinion_arena_node_of(&touched) >= 0;
}

static void only_pages_that_were_cut_are_touched(void **state)
{
    struct fixture *fixture = *state;
    bool huge;
    if (!can_ask() || strcmp(pn_arena_huge_pages(&huge), "transparent, always") == 0)
        skip();
    purge_all();
    size_t page = (size_t)sysconf(_SC_PAGESIZE), local = 7, elsewhere = 7;
    memset(pn_slab_alloc(fixture->slab, 64), 1, 64);
    assert_int_equal(pn_slab_locality(fixture->slab, 0, &local, &elsewhere), 0);
    assert_int_equal(local + elsewhere, page);
    memset(pn_slab_alloc(fixture->slab, 128), 1, 128);
    assert_int_equal(pn_slab_locality(fixture->slab, 0, &local, &elsewhere), 0);
    assert_int_equal(local + elsewhere, page <= 4096 ? 2 * page : page);
    size_t nowhere;
    assert_int_equal(pn_slab_locality(fixture->slab, 4000, &nowhere, &elsewhere), 0);
    assert_int_equal(nowhere, 0);
    assert_int_equal(elsewhere, page <= 4096 ? 2 * page : page);
}

static void locality_of_many_chunks_counts_every_page(void **state)
{
    struct fixture *fixture = *state;
    if (!can_ask())
        skip();
    size_t local, elsewhere;
    assert_int_equal(pn_slab_locality(fixture->slab, 0, &local, &elsewhere), 0);
    assert_int_equal(local + elsewhere, 0);
    while (stats_of(fixture->slab).chunk_bytes <= 40 * PN_SLAB_CHUNK)
        memset(pn_slab_alloc(fixture->slab, 512), 1, 512);
    assert_int_equal(pn_slab_locality(fixture->slab, 0, &local, &elsewhere), 0);
    assert_true(local + elsewhere >= 40 * PN_SLAB_CHUNK);
    assert_true(local + elsewhere <= 41 * PN_SLAB_CHUNK);
}

struct watch {
    struct pn_slab *slab;
    _Atomic bool done;
    int error;
};

static void *watch_slab(void *argument)
{
    struct watch *watch = argument;
    size_t seen = 0;
    bool last;
    do {
        last = pn_load_acquire(&watch->done);
        size_t local, elsewhere;
        struct pn_slab_stats stats = stats_of(watch->slab);
        int error = pn_slab_locality(watch->slab, 0, &local, &elsewhere);
        if (error != 0 || stats.chunk_bytes < seen)
            watch->error = error != 0 ? error : -EDOM;
        seen = stats.chunk_bytes;
    } while (!last);
    return NULL;
}

static void locality_may_be_asked_while_the_owner_works(void **state)
{
    struct fixture *fixture = *state;
    if (!can_ask())
        skip();
    struct watch watch = {.slab = fixture->slab};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, watch_slab, &watch), 0);
    for (unsigned i = 0; i < 20000; i++)
        memset(pn_slab_alloc(fixture->slab, 256), 1, 256);
    pn_store_release(&watch.done, true); /* pairs with acquire in watch_slab */
    pthread_join(thread, NULL);
    assert_int_equal(watch.error, 0);
}

/* --- many threads ----------------------------------------------------------------------------- */

enum { WORKERS = 4, SLOTS = 32, TURNS = 30000 };

struct note {
    size_t size;
    unsigned worker, turn;
    unsigned char rest[];
};

struct crowd;

struct worker {
    struct crowd *crowd;
    struct pn_slab *slab;
    unsigned index;
    uint64_t foreign; /* frees of others' blocks */
    bool failed;
};

struct crowd {
    struct worker workers[WORKERS];
    _Atomic(struct note *) slots[SLOTS];
};

static bool note_is_whole(const struct note *note)
{
    unsigned char expected = (unsigned char)(note->worker * 31 + note->turn);
    for (size_t i = 0; i < note->size - sizeof(*note); i++)
        if (note->rest[i] != expected)
            return false;
    return note->worker < WORKERS;
}

static void free_note(struct worker *worker, struct note *note)
{
    if (!note_is_whole(note))
        worker->failed = true;
    if (note->worker != worker->index)
        worker->foreign++;
    pn_slab_free(worker->slab, note);
}

/* Writes notes, puts them where anyone finds them, and frees what lay there. */
static void *work(void *argument)
{
    struct worker *worker = argument;
    unsigned random = worker->index * 7919 + 17;
    for (unsigned turn = 0; turn < TURNS && !worker->failed; turn++) {
        random = random * 1664525 + 1013904223;
        size_t size =
            sizeof(struct note) + (random >> 8) % (PN_SLAB_SIZE_MAX - sizeof(struct note) + 1);
        struct note *note = pn_slab_alloc(worker->slab, size);
        if (note == NULL) {
            worker->failed = true;
            break;
        }
        *note = (struct note){.size = size, .worker = worker->index, .turn = turn};
        memset(note->rest, (unsigned char)(worker->index * 31 + turn), size - sizeof(*note));
        /* pairs with itself: the note's words go with it */
        note = pn_exchange_acq_rel(&worker->crowd->slots[(random >> 20) % SLOTS], note);
        if (note != NULL)
            free_note(worker, note);
        if (random >> 24 == 0)
            pn_slab_flush(worker->slab);
    }
    return NULL;
}

static uint64_t frees_seen_by(struct pn_slab *slab)
{
    /* Use up what is on the local lists: then the rest comes home. */
    for (size_t size = 64; size <= PN_SLAB_SIZE_MAX; size += 64)
        for (unsigned i = 0; i < 4 * WORKERS * SLOTS * 64; i++)
            (void)pn_slab_alloc(slab, size);
    return stats_of(slab).remote_frees;
}

static void threads_that_free_each_others_blocks_lose_none(void **state)
{
    struct fixture *fixture = *state;
    static struct crowd crowd;
    memset(&crowd, 0, sizeof(crowd));
    pthread_t threads[WORKERS];
    for (unsigned i = 0; i < WORKERS; i++) {
        crowd.workers[i] = (struct worker){.crowd = &crowd, .index = i};
        assert_int_equal(pn_slab_create(fixture->arena, &crowd.workers[i].slab), 0);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &crowd.workers[i]), 0);
    uint64_t foreign = 0, seen = 0;
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
        assert_false(crowd.workers[i].failed);
    }
    for (unsigned i = 0; i < SLOTS; i++)
        if (crowd.slots[i] != NULL)
            free_note(&crowd.workers[i % WORKERS], crowd.slots[i]);
    for (unsigned i = 0; i < WORKERS; i++)
        pn_slab_flush(crowd.workers[i].slab);
    for (unsigned i = 0; i < WORKERS; i++) {
        /* A slab's blocks in use were never many at once: what grew was lost. */
        assert_true(stats_of(crowd.workers[i].slab).chunk_bytes <= (size_t)64 << 20);
        foreign += crowd.workers[i].foreign;
        seen += frees_seen_by(crowd.workers[i].slab);
        pn_slab_destroy(crowd.workers[i].slab);
    }
    assert_true(foreign > 0);
    assert_int_equal(seen, foreign);
}

struct pipe_line {
    _Atomic(void *) slot;
    unsigned received;
};

static void *free_all(void *argument)
{
    struct pipe_line *line = argument;
    while (line->received < TURNS) {
        void *block = pn_exchange_acquire(&line->slot, NULL); /* pairs with the release below */
        if (block == NULL) {
            sched_yield();
            continue;
        }
        line->received++;
        pn_slab_free(NULL, block);
    }
    return NULL;
}

static void a_thread_without_a_slab_sends_blocks_home(void **state)
{
    struct fixture *fixture = *state;
    struct pipe_line line = {.received = 0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, free_all, &line), 0);
    for (unsigned i = 0; i < TURNS; i++) {
        void *block = pn_slab_alloc(fixture->slab, 192);
        memset(block, 1, 192);
        while (pn_load_relaxed(&line.slot) != NULL)
            sched_yield();
        pn_store_release(&line.slot, block); /* pairs with acquire in free_all */
    }
    pthread_join(thread, NULL);
    assert_int_equal(stats_of(fixture->slab).chunk_bytes, PN_SLAB_CHUNK);
}

/* --- wrong uses ------------------------------------------------------------------------------- */

#if WITH_ASAN
static struct pn_slab *make_slab(void)
{
    struct pinion_arena *arena;
    struct pn_slab *slab;
    assert_int_equal(pinion_arena_create(-1, &arena), 0);
    assert_int_equal(pn_slab_create(arena, &slab), 0);
    return slab;
}

static int use_after_free(void)
{
    struct pn_slab *slab = make_slab();
    char *block = pn_slab_alloc(slab, 300);
    pn_slab_free(slab, block);
    return ((volatile char *)block)[299] & 0;
}

static int use_after_remote_free(void)
{
    char *block = pn_slab_alloc(make_slab(), 300);
    pn_slab_free(NULL, block);
    return ((volatile char *)block)[0] & 0;
}

/* The first of a batch, which it lies in, one that it names, and the first of the next. */
static int use_after_gathering(unsigned which, unsigned offset)
{
    struct pn_slab *slab = make_slab(), *mine = make_slab();
    char *blocks[8];
    for (unsigned i = 0; i < 8; i++)
        blocks[i] = pn_slab_alloc(slab, 64); /* names 6 more */
    for (unsigned i = 0; i < 8; i++)
        pn_slab_free(mine, blocks[i]);
    return ((volatile char *)blocks[which])[offset] & 0;
}

static int use_of_the_first_after_gathering(void) { return use_after_gathering(0, 0); }
static int use_of_a_place_after_gathering(void) { return use_after_gathering(0, 16); }
static int use_of_another_after_gathering(void) { return use_after_gathering(3, 0); }
static int use_of_the_next_after_gathering(void) { return use_after_gathering(7, 0); }

static int free_twice_gathered(void)
{
    struct pn_slab *slab = make_slab(), *mine = make_slab();
    char *block = pn_slab_alloc(slab, 64);
    pn_slab_free(mine, block);
    pn_slab_free(mine, block);
    return 0;
}

static int use_before_alloc(void)
{
    char *block = pn_slab_alloc(make_slab(), 64);
    return ((volatile char *)block)[64] & 0;
}

static int free_twice(void)
{
    char *block = pn_slab_alloc(make_slab(), 64);
    pn_slab_free(NULL, block);
    pn_slab_free(NULL, block);
    return 0;
}

static void address_sanitizer_finds_wrong_uses(void **state)
{
    (void)state;
    assert_int_not_equal(run_in_child(use_after_free), 0);
    assert_int_not_equal(run_in_child(use_after_remote_free), 0);
    assert_int_not_equal(run_in_child(use_of_the_first_after_gathering), 0);
    assert_int_not_equal(run_in_child(use_of_a_place_after_gathering), 0);
    assert_int_not_equal(run_in_child(use_of_another_after_gathering), 0);
    assert_int_not_equal(run_in_child(use_of_the_next_after_gathering), 0);
    assert_int_not_equal(run_in_child(free_twice_gathered), 0);
    assert_int_not_equal(run_in_child(use_before_alloc), 0);
    assert_int_not_equal(run_in_child(free_twice), 0);
}
#endif

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(only_pages_that_were_cut_are_touched),
        WITH_FIXTURE(locality_of_many_chunks_counts_every_page),
        WITH_FIXTURE(locality_may_be_asked_while_the_owner_works),
        WITH_FIXTURE(blocks_are_aligned_and_apart_and_hold_their_size),
        WITH_FIXTURE(a_larger_alignment_is_had_by_asking_for_more),
        WITH_FIXTURE(a_small_closure_costs_two_bytes_more_than_it_has),
        WITH_FIXTURE(a_block_is_owned_by_the_slab_that_made_it),
        WITH_FIXTURE(a_freed_block_is_the_next_of_its_size),
        WITH_FIXTURE(blocks_freed_elsewhere_come_home_to_their_sizes),
        WITH_FIXTURE(what_is_held_back_is_less_than_goes_at_a_time_and_goes_by_a_flush),
        WITH_FIXTURE(blocks_of_many_slabs_go_each_to_its_own),
        WITH_FIXTURE(slabs_that_end_together_may_hold_blocks_of_each_other),
        WITH_FIXTURE(destroy_frees_chunks_with_blocks_in_use),
        WITH_FIXTURE(threads_that_free_each_others_blocks_lose_none),
        WITH_FIXTURE(a_thread_without_a_slab_sends_blocks_home),
#if WITH_ASAN
        cmocka_unit_test(address_sanitizer_finds_wrong_uses),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
