//! `GetSnapshotData`.

use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::atomic::{AtomicU32, fence};

use super::array::ProcArray;
use super::dense::SharedWord;
use super::locks::SharedExclusiveLock;
use super::pgproc::status_flags::{PROC_IN_LOGICAL_DECODING, PROC_IN_VACUUM};
use super::pgproc::{PGPROC_MAX_CACHED_SUBXIDS, PgProc, ProcNumber, SubxidStatus};
use super::probe::{LockProbe, NoProbe};
use super::reuse_protocol::advertise_if_still_valid;
use super::view::View;
use super::xid::{FullTransactionId, TransactionId};

/// Which transactions count as finished (`SnapshotData`), and the cache that
/// makes the next one cheap.
///
/// PostgreSQL has one per backend and purpose (current, secondary, catalog), kept across
/// transactions; so does a caller of this. Belongs to one [`ProcArray`].
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Every transaction before this one has ended.
    pub xmin: TransactionId,
    /// No transaction from this one on has ended.
    pub xmax: TransactionId,
    /// Room for one of every backend; the first `xcnt` are valid.
    xip: Box<[TransactionId]>,
    xcnt: usize,
    /// Their subtransactions.
    pub subxids: RunningSubxids,
    /// The oldest xmin of all as 13 computes it with every snapshot (`RecentGlobalXmin`).
    /// `INVALID` from 14 on, which leave that to a scan of its own.
    pub global_xmin: TransactionId,
    /// Replication slots' xmin and catalog xmin as seen under the lock.
    slot_xmins: (TransactionId, TransactionId),
    /// `snapXactCompletionCount`: the counter when it was built, 0 for never.
    pub(super) completion_count: u64,
}

/// The subtransactions of a snapshot's running transactions.
#[derive(Debug, Clone, Default)]
pub struct RunningSubxids {
    /// Those that are cached.
    pub xip: Vec<TransactionId>,
    /// Whether some backend had more than it caches.
    pub overflowed: bool,
}

impl Snapshot {
    pub(super) fn with_capacity(max_backends: usize) -> Self {
        Self {
            xip: vec![TransactionId::INVALID; max_backends].into(),
            subxids: RunningSubxids {
                xip: Vec::with_capacity(max_backends * PGPROC_MAX_CACHED_SUBXIDS),
                overflowed: false,
            },
            ..Self::default()
        }
    }

    /// Running top-level transactions between `xmin` and `xmax`, in the order of the
    /// array (by slot number, not by xid). Without the own one.
    pub fn xip(&self) -> &[TransactionId] {
        &self.xip[..self.xcnt]
    }

    /// Makes the next [`ProcArray::get_snapshot_data`] scan the array, as for a
    /// snapshot never taken.
    pub fn invalidate(&mut self) {
        self.completion_count = 0;
    }
}

/// How [`ProcArray::get_snapshot_data`] came by a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SnapshotSource {
    /// Still valid from last time (`GetSnapshotDataReuse`); the array was not read.
    Reused,
    /// The same, found without taking ProcArrayLock
    /// ([`lock_free_reuse`](super::ProcArrayConfig::lock_free_reuse)).
    ReusedWithoutLock,
    /// Built by scanning the array.
    Scanned,
}

impl<L: SharedExclusiveLock> ProcArray<L> {
    /// Brings `snapshot` up to date for `slot` (procarray.c `GetSnapshotData`).
    ///
    /// Takes ProcArrayLock in shared mode **always**, also when the snapshot is reused
    /// because no transaction with an xid has ended since it was built. Sets the
    /// backend's xmin, under the lock, unless it has one. Up to 13 no snapshot is reused, and a
    /// scan reads the PGXACT of every backend, xmin included. With
    /// [`lock_free_reuse`](super::ProcArrayConfig::lock_free_reuse) a snapshot that is still
    /// valid is reused without the lock, and a probe hears of nothing.
    pub fn get_snapshot_data(&self, slot: ProcNumber, snapshot: &mut Snapshot) -> SnapshotSource {
        self.get_snapshot_data_through(self.home(), slot, snapshot, &mut NoProbe)
    }

    /// As [`get_snapshot_data`](Self::get_snapshot_data), by one who sees the memory through `view` and is told
    /// of the lock.
    #[inline]
    pub fn get_snapshot_data_through(
        &self,
        view: &View,
        slot: ProcNumber,
        snapshot: &mut Snapshot,
        probe: &mut impl LockProbe,
    ) -> SnapshotSource {
        let my_proc = view.proc(slot.0);
        // Proposed on pgsql-hackers, in no release.
        if self.config.lock_free_reuse {
            let counter = &self.home().transam_variables().xact_completion_count;
            let (built_at, xmin) = (snapshot.completion_count, snapshot.xmin);
            if advertise_if_still_valid(counter, built_at, my_proc.xmin(), xmin, || {}) {
                return SnapshotSource::ReusedWithoutLock;
            }
        }
        probe.requesting();
        let guard = self.proc_array_lock.acquire_shared();
        probe.acquired();

        // GetSnapshotDataReuse. The counter starts at 1, so 0 never matches.
        let completion_count = view.transam_variables().xact_completion_count.load(Relaxed);
        if self.reuses && snapshot.completion_count == completion_count {
            advertise_xmin(my_proc, snapshot.xmin);
            probe.releasing();
            drop(guard);
            return SnapshotSource::Reused;
        }

        if view.dense {
            scan(view, my_proc, snapshot);
        } else {
            scan_pgxacts(view, my_proc, snapshot);
        }
        advertise_xmin(my_proc, snapshot.xmin);
        probe.releasing();
        drop(guard);
        snapshot.completion_count = completion_count;
        SnapshotSource::Scanned
    }

    /// Takes back the xmin when a statement ends and no snapshot is left (snapmgr.c
    /// `SnapshotResetXmin`): a store to the own PGPROC, without a lock.
    #[inline]
    pub fn snapshot_reset_xmin(&self, slot: ProcNumber) {
        self.snapshot_reset_xmin_through(self.home(), slot);
    }

    /// As [`snapshot_reset_xmin`](Self::snapshot_reset_xmin), by one who sees the memory through
    /// `view`.
    #[inline]
    pub fn snapshot_reset_xmin_through(&self, view: &View, slot: ProcNumber) {
        view.proc(slot.0).xmin().set(TransactionId::INVALID.0);
    }
}

#[inline]
fn advertise_xmin(my_proc: PgProc<'_>, xmin: TransactionId) {
    if my_proc.xmin().get() == TransactionId::INVALID.0 {
        my_proc.xmin().set(xmin.0);
    }
}

/// What a scan starts from: an empty snapshot, and xmax.
#[inline]
fn begin_scan(view: &View, snapshot: &mut Snapshot) -> TransactionId {
    snapshot.subxids.xip.clear();
    snapshot.subxids.overflowed = false;
    let latest_completed = view.transam_variables().latest_completed_xid.load(Relaxed);
    FullTransactionId(latest_completed).xid().advance()
}

/// The loop of `GetSnapshotData` since 14: 4 bytes read per backend, the other
/// arrays only for those that have an xid. Under ProcArrayLock shared.
// Never inlined: amid the caller's variables the loop's own go to the stack, and a snapshot takes a quarter longer.
#[inline(never)]
fn scan(view: &View, my_proc: PgProc<'_>, snapshot: &mut Snapshot) {
    let num_procs = view.num_procs();
    let my_pgxactoff = view.offset_of(my_proc);
    let xids = &view.xids[..num_procs];
    let status_flags = &view.status_flags[..num_procs];
    let subxid_states = &view.subxid_states[..num_procs];
    debug_assert!(
        my_pgxactoff < num_procs,
        "snapshot for a backend outside the array"
    );

    let xmax = begin_scan(view, snapshot);
    let mut xmin = xmax;
    let my_xid = TransactionId(xids[my_pgxactoff].get());
    if my_xid.is_valid() && my_xid.precedes(xmin) {
        xmin = my_xid;
    }

    // As in C a plain array and a count: a `Vec`'s length would be stored and loaded each time.
    let xip = &mut snapshot.xip[..num_procs];
    let mut xcnt = 0;
    let mut at = 0;
    while let Some(xid) = next_with_xid(xids, &mut at) {
        let pgxactoff = at - 1;
        if pgxactoff == my_pgxactoff || !xid.precedes(xmax) {
            continue;
        }
        let flags = status_flags[pgxactoff].get();
        if flags & (PROC_IN_LOGICAL_DECODING | PROC_IN_VACUUM) != 0 {
            continue;
        }
        if xid.precedes(xmin) {
            xmin = xid;
        }
        xip[xcnt] = xid;
        xcnt += 1;
        if !snapshot.subxids.overflowed {
            let status = SubxidStatus(subxid_states[pgxactoff].get());
            if !status.is_empty() {
                copy_subxids(view, pgxactoff, status, &mut snapshot.subxids);
            }
        }
    }
    snapshot.xcnt = xcnt;
    snapshot.slot_xmins = view.replication_slot_xmins();
    snapshot.xmin = xmin;
    snapshot.xmax = xmax;
}

/// The next backend's xid from `at` on that has one, and `at` behind it. A loop of its own: most
/// backends have none, and all that they cost is a load and a compare.
#[inline]
fn next_with_xid(xids: &[AtomicU32], at: &mut usize) -> Option<TransactionId> {
    // Four a turn: what a turn costs beside its loads is then no matter of how it lies in memory.
    while let Some(four) = xids.get(*at..).and_then(|rest| rest.first_chunk::<4>()) {
        for (place, xid) in four.iter().enumerate() {
            // Read once: GetNewTransactionId may be storing one right now.
            let xid = TransactionId(xid.get());
            if xid.is_valid() {
                *at += place + 1;
                return Some(xid);
            }
        }
        *at += 4;
    }
    while let Some(xid) = xids.get(*at) {
        *at += 1;
        let xid = TransactionId(xid.get());
        if xid.is_valid() {
            return Some(xid);
        }
    }
    None
}

/// The loop of `GetSnapshotData` in 13: the PGXACT of every backend in the array, found by
/// slot number, and the xmin of each. Under ProcArrayLock shared.
#[inline(never)]
fn scan_pgxacts(view: &View, my_proc: PgProc<'_>, snapshot: &mut Snapshot) {
    let xmax = begin_scan(view, snapshot);
    let (mut xmin, mut global_xmin) = (xmax, xmax);
    let pgprocnos = &view.pgprocnos()[..view.num_procs()];
    let xip = &mut snapshot.xip[..pgprocnos.len()];
    let mut xcnt = 0;
    for (index, number) in pgprocnos.iter().enumerate() {
        let (xid, its_xmin, flags, status) = view.pgxact(number.get());
        if flags & (PROC_IN_LOGICAL_DECODING | PROC_IN_VACUUM) != 0 {
            continue;
        }
        if its_xmin.is_valid() && its_xmin.precedes(global_xmin) {
            global_xmin = its_xmin;
        }
        if !xid.is_valid() || !xid.precedes(xmax) {
            continue;
        }
        if xid.precedes(xmin) {
            xmin = xid;
        }
        if number.get() == my_proc.number() {
            continue;
        }
        xip[xcnt] = xid;
        xcnt += 1;
        if !snapshot.subxids.overflowed && !status.is_empty() {
            copy_subxids(view, index, status, &mut snapshot.subxids);
        }
    }
    snapshot.xcnt = xcnt;
    snapshot.slot_xmins = view.replication_slot_xmins();
    snapshot.xmin = xmin;
    snapshot.xmax = xmax;
    snapshot.global_xmin = if xmin.precedes(global_xmin) {
        xmin
    } else {
        global_xmin
    };
}

/// What a snapshot takes from a backend that has subtransactions. Out of line, so that the scans'
/// loops keep their registers.
#[cold]
fn copy_subxids(view: &View, pgxactoff: usize, status: SubxidStatus, subxids: &mut RunningSubxids) {
    if status.overflowed() {
        subxids.overflowed = true;
        return;
    }
    // pg_read_barrier: pairs with the fence of get_new_subtransaction_id,
    // which stores the id before the count.
    fence(Acquire);
    let proc = view.proc(view.pgprocnos()[pgxactoff].get());
    let cached = &proc.subxids()[..status.count()];
    let cached = cached.iter().map(|xid| TransactionId(xid.get()));
    subxids.xip.extend(cached);
}
