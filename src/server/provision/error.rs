//! What can go wrong while a server is provisioned.

use std::path::{Path, PathBuf};

use crate::secret::PasswordFileError;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// `--server auto` found neither way.
    #[error(
        "no PostgreSQL to measure. Docker: {docker}. Local: {local}. Run `procbench doctor --install`, or name a server with --server postgres://user@host:port/dbname"
    )]
    NothingAvailable {
        /// Why not Docker.
        docker: String,
        /// Why not local binaries.
        local: String,
    },
    /// No Docker engine answers.
    #[error(
        "Docker cannot be used: {0}. Start the engine (package docker.io), or use --server local"
    )]
    DockerUnavailable(String),
    /// No distribution suite is known for this major version.
    #[error(
        "no Debian suite is known to carry PostgreSQL {major} for Docker: use {known}, or --server local with your own binaries"
    )]
    UnknownMajor {
        /// The version asked for.
        major: u32,
        /// Those that are available.
        known: String,
    },
    /// No local server binaries.
    #[error("no local PostgreSQL server binaries{}: apt-get install postgresql", .major.map(|m| format!(" of version {m}")).unwrap_or_default())]
    NoLocalBinaries {
        /// The version asked for.
        major: Option<u32>,
    },
    /// A directory given for its binaries has none.
    #[error(
        "no PostgreSQL in {dir} that {user} may run: name the directory that holds postgres and initdb"
    )]
    NotBinaries {
        /// As it was named.
        dir: PathBuf,
        /// Who would run it.
        user: String,
    },
    /// Running as root and there is no user to drop to.
    #[error(
        "PostgreSQL refuses to run as root and there is neither a user postgres nor nobody to run it as: run procbench as an ordinary user"
    )]
    NoUnprivilegedUser,
    /// The path of a Unix socket does not fit into `sockaddr_un`.
    #[error("the socket path {0} is longer than 107 bytes: set TMPDIR to a shorter directory")]
    SocketPath(String),
    /// It was started and does not answer.
    #[error("{what} {why}; the end of its log: {}", on_one_line(log))]
    NotReady {
        /// Which server.
        what: String,
        /// `exited while starting` or for how long it did not answer.
        why: String,
        /// Tail of its log.
        log: String,
    },
    /// The action would change a server that is not ours.
    #[error("{0} is only done on a server procbench started itself, not on one given by URL")]
    NotOurs(&'static str),
    /// The password file may not or cannot be read.
    #[error(transparent)]
    PasswordFile(#[from] PasswordFileError),
    /// A program, a server or the operating system refused something.
    #[error("{what}: {reason}")]
    Failed {
        /// What was being done; without any password.
        what: String,
        /// Their words.
        reason: String,
    },
}

impl ProvisionError {
    /// What was being done, and why it failed.
    pub(crate) fn failed(what: impl Into<String>, reason: impl ToString) -> Self {
        Self::Failed {
            what: what.into(),
            reason: reason.to_string(),
        }
    }

    /// For `map_err` on I/O.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        |error| Self::failed(what, error)
    }

    /// The same, for something done to a file or directory.
    pub(crate) fn at(what: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        Self::io(format!("{what} {}", path.display()))
    }
}

/// The last lines of a log for a message, which is one line everywhere (stderr, run file, tables).
fn on_one_line(log: &str) -> String {
    let lines = super::command::tail(log, 6);
    lines.lines().map(str::trim).collect::<Vec<_>>().join(" / ")
}
