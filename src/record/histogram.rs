//! Histograms: small ones that workers own, and merged ones that files keep. Percentiles are by nearest rank over
//! recorded buckets.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::serialization::Deserializer as HdrDeserializer;
use hdrhistogram::serialization::Serializer as _;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::{Counter, Histogram};
use itertools::Itertools;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Largest value a worker's histogram holds: 60 s. Longer ones are kept exactly.
const WORKER_MAX_NS: u64 = 60_000_000_000;
/// Largest value a merged histogram holds: one hour.
pub const MERGED_MAX_NS: u64 = 3_600_000_000_000;
/// Significant decimal digits.
const DIGITS: u8 = 3;
/// Room for overlong values that is set aside beforehand.
const OVERFLOW_CAPACITY: usize = 64;

fn up_to<C: Counter>(max_ns: u64) -> Histogram<C> {
    Histogram::new_with_bounds(1, max_ns, DIGITS)
        .unwrap_or_else(|_| unreachable!("the bounds are constants and allowed"))
}

/// A worker's own histogram of ns: 1 ns to 60 s, three digits; longer values are kept exactly.
///
/// It never allocates while recording up to `OVERFLOW_CAPACITY` overlong values, and never drops or clips one.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerHistogram {
    histogram: Histogram<u32>,
    overflow_ns: Vec<u64>,
}

impl Default for WorkerHistogram {
    /// An empty histogram, all memory set aside.
    fn default() -> Self {
        WorkerHistogram {
            histogram: up_to(WORKER_MAX_NS),
            overflow_ns: Vec::with_capacity(OVERFLOW_CAPACITY),
        }
    }
}

impl WorkerHistogram {
    /// Records one duration. Zero counts as 1 ns, the histogram's least value.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        if self.histogram.record(ns.max(1)).is_err() {
            self.overflow_ns.push(ns);
        }
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.histogram.is_empty() && self.overflow_ns.is_empty()
    }
}

/// The merged histogram of one series in one block: 1 ns to one hour, three digits; longer values are kept exactly.
///
/// Only buckets with samples take memory: a run has thousands of series, most of them with a few hundred samples.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeriesHistogram {
    /// The highest ns of each bucket that has samples, ascending, and their number.
    counts: Vec<(u64, u64)>,
    overflow_ns: Vec<u64>,
}

/// What the buckets are.
static EMPTY: LazyLock<Histogram<u64>> = LazyLock::new(|| up_to(MERGED_MAX_NS));

impl SeriesHistogram {
    /// Records one duration. Zero counts as 1 ns, the histogram's least value.
    pub fn record(&mut self, ns: u64) {
        self.record_n(ns, 1);
    }

    fn record_n(&mut self, ns: u64, count: u64) {
        if ns > MERGED_MAX_NS {
            self.overflow_ns.extend((0..count).map(|_| ns));
        } else {
            let bucket = EMPTY.highest_equivalent(ns.max(1));
            match self.counts.binary_search_by_key(&bucket, |c| c.0) {
                Ok(at) => self.counts[at].1 += count,
                Err(at) => self.counts.insert(at, (bucket, count)),
            }
        }
    }

    /// How many durations were recorded, overlong ones included.
    pub fn len(&self) -> u64 {
        // A damaged file may hold any counts.
        let counts = self.counts.iter();
        counts.fold(self.overflow_ns.len() as u64, |sum, (_, n)| {
            sum.saturating_add(*n)
        })
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds everything a worker recorded.
    pub fn merge_worker(&mut self, worker: &WorkerHistogram) {
        let mut series = SeriesHistogram::default();
        for value in worker.histogram.iter_recorded() {
            series.record_n(value.value_iterated_to(), u64::from(value.count_at_value()));
        }
        for &ns in &worker.overflow_ns {
            series.record(ns);
        }
        self.merge(&series);
    }

    /// Adds another series.
    pub fn merge(&mut self, other: &SeriesHistogram) {
        let (own, more) = (std::mem::take(&mut self.counts), &other.counts);
        let both = own
            .into_iter()
            .merge_by(more.iter().copied(), |a, b| a.0 <= b.0);
        let sum = |a: (u64, u64), b: (u64, u64)| match a.0 == b.0 {
            true => Ok((a.0, a.1 + b.1)),
            false => Err((a, b)),
        };
        self.counts = both.coalesce(sum).collect();
        self.overflow_ns.extend_from_slice(&other.overflow_ns);
    }

    /// The recorded buckets in ascending order: highest equivalent value in
    /// ns and count. Overlong values come last, exactly.
    pub fn buckets(&self) -> Vec<(u64, u64)> {
        let mut overlong = self.overflow_ns.clone();
        overlong.sort_unstable();
        let buckets = self.counts.iter().copied();
        buckets
            .chain(overlong.into_iter().map(|ns| (ns, 1)))
            .collect()
    }

    /// The value in ns at percentile `p` (0 to 100): the least recorded value
    /// such that at least that share of samples is not above it. `None` if empty.
    pub fn percentile_ns(&self, p: f64) -> Option<u64> {
        percentile_of_buckets(&self.buckets(), p)
    }

    /// Mean in ns; `None` if empty.
    pub fn mean_ns(&self) -> Option<f64> {
        let buckets = self.buckets();
        let count: u64 = buckets.iter().map(|b| b.1).sum();
        let sum: f64 = buckets.iter().map(|&(v, n)| v as f64 * n as f64).sum();
        (count > 0).then(|| sum / count as f64)
    }

    /// The last ns of the bucket in which these are.
    pub fn last_of_bucket(ns: u64) -> u64 {
        match ns {
            ns if ns > MERGED_MAX_NS => ns,
            ns => EMPTY.highest_equivalent(ns),
        }
    }

    /// As an HdrHistogram, without the overlong values.
    pub fn hdr(&self) -> Histogram<u64> {
        let mut hdr = EMPTY.clone();
        for &(ns, count) in &self.counts {
            let recorded = hdr.record_n(ns, count);
            debug_assert!(recorded.is_ok());
        }
        hdr
    }

    /// Values above one hour, exact, in ns.
    pub fn overflow_ns(&self) -> &[u64] {
        &self.overflow_ns
    }
}

/// How a histogram stands in the run file: the raw HdrHistogram V2 encoding
/// (deflated, base64), with the count beside it for readers without a decoder.
#[derive(Serialize, Deserialize)]
struct Wire {
    count: u64,
    v2_deflate_base64: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    overflow_ns: Vec<u64>,
}

impl Serialize for SeriesHistogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(&self.hdr(), &mut bytes)
            .map_err(serde::ser::Error::custom)?;
        Wire {
            count: self.len(),
            v2_deflate_base64: BASE64.encode(bytes),
            overflow_ns: self.overflow_ns.clone(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SeriesHistogram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let wire = Wire::deserialize(deserializer)?;
        let bytes = BASE64
            .decode(wire.v2_deflate_base64)
            .map_err(D::Error::custom)?;
        let histogram: Histogram<u64> = HdrDeserializer::new()
            .deserialize(&mut bytes.as_slice())
            .map_err(D::Error::custom)?;
        let steps = histogram.iter_recorded();
        let series = SeriesHistogram {
            counts: steps
                .map(|s| (s.value_iterated_to(), s.count_at_value()))
                .collect(),
            overflow_ns: wire.overflow_ns,
        };
        if series.len() == wire.count {
            Ok(series)
        } else {
            Err(D::Error::custom(format!(
                "a histogram holds {} samples but says {}",
                series.len(),
                wire.count
            )))
        }
    }
}

/// The value at percentile `p` (0 to 100) of ascending `(value, count)`
/// buckets: the least value such that at least `p` per cent of the samples are
/// not above it. `None` if there are no samples.
pub(crate) fn percentile_of_buckets(buckets: &[(u64, u64)], p: f64) -> Option<u64> {
    let total: u64 = buckets.iter().map(|b| b.1).sum();
    if total == 0 {
        return None;
    }
    let rank = rank_of(p, total);
    let mut seen = 0;
    buckets
        .iter()
        .find(|b| {
            seen += b.1;
            seen >= rank
        })
        .map(|b| b.0)
}

/// The nearest rank (from 1) of percentile `p` among `total` samples. The
/// product is nudged down so that 99.9 % of 1,000 is rank 999, not 1,000
/// because of a binary fraction.
pub fn rank_of(p: f64, total: u64) -> u64 {
    let exact = p / 100.0 * total as f64;
    ((exact - exact * 1e-12).ceil() as u64).clamp(1, total)
}

/// How many samples lie above percentile `p` of `total` samples.
pub fn samples_above(p: f64, total: u64) -> u64 {
    if total == 0 {
        0
    } else {
        total - rank_of(p, total)
    }
}

/// A percentile's usual name: `p99.9`, `max` for 100.
pub fn percentile_name(p: f64) -> String {
    if p >= 100.0 {
        "max".to_owned()
    } else {
        format!("p{p}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn series(values: &[u64]) -> SeriesHistogram {
        let mut worker = WorkerHistogram::default();
        values.iter().for_each(|&v| worker.record(v));
        let mut series = SeriesHistogram::default();
        series.merge_worker(&worker);
        series
    }

    #[test]
    fn overlong_values_are_kept_exactly() {
        let s = series(&[100, WORKER_MAX_NS * 2, MERGED_MAX_NS * 3]);
        assert_eq!(s.len(), 3);
        assert_eq!(s.overflow_ns(), [MERGED_MAX_NS * 3]);
        assert_eq!(s.percentile_ns(100.0), Some(MERGED_MAX_NS * 3));
    }

    #[test]
    fn an_empty_histogram_has_no_percentile() {
        assert_eq!(SeriesHistogram::default().percentile_ns(50.0), None);
        assert_eq!(SeriesHistogram::default().mean_ns(), None);
    }

    proptest! {
        #[test]
        fn percentiles_are_ordered_and_within_the_recorded_range(
            mut values in prop::collection::vec(1u64..100_000_000_000, 1..300)
        ) {
            let s = series(&values);
            values.sort_unstable();
            let mut last = 0;
            for p in [0.0, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 100.0] {
                let v = s.percentile_ns(p).unwrap();
                prop_assert!(v >= last);
                last = v;
                // Against the exact nearest-rank percentile: within three digits.
                let rank = ((p / 100.0 * values.len() as f64).ceil() as usize).clamp(1, values.len());
                let exact = values[rank - 1] as f64;
                prop_assert!((v as f64 - exact).abs() <= exact * 0.001 + 1.0, "{v} {exact}");
            }
        }

        #[test]
        fn merging_is_associative_and_conserves_counts(
            a in prop::collection::vec(1u64..200_000_000_000, 0..50),
            b in prop::collection::vec(1u64..200_000_000_000, 0..50),
            c in prop::collection::vec(1u64..200_000_000_000, 0..50),
        ) {
            let (sa, sb, sc) = (series(&a), series(&b), series(&c));
            let mut left = sa.clone();
            left.merge(&sb);
            left.merge(&sc);
            let mut right_tail = sb.clone();
            right_tail.merge(&sc);
            let mut right = sa.clone();
            right.merge(&right_tail);
            prop_assert_eq!(&left, &right);
            prop_assert_eq!(left.len() as usize, a.len() + b.len() + c.len());
        }

        #[test]
        fn the_file_form_round_trips(values in prop::collection::vec(1u64..u64::MAX / 2, 0..100)) {
            let s = series(&values);
            let json = serde_json::to_string(&s).unwrap();
            let back: SeriesHistogram = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(s, back);
        }
    }

    #[test]
    fn nearest_rank() {
        let buckets: Vec<(u64, u64)> = (1..=1000).map(|v| (v, 1)).collect();
        assert_eq!(percentile_of_buckets(&buckets, 50.0), Some(500));
        assert_eq!(percentile_of_buckets(&buckets, 99.9), Some(999));
        assert_eq!(percentile_of_buckets(&buckets, 100.0), Some(1000));
        assert_eq!(percentile_of_buckets(&buckets, 0.0), Some(1));
        assert_eq!(percentile_of_buckets(&[], 50.0), None);
        assert_eq!((samples_above(99.0, 1000), samples_above(99.0, 0)), (10, 0));
        assert_eq!(percentile_name(99.9), "p99.9");
    }
}
