//! The formats in which a run can be written, one row each.

use std::fmt;
use std::str::FromStr;

use super::error::ExportError;
use super::{hgrm, hlog};
use crate::record::Run;
use crate::report::rows::{summary_csv, summary_rows};
use crate::stats::Analysis;

/// A format.
#[derive(Debug)]
pub struct ExportFormat {
    /// Its name on the command line; also the usual extension of its files.
    pub name: &'static str,
    /// What it holds, for help.
    pub meaning: &'static str,
    write: fn(&Run, &Analysis) -> Result<Vec<u8>, ExportError>,
}

/// Every format.
pub static EXPORT_FORMATS: [ExportFormat; 4] = [
    ExportFormat {
        name: "json",
        meaning: "the summary's rows",
        write: json,
    },
    ExportFormat {
        name: "csv",
        meaning: "the summary's rows",
        write: csv,
    },
    ExportFormat {
        name: "hgrm",
        meaning: "HdrHistogram percentile distributions, one after another",
        write: hgrm::of_run,
    },
    ExportFormat {
        name: "hlog",
        meaning: "one HdrHistogram interval log, tagged by arm and series",
        write: hlog::of_run,
    },
];

impl ExportFormat {
    /// The whole run in this format.
    ///
    /// # Errors
    /// When the format's writer refuses.
    pub fn write(&self, run: &Run, analysis: &Analysis) -> Result<Vec<u8>, ExportError> {
        (self.write)(run, analysis)
    }
}

impl fmt::Display for ExportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

impl FromStr for &'static ExportFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        EXPORT_FORMATS
            .iter()
            .find(|f| f.name == text)
            .ok_or_else(|| {
                let names = EXPORT_FORMATS.each_ref().map(|f| f.name);
                format!("unknown format '{text}': choose from {}", names.join(", "))
            })
    }
}

fn json(_: &Run, analysis: &Analysis) -> Result<Vec<u8>, ExportError> {
    let rows = serde_json::to_vec_pretty(&summary_rows(analysis));
    let mut json = rows.map_err(|e| ExportError(e.to_string()))?;
    json.push(b'\n');
    Ok(json)
}

fn csv(_: &Run, analysis: &Analysis) -> Result<Vec<u8>, ExportError> {
    Ok(summary_csv(&summary_rows(analysis)).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::testing::sample_run;

    #[test]
    fn json_and_csv_hold_the_same_rows() {
        let run = sample_run(3);
        let write = |name: &str| {
            let format: &ExportFormat = name.parse().unwrap();
            format.write(&run, &analyse(&run)).unwrap()
        };
        let json: Vec<serde_json::Value> = serde_json::from_slice(&write("json")).unwrap();
        let csv = String::from_utf8(write("csv")).unwrap();
        assert_eq!(csv.lines().count(), json.len() + 1);
        assert!(String::from_utf8(write("hgrm")).unwrap().contains("#[Mean"));
        let unknown = "xml".parse::<&ExportFormat>().unwrap_err();
        assert!(unknown.contains("json, csv, hgrm, hlog"), "{unknown}");
    }
}
