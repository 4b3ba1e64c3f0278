//! The foreground reader.

use super::backend::Backend;
use super::lock_times::{LockTimes, Stopwatch};
use super::operation_counts::OperationCounts;
use crate::clock::{Clock, MonotonicClock};
use crate::load::Worker;
use crate::load::thread_loop::ThreadOperation;
use crate::procarray::locks::SharedExclusiveLock;
use crate::procarray::{ProcArray, SnapshotSource};
use crate::record::{ErrorClass, Operation, Role};

/// A foreground reader: statements on one persistent backend. Wait and hold are
/// timed in a further, unquoted snapshot after one statement in `look_one_in`,
/// half-way to the next one: the lock as a newcomer finds it.
pub(super) struct ReaderRole<'a, L> {
    array: &'a ProcArray<L>,
    backend: &'a mut Backend,
    snapshots: u32,
    pub(super) counts: OperationCounts,
    look_one_in: u32,
    until_look: u32,
    times: LockTimes,
}

impl<'a, L: SharedExclusiveLock> ReaderRole<'a, L> {
    /// A reader of so many snapshots per statement that looks inside one statement in
    /// `look_one_in`.
    pub(super) fn new(
        array: &'a ProcArray<L>,
        backend: &'a mut Backend,
        snapshots: u32,
        look_one_in: u32,
        worker: &mut Worker,
    ) -> Self {
        ReaderRole {
            array,
            backend,
            snapshots,
            counts: OperationCounts::default(),
            look_one_in: look_one_in.max(1),
            until_look: 0,
            times: LockTimes::declare(worker, Role::Reader, Operation::Snapshot),
        }
    }
}

impl<L: SharedExclusiveLock> ThreadOperation for ReaderRole<'_, L> {
    #[inline]
    fn operate(&mut self, _worker: &mut Worker, _measured: bool) -> Result<(), ErrorClass> {
        self.backend
            .statement(self.array, self.snapshots, &mut self.counts);
        Ok(())
    }

    fn wants_look(&mut self) -> bool {
        let now = self.until_look == 0;
        self.until_look = if now {
            self.look_one_in
        } else {
            self.until_look
        } - 1;
        now
    }

    fn look(&mut self, worker: &mut Worker, measured: bool) {
        let mut watch = Stopwatch::default();
        let source =
            self.array
                .get_snapshot_data(self.backend.slot, &mut self.backend.snapshot, &mut watch);
        self.counts.count_snapshot(source);
        // Without the lock there is no wait and no hold.
        if measured && source != SnapshotSource::ReusedWithoutLock {
            self.times.record(worker, &watch, MonotonicClock.now_ns());
        }
        self.array.snapshot_reset_xmin(self.backend.slot);
    }
}
