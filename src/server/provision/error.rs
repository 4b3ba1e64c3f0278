//! What can go wrong while a server is provisioned.

use std::fmt::Display;
use std::path::Path;

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

    /// The same, for `map_err`.
    pub(crate) fn when<E: Display>(what: impl Display) -> impl FnOnce(E) -> Self {
        |error| Self::failed(what, error)
    }

    /// The same, for something done to a file or directory.
    pub(crate) fn at<E: Display>(what: &str, path: &Path) -> impl FnOnce(E) -> Self {
        Self::when(format!("{what} {}", path.display()))
    }
}
