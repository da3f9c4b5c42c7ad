// SPDX-License-Identifier: MIT
//
// rayon among the contenders: join, by which its own iterators divide; scopes where many tasks are
// waited for together. Its threads are workers all, the caller hands its work over and sleeps.
mod shared;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

use rayon::prelude::*;
use shared::*;

// A pool of so many threads; it stays, with its threads, until another number is asked for.
fn pool(threads: u32) -> &'static rayon::ThreadPool {
    static CURRENT: Mutex<Option<(u32, &'static rayon::ThreadPool)>> = Mutex::new(None);
    let mut current = CURRENT.lock().unwrap();
    if let Some((count, pool)) = *current {
        if count == threads {
            return pool;
        }
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads as usize).build().unwrap();
    let pool: &'static rayon::ThreadPool = Box::leak(Box::new(pool));
    *current = Some((threads, pool));
    pool
}

extern "C" fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (left, right) = rayon::join(|| fib(n - 1), || fib(n - 2));
    left + right
}

extern "C" fn run_fork(threads: u32, n: u64, repeats: u64) -> i64 {
    pool(threads).install(|| unsafe { case_fib(fib, n, repeats) })
}

// The children from low to high - 1, and theirs.
fn below(node: Node, low: u32, high: u32) -> u64 {
    if high - low == 1 {
        return tree(unsafe { work_tree_child(node, low as u64) });
    }
    let middle = (low + high) / 2;
    let (left, right) = rayon::join(|| below(node, low, middle), || below(node, middle, high));
    left + right
}

extern "C" fn tree(node: Node) -> u64 {
    1 + if node.count > 0 { below(node, 0, node.count) } else { 0 }
}

extern "C" fn run_tree(threads: u32, levels: u64, repeats: u64) -> i64 {
    pool(threads).install(|| unsafe { case_tree(tree, levels, repeats) })
}

unsafe fn merge(a: *const u32, a_count: usize, b: *const u32, b_count: usize, out: *mut u32) {
    if a_count + b_count <= SORT_LEAF {
        work_merge_leaf(a, a_count, b, b_count, out);
    } else if a_count < b_count {
        merge(b, b_count, a, a_count, out);
    } else {
        let half = a_count / 2;
        let place = work_merge_place(b, b_count, *a.add(half));
        let all = Shared((a, b, out));
        rayon::join(
            || {
                let (a, b, out) = all.get();
                merge(a, half, b, place, out)
            },
            || {
                let (a, b, out) = all.get();
                merge(a.add(half), a_count - half, b.add(place), b_count - place,
                      out.add(half + place))
            },
        );
    }
}

unsafe fn sort_to(from: *mut u32, other: *mut u32, n: usize, to_other: bool) {
    if n <= SORT_LEAF {
        work_sort_leaf(from, n);
        if to_other {
            std::ptr::copy_nonoverlapping(from, other, n);
        }
        return;
    }
    let half = n / 2;
    let all = Shared((from, other));
    rayon::join(
        || {
            let (from, other) = all.get();
            sort_to(from, other, half, !to_other)
        },
        || {
            let (from, other) = all.get();
            sort_to(from.add(half), other.add(half), n - half, !to_other)
        },
    );
    let (sorted, out) = if to_other { (from, other) } else { (other, from) };
    merge(sorted, half, sorted.add(half), n - half, out);
}

extern "C" fn sort(numbers: *mut u32, scratch: *mut u32, n: usize) {
    unsafe { sort_to(numbers, scratch, n, false) }
}

extern "C" fn run_sort(threads: u32, n: u64, repeats: u64) -> i64 {
    pool(threads).install(|| unsafe { case_sort(sort, n, repeats) })
}

unsafe fn product(a: *const f64, b: *const f64, c: *mut f64, n: usize, stride: usize) {
    if n == MATRIX_LEAF {
        work_matrix_leaf(a, b, c, stride);
        return;
    }
    let half = n / 2;
    let down = half * stride;
    for k in 0..2 {
        let all = Shared((a.add(k * half), b.add(k * down), c));
        let part = |row: usize, column: usize| {
            let (a, b, c) = all.get();
            product(a.add(row), b.add(column), c.add(row + column), half, stride)
        };
        rayon::join(
            || rayon::join(|| part(0, 0), || part(0, half)),
            || rayon::join(|| part(down, 0), || part(down, half)),
        );
    }
}

extern "C" fn matrix(a: *const f64, b: *const f64, c: *mut f64, n: usize) {
    unsafe { product(a, b, c, n, n) }
}

extern "C" fn run_matrix(threads: u32, n: u64, repeats: u64) -> i64 {
    pool(threads).install(|| unsafe { case_matrix(matrix, n, repeats) })
}

// The boards that a queen in one of the columns from low to high - 1 makes.
fn columns(board: &Board, low: u8, high: u8) -> u64 {
    if high - low == 1 {
        if !unsafe { work_queens_fits(board, low) } {
            return 0;
        }
        let mut next = *board;
        next.columns[next.rows as usize] = low;
        next.rows += 1;
        return queens(&next);
    }
    let middle = (low + high) / 2;
    let (left, right) =
        rayon::join(|| columns(board, low, middle), || columns(board, middle, high));
    left + right
}

extern "C" fn queens(board: *const Board) -> u64 {
    let board = unsafe { &*board };
    if board.rows + QUEENS_LEAF >= board.size {
        return unsafe { work_queens_leaf(board) };
    }
    columns(board, 0, board.size)
}

extern "C" fn run_queens(threads: u32, size: u64, repeats: u64) -> i64 {
    pool(threads).install(|| unsafe { case_queens(queens, size, repeats) })
}

extern "C" fn sum(end: u64) -> u64 {
    let parts = 64;
    (0..parts)
        .into_par_iter()
        .map(|part| unsafe { work_sum(end * part / parts, end * (part + 1) / parts) })
        .sum()
}

extern "C" fn run_loop(threads: u32, end: u64, repeats: u64) -> i64 {
    pool(threads).install(|| unsafe { case_loop(sum, end, repeats) })
}

extern "C" fn fan(steps: u64) {
    rayon::scope(|scope| {
        for _ in 0..FAN {
            scope.spawn(|_| {
                unsafe { work_spin(steps) };
            });
        }
    });
}

extern "C" fn run_fan(threads: u32, steps: u64, repeats: u64) -> i64 {
    pool(threads).install(|| unsafe { case_fan(fan, steps, repeats) })
}

// The thread that spawns is none of the pool's.
extern "C" fn run_many(threads: u32, n: u64, repeats: u64) -> i64 {
    let mut ns = 0;
    for _ in 0..repeats {
        unsafe {
            tally_reset();
            let start = serve_now();
            pool(threads).in_place_scope(|scope| {
                for i in 1..=n {
                    scope.spawn(move |_| tally_note(i));
                }
            });
            tally_wait(n);
            ns += serve_now() - start;
        }
    }
    ns
}

// Looks for the answer all the time where the workers do; after a pause, when they sleep, it sleeps
// too: to look would take the CPU that they wake on.
extern "C" fn run_trip(threads: u32, gap_ns: u64, repeats: u64) -> i64 {
    static ANSWERED: AtomicU64 = AtomicU64::new(0);
    let pool = pool(threads);
    let mut ns = 0;
    for i in 1..=repeats {
        if gap_ns > 0 {
            std::thread::sleep(std::time::Duration::from_nanos(gap_ns));
        }
        let start = unsafe { serve_now() };
        if gap_ns > 0 {
            pool.install(|| ANSWERED.store(i, Ordering::Release));
        } else {
            pool.spawn(move || ANSWERED.store(i, Ordering::Release));
        }
        while ANSWERED.load(Ordering::Acquire) != i {
            std::hint::spin_loop();
        }
        ns += unsafe { serve_now() } - start;
    }
    ns
}

fn main() {
    answer(&[
        (name(b"fork\0"), run_fork),
        (name(b"tree\0"), run_tree),
        (name(b"sort\0"), run_sort),
        (name(b"matrix\0"), run_matrix),
        (name(b"queens\0"), run_queens),
        (name(b"loop\0"), run_loop),
        (name(b"fan\0"), run_fan),
        (name(b"many\0"), run_many),
        (name(b"trip\0"), run_trip),
    ])
}
