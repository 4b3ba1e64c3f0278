//! What is started for a server or for PgBouncer: one process, here or in a container, and its directory.

use std::fmt::Debug;
use std::time::Duration;

use super::bootstrap::{free_port, wait_until_ready};
use super::command::tail;
use super::endpoint::Endpoint;
use super::error::ProvisionError;
use super::kind::ServerKind;
use super::scratch::Scratch;

/// A free port may be taken before the server binds it; how often another one is tried.
const PORT_ATTEMPTS: usize = 4;

/// A postmaster or PgBouncer of ours; ended by drop too.
pub(crate) trait Process: Debug + Send + Sync {
    /// Docker or local.
    fn kind(&self) -> ServerKind;
    /// Its PID on this host, where it can be seen.
    fn pid(&self) -> Option<u32>;
    fn is_alive(&self) -> bool;
    /// All that it and its children have logged; empty where that cannot be read.
    fn log(&self) -> Vec<u8>;
    /// Ends and removes it.
    fn end(&mut self) -> Result<(), ProvisionError>;
    /// Name of its container and id of the image, where it runs in one.
    fn container(&self) -> Option<(&str, &str)> {
        None
    }
}

/// A process and its directory. They go when it is dropped.
#[derive(Debug)]
pub(crate) struct Started {
    // The process ends before its directory is removed: fields are dropped in this order.
    pub(crate) process: Box<dyn Process>,
    pub(crate) scratch: Scratch,
}

impl Started {
    /// The last 20 lines of its log.
    pub(crate) fn log_tail(&self) -> String {
        tail(&String::from_utf8_lossy(&self.process.log()), 20)
    }
}

/// Starts something and waits until its endpoint answers, on another port when the first was taken meanwhile.
/// `what` names it in an error.
pub(crate) fn start_on_free_port(
    what: &str,
    limit: Duration,
    start: impl Fn(u16) -> Result<(Started, Endpoint), ProvisionError>,
) -> Result<(Started, Endpoint), ProvisionError> {
    let mut attempt = 1;
    loop {
        let (started, endpoint) = start(free_port()?)?;
        let process = &started.process;
        let Some(why) = wait_until_ready(&endpoint, limit, &|| process.is_alive())? else {
            return Ok((started, endpoint));
        };
        let log = started.log_tail();
        let taken = [
            "Address already in use",
            "could not create any TCP/IP sockets",
        ];
        if attempt == PORT_ATTEMPTS || !taken.iter().any(|words| log.contains(words)) {
            // A message is one line everywhere (stderr, run file, tables).
            let end = tail(&log, 6);
            let end: Vec<&str> = end.lines().map(str::trim).collect();
            return Err(ProvisionError::new(format!(
                "{what} {why}; the end of its log: {}",
                end.join(" / ")
            )));
        }
        attempt += 1;
    }
}
