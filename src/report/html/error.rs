//! Why there is no page.

use crate::report::figure::FigureError;

/// Failure to write a page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// A figure cannot be drawn.
    #[error(transparent)]
    Figure(#[from] FigureError),
    /// The template cannot be filled in.
    #[error("the page cannot be written: {0}")]
    Template(#[from] askama::Error),
}
