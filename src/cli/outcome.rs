//! How a command ends.

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
}

/// How a command that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Done.
    Done,
    /// Something is missing; what was measured is kept and marked: exit code 1.
    Partial,
}
