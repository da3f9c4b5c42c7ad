/* SPDX-License-Identifier: MIT
 *
 * What the models share. A model includes this, then the shipped .c files, which g++ compiles as
 * C++ (-fpermissive), then says what threads do with them and what must hold after.
 */
#ifndef MODEL_H
#define MODEL_H

#include <cstdio>
#include <iostream>
#include <sstream>

#include "atomic.h"

#define _Noreturn
#define _Static_assert(...)                            /* of sizes: an atomic is larger here */
#define _Thread_local  thread_local
#define alignas(bytes) __attribute__((aligned(bytes))) /* C allows it after static */

#define PN_LOCK_SPINS 1u /* so that two meet */

/* Of src/base/check.h. */
[[noreturn]] inline void pn_check_failed(const char *expression, const char *file, int line)
{
    rl::ctx().fail_test(expression, rl::test_result_user_assert_failed,
                        rl::debug_info("", file, (unsigned)line));
    abort();
}

#define MUST(expression) ((expression) ? (void)0 : pn_check_failed(#expression, __FILE__, __LINE__))

/* With begin and end in place of before and after. */
template <typename T, int threads> struct model : model_base {
    static_assert(threads >= MODEL_THREADS_MIN && threads <= MODEL_THREADS_MAX);
    static constexpr int thread_count = threads;

    void before() override
    {
        model_begin();
        static_cast<T *>(this)->begin();
    }

    void after() override
    {
        static_cast<T *>(this)->end();
        model_end();
    }
};

/* How it is searched. On a failure prints the execution. */
template <typename T> bool model_run(rl::test_params params)
{
    std::ostringstream quiet;
    params.progress_stream = &quiet;
    *params.output_stream << "model: " << typeid(T).name() << std::endl;
    return model_simulate(
        T::thread_count, [] { return (model_base *)new ((malloc)(sizeof(T))) T(); }, &params);
}

/* Runs as many executions as said: each is chosen by a generator seeded with its number, so every
 * run is the same. */
template <typename T> bool model_random(uint64_t executions)
{
    rl::test_params params;
    params.iteration_count = executions;
    params.search_type = rl::random_scheduler_type;
    return model_run<T>(params);
}

/* Runs all executions with up to so many preemptions. */
template <typename T> bool model_all(unsigned preemptions)
{
    rl::test_params params;
    params.search_type = rl::fair_context_bound_scheduler_type;
    params.context_bound = preemptions;
    return model_run<T>(params);
}

/* What rests on asymmetric fences is to hold in both ways (atomic.h). */
inline bool model_both_fences(bool (*run)())
{
    for (const bool is_full : {true, false}) {
        model_light_is_full = is_full;
        if (!run())
            return false;
    }
    return true;
}

/* What main returns: 0 if all held, 1 if not, 3 if the mutant asked for was never reached. */
inline int model_main(int count, char **arguments, bool (*run)())
{
    static const char *const orders[] = {"relaxed", "acquire", "release", "acq_rel"};
    static const rl::memory_order values[] = {rl::mo_relaxed, rl::mo_acquire, rl::mo_release,
                                              rl::mo_acq_rel};
    static char file[64], order[16];
    if (count > 1 && sscanf(arguments[1], "look:%u", &model_mutant.number) != 1) {
        if (sscanf(arguments[1], "%63[^:]:%u-%u:%15s", file, &model_mutant.first,
                   &model_mutant.last, order) != 4)
            return 2;
        model_mutant.file = file;
        for (int i = 0; i < 4; i++)
            if (strcmp(order, orders[i]) == 0)
                model_mutant.order = values[i];
    }
    if (!run())
        return 1;
    return count > 1 && !model_mutant.is_reached ? 3 : 0;
}

#endif
