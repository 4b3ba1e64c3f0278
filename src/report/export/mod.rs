//! A run in formats that other tools read. A format is one file here and one value of [`ExportFormat`].

mod csv;
mod error;
mod formats;
mod hgrm;
mod hlog;

pub use csv::{csv_line, series_csv};
pub use error::ExportError;
pub use formats::ExportFormat;
pub use hlog::{LogInterval, hlog};
