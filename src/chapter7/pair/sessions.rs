//! Sessions with either server, and what they ask and change.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::chapter7::level::Level;
use crate::server::provision::{Endpoint, RunningServer};
use crate::server::{Frontend, FrontendError, Target};

/// How long a server that was started again may take to answer.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// A session of the superuser.
///
/// # Errors
/// When the server does not let it in.
pub async fn superuser(server: &RunningServer) -> Result<Frontend, FrontendError> {
    let admin = server.admin_endpoint();
    let admin = admin.ok_or_else(|| FrontendError::here("no superuser"))?;
    Target::new(admin)?.connect().await
}

/// A session of the superuser with a server that was started again, as soon as it lets one in.
///
/// # Errors
/// Why it does not, with its last words.
pub async fn until_ready(server: &RunningServer) -> Result<Frontend, FrontendError> {
    let deadline = Instant::now() + READY_LIMIT;
    loop {
        match superuser(server).await {
            Ok(session) => return Ok(session),
            Err(error) if !server.is_alive() || Instant::now() >= deadline => {
                let log = server.log_tail();
                let end: Vec<&str> = log.lines().map(str::trim).collect();
                let end = end[end.len().saturating_sub(6)..].join(" / ");
                return Err(FrontendError::Here(format!(
                    "a server does not come back: {error}; the end of its log: {end}"
                )));
            }
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}

/// The server, for sessions that commit at this level.
pub fn at_level(server: &RunningServer, level: Level) -> Endpoint {
    let mut endpoint = server.endpoint().clone();
    endpoint.settings.options = Some(format!("-c synchronous_commit={level}"));
    endpoint
}

/// A session that commits at this level.
///
/// # Errors
/// When the server does not let it in.
pub async fn connect(server: &RunningServer, level: Level) -> Result<Frontend, FrontendError> {
    Target::new(&at_level(server, level))?.connect().await
}

/// The first value of an answer; `None` for null, and where there is no row.
///
/// # Errors
/// What the server says.
pub async fn value(session: &mut Frontend, sql: &str) -> Result<Option<String>, FrontendError> {
    let rows = session.rows(sql).await?;
    Ok(rows.into_iter().flatten().next().flatten())
}

/// Changes a setting of a running server.
///
/// # Errors
/// What the server says.
pub async fn set_and_reload(
    admin: &mut Frontend,
    name: &str,
    value: &str,
) -> Result<(), FrontendError> {
    admin
        .query(&format!("ALTER SYSTEM SET {name} = '{value}'"))
        .await?;
    admin.query("SELECT pg_catalog.pg_reload_conf()").await
}

/// What `synchronous_commit` and `synchronous_standby_names` are where nobody sets them.
///
/// # Errors
/// What the server says.
pub async fn defaults(server: &RunningServer) -> Result<(String, String), FrontendError> {
    let mut session = superuser(server).await?;
    let sql = "SELECT boot_val FROM pg_catalog.pg_settings WHERE name IN ('synchronous_commit', 'synchronous_standby_names') ORDER BY name";
    let rows = session.rows(sql).await?;
    let mut values = rows.into_iter().flatten().map(Option::unwrap_or_default);
    let mut next = || values.next().unwrap_or_default();
    Ok((next(), next()))
}
