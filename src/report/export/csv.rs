//! Comma-separated values.

use itertools::Itertools;

use crate::record::{SeriesHistogram, percentile_of_buckets};
use crate::stats::Analysis;

/// Percentiles of an exported series, in per cent.
const PERCENTILES: [f64; 12] = [
    0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.99, 100.0,
];

/// One CSV record with its line end; fields are quoted where RFC 4180 asks
/// for it.
pub fn csv_line<F: AsRef<str>>(fields: &[F]) -> String {
    let quoted = fields.iter().map(|field| match field.as_ref() {
        field if field.contains([',', '"', '\n', '\r']) => {
            format!("\"{}\"", field.replace('"', "\"\""))
        }
        field => field.to_owned(),
    });
    quoted.collect_vec().join(",") + "\n"
}

/// Percentiles of named histograms of ns, one row per histogram and
/// percentile.
///
/// `samples_above` says how many samples lie above the value: a percentile
/// with fewer than ten is anecdote. An empty histogram gives no row.
fn percentile_csv<'s>(series: impl IntoIterator<Item = (String, &'s SeriesHistogram)>) -> String {
    let mut csv = "series,percentile,value_ns,samples_above,sample_count\n".to_owned();
    for (name, histogram) in series.into_iter().filter(|(_, h)| !h.is_empty()) {
        let buckets = histogram.buckets();
        for percentile in PERCENTILES {
            let value = percentile_of_buckets(&buckets, percentile).unwrap_or(0);
            let above = buckets.iter().rev().take_while(|bucket| bucket.0 > value);
            let above: u64 = above.map(|bucket| bucket.1).sum();
            let numbers = [value, above, histogram.len()].map(|n| n.to_string());
            let record = [name.clone(), percentile.to_string()];
            csv += &csv_line(&[&record[..], &numbers].concat());
        }
    }
    csv
}

/// Percentiles of every series of every arm, for spreadsheets.
pub fn series_csv(analysis: &Analysis) -> String {
    let series = analysis.contenders().flat_map(|(level, contender)| {
        let level = level.factors.tag(&analysis.varying);
        let arm = format!("{level}/{}", contender.label());
        let merged = contender.merged.iter();
        merged.map(move |(key, histogram)| (format!("{arm}/{key}"), histogram))
    });
    percentile_csv(series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_only_where_needed() {
        assert_eq!(
            csv_line(&["a", "b,c", "d\"e", ""]),
            "a,\"b,c\",\"d\"\"e\",\n"
        );
    }

    #[test]
    fn rows_count_the_samples_above() {
        let mut histogram = SeriesHistogram::default();
        (1..=1000).for_each(|value| histogram.record(value));
        let csv = percentile_csv([("reader.select".to_owned(), &histogram)]);
        assert_eq!(csv.lines().count(), 1 + PERCENTILES.len());
        assert!(csv.contains("reader.select,50,500,500,1000\n"), "{csv}");
        assert!(csv.contains("reader.select,99.9,999,1,1000\n"), "{csv}");
        assert!(csv.contains("reader.select,100,1000,0,1000\n"), "{csv}");
        let empty = percentile_csv([("none".to_owned(), &SeriesHistogram::default())]);
        assert_eq!(empty.lines().count(), 1);
    }
}
