//! A server that answers.

use std::path::{Path, PathBuf};

use super::bootstrap::major_of;
use super::certificate::ServerCertificate;
use super::endpoint::Endpoint;
use super::error::ProvisionError;
use super::kind::ServerKind;
use super::server_user::ServerUser;
use super::started::Started;
use crate::config::EndpointHost;

/// A place in a server's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogMark(usize);

/// A server that answers. Everything this tool started for it goes with [`stop`](Self::stop) or drop.
#[derive(Debug)]
pub struct RunningServer {
    /// `None` for a server by URL.
    pub(super) started: Option<Started>,
    pub(super) endpoint: Endpoint,
    pub(super) admin: Option<Endpoint>,
    pub(super) certificate: Option<ServerCertificate>,
    pub(super) bin_dir: Option<PathBuf>,
    pub(super) user: Option<ServerUser>,
    pub(super) server_version: String,
    pub(super) chosen_because: String,
}

impl RunningServer {
    /// For the arms: the role and database `procbench`, or what the URL says.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The superuser, through the Unix socket; `None` for a server that is not ours.
    pub fn admin_endpoint(&self) -> Option<&Endpoint> {
        self.admin.as_ref()
    }

    /// The postmaster's PID on this host, where it can be seen; for [`crate::procfs`].
    /// For a URL on this machine's Unix socket or loopback nothing is guessed.
    pub fn postmaster_pid(&self) -> Option<u32> {
        self.started.as_ref()?.process.pid()
    }

    /// Which server this is and why it was taken, one sentence for the user.
    pub fn chosen_because(&self) -> &str {
        &self.chosen_because
    }

    /// Docker, local or URL.
    pub fn kind(&self) -> ServerKind {
        let started = self.started.as_ref();
        started.map_or(ServerKind::Url, |s| s.process.kind())
    }

    /// The id (`sha256:...`) of the image it runs from.
    pub fn image_id(&self) -> Option<&str> {
        self.container().map(|(_, image)| image)
    }

    /// The folder of the binaries it runs from, for a local cluster.
    pub fn bin_dir(&self) -> Option<&Path> {
        self.bin_dir.as_deref()
    }

    /// The container's name, for `docker logs` and its cgroup.
    pub fn container_name(&self) -> Option<&str> {
        self.container().map(|(name, _)| name)
    }

    fn container(&self) -> Option<(&str, &str)> {
        self.started.as_ref()?.process.container()
    }

    /// `server_version` with the package suffix, e.g. `15.18 (Debian 15.18-0+deb12u1)`.
    pub fn server_version(&self) -> &str {
        &self.server_version
    }

    /// Major version.
    pub fn pg_major(&self) -> Option<u32> {
        major_of(&self.server_version)
    }

    /// Whether the postmaster runs. A URL counts as alive: only a connection could tell.
    pub fn is_alive(&self) -> bool {
        let started = self.started.as_ref();
        started.is_none_or(|s| s.process.is_alive())
    }

    /// The end of the server's log; empty for a URL.
    pub fn log_tail(&self) -> String {
        let started = self.started.as_ref();
        started.map_or_else(String::new, Started::log_tail)
    }

    /// Where the server's log ends now, for [`log_since`](Self::log_since).
    pub fn log_mark(&self) -> LogMark {
        LogMark(self.log().len())
    }

    /// What the server has logged since `mark`; empty for a URL, and where the log cannot be read.
    pub fn log_since(&self, mark: LogMark) -> String {
        let log = self.log();
        String::from_utf8_lossy(log.get(mark.0..).unwrap_or_default()).into_owned()
    }

    fn log(&self) -> Vec<u8> {
        let started = self.started.as_ref();
        started.map_or_else(Vec::new, |s| s.process.log())
    }

    /// Removes everything started for it.
    ///
    /// # Errors
    /// When Docker does not remove the container; the next run's sweep tries again.
    pub fn stop(mut self) -> Result<(), ProvisionError> {
        self.started.as_mut().map_or(Ok(()), |s| s.process.end())
    }

    /// Host directory of the server's socket, for a server of ours.
    pub(super) fn socket_dir(&self) -> Option<&Path> {
        match &self.admin.as_ref()?.host {
            EndpointHost::Unix(dir) => Some(dir),
            EndpointHost::Tcp(_) => None,
        }
    }
}
