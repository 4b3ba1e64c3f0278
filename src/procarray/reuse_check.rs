//! Reusing a snapshot without ProcArrayLock: proposed on pgsql-hackers, in no release.

use super::array::ProcArray;
use super::locks::SharedExclusiveLock;
use super::pgproc::PgProc;
use super::reuse_protocol::advertise_if_still_valid;
use super::snapshot::Snapshot;

impl<L: SharedExclusiveLock> ProcArray<L> {
    /// Whether `snapshot` is valid as it is; then the backend advertises an xmin, as
    /// after `GetSnapshotDataReuse`. Takes no lock and writes the own PGPROC only.
    #[inline]
    pub(super) fn reuse_without_lock(&self, my_proc: PgProc<'_>, snapshot: &Snapshot) -> bool {
        self.advertise_between_checks(my_proc, snapshot, || {})
    }

    /// `between` runs after the first look at the counter: what another backend may do there.
    #[inline]
    fn advertise_between_checks(
        &self,
        my_proc: PgProc<'_>,
        snapshot: &Snapshot,
        between: impl FnOnce(),
    ) -> bool {
        let xact_completion_count = &self.transam_variables().xact_completion_count;
        advertise_if_still_valid(
            xact_completion_count,
            snapshot.completion_count,
            my_proc.xmin(),
            snapshot.xmin,
            between,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procarray::dense::SharedWord;
    use crate::procarray::locks::{LockKind, LockVisitor};
    use crate::procarray::{
        FullTransactionId, NoProbe, ProcArrayConfig, ProcNumber, SnapshotSource, TransactionId,
    };
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    use std::thread;

    fn array<L: SharedExclusiveLock>() -> ProcArray<L> {
        ProcArray::new(ProcArrayConfig {
            lock_free_reuse: true,
            ..ProcArrayConfig::default()
        })
        .unwrap()
    }

    fn commit<L: SharedExclusiveLock>(array: &ProcArray<L>, slot: ProcNumber) {
        array.get_new_transaction_id(slot, &mut NoProbe);
        array.end_transaction(slot, &mut NoProbe);
    }

    struct ChurnAndCommit;
    impl LockVisitor for ChurnAndCommit {
        type Output = ();
        fn visit<L: SharedExclusiveLock>(self) {
            let array = array::<L>();
            let slots = array.open_standing(10, 2, Default::default()).unwrap();
            let mut cache = array.new_snapshot();
            let mut statement = || {
                let before = array.lock_counts().proc_array;
                let source = array.get_snapshot_data(slots[0], &mut cache, &mut NoProbe);
                assert_eq!(array.xmin(slots[0]), cache.xmin);
                let again = array.get_snapshot_data(slots[0], &mut cache, &mut NoProbe);
                assert_eq!(again, SnapshotSource::ReusedWithoutLock);
                array.snapshot_reset_xmin(slots[0]);
                (source, (array.lock_counts().proc_array - before).shared)
            };
            assert_eq!(statement(), (SnapshotSource::Scanned, 1));
            for _ in 0..20 {
                let newcomer = array.init_process().unwrap();
                array.add(newcomer, &mut NoProbe);
                assert_eq!(statement(), (SnapshotSource::ReusedWithoutLock, 0));
                array.end_transaction(newcomer, &mut NoProbe);
                array.remove(newcomer, None, &mut NoProbe);
                array.proc_kill(newcomer);
                assert_eq!(statement(), (SnapshotSource::ReusedWithoutLock, 0));
            }
            commit(&array, slots[1]);
            assert_eq!(statement(), (SnapshotSource::Scanned, 1));
            assert_eq!(statement(), (SnapshotSource::ReusedWithoutLock, 0));
        }
    }

    #[test]
    fn churn_costs_no_shared_acquisition_and_a_completion_one() {
        for kind in LockKind::ALL {
            kind.visit(ChurnAndCommit);
        }
    }

    struct CompletesBetween;
    impl LockVisitor for CompletesBetween {
        type Output = ();
        fn visit<L: SharedExclusiveLock>(self) {
            let array = array::<L>();
            let slots = array.open_standing(3, 1, Default::default()).unwrap();
            let mut cache = array.new_snapshot();
            array.get_snapshot_data(slots[0], &mut cache, &mut NoProbe);
            let proc = array.proc(slots[0]);

            // With an xmin from before: it stands, and the snapshot was valid when looked at.
            let before = array.xmin(slots[0]);
            assert!(array.advertise_between_checks(proc, &cache, || commit(&array, slots[1])));
            assert_eq!(array.xmin(slots[0]), before);

            array.snapshot_reset_xmin(slots[0]);
            array.get_snapshot_data(slots[0], &mut cache, &mut NoProbe);
            array.snapshot_reset_xmin(slots[0]);
            assert!(!array.advertise_between_checks(proc, &cache, || commit(&array, slots[1])));
            assert_eq!(array.xmin(slots[0]), TransactionId::INVALID);
            assert!(!array.reuse_without_lock(proc, &array.new_snapshot()));
        }
    }

    #[test]
    fn a_completion_between_the_two_looks_takes_the_xmin_back() {
        LockKind::default().visit(CompletesBetween);
    }

    /// `ComputeXidHorizons`, as far as the model has what it reads.
    fn horizon<L: SharedExclusiveLock>(array: &ProcArray<L>) -> TransactionId {
        let _guard = array.proc_array_lock.acquire_shared();
        let variables = array.transam_variables();
        let latest = variables
            .latest_completed_xid
            .load(std::sync::atomic::Ordering::Relaxed);
        let mut horizon = FullTransactionId(latest).xid().advance();
        for (index, slot) in array.pgprocnos()[..array.num_procs()].iter().enumerate() {
            let xmin = TransactionId(array.home().proc(slot.get()).xmin().get());
            for xid in [TransactionId(array.home().xids()[index].get()), xmin] {
                if xid.is_valid() && xid.precedes(horizon) {
                    horizon = xid;
                }
            }
        }
        horizon
    }

    /// Rounds of a snapshot against a commit with a horizon scan after it: in even ones the
    /// snapshot is there first, in odd ones they race.
    struct Horizons;
    impl LockVisitor for Horizons {
        type Output = ();
        fn visit<L: SharedExclusiveLock>(self) {
            const ROUNDS: u32 = 1_000;
            let array = &array::<L>();
            let slots = array.open_standing(4, 1, Default::default()).unwrap();
            let (seen, meet) = (&AtomicU32::new(0), &Barrier::new(2));
            thread::scope(|scope| {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        meet.wait();
                        commit(array, slots[0]);
                        seen.store(horizon(array).0, SeqCst);
                        meet.wait();
                    }
                });
                let mut cache = array.new_snapshot();
                let (mut reused, mut passed) = (0, 0);
                for round in 0..ROUNDS {
                    array.get_snapshot_data(slots[1], &mut cache, &mut NoProbe);
                    array.snapshot_reset_xmin(slots[1]);
                    let mut take = || {
                        let source = array.get_snapshot_data(slots[1], &mut cache, &mut NoProbe);
                        reused += u32::from(source == SnapshotSource::ReusedWithoutLock);
                    };
                    if round % 2 == 0 {
                        take();
                        meet.wait();
                    } else {
                        meet.wait();
                        take();
                    }
                    meet.wait();
                    // Counted, as a panic here would leave the other thread alone.
                    passed += u32::from(seen.load(SeqCst) > cache.xmin.0);
                    array.snapshot_reset_xmin(slots[1]);
                }
                assert!(reused >= ROUNDS / 2);
                assert_eq!(passed, 0, "horizons have passed an advertised xmin");
            });
        }
    }

    #[test]
    fn no_horizon_passes_an_advertised_xmin() {
        for kind in LockKind::ALL {
            kind.visit(Horizons);
        }
    }
}
