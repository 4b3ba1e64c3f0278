//! What one backend does in the modelled ProcArray, and counts.

use super::accounting::vacuum;
use super::operation_counts::OperationCounts;
use crate::config::Background;
use crate::procarray::locks::SharedExclusiveLock;
use crate::procarray::{
    FaultMeter, LockProbe, MappingKind, NoProbe, ProcArray, ProcNumber, Snapshot, SnapshotSource,
    StatusEntry, View,
};
use crate::record::ErrorClass;

/// PostgreSQL's `ERRCODE_TOO_MANY_CONNECTIONS`.
pub(super) fn too_many_connections() -> ErrorClass {
    ErrorClass::new("sqlstate-53300")
}

/// What is left of a persistent connection between two blocks.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) slot: ProcNumber,
    /// Survives statements, as PostgreSQL's static snapshots do.
    pub(super) snapshot: Snapshot,
}

/// One backend at work: its slot, its cached snapshot, and the counts of what it does.
pub(super) struct Backend<'a, L> {
    pub(super) array: &'a ProcArray<L>,
    pub(super) slot: ProcNumber,
    pub(super) snapshot: &'a mut Snapshot,
    pub(super) counts: &'a mut OperationCounts,
    /// Its own mapping of the shared memory, where it has one.
    view: Option<View>,
}

impl<'a, L: SharedExclusiveLock> Backend<'a, L> {
    /// One that has a slot, and the process's mapping.
    pub(super) fn new(
        array: &'a ProcArray<L>,
        slot: ProcNumber,
        snapshot: &'a mut Snapshot,
        counts: &'a mut OperationCounts,
    ) -> Self {
        Self {
            array,
            slot,
            snapshot,
            counts,
            view: None,
        }
    }

    /// Takes a slot and joins the array, through a mapping of its own where the array's
    /// connections have one; the snapshot's memory is that of an earlier backend.
    pub(super) fn join(
        array: &'a ProcArray<L>,
        memory: &'a mut Snapshot,
        counts: &'a mut OperationCounts,
        probe: &mut impl LockProbe,
    ) -> Result<Self, ErrorClass> {
        let is_fresh = array.config().mapping == MappingKind::Fresh;
        let view = is_fresh.then(|| array.fresh_view()).transpose();
        let view = view.map_err(|_| ErrorClass::new("no-mapping"))?;
        let slot = array.init_process_through(view.as_ref().unwrap_or(array.home()));
        let slot = slot.ok_or_else(too_many_connections)?;
        let mut backend = Self {
            view,
            ..Self::new(array, slot, memory, counts)
        };
        backend.enter(probe);
        Ok(backend)
    }

    #[inline]
    fn view(&self) -> &View {
        self.view.as_ref().unwrap_or(self.array.home())
    }

    fn meter<'p, P: LockProbe>(&self, probe: &'p mut P) -> FaultMeter<'p, P> {
        FaultMeter::new(probe, self.array.config().mapping.can_fault())
    }

    /// Enters the array with the slot that it has.
    pub(super) fn enter(&mut self, probe: &mut impl LockProbe) {
        // A new process has built no snapshot yet.
        self.snapshot.invalidate();
        let mut meter = self.meter(probe);
        self.array.add_through(self.view(), self.slot, &mut meter);
        self.counts.add_faults += meter.faults();
        self.counts.largest_add_faults = self.counts.largest_add_faults.max(meter.faults());
        self.counts.adds += 1;
    }

    /// Leaves the array; the slot stays taken.
    pub(super) fn exit(&mut self, probe: &mut impl LockProbe) {
        let mut meter = self.meter(probe);
        self.array
            .remove_through(self.view(), self.slot, None, &mut meter);
        self.counts.remove_faults += meter.faults();
        self.counts.removes += 1;
    }

    /// Leaves the array and gives the slot back. A mapping of its own goes with it.
    pub(super) fn leave(mut self, probe: &mut impl LockProbe) {
        self.exit(probe);
        self.array.proc_kill(self.slot);
    }

    /// One snapshot, and how it came about.
    #[inline]
    pub(super) fn take_snapshot(&mut self, probe: &mut impl LockProbe) -> SnapshotSource {
        let view = self.view.as_ref().unwrap_or(self.array.home());
        let source = self
            .array
            .get_snapshot_data_through(view, self.slot, self.snapshot, probe);
        self.counts.count_snapshot(source);
        source
    }

    #[inline]
    fn take_snapshots(&mut self, snapshots: u32) {
        for _ in 0..snapshots {
            self.take_snapshot(&mut NoProbe);
        }
    }

    /// Clears xmin, without a lock.
    #[inline]
    pub(super) fn reset_xmin(&self) {
        self.array
            .snapshot_reset_xmin_through(self.view(), self.slot);
    }

    /// A statement: its snapshots, then xmin cleared.
    #[inline]
    pub(super) fn statement(&mut self, snapshots: u32) {
        self.take_snapshots(snapshots);
        self.reset_xmin();
    }

    /// A small write: its snapshots, an xid and so many subtransactions' when the first row is
    /// stored, the end. A subtransaction that rolls back does so before the next one begins
    /// (`SAVEPOINT`, a row, `ROLLBACK TO`). WAL is left out.
    pub(super) fn commit(&mut self, snapshots: u32, background: &Background) {
        let (array, slot) = (self.array, self.slot);
        self.take_snapshots(snapshots);
        array.get_new_transaction_id(slot);
        let each = background.subtransactions;
        let rolled_back = background.rolled_back_subtransactions;
        for after in (0..each).rev() {
            let xid = array.get_new_subtransaction_id(slot);
            if after < rolled_back {
                array.abort_subtransaction(slot, &[xid]);
            }
        }
        self.counts.new_xids += 1 + u64::from(each);
        self.counts.subtransaction_aborts += u64::from(rolled_back.min(each));
        self.end_transaction();
    }

    fn end_transaction(&mut self) {
        let end = self.array.end_transaction(self.slot);
        self.counts.count_end(end);
    }

    /// VACUUM of an empty table.
    pub(super) fn vacuum(&mut self) {
        self.array.set_in_vacuum(self.slot);
        self.counts.vacuum_flags_set += 1;
        self.take_snapshots(vacuum::SNAPSHOTS);
        for _ in 0..vacuum::HORIZONS {
            self.compute_horizons();
        }
        for _ in 0..vacuum::NEXT_XID_READS {
            self.array.read_next_transaction_id();
            self.counts.next_xid_reads += 1;
        }
        self.end_transaction();
    }

    fn compute_horizons(&mut self) {
        self.array.compute_xid_horizons();
        self.counts.horizons += 1;
    }

    /// A statement that prunes: the horizons once for its new RecentXmin.
    pub(super) fn prune(&mut self, snapshots: u32) {
        self.take_snapshots(snapshots);
        self.compute_horizons();
        self.reset_xmin();
    }

    /// A statement, then `pg_stat_activity` row by row, through the copy of the status array in `entries`.
    pub(super) fn read_activity(&mut self, snapshots: u32, entries: &mut Vec<StatusEntry>) {
        self.statement(snapshots);
        self.array.read_current_status(entries);
        for entry in entries.iter() {
            self.array.monitor_row(*entry);
        }
        self.counts.monitor_rows += entries.len() as u64;
    }

    /// A parallel query of one worker: this backend takes a snapshot, the worker joins, takes over
    /// its xmin, and leaves. An error where all slots are taken.
    pub(super) fn launch_parallel_worker(
        &mut self,
        memory: &mut Snapshot,
    ) -> Result<(), ErrorClass> {
        self.take_snapshots(1);
        let (array, leader) = (self.array, self.slot);
        let outcome = Backend::join(array, memory, self.counts, &mut NoProbe).map(|mut worker| {
            let version = array.config().profile.version();
            // As any backend's login; then the transaction of its own begins.
            let at_login = version.snapshots_per_connect;
            worker.statement(at_login);
            array.install_restored_xmin(worker.slot, leader, self.snapshot.xmin);
            worker.counts.restored_xmins += 1;
            worker.take_snapshots(version.snapshots_per_parallel_worker - at_login);
            worker.end_transaction();
            worker.leave(&mut NoProbe);
        });
        self.reset_xmin();
        outcome
    }
}
