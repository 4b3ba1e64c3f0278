//! The locks' seam over loom: its atomics, and a futex made of its mutex and condition variable.

use std::time::Duration;

use loom::sync::{Condvar, Mutex};
use loom::thread::yield_now;

pub use loom::sync::atomic::{AtomicU32, Ordering};

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
