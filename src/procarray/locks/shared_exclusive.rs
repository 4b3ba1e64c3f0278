//! The trait of all locks.

use super::WakeCounts;

/// What readers that ask for a lock later do to a writer that waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaterReaders {
    /// They get in as long as there are any readers inside.
    Pass,
    /// They wait until it has been in.
    Wait,
    /// Either: it gets in at some time.
    Either,
}

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

    /// What it promises to a waiting writer: `tests/lock_order.rs` holds it to that.
    const LATER_READERS: LaterReaders;

    /// Whether those that wait for it are asleep.
    const WAITERS_SLEEP: bool = true;

    /// Whether processes that share its memory can use it: only if all it needs is there, and
    /// who sleeps in one process can be woken from another.
    const WORKS_BETWEEN_PROCESSES: bool = false;

    /// A free lock.
    fn new() -> Self
    where
        Self: Sized;

    /// Blocks until held in shared mode (`LWLockAcquire(LW_SHARED)`). A lock gives either this or
    /// [`acquire_shared_noting`](Self::acquire_shared_noting): each is made of the other.
    #[inline]
    #[must_use]
    fn acquire_shared(&self) -> Self::Shared<'_> {
        self.acquire_shared_noting(|| {})
    }

    /// Blocks until held in exclusive mode (`LWLockAcquire(LW_EXCLUSIVE)`). Given or made as
    /// [`acquire_shared`](Self::acquire_shared) is.
    #[inline]
    #[must_use]
    fn acquire_exclusive(&self) -> Self::Exclusive<'_> {
        self.acquire_exclusive_noting(|| {})
    }

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

    /// Its wake-ups so far, if it wakes its waiters itself and counts them.
    fn wake_counts(&self) -> Option<WakeCounts> {
        None
    }
}
