//! First connections to a server: waiting until it answers, role and database, its version.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use super::command::poll;
use super::endpoint::Endpoint;
use super::error::ProvisionError;
use super::spec::{DATABASE, ROLE};
use crate::causes::on_one_line;
use crate::config::Disconnect;
use crate::secret::Secret;
use crate::server::frontend::{Frontend, Row};
use crate::server::target::{Target, event_loop};

/// Bound on one connection attempt.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// A port nobody listens on now. Somebody may take it before the server does: callers try again.
pub(crate) fn free_port() -> Result<u16, ProvisionError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|l| l.local_addr())
        .map(|a| a.port())
        .map_err(ProvisionError::when("no free port on 127.0.0.1"))
}

async fn connect(endpoint: &Endpoint) -> Result<Frontend, ProvisionError> {
    let attempt = async { Target::new(endpoint)?.connect().await };
    let reason = match tokio::time::timeout(CONNECT_LIMIT, attempt).await {
        Ok(Ok(connection)) => return Ok(connection),
        Ok(Err(error)) => on_one_line(&error),
        Err(_) => format!("no answer within {} s", CONNECT_LIMIT.as_secs()),
    };
    Err(ProvisionError::failed(
        format!("cannot connect to {endpoint}"),
        reason,
    ))
}

/// Polls with whole connections until one has seen ReadyForQuery: `None`. Otherwise why there is none.
pub(crate) fn wait_until_ready(
    endpoint: &Endpoint,
    limit: Duration,
    is_alive: impl Fn() -> bool,
) -> Option<String> {
    let mut last = String::new();
    let ended = poll(limit, 20, || match send(endpoint, &[]) {
        Ok(_) => Some(None),
        Err(_) if !is_alive() => Some(Some("exited while starting".to_owned())),
        Err(error) => {
            last = error.to_string();
            None
        }
    });
    let seconds = limit.as_secs();
    ended.unwrap_or_else(|| {
        Some(format!(
            "did not accept a connection within {seconds} s ({last})"
        ))
    })
}

/// Sends statements one by one on a connection of their own; the rows of all. An error shows each by its label.
pub(crate) fn send(
    endpoint: &Endpoint,
    statements: &[(&str, &str)],
) -> Result<Vec<Row>, ProvisionError> {
    let runtime = event_loop().map_err(ProvisionError::when("cannot start a runtime"))?;
    runtime.block_on(async {
        let mut connection = connect(endpoint).await?;
        let mut rows = Vec::new();
        for (label, statement) in statements {
            // Not prepared: behind a pooler the statement may be gone before it is executed.
            let answer = connection.rows(statement).await;
            rows.extend(answer.map_err(|e| ProvisionError::failed(label, on_one_line(&e)))?);
        }
        // What was asked for is there, whatever becomes of the connection.
        let _ = connection.terminate(Disconnect::Close).await;
        Ok(rows)
    })
}

/// Creates the role, with this password verifier if it is to have one, and the database it owns.
pub(crate) fn create_role_and_database(
    admin: &Endpoint,
    verifier: Option<&Secret>,
) -> Result<(), ProvisionError> {
    let role = format!("CREATE ROLE {ROLE} LOGIN");
    let with_password = verifier.map(|v| format!("{role} PASSWORD '{}'", v.expose()));
    let database = format!("CREATE DATABASE {DATABASE} OWNER {ROLE}");
    // A statement that fails would stand in the log, the verifier with it.
    let silent = "SET log_min_error_statement = panic";
    let statements = [
        (silent, silent),
        (&role, with_password.as_deref().unwrap_or(&role)),
        (&database, &database),
    ];
    send(admin, &statements).map(drop)
}

/// The first value of the answer to a question.
pub(crate) fn ask(endpoint: &Endpoint, question: &str) -> Result<String, ProvisionError> {
    let rows = send(endpoint, &[(question, question)])?;
    let answer = rows.into_iter().flatten().flatten().next();
    answer.ok_or_else(|| ProvisionError::failed(question, "no row"))
}

/// The version as the server names it, package suffix included.
pub(crate) fn server_version(endpoint: &Endpoint) -> Result<String, ProvisionError> {
    ask(endpoint, "SHOW server_version")
}

/// The major version in `15.18 (Debian 15.18-0+deb12u1)`, `18beta1` and the like.
pub(crate) fn major_of(server_version: &str) -> Option<u32> {
    let digits = server_version.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn majors() {
        assert_eq!(major_of("15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major_of("19devel"), Some(19));
        assert_eq!(major_of("devel"), None);
    }
}
