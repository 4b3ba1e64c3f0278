//! The oldest transaction that anybody may still need.

use std::sync::atomic::Ordering::Relaxed;

use super::array::ProcArray;
use super::dense::SharedWord;
use super::locks::SharedExclusiveLock;
use super::pgproc::status_flags::{PROC_IN_LOGICAL_DECODING, PROC_IN_VACUUM};
use super::xid::{FullTransactionId, TransactionId};

/// What VACUUM and on-access pruning go by (procarray.c `ComputeXidHorizonsResult`). One
/// database and no replication slots, so shared, catalog and data horizons are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XidHorizons {
    /// `latestCompletedXid` when it was computed.
    pub latest_completed: FullTransactionId,
    /// Before this one nothing runs for anybody.
    pub oldest_considered_running: TransactionId,
    /// Row versions that were dead before this one may be removed: as above, but
    /// running VACUUMs and logical decoding are passed over.
    pub oldest_nonremovable: TransactionId,
}

impl<L: SharedExclusiveLock> ProcArray<L> {
    /// Computes the horizons (procarray.c `ComputeXidHorizons`, 14 and later; before,
    /// `GetOldestXmin` reads the same from other places).
    ///
    /// Under ProcArrayLock in shared mode it reads the xmin of **every** PGPROC, a cold
    /// line each, besides the dense xids and flags. PostgreSQL calls it at most once for each
    /// new RecentXmin of a backend; that is the caller's business.
    pub fn compute_xid_horizons(&self) -> XidHorizons {
        let _guard = self.proc_array_lock.acquire_shared();
        let latest_completed = self
            .home()
            .transam_variables()
            .latest_completed_xid
            .load(Relaxed);
        let latest_completed = FullTransactionId(latest_completed);
        let initial = latest_completed.xid().advance();
        let mut horizons = XidHorizons {
            latest_completed,
            oldest_considered_running: initial,
            oldest_nonremovable: initial,
        };
        for (index, number) in self.home().pgprocnos()[..self.num_procs()]
            .iter()
            .enumerate()
        {
            // The xid first: a backend that gets one has its xmin already.
            let proc = self.home().proc(number.get());
            let (xid, flags) = self.home().xid_and_flags(index, proc);
            let xmin = TransactionId(proc.xmin().get());
            let oldest = older(xmin, xid);
            if !oldest.is_valid() {
                continue;
            }
            horizons.oldest_considered_running = older(horizons.oldest_considered_running, oldest);
            if flags & (PROC_IN_VACUUM | PROC_IN_LOGICAL_DECODING) == 0 {
                horizons.oldest_nonremovable = older(horizons.oldest_nonremovable, oldest);
            }
        }
        // Read under the lock and applied after it; invalid here.
        let _ = self.home().replication_slot_xmins();
        horizons
    }
}

/// The older of two, an invalid one being none (`TransactionIdOlder`).
fn older(a: TransactionId, b: TransactionId) -> TransactionId {
    if !a.is_valid() || (b.is_valid() && b.precedes(a)) {
        b
    } else {
        a
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procarray::ProcArrayConfig;
    use crate::procarray::locks::{LockKind, LockVisitor};

    struct Horizons;
    impl LockVisitor for Horizons {
        type Output = ();
        fn visit<L: SharedExclusiveLock>(self) {
            let array = ProcArray::<L>::new(ProcArrayConfig::default()).unwrap();
            let slots = array.open_standing(4, 0, Default::default()).unwrap();
            let horizons = || {
                let before = array.lock_counts();
                let found = array.compute_xid_horizons();
                let taken = (array.lock_counts() - before).proc_array;
                assert_eq!((taken.shared, taken.exclusive), (1, 0));
                (
                    found.oldest_considered_running.0,
                    found.oldest_nonremovable.0,
                )
            };
            let commit = |slot| {
                array.get_new_transaction_id(slot);
                array.end_transaction(slot);
            };
            assert_eq!(horizons(), (3, 3), "an empty server: the next to complete");
            commit(slots[0]);
            assert_eq!(horizons(), (4, 4));

            // An xid that runs holds it.
            let held = array.get_new_transaction_id(slots[1]);
            commit(slots[0]);
            assert_eq!(horizons(), (held.0, held.0));

            // So does a snapshot that has seen it running, after it has ended.
            let mut snapshot = array.new_snapshot();
            array.get_snapshot_data(slots[2], &mut snapshot);
            array.end_transaction(slots[1]);
            commit(slots[0]);
            assert_eq!(horizons(), (held.0, held.0));

            // A VACUUM's snapshot does not hold back what may be removed.
            array.set_in_vacuum(slots[2]);
            let next = array.read_next_transaction_id();
            assert_eq!(horizons(), (held.0, next.0));
            array.end_transaction(slots[2]);
            assert_eq!(horizons(), (next.0, next.0));
        }
    }

    #[test]
    fn horizons_are_held_by_xids_and_xmins() {
        for kind in LockKind::ALL {
            kind.visit(Horizons);
        }
    }

    #[test]
    fn the_older_of_two_ignores_the_invalid() {
        let xid = TransactionId;
        assert_eq!(older(xid(0), xid(7)), xid(7));
        assert_eq!(older(xid(7), xid(0)), xid(7));
        assert_eq!(older(xid(9), xid(7)), xid(7));
        assert_eq!(older(xid(3), xid(u32::MAX)), xid(u32::MAX));
        assert!(!older(xid(0), xid(0)).is_valid());
    }
}
