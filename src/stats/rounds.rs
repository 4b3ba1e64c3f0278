//! One series over the rounds of a run: bucket counts by block, so that
//! percentiles of any re-weighting of the blocks are one pass over the buckets.

use std::collections::BTreeMap;

use super::statistic::Statistic;
use crate::record::{SeriesHistogram, rank_of};

/// The histograms of several blocks over one common list of bucket values.
#[derive(Debug, Clone)]
pub struct Rounds {
    values: Vec<u64>,
    /// For each value in turn and each block: samples not above the value.
    cumulated: Vec<u64>,
    totals: Vec<u64>,
    sums_ns: Vec<f64>,
}

impl Rounds {
    /// Lays the blocks' histograms side by side.
    pub fn new(series: &[&SeriesHistogram]) -> Self {
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
        let mut cumulated = Vec::with_capacity(by_value.len() * blocks);
        for counts in by_value.values() {
            for (total, count) in totals.iter_mut().zip(counts) {
                *total += count;
            }
            cumulated.extend_from_slice(&totals);
        }
        Rounds {
            values: by_value.into_keys().collect(),
            cumulated,
            totals,
            sums_ns,
        }
    }

    /// Number of blocks.
    pub fn block_count(&self) -> usize {
        self.totals.len()
    }

    /// Number of samples in all blocks.
    pub fn sample_count(&self) -> u64 {
        self.totals.iter().sum()
    }

    /// The statistics, in ns, of the blocks merged with these multiplicities.
    /// `None` where there is no sample.
    pub fn statistics(&self, weights: &[u32], wanted: &[Statistic]) -> Vec<Option<f64>> {
        debug_assert_eq!(weights.len(), self.block_count());
        let total = weighted(&self.totals, weights);
        if total == 0 {
            return vec![None; wanted.len()];
        }
        wanted
            .iter()
            .map(|statistic| match *statistic {
                Statistic::Mean => {
                    let sum: f64 = self
                        .sums_ns
                        .iter()
                        .zip(weights)
                        .map(|(sum, &weight)| sum * f64::from(weight))
                        .sum();
                    Some(sum / total as f64)
                }
                Statistic::Percentile(p) => Some(self.value_at_rank(weights, rank_of(p, total))),
            })
            .collect()
    }

    /// Least value with at least `rank` samples not above it, by bisection.
    fn value_at_rank(&self, weights: &[u32], rank: u64) -> f64 {
        let blocks = self.block_count();
        let (mut low, mut high) = (0, self.values.len() - 1);
        while low < high {
            let middle = (low + high) / 2;
            let row = &self.cumulated[middle * blocks..(middle + 1) * blocks];
            if weighted(row, weights) < rank {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.values[low] as f64
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
        let mut h = SeriesHistogram::new();
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
            let mut merged = SeriesHistogram::new();
            for (block, &weight) in blocks.iter().zip(&weights) {
                (0..weight).for_each(|_| merged.merge(block));
            }
            let wanted = [Statistic::Percentile(50.0), Statistic::Percentile(99.0), Statistic::Mean];
            let got = rounds.statistics(&weights, &wanted);
            prop_assert_eq!(got[0], merged.percentile_ns(50.0).map(|v| v as f64));
            prop_assert_eq!(got[1], merged.percentile_ns(99.0).map(|v| v as f64));
            match (got[2], merged.mean_ns()) {
                (Some(x), Some(y)) => prop_assert!((x - y).abs() <= y * 1e-9),
                (x, y) => prop_assert_eq!(x, y),
            }
        }
    }
}
