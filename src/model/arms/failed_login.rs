//! `failed-login`: a role that does not exist joins the array, is looked for, and leaves.

use super::super::client::{Client, ClientArm};
use super::super::connector::Connector;
use super::super::session::Steps;
use crate::load::Worker;
use crate::procarray::locks::SharedExclusiveLock;
use crate::record::{ErrorClass, Operation};

pub(super) struct FailedLogin<L>(Connector<L>);

impl<L: SharedExclusiveLock> ClientArm<L> for FailedLogin<L> {
    const RECORDED_AS: Option<Operation> = Some(Operation::FailedLogin);

    fn new(client: &Client<'_, L>, worker: &mut Worker) -> Self {
        Self(Connector::new(client, worker))
    }

    fn transaction(
        &mut self,
        client: &mut Client<'_, L>,
        worker: &mut Worker,
        measured: bool,
    ) -> Result<(), ErrorClass> {
        let profile = client.array.config().profile;
        let steps = Steps {
            session_cpu_ns: 0,
            at_login: profile.version().snapshots_per_failed_login,
            statement: None,
        };
        self.0.connection(client, worker, measured, steps)?;
        Ok(())
    }
}
