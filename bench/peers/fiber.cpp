// SPDX-License-Identifier: MIT
//
// Boost.Fiber among the contenders: a fiber a fork, work stealing between threads. Its
// stacks come from malloc: those of its pool may be freed by one thread only, and fibers move. It
// does more: each fork can be suspended and has a stack of its own.
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include <boost/fiber/algo/work_stealing.hpp>
#include <boost/fiber/all.hpp>

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

// Threads that steal fibers, until they are told to end.
std::int64_t run_fork(unsigned threads, std::uint64_t n, std::uint64_t repeats)
{
    std::mutex mutex;
    boost::fibers::condition_variable_any ended_changed;
    bool ended = false;
    std::int64_t ns = 0;
    std::vector<std::thread> team;
    const auto work = [&](bool first) {
        if (threads > 1)
            boost::fibers::use_scheduling_algorithm<boost::fibers::algo::work_stealing>(threads);
        std::unique_lock<std::mutex> lock(mutex, std::defer_lock);
        if (first) {
            ns = case_fib(fib, n, repeats);
            lock.lock();
            ended = true;
            lock.unlock();
            ended_changed.notify_all();
        } else {
            lock.lock();
            ended_changed.wait(lock, [&] { return ended; });
        }
    };
    for (unsigned i = 0; i < threads; i++)
        team.emplace_back(work, i == 0);
    for (std::thread &member : team)
        member.join();
    return ns;
}

} // namespace

int main()
{
    static const struct serve_workload workloads[] = {{"fork", run_fork}, {nullptr, nullptr}};
    return serve(workloads);
}
