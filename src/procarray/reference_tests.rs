//! Random histories against a naive model that knows only what snapshots mean.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::locks::{LockKind, LockVisitor, SharedExclusiveLock};
use super::xid::FullTransactionId;
use super::{
    Ablations, PgProfile, ProcArray, ProcArrayConfig, ProcNumber, Snapshot, SnapshotSource,
    TransactionId,
};

const MAX_BACKENDS: u32 = 12;

#[derive(Debug, Clone, Copy)]
enum Step {
    Connect,
    Disconnect(usize),
    AssignXid(usize),
    AssignSubxids(usize, usize),
    End(usize),
    EndAndDisconnectAtOnce(usize),
    Vacuum(usize),
    AbortSubtransaction(usize, usize),
    Horizons,
    Snapshot(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..MAX_BACKENDS as usize;
    prop_oneof![
        3 => Just(Step::Connect),
        2 => who.clone().prop_map(Step::Disconnect),
        3 => who.clone().prop_map(Step::AssignXid),
        1 => (who.clone(), 1..70_usize).prop_map(|(who, n)| Step::AssignSubxids(who, n)),
        3 => who.clone().prop_map(Step::End),
        1 => who.clone().prop_map(Step::EndAndDisconnectAtOnce),
        1 => who.clone().prop_map(Step::Vacuum),
        2 => (who.clone(), 1..4_usize).prop_map(|(who, n)| Step::AbortSubtransaction(who, n)),
        2 => Just(Step::Horizons),
        6 => who.prop_map(Step::Snapshot),
    ]
}

/// PostgreSQL as it is, or without some of its mechanisms.
fn ablations() -> impl Strategy<Value = Ablations> {
    let some =
        any::<[bool; 4]>().prop_map(|[reuse, renumbering, xid_gen_lock, own_array]| Ablations {
            reuse,
            renumbering,
            xid_gen_lock,
            own_pgxactoff_array: own_array,
            ..Ablations::default()
        });
    prop_oneof![Just(Ablations::default()), some]
}

/// What a backend is doing, in 64-bit xids, so that wraparound needs no care here.
#[derive(Default)]
struct Backend {
    xid: Option<u64>,
    /// Those that were not rolled back.
    subxids: Vec<u64>,
    /// More than 64 at some time.
    overflowed: bool,
    in_vacuum: bool,
    /// The completion counter of its cached snapshot.
    cached: Option<u64>,
    xmin: Option<u64>,
}

/// The naive model: a map by slot number, no array, no cache, no lock.
struct Reference {
    backends: BTreeMap<ProcNumber, Backend>,
    next_xid: u64,
    latest_completed: u64,
    completions: u64,
    exclusive: u64,
    shared: u64,
    xid_gen: u64,
    dense: bool,
    ablations: Ablations,
}

fn normal(mut xid: u64) -> u64 {
    while xid as u32 <= 2 {
        xid += 1;
    }
    xid
}

impl Reference {
    fn take_xid(&mut self) -> u64 {
        let xid = self.next_xid;
        self.next_xid = normal(xid + 1);
        self.xid_gen += 1;
        self.shared += u64::from(self.dense && !self.ablations.xid_gen_lock);
        xid
    }

    /// Joining or leaving.
    fn take_both_locks(&mut self) {
        self.exclusive += 1;
        self.xid_gen += u64::from(self.dense && self.ablations.xid_gen_lock);
    }

    fn end(&mut self, who: ProcNumber) -> Option<u64> {
        let backend = self.backends.get_mut(&who)?;
        backend.xmin = None;
        let subxids = std::mem::take(&mut backend.subxids);
        backend.overflowed = false;
        let in_vacuum = std::mem::take(&mut backend.in_vacuum);
        let xid = backend.xid.take();
        if let Some(xid) = xid {
            let latest = subxids.last().copied().unwrap_or(xid);
            self.latest_completed = self.latest_completed.max(latest);
            self.completions += 1;
        }
        // 13 clears the flag of a VACUUM without the lock.
        self.exclusive += u64::from(xid.is_some() || (in_vacuum && self.dense));
        xid
    }

    /// The oldest xid or xmin of anybody, and of those that do not run a VACUUM.
    fn horizons(&self) -> (u64, u64) {
        let next_to_complete = normal(self.latest_completed + 1);
        let oldest = |vacuums: bool| {
            let backends = self.backends.values().filter(|b| vacuums || !b.in_vacuum);
            let held = backends.flat_map(|b| b.xid.into_iter().chain(b.xmin));
            held.chain([next_to_complete]).min()
        };
        let or_none = |oldest: Option<u64>| oldest.unwrap_or(next_to_complete);
        (or_none(oldest(true)), or_none(oldest(false)))
    }

    /// Running xids that `who` must see, by slot number; their subxids; overflow; xmin; xmax.
    fn snapshot(&self, who: ProcNumber) -> (Vec<u64>, Vec<u64>, bool, u64, u64) {
        let xmax = normal(self.latest_completed + 1);
        let others = || {
            self.backends.iter().filter(|(slot, backend)| {
                **slot != who && !backend.in_vacuum && backend.xid.is_some_and(|xid| xid < xmax)
            })
        };
        let running: Vec<u64> = others().filter_map(|(_, b)| b.xid).collect();
        let own = &self.backends[&who];
        // 13 skips itself like any other in VACUUM, later versions count their own xid always.
        let counts = self.dense || !own.in_vacuum;
        let own = own.xid.filter(|xid| *xid < xmax && counts);
        let xmin = running.iter().copied().chain(own).min().unwrap_or(xmax);
        let overflowed = others().any(|(_, b)| b.overflowed);
        let subxids = others().flat_map(|(_, b)| b.subxids.clone()).collect();
        (running, subxids, overflowed, xmin, xmax)
    }

    /// The oldest of everybody's xmin and `xmin`, none of which is after `xmax`.
    fn global_xmin(&self, xmin: u64, xmax: u64) -> TransactionId {
        let backends = self.backends.values().filter(|b| !b.in_vacuum);
        backends
            .filter_map(|b| b.xmin)
            .map(|xmin| TransactionId(xmin as u32))
            .chain([TransactionId(xmin as u32)])
            .fold(TransactionId(xmax as u32), |oldest, xmin| {
                if xmin.precedes(oldest) { xmin } else { oldest }
            })
    }
}

struct Replay {
    steps: Vec<Step>,
    first_xid: u64,
    lock_free_reuse: bool,
    profile: PgProfile,
    ablations: Ablations,
}

fn truncated(xids: Vec<u64>) -> Vec<TransactionId> {
    xids.into_iter()
        .map(|xid| TransactionId(xid as u32))
        .collect()
}

impl LockVisitor for Replay {
    type Output = Result<(), TestCaseError>;

    fn visit<L: SharedExclusiveLock>(self) -> Self::Output {
        let array = ProcArray::<L>::new(ProcArrayConfig {
            max_backends: MAX_BACKENDS,
            next_xid: FullTransactionId(self.first_xid),
            lock_free_reuse: self.lock_free_reuse,
            profile: self.profile,
            ablations: self.ablations,
            ..ProcArrayConfig::default()
        })
        .map_err(|e| TestCaseError::fail(e.to_string()))?;
        let mut snapshots: BTreeMap<ProcNumber, Snapshot> = BTreeMap::new();
        let mut reference = Reference {
            backends: BTreeMap::new(),
            next_xid: self.first_xid,
            latest_completed: self.first_xid - 1,
            completions: 1,
            exclusive: 0,
            shared: 0,
            xid_gen: 0,
            dense: self.profile.version().dense_arrays,
            ablations: self.ablations,
        };
        for step in self.steps {
            replay_step(&array, &mut reference, &mut snapshots, step)?;
            array
                .check_invariants()
                .map_err(|violation| TestCaseError::fail(format!("{step:?}: {violation}")))?;
            prop_assert_eq!(array.xact_completion_count(), reference.completions);
            prop_assert_eq!(array.num_procs(), reference.backends.len());
            for (slot, backend) in &reference.backends {
                prop_assert_eq!(array.xmin(*slot).0, backend.xmin.map_or(0, |x| x as u32));
            }
        }
        let counts = array.lock_counts();
        prop_assert_eq!(counts.proc_array.exclusive, reference.exclusive);
        prop_assert_eq!(counts.proc_array.shared, reference.shared);
        prop_assert_eq!(counts.xid_gen.exclusive, reference.xid_gen);
        prop_assert_eq!(counts.xid_gen.shared, 0);
        Ok(())
    }
}

fn replay_step<L: SharedExclusiveLock>(
    array: &ProcArray<L>,
    reference: &mut Reference,
    snapshots: &mut BTreeMap<ProcNumber, Snapshot>,
    step: Step,
) -> Result<(), TestCaseError> {
    let nth = |reference: &Reference, n: usize| {
        let connected: Vec<_> = reference.backends.keys().copied().collect();
        (!connected.is_empty()).then(|| connected[n % connected.len()])
    };
    match step {
        Step::Connect => {
            let slot = array.init_process();
            let full = reference.backends.len() == MAX_BACKENDS as usize;
            prop_assert_eq!(slot.is_none(), full);
            if let Some(slot) = slot {
                array.add(slot);
                reference.backends.insert(slot, Backend::default());
                reference.take_both_locks();
                snapshots.insert(slot, array.new_snapshot());
            }
        }
        Step::Disconnect(n) | Step::EndAndDisconnectAtOnce(n) => {
            let Some(slot) = nth(reference, n) else {
                return Ok(());
            };
            let backend = &reference.backends[&slot];
            let latest = backend.subxids.last().copied().or(backend.xid);
            if matches!(step, Step::EndAndDisconnectAtOnce(_)) && latest.is_some() {
                // As COMMIT PREPARED: leaving completes the transaction, in one acquisition.
                let latest_xid = latest.map(|xid| TransactionId(xid as u32));
                array.remove(slot, latest_xid);
                reference.end(slot);
                reference.exclusive -= 1;
            } else {
                let ended = array.end_transaction(slot);
                prop_assert_eq!(
                    ended.xid().map(|x| x.0),
                    reference.end(slot).map(|x| x as u32)
                );
                array.remove(slot, None);
            }
            reference.take_both_locks();
            array.proc_kill(slot);
            reference.backends.remove(&slot);
        }
        Step::AssignXid(n) => {
            let Some(slot) = nth(reference, n) else {
                return Ok(());
            };
            let given = array.get_new_transaction_id(slot);
            assign(reference, slot);
            prop_assert_eq!(
                Some(given.0),
                reference.backends[&slot].xid.map(|x| x as u32)
            );
        }
        Step::AssignSubxids(n, count) => {
            let Some(slot) = nth(reference, n) else {
                return Ok(());
            };
            assign(reference, slot);
            for _ in 0..count {
                let given = array.get_new_subtransaction_id(slot);
                let expected = reference.take_xid();
                prop_assert_eq!(given.0, expected as u32);
                if let Some(backend) = reference.backends.get_mut(&slot) {
                    backend.overflowed |= backend.subxids.len() >= 64;
                    backend.subxids.push(expected);
                }
            }
        }
        Step::End(n) => {
            let Some(slot) = nth(reference, n) else {
                return Ok(());
            };
            let ended = array.end_transaction(slot);
            prop_assert_eq!(
                ended.xid().map(|x| x.0),
                reference.end(slot).map(|x| x as u32)
            );
        }
        Step::Vacuum(n) => {
            let Some(slot) = nth(reference, n) else {
                return Ok(());
            };
            // VACUUM begins its own transaction, before it has an xid.
            if reference.backends[&slot].xid.is_none() {
                array.set_in_vacuum(slot);
                reference.exclusive += 1;
                if let Some(backend) = reference.backends.get_mut(&slot) {
                    backend.in_vacuum = true;
                }
            }
        }
        Step::AbortSubtransaction(n, count) => {
            let Some(slot) = nth(reference, n) else {
                return Ok(());
            };
            // The last few: a savepoint and what was begun inside it.
            let running = reference.backends[&slot].subxids.len();
            let Some(backend) = reference.backends.get_mut(&slot).filter(|_| running > 0) else {
                return Ok(());
            };
            let aborted = backend.subxids.split_off(running - count.min(running));
            array.abort_subtransaction(slot, &truncated(aborted.clone()));
            let latest = aborted.last().copied().unwrap_or_default();
            reference.latest_completed = reference.latest_completed.max(latest);
            reference.completions += 1;
            reference.exclusive += 1;
        }
        Step::Horizons => {
            let found = array.compute_xid_horizons();
            reference.shared += 1;
            let (running, nonremovable) = reference.horizons();
            prop_assert_eq!(found.latest_completed.0, reference.latest_completed);
            prop_assert_eq!(found.oldest_considered_running.0, running as u32);
            prop_assert_eq!(found.oldest_nonremovable.0, nonremovable as u32);
        }
        Step::Snapshot(n) => {
            let Some(slot) = nth(reference, n) else {
                return Ok(());
            };
            let snapshot = snapshots
                .entry(slot)
                .or_insert_with(|| array.new_snapshot());
            let source = array.get_snapshot_data(slot, snapshot);
            reference.shared += u64::from(source != SnapshotSource::ReusedWithoutLock);
            let lock_free_reuse = array.config().lock_free_reuse;
            return compare(reference, slot, snapshot, source, lock_free_reuse);
        }
    }
    Ok(())
}

fn assign(reference: &mut Reference, slot: ProcNumber) {
    if reference.backends[&slot].xid.is_none() {
        let xid = reference.take_xid();
        if let Some(backend) = reference.backends.get_mut(&slot) {
            backend.xid = Some(xid);
        }
    }
}

fn compare(
    reference: &mut Reference,
    slot: ProcNumber,
    snapshot: &Snapshot,
    source: SnapshotSource,
    lock_free_reuse: bool,
) -> Result<(), TestCaseError> {
    let (running, subxids, overflowed, xmin, xmax) = reference.snapshot(slot);
    let completions = reference.completions;
    let reuses = reference.dense && reference.ablations.reuse;
    let global_xmin = reference.global_xmin(xmin, xmax);
    if !reference.dense {
        prop_assert_eq!(snapshot.global_xmin, global_xmin);
    }
    let Some(backend) = reference.backends.get_mut(&slot) else {
        return Err(TestCaseError::fail("no such backend"));
    };
    let valid = reuses && backend.cached == Some(completions);
    let expected = match (valid, lock_free_reuse) {
        (true, true) => SnapshotSource::ReusedWithoutLock,
        (true, false) => SnapshotSource::Reused,
        (false, _) => SnapshotSource::Scanned,
    };
    prop_assert_eq!(source, expected);
    backend.cached = Some(completions);
    backend.xmin = backend.xmin.or(Some(xmin));
    prop_assert_eq!(snapshot.xmax.0, xmax as u32);
    // Reused or scanned: the same set, since what began after it is not before its xmax.
    prop_assert_eq!(snapshot.xip(), &truncated(running));
    prop_assert_eq!(snapshot.xmin.0, xmin as u32);
    // Not so the subxids, which a scan copies whether or not they are before xmax.
    if !valid {
        prop_assert_eq!(snapshot.subxids.overflowed, overflowed);
        if !overflowed {
            prop_assert_eq!(&snapshot.subxids.xip, &truncated(subxids));
        }
    }
    Ok(())
}

proptest! {
    // More cases than usual: five versions and the ablations share them.
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_histories_agree_with_the_naive_model(
        steps in prop::collection::vec(step(), 1..120),
        // At the beginning, and close enough to 2^32 to wrap in nearly every history.
        first_xid in prop_oneof![Just(3_u64), (1_u64 << 32) - 40..(1_u64 << 32)],
        lock_free_reuse: bool,
        lock in prop::sample::select(LockKind::ALL),
        profile in prop::sample::select(PgProfile::ALL),
        ablations in ablations(),
    ) {
        let lock_free_reuse = lock_free_reuse && profile.version().dense_arrays && ablations.reuse;
        lock.visit(Replay { steps, first_xid, lock_free_reuse, profile, ablations })?;
    }
}
