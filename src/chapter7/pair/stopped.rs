//! A standby's receiver that stands still.

use std::time::Duration;

use super::sessions::{superuser, value};
use crate::console::complain;
use crate::server::FrontendError;
use crate::server::provision::RunningServer;

/// How long a signal may take to be sent.
const SIGNAL_LIMIT: Duration = Duration::from_secs(10);

/// A stopped process; it goes on when this is dropped.
pub struct Stopped<'a> {
    server: &'a RunningServer,
    pid: u32,
}

impl<'a> Stopped<'a> {
    /// Stops it (SIGSTOP).
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn stop(server: &'a RunningServer, pid: u32) -> Result<Self, FrontendError> {
        // It exists before the call: a signal that was sent is taken back in any case.
        let stopped = Stopped { server, pid };
        let sent = server.shell(&format!("kill -STOP {pid}"), SIGNAL_LIMIT, &|| false);
        sent.map_err(FrontendError::here)?;
        Ok(stopped)
    }

    /// It is to be killed as it stands.
    pub fn leave(self) {
        std::mem::forget(self);
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let go_on = format!("kill -CONT {}", self.pid);
        if let Err(error) = self.server.shell(&go_on, SIGNAL_LIMIT, &|| false) {
            complain(&format!(
                "procbench: the receiver {} still stands: {error}",
                self.pid
            ));
        }
    }
}

/// The process that receives a standby's WAL.
///
/// # Errors
/// What the server says; that there is none.
pub async fn receiver(standby: &RunningServer) -> Result<u32, FrontendError> {
    let mut session = superuser(standby).await?;
    let sql = "SELECT pid FROM pg_catalog.pg_stat_wal_receiver";
    let pid = value(&mut session, sql).await?;
    let pid = pid.and_then(|pid| pid.parse().ok());
    pid.ok_or_else(|| FrontendError::here("the standby has no receiver"))
}
