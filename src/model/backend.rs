//! What one backend does in the modelled ProcArray, and counts.

use super::accounting::vacuum;
use super::operation_counts::OperationCounts;
use crate::config::Background;
use crate::procarray::locks::SharedExclusiveLock;
use crate::procarray::{
    FaultMeter, LockProbe, MappingKind, NoProbe, ProcArray, ProcNumber, Snapshot, View,
};
use crate::record::ErrorClass;

/// PostgreSQL's `ERRCODE_TOO_MANY_CONNECTIONS`.
pub(super) fn too_many_connections() -> ErrorClass {
    ErrorClass::new("sqlstate-53300")
}

/// Subtransactions with an xid in a small write.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Subtransactions {
    /// All of them.
    pub(super) each: u32,
    /// The last ones, which roll back.
    pub(super) rolled_back: u32,
}

impl From<&Background> for Subtransactions {
    fn from(background: &Background) -> Self {
        Self {
            each: background.subtransactions,
            rolled_back: background.rolled_back_subtransactions,
        }
    }
}

/// One backend: its slot and its cached snapshot.
#[derive(Debug)]
pub(super) struct Backend {
    /// The slot.
    pub(super) slot: ProcNumber,
    /// Survives statements, as PostgreSQL's static snapshots do.
    pub(super) snapshot: Snapshot,
    /// Its own mapping of the shared memory, where it has one.
    view: Option<View>,
}

impl Backend {
    /// One that has the process's mapping.
    pub(super) fn new(slot: ProcNumber, snapshot: Snapshot) -> Self {
        Backend {
            slot,
            snapshot,
            view: None,
        }
    }

    /// Takes a slot and joins the array, through a mapping of its own where the array's
    /// connections have one; the snapshot's memory is that of an earlier backend. Gives it
    /// back, with the reason, where that fails.
    pub(super) fn join<L: SharedExclusiveLock>(
        array: &ProcArray<L>,
        snapshot: Snapshot,
        probe: &mut impl LockProbe,
        counts: &mut OperationCounts,
    ) -> Result<Self, (ErrorClass, Snapshot)> {
        let is_fresh = array.config().mapping == MappingKind::Fresh;
        let Ok(view) = is_fresh.then(|| array.fresh_view()).transpose() else {
            return Err((ErrorClass::new("no-mapping"), snapshot));
        };
        let slot = array.init_process_through(view.as_ref().unwrap_or(array.home()));
        let Some(slot) = slot else {
            return Err((too_many_connections(), snapshot));
        };
        let mut backend = Backend {
            slot,
            snapshot,
            view,
        };
        backend.enter(array, probe, counts);
        Ok(backend)
    }

    /// Enters the array with the slot that it has.
    pub(super) fn enter<L: SharedExclusiveLock>(
        &mut self,
        array: &ProcArray<L>,
        probe: &mut impl LockProbe,
        counts: &mut OperationCounts,
    ) {
        // A new process has built no snapshot yet.
        self.snapshot.invalidate();
        let view = self.view.as_ref().unwrap_or(array.home());
        if array.config().mapping.can_fault() {
            let mut meter = FaultMeter::new(probe);
            array.add_through(view, self.slot, &mut meter);
            counts.add_faults += meter.faults();
            counts.largest_add_faults = counts.largest_add_faults.max(meter.faults());
        } else {
            array.add_through(view, self.slot, probe);
        }
        counts.adds += 1;
    }

    /// Leaves the array; the slot stays taken.
    pub(super) fn exit<L: SharedExclusiveLock>(
        &mut self,
        array: &ProcArray<L>,
        probe: &mut impl LockProbe,
        counts: &mut OperationCounts,
    ) {
        let view = self.view.as_ref().unwrap_or(array.home());
        if array.config().mapping.can_fault() {
            let mut meter = FaultMeter::new(probe);
            array.remove_through(view, self.slot, None, &mut meter);
            counts.remove_faults += meter.faults();
        } else {
            array.remove_through(view, self.slot, None, probe);
        }
        counts.removes += 1;
    }

    /// Leaves the array and gives the slot back. A mapping of its own goes with it.
    pub(super) fn leave<L: SharedExclusiveLock>(
        mut self,
        array: &ProcArray<L>,
        probe: &mut impl LockProbe,
        counts: &mut OperationCounts,
    ) -> Snapshot {
        self.exit(array, probe, counts);
        array.proc_kill(self.slot);
        self.snapshot
    }

    fn take_snapshots<L: SharedExclusiveLock>(
        &mut self,
        array: &ProcArray<L>,
        snapshots: u32,
        counts: &mut OperationCounts,
    ) {
        let view = self.view.as_ref().unwrap_or(array.home());
        let (slot, snapshot) = (self.slot, &mut self.snapshot);
        for _ in 0..snapshots {
            let source = array.get_snapshot_data_through(view, slot, snapshot, &mut NoProbe);
            counts.count_snapshot(source);
        }
    }

    /// A statement: its snapshots, then xmin cleared without a lock.
    #[inline]
    pub(super) fn statement<L: SharedExclusiveLock>(
        &mut self,
        array: &ProcArray<L>,
        snapshots: u32,
        counts: &mut OperationCounts,
    ) {
        self.take_snapshots(array, snapshots, counts);
        let view = self.view.as_ref().unwrap_or(array.home());
        array.snapshot_reset_xmin_through(view, self.slot);
    }

    /// A small write: its snapshots, an xid and so many subtransactions' when the first row is
    /// stored, the end. A subtransaction that rolls back does so before the next one begins
    /// (`SAVEPOINT`, a row, `ROLLBACK TO`). WAL is left out.
    pub(super) fn commit<L: SharedExclusiveLock>(
        &mut self,
        array: &ProcArray<L>,
        snapshots: u32,
        subtransactions: Subtransactions,
        counts: &mut OperationCounts,
    ) {
        self.take_snapshots(array, snapshots, counts);
        array.get_new_transaction_id(self.slot, &mut NoProbe);
        let Subtransactions { each, rolled_back } = subtransactions;
        for after in (0..each).rev() {
            let xid = array.get_new_subtransaction_id(self.slot, &mut NoProbe);
            if after < rolled_back {
                array.abort_subtransaction(self.slot, &[xid], &mut NoProbe);
            }
        }
        counts.new_xids += 1 + u64::from(each);
        counts.subtransaction_aborts += u64::from(rolled_back.min(each));
        counts.count_end(array.end_transaction(self.slot, &mut NoProbe));
    }

    /// VACUUM of an empty table.
    pub(super) fn vacuum<L: SharedExclusiveLock>(
        &mut self,
        array: &ProcArray<L>,
        counts: &mut OperationCounts,
    ) {
        array.set_in_vacuum(self.slot, &mut NoProbe);
        counts.vacuum_flags_set += 1;
        self.take_snapshots(array, vacuum::SNAPSHOTS, counts);
        for _ in 0..vacuum::HORIZONS {
            array.compute_xid_horizons(&mut NoProbe);
        }
        counts.horizons += u64::from(vacuum::HORIZONS);
        for _ in 0..vacuum::NEXT_XID_READS {
            array.read_next_transaction_id(&mut NoProbe);
        }
        counts.next_xid_reads += u64::from(vacuum::NEXT_XID_READS);
        counts.count_end(array.end_transaction(self.slot, &mut NoProbe));
    }

    /// A statement that prunes: the horizons once for its new RecentXmin.
    pub(super) fn prune<L: SharedExclusiveLock>(
        &mut self,
        array: &ProcArray<L>,
        snapshots: u32,
        counts: &mut OperationCounts,
    ) {
        self.take_snapshots(array, snapshots, counts);
        array.compute_xid_horizons(&mut NoProbe);
        counts.horizons += 1;
        array.snapshot_reset_xmin(self.slot);
    }

    /// A parallel query of one worker: this backend takes a snapshot, the worker joins, takes over
    /// its xmin, and leaves. The worker's snapshot memory goes in and comes out; an error where all
    /// slots are taken.
    pub(super) fn launch_parallel_worker<L: SharedExclusiveLock>(
        &mut self,
        array: &ProcArray<L>,
        memory: Snapshot,
        counts: &mut OperationCounts,
    ) -> Result<Snapshot, (ErrorClass, Snapshot)> {
        self.take_snapshots(array, 1, counts);
        let joined = Backend::join(array, memory, &mut NoProbe, counts);
        let outcome = joined.map(|mut worker| {
            let version = array.config().profile.version();
            // As any backend's login; then the transaction of its own begins.
            let at_login = version.snapshots_per_connect;
            worker.statement(array, at_login, counts);
            array.install_restored_xmin(worker.slot, self.slot, self.snapshot.xmin, &mut NoProbe);
            counts.restored_xmins += 1;
            let later = version.snapshots_per_parallel_worker - at_login;
            worker.take_snapshots(array, later, counts);
            counts.count_end(array.end_transaction(worker.slot, &mut NoProbe));
            worker.leave(array, &mut NoProbe, counts)
        });
        array.snapshot_reset_xmin(self.slot);
        outcome
    }
}
