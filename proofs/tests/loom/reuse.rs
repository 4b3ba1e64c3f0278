//! The lock-free reuse check: no horizon passes an xmin that is advertised and was kept.
//!
//! The words of a ProcArray with one committer and one reader, under a mutex for ProcArrayLock
//! (loom's orders nothing but what was done under it). What the check does is the model's own
//! source; the scans around it are written out here.

use loom::sync::atomic::Ordering::Relaxed;
use loom::sync::atomic::{AtomicU32, AtomicU64};
use loom::sync::{Arc, Mutex};
use loom::thread;

use crate::programs::{Program, explore_each};

/// One copy of the check.
pub trait ReuseCheck: 'static {
    /// The reader's side: whether the snapshot stands, with its xmin advertised.
    fn advertise(
        xact_completion_count: &AtomicU64,
        completion_count: u64,
        my_xmin: &AtomicU32,
        xmin: u32,
    ) -> bool;
    /// The committer's side.
    fn count_completion(xact_completion_count: &AtomicU64);
}

/// Makes a [`ReuseCheck`] `$name` of one copy of the sources.
macro_rules! reuse_check {
    ($name:ident = $copy:ident) => {
        struct $name;

        impl crate::reuse::ReuseCheck for $name {
            fn advertise(
                xact_completion_count: &loom::sync::atomic::AtomicU64,
                completion_count: u64,
                my_xmin: &loom::sync::atomic::AtomicU32,
                xmin: u32,
            ) -> bool {
                crate::copies::$copy::reuse_protocol::advertise_if_still_valid(
                    xact_completion_count,
                    completion_count,
                    my_xmin,
                    crate::copies::$copy::xid::TransactionId(xmin),
                    || {},
                )
            }
            fn count_completion(xact_completion_count: &loom::sync::atomic::AtomicU64) {
                crate::copies::$copy::reuse_protocol::count_completion(xact_completion_count, true);
            }
        }
    };
}
pub(crate) use reuse_check;

/// The first xid that runs; all before it are completed.
const FIRST: u32 = 10;
const INVALID: u32 = 0;

/// Completed since the counter was 1, xmin: what the reader's cached snapshot says.
#[derive(Clone, Copy)]
struct Snapshot {
    completion_count: u64,
    xmin: u32,
}

struct Array {
    proc_array_lock: Mutex<()>,
    latest_completed_xid: AtomicU32,
    xact_completion_count: AtomicU64,
    /// Of the committer, in the dense array.
    xid: AtomicU32,
    /// Of the reader.
    xmin: AtomicU32,
}

impl Array {
    /// The transaction `FIRST` runs, and the reader's snapshot of before has no xmin advertised.
    fn new() -> (Arc<Self>, Snapshot) {
        Self::with_xmin(INVALID)
    }

    /// The same with this xmin advertised, for another snapshot of the reader's.
    fn with_xmin(xmin: u32) -> (Arc<Self>, Snapshot) {
        let array = Self {
            proc_array_lock: Mutex::new(()),
            latest_completed_xid: AtomicU32::new(FIRST - 1),
            xact_completion_count: AtomicU64::new(1),
            xid: AtomicU32::new(FIRST),
            xmin: AtomicU32::new(xmin),
        };
        let snapshot = Snapshot {
            completion_count: 1,
            xmin: FIRST,
        };
        (Arc::new(array), snapshot)
    }

    /// `ProcArrayEndTransaction`.
    fn commit<C: ReuseCheck>(&self) {
        let _guard = self.proc_array_lock.lock().unwrap();
        let xid = self.xid.load(Relaxed);
        self.xid.store(INVALID, Relaxed);
        self.latest_completed_xid.store(xid, Relaxed);
        C::count_completion(&self.xact_completion_count);
    }

    /// `GetNewTransactionId`, by the committer: not under ProcArrayLock.
    fn begin(&self, xid: u32) {
        self.xid.store(xid, Relaxed);
    }

    /// The oldest of what completes next and what runs. Under the lock.
    fn oldest_running(&self) -> u32 {
        let next = self.latest_completed_xid.load(Relaxed) + 1;
        match self.xid.load(Relaxed) {
            INVALID => next,
            xid => xid.min(next),
        }
    }

    /// `ComputeXidHorizons`.
    fn horizon(&self) -> u32 {
        let _guard = self.proc_array_lock.lock().unwrap();
        let oldest = self.oldest_running();
        match self.xmin.load(Relaxed) {
            INVALID => oldest,
            xmin => xmin.min(oldest),
        }
    }

    /// `GetSnapshotData`; the xmin then advertised, and whether it was done without the lock.
    fn get_snapshot_data<C: ReuseCheck>(&self, cached: Snapshot) -> (u32, bool) {
        let Snapshot {
            completion_count,
            xmin,
        } = cached;
        let count = &self.xact_completion_count;
        if C::advertise(count, completion_count, &self.xmin, xmin) {
            return (xmin, true);
        }
        let _guard = self.proc_array_lock.lock().unwrap();
        let xmin = self.oldest_running();
        if self.xmin.load(Relaxed) == INVALID {
            self.xmin.store(xmin, Relaxed);
        }
        (xmin, false)
    }
}

/// One completion, then a horizon, while the reader takes its snapshot.
fn completion_then_horizon<C: ReuseCheck>() {
    let (array, cached) = Array::new();
    let committer = {
        let array = Arc::clone(&array);
        thread::spawn(move || {
            array.commit::<C>();
            array.horizon()
        })
    };
    let (xmin, _) = array.get_snapshot_data::<C>(cached);
    let horizon = committer.join().unwrap();
    assert!(horizon <= xmin, "a horizon passes an advertised xmin");
    assert_eq!(array.xmin.load(Relaxed), xmin);
}

/// Completion and horizon by two backends, in any order.
fn completion_and_horizon<C: ReuseCheck>() {
    let (array, cached) = Array::new();
    let committer = {
        let array = Arc::clone(&array);
        thread::spawn(move || array.commit::<C>())
    };
    let vacuum = {
        let array = Arc::clone(&array);
        thread::spawn(move || array.horizon())
    };
    let (xmin, _) = array.get_snapshot_data::<C>(cached);
    committer.join().unwrap();
    let horizon = vacuum.join().unwrap();
    assert!(horizon <= xmin, "a horizon passes an advertised xmin");
    assert!(array.horizon() <= xmin, "a later horizon passes it");
}

/// Two completions: an xmin that was built after the first is against the second.
fn two_completions<C: ReuseCheck>() {
    let (array, cached) = Array::new();
    let committer = {
        let array = Arc::clone(&array);
        thread::spawn(move || {
            array.commit::<C>();
            array.begin(FIRST + 1);
            array.commit::<C>();
            array.horizon()
        })
    };
    let (xmin, _) = array.get_snapshot_data::<C>(cached);
    let horizon = committer.join().unwrap();
    assert!(horizon <= xmin, "a horizon passes an advertised xmin");
}

/// An xmin that is still wanted by an older snapshot stays, whatever becomes of the new one.
fn xmin_from_before<C: ReuseCheck>() {
    const BEFORE: u32 = FIRST - 1;
    let (array, cached) = Array::with_xmin(BEFORE);
    let committer = {
        let array = Arc::clone(&array);
        thread::spawn(move || {
            array.commit::<C>();
            array.horizon()
        })
    };
    array.get_snapshot_data::<C>(cached);
    let horizon = committer.join().unwrap();
    assert!(horizon <= BEFORE, "a horizon passes an older xmin");
    assert_eq!(array.xmin.load(Relaxed), BEFORE);
}

/// Without a completion nobody needs the lock, whatever the horizon scan sees.
fn kept_without_a_completion<C: ReuseCheck>() {
    let (array, cached) = Array::new();
    let vacuum = {
        let array = Arc::clone(&array);
        thread::spawn(move || array.horizon())
    };
    let snapshot = array.get_snapshot_data::<C>(cached);
    assert_eq!(snapshot, (FIRST, true), "a valid snapshot is not reused");
    assert_eq!(vacuum.join().unwrap(), FIRST);
}

/// All orders of each program, without a bound.
pub fn explore<C: ReuseCheck>() {
    let programs: [Program; 5] = [
        ("no completion", None, kept_without_a_completion::<C>),
        (
            "completion, then horizon",
            None,
            completion_then_horizon::<C>,
        ),
        ("completion and horizon", None, completion_and_horizon::<C>),
        ("two completions", None, two_completions::<C>),
        ("xmin from before", None, xmin_from_before::<C>),
    ];
    explore_each(&programs);
}
