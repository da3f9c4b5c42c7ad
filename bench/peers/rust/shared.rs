// SPDX-License-Identifier: MIT
//
// serve.h, work.h, cases.h and tally.h, as far as the contenders in Rust use them.
#![allow(dead_code)]

use std::ffi::CStr;
use std::os::raw::c_char;

pub type Run = extern "C" fn(threads: u32, size: u64, repeats: u64) -> i64;

#[repr(C)]
struct Workload {
    name: *const c_char,
    run: Option<Run>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Node {
    pub state: u64,
    pub levels: u32,
    pub count: u32,
}

pub const SORT_LEAF: usize = 2048;
pub const MATRIX_LEAF: usize = 32;
pub const QUEENS_LEAF: u8 = 4;
pub const FAN: usize = 64;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Board {
    pub size: u8,
    pub rows: u8,
    pub columns: [u8; 16],
}

extern "C" {
    fn serve(workloads: *const Workload) -> i32;
    pub fn serve_now() -> i64;
    pub fn serve_stay();
    pub fn serve_part();
    pub fn serve_resident_bytes() -> i64;

    pub fn work_tree_child(parent: Node, index: u64) -> Node;
    pub fn work_sort_leaf(numbers: *mut u32, n: usize);
    pub fn work_merge_leaf(a: *const u32, a_count: usize, b: *const u32, b_count: usize,
                           out: *mut u32);
    pub fn work_merge_place(b: *const u32, b_count: usize, number: u32) -> usize;
    pub fn work_matrix_leaf(a: *const f64, b: *const f64, c: *mut f64, stride: usize);
    pub fn work_queens_fits(board: *const Board, column: u8) -> bool;
    pub fn work_queens_leaf(board: *const Board) -> u64;
    pub fn work_sum(begin: u64, end: u64) -> u64;
    pub fn work_spin(steps: u64) -> u64;

    pub fn case_fib(fib: extern "C" fn(u64) -> u64, n: u64, repeats: u64) -> i64;
    pub fn case_tree(tree: extern "C" fn(Node) -> u64, levels: u64, repeats: u64) -> i64;
    pub fn case_sort(sort: extern "C" fn(*mut u32, *mut u32, usize), n: u64, repeats: u64) -> i64;
    pub fn case_matrix(product: extern "C" fn(*const f64, *const f64, *mut f64, usize), n: u64,
                       repeats: u64) -> i64;
    pub fn case_queens(queens: extern "C" fn(*const Board) -> u64, size: u64, repeats: u64) -> i64;
    pub fn case_loop(sum: extern "C" fn(u64) -> u64, end: u64, repeats: u64) -> i64;
    pub fn case_fan(fan: extern "C" fn(u64), steps: u64, repeats: u64) -> i64;

    pub fn tally_note(word: u64);
    pub fn tally_reset();
    pub fn tally_wait(n: u64);
}

pub fn answer(workloads: &[(&'static CStr, Run)]) -> ! {
    let mut table: Vec<Workload> = workloads
        .iter()
        .map(|(name, run)| Workload { name: name.as_ptr(), run: Some(*run) })
        .collect();
    table.push(Workload { name: std::ptr::null(), run: None });
    std::process::exit(unsafe { serve(table.as_ptr()) })
}

pub fn name(text: &'static [u8]) -> &'static CStr {
    CStr::from_bytes_with_nul(text).expect("a name ends with a zero")
}

// Pointers that tasks may share: the cases divide what is behind them.
#[derive(Clone, Copy)]
pub struct Shared<T>(pub T);
unsafe impl<T> Send for Shared<T> {}
unsafe impl<T> Sync for Shared<T> {}
impl<T: Copy> Shared<T> {
    pub fn get(&self) -> T {
        self.0
    }
}
