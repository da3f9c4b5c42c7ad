/* SPDX-License-Identifier: MIT
 *
 * What the models share. A model includes this, then the shipped .c files, which g++ compiles as
 * C++ (-fpermissive), then says what threads do with them and what must hold after.
 */
#ifndef MODEL_H
#define MODEL_H

#include <iostream>
#include <sstream>

#include "atomic.h"

#define _Noreturn
#define _Static_assert static_assert
#define _Thread_local  thread_local
#define alignas(bytes) __attribute__((aligned(bytes))) /* C allows it after static */

/* Of src/base/check.h. */
[[noreturn]] inline void pn_check_failed(const char *expression, const char *file, int line)
{
    rl::ctx().fail_test(expression, rl::test_result_user_assert_failed,
                        rl::debug_info("", file, (unsigned)line));
    abort();
}

#define MUST(expression) ((expression) ? (void)0 : pn_check_failed(#expression, __FILE__, __LINE__))

/* A test_suite with begin, thread(index), and end in place of before, thread and after. */
template <typename T, int threads> struct model : rl::test_suite<T, threads> {
    void before()
    {
        model_begin();
        static_cast<T *>(this)->begin();
    }

    void after()
    {
        static_cast<T *>(this)->end();
        model_end();
    }
};

/* Runs as many executions as said: each is chosen by a generator seeded with its number, so every
 * run is the same. On a failure prints the execution. */
template <typename T> bool model_random(uint64_t executions)
{
    rl::test_params params;
    std::ostringstream quiet;
    params.progress_stream = &quiet;
    params.iteration_count = executions;
    params.search_type = rl::random_scheduler_type;
    return rl::simulate<T>(params);
}

/* Runs all executions with up to so many preemptions. */
template <typename T> bool model_all(unsigned preemptions)
{
    rl::test_params params;
    std::ostringstream quiet;
    params.progress_stream = &quiet;
    params.search_type = rl::fair_context_bound_scheduler_type;
    params.context_bound = preemptions;
    return rl::simulate<T>(params);
}

#endif
