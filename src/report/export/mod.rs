//! A run in formats that other tools read. A format is one file here and one value of [`ExportFormat`].

mod csv;
mod error;
mod formats;
mod hgrm;
mod hlog;

pub(crate) use csv::{csv_line, series_csv};
pub(crate) use error::ExportError;
pub(crate) use formats::ExportFormat;
pub use hlog::{LogInterval, hlog};
