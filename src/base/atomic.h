/* SPDX-License-Identifier: MIT
 *
 * Atomic accesses with the memory order in the name. All of pinion's go through these, so that the
 * orders can be searched for, and exchanged for a model checker's in one place. At each use that is
 * not relaxed, a comment names the access that it pairs with.
 *
 * The operand is a pointer to an _Atomic object; where a file is checked by a model, one that is
 * declared _Atomic(type), not _Atomic type (tests/model).
 */
#ifndef PN_ATOMIC_H
#define PN_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>

#define pn_load_relaxed(p) atomic_load_explicit((p), memory_order_relaxed)
#define pn_load_acquire(p) atomic_load_explicit((p), memory_order_acquire)
#define pn_load_seq_cst(p) atomic_load_explicit((p), memory_order_seq_cst)

#define pn_store_relaxed(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define pn_store_release(p, v) atomic_store_explicit((p), (v), memory_order_release)
#define pn_store_seq_cst(p, v) atomic_store_explicit((p), (v), memory_order_seq_cst)

#define pn_exchange_relaxed(p, v) atomic_exchange_explicit((p), (v), memory_order_relaxed)
#define pn_exchange_acquire(p, v) atomic_exchange_explicit((p), (v), memory_order_acquire)
#define pn_exchange_acq_rel(p, v) atomic_exchange_explicit((p), (v), memory_order_acq_rel)
#define pn_exchange_seq_cst(p, v) atomic_exchange_explicit((p), (v), memory_order_seq_cst)

#define pn_fetch_add_relaxed(p, v) atomic_fetch_add_explicit((p), (v), memory_order_relaxed)
#define pn_fetch_add_acq_rel(p, v) atomic_fetch_add_explicit((p), (v), memory_order_acq_rel)
#define pn_fetch_add_seq_cst(p, v) atomic_fetch_add_explicit((p), (v), memory_order_seq_cst)
#define pn_fetch_sub_relaxed(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_relaxed)
#define pn_fetch_sub_seq_cst(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_seq_cst)
#define pn_fetch_sub_acq_rel(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_acq_rel)
#define pn_fetch_or_relaxed(p, v)  atomic_fetch_or_explicit((p), (v), memory_order_relaxed)
#define pn_fetch_or_acq_rel(p, v)  atomic_fetch_or_explicit((p), (v), memory_order_acq_rel)
#define pn_fetch_or_seq_cst(p, v)  atomic_fetch_or_explicit((p), (v), memory_order_seq_cst)
#define pn_fetch_and_acq_rel(p, v) atomic_fetch_and_explicit((p), (v), memory_order_acq_rel)
#define pn_fetch_and_seq_cst(p, v) atomic_fetch_and_explicit((p), (v), memory_order_seq_cst)

/* Strong compare-and-swap: true and *p = v if *p was *expected, else *expected = *p. On failure the
 * load is an acquire (relaxed for cas_relaxed). */
#define pn_cas_relaxed(p, expected, v)                                                             \
    atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_relaxed,            \
                                            memory_order_relaxed)
#define pn_cas_acquire(p, expected, v)                                                             \
    atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_acquire,            \
                                            memory_order_acquire)
#define pn_cas_acq_rel(p, expected, v)                                                             \
    atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_acq_rel,            \
                                            memory_order_acquire)
#define pn_cas_seq_cst(p, expected, v)                                                             \
    atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_seq_cst,            \
                                            memory_order_seq_cst)

/* Where no ordered access will do: after a change of any order, before a load. */
#define pn_fence_seq_cst() atomic_thread_fence(memory_order_seq_cst)

/* The light side of an asymmetric fence (asymmetric.h). */
#define pn_light_fence() atomic_signal_fence(memory_order_seq_cst)

/* For what is not _Atomic: public fields, since C++ must read their structs (the task of a future,
 * a thread's head), and what the kernel shares with us. */
#define pn_plain_load_relaxed(p)     __atomic_load_n((p), __ATOMIC_RELAXED)
#define pn_plain_load_acquire(p)     __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define pn_plain_load_seq_cst(p)     __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define pn_plain_store_seq_cst(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define pn_plain_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define pn_plain_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* A counter with one writer: an increment without a locked instruction. Others may read it. */
#define pn_count(p, n)         pn_store_relaxed((p), pn_load_relaxed(p) + (n))
#define pn_count_release(p, n) pn_store_release((p), pn_load_relaxed(p) + (n))
#define pn_plain_count(p, n)   pn_plain_store_relaxed((p), pn_plain_load_relaxed(p) + (n))

/* What a loop does that waits for another core without leaving the CPU. */
static inline void pn_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb" ::: "memory"); /* yield is a no-op on most; isb waits */
#else
    __asm__ __volatile__("" ::: "memory");
#endif
}

/* The line will be written soon: it is fetched meanwhile, and whoever has it lets it go. */
static inline void pn_prefetch_write(const volatile void *line)
{
#if defined(__x86_64__)
    __asm__ __volatile__("prefetchw %0" : : "m"(*(const volatile char *)line));
#else
    __builtin_prefetch((const void *)line, 1);
#endif
}

/* Two of today's cache lines: x86's adjacent-line prefetcher and Apple's cores both make 128 the
 * unit that two writers must not share. PN_LINE is for sizes that only one writer touches. */
#define PN_LINE      64
#define PN_LINE_PAIR 128

#endif
