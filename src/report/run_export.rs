//! A run in other tools' formats.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use super::export::{LogInterval, hgrm, hlog, percentile_csv};
use super::level_title::short_title;
use super::rows::{summary_csv, summary_rows};
use crate::experiment::analyse;
use crate::factor::{Factor, varying};
use crate::record::{Block, Run, SeriesKey};
use crate::stats::Analysis;

/// What `export` can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// The summary's rows as JSON.
    Json,
    /// The summary's rows as CSV.
    Csv,
    /// HdrHistogram percentile distributions, one after another.
    Hgrm,
    /// One HdrHistogram interval log, tagged by arm and series.
    Hlog,
}

impl ExportFormat {
    const ALL: [ExportFormat; 4] = [
        ExportFormat::Json,
        ExportFormat::Csv,
        ExportFormat::Hgrm,
        ExportFormat::Hlog,
    ];

    fn name(self) -> &'static str {
        match self {
            ExportFormat::Json => "json",
            ExportFormat::Csv => "csv",
            ExportFormat::Hgrm => "hgrm",
            ExportFormat::Hlog => "hlog",
        }
    }
}

impl fmt::Display for ExportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ExportFormat {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        ExportFormat::ALL
            .into_iter()
            .find(|f| f.name() == s)
            .ok_or_else(|| format!("unknown format '{s}': choose from json, csv, hgrm, hlog"))
    }
}

/// A run that cannot be written in the asked format.
#[derive(Debug, thiserror::Error)]
#[error("cannot export: {0}")]
pub struct ExportError(String);

/// The whole run as text in `format`.
///
/// # Errors
/// When the format's writer refuses.
pub fn export(run: &Run, format: ExportFormat) -> Result<Vec<u8>, ExportError> {
    match format {
        ExportFormat::Json => {
            let rows = summary_rows(&analyse(run));
            let mut json =
                serde_json::to_vec_pretty(&rows).map_err(|e| ExportError(e.to_string()))?;
            json.push(b'\n');
            Ok(json)
        }
        ExportFormat::Csv => Ok(summary_csv(&summary_rows(&analyse(run))).into_bytes()),
        ExportFormat::Hgrm => Ok(all_hgrm(run).into_bytes()),
        ExportFormat::Hlog => interval_log(run),
    }
}

/// Percentiles of every series of every arm, for spreadsheets.
pub fn series_csv(analysis: &Analysis) -> String {
    let mut named = Vec::new();
    for level in &analysis.levels {
        for contender in &level.contenders {
            for (key, histogram) in &contender.merged {
                named.push((
                    format!(
                        "{}/{}/{key}",
                        level.factors.tag(&analysis.varying),
                        contender.label()
                    ),
                    histogram,
                ));
            }
        }
    }
    percentile_csv(named.iter().map(|(name, h)| (name.as_str(), h.hdr())))
}

fn all_hgrm(run: &Run) -> String {
    let mut out = String::new();
    let analysis = analyse(run);
    for level in &analysis.levels {
        for contender in &level.contenders {
            for (key, histogram) in &contender.merged {
                out += &format!(
                    "# run {} {}, {}, {}, {key}, values in us, {} samples\n",
                    run.run_id,
                    run.mode,
                    short_title(&level.factors, &analysis.varying),
                    contender.label(),
                    histogram.len()
                );
                if !histogram.overflow_ns().is_empty() {
                    out += &format!(
                        "# and {} longer than an hour\n",
                        histogram.overflow_ns().len()
                    );
                }
                out += &hgrm(histogram.hdr(), 1000.0);
                out.push('\n');
            }
        }
    }
    out
}

/// A tag without blanks: `500/kept-open/reader.statement.total.response`; values
/// of factors that vary stand after the standing connections.
fn tag(block: &Block, named: &[Factor], key: &SeriesKey) -> String {
    let twin = if block.twin { "-twin" } else { "" };
    format!("{}/{}{twin}/{key}", block.factors.tag(named), block.arm)
}

fn interval_log(run: &Run) -> Result<Vec<u8>, ExportError> {
    let started = run
        .started_at
        .parse::<jiff::Timestamp>()
        .map_or(SystemTime::UNIX_EPOCH, SystemTime::from);
    let named = varying(run.blocks.iter().map(|b| &b.factors));
    let tags: Vec<Vec<String>> = run
        .blocks
        .iter()
        .map(|b| b.series.keys().map(|key| tag(b, &named, key)).collect())
        .collect();
    let mut intervals = Vec::new();
    for (block, tags) in run.blocks.iter().zip(&tags) {
        for (histogram, tag) in block.series.values().zip(tags) {
            intervals.push(LogInterval {
                tag,
                start: Duration::from_nanos(block.start_ns),
                length: Duration::from_nanos(block.measured_ns),
                histogram: histogram.hdr(),
            });
        }
    }
    let comments = [
        format!(
            "procbench run {} {} {}",
            run.run_id, run.experiment, run.mode
        ),
        format!(
            "values in ns; tag = standing/{}arm/role.operation.phase.clock",
            named
                .iter()
                .map(|f| format!("{}/", f.name()))
                .collect::<String>()
        ),
    ];
    hlog(started, &comments, &intervals).map_err(|e| ExportError(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sample_run;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    #[test]
    fn the_interval_log_holds_every_block_and_sample() {
        let run = sample_run(3);
        let log = export(&run, ExportFormat::Hlog).unwrap();
        let mut deserializer = Deserializer::new();
        let mut samples = 0;
        let mut intervals = 0;
        for entry in IntervalLogIterator::new(&log) {
            if let LogEntry::Interval(interval) = entry.unwrap() {
                let bytes = base64::Engine::decode(
                    &base64::engine::general_purpose::STANDARD,
                    interval.encoded_histogram(),
                )
                .unwrap();
                let histogram: hdrhistogram::Histogram<u64> =
                    deserializer.deserialize(&mut bytes.as_slice()).unwrap();
                samples += histogram.len();
                intervals += 1;
                assert!(
                    interval
                        .tag()
                        .unwrap()
                        .as_str()
                        .contains("/reader.statement.total.")
                );
            }
        }
        let expected: u64 = run
            .blocks
            .iter()
            .flat_map(|b| b.series.values())
            .map(|h| h.len())
            .sum();
        assert_eq!((intervals, samples), (run.blocks.len() * 2, expected));
    }

    #[test]
    fn json_and_csv_hold_the_same_rows() {
        let run = sample_run(3);
        let json: Vec<serde_json::Value> =
            serde_json::from_slice(&export(&run, ExportFormat::Json).unwrap()).unwrap();
        let csv = String::from_utf8(export(&run, ExportFormat::Csv).unwrap()).unwrap();
        assert_eq!(csv.lines().count(), json.len() + 1);
        assert!(
            String::from_utf8(export(&run, ExportFormat::Hgrm).unwrap())
                .unwrap()
                .contains("#[Mean")
        );
        assert!(
            "xml"
                .parse::<ExportFormat>()
                .unwrap_err()
                .contains("json, csv, hgrm, hlog")
        );
    }
}
