/* SPDX-License-Identifier: MIT
 *
 * From one stack to another and back, on one thread, with no scheduler: what pinion's fibers cost
 * at the least, beside those of Boost.Context and ucontext. An operation is one switch.
 *
 * Unfair in it: pinion's is what its scheduler calls, and also keeps errno, the task's context and
 * the bounds of the stack. Boost's jump does not; its fiber is what users call, the jump is below
 * that. swapcontext keeps the signal mask, by a system call.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <ucontext.h>

#include "contest.h"
#include "fiber.h"

#define ROUNDS      15
#define STACK_BYTES ((size_t)64 * 1024)

static const char about[] =
    "A switch from one stack to another on one thread, without a scheduler: pinion's, beside\n"
    "Boost.Context's and ucontext's. An operation is one switch; there are two of them in a round\n"
    "trip.\n";

/* Somebody on the other stack, who counts how often it goes on and switches back. */
struct other {
    uint64_t count;
    struct pn_fiber home, *fiber;
    struct pn_continuation here, there; /* of the bare switch */
    bool has_bare;
    ucontext_t home_context, context;
};

static struct other other;

static struct pn_stack stack_new(void)
{
    struct pn_stack stack = {.low = aligned_alloc(4096, STACK_BYTES), .bytes = STACK_BYTES};
    if (!stack.low)
        rounds_die("out of memory");
    return stack; /* as long as the program */
}

static int64_t check(int64_t start, uint64_t trips)
{
    const int64_t ns = rounds_now() - start;
    if (other.count != trips)
        rounds_die("a switch was lost");
    other.count = 0;
    return ns;
}

static void fiber_main(void *argument)
{
    struct other *its = argument;
    for (;;) {
        its->count++;
        pn_fiber_switch(its->fiber, &its->home);
    }
}

static int64_t run_fiber(void *context, uint64_t n)
{
    (void)context;
    if (!other.fiber) {
        const struct pn_stack stack = stack_new();
        other.fiber = pn_stack_top(&stack, sizeof *other.fiber);
        pn_fiber_init_thread(&other.home);
        pn_fiber_init(other.fiber, &stack);
        pn_fiber_prepare(other.fiber, fiber_main, &other);
    }
    const int64_t start = rounds_now();
    for (uint64_t i = 0; i < n / 2; i++)
        pn_fiber_switch(&other.home, other.fiber);
    return check(start, n / 2);
}

static void bare_main(void *argument)
{
    struct other *its = argument;
    for (;;) {
        its->count++;
        pn_switch(&its->there, &its->here);
    }
}

static int64_t run_bare(void *context, uint64_t n)
{
    (void)context;
    if (!other.has_bare) {
        const struct pn_stack stack = stack_new();
        pn_switch_prepare(&other.there, stack.low, stack.low + stack.bytes, bare_main, &other);
        other.has_bare = true;
    }
    const int64_t start = rounds_now();
    for (uint64_t i = 0; i < n / 2; i++)
        pn_switch(&other.here, &other.there);
    return check(start, n / 2);
}

static void context_main(void)
{
    for (;;) {
        other.count++;
        (void)swapcontext(&other.context, &other.home_context);
    }
}

static int64_t run_swapcontext(void *context, uint64_t n)
{
    (void)context;
    if (!other.context.uc_stack.ss_sp) {
        const struct pn_stack stack = stack_new();
        if (getcontext(&other.context))
            rounds_die("getcontext failed");
        other.context.uc_stack.ss_sp = stack.low;
        other.context.uc_stack.ss_size = stack.bytes;
        makecontext(&other.context, context_main, 0);
    }
    const int64_t start = rounds_now();
    for (uint64_t i = 0; i < n / 2; i++)
        (void)swapcontext(&other.home_context, &other.context);
    return check(start, n / 2);
}

int main(int argc, char **argv)
{
    static struct rounds rounds;
    static struct contender boost = {.name = "Boost.Context, fiber", .program = "bench-context"};
    static struct contender jump = {.name = "Boost.Context, jump", .program = "bench-context"};
    const struct contest resume = {.workload = "resume", .threads = 1, .repeats_min = 2};
    const struct contest jumps = {.workload = "jump", .threads = 1, .repeats_min = 2};
    rounds_begin(&rounds, "switch", about, ROUNDS, argc, argv);
    const struct rounds_row *peers[] = {
        contest_row(&rounds, &jump, &jumps, "switch"),
        contest_row(&rounds, &boost, &resume, "switch"),
        rounds_row(&rounds, run_swapcontext, NULL, "switch: swapcontext"),
    };
    struct rounds_row *ours[] = {rounds_row(&rounds, run_fiber, NULL, "switch: pinion"),
                                 rounds_row(&rounds, run_bare, NULL, "switch: pinion, bare")};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        ours[i]->step = 2;
        for (size_t j = 0; j < sizeof peers / sizeof peers[0]; j++)
            contest_compare(ours[i], peers[j]);
    }
    rounds_run(&rounds);
    child_end_all();
    return rounds_end(&rounds);
}
