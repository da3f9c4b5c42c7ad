// SPDX-License-Identifier: MIT
//
// Boost.Context among the contenders: switches between two stacks of one thread, by its fiber, and
// by the jump that this is made of.
#include <cstdint>

#include <boost/context/detail/fcontext.hpp>
#include <boost/context/fiber.hpp>
#include <boost/context/fixedsize_stack.hpp>

#include "serve.h"

namespace
{

namespace context = boost::context;

std::int64_t check(std::int64_t start, std::uint64_t count, std::uint64_t trips)
{
    const std::int64_t ns = serve_now() - start;
    if (count != trips)
        serve_die("Boost.Context: a switch was lost");
    return ns;
}

// So many in all, there and back.
std::int64_t run_resume(unsigned, std::uint64_t, std::uint64_t repeats)
{
    std::uint64_t count = 0;
    context::fiber other([&count](context::fiber &&home) -> context::fiber {
        for (;;) {
            count++;
            home = std::move(home).resume();
        }
    });
    const std::int64_t start = serve_now();
    for (std::uint64_t i = 0; i < repeats / 2; i++)
        other = std::move(other).resume();
    return check(start, count, repeats / 2);
}

void count_up(context::detail::transfer_t home)
{
    std::uint64_t &count = *static_cast<std::uint64_t *>(home.data);
    for (;;) {
        count++;
        home = context::detail::jump_fcontext(home.fctx, nullptr);
    }
}

std::int64_t run_jump(unsigned, std::uint64_t, std::uint64_t repeats)
{
    static context::stack_context stack = context::fixedsize_stack().allocate();
    std::uint64_t count = 0;
    context::detail::transfer_t other = {
        context::detail::make_fcontext(stack.sp, stack.size, count_up), nullptr};
    const std::int64_t start = serve_now();
    for (std::uint64_t i = 0; i < repeats / 2; i++)
        other = context::detail::jump_fcontext(other.fctx, &count);
    return check(start, count, repeats / 2);
}

} // namespace

int main()
{
    static const struct serve_workload workloads[] = {
        {"resume", run_resume}, {"jump", run_jump}, {nullptr, nullptr}};
    return serve(workloads);
}
