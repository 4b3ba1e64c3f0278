//! Threads that join, leave, commit and take snapshots at once, on every lock; and
//! what does and does not invalidate a cached snapshot.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::thread;

use super::locks::{LockKind, LockVisitor, SharedExclusiveLock};
use super::{
    Ablations, PgProfile, ProcArray, ProcArrayConfig, SnapshotSource, TransactionEnd, TransactionId,
};

const COMMITTERS: usize = 2;
const READERS: usize = 2;
const SLOTS: u32 = 28;

/// What a committer lets others know: an xid while it surely runs, and the last one that surely ended.
#[derive(Default)]
struct Published {
    running: AtomicU32,
    ended: AtomicU32,
}

struct Stress {
    lock_free_reuse: bool,
    profile: PgProfile,
    ablations: Ablations,
    /// Connects and commits of each writer.
    each: u64,
}
impl LockVisitor for Stress {
    type Output = ();

    fn visit<L: SharedExclusiveLock>(self) {
        let each = self.each;
        let array = &ProcArray::<L>::new(ProcArrayConfig {
            max_backends: SLOTS,
            lock_free_reuse: self.lock_free_reuse,
            profile: self.profile,
            ablations: self.ablations,
            ..ProcArrayConfig::default()
        })
        .unwrap();
        let standing = array.open_standing(20, 8, Default::default()).unwrap();
        let at_start = array.lock_counts();
        let published: [Published; COMMITTERS] = Default::default();
        let (published, writing) = (&published, &AtomicBool::new(true));
        let (snapshots_taken, without_lock) = (&AtomicU64::new(0), &AtomicU64::new(0));
        let lock_free_reuse = self.lock_free_reuse;
        let cleared_by_others = &AtomicU64::new(0);

        thread::scope(|scope| {
            let churner = || {
                for _ in 0..each {
                    let slot = array.init_process().unwrap();
                    array.add(slot);
                    array.end_transaction(slot);
                    array.remove(slot, None);
                    array.proc_kill(slot);
                }
            };
            let mut writers = vec![scope.spawn(churner), scope.spawn(churner)];
            for (slot, published) in standing.iter().zip(published) {
                writers.push(scope.spawn(|| {
                    for i in 0..each {
                        let xid = array.get_new_transaction_id(*slot);
                        if i % 3 == 0 {
                            array.get_new_subtransaction_id(*slot);
                        }
                        published.running.store(xid.0, SeqCst);
                        thread::yield_now();
                        published.running.store(0, SeqCst);
                        let end = array.end_transaction(*slot);
                        assert_eq!(end.xid(), Some(xid));
                        let by_another = matches!(end, TransactionEnd::GroupFollower(_));
                        cleared_by_others.fetch_add(u64::from(by_another), SeqCst);
                        published.ended.store(xid.0, SeqCst);
                    }
                }));
            }
            for slot in &standing[COMMITTERS..COMMITTERS + READERS] {
                scope.spawn(|| {
                    let mut snapshot = array.new_snapshot();
                    let mut last_xmax = 0;
                    let (mut taken, mut reused_without_lock) = (0, 0);
                    while writing.load(SeqCst) || taken < 100 {
                        let running = published.each_ref().map(|p| p.running.load(SeqCst));
                        let ended = published.each_ref().map(|p| p.ended.load(SeqCst));
                        let source = array.get_snapshot_data(*slot, &mut snapshot);
                        taken += 1;
                        match source {
                            SnapshotSource::ReusedWithoutLock => reused_without_lock += 1,
                            SnapshotSource::Reused => assert!(!lock_free_reuse),
                            SnapshotSource::Scanned => {}
                        }
                        assert!(snapshot.xmax.0 >= last_xmax, "xmax goes back");
                        last_xmax = snapshot.xmax.0;
                        let seen: HashSet<_> = snapshot.xip().iter().copied().collect();
                        assert_eq!(seen.len(), snapshot.xip().len(), "an xid runs twice");
                        for xid in snapshot.xip() {
                            assert!(xid.0 >= snapshot.xmin.0 && xid.0 < snapshot.xmax.0);
                        }
                        for xid in &snapshot.subxids.xip {
                            assert!(xid.is_valid(), "a subxid counted before it was stored");
                        }
                        // Ended before the snapshot: it must count as ended.
                        for xid in ended {
                            assert!(xid < snapshot.xmax.0 && !seen.contains(&TransactionId(xid)));
                        }
                        // Running before and after the snapshot: it must count as running.
                        let still = published.each_ref().map(|p| p.running.load(SeqCst));
                        for (xid, still) in running.into_iter().zip(still) {
                            if xid != 0 && xid == still {
                                assert!(
                                    xid >= snapshot.xmax.0 || seen.contains(&TransactionId(xid))
                                );
                            }
                        }
                        array.snapshot_reset_xmin(*slot);
                        if taken % 64 == 0 {
                            array.check_invariants().unwrap();
                        }
                        // Else writers wait for a CPU while thousands of snapshots see the same.
                        thread::yield_now();
                    }
                    snapshots_taken.fetch_add(taken, SeqCst);
                    without_lock.fetch_add(reused_without_lock, SeqCst);
                });
            }
            let ended: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
            writing.store(false, SeqCst);
            assert!(ended.iter().all(Result::is_ok));
        });

        array.check_invariants().unwrap();
        assert_eq!(array.num_procs(), standing.len());
        assert_eq!(array.free_procs.len(), SLOTS as usize - standing.len());
        let counts = array.lock_counts() - at_start;
        let (connects, commits) = (2 * each, COMMITTERS as u64 * each);
        assert_eq!(
            counts.proc_array.exclusive,
            2 * connects + commits - cleared_by_others.load(SeqCst)
        );
        let without_lock = without_lock.load(SeqCst);
        let subtransactions = COMMITTERS as u64 * each.div_ceil(3);
        let xids = commits + subtransactions;
        let dense = self.profile.version().dense_arrays;
        let (nested, shared_per_xid) = match (dense, self.ablations.xid_gen_lock) {
            (true, true) => (2 * connects, 0),
            (true, false) => (0, 1),
            (false, _) => (0, 0),
        };
        assert_eq!(
            counts.proc_array.shared,
            snapshots_taken.load(SeqCst) - without_lock + shared_per_xid * xids
        );
        assert!(lock_free_reuse || without_lock == 0);
        assert_eq!(counts.xid_gen.exclusive, nested + xids);
        assert_eq!(array.xact_completion_count(), 1 + commits);
    }
}

#[test]
fn snapshots_are_consistent_and_counts_conserved_under_churn() {
    for kind in LockKind::ALL {
        for lock_free_reuse in [false, true] {
            kind.visit(Stress {
                lock_free_reuse,
                profile: PgProfile::default(),
                ablations: Ablations::default(),
                each: 1500,
            });
        }
    }
}

#[test]
fn they_are_on_every_version_and_without_each_mechanism() {
    for &profile in PgProfile::ALL {
        for without in [
            "",
            "reuse",
            "renumbering",
            "xidgenlock",
            "renumbering,xidgenlock",
        ] {
            // Both together only where the array has something to hold.
            let places = if profile.version().dense_arrays {
                &[false, true][..]
            } else {
                &[false]
            };
            for &own_pgxactoff_array in places {
                let ablations = match without {
                    "" => Ablations::default(),
                    names => Ablations::without(names).unwrap(),
                };
                profile.version().lock.visit(Stress {
                    lock_free_reuse: false,
                    profile,
                    ablations: Ablations {
                        own_pgxactoff_array,
                        ..ablations
                    },
                    each: 200,
                });
            }
        }
    }
}

struct Invalidation {
    lock_free_reuse: bool,
    profile: PgProfile,
}
impl LockVisitor for Invalidation {
    type Output = ();

    fn visit<L: SharedExclusiveLock>(self) {
        let array = ProcArray::<L>::new(ProcArrayConfig {
            lock_free_reuse: self.lock_free_reuse,
            profile: self.profile,
            ..ProcArrayConfig::default()
        })
        .unwrap();
        let standing = array.open_standing(10, 1, Default::default()).unwrap();
        let mut caches: Vec<_> = standing.iter().map(|_| array.new_snapshot()).collect();
        let mut sources = || -> HashSet<SnapshotSource> {
            let each = standing.iter().zip(&mut caches);
            each.map(|(slot, cache)| array.get_snapshot_data(*slot, cache))
                .collect()
        };
        let scanned = HashSet::from([SnapshotSource::Scanned]);
        let reused = HashSet::from([if self.lock_free_reuse {
            SnapshotSource::ReusedWithoutLock
        } else {
            SnapshotSource::Reused
        }]);
        assert_eq!(sources(), scanned);
        assert_eq!(sources(), reused);

        for _ in 0..20 {
            let newcomer = array.init_process().unwrap();
            array.add(newcomer);
            assert_eq!(sources(), reused, "a connect invalidates nothing");
            array.remove(newcomer, None);
            array.proc_kill(newcomer);
            assert_eq!(sources(), reused, "nor does a disconnect");
        }
        let newcomer = array.init_process().unwrap();
        array.add(newcomer);
        assert_eq!(sources(), reused, "a connect invalidates nothing");
        array.end_transaction(newcomer);
        assert_eq!(
            sources(),
            reused,
            "the end of a transaction without xid invalidates nothing"
        );
        array.get_new_transaction_id(newcomer);
        assert_eq!(sources(), reused, "getting an xid invalidates nothing");
        array.end_transaction(newcomer);
        assert_eq!(sources(), scanned, "one completed xid invalidates all");
        array.remove(newcomer, None);
        array.proc_kill(newcomer);
        assert_eq!(sources(), reused, "a disconnect invalidates nothing");
    }
}

#[test]
fn only_a_completing_xid_invalidates_cached_snapshots() {
    let dense = PgProfile::ALL
        .iter()
        .copied()
        .filter(|p| p.version().dense_arrays);
    for (profile, lock_free_reuse) in dense.flat_map(|p| [(p, false), (p, true)]) {
        for kind in LockKind::ALL {
            kind.visit(Invalidation {
                lock_free_reuse,
                profile,
            });
        }
    }
}

struct LocksPerOperation(PgProfile, Ablations);
impl LockVisitor for LocksPerOperation {
    type Output = ();

    /// (ProcArrayLock exclusive, shared, XidGenLock exclusive) of each operation.
    fn visit<L: SharedExclusiveLock>(self) {
        let array = ProcArray::<L>::new(ProcArrayConfig {
            profile: self.0,
            ablations: self.1,
            ..ProcArrayConfig::default()
        })
        .unwrap();
        let dense = self.0.version().dense_arrays;
        let nested = u64::from(dense && self.1.xid_gen_lock);
        let shared_for_xid = u64::from(dense && !self.1.xid_gen_lock);
        let taken_by = |operation: &mut dyn FnMut()| {
            let before = array.lock_counts();
            operation();
            let counts = array.lock_counts() - before;
            (
                counts.proc_array.exclusive,
                counts.proc_array.shared,
                counts.xid_gen.exclusive,
            )
        };
        let slot = array.init_process().unwrap();
        let mut cache = array.new_snapshot();
        let mut snapshot = || {
            array.get_snapshot_data(slot, &mut cache);
        };
        assert_eq!(taken_by(&mut || array.add(slot)), (1, 0, nested));
        assert_eq!(taken_by(&mut snapshot), (0, 1, 0));
        assert_eq!(
            taken_by(&mut snapshot),
            (0, 1, 0),
            "a reused snapshot takes the lock too"
        );
        let mut end = || {
            array.end_transaction(slot);
        };
        assert_eq!(taken_by(&mut end), (0, 0, 0), "no xid, no lock");
        let mut get_xid = || {
            array.get_new_transaction_id(slot);
        };
        assert_eq!(taken_by(&mut get_xid), (0, shared_for_xid, 1));
        assert_eq!(taken_by(&mut get_xid), (0, 0, 0), "it has one already");
        assert_eq!(taken_by(&mut end), (1, 0, 0));
        let mut vacuum = || {
            array.set_in_vacuum(slot);
            array.end_transaction(slot);
        };
        // 13 clears the flag without the lock.
        assert_eq!(taken_by(&mut vacuum), (1 + u64::from(dense), 0, 0));
        assert_eq!(taken_by(&mut || array.remove(slot, None)), (1, 0, nested));
        assert_eq!(taken_by(&mut || array.proc_kill(slot)), (0, 0, 0));
    }
}

#[test]
fn each_operation_takes_the_locks_that_postgres_takes() {
    let without_xid_gen_lock = Ablations::without("xidgenlock").unwrap();
    for &profile in PgProfile::ALL {
        for ablations in [Ablations::default(), without_xid_gen_lock] {
            profile
                .version()
                .lock
                .visit(LocksPerOperation(profile, ablations));
        }
    }
}
