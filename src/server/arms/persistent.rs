//! Readers, and the clients of `kept-open` and `pgbouncer-kept`: statements on persistent connections. And those
//! of `vacuum` and `commit`: a statement of the arm's own, against tables of ours.

use super::client::{Operations, Phases, StatementTexts};
use crate::arm::Arm;
use crate::config::{Disconnect, Protocol, Statement};
use crate::record::{ErrorClass, Operation, Phase};
use crate::server::burner::Burn;
use crate::server::frontend::{Frontend, FrontendError, now};
use crate::server::target::Target;

/// A connection that is opened anew after it broke.
pub(in crate::server) struct Persistent {
    target: Target,
    /// `None` after it broke and could not be reopened.
    connection: Option<Frontend>,
    texts: StatementTexts,
}

impl Persistent {
    /// Opens the connection, runs what makes its tables, and the statement once.
    ///
    /// # Errors
    /// When the connection is refused, or a statement fails.
    pub(super) async fn open(
        target: Target,
        tables: &[String],
        mut texts: StatementTexts,
    ) -> Result<Self, FrontendError> {
        let mut connection = target.connect().await?;
        for made in tables {
            let outcome = connection.query(made).await;
            outcome.map_err(|e| FrontendError::Here(format!("{made}: {e}")))?;
        }
        // The first statement of a session loads catalogues; not our subject.
        let first = texts.run_on(&mut connection);
        let outcome = target
            .in_time("the answer to a first statement", first)
            .await;
        outcome.map_err(|problem| FrontendError::Statement {
            statement: texts.statement.to_string(),
            problem: Box::new(problem),
        })?;
        Ok(Persistent {
            target,
            connection: Some(connection),
            texts,
        })
    }
}

impl Operations for Persistent {
    /// Opens the connection again if the server has closed it.
    async fn before_block(&mut self, _: Option<&Burn>) -> Result<(), FrontendError> {
        if self.connection.as_mut().is_none_or(Frontend::is_closed) {
            self.connection = Some(self.target.connect().await?);
        }
        Ok(())
    }

    /// As the server announced it; `None` without a connection.
    fn process_id(&self) -> Option<i32> {
        self.connection.as_ref()?.process_id
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

    /// A statement may still be under way on the connection.
    fn cut_off(&mut self) {
        self.connection = None;
    }

    async fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            // Already closed, or closed by the system: the end is the same.
            let _ = connection.terminate(Disconnect::Wait).await;
        }
    }
}

/// What makes the table of a client of `vacuum` or `commit`, and the statement that uses it. Each has a table of
/// its own, since two VACUUMs of one table would wait for each other (ShareUpdateExclusiveLock), and two
/// updates of one row, too.
pub(super) fn own_table(arm: Arm, client: u32) -> ([String; 2], StatementTexts) {
    let table = format!("procbench_{arm}_{client}");
    let statement = match arm {
        Arm::Vacuum => format!("VACUUM {table}"),
        _ => format!("INSERT INTO {table} VALUES (1)"),
    };
    let made = [
        format!("DROP TABLE IF EXISTS {table}"),
        format!("CREATE TABLE {table} (n int)"),
    ];
    let statement = Statement::Sql(statement);
    (
        made,
        StatementTexts::new(&statement, Protocol::Simple, client),
    )
}
