//! One series over the rounds of a run: bucket counts by block, so that
//! percentiles of any re-weighting of the blocks are one pass over the buckets.

use std::collections::BTreeMap;

use super::bootstrap::{Bootstrap, Estimate};
use super::statistic::Statistic;
use crate::record::{Block, SeriesHistogram, SeriesKey, rank_of};

/// The histograms of several blocks over one common list of bucket values.
pub(super) struct Rounds {
    /// For each value in turn, by block: samples not above it.
    cumulated: Vec<(u64, Vec<u64>)>,
    totals: Vec<u64>,
    sums_ns: Vec<f64>,
}

impl Rounds {
    /// Lays the blocks' histograms side by side.
    pub(super) fn new(series: &[&SeriesHistogram]) -> Self {
        let blocks = series.len();
        let mut by_value: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        let mut sums_ns = vec![0.0; blocks];
        for (block, histogram) in series.iter().enumerate() {
            for (value, count) in histogram.buckets() {
                by_value.entry(value).or_insert_with(|| vec![0; blocks])[block] += count;
                sums_ns[block] += value as f64 * count as f64;
            }
        }
        let mut totals = vec![0; blocks];
        for counts in by_value.values_mut() {
            for (total, count) in totals.iter_mut().zip(counts) {
                *total += *count;
                *count = *total;
            }
        }
        Rounds {
            cumulated: by_value.into_iter().collect(),
            totals,
            sums_ns,
        }
    }

    /// Those of the blocks that have the series.
    pub(super) fn of(blocks: &[&Block], key: SeriesKey) -> Self {
        let series: Vec<_> = blocks.iter().filter_map(|b| b.series.get(&key)).collect();
        Rounds::new(&series)
    }

    /// Number of blocks.
    pub(super) fn block_count(&self) -> usize {
        self.totals.len()
    }

    /// Number of samples in all blocks.
    pub(super) fn sample_count(&self) -> u64 {
        self.totals.iter().sum()
    }

    /// The largest sample, in ns.
    pub(super) fn max_ns(&self) -> Option<u64> {
        self.cumulated.last().map(|bucket| bucket.0)
    }

    /// A statistic, in ns, of the blocks merged with these multiplicities.
    /// `None` where there is no sample.
    pub(super) fn statistic(&self, weights: &[u32], statistic: Statistic) -> Option<f64> {
        debug_assert_eq!(weights.len(), self.block_count());
        let total = weighted(&self.totals, weights);
        if total == 0 {
            return None;
        }
        Some(match statistic {
            Statistic::Mean => {
                let sums = self.sums_ns.iter().zip(weights);
                let sum: f64 = sums.map(|(sum, &weight)| sum * f64::from(weight)).sum();
                sum / total as f64
            }
            // The least value with at least so many samples not above it.
            Statistic::Percentile(p) => {
                let rank = rank_of(p, total);
                let below = |(_, counts): &(u64, Vec<u64>)| weighted(counts, weights) < rank;
                self.cumulated[self.cumulated.partition_point(below)].0 as f64
            }
        })
    }

    /// A statistic with its interval, if the samples carry it.
    pub(super) fn estimate(&self, bootstrap: &Bootstrap, statistic: Statistic) -> Option<Estimate> {
        statistic
            .is_carried_by(self.sample_count())
            .then(|| bootstrap.estimate(|weights| self.statistic(weights, statistic)))?
    }
}

fn weighted(counts: &[u64], weights: &[u32]) -> u64 {
    counts
        .iter()
        .zip(weights)
        .map(|(&count, &weight)| count * u64::from(weight))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn histogram(values: &[u64]) -> SeriesHistogram {
        let mut h = SeriesHistogram::default();
        values.iter().for_each(|&v| h.record(v));
        h
    }

    proptest! {
        #[test]
        fn weighting_equals_merging_repeated_blocks(
            a in prop::collection::vec(1u64..1_000_000, 1..40),
            b in prop::collection::vec(1u64..1_000_000, 1..40),
            weights in prop::collection::vec(0u32..4, 2),
        ) {
            let blocks = [histogram(&a), histogram(&b)];
            let rounds = Rounds::new(&[&blocks[0], &blocks[1]]);
            let mut merged = SeriesHistogram::default();
            for (block, &weight) in blocks.iter().zip(&weights) {
                (0..weight).for_each(|_| merged.merge(block));
            }
            let wanted = [Statistic::Percentile(50.0), Statistic::Percentile(99.0), Statistic::Mean];
            let got = wanted.map(|statistic| rounds.statistic(&weights, statistic));
            prop_assert_eq!(got[0], merged.percentile_ns(50.0).map(|v| v as f64));
            prop_assert_eq!(got[1], merged.percentile_ns(99.0).map(|v| v as f64));
            match (got[2], merged.mean_ns()) {
                (Some(x), Some(y)) => prop_assert!((x - y).abs() <= y * 1e-9),
                (x, y) => prop_assert_eq!(x, y),
            }
        }
    }
}
