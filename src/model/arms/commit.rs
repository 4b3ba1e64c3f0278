//! `commit`: small writes on a persistent connection.

use super::super::client::{Client, ClientArm};
use crate::load::Worker;
use crate::procarray::locks::SharedExclusiveLock;
use crate::record::{ErrorClass, Operation};

pub(super) struct Commit;

impl<L: SharedExclusiveLock> ClientArm<L> for Commit {
    const IS_SHORT: bool = true;
    const RECORDED_AS: Option<Operation> = Some(Operation::Commit);

    fn new(_: &Client<'_, L>, _: &mut Worker) -> Self {
        Self
    }

    fn transaction(
        &mut self,
        client: &mut Client<'_, L>,
        _: &mut Worker,
        _: bool,
    ) -> Result<(), ErrorClass> {
        let snapshots = client.config.snapshots_per_statement;
        let subtransactions = (&client.config.background).into();
        let counts = &mut client.counts;
        let backend = &mut *client.backend;
        backend.commit(client.array, snapshots, subtransactions, counts);
        Ok(())
    }
}
