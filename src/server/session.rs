//! A persistent connection outside of the measured load, and the statements of the load.

use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::connect::{Target, classify};
use super::frontend::{Frontend, FrontendError};
use super::phase_stream::PhaseTimes;
use crate::config::{Disconnect, Protocol, Statement};
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
        let socket = target.encrypt(socket).await.map_err(|class| ConnectError {
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

/// pgbench's select-only script, prepared.
const SELECT_BY_KEY: &str = "SELECT abalance FROM pgbench_accounts WHERE aid = $1;";

/// The texts of a worker's statements, and how they are sent.
#[derive(Debug, Clone)]
pub struct StatementTexts {
    statement: Statement,
    protocol: Protocol,
    rng: Pcg64,
    /// Where the next text or parameter is written.
    scratch: String,
}

impl StatementTexts {
    /// Texts of `statement`, keys drawn from `seed`; by the simple protocol.
    pub fn new(statement: Statement, seed: u64) -> Self {
        StatementTexts {
            statement,
            protocol: Protocol::Simple,
            rng: Pcg64::seed_from_u64(seed),
            scratch: String::with_capacity(80),
        }
    }

    /// The same, sent in another way.
    pub fn sent_by(self, protocol: Protocol) -> Self {
        StatementTexts { protocol, ..self }
    }

    /// Runs the next statement. A connection without the prepared statement gets it first, in a round trip
    /// of its own.
    ///
    /// # Errors
    /// What the server or the socket says.
    pub async fn run_on(&mut self, connection: &mut Frontend) -> Result<(), FrontendError> {
        use std::fmt::Write;
        // With the simple protocol, what varies is the whole text.
        let (sql, parameter) = match &self.statement {
            Statement::Sql(sql) => (sql.as_str(), None),
            Statement::SelectOnly => {
                let aid = self.rng.random_range(1..=ACCOUNTS);
                self.scratch.clear();
                // Writing to a string cannot fail.
                let _ = match self.protocol {
                    Protocol::Simple => write!(
                        self.scratch,
                        "SELECT abalance FROM pgbench_accounts WHERE aid = {aid};"
                    ),
                    Protocol::Prepared => write!(self.scratch, "{aid}"),
                };
                (SELECT_BY_KEY, Some(self.scratch.as_str()))
            }
        };
        match self.protocol {
            Protocol::Simple => connection.query(parameter.unwrap_or(sql)).await,
            Protocol::Prepared => {
                if !connection.is_prepared() {
                    connection.prepare(sql).await?;
                }
                connection.execute(parameter).await
            }
        }
    }
}
