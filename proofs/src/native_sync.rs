//! The locks' seam as in production, without random delays.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use rustix::thread::futex;

pub use std::sync::atomic::{AtomicU32, Ordering};

#[derive(Debug)]
pub struct Futex(AtomicU32);

impl Futex {
    pub fn new(value: u32) -> Self {
        Self(AtomicU32::new(value))
    }
    pub fn word(&self) -> &AtomicU32 {
        &self.0
    }
    pub fn wait(&self, expected: u32) {
        let _ = futex::wait(&self.0, futex::Flags::PRIVATE, expected, None);
    }
    pub fn wake_one(&self) {
        let _ = futex::wake(&self.0, futex::Flags::PRIVATE, 1);
    }
}

pub fn spin_loop() {
    std::hint::spin_loop();
}

pub fn sleep(time: Duration) {
    std::thread::sleep(time);
}

pub fn random_fraction() -> f64 {
    0.5
}

/// Not looked at by any checker: nothing is decided by a count.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }
    pub fn raise_to(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
