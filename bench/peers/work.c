/* SPDX-License-Identifier: MIT */
#include "work.h"

#include <stdlib.h>

#include "serve.h"

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* ---- fib ---- */

uint64_t work_fib(uint64_t n)
{
    uint64_t a = 0, b = 1;
    while (n--) {
        const uint64_t next = a + b;
        a = b;
        b = next;
    }
    return a;
}

/* ---- tree ---- */

#define TREE_ROUNDS 16

/* Geometric: a child more with a chance of 11/16, so that there are some two a node; fewer at the
 * lowest levels. */
static uint32_t child_count(uint64_t state, uint32_t levels)
{
    const uint64_t chance = levels > 3 ? 11 : 2 * levels;
    uint32_t count = 0;
    while (count < WORK_CHILDREN_MAX && (state & 15) < chance) {
        count++;
        state >>= 4;
    }
    return count;
}

struct work_node work_tree_root(uint64_t levels)
{
    return (struct work_node){GOLDEN, (uint32_t)levels, WORK_ROOT_CHILDREN};
}

struct work_node work_tree_child(struct work_node parent, uint64_t index)
{
    uint64_t state = parent.state + (index + 1) * GOLDEN;
    for (int i = 0; i < TREE_ROUNDS; i++)
        state = mix(state);
    const uint32_t levels = parent.levels - 1;
    return (struct work_node){state, levels, child_count(state, levels)};
}

static uint64_t count_below(struct work_node node)
{
    uint64_t count = 1;
    for (uint32_t i = 0; i < node.count; i++)
        count += count_below(work_tree_child(node, i));
    return count;
}

uint64_t work_tree_count(uint64_t levels)
{
    static uint64_t last_levels, last_count;
    if (levels != last_levels) {
        last_count = count_below(work_tree_root(levels));
        last_levels = levels;
    }
    return last_count;
}

/* ---- sort ---- */

/* An odd factor and a power of two would make a permutation; so does this, and it looks random. */
void work_sort_fill(uint32_t *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        numbers[i] = (uint32_t)mix(i + 1);
}

void work_sort_leaf(uint32_t *numbers, size_t n)
{
    uint32_t merged[WORK_SORT_LEAF];
    if (n <= 16) {
        for (size_t i = 1; i < n; i++) {
            const uint32_t number = numbers[i];
            size_t place = i;
            for (; place && numbers[place - 1] > number; place--)
                numbers[place] = numbers[place - 1];
            numbers[place] = number;
        }
        return;
    }
    work_sort_leaf(numbers, n / 2);
    work_sort_leaf(numbers + n / 2, n - n / 2);
    work_merge_leaf(numbers, n / 2, numbers + n / 2, n - n / 2, merged);
    for (size_t i = 0; i < n; i++)
        numbers[i] = merged[i];
}

void work_merge_leaf(const uint32_t *a, size_t a_count, const uint32_t *b, size_t b_count,
                     uint32_t *out)
{
    while (a_count && b_count) {
        const bool first = *a <= *b;
        *out++ = first ? *a : *b;
        a += first;
        a_count -= first;
        b += !first;
        b_count -= !first;
    }
    while (a_count--)
        *out++ = *a++;
    while (b_count--)
        *out++ = *b++;
}

size_t work_merge_place(const uint32_t *b, size_t b_count, uint32_t number)
{
    size_t low = 0, high = b_count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (b[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void work_sort_check(const uint32_t *numbers, size_t n)
{
    uint64_t sum = 0, wanted = 0;
    for (size_t i = 0; i < n; i++) {
        if (i && numbers[i - 1] > numbers[i])
            serve_die("numbers are not in order at %zu", i);
        sum += numbers[i];
        wanted += (uint32_t)mix(i + 1);
    }
    if (sum != wanted)
        serve_die("a number was lost in sorting");
}

/* ---- matrices ---- */

void work_matrix_fill(double *matrix, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n * n; i++)
        matrix[i] = (double)(mix(i + seed * GOLDEN) % 16);
}

void work_matrix_leaf(const double *a, const double *b, double *c, size_t stride)
{
    for (size_t i = 0; i < WORK_MATRIX_LEAF; i++) {
        for (size_t k = 0; k < WORK_MATRIX_LEAF; k++) {
            const double factor = a[i * stride + k];
            for (size_t j = 0; j < WORK_MATRIX_LEAF; j++)
                c[i * stride + j] += factor * b[k * stride + j];
        }
    }
}

void work_matrix_check(const double *a, const double *b, const double *c, size_t n)
{
    for (size_t sample = 0; sample < 64; sample++) {
        const size_t i = mix(sample) % n, j = mix(sample + 64) % n;
        double sum = 0;
        for (size_t k = 0; k < n; k++)
            sum += a[i * n + k] * b[k * n + j];
        if (sum < c[i * n + j] || sum > c[i * n + j])
            serve_die("a product of matrices is wrong at %zu, %zu", i, j);
    }
}

/* ---- queens ---- */

bool work_queens_fits(const struct work_board *board, uint8_t column)
{
    for (uint8_t row = 0; row < board->rows; row++) {
        const int aside = board->columns[row] - column, below = board->rows - row;
        if (!aside || aside == below || aside == -below)
            return false;
    }
    return true;
}

uint64_t work_queens_leaf(const struct work_board *board)
{
    uint64_t count = 0;
    if (board->rows == board->size)
        return 1;
    struct work_board next = *board;
    next.rows++;
    for (uint8_t column = 0; column < board->size; column++) {
        if (!work_queens_fits(board, column))
            continue;
        next.columns[board->rows] = column;
        count += work_queens_leaf(&next);
    }
    return count;
}

uint64_t work_queens_count(uint64_t size)
{
    static const uint64_t counts[] = {1,  1,   0,   0,    2,     10,    4,      40,
                                      92, 352, 724, 2680, 14200, 73712, 365596, 2279184};
    return size < sizeof counts / sizeof counts[0] ? counts[size] : 0;
}

/* ---- loops ---- */

uint64_t work_sum(uint64_t begin, uint64_t end)
{
    uint64_t sum = 0;
    for (uint64_t i = begin; i < end; i++) {
        const uint64_t x = i * GOLDEN;
        sum += x ^ (x >> 29);
    }
    return sum;
}

uint64_t work_spin(uint64_t steps)
{
    uint64_t x = steps;
    while (steps--)
        x = (x ^ (x >> 31)) * GOLDEN; /* no compiler makes one step of two */
    return x;
}
