//! What can go wrong while a server is provisioned.

use std::fmt::Display;
use std::path::Path;

use crate::secret::PasswordFileError;

/// Why there is no server: one line that says what to install or change.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ProvisionError(String);

impl ProvisionError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// What was being done (without any password), and why it failed.
    pub(crate) fn failed(what: impl Display, reason: impl Display) -> Self {
        Self(format!("{what}: {reason}"))
    }

    /// No Docker engine answers.
    pub(crate) fn no_docker(reason: impl Display) -> Self {
        Self(format!(
            "Docker cannot be used: {reason}. Start the engine (package docker.io), or use --server local"
        ))
    }

    /// For `map_err` on I/O.
    pub(crate) fn io(what: impl Display) -> impl FnOnce(std::io::Error) -> Self {
        |error| Self::failed(what, error)
    }

    /// The same, for something done to a file or directory.
    pub(crate) fn at(what: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        Self::io(format!("{what} {}", path.display()))
    }
}

impl From<PasswordFileError> for ProvisionError {
    fn from(error: PasswordFileError) -> Self {
        Self(error.to_string())
    }
}
