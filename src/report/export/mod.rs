//! A run in formats that other tools read. A format is one file here and one row of [`EXPORT_FORMATS`].

mod csv;
mod error;
mod formats;
mod hgrm;
mod hlog;

pub use csv::{PERCENTILES, csv_line, percentile_csv, series_csv};
pub use error::ExportError;
pub use formats::{EXPORT_FORMATS, ExportFormat};
pub use hgrm::hgrm;
pub use hlog::{HlogError, LogInterval, hlog};
