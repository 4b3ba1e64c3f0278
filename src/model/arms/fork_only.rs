//! `fork-only`: the CPU of a fork, and no ProcArray.

use super::super::client::{Client, ClientArm};
use crate::clock::burn_cpu;
use crate::load::Worker;
use crate::procarray::locks::SharedExclusiveLock;
use crate::record::ErrorClass;

pub(super) struct ForkOnly;

impl<L: SharedExclusiveLock> ClientArm<L> for ForkOnly {
    fn new(_: &Client<'_, L>, _: &mut Worker) -> Self {
        Self
    }

    fn transaction(
        &mut self,
        client: &mut Client<'_, L>,
        _: &mut Worker,
        _: bool,
    ) -> Result<(), ErrorClass> {
        burn_cpu(client.config.fork_cpu_ns);
        Ok(())
    }
}
