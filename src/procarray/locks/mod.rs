//! Reader-writer locks behind one trait, [`SharedExclusiveLock`].
//!
//! One small file per lock; [`LockKind`] names them and hands the chosen one to
//! generic code, so nothing outside this directory names a concrete lock. A
//! new lock is one file with the trait implemented, one line in `kind.rs`, and
//! nothing else: the conformance tests and benches go over [`LockKind::ALL`].

mod bravo;
mod choice;
mod counted;
#[cfg(test)]
mod counted_tests;
mod counts;
mod crossbeam_sharded;
mod fair;
mod kind;
mod lwlock;
mod parking_lot_0_12;
mod parking_lot_0_13;
mod semaphore;
mod std_rwlock;
mod sync;
mod wake_counts;

pub use choice::LockChoice;
pub use counted::{CountedExclusive, CountedLock};
pub use counts::{LockCounts, LockExtremes};
pub use kind::{LockKind, LockVisitor, UnknownLock};
pub(crate) use lwlock::prepare_to_fork;
pub(crate) use semaphore::Semaphore;
pub use wake_counts::WakeCounts;

/// A lock with PostgreSQL's two LWLock modes, protecting nothing by itself.
///
/// Like an LWLock (lwlock.c: `LWLockAcquire`, `LWLockConditionalAcquire`,
/// `LWLockRelease`) it guards data by convention, so the dense arrays can be
/// read under it while `GetNewTransactionId` stores into them without it.
/// A guard releases when dropped, also while unwinding; no implementation
/// stays unusable after a panic.
pub trait SharedExclusiveLock: Send + Sync + 'static {
    /// Holds the lock in shared mode until dropped.
    type Shared<'a>
    where
        Self: 'a;
    /// Holds the lock in exclusive mode until dropped.
    type Exclusive<'a>
    where
        Self: 'a;

    /// A free lock.
    fn new() -> Self
    where
        Self: Sized;

    /// Blocks until held in shared mode (`LWLockAcquire(LW_SHARED)`).
    #[must_use]
    fn acquire_shared(&self) -> Self::Shared<'_>;

    /// Blocks until held in exclusive mode (`LWLockAcquire(LW_EXCLUSIVE)`).
    #[must_use]
    fn acquire_exclusive(&self) -> Self::Exclusive<'_>;

    /// As [`acquire_shared`](Self::acquire_shared), and calls `busy` once if the first
    /// attempt finds the lock busy, before it queues. For those who count: a lock whose
    /// acquire begins with an attempt of its own makes no second one for it.
    #[must_use]
    fn acquire_shared_noting(&self, busy: impl FnOnce()) -> Self::Shared<'_> {
        self.try_acquire_shared().unwrap_or_else(|| {
            busy();
            self.acquire_shared()
        })
    }

    /// As [`acquire_exclusive`](Self::acquire_exclusive), calling `busy` like
    /// [`acquire_shared_noting`](Self::acquire_shared_noting).
    #[must_use]
    fn acquire_exclusive_noting(&self, busy: impl FnOnce()) -> Self::Exclusive<'_> {
        self.try_acquire_exclusive().unwrap_or_else(|| {
            busy();
            self.acquire_exclusive()
        })
    }

    /// One attempt at shared mode, never blocking
    /// (`LWLockConditionalAcquire(LW_SHARED)`).
    #[must_use]
    fn try_acquire_shared(&self) -> Option<Self::Shared<'_>>;

    /// One attempt at exclusive mode, never blocking; fails while anybody
    /// holds the lock in any mode (`LWLockConditionalAcquire(LW_EXCLUSIVE)`).
    #[must_use]
    fn try_acquire_exclusive(&self) -> Option<Self::Exclusive<'_>>;

    /// Whether processes that share its memory can use it: only if all it needs is there, and
    /// who sleeps in one process can be woken from another.
    fn works_between_processes() -> bool {
        false
    }

    /// Its wake-ups so far, if it wakes its waiters itself and counts them.
    fn wake_counts(&self) -> Option<WakeCounts> {
        None
    }
}
