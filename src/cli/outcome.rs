//! How a command ends: its exit code and, on failure, one line.

use std::process::ExitCode;

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

    /// 2 for a wrong request, 1 for a failure.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            CommandError::Request(_) => ExitCode::from(2),
            CommandError::Failed(_) => ExitCode::from(1),
        }
    }
}

/// How a command that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// Something is missing; what was measured is kept and marked.
    Partial,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => ExitCode::SUCCESS,
            Outcome::Partial => ExitCode::from(1),
        }
    }
}
