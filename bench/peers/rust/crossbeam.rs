// SPDX-License-Identifier: MIT
//
// crossbeam among the contenders: its bounded channel, from one thread to another.
// usage: bench-crossbeam [apart], which is: on a CPU each
mod shared;

use std::thread;

use crossbeam_channel::bounded;
use shared::*;

// Passes the words 1 to repeats.
extern "C" fn run_queue(_: u32, capacity: u64, repeats: u64) -> i64 {
    let (sender, receiver) = bounded::<u64>(capacity as usize);
    let (ready, is_ready) = bounded(0);
    let consumer = thread::spawn(move || {
        unsafe { serve_part() };
        ready.send(()).unwrap();
        receiver.iter().sum::<u64>()
    });
    is_ready.recv().unwrap();
    let start = unsafe { serve_now() };
    for i in 1..=repeats {
        sender.send(i).unwrap();
    }
    drop(sender);
    let sum = consumer.join().unwrap();
    let ns = unsafe { serve_now() } - start;
    assert_eq!(sum, repeats * (repeats + 1) / 2);
    ns
}

fn main() {
    if std::env::args().any(|argument| argument == "apart") {
        unsafe { serve_stay() };
    }
    answer(&[(name(b"queue\0"), run_queue)])
}
