/* SPDX-License-Identifier: MIT
 *
 * The public headers and the typed macros as C++17. Not cmocka: it is a C header's business that this
 * compiles; that it runs is told by the exit status.
 */
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
    if (pool)
        use(pinion_pool_io(pool));
    pinion_pool_destroy(pool);
    return failures ? 1 : 0;
}
