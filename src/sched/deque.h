/* SPDX-License-Identifier: MIT
 *
 * A worker's queue of tasks: its owner pushes and pops at the bottom, thieves take the oldest from
 * the top. After Chase and Lev (SPAA 2005) in the C11 form of Lê, Pop, Cohen and Zappa Nardelli
 * (PPoPP 2013), with sequentially consistent accesses in place of their fences, which
 * ThreadSanitizer does not see.
 *
 * It holds pointers, not tasks: what a task's future has claimed stands in it as a tombstone until
 * it is taken out (pn_task_take tells).
 */
#ifndef PN_DEQUE_H
#define PN_DEQUE_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "atomic.h"

struct pinion_task;
struct pn_deque_ring;

/* Invariants: top <= bottom + 1, and bottom - top <= ring's size; slots [top, bottom) hold what was
 * pushed. Both only count up (2^63 pushes do not happen) but for the one step back of a pop. A ring
 * that was outgrown is kept until fini, since a thief may be reading it; its slots are as they
 * were. Progress: push and pop are wait-free, steal is lock-free. */
struct pn_deque {
    /* Written by thieves, and by the owner for the last entry. */
    alignas(PN_LINE_PAIR) _Atomic(int64_t) top;
    /* Written by the owner. */
    alignas(PN_LINE_PAIR) _Atomic(int64_t) bottom;
    _Atomic(struct pn_deque_ring *) ring;
};

/* Makes an empty deque with room for size entries, a power of two. 0 or -ENOMEM. */
int pn_deque_init(struct pn_deque *deque, size_t size);

/* Frees its rings. It must be empty and nobody's any more. */
void pn_deque_fini(struct pn_deque *deque);

/* Owner: adds at the bottom. False if it is full and may not grow, or memory is refused. */
bool pn_deque_push(struct pn_deque *deque, struct pinion_task *task, bool may_grow);

/* Owner: takes the youngest; NULL if empty. */
struct pinion_task *pn_deque_pop(struct pn_deque *deque);

/* Owner: the youngest if it is this task, else false and nothing is taken. */
bool pn_deque_pop_if(struct pn_deque *deque, const struct pinion_task *task);

/* Anyone: takes the oldest. NULL if empty, or if another was faster (then *lost is set). */
struct pinion_task *pn_deque_steal(struct pn_deque *deque, bool *lost);

/* Anyone: how many entries there are, tombstones too; at once out of date. */
static inline size_t pn_deque_count(const struct pn_deque *deque)
{
    /* Sequentially consistent: who is about to sleep looks here after saying so, who pushed looks
     * for sleepers after pushing (idle.h). */
    const int64_t bottom = pn_load_seq_cst(&deque->bottom);
    const int64_t top = pn_load_seq_cst(&deque->top);
    return bottom > top ? (size_t)(bottom - top) : 0;
}

#endif
