//! What a parallel worker does beyond joining and leaving.

use super::array::ProcArray;
use super::dense::SharedWord;
use super::locks::SharedExclusiveLock;
use super::pgproc::ProcNumber;
use super::pgproc::status_flags::PROC_XMIN_FLAGS;
use super::xid::TransactionId;

impl<L: SharedExclusiveLock> ProcArray<L> {
    /// Takes over `xmin` from the backend in `leader`, which must advertise one that is not
    /// later (procarray.c `ProcArrayInstallRestoredXmin`). False, and nothing done, where it does not: the
    /// leader's transaction has ended.
    ///
    /// ProcArrayLock exclusively since 14, as the leader's flags are copied; shared in 13.
    pub fn install_restored_xmin(
        &self,
        slot: ProcNumber,
        leader: ProcNumber,
        xmin: TransactionId,
    ) -> bool {
        let dense = self.config.profile.version().dense_arrays;
        let _shared = (!dense).then(|| self.proc_array_lock.acquire_shared());
        let _exclusive = dense.then(|| self.proc_array_lock.acquire_exclusive());
        let advertised = self.xmin(leader);
        let running = advertised.is_valid() && !xmin.precedes(advertised);
        if running {
            self.proc(slot).xmin().set(xmin.0);
        }
        if running && dense {
            let flags_of = |slot: ProcNumber| self.proc(slot).status_flags().get() as u8;
            let flags = flags_of(slot) & !PROC_XMIN_FLAGS | flags_of(leader) & PROC_XMIN_FLAGS;
            self.home().set_status_flags(self.proc(slot), flags);
        }
        running
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procarray::PgProfile;
    use crate::procarray::ProcArrayConfig;
    use crate::procarray::locks::{LockKind, LockVisitor};

    struct Worker(PgProfile);
    impl LockVisitor for Worker {
        type Output = (u64, u64);
        /// (exclusive, shared) acquisitions of one installation.
        fn visit<L: SharedExclusiveLock>(self) -> (u64, u64) {
            let array = ProcArray::<L>::new(ProcArrayConfig {
                profile: self.0,
                ..ProcArrayConfig::default()
            })
            .unwrap();
            let slots = array.open_standing(3, 0, Default::default()).unwrap();
            let (leader, worker, other) = (slots[0], slots[1], slots[2]);
            let held = array.get_new_transaction_id(other);
            let mut snapshot = array.new_snapshot();
            // Something before it, so that an earlier xmin is a normal xid too.
            array.end_transaction(other);
            array.get_snapshot_data(leader, &mut snapshot);
            assert_eq!(snapshot.xmin, held.advance());
            // The leader never said that it needs anything as old as this.
            assert!(!array.install_restored_xmin(worker, leader, held));
            assert!(!array.xmin(worker).is_valid());

            let before = array.lock_counts();
            assert!(array.install_restored_xmin(worker, leader, snapshot.xmin));
            let taken = (array.lock_counts() - before).proc_array;
            assert_eq!(array.xmin(worker), snapshot.xmin);
            array.check_invariants().unwrap();

            array.snapshot_reset_xmin(worker);
            array.snapshot_reset_xmin(leader);
            assert!(!array.install_restored_xmin(worker, leader, snapshot.xmin));
            assert!(!array.xmin(worker).is_valid(), "the leader has gone on");
            (taken.exclusive, taken.shared)
        }
    }

    #[test]
    fn a_worker_takes_over_what_its_leader_advertises() {
        let taken = |profile| LockKind::default().visit(Worker(profile));
        assert_eq!(taken(PgProfile::V13), (0, 1));
        assert_eq!(taken(PgProfile::V15), (1, 0));
        assert_eq!(taken(PgProfile::V18), (1, 0));
    }
}
