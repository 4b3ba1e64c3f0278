//! Stored histograms in formats that other tools read.

mod csv;
mod hgrm;
mod hlog;

pub use csv::{PERCENTILES, csv_line, percentile_csv};
pub use hgrm::hgrm;
pub use hlog::{HlogError, LogInterval, hlog};
