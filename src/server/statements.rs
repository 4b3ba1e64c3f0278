//! The statements of the load, and how they are sent.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::frontend::{Frontend, FrontendError};
use crate::config::{Protocol, Statement};

/// Rows of `pgbench_accounts` at scale 1.
const ACCOUNTS: u32 = 100_000;

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
    pub fn new(statement: Statement, protocol: Protocol, seed: u64) -> Self {
        StatementTexts {
            statement,
            protocol,
            rng: Pcg64::seed_from_u64(seed),
            scratch: String::with_capacity(80),
        }
    }

    /// What is run.
    pub fn statement(&self) -> &Statement {
        &self.statement
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
