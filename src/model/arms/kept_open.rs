//! `kept-open`: statements on a persistent connection.

use super::super::client::{Client, ClientArm};
use crate::load::Worker;
use crate::procarray::locks::SharedExclusiveLock;
use crate::record::ErrorClass;

pub(super) struct KeptOpen;

impl<L: SharedExclusiveLock> ClientArm<L> for KeptOpen {
    const IS_SHORT: bool = true;

    fn new(_: &Client<'_, L>, _: &mut Worker) -> Self {
        Self
    }

    #[inline]
    fn transaction(
        &mut self,
        client: &mut Client<'_, L>,
        _: &mut Worker,
        _: bool,
    ) -> Result<(), ErrorClass> {
        let snapshots = client.config.snapshots_per_statement;
        let counts = &mut client.counts;
        client.backend.statement(client.array, snapshots, counts);
        Ok(())
    }
}
