/* SPDX-License-Identifier: MIT
 *
 * The work that contenders divide, without the dividing: what a leaf does is compiled once, in
 * work.c, and called by all of them, whatever their language. C and C++.
 */
#ifndef PINION_BENCH_WORK_H
#define PINION_BENCH_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- fib ---- */

uint64_t work_fib(uint64_t n);

/* ---- an unbalanced tree: each node's children follow from a hash ---- */

/* As UTS (Olivier et al., 2006) makes its geometric trees; it has SHA-1 for a hash, this some
 * rounds of a mixer. */
struct work_node {
    uint64_t state;
    uint32_t levels; /* below it, at most */
    uint32_t count;  /* of children */
};

#define WORK_ROOT_CHILDREN 64
#define WORK_CHILDREN_MAX  12 /* of other nodes */

struct work_node work_tree_root(uint64_t levels);
struct work_node work_tree_child(struct work_node parent, uint64_t index);

/* Nodes of the whole tree. Remembers its last answer. One thread. */
uint64_t work_tree_count(uint64_t levels);

/* ---- sorting by merging ---- */

#define WORK_SORT_LEAF 2048

/* The same n numbers, in no order. */
void work_sort_fill(uint32_t *numbers, size_t n);
void work_sort_leaf(uint32_t *numbers, size_t n);
void work_merge_leaf(const uint32_t *a, size_t a_count, const uint32_t *b, size_t b_count,
                     uint32_t *out);

/* How many of b (b_count) belong before a number. */
size_t work_merge_place(const uint32_t *b, size_t b_count, uint32_t number);

/* Ends the program if they are not those of work_sort_fill in order. */
void work_sort_check(const uint32_t *numbers, size_t n);

/* ---- product of square matrices ---- */

#define WORK_MATRIX_LEAF 32

/* Numbers whose products and sums are exact. */
void work_matrix_fill(double *matrix, size_t n, unsigned seed);

/* Adds a * b to c; parts of matrices with rows of that stride. */
void work_matrix_leaf(const double *a, const double *b, double *c, size_t stride);

/* Ends the program if c is not a * b, by some of its elements. */
void work_matrix_check(const double *a, const double *b, const double *c, size_t n);

/* ---- queens ---- */

#define WORK_QUEENS_MAX  16
#define WORK_QUEENS_LEAF 4 /* rows that a leaf fills */

struct work_board {
    uint8_t size, rows; /* rows: filled */
    uint8_t columns[WORK_QUEENS_MAX];
};

bool work_queens_fits(const struct work_board *board, uint8_t column);
uint64_t work_queens_leaf(const struct work_board *board);
uint64_t work_queens_count(uint64_t size);

/* ---- loops ---- */

/* A sum of cheap hashes of begin to end - 1. */
uint64_t work_sum(uint64_t begin, uint64_t end);

/* Steps that depend on each other; returns what must be kept. */
uint64_t work_spin(uint64_t steps);

#ifdef __cplusplus
}
#endif

#endif
