// SPDX-License-Identifier: MIT
//
// tokio among the contenders: a task a fork, which can be suspended and aborted; on one thread its
// runtime for one. What recurses is boxed, as async functions have to be.
mod fibers;
mod shared;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

use shared::*;
use tokio::runtime::{Builder, Runtime};

// A runtime of so many threads; it stays until another number is asked for.
fn runtime(threads: u32) -> &'static Runtime {
    static CURRENT: Mutex<Option<(u32, &'static Runtime)>> = Mutex::new(None);
    let mut current = CURRENT.lock().unwrap();
    if let Some((count, runtime)) = *current {
        if count == threads {
            return runtime;
        }
    }
    let runtime = if threads == 1 {
        Builder::new_current_thread().build()
    } else {
        Builder::new_multi_thread().worker_threads(threads as usize).build()
    };
    let runtime: &'static Runtime = Box::leak(Box::new(runtime.unwrap()));
    *current = Some((threads, runtime));
    runtime
}

static THREADS: AtomicU64 = AtomicU64::new(1);

fn fib(n: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        if n < 2 {
            return n;
        }
        let left = tokio::spawn(fib(n - 1));
        let right = fib(n - 2).await;
        left.await.unwrap() + right
    })
}

// The root is a task too: block_on would leave it outside of the workers.
extern "C" fn whole_fib(n: u64) -> u64 {
    let runtime = runtime(THREADS.load(Ordering::Relaxed) as u32);
    runtime.block_on(runtime.spawn(fib(n))).unwrap()
}

extern "C" fn run_fork(threads: u32, n: u64, repeats: u64) -> i64 {
    THREADS.store(threads as u64, Ordering::Relaxed);
    unsafe { case_fib(whole_fib, n, repeats) }
}

extern "C" fn run_many(threads: u32, n: u64, repeats: u64) -> i64 {
    let runtime = runtime(threads);
    let mut ns = 0;
    for _ in 0..repeats {
        unsafe {
            tally_reset();
            let start = serve_now();
            for i in 1..=n {
                drop(runtime.spawn(async move { tally_note(i) }));
            }
            tally_wait(n);
            ns += serve_now() - start;
        }
    }
    ns
}

extern "C" fn run_trip(threads: u32, gap_ns: u64, repeats: u64) -> i64 {
    let runtime = runtime(threads);
    let mut ns = 0;
    for i in 0..repeats {
        if gap_ns > 0 {
            std::thread::sleep(std::time::Duration::from_nanos(gap_ns));
        }
        let start = unsafe { serve_now() };
        let answer = runtime.block_on(runtime.spawn(async move { i + 1 }));
        ns += unsafe { serve_now() } - start;
        assert_eq!(answer.unwrap(), i + 1);
    }
    ns
}

// All rounds in one task, so that the thread that makes the tasks is a worker.
extern "C" fn run_fan(threads: u32, steps: u64, repeats: u64) -> i64 {
    let runtime = runtime(threads);
    let rounds = async move {
        let start = unsafe { serve_now() };
        for _ in 0..repeats {
            let tasks: Vec<_> = (0..FAN)
                .map(|_| tokio::spawn(async move { unsafe { work_spin(steps) } }))
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        }
        unsafe { serve_now() - start }
    };
    runtime.block_on(runtime.spawn(rounds)).unwrap()
}

fn main() {
    answer(&[
        (name(b"fork\0"), run_fork),
        (name(b"many\0"), run_many),
        (name(b"trip\0"), run_trip),
        (name(b"fan\0"), run_fan),
        (name(b"yield\0"), fibers::run_yield),
        (name(b"spawn\0"), fibers::run_spawn),
        (name(b"queue\0"), fibers::run_queue),
        (name(b"made\0"), fibers::run_made),
        (name(b"woken\0"), fibers::run_woken),
        (name(b"bytes\0"), fibers::run_bytes),
    ])
}
