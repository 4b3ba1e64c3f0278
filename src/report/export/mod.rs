//! A run in formats that other tools read. A format is one file here and one row of [`EXPORT_FORMATS`].

mod csv;
mod formats;
mod hgrm;
mod hlog;

pub use csv::{PERCENTILES, csv_line, percentile_csv, series_csv};
pub use formats::{EXPORT_FORMATS, ExportError, ExportFormat};
pub use hgrm::hgrm;
pub use hlog::{HlogError, LogInterval, hlog};
