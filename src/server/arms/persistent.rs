//! Readers, and the clients of `kept-open` and `pgbouncer-kept`: statements on persistent connections.

use super::client::{Client, Phases, Setup, now};
use crate::arm::Arm;
use crate::config::Disconnect;
use crate::record::{ErrorClass, Operation, Phase};
use crate::server::block_load::{BlockLoad, LoadError};
use crate::server::frontend::{Frontend, FrontendError};
use crate::server::statements::StatementTexts;
use crate::server::target::Target;

/// A connection that is opened anew after it broke.
pub(super) struct Persistent {
    target: Target,
    /// `None` after it broke and could not be reopened.
    connection: Option<Frontend>,
    texts: StatementTexts,
}

/// Opens a connection per worker.
///
/// # Errors
/// When one is refused, or the statement fails.
pub(super) async fn prepare(setup: &Setup, arm: Arm) -> Result<Vec<Persistent>, FrontendError> {
    let target = setup.target(arm)?;
    let mut clients = Vec::new();
    for worker in 0..u64::from(setup.count) {
        let connection = target.connect().await?;
        clients.push(Persistent::begin(target.clone(), connection, setup.texts(worker)).await?);
    }
    Ok(clients)
}

impl Persistent {
    /// On an open connection.
    ///
    /// # Errors
    /// When the statement fails.
    pub(super) async fn begin(
        target: Target,
        mut connection: Frontend,
        mut texts: StatementTexts,
    ) -> Result<Self, FrontendError> {
        // The first statement of a session loads catalogues; not our subject.
        if let Err(e) = texts.run_on(&mut connection).await {
            let statement = texts.statement();
            return Err(FrontendError::Here(format!(
                "the query failed ({e}): {statement}"
            )));
        }
        Ok(Persistent {
            target,
            connection: Some(connection),
            texts,
        })
    }
}

impl Client for Persistent {
    async fn before_block(&mut self, _: &BlockLoad) -> Result<(), LoadError> {
        if self.connection.as_mut().is_none_or(Frontend::is_closed) {
            let opened = self.target.connect().await;
            self.connection = Some(opened.map_err(|e| LoadError::Lost(e.to_string()))?);
        }
        Ok(())
    }

    async fn operation(&mut self, phases: &mut Phases) -> Result<(), ErrorClass> {
        let began = now();
        let Some(connection) = &mut self.connection else {
            self.connection = self.target.connect().await.ok();
            return Err(ErrorClass::new("connection-lost"));
        };
        let outcome = self.texts.run_on(connection).await;
        phases.add(Operation::Query, Phase::Total, now() - began);
        if outcome.is_err() && connection.is_closed() {
            // Inside the failed operation, so that the next one is clean.
            self.connection = self.target.connect().await.ok();
        }
        Ok(outcome?)
    }

    fn cut_off(&mut self) {
        // A statement may still be under way on it.
        self.connection = None;
    }

    async fn close(self) {
        if let Some(connection) = self.connection {
            // Already closed, or closed by the system: the end is the same.
            let _ = connection.terminate(Disconnect::Wait).await;
        }
    }
}
