// SPDX-License-Identifier: MIT
//
// Boost.Fiber among the contenders: a fiber a fork, work stealing between threads. Its stacks come
// from malloc there: those of its pool may be freed by one thread only, and fibers move. It does
// more than others: each fork can be suspended and has a stack of its own.
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include <boost/fiber/algo/work_stealing.hpp>
#include <boost/fiber/all.hpp>
#include <unistd.h>

#include "cases.h"
#include "serve.h"

namespace
{

std::uint64_t fib(std::uint64_t n)
{
    if (n < 2)
        return n;
    std::uint64_t left = 0;
    boost::fibers::fiber fork(boost::fibers::launch::post, [&left, n] { left = fib(n - 1); });
    const std::uint64_t right = fib(n - 2);
    fork.join();
    return left + right;
}

// Threads that steal fibers from each other, until the program ends: the algorithm counts its
// threads once.
class Team
{
  public:
    explicit Team(unsigned threads) : size(threads)
    {
        std::thread([this] { lead(); }).detach();
        for (unsigned i = 1; i < threads; i++)
            std::thread([this] { help(); }).detach();
    }

    std::int64_t run(std::uint64_t n, std::uint64_t repeats)
    {
        std::unique_lock<std::mutex> lock(mutex);
        job_n = n;
        job_repeats = repeats;
        changed.notify_all();
        changed.wait(lock, [this] { return !job_repeats; });
        return job_ns;
    }

    const unsigned size;

  private:
    void lead()
    {
        boost::fibers::use_scheduling_algorithm<boost::fibers::algo::work_stealing>(size);
        std::unique_lock<std::mutex> lock(mutex);
        for (;;) {
            changed.wait(lock, [this] { return job_repeats != 0; });
            lock.unlock();
            const std::int64_t ns = case_fib(fib, job_n, job_repeats);
            lock.lock();
            job_ns = ns;
            job_repeats = 0;
            changed.notify_all();
        }
    }

    void help()
    {
        boost::fibers::use_scheduling_algorithm<boost::fibers::algo::work_stealing>(size);
        boost::fibers::mutex never_mutex;
        boost::fibers::condition_variable never;
        std::unique_lock<boost::fibers::mutex> lock(never_mutex);
        for (;;)
            never.wait(lock);
    }

    std::mutex mutex;
    std::condition_variable changed;
    std::uint64_t job_n = 0, job_repeats = 0;
    std::int64_t job_ns = 0;
};

std::int64_t run_fork(unsigned threads, std::uint64_t n, std::uint64_t repeats)
{
    if (threads == 1)
        return case_fib(fib, n, repeats);
    static Team &team = *new Team(threads);
    if (team.size != threads)
        serve_die("Boost.Fiber has %u threads for good", team.size);
    return team.run(n, repeats);
}

// ---- fibers of one thread, in turn ----

// One copy for both, as pinion's.
[[gnu::noinline]] void yield_times(std::uint64_t count)
{
    for (std::uint64_t i = 0; i < count; i++)
        boost::this_fiber::yield();
}

// So many in all, of two that yield to each other.
std::int64_t run_yield(unsigned, std::uint64_t, std::uint64_t repeats)
{
    const std::int64_t start = serve_now();
    boost::fibers::fiber other(boost::fibers::launch::post, yield_times, repeats / 2);
    yield_times(repeats - repeats / 2);
    other.join();
    return serve_now() - start;
}

// So many, size of them at a time. Their stacks come from a pool: the one thread frees them too.
std::int64_t run_spawn(unsigned, std::uint64_t size, std::uint64_t repeats)
{
    static boost::fibers::pooled_fixedsize_stack &stacks =
        *new boost::fibers::pooled_fixedsize_stack;
    std::vector<boost::fibers::fiber> fibers;
    std::uint64_t count = 0;
    fibers.reserve(size);
    const std::int64_t start = serve_now();
    for (std::uint64_t i = 0; i < repeats / size; i++) {
        for (std::uint64_t j = 0; j < size; j++)
            fibers.emplace_back(boost::fibers::launch::post, std::allocator_arg, stacks,
                                [&count] { count++; });
        for (auto &fiber : fibers)
            fiber.join();
        fibers.clear();
    }
    const std::int64_t ns = serve_now() - start;
    if (count != repeats)
        serve_die("Boost.Fiber: a fiber was lost");
    return ns;
}

} // namespace

int main()
{
    static const struct serve_workload workloads[] = {
        {"fork", run_fork}, {"yield", run_yield}, {"spawn", run_spawn}, {nullptr, nullptr}};
    _exit(serve(workloads)); // the team never ends
}
