//! The locks' seam as in production, without random delays, and for ThreadSanitizer without
//! those parts of std that it does not see.

use std::cell::{Cell, UnsafeCell};
use std::ops::{Deref, DerefMut};
use std::sync::LockResult;
use std::time::Duration;

use rustix::thread::futex;

pub use std::sync::PoisonError;
pub use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
pub use std::thread::yield_now;
pub use std::thread_local;

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

/// A shared pointer whose target is never freed: the end of std's count is ordered by a fence
/// that ThreadSanitizer does not know.
#[derive(Debug)]
pub struct Arc<T: 'static>(&'static T);

impl<T> Arc<T> {
    pub fn new(target: T) -> Self {
        Self(Box::leak(Box::new(target)))
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.0
    }
}

/// A mutex over a futex: std's waits in a part of it that is not instrumented.
#[derive(Debug)]
pub struct Mutex<T> {
    /// 0 free, 1 held, 2 held and perhaps waited for.
    state: Futex,
    value: UnsafeCell<T>,
}

// The value is reached through the guard only, and there is one guard at a time.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    pub fn new(value: T) -> Self {
        Self {
            state: Futex::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// Never poisoned.
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let state = self.state.word();
        let free = state.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed);
        if free.is_err() {
            while state.swap(2, Ordering::Acquire) != 0 {
                self.state.wait(2);
            }
        }
        Ok(MutexGuard(self))
    }
}

#[derive(Debug)]
pub struct MutexGuard<'a, T>(&'a Mutex<T>);

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        if self.0.state.word().swap(0, Ordering::Release) == 2 {
            self.0.state.wake_one();
        }
    }
}

thread_local! {
    static NUMBER: Cell<usize> = const { Cell::new(0) };
}

/// This thread's number; the program gives it, so that it knows who shares a slot.
pub fn thread_number() -> usize {
    NUMBER.get()
}

pub fn set_thread_number(number: usize) {
    NUMBER.set(number);
}
