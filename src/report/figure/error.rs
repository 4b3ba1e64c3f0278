//! What can go wrong between a series and a file.

use std::path::PathBuf;

/// Failure to draw or to write a figure.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    /// The series cannot be drawn on this figure's axes.
    #[error("figure `{title}` cannot be drawn: {reason}")]
    Unfit {
        /// Title of the figure.
        title: String,
        /// What is wrong with which series.
        reason: String,
    },
    /// The drawn SVG could not be read back for conversion.
    #[error("the drawn SVG cannot be converted: {0}")]
    Convert(String),
    /// A file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file in question.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}
