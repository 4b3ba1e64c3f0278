//! PostgreSQL's own lock (storage/lmgr/lwlock.c), ported as an algorithm.
//!
//! [`raw`] is the algorithm, [`bits`] what changed from release to release, [`wait_slot`]
//! and [`spin_delay`] what it needs of proc.h and s_lock.c, [`threads`] gives every
//! thread the wait slot that a backend has in its PGPROC. `LWLockAcquireOrWait` and
//! `LWLockWaitForVar`, which only WAL uses, are left out, and so are the list of held
//! locks and the holding off of interrupts.

pub(crate) mod bits;
pub(crate) mod counters;
#[cfg(test)]
mod policy_tests;
pub(crate) mod raw;
pub(crate) mod spin_delay;
pub(crate) mod threads;
pub(crate) mod wait_slot;

use bits::Release;
pub(crate) use bits::{Release17, Release18, Release19};
use counters::WakeCounters;
use raw::RawLwLock;
use threads::{ThreadSlots, my_slot};
pub(crate) use threads::{abandon_my_slot, prepare_to_fork};
use wait_slot::Mode;

use super::{LaterReaders, SharedExclusiveLock, WakeCounts};

/// PostgreSQL's LWLock, as release `R` has it.
pub struct LwLock<R>(RawLwLock<R>);

impl<R: Release> LwLock<R> {
    #[inline]
    fn acquire(&self, mode: Mode, busy: impl FnOnce()) -> LwLockGuard<'_, R> {
        if !self.0.attempt(mode) {
            busy();
            self.0.wait(&ThreadSlots, my_slot(), mode);
        }
        LwLockGuard { lock: self, mode }
    }

    #[inline]
    fn try_acquire(&self, mode: Mode) -> Option<LwLockGuard<'_, R>> {
        self.0
            .attempt(mode)
            .then(|| LwLockGuard { lock: self, mode })
    }
}

/// Holds an [`LwLock`] until dropped.
pub struct LwLockGuard<'a, R: Release> {
    lock: &'a LwLock<R>,
    mode: Mode,
}

impl<R: Release> Drop for LwLockGuard<'_, R> {
    #[inline]
    fn drop(&mut self) {
        self.lock.0.release(&ThreadSlots, self.mode);
    }
}

impl<R: Release> SharedExclusiveLock for LwLock<R> {
    // A shared attempt succeeds unless the lock is held exclusively.
    const LATER_READERS: LaterReaders = LaterReaders::Pass;
    const WORKS_BETWEEN_PROCESSES: bool = true;

    type Shared<'a> = LwLockGuard<'a, R>;
    type Exclusive<'a> = LwLockGuard<'a, R>;

    fn new() -> Self {
        Self(RawLwLock::new())
    }

    #[inline]
    fn acquire_shared_noting(&self, busy: impl FnOnce()) -> Self::Shared<'_> {
        self.acquire(Mode::Shared, busy)
    }

    #[inline]
    fn acquire_exclusive_noting(&self, busy: impl FnOnce()) -> Self::Exclusive<'_> {
        self.acquire(Mode::Exclusive, busy)
    }

    #[inline]
    fn try_acquire_shared(&self) -> Option<Self::Shared<'_>> {
        self.try_acquire(Mode::Shared)
    }

    #[inline]
    fn try_acquire_exclusive(&self) -> Option<Self::Exclusive<'_>> {
        self.try_acquire(Mode::Exclusive)
    }

    fn wake_counts(&self) -> Option<WakeCounts> {
        Some(self.0.counters().get())
    }
}

impl WakeCounters {
    /// As everybody else sees them.
    pub(crate) fn get(&self) -> WakeCounts {
        WakeCounts {
            wake_ups: self.wake_ups.get(),
            woken_shared: self.woken_shared.get(),
            woken_exclusive: self.woken_exclusive.get(),
            passed_over: self.passed_over.get(),
            most_woken: self.most_woken.get(),
        }
    }
}
