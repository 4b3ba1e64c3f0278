//! HdrHistogram's interval log (V2, deflated).

use std::borrow::Cow;
use std::fmt::Display;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use itertools::Itertools;

use super::ExportError;
use crate::factor::varying;
use crate::record::Run;

/// ns per unit of the log's printed maximum: it is in ms, as in Java's logs.
/// The histograms themselves stay in ns.
const MAX_VALUE_DIVISOR: f64 = 1e6;

/// One histogram of one stretch of time.
#[derive(Debug, Clone)]
pub struct LogInterval<'a> {
    /// Names the series, for instance `unpooled/reader.select.response`; no
    /// blank, comma or line end.
    pub tag: String,
    /// Start, counted from the log's start time; kept to the ms.
    pub start: Duration,
    /// Length of the stretch; kept to the ms.
    pub length: Duration,
    /// Its samples in ns.
    pub histogram: Cow<'a, Histogram<u64>>,
}

/// The last line of a header: it names the columns.
const LEGEND: &[u8] =
    b"\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";

/// What stands before the first interval, as Java's `HistogramLogWriter` (2.1.12) writes it; the crate's own writer
/// leaves out the version, without which the C reader takes nothing.
fn header(start_time: SystemTime, comments: &[String]) -> String {
    let since_epoch = start_time.duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since_epoch.unwrap_or_default().as_secs_f64();
    let date = jiff::Timestamp::try_from(start_time).unwrap_or_default();
    let date = date.strftime("%a %b %d %H:%M:%S UTC %Y");
    let mut header = String::new();
    // One per line: the C reader takes no header line of more than 127 bytes.
    let comments = comments.iter().map(|comment| format!("#{comment}"));
    let lines = [
        "#[Histogram log format version 1.3]".to_owned(),
        format!("#[StartTime: {seconds:.3} (seconds since epoch), {date}]"),
        format!("#[BaseTime: {seconds:.3} (seconds since epoch)]"),
    ];
    for line in lines.into_iter().chain(comments) {
        header.push_str(&line);
        header.push('\n');
    }
    header
}

/// The interval log of a run: HdrHistogram's `HistogramLogWriter` format with
/// StartTime and BaseTime, one tagged line per interval in order of start.
///
/// `comments` are put first, one `#` line each.
///
/// # Errors
/// A tag that the format cannot hold.
pub fn hlog(
    start_time: SystemTime,
    comments: &[String],
    intervals: &[LogInterval<'_>],
) -> Result<Vec<u8>, ExportError> {
    let failed = |e: &dyn Display| ExportError(format!("cannot write the interval log: {e}"));
    let mut written = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut writer = IntervalLogWriterBuilder::new()
        .with_max_value_divisor(MAX_VALUE_DIVISOR)
        .begin_log_with(&mut written, &mut serializer)
        .map_err(|e| failed(&e))?;
    // Java's reader stops at the first interval past its range.
    for interval in intervals.iter().sorted_by_key(|i| i.start) {
        let tag = Tag::new(&interval.tag).filter(|tag| !tag.is_empty());
        let tag = tag.ok_or_else(|| {
            ExportError(format!(
                "the tag `{}` cannot stand in an interval log: use no blank, comma or line end",
                interval.tag
            ))
        })?;
        writer
            .write_histogram(
                &interval.histogram,
                interval.start,
                interval.length,
                Some(tag),
            )
            .map_err(|e| failed(&e))?;
    }
    // The crate's own header is one line, the divisor. The legend ends a header.
    let divisor = written.iter().position(|&byte| byte == b'\n');
    let (divisor, intervals) = written.split_at(divisor.map_or(0, |at| at + 1));
    let header = header(start_time, comments).into_bytes();
    Ok([&header, divisor, LEGEND, intervals].concat())
}

/// The log of a run: every block of every arm. Tags are without blanks:
/// `500/kept-open/reader.statement.total.response`; values of factors that vary stand after the
/// standing connections.
///
/// # Errors
/// A tag that the format cannot hold.
pub(super) fn of_run(run: &Run) -> Result<Vec<u8>, ExportError> {
    let started = run.started_at.parse::<jiff::Timestamp>();
    let started = started.map_or(SystemTime::UNIX_EPOCH, SystemTime::from);
    let named = varying(run.blocks.iter().map(|b| &b.factors));
    let mut intervals = Vec::new();
    for block in &run.blocks {
        let level = block.factors.tag(&named);
        let twin = if block.twin { "-twin" } else { "" };
        let arm = format!("{}{twin}", block.arm);
        intervals.extend(block.series.iter().map(|(key, histogram)| LogInterval {
            tag: format!("{level}/{arm}/{key}"),
            start: Duration::from_nanos(block.start_ns),
            length: Duration::from_nanos(block.measured_ns),
            histogram: Cow::Owned(histogram.hdr()),
        }));
    }
    let mut comments = vec![
        format!(
            "procbench run {} {} {}",
            run.run_id, run.experiment, run.mode
        ),
        "values in ns; parts of a tag:".to_owned(),
    ];
    let factors = named.iter().map(|f| f.title().to_owned());
    let parts = std::iter::once("standing connections".to_owned()).chain(factors);
    let last = ["arm", "role.operation.phase.clock"].map(str::to_owned);
    comments.extend(parts.chain(last).map(|part| format!("/{part}")));
    hlog(started, &comments, &intervals)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::testing::sample_run;

    fn histogram(seed: u64) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
        for i in 0..2_000u64 {
            histogram
                .record(1 + (i * i * seed) % 50_000_000_000)
                .unwrap();
        }
        histogram
    }

    fn counts(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
        histogram
            .iter_recorded()
            .map(|s| (s.value_iterated_to(), s.count_at_value()))
            .collect()
    }

    #[test]
    fn a_log_read_back_is_the_log_written() {
        let histograms = [
            histogram(7),
            histogram(1_000_003),
            Histogram::new(3).unwrap(),
        ];
        let tags = [
            "unpooled/reader.select.response",
            "quiet/reader.select.response",
            "pool/empty",
        ];
        let starts = [5_500, 0, 61_250].map(Duration::from_millis);
        let intervals: Vec<LogInterval<'_>> = (0..3)
            .map(|i| LogInterval {
                tag: tags[i].to_owned(),
                start: starts[i],
                length: Duration::from_millis(2_500),
                histogram: Cow::Borrowed(&histograms[i]),
            })
            .collect();
        let start_time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_790_000_000_125);
        let log = hlog(start_time, &["run 42".to_owned()], &intervals).unwrap();
        let header = "#[Histogram log format version 1.3]\n\
            #[StartTime: 1790000000.125 (seconds since epoch), Mon Sep 21 14:13:20 UTC 2026]\n\
            #[BaseTime: 1790000000.125 (seconds since epoch)]\n#run 42\n#[MaxValueDivisor: 1000000.000]\n\
            \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";
        assert!(log.starts_with(header.as_bytes()));

        let mut read = Vec::new();
        let mut headers = Vec::new();
        for entry in IntervalLogIterator::new(&log) {
            match entry.unwrap() {
                LogEntry::StartTime(at) | LogEntry::BaseTime(at) => headers.push(at),
                LogEntry::Interval(interval) => {
                    let bytes = base64::engine::general_purpose::STANDARD
                        .decode(interval.encoded_histogram())
                        .unwrap();
                    let histogram: Histogram<u64> =
                        Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
                    let tag = interval.tag().unwrap().as_str().to_owned();
                    read.push((
                        tag,
                        interval.start_timestamp(),
                        interval.duration(),
                        interval.max(),
                        histogram,
                    ));
                }
            }
        }
        assert_eq!(headers.len(), 2);
        for at in headers {
            assert_eq!((at.as_secs_f64() * 1e3).round(), 1_790_000_000_125.0);
        }
        // In order of start: quiet, unpooled, pool.
        for (entry, i) in read.iter().zip([1, 0, 2]) {
            assert_eq!(entry.0, tags[i]);
            assert_eq!(entry.1.as_millis(), starts[i].as_millis());
            assert_eq!(entry.2.as_millis(), 2_500);
            assert!((entry.3 - histograms[i].max() as f64 / 1e6).abs() < 1e-3);
            assert_eq!(counts(&entry.4), counts(&histograms[i]));
        }
        assert_eq!(read.len(), 3);
    }

    #[test]
    fn a_tag_that_breaks_the_line_is_refused() {
        let histogram = histogram(1);
        for tag in ["a,b", "a b", "a\nb", ""] {
            let interval = LogInterval {
                tag: tag.to_owned(),
                start: Duration::ZERO,
                length: Duration::ZERO,
                histogram: Cow::Borrowed(&histogram),
            };
            let refused = hlog(SystemTime::UNIX_EPOCH, &[], &[interval]);
            let told = refused.unwrap_err().to_string();
            assert!(told.contains(&format!("the tag `{tag}` cannot")), "{told}");
        }
    }

    #[test]
    fn the_interval_log_holds_every_block_and_sample() {
        let run = sample_run(3);
        let log = of_run(&run).unwrap();
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
}
