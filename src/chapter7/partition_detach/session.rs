//! Sessions of an arm, and what they ask.

use super::tables;
use crate::server::provision::RunningServer;
use crate::server::{Frontend, FrontendError, Target};

/// A session of the role that owns the tables.
///
/// # Errors
/// When the server does not let it in.
pub(super) async fn connect(server: &RunningServer) -> Result<Frontend, FrontendError> {
    Target::new(server.endpoint())?.connect().await
}

/// The first value of an answer, as a number.
///
/// # Errors
/// What the server says; another answer.
pub(super) async fn number(session: &mut Frontend, sql: &str) -> Result<u64, FrontendError> {
    let rows = session.rows(sql).await?;
    let value = rows.into_iter().flatten().flatten().next();
    let number = value.and_then(|value| value.parse().ok());
    number.ok_or_else(|| FrontendError::Protocol(format!("{sql}: no number")))
}

/// Makes the tables anew.
///
/// # Errors
/// What the server says.
pub(super) async fn make_tables(
    session: &mut Frontend,
    old_rows: u32,
) -> Result<(), FrontendError> {
    for statement in tables::make(old_rows) {
        session.query(&statement).await?;
    }
    Ok(())
}
