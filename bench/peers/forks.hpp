// SPDX-License-Identifier: MIT
//
// The recursions of work.h for contenders in C++, whatever their way to fork. Way has
//     template <typename F, typename G> static void both(F f, G g);         both, then returns
//     template <typename F> static void each(std::size_t count, F f);       f(0) to f(count - 1)
#ifndef PINION_BENCH_FORKS_HPP
#define PINION_BENCH_FORKS_HPP

#include <cstdint>
#include <cstring>

#include "cases.h"

template <typename Way> struct Forks {
    static std::uint64_t tree(struct work_node node)
    {
        std::uint64_t counts[WORK_ROOT_CHILDREN], count = 1;
        Way::each(node.count, [&](std::size_t i) { counts[i] = tree(work_tree_child(node, i)); });
        for (std::size_t i = 0; i < node.count; i++)
            count += counts[i];
        return count;
    }

    static void merge(const std::uint32_t *a, std::size_t a_count, const std::uint32_t *b,
                      std::size_t b_count, std::uint32_t *out)
    {
        if (a_count + b_count <= WORK_SORT_LEAF) {
            work_merge_leaf(a, a_count, b, b_count, out);
        } else if (a_count < b_count) {
            merge(b, b_count, a, a_count, out);
        } else {
            const std::size_t half = a_count / 2, place = work_merge_place(b, b_count, a[half]);
            Way::both([=] { merge(a, half, b, place, out); },
                      [=] {
                          merge(a + half, a_count - half, b + place, b_count - place,
                                out + half + place);
                      });
        }
    }

    static void sort_to(std::uint32_t *from, std::uint32_t *other, std::size_t n, bool to_other)
    {
        if (n <= WORK_SORT_LEAF) {
            work_sort_leaf(from, n);
            if (to_other)
                std::memcpy(other, from, n * sizeof *from);
            return;
        }
        const std::size_t half = n / 2;
        Way::both([=] { sort_to(from, other, half, !to_other); },
                  [=] { sort_to(from + half, other + half, n - half, !to_other); });
        std::uint32_t *sorted = to_other ? from : other, *out = to_other ? other : from;
        merge(sorted, half, sorted + half, n - half, out);
    }

    static void product(const double *a, const double *b, double *c, std::size_t n,
                        std::size_t stride)
    {
        if (n == WORK_MATRIX_LEAF) {
            work_matrix_leaf(a, b, c, stride);
            return;
        }
        const std::size_t half = n / 2, down = half * stride;
        for (std::size_t k = 0; k < 2; k++) {
            const double *a_k = a + k * half, *b_k = b + k * down;
            Way::each(4, [=](std::size_t i) {
                const std::size_t row = i / 2 * down, column = i % 2 * half;
                product(a_k + row, b_k + column, c + row + column, half, stride);
            });
        }
    }

    static std::uint64_t queens(const struct work_board &board)
    {
        std::uint64_t counts[WORK_QUEENS_MAX], count = 0;
        std::uint8_t columns[WORK_QUEENS_MAX], fitting = 0;
        if (board.rows + WORK_QUEENS_LEAF >= board.size)
            return work_queens_leaf(&board);
        for (std::uint8_t column = 0; column < board.size; column++)
            if (work_queens_fits(&board, column))
                columns[fitting++] = column;
        Way::each(fitting, [&](std::size_t i) {
            struct work_board next = board;
            next.columns[next.rows++] = columns[i];
            counts[i] = queens(next);
        });
        for (std::uint8_t i = 0; i < fitting; i++)
            count += counts[i];
        return count;
    }
};

#endif
