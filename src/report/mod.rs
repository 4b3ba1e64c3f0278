//! Renderers over run files: tables, figures, exports. Nothing here measures.

pub mod accounting;
pub mod advice;
pub mod cells;
pub mod comparable;
pub mod costs;
mod cpu_drawing;
pub mod cpu_table;
pub mod drawings;
pub mod export;
pub mod figure;
pub mod findings;
mod footer;
pub mod format;
mod level_title;
pub mod lock_drawing;
pub mod lock_table;
pub mod phase_drawing;
pub mod phases;
pub mod prediction;
mod quantity;
pub mod rows;
pub mod summary_text;
pub mod survival;
pub mod sweep_drawing;
pub mod sweep_words;
pub mod table;
mod text_table;
