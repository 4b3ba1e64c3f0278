//! The locks' seam over loom: its atomics, and a futex made of its mutex and condition variable.

use std::cell::Cell;
use std::time::Duration;

use loom::sync::Condvar;

pub use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
pub use loom::sync::{Arc, Mutex, MutexGuard};
pub use loom::thread::yield_now;
pub use loom::thread_local;
pub use std::sync::PoisonError;

pub use procbench_proofs::native_sync::{Counter, random_fraction};

/// As futex(2): looking at the word and falling asleep is one step against a wake-up.
#[derive(Debug)]
pub struct Futex {
    word: AtomicU32,
    bucket: Mutex<()>,
    sleeper: Condvar,
}

impl Futex {
    pub fn new(value: u32) -> Self {
        Self {
            word: AtomicU32::new(value),
            bucket: Mutex::new(()),
            sleeper: Condvar::new(),
        }
    }
    pub fn word(&self) -> &AtomicU32 {
        &self.word
    }
    pub fn wait(&self, expected: u32) {
        let bucket = self.bucket.lock().unwrap();
        if self.word.load(Ordering::Relaxed) == expected {
            drop(self.sleeper.wait(bucket).unwrap());
        }
    }
    pub fn wake_one(&self) {
        let _bucket = self.bucket.lock().unwrap();
        self.sleeper.notify_one();
    }
}

pub fn spin_loop() {
    yield_now();
}

pub fn sleep(_: Duration) {
    yield_now();
}

thread_local! {
    static NUMBER: Cell<usize> = Cell::new(0);
}

/// This thread's number; the program gives it, so that it knows who shares a slot.
pub fn thread_number() -> usize {
    NUMBER.with(Cell::get)
}

pub fn set_thread_number(number: usize) {
    NUMBER.with(|own| own.set(number));
}
