//! Reader-writer locks behind one trait, [`SharedExclusiveLock`].
//!
//! One small file per lock, and one for those of others; [`LockKind`] names them and hands the chosen one to
//! generic code, so nothing outside this directory names a concrete lock. A
//! new lock is one file with the trait implemented, its `mod` line here and its line in
//! `kind.rs`: help, parsing, tests and benches go over [`LockKind::ALL`], and what a lock
//! promises stands in its own file.

mod bravo;
mod choice;
mod counted;
#[cfg(test)]
mod counted_tests;
mod counts;
mod fair;
mod kind;
mod lwlock;
mod others;
mod semaphore;
mod shared_exclusive;
pub(super) mod sync;
mod wake_counts;

pub use choice::LockChoice;
pub use counted::CountedLock;
pub(crate) use counts::{LockCounts, LockExtremes};
pub use kind::{LockKind, LockVisitor};
pub(crate) use lwlock::{abandon_my_slot, prepare_to_fork};
pub(crate) use semaphore::Semaphore;
pub use shared_exclusive::{LaterReaders, SharedExclusiveLock};
pub(crate) use wake_counts::WakeCounts;
