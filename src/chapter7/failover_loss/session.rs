//! The table, and what is in it.

use crate::chapter7::level::Level;
use crate::chapter7::pair::connect;
use crate::server::FrontendError;
use crate::server::provision::RunningServer;

/// Bytes of a row. Not compressed: bytes of WAL are counted.
pub(super) const PAYLOAD: u32 = 400;

/// Inserts one row of so many bytes; `$1` is its number, which says whose it is.
pub(super) fn insert(payload: u32) -> String {
    format!("INSERT INTO loss (number, payload) VALUES ($1, repeat('x', {payload}))")
}

/// Without a key: a row that is there twice is to be seen.
const TABLES: [&str; 2] = [
    "CREATE TABLE loss (number bigint NOT NULL, payload text NOT NULL)",
    "ALTER TABLE loss ALTER COLUMN payload SET STORAGE PLAIN",
];

/// Makes the table.
///
/// # Errors
/// What the server says.
pub(super) async fn make_tables(primary: &RunningServer) -> Result<(), FrontendError> {
    let mut session = connect(primary, Level::Local).await?;
    for statement in TABLES {
        session.query(statement).await?;
    }
    Ok(())
}

/// The numbers of all rows that are there.
///
/// # Errors
/// What the server says.
pub(super) async fn numbers(server: &RunningServer) -> Result<Vec<u64>, FrontendError> {
    let mut session = connect(server, Level::Local).await?;
    let rows = session.rows("SELECT number FROM loss").await?;
    let values = rows.into_iter().flatten().flatten();
    values.map(|value| as_number(&value)).collect()
}

/// A row's number, as it was read.
///
/// # Errors
/// When it is none.
pub(super) fn as_number(value: &str) -> Result<u64, FrontendError> {
    let bad = |_| FrontendError::Protocol(format!("'{value}' is no number"));
    value.parse().map_err(bad)
}
