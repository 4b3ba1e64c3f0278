//! The formats in which a run can be written.

use super::{ExportError, hgrm, hlog};
use crate::names::named_enum;
use crate::record::Run;
use crate::report::rows::{summary_csv, summary_rows};
use crate::stats::Analysis;

named_enum! {
    /// A format by its name on the command line, which is also the usual extension of its files.
    pub enum ExportFormat: "format" {
        /// The summary's rows.
        Json = "json",
        /// The summary's rows.
        Csv = "csv",
        /// HdrHistogram percentile distributions, one after another.
        Hgrm = "hgrm",
        /// One HdrHistogram interval log, tagged by arm and series.
        Hlog = "hlog",
    }
}

impl ExportFormat {
    /// The whole run in this format.
    ///
    /// # Errors
    /// When the format's writer refuses.
    pub fn write(self, run: &Run, analysis: &Analysis) -> Result<Vec<u8>, ExportError> {
        match self {
            ExportFormat::Json => {
                let rows = serde_json::to_string_pretty(&summary_rows(analysis));
                let json = rows.map_err(|e| ExportError(e.to_string()))?;
                Ok((json + "\n").into_bytes())
            }
            ExportFormat::Csv => Ok(summary_csv(&summary_rows(analysis)).into_bytes()),
            ExportFormat::Hgrm => Ok(hgrm::of_run(run, analysis).into_bytes()),
            ExportFormat::Hlog => hlog::of_run(run),
        }
    }
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
            let format: ExportFormat = name.parse().unwrap();
            format.write(&run, &analyse(&run)).unwrap()
        };
        let json: Vec<serde_json::Value> = serde_json::from_slice(&write("json")).unwrap();
        let csv = String::from_utf8(write("csv")).unwrap();
        assert_eq!(csv.lines().count(), json.len() + 1);
        assert!(String::from_utf8(write("hgrm")).unwrap().contains("#[Mean"));
        let unknown = "xml".parse::<ExportFormat>().unwrap_err();
        assert!(unknown.contains("json, csv, hgrm, hlog"), "{unknown}");
    }
}
