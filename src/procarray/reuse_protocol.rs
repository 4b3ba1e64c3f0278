//! The two sides of the lock-free reuse check: a reader who advertises an xmin without
//! ProcArrayLock, and a committer. Over nothing but the words that they share, so that
//! `proofs/` explores what is used.

use super::locks::sync::{AtomicU32, AtomicU64, Ordering, fence};
use super::xid::TransactionId;

// Why no horizon passes the advertised xmin.
//
// A horizon is the least of latestCompletedXid + 1, all xids and all xmins, read under
// ProcArrayLock (ComputeXidHorizons takes it shared). While the counter is what it was when
// the snapshot was built, the transactions it saw running still run, so a horizon is not
// past the snapshot's xmin anyway. One that is past it was computed after some
// completion C that the snapshot does not know:
//
//     reader                      committer, lock held      horizon scan, lock held later
//     store xmin                  store counter (C)
//     fence F                     fence G                   load xmin
//     load counter                release the lock
//
// G happens before the scan's load, through the lock. The two fences are in one total order.
// If G is before F, the reader's load sees C, and it takes its xmin back. If F is before G,
// the scan's load sees the reader's xmin. So whenever the reader keeps it, the scan has
// seen it. (A release store and an acquire load in place of the fences would not do: each
// thread stores one word and then loads the other.)
//
// An xmin taken back may have been seen: it was too old, which holds back a horizon for a
// moment and breaks nothing. A backend that had an xmin before has one not later than the
// snapshot's, since xmins of one backend's valid snapshots only grow; it keeps that.

/// The reader's side. Whether a snapshot built when the counter was `completion_count`, with
/// that `xmin`, is still valid; then `my_xmin`, which only this backend writes, is advertised:
/// the snapshot's, or the one from before. `between` runs after the first look.
#[inline]
pub(crate) fn advertise_if_still_valid(
    xact_completion_count: &AtomicU64,
    completion_count: u64,
    my_xmin: &AtomicU32,
    xmin: TransactionId,
    between: impl FnOnce(),
) -> bool {
    // The counter starts at 1, so a snapshot never taken (0) never matches.
    if xact_completion_count.load(Ordering::Relaxed) != completion_count {
        return false;
    }
    between();
    if my_xmin.load(Ordering::Relaxed) != TransactionId::INVALID.0 {
        return true;
    }
    my_xmin.store(xmin.0, Ordering::Relaxed);
    fence(Ordering::SeqCst);
    if xact_completion_count.load(Ordering::Relaxed) == completion_count {
        return true;
    }
    my_xmin.store(TransactionId::INVALID.0, Ordering::Relaxed);
    false
}

/// The committer's side, after its other stores and under ProcArrayLock: invalidates all
/// snapshots. Without the check in use (`lock_free_reuse`) there is no fence, as in PostgreSQL.
#[inline]
pub(crate) fn count_completion(xact_completion_count: &AtomicU64, lock_free_reuse: bool) {
    let count = xact_completion_count.load(Ordering::Relaxed);
    xact_completion_count.store(count + 1, Ordering::Relaxed);
    if lock_free_reuse {
        fence(Ordering::SeqCst);
    }
}
