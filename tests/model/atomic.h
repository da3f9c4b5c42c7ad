/* SPDX-License-Identifier: MIT
 *
 * Stands in for src/base/atomic.h in the models: the same accesses, by Relacy's atomics, which
 * return each value that C++ allows and tell a race from an order. It comes first in the include
 * path and has the same guard, so the shipped files see it instead.
 *
 * An object of type _Atomic(T) is a handle: its cell is made at the first access, so that it may
 * lie in memory from malloc, be static, or be in a struct that C initializes. Its value is 0 until
 * it is stored to, for every thread. A cell in a block that was freed, or that the model has let go
 * (model_leave), may not be touched any more.
 */
#ifndef PN_ATOMIC_H
#define PN_ATOMIC_H

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "engine.h"

struct model_cell_base {
    const void *handle;
    bool is_gone;
    virtual ~model_cell_base() {}
};

template <typename T> struct model_cell : model_cell_base {
    rl::generic_atomic<T, true> atomic; /* true: starts as T(), for all */
};

/* The cells of this execution; epoch tells a handle of an earlier one. */
inline rl::vector<model_cell_base *>::type model_cells;
inline uintptr_t model_epoch = 1;

template <typename T> struct model_atomic {
    mutable model_cell<T> *cell = nullptr;
    mutable uintptr_t epoch = 0;

    ~model_atomic()
    {
        if (epoch == model_epoch)
            cell->is_gone = true;
    }

    rl::generic_atomic<T, true> &get(rl::debug_info_param info) const
    {
        if (epoch != model_epoch) {
            cell = new ((malloc)(sizeof *cell)) model_cell<T>;
            cell->handle = this;
            cell->is_gone = false;
            epoch = model_epoch;
            model_cells.push_back(cell);
        }
        if (cell->is_gone)
            rl::ctx().fail_test("the object is gone", rl::test_result_access_to_freed_memory, info);
        return cell->atomic;
    }
};

#define _Atomic(T) model_atomic<T>

/* Of public structs: instead of include/pinion/atomic.h. */
#define PINION_ATOMIC_H
#define PINION_ATOMIC(T) model_atomic<T>

/* Nobody may touch the atomics in these bytes any more. */
inline void model_leave(const void *start, size_t bytes)
{
    for (model_cell_base *cell : model_cells)
        if (cell->handle >= start && cell->handle < (const char *)start + bytes)
            cell->is_gone = true;
}

/* Around each execution. */
inline void model_begin()
{
    model_cells.clear(); /* what an execution that failed has left */
    model_epoch++;
}

inline void model_end()
{
    for (model_cell_base *cell : model_cells) {
        cell->~model_cell_base();
        (free)(cell);
    }
    model_cells.clear();
}

/* malloc for the shipped files: leaks and double frees are found, and the handles are new. */
inline void *model_malloc(size_t bytes, rl::debug_info_param info)
{
    void *block = rl::rl_malloc(bytes + sizeof(max_align_t), info);
    memset(block, 0, bytes + sizeof(max_align_t));
    *(size_t *)block = bytes;
    return (char *)block + sizeof(max_align_t);
}

inline void model_free(void *memory, rl::debug_info_param info)
{
    if (!memory)
        return;
    void *block = (char *)memory - sizeof(max_align_t);
    model_leave(memory, *(size_t *)block);
    rl::rl_free(block, info);
}

#define malloc(bytes)        model_malloc((bytes), RL_INFO)
#define calloc(count, bytes) model_malloc((count) * (bytes), RL_INFO)
#define free(memory)         model_free((memory), RL_INFO)

/* A weakened order, by the argument file:first-last:order of a model: for accesses in those lines.
 * Or something else, by its number. A mutant that a model does not notice tells what the model does
 * not see (mutate.py). */
struct model_mutant {
    const char *file;
    unsigned first, last;
    rl::memory_order order;
    unsigned number;
    bool is_reached;
};
inline struct model_mutant model_mutant;

inline bool model_is(unsigned number)
{
    if (model_mutant.number != number)
        return false;
    return model_mutant.is_reached = true;
}

inline rl::memory_order model_order(rl::memory_order order, rl::debug_info_param info)
{
    if (info.line_ < model_mutant.first || info.line_ > model_mutant.last)
        return order;
    const char *name = strrchr(info.file_, '/');
    if (strcmp(name ? name + 1 : info.file_, model_mutant.file) != 0)
        return order;
    model_mutant.is_reached = true;
    return model_mutant.order;
}

/* The order of a compare-and-swap that fails. */
inline rl::memory_order model_failure(rl::memory_order order)
{
    switch (order) {
    case rl::mo_seq_cst: return rl::mo_seq_cst;
    case rl::mo_acq_rel:
    case rl::mo_acquire: return rl::mo_acquire;
    default: return rl::mo_relaxed;
    }
}

template <typename T> T model_load(const model_atomic<T> *p, rl::memory_order order,
                                   rl::debug_info_param info)
{
    return p->get(info).load(model_order(order, info), info);
}

template <typename T, typename V> void model_store(model_atomic<T> *p, V v, rl::memory_order order,
                                                   rl::debug_info_param info)
{
    p->get(info).store((T)v, model_order(order, info), info);
}

#ifndef MODEL_CHANGE_IS_FENCE
#define MODEL_CHANGE_IS_FENCE 0
#endif

template <rl::rmw_type_e type, typename T, typename V>
T model_rmw(model_atomic<T> *p, V v, rl::memory_order order, rl::debug_info_param info)
{
    rl::rmw_type_t<type> kind;
    order = model_order(order, info);
    const T old = p->get(info).rmw(kind, (T)v, order, info);
    if (MODEL_CHANGE_IS_FENCE && order == rl::mo_seq_cst)
        rl::atomic_thread_fence(order, info);
    return old;
}

template <typename T, typename V> bool model_cas(model_atomic<T> *p, T *expected, V v,
                                                 rl::memory_order order, rl::debug_info_param info)
{
    rl::bool_t<false> strong;
    order = model_order(order, info);
    const rl::memory_order failure = model_failure(order);
    return p->get(info).compare_exchange(strong, *expected, (T)v, order, failure, info);
}

inline void model_fence(rl::debug_info_param info)
{
    if (model_order(rl::mo_seq_cst, info) == rl::mo_seq_cst)
        rl::atomic_thread_fence(rl::mo_seq_cst, info);
}

#define pn_load_relaxed(p) model_load((p), rl::mo_relaxed, RL_INFO)
#define pn_load_acquire(p) model_load((p), rl::mo_acquire, RL_INFO)
#define pn_load_seq_cst(p) model_load((p), rl::mo_seq_cst, RL_INFO)

#define pn_store_relaxed(p, v) model_store((p), (v), rl::mo_relaxed, RL_INFO)
#define pn_store_release(p, v) model_store((p), (v), rl::mo_release, RL_INFO)
#define pn_store_seq_cst(p, v) model_store((p), (v), rl::mo_seq_cst, RL_INFO)

#define MODEL_RMW(type, p, v, order)                                                               \
    model_rmw<rl::rmw_type_##type>((p), (v), rl::mo_##order, RL_INFO)
#define pn_exchange_relaxed(p, v)  MODEL_RMW(swap, p, v, relaxed)
#define pn_exchange_acquire(p, v)  MODEL_RMW(swap, p, v, acquire)
#define pn_exchange_acq_rel(p, v)  MODEL_RMW(swap, p, v, acq_rel)
#define pn_exchange_seq_cst(p, v)  MODEL_RMW(swap, p, v, seq_cst)
#define pn_fetch_add_relaxed(p, v) MODEL_RMW(add, p, v, relaxed)
#define pn_fetch_add_acq_rel(p, v) MODEL_RMW(add, p, v, acq_rel)
#define pn_fetch_add_seq_cst(p, v) MODEL_RMW(add, p, v, seq_cst)
#define pn_fetch_sub_relaxed(p, v) MODEL_RMW(sub, p, v, relaxed)
#define pn_fetch_sub_seq_cst(p, v) MODEL_RMW(sub, p, v, seq_cst)
#define pn_fetch_sub_acq_rel(p, v) MODEL_RMW(sub, p, v, acq_rel)
#define pn_fetch_or_relaxed(p, v)  MODEL_RMW(or, p, v, relaxed)
#define pn_fetch_or_acq_rel(p, v)  MODEL_RMW(or, p, v, acq_rel)
#define pn_fetch_or_seq_cst(p, v)  MODEL_RMW(or, p, v, seq_cst)
#define pn_fetch_and_acq_rel(p, v) MODEL_RMW(and, p, v, acq_rel)
#define pn_fetch_and_seq_cst(p, v) MODEL_RMW(and, p, v, seq_cst)

#define MODEL_CAS(p, expected, v, order) model_cas((p), (expected), (v), rl::mo_##order, RL_INFO)
#define pn_cas_relaxed(p, expected, v) MODEL_CAS(p, expected, v, relaxed)
#define pn_cas_acquire(p, expected, v) MODEL_CAS(p, expected, v, acquire)
#define pn_cas_acq_rel(p, expected, v) MODEL_CAS(p, expected, v, acq_rel)
#define pn_cas_seq_cst(p, expected, v) MODEL_CAS(p, expected, v, seq_cst)

#define pn_fence_seq_cst() model_fence(RL_INFO)

/* asymmetric.h, in two ways, since neither is just what the pair is (model_both_fences). Full: both
 * sides are fences, so that one that is left out is missed. Else the light one orders nothing and
 * the heavy one all threads, so that nobody can rest on two light ones. */
inline bool model_light_is_full = true;
inline void model_light_fence(rl::debug_info_param info)
{
    if (model_light_is_full)
        rl::atomic_thread_fence(rl::mo_seq_cst, info);
}

inline void model_heavy_fence(rl::debug_info_param info)
{
    if (model_light_is_full) {
        rl::atomic_thread_fence(rl::mo_seq_cst, info);
    } else {
        rl::ctx().sched();
        rl::systemwide_fence(info);
    }
}

#define pn_light_fence()       model_light_fence(RL_INFO)
#define pn_count(p, n)         pn_store_relaxed((p), pn_load_relaxed(p) + (n))
#define pn_count_release(p, n) pn_store_release((p), pn_load_relaxed(p) + (n))

/* Public fields that are plain: the handle is found by the address. */
template <typename T> model_atomic<T> *model_plain(T *field)
{
    static typename rl::map<T *, model_atomic<T>>::type handles;
    return &handles[field];
}

#define pn_plain_load_relaxed(p)     pn_load_relaxed(model_plain(p))
#define pn_plain_load_seq_cst(p)     pn_load_seq_cst(model_plain(p))
#define pn_plain_store_relaxed(p, v) pn_store_relaxed(model_plain(p), (v))
#define pn_plain_store_seq_cst(p, v) pn_store_seq_cst(model_plain(p), (v))

/* Who spins lets others run. */
static inline void pn_pause(void) { rl::yield(1, RL_INFO); }

#define PN_LINE      64
#define PN_LINE_PAIR 128

#endif
