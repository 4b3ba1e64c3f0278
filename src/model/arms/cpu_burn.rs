//! `cpu-burn`: the CPU of a whole connection, and no ProcArray.

use super::super::client::{Client, ClientArm};
use crate::clock::burn_cpu;
use crate::load::Worker;
use crate::procarray::locks::SharedExclusiveLock;
use crate::record::ErrorClass;

pub(super) struct CpuBurn;

impl<L: SharedExclusiveLock> ClientArm<L> for CpuBurn {
    fn new(_: &Client<'_, L>, _: &mut Worker) -> Self {
        Self
    }

    fn transaction(
        &mut self,
        client: &mut Client<'_, L>,
        _: &mut Worker,
        _: bool,
    ) -> Result<(), ErrorClass> {
        burn_cpu(client.config.fork_cpu_ns + client.config.session_cpu_ns);
        Ok(())
    }
}
