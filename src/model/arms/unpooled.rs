//! `unpooled`: connect, statement, disconnect, each time (postinit.c `InitPostgres`, ipc.c `proc_exit`).

use super::super::client::{Client, ClientArm, declare};
use super::super::connector::Connector;
use super::super::session::Steps;
use crate::load::Worker;
use crate::procarray::locks::SharedExclusiveLock;
use crate::record::{ErrorClass, Operation, SeriesId};

pub(super) struct Unpooled<L> {
    connector: Connector<L>,
    connect: SeriesId,
    query: SeriesId,
    disconnect: SeriesId,
}

impl<L: SharedExclusiveLock> ClientArm<L> for Unpooled<L> {
    fn new(client: &Client<'_, L>, worker: &mut Worker) -> Self {
        Self {
            connector: Connector::new(client, worker),
            connect: declare(worker, Operation::Connect),
            query: declare(worker, Operation::Query),
            disconnect: declare(worker, Operation::Disconnect),
        }
    }

    fn transaction(
        &mut self,
        client: &mut Client<'_, L>,
        worker: &mut Worker,
        measured: bool,
    ) -> Result<(), ErrorClass> {
        let steps = Steps {
            session_cpu_ns: client.config.session_cpu_ns,
            at_login: client
                .array
                .config()
                .profile
                .version()
                .snapshots_per_connect,
            statement: Some(client.config.snapshots_per_statement),
        };
        let (began_ns, session, ended_ns) =
            self.connector.connection(client, worker, measured, steps)?;
        if measured {
            let recorder = worker.recorder();
            recorder.record(self.connect, session.connected_ns - began_ns);
            recorder.record(self.query, session.queried_ns - session.connected_ns);
            recorder.record(self.disconnect, ended_ns - session.queried_ns);
        }
        Ok(())
    }
}
