//! Why a run cannot be exported.

/// A run that cannot be written in the format asked for.
#[derive(Debug, thiserror::Error)]
#[error("cannot export: {0}")]
pub struct ExportError(pub(super) String);
