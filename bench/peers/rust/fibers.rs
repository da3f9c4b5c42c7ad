// SPDX-License-Identifier: MIT
//
// What tokio's tasks do that wait for each other, or for the time: on its runtime for one thread;
// a queue between two threads is one between two such runtimes.
use std::future::Future;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::yield_now;

use crate::shared::*;

// Without a clock, which would be looked at whenever all tasks had their turn.
fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

fn now() -> i64 {
    unsafe { serve_now() }
}

async fn yield_times(count: u64) {
    for _ in 0..count {
        yield_now().await;
    }
}

// So many in all, of two that yield to each other.
pub extern "C" fn run_yield(_: u32, _: u64, repeats: u64) -> i64 {
    runtime().block_on(async move {
        let start = now();
        let one = tokio::spawn(yield_times(repeats / 2));
        let other = tokio::spawn(yield_times(repeats - repeats / 2));
        one.await.unwrap();
        other.await.unwrap();
        now() - start
    })
}

// So many, size of them at a time. By a task too: what block_on runs is not among the tasks that
// take turns.
pub extern "C" fn run_spawn(_: u32, size: u64, repeats: u64) -> i64 {
    let all = async move {
        let mut tasks = Vec::with_capacity(size as usize);
        let start = now();
        for _ in 0..repeats / size {
            tasks.extend((0..size).map(|_| tokio::spawn(async {})));
            for task in tasks.drain(..) {
                task.await.unwrap();
            }
        }
        now() - start
    };
    let runtime = runtime();
    runtime.block_on(runtime.spawn(all)).unwrap()
}

async fn produce(words: mpsc::Sender<u64>, count: u64) {
    for i in 1..=count {
        words.send(i).await.unwrap();
    }
}

async fn consume(mut words: mpsc::Receiver<u64>) -> u64 {
    let mut sum = 0;
    while let Some(word) = words.recv().await {
        sum += word;
    }
    sum
}

fn between_two<A, B>(producer: A, consumer: B) -> u64
where
    A: Future<Output = ()>,
    B: Future<Output = u64> + Send + 'static,
{
    let consumer = thread::spawn(move || runtime().block_on(consumer));
    runtime().block_on(producer);
    consumer.join().unwrap()
}

// Passes the words 1 to repeats.
pub extern "C" fn run_queue(threads: u32, capacity: u64, repeats: u64) -> i64 {
    let (sender, receiver) = mpsc::channel(capacity as usize);
    let start = now();
    let sum = if threads == 1 {
        runtime().block_on(async move {
            let consumer = tokio::spawn(consume(receiver));
            tokio::spawn(produce(sender, repeats)).await.unwrap();
            consumer.await.unwrap()
        })
    } else {
        between_two(produce(sender, repeats), consume(receiver))
    };
    let ns = now() - start;
    assert_eq!(sum, repeats * (repeats + 1) / 2);
    ns
}

// ---- many that sleep until one time ----

struct Night {
    made: i64,
    woken: i64,
    bytes: i64,
}

// None if the time came before all slept.
async fn try_to_sleep(count: u64, before: i64, patience: i64) -> Option<Night> {
    let asleep = Arc::new(AtomicU64::new(0));
    let start = now();
    let morning = Instant::now() + Duration::from_nanos(patience as u64);
    let mut tasks = Vec::with_capacity(count as usize);
    for i in 0..count {
        let asleep = asleep.clone();
        tasks.push(tokio::spawn(async move {
            asleep.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep_until(morning.into()).await;
        }));
        if i % 64 == 63 {
            yield_now().await;
        }
    }
    while asleep.load(Ordering::Relaxed) < count {
        yield_now().await;
    }
    let made = now() - start;
    let bytes = unsafe { serve_resident_bytes() } - before;
    let in_time = Instant::now() < morning;
    for task in tasks {
        task.await.unwrap();
    }
    let woken = now() - start - patience;
    in_time.then_some(Night { made, woken, bytes })
}

// Of ns for each; grows where it was too short.
static PATIENCE: AtomicI64 = AtomicI64::new(4000);

fn sleep(count: u64) -> Night {
    let before = unsafe { serve_resident_bytes() };
    loop {
        let patience = PATIENCE.load(Ordering::Relaxed) * count as i64 + 10_000_000;
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        if let Some(night) = runtime.block_on(try_to_sleep(count, before, patience)) {
            return night;
        }
        PATIENCE.fetch_add(PATIENCE.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

pub extern "C" fn run_made(_: u32, count: u64, repeats: u64) -> i64 {
    (0..repeats).map(|_| sleep(count).made).sum()
}

pub extern "C" fn run_woken(_: u32, count: u64, repeats: u64) -> i64 {
    (0..repeats).map(|_| sleep(count).woken).sum()
}

// No time, but bytes.
pub extern "C" fn run_bytes(_: u32, count: u64, _: u64) -> i64 {
    sleep(count).bytes
}
