//! A lock that counts how it is taken.

use std::ops::Add;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use crossbeam::utils::CachePadded;

use super::counts::{CountCell, ExtremeCells};
use super::sync::thread_number;
use super::{LaterReaders, LockCounts, LockExtremes, SharedExclusiveLock, WakeCounts};
use crate::clock::{Clock, MonotonicClock};

/// Number of counter cells per lock. Threads beyond this share a cell, which
/// costs them a contended line but loses no count.
pub(super) const CELLS: usize = 64;

/// A [`SharedExclusiveLock`] with its acquisition counters inside.
///
/// The lock has cache lines to itself, and every thread counts on its own line,
/// so counting adds one uncontended read-modify-write to an acquisition, a load of a
/// word that is written only by those who wait, and no shared write. An acquisition is
/// counted when it is asked for (it cannot fail, and this keeps the counter out of the
/// hold), so counts read while threads are waiting include those waiting.
///
/// Every blocking acquisition starts with one attempt, as `LWLockAcquire` does; only when
/// that fails it counts a wait and blocks.
///
/// What counting costs inside a hold: a clock read at the beginning of an exclusive one (the
/// second is after the release); after a wait two shared writes; after an exclusive wait also a
/// look at all cells, a few hundred ns. Shared holds are not timed.
pub struct CountedLock<L> {
    lock: CachePadded<L>,
    /// Acquirers that found the lock busy and have not returned with it.
    waiting: CachePadded<AtomicU64>,
    extremes: CachePadded<ExtremeCells>,
    /// Inside, so that a process that shares the lock shares them.
    cells: [CachePadded<CountCell>; CELLS],
    times_holds: bool,
}

/// The beginning of an exclusive wait.
struct Starving {
    since_ns: Option<u64>,
    grants: u64,
}

impl<L: SharedExclusiveLock> CountedLock<L> {
    /// A free lock that reads no clock: for one that is taken inside another's hold, which
    /// the reads would lengthen.
    pub fn without_times() -> Self {
        Self::with_times(false)
    }

    fn with_times(times_holds: bool) -> Self {
        Self {
            lock: CachePadded::new(L::new()),
            waiting: CachePadded::default(),
            extremes: CachePadded::default(),
            cells: std::array::from_fn(|_| CachePadded::default()),
            times_holds,
        }
    }

    /// The counts of all threads. Exact for every acquisition that
    /// happened before the call; those under way may or may not be in.
    pub fn counts(&self) -> LockCounts {
        self.cells
            .iter()
            .map(|cell| cell.counts())
            .fold(LockCounts::default(), LockCounts::add)
    }

    /// The worst since this was last called.
    pub fn take_extremes(&self) -> LockExtremes {
        self.extremes.take()
    }

    /// The lock without its counters, for checks that must not show in the accounting.
    #[cfg(test)]
    pub(crate) fn uncounted(&self) -> &L {
        &self.lock
    }

    #[inline]
    fn cell(&self) -> &CountCell {
        &self.cells[thread_number() % CELLS]
    }

    /// Asked before the attempt: one who comes later has not been passed.
    #[inline]
    fn somebody_waits(&self) -> bool {
        self.waiting.load(Relaxed) > 0
    }

    #[inline]
    fn now_ns(&self) -> Option<u64> {
        self.times_holds.then(|| MonotonicClock.now_ns())
    }

    /// Grants so far: what was asked for, less those who still wait.
    fn grants(&self) -> u64 {
        let asked_for = |cell: &CachePadded<CountCell>| {
            cell.shared.load(Acquire) + cell.exclusive.load(Acquire)
        };
        let asked_for: u64 = self.cells.iter().map(asked_for).sum();
        asked_for.saturating_sub(self.waiting.load(Acquire))
    }

    #[cold]
    fn begin_wait(&self, cell: &CountCell) {
        let others = self.waiting.fetch_add(1, Relaxed);
        cell.queue_length_sum.fetch_add(others, Relaxed);
        self.extremes.note_queue(others);
    }

    #[cold]
    fn begin_exclusive_wait(&self, cell: &CountCell) -> Starving {
        let since_ns = self.now_ns();
        self.begin_wait(cell);
        let grants = self.grants();
        // Last: who sees the wait counted sees the rest.
        cell.exclusive_waits.fetch_add(1, Release);
        Starving { since_ns, grants }
    }

    #[cold]
    fn end_exclusive_wait(&self, starving: &Starving, now_ns: Option<u64>) {
        self.waiting.fetch_sub(1, Release);
        // One of the grants is its own.
        let grants = self.grants().saturating_sub(starving.grants + 1);
        let times = now_ns.zip(starving.since_ns);
        let ns = times.map_or(0, |(now, since)| now.saturating_sub(since));
        self.extremes.note_starvation(grants, ns);
    }
}

/// Held in exclusive mode; adds the time of the hold when it is over.
pub struct CountedExclusive<'a, L: SharedExclusiveLock> {
    guard: Option<L::Exclusive<'a>>,
    cell: &'a CountCell,
    acquired_ns: Option<u64>,
}

impl<L: SharedExclusiveLock> Drop for CountedExclusive<'_, L> {
    #[inline]
    fn drop(&mut self) {
        drop(self.guard.take());
        if let Some(acquired_ns) = self.acquired_ns {
            let held_ns = MonotonicClock.now_ns().saturating_sub(acquired_ns);
            self.cell.exclusive_held_ns.fetch_add(held_ns, Relaxed);
        }
    }
}

impl<L: SharedExclusiveLock> SharedExclusiveLock for CountedLock<L> {
    const LATER_READERS: LaterReaders = L::LATER_READERS;
    const WAITERS_SLEEP: bool = L::WAITERS_SLEEP;
    const WORKS_BETWEEN_PROCESSES: bool = L::WORKS_BETWEEN_PROCESSES;

    type Shared<'a> = L::Shared<'a>;
    type Exclusive<'a> = CountedExclusive<'a, L>;

    fn new() -> Self {
        Self::with_times(true)
    }

    #[inline]
    fn acquire_shared(&self) -> Self::Shared<'_> {
        let cell = self.cell();
        cell.shared.fetch_add(1, Relaxed);
        let passes = self.somebody_waits();
        let mut waited = false;
        let guard = self.lock.acquire_shared_noting(|| {
            waited = true;
            self.begin_wait(cell);
            cell.shared_waits.fetch_add(1, Release);
        });
        if waited {
            self.waiting.fetch_sub(1, Release);
        } else if passes {
            cell.shared_barges.fetch_add(1, Relaxed);
        }
        guard
    }

    #[inline]
    fn acquire_exclusive(&self) -> Self::Exclusive<'_> {
        let cell = self.cell();
        cell.exclusive.fetch_add(1, Relaxed);
        let passes = self.somebody_waits();
        let mut starving = None;
        let guard = self
            .lock
            .acquire_exclusive_noting(|| starving = Some(self.begin_exclusive_wait(cell)));
        let acquired_ns = self.now_ns();
        if let Some(starving) = starving {
            self.end_exclusive_wait(&starving, acquired_ns);
        } else if passes {
            cell.exclusive_barges.fetch_add(1, Relaxed);
        }
        CountedExclusive {
            guard: Some(guard),
            cell,
            acquired_ns,
        }
    }

    fn try_acquire_shared(&self) -> Option<Self::Shared<'_>> {
        let passes = self.somebody_waits();
        let guard = self.lock.try_acquire_shared()?;
        let cell = self.cell();
        cell.shared.fetch_add(1, Relaxed);
        if passes {
            cell.shared_barges.fetch_add(1, Relaxed);
        }
        Some(guard)
    }

    fn try_acquire_exclusive(&self) -> Option<Self::Exclusive<'_>> {
        let passes = self.somebody_waits();
        let guard = self.lock.try_acquire_exclusive();
        let cell = self.cell();
        let Some(guard) = guard else {
            cell.exclusive_conditional_failures.fetch_add(1, Relaxed);
            return None;
        };
        let acquired_ns = self.now_ns();
        cell.exclusive.fetch_add(1, Relaxed);
        if passes {
            cell.exclusive_barges.fetch_add(1, Relaxed);
        }
        Some(CountedExclusive {
            guard: Some(guard),
            cell,
            acquired_ns,
        })
    }

    fn wake_counts(&self) -> Option<WakeCounts> {
        self.lock.wake_counts()
    }
}
