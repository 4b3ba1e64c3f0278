//! Renderers over run files: tables, figures, exports.

pub mod export;
pub mod figure;
