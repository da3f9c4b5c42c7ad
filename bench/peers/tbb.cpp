// SPDX-License-Identifier: MIT
//
// oneTBB among the contenders: task_group and task_arena, with its own allocator for tasks if that
// is installed. Waiting runs tasks of the group.
#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
#include <thread>

#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_reduce.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include "forks.hpp"
#include "pause.h"
#include "serve.h"
#include "tally.h"

namespace
{

struct Way {
    template <typename F, typename G> static void both(F f, G g)
    {
        tbb::task_group group;
        group.run(f);
        g();
        group.wait();
    }

    template <typename F> static void each(std::size_t count, F f)
    {
        if (!count)
            return;
        tbb::task_group group;
        for (std::size_t i = 1; i < count; i++)
            group.run([=] { f(i); });
        f(0);
        group.wait();
    }
};

// One arena of so many threads, the caller's included; it stays until another number is asked for.
tbb::task_arena &arena(unsigned threads)
{
    static std::unique_ptr<tbb::global_control> control;
    static std::unique_ptr<tbb::task_arena> current;
    static unsigned current_threads;
    if (threads != current_threads) {
        current.reset();
        control.reset(
            new tbb::global_control(tbb::global_control::max_allowed_parallelism, threads));
        current.reset(new tbb::task_arena(static_cast<int>(threads)));
        current_threads = threads;
    }
    return *current;
}

std::uint64_t fib(std::uint64_t n)
{
    if (n < 2)
        return n;
    std::uint64_t left, right;
    tbb::task_group group;
    group.run([&left, n] { left = fib(n - 1); });
    right = fib(n - 2);
    group.wait();
    return left + right;
}

template <typename F> std::int64_t inside(unsigned threads, F f)
{
    std::int64_t ns = 0;
    arena(threads).execute([&] { ns = f(); });
    return ns;
}

std::int64_t run_fork(unsigned threads, std::uint64_t n, std::uint64_t repeats)
{
    return inside(threads, [=] { return case_fib(fib, n, repeats); });
}

std::int64_t run_tree(unsigned threads, std::uint64_t levels, std::uint64_t repeats)
{
    return inside(threads, [=] { return case_tree(Forks<Way>::tree, levels, repeats); });
}

void sort(std::uint32_t *numbers, std::uint32_t *scratch, std::size_t n)
{
    Forks<Way>::sort_to(numbers, scratch, n, false);
}

std::int64_t run_sort(unsigned threads, std::uint64_t n, std::uint64_t repeats)
{
    return inside(threads, [=] { return case_sort(sort, n, repeats); });
}

void matrix(const double *a, const double *b, double *c, std::size_t n)
{
    Forks<Way>::product(a, b, c, n, n);
}

std::int64_t run_matrix(unsigned threads, std::uint64_t n, std::uint64_t repeats)
{
    return inside(threads, [=] { return case_matrix(matrix, n, repeats); });
}

std::uint64_t queens(const struct work_board *board)
{
    return Forks<Way>::queens(*board);
}

std::int64_t run_queens(unsigned threads, std::uint64_t size, std::uint64_t repeats)
{
    return inside(threads, [=] { return case_queens(queens, size, repeats); });
}

std::uint64_t loop(std::uint64_t end)
{
    return tbb::parallel_reduce(
        tbb::blocked_range<std::uint64_t>(0, end), std::uint64_t(0),
        [](const tbb::blocked_range<std::uint64_t> &part, std::uint64_t sum) {
            return sum + work_sum(part.begin(), part.end());
        },
        [](std::uint64_t a, std::uint64_t b) { return a + b; });
}

std::int64_t run_loop(unsigned threads, std::uint64_t end, std::uint64_t repeats)
{
    return inside(threads, [=] { return case_loop(loop, end, repeats); });
}

void fan(std::uint64_t steps)
{
    tbb::task_group group;
    for (int i = 0; i < CASE_FAN; i++)
        group.run([steps] { (void)work_spin(steps); });
    group.wait();
}

std::int64_t run_fan(unsigned threads, std::uint64_t steps, std::uint64_t repeats)
{
    return inside(threads, [=] { return case_fan(fan, steps, repeats); });
}

// A thread from outside joins the arena while it spawns, and runs tasks while it waits.
std::int64_t run_many(unsigned threads, std::uint64_t n, std::uint64_t repeats)
{
    std::int64_t ns = 0;
    tbb::task_arena &pool = arena(threads);
    std::thread outside([&] {
        for (std::uint64_t round = 0; round < repeats; round++) {
            tally_reset();
            const std::int64_t start = serve_now();
            pool.execute([n] {
                tbb::task_group group;
                for (std::uint64_t i = 1; i <= n; i++)
                    group.run([i] { tally_count(i); });
                group.wait();
            });
            tally_wait(n);
            ns += serve_now() - start;
        }
    });
    outside.join();
    return ns;
}

// By enqueue, which another thread runs, and not the caller while it waits. The caller looks for
// the answer all the time where the workers do; after a pause, when they sleep, it sleeps too: to
// look would take the CPU that they wake on.
std::int64_t run_trip(unsigned threads, std::uint64_t gap_ns, std::uint64_t repeats)
{
    tbb::task_arena &pool = arena(threads);
    std::atomic<std::uint64_t> answered(0);
    std::int64_t ns = 0;
    unsigned looks = 0;
    for (std::uint64_t i = 1; i <= repeats; i++) {
        pause_for(gap_ns);
        const std::int64_t start = serve_now();
        if (gap_ns) {
            std::promise<std::uint64_t> promise;
            std::future<std::uint64_t> answer = promise.get_future();
            pool.enqueue([&promise, i] { promise.set_value(i); });
            answered = answer.get();
        } else {
            pool.enqueue([&answered, i] { answered.store(i, std::memory_order_release); });
        }
        while (answered.load(std::memory_order_acquire) != i)
            pause_briefly(&looks);
        ns += serve_now() - start;
    }
    return ns;
}

} // namespace

int main()
{
    static const struct serve_workload workloads[] = {
        {"fork", run_fork},     {"tree", run_tree},     {"sort", run_sort}, {"many", run_many},
        {"matrix", run_matrix}, {"queens", run_queens}, {"loop", run_loop}, {"fan", run_fan},
        {"trip", run_trip},     {nullptr, nullptr},
    };
    return serve(workloads);
}
