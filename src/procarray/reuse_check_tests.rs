//! Reusing a snapshot without ProcArrayLock: proposed on pgsql-hackers, in no release.

use super::dense::SharedWord;
use super::locks::{LockKind, LockVisitor, SharedExclusiveLock};
use super::reuse_protocol::advertise_if_still_valid;
use super::xid::FullTransactionId;
use super::{ProcArray, ProcArrayConfig, ProcNumber, Snapshot, SnapshotSource, TransactionId};
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
    array.get_new_transaction_id(slot);
    array.end_transaction(slot);
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
            let source = array.get_snapshot_data(slots[0], &mut cache);
            assert_eq!(array.xmin(slots[0]), cache.xmin);
            let again = array.get_snapshot_data(slots[0], &mut cache);
            assert_eq!(again, SnapshotSource::ReusedWithoutLock);
            array.snapshot_reset_xmin(slots[0]);
            (source, (array.lock_counts().proc_array - before).shared)
        };
        assert_eq!(statement(), (SnapshotSource::Scanned, 1));
        for _ in 0..20 {
            let newcomer = array.init_process().unwrap();
            array.add(newcomer);
            assert_eq!(statement(), (SnapshotSource::ReusedWithoutLock, 0));
            array.end_transaction(newcomer);
            array.remove(newcomer, None);
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

/// `between` runs after the first look at the counter: what another backend may do there.
fn reuse<L: SharedExclusiveLock>(
    array: &ProcArray<L>,
    slot: ProcNumber,
    snapshot: &Snapshot,
    between: impl FnOnce(),
) -> bool {
    let counter = &array.home().transam_variables().xact_completion_count;
    let my_xmin = array.proc(slot).xmin();
    let built_at = snapshot.completion_count;
    advertise_if_still_valid(counter, built_at, my_xmin, snapshot.xmin, between)
}

struct CompletesBetween;
impl LockVisitor for CompletesBetween {
    type Output = ();
    fn visit<L: SharedExclusiveLock>(self) {
        let array = array::<L>();
        let slots = array.open_standing(3, 1, Default::default()).unwrap();
        let mut cache = array.new_snapshot();
        array.get_snapshot_data(slots[0], &mut cache);
        let reuse = |cache: &_, between: &dyn Fn()| reuse(&array, slots[0], cache, between);
        let completes = || commit(&array, slots[1]);

        // With an xmin from before: it stands, and the snapshot was valid when looked at.
        let before = array.xmin(slots[0]);
        assert!(reuse(&cache, &completes));
        assert_eq!(array.xmin(slots[0]), before);

        array.snapshot_reset_xmin(slots[0]);
        array.get_snapshot_data(slots[0], &mut cache);
        array.snapshot_reset_xmin(slots[0]);
        assert!(!reuse(&cache, &completes));
        assert_eq!(array.xmin(slots[0]), TransactionId::INVALID);
        assert!(!reuse(&array.new_snapshot(), &|| {}));
    }
}

#[test]
fn a_completion_between_the_two_looks_takes_the_xmin_back() {
    LockKind::default().visit(CompletesBetween);
}

/// `ComputeXidHorizons`, as far as the model has what it reads.
fn horizon<L: SharedExclusiveLock>(array: &ProcArray<L>) -> TransactionId {
    let _guard = array.proc_array_lock.acquire_shared();
    let variables = array.home().transam_variables();
    let latest = variables
        .latest_completed_xid
        .load(std::sync::atomic::Ordering::Relaxed);
    let mut horizon = FullTransactionId(latest).xid().advance();
    for (index, slot) in array.home().pgprocnos()[..array.num_procs()]
        .iter()
        .enumerate()
    {
        let xmin = TransactionId(array.home().proc(slot.get()).xmin().get());
        for xid in [TransactionId(array.home().xids[index].get()), xmin] {
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
                array.get_snapshot_data(slots[1], &mut cache);
                array.snapshot_reset_xmin(slots[1]);
                let mut take = || {
                    let source = array.get_snapshot_data(slots[1], &mut cache);
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
