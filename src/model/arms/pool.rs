//! `pool`: statements on a connection of the in-process pool.

use super::super::backend::Backend;
use super::super::operation_counts::OperationCounts;
use super::super::worker_thread::{Finished, RoleContext, declare, repeat};
use crate::clock::{Clock, MonotonicClock};
use crate::procarray::locks::SharedExclusiveLock;
use crate::record::{ErrorClass, Operation, Phase};

/// Does a client's part of a block.
pub(super) fn run<L: SharedExclusiveLock>(mut client: RoleContext<'_, L>) -> Finished {
    client.worker.time_one_in(client.one_in);
    let checkout = declare(&mut client.worker, Operation::Checkout, Phase::Total);
    let (free, give_back) = client.pool;
    let closed = || ErrorClass::new("pool");
    let snapshots = client.config.snapshots_per_statement;
    let mut counts = OperationCounts::default();
    let finished = repeat(client.worker, client.stop, None, |worker, measured| {
        let began = MonotonicClock.now_ns();
        let mut connection = free.recv().map_err(|_| closed())?;
        let checked_out = MonotonicClock.now_ns();
        let slot = connection.slot;
        Backend::new(client.array, slot, &mut connection.snapshot, &mut counts)
            .statement(snapshots);
        give_back.send(connection).map_err(|_| closed())?;
        if measured {
            worker.recorder().record(checkout, checked_out - began);
        }
        Ok(())
    });
    Finished { counts, ..finished }
}
