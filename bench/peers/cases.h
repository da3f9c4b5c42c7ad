/* SPDX-License-Identifier: MIT
 *
 * What is around the dividing of work.h's work: input, clock, check; the same for all contenders.
 * Each case is done so many times; returned is the ns that the contender's function took of it.
 * C and C++.
 */
#ifndef PINION_BENCH_CASES_H
#define PINION_BENCH_CASES_H

#include "work.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Returns the n-th number of Fibonacci, by forking at each number above 1. */
typedef uint64_t case_fib_fn(uint64_t n);
/* Returns how many nodes there are from this one on. */
typedef uint64_t case_tree_fn(struct work_node node);
/* Sorts numbers in place; scratch has room for as many. */
typedef void case_sort_fn(uint32_t *numbers, uint32_t *scratch, size_t n);
/* Adds a * b to c; n is WORK_MATRIX_LEAF times a power of two, and the stride. */
typedef void case_matrix_fn(const double *a, const double *b, double *c, size_t n);
/* Returns in how many ways the rest of the board can be filled. */
typedef uint64_t case_queens_fn(const struct work_board *board);
/* Returns work_sum(0, end). */
typedef uint64_t case_loop_fn(uint64_t end);
/* Does work_spin(steps) so many times, and returns when all are done. */
typedef void case_fan_fn(uint64_t steps);

#define CASE_FAN 64

int64_t case_fib(case_fib_fn *fib, uint64_t n, uint64_t repeats);
int64_t case_tree(case_tree_fn *tree, uint64_t levels, uint64_t repeats);
int64_t case_sort(case_sort_fn *sort, uint64_t n, uint64_t repeats);
int64_t case_matrix(case_matrix_fn *matrix, uint64_t n, uint64_t repeats);
int64_t case_queens(case_queens_fn *queens, uint64_t size, uint64_t repeats);
int64_t case_loop(case_loop_fn *loop, uint64_t end, uint64_t repeats);
int64_t case_fan(case_fan_fn *fan, uint64_t steps, uint64_t repeats);

#ifdef __cplusplus
}
#endif

#endif
