//! One series over the rounds of a run: bucket counts by block, so that
//! percentiles of any re-weighting of the blocks are one pass over the buckets.

use std::collections::BTreeMap;

use super::percentile::rank_of;
use crate::record::SeriesHistogram;

/// Statistic of a merged series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statistic {
    /// The mean (the only one that adds up, hence the only one given in shares).
    Mean,
    /// A percentile, 0 to 100.
    Percentile(f64),
}

impl std::fmt::Display for Statistic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Statistic::Mean => f.pad("mean"),
            Statistic::Percentile(p) => f.pad(&super::percentile_name(*p)),
        }
    }
}

/// The histograms of several blocks over one common list of bucket values.
#[derive(Debug, Clone)]
pub struct Rounds {
    values: Vec<u64>,
    /// Counts, bucket after bucket, one for each block.
    counts: Vec<u64>,
    blocks: usize,
}

impl Rounds {
    /// Lays the blocks' histograms side by side.
    pub fn new(series: &[&SeriesHistogram]) -> Self {
        let mut by_value: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for (block, histogram) in series.iter().enumerate() {
            for (value, count) in histogram.buckets() {
                by_value
                    .entry(value)
                    .or_insert_with(|| vec![0; series.len()])[block] += count;
            }
        }
        Rounds {
            values: by_value.keys().copied().collect(),
            counts: by_value.into_values().flatten().collect(),
            blocks: series.len(),
        }
    }

    /// Number of blocks.
    pub fn block_count(&self) -> usize {
        self.blocks
    }

    /// Number of samples in all blocks.
    pub fn sample_count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Every block once.
    pub fn all_once(&self) -> Vec<u32> {
        vec![1; self.blocks]
    }

    /// The statistics, in ns, of the blocks merged with these multiplicities.
    /// `None` where there is no sample. Percentiles must be ascending.
    pub fn statistics(&self, weights: &[u32], wanted: &[Statistic]) -> Vec<Option<f64>> {
        debug_assert_eq!(weights.len(), self.blocks);
        let mut cumulated = Vec::with_capacity(self.values.len());
        let (mut total, mut sum) = (0u64, 0.0f64);
        for (&value, counts) in self
            .values
            .iter()
            .zip(self.counts.chunks_exact(self.blocks.max(1)))
        {
            let here: u64 = counts
                .iter()
                .zip(weights)
                .map(|(&count, &weight)| count * u64::from(weight))
                .sum();
            total += here;
            sum += value as f64 * here as f64;
            cumulated.push(total);
        }
        wanted
            .iter()
            .map(|statistic| {
                if total == 0 {
                    return None;
                }
                match *statistic {
                    Statistic::Mean => Some(sum / total as f64),
                    Statistic::Percentile(p) => {
                        let rank = rank_of(p, total);
                        let at = cumulated.partition_point(|&seen| seen < rank);
                        self.values.get(at).map(|&v| v as f64)
                    }
                }
            })
            .collect()
    }
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
