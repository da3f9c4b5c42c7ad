/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "cases.h"
#include "ours.h"

static struct pinion_io *io;

/* ---- tree ---- */

PINION_TASK_DECLARE(uint64_t, tree, (struct work_node, parent), (uint64_t, index));

/* The children of a node, and theirs. */
static inline uint64_t below(struct work_node node)
{
    struct tree_future futures[WORK_ROOT_CHILDREN];
    uint64_t count = 0;
    for (uint32_t i = 1; i < node.count; i++)
        futures[i] = tree_async(io, node, i);
    if (node.count)
        count = tree(node, 0);
    for (uint32_t i = node.count; i-- > 1;)
        count += tree_await(io, &futures[i]);
    return count;
}

static uint64_t tree(struct work_node parent, uint64_t index)
{
    return 1 + below(work_tree_child(parent, index));
}

static uint64_t whole_tree(struct work_node root)
{
    return 1 + below(root);
}

int64_t contend_tree(unsigned threads, uint64_t levels, uint64_t repeats)
{
    io = contender_io(threads);
    return case_tree(whole_tree, levels, repeats);
}

/* ---- sort ---- */

PINION_TASK(void, merge, (const uint32_t *, a), (size_t, a_count), (const uint32_t *, b),
            (size_t, b_count), (uint32_t *, out))
{
    if (a_count + b_count <= WORK_SORT_LEAF) {
        work_merge_leaf(a, a_count, b, b_count, out);
    } else if (a_count < b_count) {
        merge(b, b_count, a, a_count, out);
    } else {
        const size_t half = a_count / 2, place = work_merge_place(b, b_count, a[half]);
        struct merge_future low = merge_async(io, a, half, b, place, out);
        merge(a + half, a_count - half, b + place, b_count - place, out + half + place);
        merge_await(io, &low);
    }
}

PINION_TASK(void, sort_to, (uint32_t *, from), (uint32_t *, other), (size_t, n), (bool, to_other))
{
    if (n <= WORK_SORT_LEAF) {
        work_sort_leaf(from, n);
        if (to_other)
            memcpy(other, from, n * sizeof *from);
        return;
    }
    const size_t half = n / 2;
    struct sort_to_future low = sort_to_async(io, from, other, half, !to_other);
    sort_to(from + half, other + half, n - half, !to_other);
    sort_to_await(io, &low);
    uint32_t *sorted = to_other ? from : other, *out = to_other ? other : from;
    merge(sorted, half, sorted + half, n - half, out);
}

static void sort(uint32_t *numbers, uint32_t *scratch, size_t n)
{
    sort_to(numbers, scratch, n, false);
}

int64_t contend_sort(unsigned threads, uint64_t n, uint64_t repeats)
{
    io = contender_io(threads);
    return case_sort(sort, n, repeats);
}

/* ---- matrices ---- */

PINION_TASK(void, product, (const double *, a), (const double *, b), (double *, c), (size_t, n),
            (size_t, stride))
{
    if (n == WORK_MATRIX_LEAF) {
        work_matrix_leaf(a, b, c, stride);
        return;
    }
    const size_t half = n / 2, down = half * stride;
    for (size_t k = 0; k < 2; k++) {
        const double *a_k = a + k * half, *b_k = b + k * down;
        struct product_future parts[] = {
            product_async(io, a_k, b_k, c, half, stride),
            product_async(io, a_k, b_k + half, c + half, half, stride),
            product_async(io, a_k + down, b_k, c + down, half, stride),
        };
        product(a_k + down, b_k + half, c + down + half, half, stride);
        for (int i = 2; i >= 0; i--)
            product_await(io, &parts[i]);
    }
}

static void matrix(const double *a, const double *b, double *c, size_t n)
{
    product(a, b, c, n, n);
}

int64_t contend_matrix(unsigned threads, uint64_t n, uint64_t repeats)
{
    io = contender_io(threads);
    return case_matrix(matrix, n, repeats);
}

/* ---- queens ---- */

PINION_TASK(uint64_t, queens, (struct work_board, board))
{
    struct queens_future futures[WORK_QUEENS_MAX];
    uint64_t count = 0;
    unsigned started = 0;
    if (board.rows + WORK_QUEENS_LEAF >= board.size)
        return work_queens_leaf(&board);
    struct work_board next = board;
    next.rows++;
    for (uint8_t column = 0; column < board.size; column++) {
        if (!work_queens_fits(&board, column))
            continue;
        next.columns[board.rows] = column;
        futures[started++] = queens_async(io, next);
    }
    while (started)
        count += queens_await(io, &futures[--started]);
    return count;
}

static uint64_t fill(const struct work_board *board)
{
    return queens(*board);
}

int64_t contend_queens(unsigned threads, uint64_t size, uint64_t repeats)
{
    io = contender_io(threads);
    return case_queens(fill, size, repeats);
}
