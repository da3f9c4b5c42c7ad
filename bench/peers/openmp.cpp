// SPDX-License-Identifier: MIT
//
// OpenMP's tasks among the contenders: built with gcc for libgomp, with clang for libomp. The
// environment decides how long their threads look for work; nothing is set.
#include "forks.hpp"
#include "serve.h"
#include "tally.h"

namespace
{

int thread_count = 1;

struct Way {
    template <typename F, typename G> static void both(F f, G g)
    {
#pragma omp task default(none) firstprivate(f)
        f();
        g();
#pragma omp taskwait
    }

    template <typename F> static void each(std::size_t count, F f)
    {
        for (std::size_t i = 1; i < count; i++) {
#pragma omp task default(none) firstprivate(f, i)
            f(i);
        }
        if (count)
            f(0);
#pragma omp taskwait
    }
};

std::uint64_t fib(std::uint64_t n)
{
    std::uint64_t left, right;
    if (n < 2)
        return n;
#pragma omp task default(none) shared(left) firstprivate(n)
    left = fib(n - 1);
    right = fib(n - 2);
#pragma omp taskwait
    return left + right;
}

// One thread of a team begins, the others run its tasks.
template <typename F> std::int64_t inside(unsigned threads, F f)
{
    std::int64_t ns = 0;
    thread_count = static_cast<int>(threads);
#pragma omp parallel num_threads(thread_count) default(shared)
#pragma omp single
    ns = f();
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

// What schedule(static) makes of a loop: a part for each thread. The loop itself is work.c's, so
// that it is compiled as everybody's is.
std::uint64_t loop(std::uint64_t end)
{
    const std::uint64_t parts = static_cast<std::uint64_t>(thread_count);
    std::uint64_t sum = 0;
#pragma omp parallel for schedule(static) num_threads(thread_count) reduction(+ : sum)
    for (std::uint64_t part = 0; part < parts; part++)
        sum += work_sum(end / parts * part, part + 1 == parts ? end : end / parts * (part + 1));
    return sum;
}

std::int64_t run_loop(unsigned threads, std::uint64_t end, std::uint64_t repeats)
{
    thread_count = static_cast<int>(threads);
    (void)loop(1); // makes the threads
    return case_loop(loop, end, repeats);
}

void fan(std::uint64_t steps)
{
    for (int i = 0; i < CASE_FAN; i++) {
#pragma omp task default(none) firstprivate(steps)
        (void)work_spin(steps);
    }
#pragma omp taskwait
}

std::int64_t run_fan(unsigned threads, std::uint64_t steps, std::uint64_t repeats)
{
    return inside(threads, [=] { return case_fan(fan, steps, repeats); });
}

// OpenMP has no outside: a task belongs to a team, and the thread that makes it is one of them.
std::int64_t run_many(unsigned threads, std::uint64_t n, std::uint64_t repeats)
{
    return inside(threads, [=] {
        std::int64_t ns = 0;
        for (std::uint64_t round = 0; round < repeats; round++) {
            tally_reset();
            const std::int64_t start = serve_now();
            for (std::uint64_t i = 1; i <= n; i++) {
#pragma omp task default(none) firstprivate(i)
                tally_count(i);
            }
#pragma omp taskwait
            tally_wait(n);
            ns += serve_now() - start;
        }
        return ns;
    });
}

std::int64_t run_elsewhere(unsigned, std::uint64_t, std::uint64_t)
{
    return static_cast<std::int64_t>(tally_permille_elsewhere());
}

} // namespace

int main()
{
    static const struct serve_workload workloads[] = {
        {"fork", run_fork},     {"tree", run_tree},     {"sort", run_sort},
        {"matrix", run_matrix}, {"queens", run_queens}, {"loop", run_loop},
        {"fan", run_fan},       {"many", run_many},     {"elsewhere", run_elsewhere},
        {nullptr, nullptr},
    };
    return serve(workloads);
}
