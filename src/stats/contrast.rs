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

use super::bootstrap::{Bootstrap, Estimate, interval, quantile};
use super::rounds::Rounds;
use super::statistic::Statistic;
use crate::record::SeriesHistogram;

/// Stated rate of false alarms of [`Contrast::p_value`] `<=` this.
pub const ERROR_RATE: f64 = 0.05;
/// With fewer rounds a p-value cannot fall below [`ERROR_RATE`].
const LEAST_ROUNDS: usize = 6;
/// With at most this many rounds every permutation is enumerated; with more,
/// [`SAMPLED_PERMUTATIONS`] random ones are drawn.
const EXACT_ROUNDS: usize = 10;
const SAMPLED_PERMUTATIONS: usize = 1023;

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

/// Contrasts first minus second; element i of both is the block of round i.
/// Empty if there is no common round or no sample.
pub(super) fn contrasts(
    first: &[&SeriesHistogram],
    second: &[&SeriesHistogram],
    wanted: &[Statistic],
    seed: u64,
) -> Vec<Contrast> {
    let n = first.len().min(second.len());
    let pooled: Vec<&SeriesHistogram> = first[..n].iter().chain(&second[..n]).copied().collect();
    let pooled = Rounds::new(&pooled);
    let bootstrap = Bootstrap::new(n, seed);
    let permutations = permutations(n, seed);
    let (once, unswapped) = (vec![1; n], vec![false; n]);
    // Weights over the pooled blocks, of which the first n are the first contender's, for each side.
    let sides = |multiplicity: &[u32], swapped: &[bool]| {
        let mut sides = [vec![0; 2 * n], vec![0; 2 * n]];
        for (round, (&times, &swapped)) in multiplicity.iter().zip(swapped).enumerate() {
            sides[usize::from(swapped)][round] = times;
            sides[usize::from(!swapped)][n + round] = times;
        }
        sides
    };
    let contrast = |&statistic: &Statistic| {
        let difference = |multiplicity: &[u32], swapped: &[bool]| -> Option<f64> {
            let [first, second] =
                sides(multiplicity, swapped).map(|weights| pooled.statistic(&weights, statistic));
            Some(first? - second?)
        };
        let (observed, resampled) = bootstrap.values(|w| difference(w, &unswapped))?;
        let is_extreme = |d: f64| d.abs() >= observed.abs();
        let extreme = permutations
            .iter()
            .filter(|swapped| difference(&once, swapped).is_some_and(is_extreme));
        let p_value = extreme.count() as f64 / permutations.len() as f64;
        let mut magnitudes: Vec<f64> = resampled.iter().map(|d| d.abs()).collect();
        magnitudes.sort_by(f64::total_cmp);
        Some(Contrast {
            statistic,
            magnitude_95_ns: quantile(&magnitudes, 0.95),
            difference: interval(observed, resampled),
            p_value: (n >= LEAST_ROUNDS).then_some(p_value),
            rounds: n,
        })
    };
    wanted.iter().filter_map(contrast).collect()
}

/// In which rounds the labels are exchanged; none where there are too few rounds to test. The p-value is the share of these
/// whose difference is at least as far from zero as the observed one, which is the first of them.
fn permutations(n: usize, seed: u64) -> Vec<Vec<bool>> {
    let mut rng = Pcg64::seed_from_u64(seed ^ 0x5157_4150);
    match n {
        ..LEAST_ROUNDS => Vec::new(),
        // A permutation and its complement give the same magnitude: half suffices.
        LEAST_ROUNDS..=EXACT_ROUNDS => (0..1u32 << (n - 1))
            .map(|bits| (0..n).map(|r| bits >> r & 1 == 1).collect())
            .collect(),
        _ => std::iter::once(vec![false; n])
            .chain((0..SAMPLED_PERMUTATIONS).map(|_| (0..n).map(|_| rng.random()).collect()))
            .collect(),
    }
}

/// What a contrast lets one say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// First is higher: the permutation test fires and the noise floor is exceeded.
    Higher,
    /// First is lower.
    Lower,
    /// The test fires, but the difference is not above the run's noise floor.
    WithinNoiseFloor,
    /// The test does not fire.
    NoDifferenceShown,
    /// Fewer than six paired rounds.
    TooFewRounds,
    /// There is no usable A/A twin to judge by.
    NoNoiseFloor,
    /// One side is struck out.
    StruckOut,
}

impl Verdict {
    /// Whether it says anything about the two contenders.
    pub fn is_usable(self) -> bool {
        !matches!(
            self,
            Verdict::TooFewRounds | Verdict::NoNoiseFloor | Verdict::StruckOut
        )
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Higher => "higher",
            Verdict::Lower => "lower",
            Verdict::WithinNoiseFloor => "within the noise floor",
            Verdict::NoDifferenceShown => "no difference shown",
            Verdict::TooFewRounds => "too few rounds to say",
            Verdict::NoNoiseFloor => "no noise floor to judge by",
            Verdict::StruckOut => "struck out",
        }
    }
}

/// Judges a contrast against the test and the noise floor. Reports a
/// difference where there is none in at most [`ERROR_RATE`] of all cases.
pub fn judge(contrast: &Contrast, noise_floor_ns: Option<f64>, struck: bool) -> Verdict {
    if struck {
        return Verdict::StruckOut;
    }
    match contrast.p_value {
        None => Verdict::TooFewRounds,
        Some(p) if p > ERROR_RATE => Verdict::NoDifferenceShown,
        Some(_) => {
            let d = contrast.difference.value_ns;
            let Some(floor) = noise_floor_ns else {
                return Verdict::NoNoiseFloor;
            };
            if d.abs() <= floor {
                Verdict::WithinNoiseFloor
            } else if d > 0.0 {
                Verdict::Higher
            } else {
                Verdict::Lower
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: [Statistic; 2] = [Statistic::Percentile(50.0), Statistic::Percentile(99.0)];

    /// One block with a block-wide random slowness, as real blocks have, whose
    /// samples are skewed. `added_ns` is an injected effect.
    fn noisy_block(rng: &mut Pcg64, added_ns: u64) -> SeriesHistogram {
        let mood = 1.0 + 0.5 * rng.random::<f64>();
        let mut h = SeriesHistogram::default();
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
        let empty = [SeriesHistogram::default()];
        assert!(contrasts(&refs(&empty), &refs(&empty), &WANTED, 1).is_empty());
        let rounds = Rounds::new(&refs(&empty));
        assert_eq!(rounds.estimate(&Bootstrap::new(1, 1), WANTED[0]), None);
        assert!(contrasts(&[], &[], &WANTED, 1).is_empty());
    }
}
