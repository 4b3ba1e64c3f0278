//! A persistent connection, and the statements that run on it.

use std::borrow::Cow;
use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::connect::{Target, classify};
use super::phase_stream::PhaseTimes;
use crate::config::{Disconnect, Statement};
use crate::record::ErrorClass;

/// Rows of `pgbench_accounts` at scale 1.
pub const ACCOUNTS: u32 = 100_000;

/// An open connection whose other half runs in the background.
#[derive(Debug)]
pub struct Session {
    client: Client,
    connection: JoinHandle<()>,
}

/// A connection could not be opened.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ConnectError {
    /// Class for counting.
    pub class: ErrorClass,
    /// What the server or system said.
    pub message: String,
}

impl Session {
    /// Opens a connection; must be called on a tokio runtime.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn open(target: &Target) -> Result<Self, ConnectError> {
        let socket = target.open_socket().await.map_err(|class| ConnectError {
            message: class.0.clone(),
            class,
        })?;
        let (client, connection) = target
            .start_up(socket, Arc::new(PhaseTimes::default()), Disconnect::Wait)
            .await
            .map_err(|e| ConnectError {
                class: classify(&e),
                message: describe(&e),
            })?;
        let connection = tokio::spawn(async move {
            // A broken connection shows in the client's next statement.
            let _ = connection.await;
        });
        Ok(Session { client, connection })
    }

    /// Whether the connection is known to be broken.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs one statement by the simple protocol.
    ///
    /// # Errors
    /// The class of the failure.
    pub async fn run(&self, sql: &str) -> Result<(), ErrorClass> {
        run_statement(&self.client, sql).await
    }

    /// The client, for set-up queries.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Terminate, and wait until the server has closed.
    pub async fn close(self) {
        drop(self.client);
        let _ = self.connection.await;
    }
}

/// What PostgreSQL said, in one line.
pub fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!(
            "{}: {} (SQLSTATE {})",
            db.severity(),
            db.message(),
            db.code().code()
        ),
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}

/// Runs one statement by the simple protocol and checks that it was completed.
///
/// # Errors
/// The class of the failure.
pub async fn run_statement(client: &Client, sql: &str) -> Result<(), ErrorClass> {
    let messages = client.simple_query(sql).await.map_err(|e| classify(&e))?;
    let completed = messages
        .iter()
        .any(|m| matches!(m, SimpleQueryMessage::CommandComplete(_)));
    completed
        .then_some(())
        .ok_or_else(|| ErrorClass::new("not-completed"))
}

/// The texts of a worker's statements.
#[derive(Debug, Clone)]
pub struct StatementTexts {
    statement: Statement,
    rng: Pcg64,
}

impl StatementTexts {
    /// Texts of `statement`, keys drawn from `seed`.
    pub fn new(statement: Statement, seed: u64) -> Self {
        StatementTexts {
            statement,
            rng: Pcg64::seed_from_u64(seed),
        }
    }

    /// The next text.
    pub fn next_text(&mut self) -> Cow<'_, str> {
        match &self.statement {
            Statement::Sql(sql) => Cow::Borrowed(sql),
            Statement::SelectOnly => {
                let aid = self.rng.random_range(1..=ACCOUNTS);
                Cow::Owned(format!(
                    "SELECT abalance FROM pgbench_accounts WHERE aid = {aid};"
                ))
            }
        }
    }
}
