//! `pool`: statements on a connection of the in-process pool.

use super::super::client::{Client, ClientArm, declare};
use crate::clock::{Clock, MonotonicClock};
use crate::load::Worker;
use crate::procarray::locks::SharedExclusiveLock;
use crate::record::{ErrorClass, Operation, SeriesId};

pub(super) struct Pooled {
    checkout: SeriesId,
}

impl<L: SharedExclusiveLock> ClientArm<L> for Pooled {
    const IS_SHORT: bool = true;

    fn new(_: &Client<'_, L>, worker: &mut Worker) -> Self {
        Self {
            checkout: declare(worker, Operation::Checkout),
        }
    }

    fn transaction(
        &mut self,
        client: &mut Client<'_, L>,
        worker: &mut Worker,
        measured: bool,
    ) -> Result<(), ErrorClass> {
        let closed = || ErrorClass::new("pool");
        let (free, give_back) = &client.pool;
        let began = MonotonicClock.now_ns();
        let mut backend = free.recv().map_err(|_| closed())?;
        let checked_out = MonotonicClock.now_ns();
        let snapshots = client.config.snapshots_per_statement;
        backend.statement(client.array, snapshots, &mut client.counts);
        give_back.send(backend).map_err(|_| closed())?;
        if measured {
            worker.recorder().record(self.checkout, checked_out - began);
        }
        Ok(())
    }
}
