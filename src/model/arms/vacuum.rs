//! `vacuum`: VACUUMs of an empty table on a persistent connection.

use super::super::client::{Client, ClientArm};
use crate::load::Worker;
use crate::procarray::locks::SharedExclusiveLock;
use crate::record::{ErrorClass, Operation};

pub(super) struct Vacuum;

impl<L: SharedExclusiveLock> ClientArm<L> for Vacuum {
    const IS_SHORT: bool = true;
    const RECORDED_AS: Option<Operation> = Some(Operation::Vacuum);

    fn new(_: &Client<'_, L>, _: &mut Worker) -> Self {
        Self
    }

    fn transaction(
        &mut self,
        client: &mut Client<'_, L>,
        _: &mut Worker,
        _: bool,
    ) -> Result<(), ErrorClass> {
        client.backend.vacuum(client.array, &mut client.counts);
        Ok(())
    }
}
