/* SPDX-License-Identifier: MIT
 *
 * The public headers and the typed macros as C++17. Not cmocka: it is a C header's business that this
 * compiles; that it runs is told by the exit status.
 */
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "typed_shared.h"

namespace
{
int failures;

void expect(bool holds, const char *what)
{
    if (holds)
        return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    failures++;
}
#define EXPECT(condition) expect((condition), #condition)

struct alignas(128) wide {
    int value;
};

class point
{
  public:
    double x, y;
};

enum class colour { red, green };
} // namespace

PINION_TASK(int, cpp_none) { return 5; }
PINION_TASK(void, cpp_void, (int *, there)) { *there = 6; }
PINION_TASK(int, cpp_fib, (struct pinion_io *, io), (int, n))
{
    if (n < 2)
        return n;
    struct cpp_fib_future left = cpp_fib_async(io, io, n - 1);
    int right = cpp_fib(io, n - 2);
    return cpp_fib_await(io, &left) + right;
}
PINION_TASK(wide, cpp_wide, (wide, from), (const int, n)) { return wide{from.value + n}; }
PINION_TASK(point, cpp_point, (point, p)) { return point{p.y, p.x}; }
PINION_TASK(colour, cpp_colour, (colour, c))
{
    return c == colour::red ? colour::green : colour::red;
}
PINION_TASK(const char *, cpp_text, (const char *, text)) { return text + 1; }
PINION_TASK(long, cpp_eight, (char, a), (short, b), (int, c), (long, d), (unsigned char, e),
            (float, f), (double, g), (bool, h))
{
    return a + b + c + d + e + static_cast<long>(f) + static_cast<long>(g) + h;
}
PINION_TASK_DECLARE(int, cpp_later, (int, n));
static int cpp_later(int n) { return n + 1; }

PINION_QUEUE(point, point_queue)
PINION_QUEUE(const char *, text_queue)

PINION_TASK(int, cpp_get, (struct pinion_io *, io), (struct text_queue *, queue),
            (const char **, text))
{
    return text_queue_get_one(io, queue, text);
}

static void use_queues(pinion_io *io)
{
    point storage[2], items[2] = {{1, 2}, {3, 4}}, got[2] = {};
    point_queue queue;
    point_queue_init(&queue, storage, 2);
    EXPECT(point_queue_put(io, &queue, items, 2, 2) == 2);
    EXPECT(point_queue_put_until(io, &queue, items, 1, 1, 0) == -ETIMEDOUT);
    EXPECT(point_queue_get_uncancelable(io, &queue, got, 2, 1) == 2 && got[1].y == 4);
    EXPECT(point_queue_put_one(io, &queue, point{5, 6}) == 0);
    EXPECT(point_queue_put_uncancelable(io, &queue, items, 1, 0) == 1);
    EXPECT(point_queue_get_one(io, &queue, &got[0]) == 0 && got[0].x == 5);
    EXPECT(point_queue_get(io, &queue, got, 2, 0) == 1 && got[0].x == 1);
    EXPECT(point_queue_get_until(io, &queue, got, 1, 1, 0) == -ETIMEDOUT);
    point_queue_close(io, &queue);
    EXPECT(point_queue_get_one(io, &queue, &got[0]) == -EPIPE);
    EXPECT(point_queue_put_one(io, &queue, got[0]) == -EPIPE);

    text_queue meeting;
    const char *text = nullptr;
    struct cpp_get_future future;
    text_queue_init(&meeting, nullptr, 0);
    EXPECT(cpp_get_concurrent(io, &future, io, &meeting, &text) == 0);
    EXPECT(text_queue_put_one(io, &meeting, "abc") == 0);
    EXPECT(cpp_get_await(io, &future) == 0 && std::strcmp(text, "abc") == 0);
}

/* Zero-initialised in all the ways of C++. */
static pinion_mutex mutex;
static pinion_semaphore one_permit = PINION_SEMAPHORE_INIT(1);

static void use_locks(pinion_io *io)
{
    pinion_condition condition = {};
    pinion_rwlock lock{};
    pinion_event event{};
    std::atomic<std::uint32_t> word{7};
    EXPECT(pinion_mutex_try_lock(&mutex) && !pinion_mutex_try_lock(&mutex));
    EXPECT(pinion_condition_wait_until(io, &condition, &mutex, 0) == -ETIMEDOUT);
    pinion_condition_broadcast(io, &condition);
    pinion_mutex_unlock(io, &mutex);
    EXPECT(pinion_semaphore_wait(io, &one_permit) == 0 && !pinion_semaphore_try_wait(&one_permit));
    pinion_semaphore_post(io, &one_permit);
    EXPECT(pinion_rwlock_read_lock(io, &lock) == 0 && !pinion_rwlock_try_write_lock(&lock));
    pinion_rwlock_read_unlock(io, &lock);
    EXPECT(pinion_event_wait_until(io, &event, 0) == -ETIMEDOUT);
    pinion_event_set(io, &event);
    EXPECT(pinion_event_is_set(&event) && pinion_event_wait(io, &event) == 0);
    EXPECT(pinion_futex_wait(io, &word, 6, PINION_FOREVER) == 0);
    EXPECT(pinion_futex_wait(io, &word, 7, 0) == -ETIMEDOUT);
    pinion_futex_wake(io, &word, 1);
}

static void use(pinion_io *io)
{
    struct cpp_none_future none = cpp_none_async(io);
    EXPECT(cpp_none_await(io, &none) == 5);
    EXPECT(cpp_none_concurrent(io, &none) == 0 && cpp_none_cancel(io, &none) == 5);
    EXPECT(cpp_none_parallel(io, &none) == 0 && cpp_none_await(io, &none) == 5);
    cpp_none_detached(io);

    int there = 0;
    struct cpp_void_future nothing = cpp_void_async(io, &there);
    cpp_void_await(io, &nothing);
    EXPECT(there == 6);

    EXPECT(cpp_fib(io, 12) == 144);
    for (int i = 0; i < 20; i++) {
        struct cpp_wide_future future = cpp_wide_async(io, wide{i}, 1);
        EXPECT(cpp_wide_await(io, &future).value == i + 1);
    }
    struct cpp_point_future moved = cpp_point_async(io, point{1, 2});
    EXPECT(cpp_point_await(io, &moved).x == 2);
    struct cpp_colour_future coloured = cpp_colour_async(io, colour::red);
    EXPECT(cpp_colour_await(io, &coloured) == colour::green);
    struct cpp_text_future text = cpp_text_async(io, "abc");
    EXPECT(std::strcmp(cpp_text_await(io, &text), "bc") == 0);
    struct cpp_eight_future eight = cpp_eight_async(io, 1, 2, 3, 4, 5, 6, 7, true);
    EXPECT(cpp_eight_await(io, &eight) == 29);
    struct cpp_later_future later = cpp_later_async(io, 1);
    EXPECT(cpp_later_await(io, &later) == 2);

    const long numbers[] = {1, 2, 3};
    struct shared_sum_future sum = shared_sum_async(io, numbers, 3);
    EXPECT(shared_sum_await(io, &sum) == 6);
    EXPECT(sum_elsewhere(io, numbers, 2) == 3);

    pinion_future complete = {nullptr};
    pinion_future *const list[] = {&complete};
    EXPECT(pinion_select(io, list, 1, PINION_FOREVER) == 0);
    EXPECT(!pinion_cancel_requested(io));
}

int main()
{
    pinion_pool_options options = {};
    pinion_pool *pool = nullptr;
    options.cpu_count = 2;
    EXPECT(pinion_pool_create(&options, &pool) == 0);
    if (pool) {
        use(pinion_pool_io(pool));
        use_queues(pinion_pool_io(pool));
        use_locks(pinion_pool_io(pool));
    }
    pinion_pool_destroy(pool);
    return failures ? 1 : 0;
}
