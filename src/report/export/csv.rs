//! Comma-separated values.

use hdrhistogram::{Counter, Histogram};

use crate::stats::Analysis;

/// Percentiles of an exported series, in per cent.
pub const PERCENTILES: [f64; 12] = [
    0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.99, 100.0,
];

/// One CSV record with its line end; fields are quoted where RFC 4180 asks
/// for it.
pub fn csv_line<F: AsRef<str>>(fields: &[F]) -> String {
    let quoted: Vec<String> = fields
        .iter()
        .map(|field| {
            let field = field.as_ref();
            if field.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", field.replace('"', "\"\""))
            } else {
                field.to_owned()
            }
        })
        .collect();
    quoted.join(",") + "\n"
}

/// Percentiles of named histograms of ns, one row per histogram and
/// percentile.
///
/// `samples_above` says how many samples lie above the value: a percentile
/// with fewer than ten is anecdote. An empty histogram gives no row.
pub fn percentile_csv<'a, C: Counter + 'a>(
    series: impl IntoIterator<Item = (&'a str, &'a Histogram<C>)>,
) -> String {
    let mut csv = csv_line(&[
        "series",
        "percentile",
        "value_ns",
        "samples_above",
        "sample_count",
    ]);
    for (name, histogram) in series {
        if histogram.is_empty() {
            continue;
        }
        for percentile in PERCENTILES {
            // 99.9 / 100 is a little above 0.999 and would pick the rank after.
            let quantile = (percentile / 100.0 * 1e9).round() / 1e9;
            let value = histogram.value_at_quantile(quantile);
            let above: u64 = histogram
                .iter_recorded()
                .filter(|step| step.value_iterated_to() > value)
                .map(|step| step.count_since_last_iteration())
                .sum();
            csv += &csv_line(&[
                name,
                &percentile.to_string(),
                &value.to_string(),
                &above.to_string(),
                &histogram.len().to_string(),
            ]);
        }
    }
    csv
}

/// Percentiles of every series of every arm, for spreadsheets.
pub fn series_csv(summary: &Analysis) -> String {
    let mut named = Vec::new();
    for (level, contender) in summary.contenders() {
        let arm = format!(
            "{}/{}",
            level.factors.tag(&summary.varying),
            contender.label()
        );
        let series = contender.merged.iter();
        named.extend(series.map(|(key, histogram)| (format!("{arm}/{key}"), histogram)));
    }
    percentile_csv(named.iter().map(|(name, h)| (name.as_str(), h.hdr())))
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
        let mut histogram = Histogram::<u64>::new(3).unwrap();
        for value in 1..=1000 {
            histogram.record(value).unwrap();
        }
        let csv = percentile_csv([("reader.select", &histogram)]);
        assert_eq!(csv.lines().count(), 1 + PERCENTILES.len());
        assert!(csv.contains("reader.select,50,500,500,1000\n"), "{csv}");
        assert!(csv.contains("reader.select,99.9,999,1,1000\n"), "{csv}");
        assert!(csv.contains("reader.select,100,1000,0,1000\n"), "{csv}");
        let empty = Histogram::<u64>::new(3).unwrap();
        assert_eq!(percentile_csv([("none", &empty)]).lines().count(), 1);
    }
}
