//! How a command ends.

use std::io::{self, ErrorKind};
use std::path::Path;

use crate::record::RunFileError;

/// A command that did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The request was wrong: exit code 2.
    #[error("{0}")]
    Request(String),
    /// The request was fine and failed: exit code 1.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
}

impl CommandError {
    /// A wrong request, from any error.
    pub fn request(error: impl std::fmt::Display) -> Self {
        CommandError::Request(error.to_string())
    }

    /// A place that cannot be written to: the request names the wrong one, or the machine fails (a full disk).
    pub fn unwritten(place: &Path, error: &io::Error) -> Self {
        let message = format!("cannot write to {}: {error}", place.display());
        match error.kind() {
            ErrorKind::PermissionDenied
            | ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::AlreadyExists
            | ErrorKind::InvalidFilename
            | ErrorKind::ReadOnlyFilesystem => CommandError::Request(message),
            _ => CommandError::Failed(anyhow::Error::msg(message)),
        }
    }

    /// The same for a file that was named.
    pub fn unwritten_file(error: RunFileError) -> Self {
        match &error {
            RunFileError::Io { path, problem, .. } => Self::unwritten(path, problem),
            _ => CommandError::Failed(error.into()),
        }
    }
}

/// How a command that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Done.
    Done,
    /// Something is missing; what was measured is kept and marked: exit code 1.
    Partial,
}
