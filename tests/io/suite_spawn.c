/* SPDX-License-Identifier: MIT
 *
 * The suite's part on starting tasks: the four forms, what they copy and align, how they fail.
 */
#include "suite.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum form { ASYNC, CONCURRENT, PARALLEL, DETACHED, FORMS };

/* Starts a call in a form. 0, or the implementation has no such form. */
static int start(struct suite *suite, enum form form, const struct pinion_call *call, void *result,
                 struct pinion_future *future)
{
    future->task = NULL;
    if (form == ASYNC)
        pinion_async(suite->io, call, result, future);
    else if (form == DETACHED)
        pinion_async_detached(suite->io, call);
    else if (form == CONCURRENT && suite->of->has_concurrent)
        return pinion_async_concurrent(suite->io, call, future);
    else if (form == PARALLEL && suite->of->has_parallel)
        return pinion_async_parallel(suite->io, call, future);
    else
        return -ENOTSUP;
    return 0;
}

/* ---- what a task is given ---- */

/* Bytes that tell where they came from: of large ones the first, the last and some between. */
static size_t next_byte(size_t i) { return i < 1024 ? i + 1 : i + 509; }

static unsigned char byte_at(size_t i, unsigned seed)
{
    return (unsigned char)(seed + i * 7 + i / 251);
}

static void fill(unsigned char *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i = next_byte(i))
        bytes[i] = byte_at(i, seed);
    bytes[size - 1] = byte_at(size - 1, seed);
}

static bool is_filled(const unsigned char *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i = next_byte(i))
        if (bytes[i] != byte_at(i, seed))
            return false;
    return bytes[size - 1] == byte_at(size - 1, seed);
}

/* What the next task is to find; one at a time. */
static struct {
    size_t context_size, context_align, result_size, result_align;
    bool no_context_pointer;
    _Atomic int runs;
} wanted;

static bool is_aligned(const void *pointer, size_t align)
{
    return (uintptr_t)pointer % (align ? align : _Alignof(max_align_t)) == 0;
}

static void check_and_fill(const void *context, void *result)
{
    if (wanted.context_size) {
        EXPECT(is_aligned(context, wanted.context_align));
        EXPECT(is_filled(context, wanted.context_size, 3));
    }
    EXPECT((result == NULL) == (wanted.result_size == 0));
    EXPECT(is_aligned(result, wanted.result_align));
    if (result)
        fill(result, wanted.result_size, 11);
    atomic_fetch_add(&wanted.runs, 1);
}

/* Memory of exactly so many bytes, so that an overrun is seen by a sanitizer. */
static void *exactly(size_t size, size_t align)
{
    void *memory = NULL;
    if (size)
        assert_int_equal(
            posix_memalign(&memory, align < sizeof(void *) ? _Alignof(max_align_t) : align, size),
            0);
    return memory;
}

/* A task with these sizes and alignments gets all that its call names, and gives it back. */
static void goes_through(struct suite *suite, enum form form, size_t context_size,
                         size_t context_align, size_t result_size, size_t result_align)
{
    unsigned char *context = exactly(context_size, context_align);
    unsigned char *result = exactly(result_size, result_align);
    const struct pinion_call call = {check_and_fill, context,     context_size,
                                     context_align,  result_size, result_align};
    struct pinion_future future;
    if (context)
        fill(context, context_size, 3);
    wanted.context_size = context_size;
    wanted.context_align = context_align;
    wanted.result_size = result_size;
    wanted.result_align = result_align;
    atomic_store(&wanted.runs, 0);

    const int error = start(suite, form, &call, result, &future);
    if (error != -ENOTSUP) {
        assert_int_equal(error, 0);
        if (context) /* it was copied, or used up */
            memset(context, 0xEE, context_size);
        free(context);
        context = NULL;
        pinion_await(suite->io, &future, result);
        suite_until(&wanted.runs, 1);
        assert_null(future.task);
        if (form != DETACHED && result)
            assert_true(is_filled(result, result_size, 11));
    }
    free(context);
    free(result);
}

static const size_t sizes[] = {0,   1,   8,   64,  100, 383, 384,  385,   447,    448,
                               449, 511, 512, 513, 640, 4096, 65537, 1 << 20};
#define SIZES (sizeof sizes / sizeof sizes[0])

static void contexts_and_results_of_every_size_arrive_whole(struct suite *suite)
{
    for (enum form form = ASYNC; form < FORMS; form++) {
        for (size_t i = 0; i < SIZES; i++) {
            goes_through(suite, form, sizes[i], 0, 8, 0);
            goes_through(suite, form, 8, 0, sizes[i], 0);
            goes_through(suite, form, sizes[i], 0, sizes[SIZES - 1 - i], 0);
        }
    }
}

static void context_and_result_have_the_alignments_that_the_call_names(struct suite *suite)
{
    for (enum form form = ASYNC; form < FORMS; form++) {
        for (size_t align = 1; align <= PINION_ALIGN_MAX; align *= 2) {
            goes_through(suite, form, 24, align, 8, 0);
            goes_through(suite, form, 24, 0, 40, align);
            goes_through(suite, form, 1, align, 1, PINION_ALIGN_MAX / align);
        }
    }
}

static void an_alignment_of_no_bytes_is_no_obstacle(struct suite *suite)
{
    for (enum form form = ASYNC; form < FORMS; form++) {
        for (size_t align = 1; align <= PINION_ALIGN_MAX; align *= 2) {
            goes_through(suite, form, 0, align, 0, align);
            goes_through(suite, form, 0, align, 8, 8);
            goes_through(suite, form, 8, 8, 0, align);
        }
    }
}

static void a_queued_task_has_its_own_copy_of_the_context(struct suite *suite)
{
    struct held held;
    unsigned char context[700], result[9];
    suite_hold(suite, &held);
    for (size_t size = 1; size < sizeof context; size += 233) {
        const struct pinion_call call = {check_and_fill, context, size, 1, sizeof result, 1};
        struct pinion_future future;
        fill(context, size, 3);
        wanted.context_size = size;
        wanted.context_align = wanted.result_align = 1;
        wanted.result_size = sizeof result;
        atomic_store(&wanted.runs, 0);
        pinion_async(suite->io, &call, result, &future);
        memset(context, 0xEE, sizeof context);
        pinion_await(suite->io, &future, result);
        assert_int_equal(atomic_load(&wanted.runs), 1);
        assert_true(is_filled(result, sizeof result, 11));
    }
    suite_release(suite, &held);
}

static void null_discards_a_result_of_any_size(struct suite *suite)
{
    for (enum form form = ASYNC; form < FORMS; form++) {
        for (size_t i = 0; i < SIZES; i++) {
            for (size_t align = 1; align <= PINION_ALIGN_MAX; align *= 64) {
                const struct pinion_call call = {check_and_fill, NULL, 0, 0, sizes[i], align};
                struct pinion_future future;
                wanted.context_size = 0;
                wanted.result_size = sizes[i];
                wanted.result_align = align;
                atomic_store(&wanted.runs, 0);
                const int error = start(suite, form, &call, NULL, &future);
                if (error == -ENOTSUP)
                    continue;
                assert_int_equal(error, 0);
                pinion_await(suite->io, &future, NULL);
                suite_until(&wanted.runs, 1);
            }
        }
    }
}

/* ---- errors ---- */

static void must_not_run(const void *context, void *result)
{
    (void)context;
    (void)result;
    const bool has_run = true; /* a call that failed */
    EXPECT(!has_run);
}

static void fails(struct suite *suite, const struct pinion_call *call, int error)
{
    struct pinion_task *const mark = (struct pinion_task *)(void *)suite;
    struct pinion_future future = {mark};
    for (int parallel = 0; parallel < 2; parallel++) {
        if (parallel ? !suite->of->has_parallel : !suite->of->has_concurrent)
            continue;
        const int got = parallel ? pinion_async_parallel(suite->io, call, &future)
                                 : pinion_async_concurrent(suite->io, call, &future);
        if (error)
            assert_int_equal(got, error);
        else
            assert_true(got == -ENOMEM || got == -EINVAL);
        assert_ptr_equal(future.task, mark);
    }
}

static void a_bad_call_is_refused_and_leaves_the_future_alone(struct suite *suite)
{
    const char context[4096] = {0};
    const struct pinion_call good = {must_not_run, context, sizeof context, 1, 8, 8};
    const size_t bad_aligns[] = {3, 6, 12, 4095, 4097, 8192, SIZE_MAX, SIZE_MAX / 2 + 1};
    struct pinion_call call = good;
    call.start = NULL;
    fails(suite, &call, -EINVAL);
    call = good;
    call.context = NULL;
    fails(suite, &call, -EINVAL);
    for (size_t i = 0; i < sizeof bad_aligns / sizeof bad_aligns[0]; i++) {
        call = good;
        call.context_align = bad_aligns[i];
        fails(suite, &call, -EINVAL);
        call = good;
        call.result_align = bad_aligns[i];
        fails(suite, &call, -EINVAL);
    }
    assert_true(strlen(pinion_error_detail()) > 0);
}

static void a_result_that_no_memory_holds_is_an_error_and_nothing_runs(struct suite *suite)
{
    struct pinion_call call = {.start = must_not_run, .result_align = PINION_ALIGN_MAX};
    const size_t huge[] = {SIZE_MAX, SIZE_MAX - 64, SIZE_MAX / 2, SIZE_MAX / 4, SIZE_MAX / 8};
    for (size_t i = 0; i < sizeof huge / sizeof huge[0]; i++) {
        call.result_size = huge[i];
        fails(suite, &call, 0);
    }
}

/* ---- async ---- */

PINION_TASK(int, add, (int, a), (int, b)) { return a + b; }

static void async_gives_what_the_function_returned(struct suite *suite)
{
    struct add_future futures[100];
    for (int i = 0; i < 100; i++)
        futures[i] = add_async(suite->io, i, 1000);
    for (int i = 0; i < 100; i++)
        assert_int_equal(add_await(suite->io, &futures[i]), i + 1000);
}

PINION_TASK(int, fib, (struct pinion_io *, io), (int, n))
{
    if (n < 2)
        return n;
    struct fib_future left = fib_async(io, io, n - 1);
    const int right = fib(io, n - 2);
    return fib_await(io, &left) + right;
}

static void tasks_make_tasks_and_await_them(struct suite *suite)
{
    assert_int_equal(fib(suite->io, SUITE_SANITIZED ? 12 : 16), SUITE_SANITIZED ? 144 : 987);
    struct fib_future future = fib_async(suite->io, suite->io, 10);
    assert_int_equal(fib_await(suite->io, &future), 55);
}

/* Every level awaits the next at once: without help nobody would be left to run the last. */
PINION_TASK(int, nest, (struct pinion_io *, io), (int, depth))
{
    if (depth == 0)
        return 0;
    struct nest_future inner = nest_async(io, io, depth - 1);
    return nest_await(io, &inner) + 1;
}

static void nesting_to_any_depth_does_not_deadlock(struct suite *suite)
{
    const int depth = SUITE_SANITIZED ? 200 : 1000;
    struct nest_future future = nest_async(suite->io, suite->io, depth);
    assert_int_equal(nest_await(suite->io, &future), depth);
    assert_int_equal(nest(suite->io, depth), depth);
}

static _Atomic int count;

PINION_TASK(void, count_one, (int, n)) { atomic_fetch_add(&count, n); }

static void each_task_runs_exactly_once(struct suite *suite)
{
    struct count_one_future futures[200];
    atomic_store(&count, 0);
    for (int i = 0; i < 200; i++)
        futures[i] = count_one_async(suite->io, 1);
    for (int i = 0; i < 200; i++)
        count_one_await(suite->io, &futures[i]);
    assert_int_equal(atomic_load(&count), 200);
}

/* ---- detached ---- */

static void detached_tasks_have_run_when_the_io_is_destroyed(struct suite *suite)
{
    atomic_store(&count, 0);
    for (int i = 0; i < 100; i++)
        count_one_detached(suite->io, 1);
    suite_destroy(suite);
    assert_int_equal(atomic_load(&count), 100);
}

PINION_TASK(void, breed, (struct pinion_io *, io), (int, depth))
{
    atomic_fetch_add(&count, 1);
    for (int i = 0; i < 2 && depth; i++)
        breed_detached(io, io, depth - 1);
}

static void detached_tasks_that_detached_tasks_make_run_too(struct suite *suite)
{
    atomic_store(&count, 0);
    breed_detached(suite->io, suite->io, 7);
    suite_destroy(suite);
    assert_int_equal(atomic_load(&count), 255);
}

static void a_detached_task_runs_without_anyones_help(struct suite *suite)
{
    atomic_store(&count, 0);
    for (int i = 1; i <= 10; i++) {
        count_one_detached(suite->io, 1);
        suite_until(&count, i);
    }
}

/* ---- concurrent and parallel ---- */

struct meeting {
    _Atomic int there;
    int wanted;
};

/* Returns once all that were wanted are here: each must be running. */
PINION_TASK(pthread_t, meet, (struct meeting *, meeting))
{
    atomic_fetch_add(&meeting->there, 1);
    suite_until(&meeting->there, meeting->wanted);
    return pthread_self();
}

static void parallel_tasks_run_at_the_same_time_each_on_a_thread_of_its_own(struct suite *suite)
{
    enum { N = 6 };
    struct meeting meeting = {.wanted = N + 1};
    struct meet_future futures[N];
    pthread_t threads[N];
    if (!suite->of->has_parallel)
        skip();
    for (int i = 0; i < N; i++)
        assert_int_equal(meet_parallel(suite->io, &futures[i], &meeting), 0);
    meet(&meeting);
    for (int i = 0; i < N; i++) {
        threads[i] = meet_await(suite->io, &futures[i]);
        assert_false(pthread_equal(threads[i], pthread_self()));
        for (int j = 0; j < i; j++)
            assert_false(pthread_equal(threads[i], threads[j]));
    }
}

static void a_parallel_task_runs_although_every_worker_is_busy(struct suite *suite)
{
    struct held held;
    struct add_future future;
    if (!suite->of->has_parallel)
        skip();
    suite_hold(suite, &held);
    assert_int_equal(add_parallel(suite->io, &future, 1, 2), 0);
    assert_int_equal(add_await(suite->io, &future), 3);
    suite_release(suite, &held);
}

/* A chain in which each awaits the next, and only the last does anything. */
PINION_TASK(int, chain, (struct pinion_io *, io), (int, length))
{
    struct chain_future next;
    if (length == 0)
        return 7;
    const int error = chain_concurrent(io, &next, io, length - 1);
    return error ? error : chain_await(io, &next);
}

static void a_concurrent_task_makes_progress_while_all_others_wait(struct suite *suite)
{
    struct chain_future future;
    if (!suite->of->has_concurrent)
        skip();
    assert_int_equal(chain_concurrent(suite->io, &future, suite->io, 6), 0);
    assert_int_equal(chain_await(suite->io, &future), 7);
}

/* Async tasks that keep workers waiting for what the concurrent task does. */
PINION_TASK(int, wait_for, (struct pinion_io *, io), (struct add_future *, other))
{
    return add_await(io, other);
}

static void a_concurrent_task_that_async_tasks_wait_for_makes_progress(struct suite *suite)
{
    enum { N = 16 };
    struct add_future awaited[N];
    struct wait_for_future waiting[N];
    if (!suite->of->has_concurrent)
        skip();
    for (int i = 0; i < N; i++) {
        assert_int_equal(add_concurrent(suite->io, &awaited[i], i, 1), 0);
        waiting[i] = wait_for_async(suite->io, suite->io, &awaited[i]);
    }
    for (int i = N; i-- > 0;)
        assert_int_equal(wait_for_await(suite->io, &waiting[i]), i + 1);
}

/* ---- who calls ---- */

struct outsider {
    pthread_t thread;
    struct pinion_io *io;
    int sum;
};

static void *from_outside(void *argument)
{
    struct outsider *outsider = argument;
    struct add_future futures[32], parallel;
    outsider->sum = fib(outsider->io, 8);
    for (int i = 0; i < 32; i++)
        futures[i] = add_async(outsider->io, i, 0);
    if (add_parallel(outsider->io, &parallel, 500, 0) == 0)
        outsider->sum += add_await(outsider->io, &parallel);
    for (int i = 0; i < 32; i++)
        outsider->sum += add_await(outsider->io, &futures[i]);
    count_one_detached(outsider->io, 1);
    return NULL;
}

static void any_thread_may_call(struct suite *suite)
{
    struct outsider outsiders[4];
    atomic_store(&count, 0);
    for (int i = 0; i < 4; i++) {
        outsiders[i].io = suite->io;
        assert_int_equal(pthread_create(&outsiders[i].thread, NULL, from_outside, &outsiders[i]),
                         0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(outsiders[i].thread, NULL), 0);
        assert_int_equal(outsiders[i].sum, 21 + 496 + (suite->of->has_parallel ? 500 : 0));
    }
    suite_destroy(suite);
    assert_int_equal(atomic_load(&count), 4);
}

PINION_TASK(void, yielding, (struct pinion_io *, io)) { pinion_yield(io); }

static void yield_may_be_called_anywhere(struct suite *suite)
{
    pinion_yield(suite->io);
    struct yielding_future future = yielding_async(suite->io, suite->io);
    pinion_yield(suite->io);
    yielding_await(suite->io, &future);
    if (suite->of->has_parallel) {
        assert_int_equal(yielding_parallel(suite->io, &future, suite->io), 0);
        yielding_await(suite->io, &future);
    }
}

static void a_future_that_nobody_consumes_is_let_go_with_the_io(struct suite *suite)
{
    struct add_future future = add_async(suite->io, 1, 2);
    (void)future;
    if (suite->of->has_parallel)
        assert_int_equal(add_parallel(suite->io, &future, 3, 4), 0);
    const struct pinion_call large = {.start = check_and_fill, .result_size = 100000};
    struct pinion_future left;
    wanted.context_size = 0;
    wanted.result_size = 100000;
    wanted.result_align = 0;
    pinion_async(suite->io, &large, NULL, &left);
    suite_destroy(suite);
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(contexts_and_results_of_every_size_arrive_whole),
    SUITE_TEST(context_and_result_have_the_alignments_that_the_call_names),
    SUITE_TEST(an_alignment_of_no_bytes_is_no_obstacle),
    SUITE_TEST(a_queued_task_has_its_own_copy_of_the_context),
    SUITE_TEST(null_discards_a_result_of_any_size),
    SUITE_TEST(a_bad_call_is_refused_and_leaves_the_future_alone),
    SUITE_TEST(a_result_that_no_memory_holds_is_an_error_and_nothing_runs),
    SUITE_TEST(async_gives_what_the_function_returned),
    SUITE_TEST(tasks_make_tasks_and_await_them),
    SUITE_TEST(nesting_to_any_depth_does_not_deadlock),
    SUITE_TEST(each_task_runs_exactly_once),
    SUITE_TEST(detached_tasks_have_run_when_the_io_is_destroyed),
    SUITE_TEST(detached_tasks_that_detached_tasks_make_run_too),
    SUITE_TEST(a_detached_task_runs_without_anyones_help),
    SUITE_TEST(parallel_tasks_run_at_the_same_time_each_on_a_thread_of_its_own),
    SUITE_TEST(a_parallel_task_runs_although_every_worker_is_busy),
    SUITE_TEST(a_concurrent_task_makes_progress_while_all_others_wait),
    SUITE_TEST(a_concurrent_task_that_async_tasks_wait_for_makes_progress),
    SUITE_TEST(any_thread_may_call),
    SUITE_TEST(yield_may_be_called_anywhere),
    SUITE_TEST(a_future_that_nobody_consumes_is_let_go_with_the_io),
    {NULL, NULL},
};
