//! Renderers over run files: tables, figures, exports.
