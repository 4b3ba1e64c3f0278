//! Sessions, tables and statements.

use super::arms::Level;
use crate::chapter7::pair::{Pair, superuser};
use crate::server::provision::{Endpoint, RunningServer};
use crate::server::{Frontend, FrontendError, Target};

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

/// The server, for sessions that commit at this level.
pub(super) fn at_level(server: &RunningServer, level: Level) -> Endpoint {
    let mut endpoint = server.endpoint().clone();
    endpoint.settings.options = Some(format!("-c synchronous_commit={level}"));
    endpoint
}

/// A session that commits at this level.
///
/// # Errors
/// When the server does not let it in.
pub(super) async fn connect(
    server: &RunningServer,
    level: Level,
) -> Result<Frontend, FrontendError> {
    Target::new(&at_level(server, level))?.connect().await
}

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

/// What two settings are where nobody sets them.
///
/// # Errors
/// What the server says.
pub(super) async fn defaults(pair: &Pair) -> Result<(String, String), FrontendError> {
    let mut session = superuser(&pair.primary).await?;
    let sql = "SELECT boot_val FROM pg_catalog.pg_settings WHERE name IN ('synchronous_commit', 'synchronous_standby_names') ORDER BY name";
    let rows = session.rows(sql).await?;
    let mut values = rows.into_iter().flatten().map(Option::unwrap_or_default);
    let mut next = || values.next().unwrap_or_default();
    Ok((next(), next()))
}
