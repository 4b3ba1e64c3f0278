//! Tables and statements.

use crate::chapter7::level::Level;
use crate::chapter7::pair::{Pair, connect};
use crate::server::FrontendError;

/// One row of 400 bytes; `$1` is its number. Not compressed: bytes of WAL are what is looked at.
pub(super) const INSERT: &str =
    "INSERT INTO ladder (number, payload) VALUES ($1, repeat('x', 400))";

/// A row that is to be found again.
pub(super) const INSERT_READ: &str = "INSERT INTO ladder_read (number) VALUES ($1)";

const TABLES: [&str; 3] = [
    "CREATE TABLE ladder (number bigint NOT NULL, payload text NOT NULL)",
    "ALTER TABLE ladder ALTER COLUMN payload SET STORAGE PLAIN",
    "CREATE TABLE ladder_read (number bigint PRIMARY KEY)",
];

/// Makes the tables.
///
/// # Errors
/// What the server says.
pub(super) async fn make_tables(pair: &Pair) -> Result<(), FrontendError> {
    let mut session = connect(&pair.primary, Level::Local).await?;
    for statement in TABLES {
        session.query(statement).await?;
    }
    Ok(())
}
