//! The foreground reader.

use super::backend::{Backend, Connection};
use super::lock_times::{LockTimes, Stopwatch};
use super::operation_counts::OperationCounts;
use super::worker_thread::{Finished, RoleContext, carry_out};
use crate::clock::{Clock, MonotonicClock};
use crate::load::Worker;
use crate::load::thread_loop::ThreadOperation;
use crate::procarray::SnapshotSource;
use crate::procarray::locks::SharedExclusiveLock;
use crate::record::{ErrorClass, Operation};

/// A foreground reader: statements on one persistent backend. Wait and hold are
/// timed in a further, unquoted snapshot after one statement in `look_one_in`,
/// half-way to the next one: the lock as a newcomer finds it.
struct Reader<'a, L> {
    backend: Backend<'a, L>,
    snapshots: u32,
    look_one_in: u64,
    statements: u64,
    times: LockTimes,
}

/// Does a reader's part of a block.
pub(super) fn run<L: SharedExclusiveLock>(mut context: RoleContext<'_, L>) -> Finished {
    context.worker.time_one_in(context.one_in);
    let mut counts = OperationCounts::default();
    let Connection { slot, snapshot } = context.connection;
    let reader = Reader {
        backend: Backend::new(context.array, *slot, snapshot, &mut counts),
        snapshots: context.config.snapshots_per_statement,
        look_one_in: context.one_in.into(),
        statements: 0,
        times: LockTimes::declare(&mut context.worker, Operation::Snapshot),
    };
    let finished = carry_out(context.worker, context.stop, reader);
    Finished { counts, ..finished }
}

impl<L: SharedExclusiveLock> ThreadOperation for Reader<'_, L> {
    #[inline]
    fn operate(&mut self, _worker: &mut Worker, _measured: bool) -> Result<(), ErrorClass> {
        self.backend.statement(self.snapshots);
        Ok(())
    }

    fn wants_look(&mut self) -> bool {
        let looks = self.statements.is_multiple_of(self.look_one_in);
        self.statements += 1;
        looks
    }

    fn look(&mut self, worker: &mut Worker, measured: bool) {
        let mut watch = Stopwatch::default();
        let source = self.backend.take_snapshot(&mut watch);
        // Without the lock there is no wait and no hold.
        if measured && source != SnapshotSource::ReusedWithoutLock {
            self.times.record(worker, &watch, MonotonicClock.now_ns());
        }
        self.backend.reset_xmin();
    }
}
