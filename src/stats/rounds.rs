//! One series over the rounds of a run: bucket counts by block, so that
//! percentiles of any re-weighting of the blocks are one pass over the buckets.

use super::bootstrap::{Bootstrap, Estimate, Taken};
use super::statistic::{CAP, Statistic};
use crate::record::{Block, SeriesHistogram, SeriesKey, rank_of};

/// The histograms of several blocks over one common list of bucket values.
pub(super) struct Rounds {
    /// In ascending order.
    values: Vec<u64>,
    /// For each value in turn, by block: samples not above it.
    cumulated: Vec<u64>,
    totals: Vec<u64>,
    sums_ns: Vec<f64>,
    /// By block, where there is a threshold: slower samples, and the sum of all, each capped.
    slow: Option<(Vec<u64>, Vec<f64>)>,
}

impl Rounds {
    /// Lays the blocks' histograms side by side. A sample is slow if it lies in a bucket above that of
    /// `slow_over_ns`: buckets are a thousandth wide.
    pub(super) fn new(series: &[&SeriesHistogram], slow_over_ns: Option<u64>) -> Self {
        let blocks = series.len();
        let over = slow_over_ns.map(|ns| (SeriesHistogram::last_of_bucket(ns), (CAP * ns) as f64));
        let mut slow = over.map(|_| (vec![0; blocks], vec![0.0; blocks]));
        let buckets: Vec<_> = series.iter().map(|h| h.buckets()).collect();
        let mut values: Vec<u64> = buckets.iter().flatten().map(|b| b.0).collect();
        values.sort_unstable();
        values.dedup();
        let mut cumulated = vec![0; values.len() * blocks];
        let mut sums_ns = vec![0.0; blocks];
        for (block, buckets) in buckets.into_iter().enumerate() {
            let mut at = 0;
            for (value, count) in buckets {
                at += values[at..].iter().take_while(|v| **v < value).count();
                cumulated[at * blocks + block] += count;
                sums_ns[block] += value as f64 * count as f64;
                if let (Some((last, cap)), Some((slow, capped))) = (over, &mut slow) {
                    slow[block] += if value > last { count } else { 0 };
                    capped[block] += cap.min(value as f64) * count as f64;
                }
            }
        }
        let mut totals = vec![0; blocks];
        for counts in cumulated.chunks_mut(blocks.max(1)) {
            for (total, count) in totals.iter_mut().zip(counts) {
                *total += *count;
                *count = *total;
            }
        }
        Rounds {
            values,
            cumulated,
            totals,
            sums_ns,
            slow,
        }
    }

    /// Those of the blocks that have the series.
    pub(super) fn of(blocks: &[&Block], key: SeriesKey, slow_over_ns: Option<u64>) -> Self {
        let series: Vec<_> = blocks.iter().filter_map(|b| b.series.get(&key)).collect();
        Rounds::new(&series, slow_over_ns)
    }

    /// Blocks of which only the samples and the slow ones among them are known.
    #[cfg(test)]
    pub(super) fn of_counts(totals: Vec<u64>, slow: Vec<u64>) -> Self {
        let sums_ns = vec![0.0; totals.len()];
        Rounds {
            values: Vec::new(),
            cumulated: Vec::new(),
            totals,
            sums_ns: sums_ns.clone(),
            slow: Some((slow, sums_ns)),
        }
    }

    /// Number of blocks.
    pub(super) fn block_count(&self) -> usize {
        self.totals.len()
    }

    /// Number of samples in all blocks.
    pub(super) fn sample_count(&self) -> u64 {
        self.totals.iter().sum()
    }

    /// Number of samples in the first or the second half of the blocks, whichever has fewer.
    pub(super) fn least_samples_of_halves(&self) -> u64 {
        let (first, second) = self.totals.split_at(self.totals.len() / 2);
        first.iter().sum::<u64>().min(second.iter().sum())
    }

    /// The largest sample, in ns.
    pub(super) fn max_ns(&self) -> Option<u64> {
        self.values.last().copied()
    }

    /// A statistic, in its unit, of these blocks merged. `None` where there is no sample, or no threshold.
    pub(super) fn statistic(&self, taken: &[Taken], statistic: Statistic) -> Option<f64> {
        let total = weighted(&self.totals, taken);
        if total == 0 {
            return None;
        }
        Some(match statistic {
            Statistic::Mean => weighted_sum(&self.sums_ns, taken) / total as f64,
            Statistic::SlowShare => weighted(&self.slow.as_ref()?.0, taken) as f64 / total as f64,
            Statistic::CappedMean => weighted_sum(&self.slow.as_ref()?.1, taken) / total as f64,
            Statistic::Percentile(p) => self.value_at(rank_of(p, total), taken) as f64,
        })
    }

    /// The least value with at least so many samples of these blocks not above it.
    fn value_at(&self, rank: u64, taken: &[Taken]) -> u64 {
        let blocks = self.block_count();
        let (mut low, mut high) = (0, self.values.len() - 1);
        while low < high {
            let middle = (low + high) / 2;
            let counts = &self.cumulated[middle * blocks..][..blocks];
            if weighted(counts, taken) < rank {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.values[low]
    }

    /// A statistic with its interval, if the samples carry it.
    pub(super) fn estimate(&self, bootstrap: &Bootstrap, statistic: Statistic) -> Option<Estimate> {
        if !statistic.is_carried_by(self.sample_count()) {
            return None;
        }
        bootstrap.estimate(|taken| self.statistic(taken, statistic))
    }
}

fn weighted_sum(sums: &[f64], taken: &[Taken]) -> f64 {
    let sums = taken
        .iter()
        .map(|&(block, times)| sums[block] * f64::from(times));
    sums.sum()
}

/// A loop, not a chain of iterators: all resampling is here, and tests are built unoptimised.
fn weighted(counts: &[u64], taken: &[Taken]) -> u64 {
    let mut sum = 0;
    for &(block, times) in taken {
        sum += counts[block] * u64::from(times);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::bootstrap::taken;
    use proptest::prelude::*;

    fn histogram(values: &[u64]) -> SeriesHistogram {
        let mut h = SeriesHistogram::default();
        values.iter().for_each(|&v| h.record(v));
        h
    }

    proptest! {
        #[test]
        fn weighting_equals_merging_repeated_blocks(
            parts in prop::collection::vec((prop::collection::vec(1u64..1_000_000, 1..80), 0u32..4), 1..6),
            p in 0.0..100.0,
        ) {
            let blocks: Vec<_> = parts.iter().map(|(values, _)| histogram(values)).collect();
            let rounds = Rounds::new(&blocks.iter().collect::<Vec<_>>(), None);
            let mut merged = SeriesHistogram::default();
            for (block, (_, times)) in blocks.iter().zip(&parts) {
                (0..*times).for_each(|_| merged.merge(block));
            }
            let taken = taken(&parts.iter().map(|(_, times)| *times).collect::<Vec<_>>());
            let wanted = [Statistic::Percentile(p), Statistic::Percentile(99.0), Statistic::Mean];
            let got = wanted.map(|statistic| rounds.statistic(&taken, statistic));
            prop_assert_eq!(got[0], merged.percentile_ns(p).map(|v| v as f64));
            prop_assert_eq!(got[1], merged.percentile_ns(99.0).map(|v| v as f64));
            match (got[2], merged.mean_ns()) {
                (Some(x), Some(y)) => prop_assert!((x - y).abs() <= y * 1e-9),
                (x, y) => prop_assert_eq!(x, y),
            }
        }
    }

    #[test]
    fn slow_is_above_the_bucket_of_the_threshold_and_long_times_count_up_to_the_cap() {
        // At 200 us buckets are 128 ns wide.
        let block = histogram(&[100_000, 200_000, 200_050, 200_300, 9_000_000]);
        let other = histogram(&[100_000]);
        let rounds = Rounds::new(&[&block, &other], Some(200_000));
        let at = |weights: &[u32], statistic| rounds.statistic(&taken(weights), statistic).unwrap();
        assert_eq!(at(&[1, 0], Statistic::SlowShare), 2.0 / 5.0);
        assert_eq!(at(&[1, 3], Statistic::SlowShare), 2.0 / 8.0);
        assert_eq!(at(&[0, 1], Statistic::SlowShare), 0.0);
        let capped = (100_000 + 3 * 200_000 + 350 + CAP * 200_000) as f64 / 5.0;
        assert!((at(&[1, 0], Statistic::CappedMean) / capped - 1.0).abs() < 1e-3);
        let without = Rounds::new(&[&block], None);
        for statistic in [Statistic::SlowShare, Statistic::CappedMean] {
            assert_eq!(without.statistic(&[(0, 1)], statistic), None);
        }
    }
}
