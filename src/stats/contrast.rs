//! Contrasts between two contenders of one run: how much, how sure.
//!
//! Blocks are the unit. Intervals: rounds are resampled with replacement, the
//! same rounds for both sides, percentiles of the merged histograms. Permutation test: under
//! "no difference" the two labels in a round are exchangeable, so exchanging them
//! round by round gives the exact distribution of the difference; its error
//! rate is at most the stated one whatever the blocks' distribution.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde::Serialize;

use super::rounds::Rounds;
use super::statistic::Statistic;
use crate::record::SeriesHistogram;

/// Stated rate of false alarms of [`Contrast::p_value`] `<=` this.
pub const ERROR_RATE: f64 = 0.05;
/// Resamples of the bootstrap.
const RESAMPLES: usize = 1000;
/// With at most this many rounds every permutation is enumerated; with more,
/// [`SAMPLED_PERMUTATIONS`] random ones are drawn.
const EXACT_ROUNDS: usize = 10;
const SAMPLED_PERMUTATIONS: usize = 1023;

/// A quantity with its 95 % bootstrap interval: ns, unless it is said to be a bare number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The value.
    #[serde(rename = "value")]
    pub value_ns: f64,
    /// Lower end.
    #[serde(rename = "low")]
    pub low_ns: f64,
    /// Upper end.
    #[serde(rename = "high")]
    pub high_ns: f64,
}

/// The difference of one statistic between two contenders, in ns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Contrast {
    /// Which statistic.
    pub statistic: Statistic,
    /// First minus second, with its 95 % interval.
    pub difference: Estimate,
    /// 95 % of the resampled differences are no further from zero than this, in ns.
    pub magnitude_95_ns: f64,
    /// Two-sided p-value of the permutation test; `None` with fewer than six
    /// rounds, where it cannot fall below 0.05 anyway.
    pub p_value: Option<f64>,
    /// Number of paired rounds.
    pub rounds: usize,
}

/// Statistics of one contender with intervals over its blocks.
pub fn estimates(
    series: &[&SeriesHistogram],
    wanted: &[Statistic],
    seed: u64,
) -> Vec<Option<Estimate>> {
    let rounds = Rounds::new(series);
    let observed = rounds.statistics(&vec![1; rounds.block_count()], wanted);
    let of = |weights: &[u32]| rounds.statistics(weights, wanted);
    observed
        .into_iter()
        .zip(resampled(rounds.block_count(), seed, wanted.len(), of))
        .map(|(value, resampled)| Some(interval(value?, resampled)))
        .collect()
}

/// Contrasts `first` minus `second`; element i of both is the block of round i.
/// Empty if there is no common round or no sample.
pub fn contrasts(
    first: &[&SeriesHistogram],
    second: &[&SeriesHistogram],
    wanted: &[Statistic],
    seed: u64,
) -> Vec<Contrast> {
    let n = first.len().min(second.len());
    let (first, second) = (&first[..n], &second[..n]);
    let pooled: Vec<&SeriesHistogram> = first.iter().chain(second).copied().collect();
    let pooled = Rounds::new(&pooled);
    // Weights over the pooled blocks: the first n are the first contender's.
    let difference = |multiplicity: &[u32], swapped: &[bool]| -> Vec<Option<f64>> {
        let mut left = vec![0; 2 * n];
        let mut right = vec![0; 2 * n];
        for round in 0..n {
            let (a, b) = if swapped[round] {
                (n + round, round)
            } else {
                (round, n + round)
            };
            left[a] = multiplicity[round];
            right[b] = multiplicity[round];
        }
        let [left, right] = [left, right].map(|side| pooled.statistics(&side, wanted));
        let sides = left.into_iter().zip(right);
        sides.map(|(l, r)| Some(l? - r?)).collect()
    };
    let (once, unswapped) = (vec![1; n], vec![false; n]);

    let observed = difference(&once, &unswapped);
    let of = |multiplicity: &[u32]| difference(multiplicity, &unswapped);
    let resampled = resampled(n, seed, wanted.len(), of);
    let p_values = permutation_test(n, &observed, seed, |swapped| difference(&once, swapped));

    wanted
        .iter()
        .zip(observed)
        .zip(resampled.into_iter().zip(p_values))
        .filter_map(|((&statistic, observed), (resampled, p_value))| {
            let mut magnitudes: Vec<f64> = resampled.iter().map(|d| d.abs()).collect();
            magnitudes.sort_by(f64::total_cmp);
            Some(Contrast {
                statistic,
                magnitude_95_ns: quantile(&magnitudes, 0.95),
                difference: interval(observed?, resampled),
                p_value,
                rounds: n,
            })
        })
        .collect()
}

/// What each statistic is in every resample of `n` blocks, where it is there.
fn resampled(
    n: usize,
    seed: u64,
    statistics: usize,
    of: impl Fn(&[u32]) -> Vec<Option<f64>>,
) -> Vec<Vec<f64>> {
    let mut resampled = vec![Vec::with_capacity(RESAMPLES); statistics];
    for weights in resamplings(n, seed) {
        for (all, value) in resampled.iter_mut().zip(of(&weights)) {
            all.extend(value);
        }
    }
    resampled
}

/// Two-sided p-values: the share of permutations whose difference is at least as
/// far from zero as the observed one, the observed one included.
fn permutation_test(
    n: usize,
    observed: &[Option<f64>],
    seed: u64,
    difference: impl Fn(&[bool]) -> Vec<Option<f64>>,
) -> Vec<Option<f64>> {
    if n < 6 {
        return vec![None; observed.len()];
    }
    let mut rng = Pcg64::seed_from_u64(seed ^ 0x5157_4150);
    // A permutation and its complement give the same magnitude: half suffices.
    let patterns: Vec<Vec<bool>> = if n <= EXACT_ROUNDS {
        (0..1u32 << (n - 1))
            .map(|bits| (0..n).map(|r| bits >> r & 1 == 1).collect())
            .collect()
    } else {
        std::iter::once(vec![false; n])
            .chain((0..SAMPLED_PERMUTATIONS).map(|_| (0..n).map(|_| rng.random()).collect()))
            .collect()
    };
    let mut extreme = vec![0usize; observed.len()];
    for pattern in &patterns {
        for (i, d) in difference(pattern).into_iter().enumerate() {
            if let (Some(d), Some(o)) = (d, observed[i])
                && d.abs() >= o.abs()
            {
                extreme[i] += 1;
            }
        }
    }
    extreme
        .into_iter()
        .map(|count| Some(count as f64 / patterns.len() as f64))
        .collect()
}

/// Random multiplicities of `n` blocks, drawn with replacement.
pub(super) fn resamplings(n: usize, seed: u64) -> impl Iterator<Item = Vec<u32>> {
    let mut rng = Pcg64::seed_from_u64(seed);
    (0..if n == 0 { 0 } else { RESAMPLES }).map(move |_| {
        let mut weights = vec![0; n];
        for _ in 0..n {
            weights[rng.random_range(0..n)] += 1;
        }
        weights
    })
}

/// Sums of the firsts and of the seconds of pairs, each taken so many times.
pub(super) fn weighted_sums(pairs: &[(u64, u64)], weights: &[u32]) -> (f64, f64) {
    let weighted = pairs.iter().zip(weights);
    weighted.fold((0.0, 0.0), |(a, b), ((first, second), w)| {
        let w = f64::from(*w);
        (a + w * *first as f64, b + w * *second as f64)
    })
}

pub(super) fn interval(value_ns: f64, mut resampled: Vec<f64>) -> Estimate {
    resampled.sort_by(f64::total_cmp);
    if resampled.is_empty() {
        resampled.push(value_ns);
    }
    // The percentile interval need not hold the value itself when the
    // distribution is skewed; an interval without its estimate would confuse.
    Estimate {
        value_ns,
        low_ns: quantile(&resampled, 0.025).min(value_ns),
        high_ns: quantile(&resampled, 0.975).max(value_ns),
    }
}

fn quantile(sorted: &[f64], q: f64) -> f64 {
    if sorted.is_empty() {
        return 0.0;
    }
    sorted[((sorted.len() - 1) as f64 * q).round() as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: [Statistic; 2] = [Statistic::Percentile(50.0), Statistic::Percentile(99.0)];

    /// One block with a block-wide random slowness, as real blocks have, whose
    /// samples are skewed. `added_ns` is an injected effect.
    fn noisy_block(rng: &mut Pcg64, added_ns: u64) -> SeriesHistogram {
        let mood = 1.0 + 0.5 * rng.random::<f64>();
        let mut h = SeriesHistogram::new();
        for _ in 0..200 {
            let tail = -(1.0 - rng.random::<f64>()).ln();
            h.record((50_000.0 * mood * (1.0 + tail)) as u64 + added_ns);
        }
        h
    }

    fn noisy_pair(
        seed: u64,
        rounds: usize,
        added_ns: u64,
    ) -> (Vec<SeriesHistogram>, Vec<SeriesHistogram>) {
        let mut rng = Pcg64::seed_from_u64(seed);
        (0..rounds)
            .map(|_| (noisy_block(&mut rng, added_ns), noisy_block(&mut rng, 0)))
            .unzip()
    }

    fn refs(h: &[SeriesHistogram]) -> Vec<&SeriesHistogram> {
        h.iter().collect()
    }

    #[test]
    fn simulated_a_a_pairs_raise_alarms_at_the_stated_rate() {
        // 400 A/A runs of 8 rounds. The test is exact, so alarms are binomial
        // with at most 5 %: more than 34 of 400 has a probability below 0.1 %.
        // Fewer than 6 (0.1 % at 4.7 %, the attainable level) would mean a test
        // that cannot fire.
        let mut alarms = [0; 2];
        for seed in 0..400 {
            let (a, b) = noisy_pair(seed, 8, 0);
            for (i, c) in contrasts(&refs(&a), &refs(&b), &WANTED, seed)
                .iter()
                .enumerate()
            {
                alarms[i] += u32::from(c.p_value.unwrap() <= ERROR_RATE);
            }
        }
        for count in alarms {
            assert!(
                (6..=34).contains(&count),
                "{alarms:?} alarms in 400 A/A runs"
            );
        }
    }

    #[test]
    fn an_injected_difference_is_found_and_its_interval_holds_it() {
        let mut found = 0;
        let mut covered = 0;
        for seed in 0..40 {
            let (a, b) = noisy_pair(seed, 9, 60_000);
            let c = contrasts(&refs(&a), &refs(&b), &WANTED[..1], seed)[0];
            found += u32::from(c.p_value.unwrap() <= ERROR_RATE && c.difference.value_ns > 0.0);
            covered += u32::from((c.difference.low_ns..=c.difference.high_ns).contains(&60_000.0));
        }
        assert!(found >= 38, "found {found} of 40");
        // 95 % intervals from nine blocks cover a little less than they say.
        assert!(covered >= 32, "covered {covered} of 40");
    }

    #[test]
    fn few_rounds_give_no_p_value() {
        let (a, b) = noisy_pair(1, 4, 1_000_000);
        assert_eq!(contrasts(&refs(&a), &refs(&b), &WANTED, 1)[0].p_value, None);
    }

    #[test]
    fn identical_blocks_differ_by_nothing() {
        let (a, _) = noisy_pair(1, 8, 0);
        let c = contrasts(&refs(&a), &refs(&a), &WANTED, 1)[1];
        assert_eq!(
            (c.difference.value_ns, c.magnitude_95_ns, c.p_value),
            (0.0, 0.0, Some(1.0))
        );
    }

    #[test]
    fn sampled_permutations_agree_with_the_exact_ones() {
        let (a, b) = noisy_pair(3, 12, 200_000);
        let c = contrasts(&refs(&a), &refs(&b), &WANTED[..1], 3)[0];
        assert!(c.p_value.unwrap() < 0.01);
    }

    #[test]
    fn no_samples_give_no_contrast() {
        let empty = [SeriesHistogram::new()];
        assert!(contrasts(&refs(&empty), &refs(&empty), &WANTED, 1).is_empty());
        assert_eq!(estimates(&refs(&empty), &WANTED, 1), [None, None]);
        assert!(contrasts(&[], &[], &WANTED, 1).is_empty());
    }
}
