//! A lock that counts how it is taken.

use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crossbeam::utils::CachePadded;
use serde::{Deserialize, Serialize};

use super::SharedExclusiveLock;
use super::sync::thread_number;

/// Number of counter cells per lock. Threads beyond this share a cell, which
/// costs them a contended line but loses no count.
const SHARDS: usize = 64;

/// How often a lock was taken, since it was made or (as a difference) in a stretch of time.
///
/// A wait is an acquisition whose first attempt found the lock busy, the
/// moment at which PostgreSQL's `LWLockAcquire` queues itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LockCounts {
    /// Acquisitions in shared mode, conditional ones that succeeded included.
    pub shared: u64,
    /// Acquisitions in exclusive mode, conditional ones that succeeded included.
    pub exclusive: u64,
    /// Shared acquisitions that found the lock busy and blocked.
    pub shared_waits: u64,
    /// Exclusive acquisitions that found the lock busy and blocked.
    pub exclusive_waits: u64,
    /// Conditional shared attempts that found the lock busy and gave up.
    pub shared_conditional_failures: u64,
    /// Conditional exclusive attempts that found the lock busy and gave up.
    pub exclusive_conditional_failures: u64,
}

impl LockCounts {
    fn zip(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            shared: f(self.shared, other.shared),
            exclusive: f(self.exclusive, other.exclusive),
            shared_waits: f(self.shared_waits, other.shared_waits),
            exclusive_waits: f(self.exclusive_waits, other.exclusive_waits),
            shared_conditional_failures: f(
                self.shared_conditional_failures,
                other.shared_conditional_failures,
            ),
            exclusive_conditional_failures: f(
                self.exclusive_conditional_failures,
                other.exclusive_conditional_failures,
            ),
        }
    }
}

impl Add for LockCounts {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
}

/// `later - earlier`: what happened in between. Counters only grow, so the
/// other order is a mistake of the caller and overflows.
impl Sub for LockCounts {
    type Output = Self;
    fn sub(self, earlier: Self) -> Self {
        self.zip(earlier, |a, b| a - b)
    }
}

#[derive(Default)]
struct Shard {
    shared: AtomicU64,
    exclusive: AtomicU64,
    shared_waits: AtomicU64,
    exclusive_waits: AtomicU64,
    shared_conditional_failures: AtomicU64,
    exclusive_conditional_failures: AtomicU64,
}

/// A [`SharedExclusiveLock`] with its acquisition counters inside.
///
/// The lock has cache lines to itself, and every thread counts on its own line,
/// so counting adds one uncontended read-modify-write to an acquisition and no
/// shared write. An acquisition is counted when it is asked for (it cannot
/// fail, and this keeps the counter out of the hold), so counts read while
/// threads are waiting include those waiting.
///
/// Every blocking acquisition starts with one attempt, as `LWLockAcquire` does; only when
/// that fails it counts a wait and blocks.
pub struct CountedLock<L> {
    lock: CachePadded<L>,
    shards: Box<[CachePadded<Shard>]>,
}

impl<L: SharedExclusiveLock> CountedLock<L> {
    /// The counts of all threads. Exact for every acquisition that
    /// happened before the call; those under way may or may not be in.
    pub fn counts(&self) -> LockCounts {
        self.shards
            .iter()
            .map(|shard| LockCounts {
                shared: shard.shared.load(Relaxed),
                exclusive: shard.exclusive.load(Relaxed),
                shared_waits: shard.shared_waits.load(Relaxed),
                exclusive_waits: shard.exclusive_waits.load(Relaxed),
                shared_conditional_failures: shard.shared_conditional_failures.load(Relaxed),
                exclusive_conditional_failures: shard.exclusive_conditional_failures.load(Relaxed),
            })
            .fold(LockCounts::default(), LockCounts::add)
    }

    /// The lock without its counters, for checks that must not show in the accounting.
    pub(crate) fn uncounted(&self) -> &L {
        &self.lock
    }

    fn shard(&self) -> &Shard {
        &self.shards[thread_number() % SHARDS]
    }
}

impl<L: SharedExclusiveLock> SharedExclusiveLock for CountedLock<L> {
    type Shared<'a> = L::Shared<'a>;
    type Exclusive<'a> = L::Exclusive<'a>;

    fn new() -> Self {
        Self {
            lock: CachePadded::new(L::new()),
            shards: (0..SHARDS).map(|_| CachePadded::default()).collect(),
        }
    }

    fn acquire_shared(&self) -> Self::Shared<'_> {
        let shard = self.shard();
        shard.shared.fetch_add(1, Relaxed);
        self.lock.acquire_shared_noting(|| {
            shard.shared_waits.fetch_add(1, Relaxed);
        })
    }

    fn acquire_exclusive(&self) -> Self::Exclusive<'_> {
        let shard = self.shard();
        shard.exclusive.fetch_add(1, Relaxed);
        self.lock.acquire_exclusive_noting(|| {
            shard.exclusive_waits.fetch_add(1, Relaxed);
        })
    }

    fn try_acquire_shared(&self) -> Option<Self::Shared<'_>> {
        let guard = self.lock.try_acquire_shared();
        let shard = self.shard();
        match guard {
            Some(_) => shard.shared.fetch_add(1, Relaxed),
            None => shard.shared_conditional_failures.fetch_add(1, Relaxed),
        };
        guard
    }

    fn try_acquire_exclusive(&self) -> Option<Self::Exclusive<'_>> {
        let guard = self.lock.try_acquire_exclusive();
        let shard = self.shard();
        match guard {
            Some(_) => shard.exclusive.fetch_add(1, Relaxed),
            None => shard.exclusive_conditional_failures.fetch_add(1, Relaxed),
        };
        guard
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procarray::locks::{LockKind, LockVisitor};
    use std::thread;

    struct CountsEveryPath;
    impl LockVisitor for CountsEveryPath {
        type Output = ();
        fn visit<L: SharedExclusiveLock>(self) {
            let lock = CountedLock::<L>::new();
            drop(lock.acquire_shared());
            drop(lock.acquire_exclusive());
            drop(lock.try_acquire_shared().unwrap());
            drop(lock.try_acquire_exclusive().unwrap());
            let before = lock.counts();
            assert_eq!((before.shared, before.exclusive), (2, 2));
            assert_eq!((before.shared_waits, before.exclusive_waits), (0, 0));

            // Busy: both conditional attempts fail, both blocking ones wait.
            let held = lock.acquire_exclusive();
            thread::scope(|scope| {
                let conditional = scope.spawn(|| {
                    lock.try_acquire_shared().is_none() && lock.try_acquire_exclusive().is_none()
                });
                assert!(conditional.join().unwrap());
                scope.spawn(|| drop(lock.acquire_shared()));
                scope.spawn(|| drop(lock.acquire_exclusive()));
                // Hold until both are counted as waiting.
                while {
                    let so_far = lock.counts() - before;
                    so_far.shared_waits + so_far.exclusive_waits < 2
                } {
                    thread::yield_now();
                }
                drop(held);
            });
            assert_eq!(
                lock.counts() - before,
                LockCounts {
                    shared: 1,
                    exclusive: 2,
                    shared_waits: 1,
                    exclusive_waits: 1,
                    shared_conditional_failures: 1,
                    exclusive_conditional_failures: 1,
                }
            );
        }
    }

    #[test]
    fn counts_every_path() {
        for kind in LockKind::ALL {
            kind.visit(CountsEveryPath);
        }
    }

    struct SharedCells;
    impl LockVisitor for SharedCells {
        type Output = LockCounts;
        fn visit<L: SharedExclusiveLock>(self) -> LockCounts {
            let lock = CountedLock::<L>::new();
            thread::scope(|scope| {
                for _ in 0..(SHARDS + 16) {
                    scope.spawn(|| {
                        for _ in 0..50 {
                            drop(lock.acquire_shared());
                        }
                        drop(lock.acquire_exclusive());
                    });
                }
            });
            lock.counts()
        }
    }

    #[test]
    fn more_threads_than_cells_lose_no_count() {
        let threads = (SHARDS + 16) as u64;
        for kind in LockKind::ALL {
            let counts = kind.visit(SharedCells);
            assert_eq!((counts.shared, counts.exclusive), (threads * 50, threads));
        }
    }
}
