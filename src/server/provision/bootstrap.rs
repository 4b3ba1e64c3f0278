//! First connections to a server: waiting until it answers, role and database, its version.

use std::future::Future;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::endpoint::Endpoint;
use super::error::ProvisionError;
use super::role::{DATABASE, ROLE};
use crate::causes::on_one_line;
use crate::secret::Secret;
use crate::server::frontend::note_sessions;
use crate::server::target::{Target, event_loop};

/// Bound on one connection attempt.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Runs a future to its end on a thread of its own, so that it works inside and outside of a runtime.
fn block_on<T: Send>(
    future: impl Future<Output = Result<T, ProvisionError>> + Send,
) -> Result<T, ProvisionError> {
    let on_thread = || {
        event_loop()
            .map_err(ProvisionError::io("cannot start a runtime"))?
            .block_on(future)
    };
    std::thread::scope(|scope| match scope.spawn(on_thread).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// A port nobody listens on now. Somebody may take it before the server does: callers try again.
pub(crate) fn free_port() -> Result<u16, ProvisionError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|l| l.local_addr())
        .map(|a| a.port())
        .map_err(ProvisionError::io("no free port on 127.0.0.1"))
}

/// Opens a connection; the returned client works on the current runtime.
pub(crate) async fn connect(endpoint: &Endpoint) -> Result<Client, ProvisionError> {
    let outcome = match tokio::time::timeout(CONNECT_LIMIT, attempt(endpoint)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("no answer within {} s", CONNECT_LIMIT.as_secs())),
    };
    outcome.map_err(|reason| {
        // PostgreSQL's words (auth.c `ClientAuthentication`; "SSL off" to 13) and PgBouncer's.
        let asks_for_tls = ["no encryption", "SSL off", "SSL required"];
        let asks_for_tls = asks_for_tls.iter().any(|words| reason.contains(words));
        let hint = if asks_for_tls && endpoint.tls.is_none() {
            " (if it asks for TLS: procbench connects to a server by URL without)"
        } else {
            ""
        };
        ProvisionError::failed(
            format!("cannot connect to {endpoint}"),
            format!("{reason}{hint}"),
        )
    })
}

async fn attempt(endpoint: &Endpoint) -> Result<Client, String> {
    let config = endpoint.to_config();
    if endpoint.tls.is_some() {
        let target = Target::new(endpoint).map_err(|e| e.to_string())?;
        let socket = target.open_socket().await.map_err(|e| e.to_string())?;
        let socket = target.encrypt(socket).await.map_err(|e| e.to_string())?;
        let connected = config.connect_raw(socket, NoTls).await;
        let (client, connection) = connected.map_err(|e| on_one_line(&e))?;
        tokio::spawn(connection);
        return Ok(client);
    }
    let (client, connection) = config.connect(NoTls).await.map_err(|e| on_one_line(&e))?;
    tokio::spawn(connection);
    note_sessions(1);
    Ok(client)
}

/// Polls with whole connections until one has seen ReadyForQuery: `None`. Otherwise why there is none.
pub(crate) fn wait_until_ready(
    endpoint: &Endpoint,
    limit: Duration,
    is_alive: &(dyn Fn() -> bool + Sync),
) -> Result<Option<String>, ProvisionError> {
    block_on(async {
        let deadline = Instant::now() + limit;
        loop {
            let Err(last) = connect(endpoint).await else {
                return Ok(None);
            };
            if !is_alive() {
                return Ok(Some("exited while starting".to_owned()));
            }
            if Instant::now() > deadline {
                let seconds = limit.as_secs();
                return Ok(Some(format!(
                    "did not accept a connection within {seconds} s ({last})"
                )));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
}

/// Executes statements one by one on a connection of their own; an error shows each by its label.
pub(crate) fn execute(
    endpoint: &Endpoint,
    statements: &[(&str, &str)],
) -> Result<(), ProvisionError> {
    block_on(async {
        let client = connect(endpoint).await?;
        for (label, statement) in statements {
            let done = client.batch_execute(statement).await;
            done.map_err(|e| ProvisionError::failed(*label, on_one_line(&e)))?;
        }
        Ok(())
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
    execute(admin, &statements)
}

/// Connects and asks `server_version`, package suffix included.
pub(crate) fn server_version(endpoint: &Endpoint) -> Result<String, ProvisionError> {
    let question = "SHOW server_version";
    block_on(async {
        let client = connect(endpoint).await?;
        // Not prepared: behind a pooler the statement may be gone before it is executed.
        let answer = client.simple_query(question).await;
        let messages = answer.map_err(|e| ProvisionError::failed(question, on_one_line(&e)))?;
        let version = messages.iter().find_map(|m| match m {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        version.ok_or_else(|| ProvisionError::failed(question, "no row"))
    })
}

/// The major version in `15.18 (Debian 15.18-0+deb12u1)`, `18beta1` and the like.
pub(crate) fn major_of(server_version: &str) -> Option<u32> {
    let digits: String = server_version
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
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
