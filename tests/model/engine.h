/* SPDX-License-Identifier: MIT
 *
 * What runs a model: Relacy, compiled once for all of them, since it is nearly all that there is to
 * compile in one. It knows them by three calls, made in each execution.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include <relacy/relacy.hpp>
#undef new
#undef delete
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef assert
#undef errno
#define errno (*__errno_location())
#undef memory_order_relaxed
#undef memory_order_consume
#undef memory_order_acquire
#undef memory_order_release
#undef memory_order_acq_rel
#undef memory_order_seq_cst

struct model_base {
    virtual void before() = 0;
    virtual void thread(unsigned index) = 0;
    virtual void after() = 0;
    virtual ~model_base() {}
};

#define MODEL_THREADS_MIN 2
#define MODEL_THREADS_MAX 4

/* Whether all executions hold, each of a model that make makes, in memory from the C library's
 * malloc. On a failure prints the execution. */
bool model_simulate(int threads, model_base *(*make)(), rl::test_params *params);

#endif
