//! What is counted of a lock's acquisitions, whatever the lock.

use std::ops::{Add, Sub};
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed},
};

macro_rules! lock_counts {
    ($(#[$of_all:meta])* struct LockCounts { $($(#[$doc:meta])* $count:ident,)+ }) => {
        $(#[$of_all])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct LockCounts {
            $($(#[$doc])* pub $count: u64,)+
        }

        impl LockCounts {
            fn zip(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
                Self { $($count: f(self.$count, other.$count),)+ }
            }
        }

        /// The part of the counts that some threads have counted.
        #[derive(Default)]
        pub(super) struct CountCell {
            $(pub(super) $count: AtomicU64,)+
        }

        impl CountCell {
            /// Acquire: who sees a wait counted sees what was counted before it.
            pub(super) fn counts(&self) -> LockCounts {
                LockCounts { $($count: self.$count.load(Acquire),)+ }
            }
        }
    };
}

lock_counts! {
    /// How often a lock was taken, since it was made or (as a difference) in a stretch of time.
    ///
    /// A wait is an acquisition whose first attempt found the lock busy, the
    /// moment at which PostgreSQL's `LWLockAcquire` queues itself. Its acquirer waits until it
    /// runs with the lock: one that was handed the lock but has not run yet still waits.
    /// A barge is an acquisition granted at its first attempt though somebody was waiting.
    struct LockCounts {
        /// Acquisitions in shared mode, conditional ones that succeeded included.
        shared,
        /// Acquisitions in exclusive mode, conditional ones that succeeded included.
        exclusive,
        /// Shared acquisitions that found the lock busy and blocked.
        shared_waits,
        /// Exclusive acquisitions that found the lock busy and blocked.
        exclusive_waits,
        /// Conditional exclusive attempts that found the lock busy and gave up.
        exclusive_conditional_failures,
        /// Shared acquisitions granted at the first attempt past a waiter.
        shared_barges,
        /// Exclusive acquisitions granted at the first attempt past a waiter.
        exclusive_barges,
        /// Others that were waiting when a wait began, summed over the waits of both modes.
        queue_length_sum,
        /// Time held in exclusive mode, in ns, from the grant until the release has returned
        /// (wake-ups included); added after the release. Zero where holds are not timed.
        /// Shared holds never are.
        exclusive_held_ns,
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

/// The worst that happened since it was last taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LockExtremes {
    /// Most others that were waiting when a wait began.
    pub longest_queue: u64,
    /// Most grants to others, in both modes, between the moment an exclusive acquirer found
    /// the lock busy and its own grant.
    pub longest_starvation_grants: u64,
    /// Longest time between these two moments, in ns. Zero where holds are not timed.
    pub longest_starvation_ns: u64,
}

/// [`LockExtremes`] while they are being made. Written by those who wait only.
#[derive(Default)]
pub(super) struct ExtremeCells {
    longest_queue: AtomicU64,
    longest_starvation_grants: AtomicU64,
    longest_starvation_ns: AtomicU64,
}

impl ExtremeCells {
    pub(super) fn note_queue(&self, length: u64) {
        self.longest_queue.fetch_max(length, Relaxed);
    }

    pub(super) fn note_starvation(&self, grants: u64, ns: u64) {
        self.longest_starvation_grants.fetch_max(grants, Relaxed);
        self.longest_starvation_ns.fetch_max(ns, Relaxed);
    }

    pub(super) fn take(&self) -> LockExtremes {
        LockExtremes {
            longest_queue: self.longest_queue.swap(0, Relaxed),
            longest_starvation_grants: self.longest_starvation_grants.swap(0, Relaxed),
            longest_starvation_ns: self.longest_starvation_ns.swap(0, Relaxed),
        }
    }
}
