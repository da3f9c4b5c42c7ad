/* SPDX-License-Identifier: MIT
 *
 * The work of work.h by plain calls, in processes that each do their share of the repeats.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bare.h"
#include "cases.h"

/* ---- the same dividing, with calls in the place of forks ---- */

/* As pinion's fib is written, with a call in the place of the fork. */
static uint64_t fib(uint64_t n) __attribute__((noinline));

static uint64_t fib(uint64_t n)
{
    if (n < 2)
        return n;
    const uint64_t left = fib(n - 1);
    const uint64_t right = fib(n - 2);
    return left + right;
}

static uint64_t tree(struct work_node node)
{
    uint64_t count = 1;
    for (uint32_t i = 0; i < node.count; i++)
        count += tree(work_tree_child(node, i));
    return count;
}

static void merge(const uint32_t *a, size_t a_count, const uint32_t *b, size_t b_count,
                  uint32_t *out)
{
    if (a_count + b_count <= WORK_SORT_LEAF) {
        work_merge_leaf(a, a_count, b, b_count, out);
    } else if (a_count < b_count) {
        merge(b, b_count, a, a_count, out);
    } else {
        const size_t half = a_count / 2, place = work_merge_place(b, b_count, a[half]);
        merge(a, half, b, place, out);
        merge(a + half, a_count - half, b + place, b_count - place, out + half + place);
    }
}

static void sort_to(uint32_t *from, uint32_t *other, size_t n, bool to_other)
{
    if (n <= WORK_SORT_LEAF) {
        work_sort_leaf(from, n);
        if (to_other)
            memcpy(other, from, n * sizeof *from);
        return;
    }
    const size_t half = n / 2;
    sort_to(from, other, half, !to_other);
    sort_to(from + half, other + half, n - half, !to_other);
    uint32_t *sorted = to_other ? from : other, *out = to_other ? other : from;
    merge(sorted, half, sorted + half, n - half, out);
}

static void sort(uint32_t *numbers, uint32_t *scratch, size_t n)
{
    sort_to(numbers, scratch, n, false);
}

static void product(const double *a, const double *b, double *c, size_t n, size_t stride)
{
    if (n == WORK_MATRIX_LEAF) {
        work_matrix_leaf(a, b, c, stride);
        return;
    }
    const size_t half = n / 2, down = half * stride;
    for (size_t k = 0; k < 2; k++) {
        const double *a_k = a + k * half, *b_k = b + k * down;
        product(a_k, b_k, c, half, stride);
        product(a_k, b_k + half, c + half, half, stride);
        product(a_k + down, b_k, c + down, half, stride);
        product(a_k + down, b_k + half, c + down + half, half, stride);
    }
}

static void matrix(const double *a, const double *b, double *c, size_t n)
{
    product(a, b, c, n, n);
}

static uint64_t queens(const struct work_board *board)
{
    uint64_t count = 0;
    if (board->rows + WORK_QUEENS_LEAF >= board->size)
        return work_queens_leaf(board);
    struct work_board next = *board;
    next.rows++;
    for (uint8_t column = 0; column < board->size; column++) {
        if (!work_queens_fits(board, column))
            continue;
        next.columns[board->rows] = column;
        count += queens(&next);
    }
    return count;
}

/* ---- processes ---- */

#define PROCESSES_MAX 1024

struct gate {
    uint32_t waiting;
    int64_t ns[PROCESSES_MAX];
};

/* All begin at the same time; a spin, since they are no more than the CPUs. */
static void pass(struct gate *gate)
{
    (void)__atomic_sub_fetch(&gate->waiting, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&gate->waiting, __ATOMIC_ACQUIRE))
        ;
}

typedef int64_t share_fn(uint64_t size, uint64_t repeats);

static int64_t in_processes(share_fn *share, unsigned count, uint64_t size, uint64_t repeats)
{
    pid_t children[PROCESSES_MAX];
    if (count < 1 || count > PROCESSES_MAX || repeats % count)
        serve_die("%u processes can't share the repeats", count);
    struct gate *gate =
        mmap(NULL, sizeof *gate, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (gate == MAP_FAILED)
        serve_die("no memory to share: %s", strerror(errno));
    gate->waiting = count;
    for (unsigned i = 0; i < count; i++) {
        children[i] = fork();
        if (children[i] < 0)
            serve_die("no process: %s", strerror(errno));
        if (!children[i]) {
            (void)share(size, 1); /* warm */
            pass(gate);
            gate->ns[i] = share(size, repeats / count);
            _exit(0);
        }
    }
    int64_t longest = 0;
    for (unsigned i = 0; i < count; i++) {
        int status;
        if (waitpid(children[i], &status, 0) < 0 || status)
            serve_die("a process that had a share failed");
        longest = gate->ns[i] > longest ? gate->ns[i] : longest;
    }
    (void)munmap(gate, sizeof *gate);
    return longest;
}

static int64_t share_fork(uint64_t size, uint64_t repeats)
{
    return case_fib(fib, size, repeats);
}

static int64_t share_tree(uint64_t size, uint64_t repeats)
{
    return case_tree(tree, size, repeats);
}

static int64_t share_sort(uint64_t size, uint64_t repeats)
{
    return case_sort(sort, size, repeats);
}

static int64_t share_matrix(uint64_t size, uint64_t repeats)
{
    return case_matrix(matrix, size, repeats);
}

static int64_t share_queens(uint64_t size, uint64_t repeats)
{
    return case_queens(queens, size, repeats);
}

static uint64_t loop(uint64_t end)
{
    return work_sum(0, end);
}

static int64_t share_loop(uint64_t size, uint64_t repeats)
{
    return case_loop(loop, size, repeats);
}

int64_t bare_fork(unsigned threads, uint64_t size, uint64_t repeats)
{
    return threads > 1 ? in_processes(share_fork, threads, size, repeats)
                       : share_fork(size, repeats);
}

int64_t bare_tree(unsigned threads, uint64_t size, uint64_t repeats)
{
    (void)work_tree_count(size); /* once, not in each */
    return in_processes(share_tree, threads, size, repeats);
}

int64_t bare_sort(unsigned threads, uint64_t size, uint64_t repeats)
{
    return in_processes(share_sort, threads, size, repeats);
}

int64_t bare_matrix(unsigned threads, uint64_t size, uint64_t repeats)
{
    return in_processes(share_matrix, threads, size, repeats);
}

int64_t bare_queens(unsigned threads, uint64_t size, uint64_t repeats)
{
    return in_processes(share_queens, threads, size, repeats);
}

int64_t bare_loop(unsigned threads, uint64_t size, uint64_t repeats)
{
    return in_processes(share_loop, threads, size, repeats);
}
