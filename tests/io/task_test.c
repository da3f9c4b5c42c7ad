/* SPDX-License-Identifier: MIT
 *
 * A task's block: where things lie in it, who gets to run it, and when it is freed.
 */
#include "closures.h"
#include "../sched/stress.h"

#include <stdlib.h>
#include <string.h>

#include <pinion/arena.h>

#include "context.h"
#include "interface.h"
#include "task.h"

#define QUEUED (PN_TASK_QUEUED | PN_TASK_IN_QUEUE)

static _Atomic int runs;
static struct pinion_io io;

static void count_run(const void *context, void *result)
{
    (void)context;
    pn_fetch_add_relaxed(&runs, 1);
    if (result)
        *(unsigned char *)result = 42;
}

static struct pinion_task *make(size_t context_size, size_t context_align, size_t result_size,
                                size_t result_align, uintptr_t state)
{
    static unsigned char context[1 << 16];
    const struct pinion_call call = {count_run,     context,     context_size,
                                     context_align, result_size, result_align};
    for (size_t i = 0; i < context_size; i++)
        context[i] = (unsigned char)(i * 3);
    assert_true(pn_call_is_valid(&call));
    const struct pn_spawn spawn = {.call = &call, .io = &io, .kind = PN_ASYNC};
    struct pinion_task *task = pn_task_create(&spawn, state, slab, arena);
    assert_non_null(task);
    return task;
}

/* Whether a block is free again: then it is the next one of its size. */
static bool is_free(const void *block, size_t bytes)
{
    void *next = pn_slab_alloc(slab, bytes);
    const bool is_same = next == block;
    pn_slab_free(slab, next);
    return is_same;
}

static void look_at(struct pinion_task *task, const struct pinion_call *call)
{
    const char *context = pn_task_context(task);
    char *result = pn_task_result(task);
    assert_int_equal((uintptr_t)context % call->context_align, 0);
    for (size_t i = 0; i < call->context_size; i++)
        assert_int_equal((unsigned char)context[i], (unsigned char)(i * 3));
    if (call->result_size == 0) {
        assert_null(result);
        return;
    }
    assert_int_equal((uintptr_t)result % call->result_align, 0);
    assert_true(result >= context + call->context_size);
    memset(result, 0xAA, call->result_size); /* is there: a sanitizer would tell */
}

static void make_and_look(size_t context_size, size_t align, size_t result_size, bool is_timed)
{
    const size_t other = PINION_ALIGN_MAX / align;
    const struct pinion_call call = {.context_size = context_size, .context_align = align,
                                     .result_size = result_size, .result_align = other};
    struct pinion_task *task = make(context_size, align, result_size, other, QUEUED);
    const bool fits =
        64 + context_size + result_size <= PN_SLAB_SIZE_MAX && align <= 64 && other <= 64;
    assert_true(fits || pn_task_is_large(task));
    assert_int_equal(task->is_timed, is_timed);
    look_at(task, &call);
    if (is_timed)
        assert_ptr_equal(pn_task_timing_of(task)->io, &io);
    pn_task_destroy(task, slab);
}

static void context_and_result_lie_aligned_and_apart(void **state)
{
    static const size_t sizes[] = {0, 1, 63, 64, 300, 447, 448, 449, 600, 5000};
    (void)state;
    for (unsigned is_timed = 0; is_timed < 2; is_timed++) {
        pn_store_relaxed(&pn_task_timing, is_timed != 0);
        for (size_t align = 1; align <= PINION_ALIGN_MAX; align *= 2)
            for (size_t i = 0; i < 10; i++)
                for (size_t j = 0; j < 10; j++)
                    make_and_look(sizes[i], align, sizes[j], is_timed != 0);
    }
    pn_store_relaxed(&pn_task_timing, false);
}

static void a_task_inherits_the_pointer_and_begins_uncanceled(void **state)
{
    (void)state;
    pn_thread()->local = &runs;
    struct pinion_task *task = make(8, 8, 8, 8, PN_TASK_RUNNING);
    pn_thread()->local = NULL;
    assert_ptr_equal(task->local, &runs);
    assert_int_equal(pn_load_relaxed(&task->cancel), 0);
    assert_false(task->is_protected);
    assert_false(pn_task_is_done(task));
    pn_task_destroy(task, slab);
}

static void who_takes_a_task_out_of_its_queue_runs_it(void **state)
{
    (void)state;
    struct pinion_task *task = make(8, 0, 1, 0, QUEUED);
    unsigned char result = 0;
    assert_true(pn_task_take(task, slab));
    assert_false(pn_task_claim(task));
    pn_task_run(task);
    pn_task_finish(task);
    assert_true(pn_task_is_done(task));
    assert_false(pn_task_claim(task));
    pn_task_copy_result(task, &result);
    pn_task_copy_result(task, NULL);
    assert_int_equal(result, 42);
    pn_task_drop(task, slab);
    assert_true(is_free(task, 64 + 24));
}

static void tombstone(size_t size, bool is_dropped_first)
{
    struct pinion_task *task = make(size, 0, size, 0, QUEUED);
    const size_t bytes = pn_task_is_large(task)
                             ? sizeof(struct pinion_task) + sizeof(struct pn_task_large)
                             : 64 + 2 * size;
    unsigned char *result = malloc(size);
    assert_non_null(result);
    assert_true(pn_task_claim(task));
    assert_false(pn_task_claim(task));
    pn_task_run_claimed(task);
    assert_true(pn_task_is_done(task));
    pn_task_copy_result(task, result);
    assert_int_equal(result[0], 42);
    free(result);
    if (is_dropped_first) {
        pn_task_drop(task, slab);
        assert_false(is_free(task, bytes)); /* it stands in its queue yet … */
        if (pn_task_is_large(task)) /* … but what is big of it has gone */
            assert_null(((struct pn_task_large *)(void *)(task + 1))->payload);
        assert_false(pn_task_take(task, slab));
    } else {
        assert_false(pn_task_take(task, slab));
        assert_true(pn_task_is_done(task));
        assert_false(is_free(task, bytes));
        pn_task_drop(task, slab);
    }
    assert_true(is_free(task, bytes));
}

static void a_claimed_task_is_freed_by_the_later_of_queue_and_future(void **state)
{
    (void)state;
    for (int is_dropped_first = 0; is_dropped_first < 2; is_dropped_first++) {
        tombstone(16, is_dropped_first);
        tombstone(20000, is_dropped_first);
    }
}

static void the_queue_may_let_go_while_the_claimer_runs_it(void **state)
{
    (void)state;
    struct pinion_task *task = make(8, 0, 8, 0, QUEUED);
    assert_true(pn_task_claim(task));
    assert_false(pn_task_take(task, slab));
    assert_false(pn_task_is_done(task));
    pn_task_run_claimed(task);
    assert_true(pn_task_is_done(task));
    pn_task_drop(task, slab);
    assert_true(is_free(task, 64 + 24));
}

static void a_waiter_is_signaled_by_the_finish_or_taken_back(void **state)
{
    struct pn_waiter waiter;
    (void)state;
    pn_waiter_init(&waiter);
    struct pinion_task *task = make(8, 0, 8, 0, PN_TASK_RUNNING);
    assert_true(pn_task_add_waiter(task, &waiter));
    assert_false(pn_task_add_waiter(task, &waiter)); /* the same future named twice */
    assert_true(pn_task_remove_waiter(task, &waiter));
    assert_false(pn_task_remove_waiter(task, &waiter));
    assert_true(pn_task_add_waiter(task, &waiter));
    pn_task_run(task);
    pn_task_finish(task);
    assert_false(pn_task_remove_waiter(task, &waiter));
    assert_false(pn_task_add_waiter(task, &waiter));
    assert_true(pn_waiter_wait(&waiter, 1, false, INT64_MAX, 0));
    pn_task_drop(task, slab);
}

static void calls_are_told_valid_from_bad(void **state)
{
    const struct pinion_call good = {.start = count_run};
    (void)state;
    assert_true(pn_call_is_valid(&good));
    for (size_t align = 1; align <= PINION_ALIGN_MAX; align *= 2) {
        struct pinion_call call = good;
        call.context_align = call.result_align = align;
        assert_true(pn_call_is_valid(&call));
    }
    struct pinion_call call = good;
    call.start = NULL;
    assert_false(pn_call_is_valid(&call));
    call = good;
    call.context_size = 1;
    assert_false(pn_call_is_valid(&call));
    static const size_t bad[] = {3, 48, 8192, SIZE_MAX};
    for (size_t i = 0; i < 4; i++) {
        call = good;
        call.context_align = bad[i];
        assert_false(pn_call_is_valid(&call));
        call = good;
        call.result_align = bad[i];
        assert_false(pn_call_is_valid(&call));
    }
}

/* ---- stress: the future's side claims and drops, the queue's side takes and runs ---- */

static struct {
    struct pinion_task *task;
    pthread_barrier_t start, end;
} race;

#define RACES ROUNDS(4000)

static void *queue_side(void *unused)
{
    struct pn_slab *mine = NULL; /* it frees into the maker's slab from elsewhere */
    (void)unused;
    for (int i = 0; i < RACES; i++) {
        (void)pthread_barrier_wait(&race.start);
        struct pinion_task *task = race.task;
        if (pn_task_take(task, mine)) {
            pn_task_run(task);
            pn_task_finish(task);
        }
        (void)pthread_barrier_wait(&race.end);
    }
    return NULL;
}

static void of_claim_and_take_one_wins(void **state)
{
    pthread_t thread;
    (void)state;
    pn_store_relaxed(&runs, 0);
    assert_int_equal(pthread_barrier_init(&race.start, NULL, 2), 0);
    assert_int_equal(pthread_barrier_init(&race.end, NULL, 2), 0);
    start_thread(&thread, queue_side, NULL);
    for (int i = 0; i < RACES; i++) {
        struct pn_waiter waiter;
        unsigned char result[2000] = {0};
        pn_waiter_init(&waiter);
        race.task = make(4, 0, i % 8 ? 4 : sizeof result, 0, QUEUED);
        struct pinion_task *task = race.task;
        (void)pthread_barrier_wait(&race.start);
        if (pn_task_claim(task))
            pn_task_run_claimed(task);
        else if (pn_task_add_waiter(task, &waiter))
            assert_true(pn_waiter_wait(&waiter, 1, false, INT64_MAX, i % 2 ? 0 : 1000));
        assert_true(pn_task_is_done(task));
        pn_task_copy_result(task, result);
        assert_int_equal(result[0], 42);
        pn_task_drop(task, slab);
        (void)pthread_barrier_wait(&race.end);
    }
    join_thread(thread);
    assert_int_equal(pn_load_relaxed(&runs), RACES);
    assert_int_equal(pthread_barrier_destroy(&race.start), 0);
    assert_int_equal(pthread_barrier_destroy(&race.end), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(context_and_result_lie_aligned_and_apart),
        cmocka_unit_test(a_task_inherits_the_pointer_and_begins_uncanceled),
        cmocka_unit_test(who_takes_a_task_out_of_its_queue_runs_it),
        cmocka_unit_test(a_claimed_task_is_freed_by_the_later_of_queue_and_future),
        cmocka_unit_test(the_queue_may_let_go_while_the_claimer_runs_it),
        cmocka_unit_test(a_waiter_is_signaled_by_the_finish_or_taken_back),
        cmocka_unit_test(calls_are_told_valid_from_bad),
        cmocka_unit_test(of_claim_and_take_one_wins),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
