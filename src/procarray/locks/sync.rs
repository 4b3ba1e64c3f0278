//! What our own locks are built from. The proofs (`proofs/`) compile the same lock
//! sources over loom's and shuttle's versions of these names.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
pub(crate) use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
pub(crate) use std::thread::yield_now;
pub(crate) use std::thread_local;

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use rustix::io::Errno;
use rustix::thread::futex;

/// A word that a thread can sleep on (futex(2)), also one of another process that shares it:
/// PostgreSQL's semaphores are process-shared, too (posix_sema.c).
#[derive(Debug)]
pub(crate) struct Futex(AtomicU32);

impl Futex {
    /// A word of this value.
    pub(crate) fn new(value: u32) -> Self {
        Self(AtomicU32::new(value))
    }

    /// The word itself.
    #[inline]
    pub(crate) fn word(&self) -> &AtomicU32 {
        &self.0
    }

    /// Sleeps until woken, if the word is `expected`. May return early: the caller
    /// looks at the word again.
    pub(crate) fn wait(&self, expected: u32) {
        match futex::wait(&self.0, futex::Flags::empty(), expected, None) {
            // The word has changed, a signal came, or a wake-up.
            Ok(()) | Err(Errno::AGAIN | Errno::INTR) => {}
            // Nothing else can be the matter with an aligned word and no timeout.
            Err(error) => unreachable!("futex wait: {error}"),
        }
    }

    /// Wakes one sleeper, if there is one.
    pub(crate) fn wake_one(&self) {
        // The address is valid as long as `self`; there is nothing else to go wrong.
        let _ = futex::wake(&self.0, futex::Flags::empty(), 1);
    }
}

/// A pause in a loop that waits for another thread's store.
#[inline]
pub(crate) fn spin_loop() {
    std::hint::spin_loop();
}

/// Sleeps (`pg_usleep`).
pub(crate) fn sleep(time: Duration) {
    std::thread::sleep(time);
}

/// A number from 0 to 1 (`pg_prng_double`).
pub(crate) fn random_fraction() -> f64 {
    static SEED: AtomicU64 = AtomicU64::new(0);
    thread_local! {
        static GENERATOR: RefCell<Pcg64> =
            RefCell::new(Pcg64::seed_from_u64(SEED.fetch_add(1, Ordering::Relaxed)));
    }
    GENERATOR
        .try_with(|generator| generator.borrow_mut().random())
        .unwrap_or(0.5)
}

/// A count that nothing is decided by.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        if more > 0 {
            self.0.fetch_add(more, Ordering::Relaxed);
        }
    }

    pub(crate) fn raise_to(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A small number of this thread's own, handed out in order of first use.
#[inline]
pub(crate) fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    NUMBER.with(|number| {
        if number.get() == usize::MAX {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        number.get()
    })
}
