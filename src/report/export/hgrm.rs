//! HdrHistogram's percentile distribution as text.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

use crate::names::counted;
use crate::record::Run;
use crate::report::level_title::short_title;
use crate::stats::Analysis;

/// Reporting steps per halving of the distance to 100 %; HdrHistogram's own
/// default in its log processor.
const TICKS_PER_HALF_DISTANCE: u32 = 5;

/// The percentile distribution of a histogram in the text format of
/// HdrHistogram (Java's `AbstractHistogram.outputPercentileDistribution`),
/// which its plotters read.
///
/// Values are divided by `unit`: with a histogram of ns, 1,000 prints µs and
/// 1,000,000 ms.
fn hgrm(histogram: &Histogram<u64>, unit: f64) -> String {
    let digits = usize::from(histogram.sigfig());
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let mut seen = 0;
    // Writing into a String cannot fail, hence `.ok()`.
    for step in histogram.iter_quantiles(TICKS_PER_HALF_DISTANCE) {
        seen += step.count_since_last_iteration();
        let value = step.value_iterated_to() as f64 / unit;
        let quantile = step.quantile_iterated_to();
        write!(text, "{value:>12.digits$} {quantile:.12} {seen:>10}").ok();
        if quantile < 1.0 {
            write!(text, " {:>14.2}", 1.0 / (1.0 - quantile)).ok();
        }
        text.push('\n');
    }
    // A histogram of `d` digits resolves 2 * 10^d values singly; its buckets
    // are the next power of two of them.
    let sub_buckets = (2 * 10u64.pow(u32::from(histogram.sigfig()))).next_power_of_two();
    writeln!(
        text,
        "#[Mean    = {:>12.digits$}, StdDeviation   = {:>12.digits$}]\n\
         #[Max     = {:>12.digits$}, Total count    = {:>12}]\n\
         #[Buckets = {:>12}, SubBuckets     = {:>12}]",
        histogram.mean() / unit,
        histogram.stdev() / unit,
        histogram.max() as f64 / unit,
        histogram.len(),
        histogram.buckets(),
        sub_buckets
    )
    .ok();
    text
}

/// The distribution of every series of every arm at every level.
pub(super) fn of_run(run: &Run, analysis: &Analysis) -> String {
    let mut out = String::new();
    for (level, contender) in analysis.contenders() {
        let level = short_title(&level.factors, &analysis.varying);
        let place = format!(
            "{} {}, {level}, {}",
            run.run_id,
            run.mode,
            contender.label()
        );
        for (key, histogram) in &contender.merged {
            let samples = counted(histogram.len(), "sample");
            out += &format!("# run {place}, {key}, values in us, {samples}\n");
            match histogram.overflow_ns().len() {
                0 => {}
                longer => out += &format!("# and {longer} longer than an hour\n"),
            }
            out += &hgrm(&histogram.hdr(), 1000.0);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
        for i in 0..10_000u64 {
            histogram.record(60_000 + i * i % 5_000_011).unwrap();
        }
        histogram
    }

    /// (value, percentile, total count, 1/(1-p)) of every data line.
    fn rows(text: &str) -> Vec<(f64, f64, u64, Option<f64>)> {
        text.lines()
            .skip(2)
            .take_while(|line| !line.starts_with('#'))
            .map(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                (
                    fields[0].parse().unwrap(),
                    fields[1].parse().unwrap(),
                    fields[2].parse().unwrap(),
                    fields.get(3).map(|f| f.parse().unwrap()),
                )
            })
            .collect()
    }

    #[test]
    fn rows_rise_and_end_at_everything() {
        let histogram = sample();
        let rows = rows(&hgrm(&histogram, 1_000.0));
        assert!(rows.len() > 40);
        for pair in rows.windows(2) {
            assert!(pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1 && pair[0].2 <= pair[1].2);
        }
        let last = rows.last().unwrap();
        assert_eq!((last.1, last.2, last.3), (1.0, 10_000, None));
        assert!((last.0 - histogram.max() as f64 / 1_000.0).abs() < 1e-3);
        for (value, percentile, count, inverse) in &rows {
            let counted = histogram.count_between(0, (value * 1_000.0).round() as u64);
            assert_eq!(counted, *count, "at {percentile}");
            assert!(*count as f64 / 10_000.0 >= percentile - 1e-12);
            if let Some(inverse) = inverse {
                assert!((inverse - 1.0 / (1.0 - percentile)).abs() <= inverse * 1e-3 + 0.01);
            }
        }
    }

    #[test]
    fn layout_is_that_of_the_java_writer() {
        let mut histogram = Histogram::<u64>::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
        histogram.record_n(1_000, 3).unwrap();
        histogram.record(2_000).unwrap();
        let text = hgrm(&histogram, 1.0);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "       Value     Percentile TotalCount 1/(1-Percentile)"
        );
        assert_eq!(lines[1], "");
        assert_eq!(
            lines[2],
            "    1000.000 0.000000000000          3           1.00"
        );
        assert!(
            text.contains("\n    2000.000 1.000000000000          4\n"),
            "{text}"
        );
        assert!(
            text.contains("#[Mean    =     1250.000, StdDeviation   =      433.013]\n"),
            "{text}"
        );
        assert!(
            text.contains("#[Max     =     2000.000, Total count    =            4]\n"),
            "{text}"
        );
        assert!(text.ends_with("SubBuckets     =         2048]\n"), "{text}");
    }

    #[test]
    fn an_empty_histogram_gives_header_and_footer() {
        let text = hgrm(&Histogram::<u64>::new(3).unwrap(), 1.0);
        assert!(text.contains("Total count    =            0]"), "{text}");
        assert!(!text.contains("NaN"), "{text}");
    }
}
