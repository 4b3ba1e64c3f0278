//! Contrasts between two contenders of one run: how much, how sure.
//!
//! Blocks are the unit. A contrast is a weighted sum of differences, one for each [`Cell`]: one cell alone, the
//! mean over several, or one less another (an interaction).
//!
//! Permutation test: under "no difference" the two labels in a round are exchangeable, so exchanging them round by
//! round, in every cell independently, gives the exact distribution of the sum; its error rate is at most the
//! stated one whatever the blocks' distribution.
//!
//! Intervals: rounds are resampled with replacement, the same rounds for both sides. Where a claim may rest on the
//! interval (statistics with a threshold, more than one cell), starts are resampled first, then rounds within them.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde::Serialize;

use super::bootstrap::{Bootstrap, Estimate, Taken, Unit, interval, quantile, taken};
use super::rounds::Rounds;
use super::statistic::Statistic;
use crate::record::SeriesHistogram;
use crate::seed::derive_seed;

/// With fewer rounds a p-value cannot fall below 0.05.
const LEAST_ROUNDS: usize = 6;
/// With at most this many rounds every permutation is enumerated; with more,
/// [`SAMPLED_PERMUTATIONS`] random ones are drawn.
const EXACT_ROUNDS: usize = 10;
const SAMPLED_PERMUTATIONS: usize = 1023;
/// An effect of so many standard errors is shown at 5 % in 80 % of runs: 1.96 + 0.84.
const DETECTABLE: f64 = 2.8;

/// The difference of one statistic between two contenders.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Contrast {
    /// Which statistic.
    pub statistic: Statistic,
    /// Unit of the numbers.
    pub unit: Unit,
    /// First minus second, with its 95 % interval.
    pub difference: Estimate,
    /// Its 90 % interval: two one-sided tests at 5 % each.
    pub interval_90: [f64; 2],
    /// 95 % of the resampled differences are no further from zero than this.
    pub magnitude_95: f64,
    /// The smallest detectable effect: 2.8 bootstrap standard errors.
    pub detectable: f64,
    /// Two-sided p-value of the permutation test; `None` with fewer than six
    /// rounds, where it cannot fall below 0.05 anyway.
    pub p_value: Option<f64>,
    /// Number of paired rounds; of an interaction those of the smaller cell.
    pub rounds: usize,
    /// Number of fresh starts that they are of.
    pub starts: usize,
}

impl Contrast {
    /// Whether zero lies in the 95 % interval.
    pub fn meets_zero(&self) -> bool {
        self.difference.low_ns <= 0.0 && self.difference.high_ns >= 0.0
    }

    /// Whether it is shown to be smaller than `bound`, either way.
    pub fn is_within(&self, bound: f64) -> bool {
        self.interval_90.iter().all(|end| end.abs() < bound)
    }
}

/// The rounds that two contenders have in common at one level.
pub(super) struct Cell {
    /// The first contender's blocks, then the second's in the same order.
    blocks: Rounds,
    /// The start of each round.
    starts: Vec<u32>,
    /// Each round once.
    whole: Vec<Taken>,
}

impl Cell {
    /// Element i of both sides is the block of round i, of start i.
    pub(super) fn new(
        first: &[&SeriesHistogram],
        second: &[&SeriesHistogram],
        starts: Vec<u32>,
        slow_over_ns: Option<u64>,
    ) -> Self {
        debug_assert!(first.len() == starts.len() && second.len() == starts.len());
        let blocks: Vec<&SeriesHistogram> = first.iter().chain(second).copied().collect();
        Cell::of_rounds(Rounds::new(&blocks, slow_over_ns), starts)
    }

    fn rounds(&self) -> usize {
        self.starts.len()
    }

    /// Of blocks whose first half is the first contender's.
    pub(super) fn of_rounds(blocks: Rounds, starts: Vec<u32>) -> Self {
        let whole = taken(&vec![1; starts.len()]);
        Cell {
            blocks,
            starts,
            whole,
        }
    }

    /// Samples of the side that has fewer.
    pub(super) fn least_samples(&self) -> u64 {
        self.blocks.least_samples_of_halves()
    }

    fn start_count(&self) -> usize {
        let starts: std::collections::BTreeSet<&u32> = self.starts.iter().collect();
        starts.len()
    }

    /// These rounds, the labels exchanged where `swapped`; without labels nowhere.
    fn sides(&self, rounds: &[Taken], swapped: &[bool]) -> Sides {
        let n = self.rounds();
        let mut sides = [Vec::with_capacity(n), Vec::with_capacity(n)];
        for half in 0..2 {
            for &(round, times) in rounds {
                let is_swapped = swapped.get(round).is_some_and(|swapped| *swapped);
                sides[half ^ usize::from(is_swapped)].push((half * n + round, times));
            }
        }
        sides
    }
}

/// Blocks of a cell that are compared with others of it, and how often each is taken.
type Sides = [Vec<Taken>; 2];

/// Contrasts of one cell. Empty if there is no common round or no sample.
pub(super) fn contrasts(cell: &Cell, wanted: &[Statistic], seed: u64) -> Vec<Contrast> {
    over_cells(&[(1.0, cell)], wanted, seed)
}

/// Contrasts of the weighted sum over cells: weights that add up to one give a mean, 1 and -1 an interaction.
pub(super) fn over_cells(cells: &[(f64, &Cell)], wanted: &[Statistic], seed: u64) -> Vec<Contrast> {
    let (claims, other): (Vec<Statistic>, Vec<Statistic>) = wanted
        .iter()
        .partition(|statistic| cells.len() > 1 || statistic.needs_threshold());
    let nested =
        |i, cell: &Cell| Bootstrap::nested(&cell.starts, derive_seed(seed, &[0x4E45_5354, i]));
    let nested = resampled(cells, &claims, nested);
    let plain = resampled(cells, &other, |_, cell| Bootstrap::new(cell.rounds(), seed));
    let rounds = cells.iter().map(|c| c.1.rounds()).sum();
    let swaps = permutations(rounds, seed);
    let permuted = swaps.iter().map(|swapped| permuted_sides(cells, swapped));
    let permuted = differences(cells, wanted, permuted);
    let whole = std::iter::once(permuted_sides(cells, &vec![false; rounds]));
    let observed = differences(cells, wanted, whole);
    let contrast = |(i, statistic): (usize, &Statistic)| {
        let among = |these: &[Statistic]| these.iter().position(|s| s == statistic);
        let resampled = match among(&claims) {
            Some(claim) => &nested[claim],
            None => &plain[among(&other)?],
        };
        let observed = *observed[i].first()?;
        // Sums of shares that are equal may differ in their last digit.
        let least = observed.abs() * (1.0 - 1e-12);
        let extreme = permuted[i].iter().filter(|d| d.abs() >= least).count();
        let p_value = extreme as f64 / swaps.len() as f64;
        let p_value = (!swaps.is_empty()).then_some(p_value);
        Some(contrast(cells, *statistic, observed, resampled, p_value))
    };
    wanted.iter().enumerate().filter_map(contrast).collect()
}

/// The sides of every cell when these labels are exchanged.
fn permuted_sides(cells: &[(f64, &Cell)], mut swapped: &[bool]) -> Vec<Sides> {
    let each = cells.iter().map(|(_, cell)| {
        let (own, rest) = swapped.split_at(cell.rounds());
        swapped = rest;
        cell.sides(&cell.whole, own)
    });
    each.collect()
}

/// First minus second in each resample: cells lie in starts of their own.
fn resampled(
    cells: &[(f64, &Cell)],
    wanted: &[Statistic],
    of: impl Fn(u64, &Cell) -> Bootstrap,
) -> Vec<Vec<f64>> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let drawn: Vec<_> = (0..).zip(cells).map(|(i, (_, cell))| of(i, cell)).collect();
    let resample = |i: usize| {
        let each = cells.iter().zip(&drawn);
        each.map(|((_, cell), drawn)| cell.sides(&drawn.resamples()[i], &[]))
            .collect()
    };
    differences(cells, wanted, (0..Bootstrap::RESAMPLES).map(resample))
}

/// First minus second, of each statistic in turn, in each of these draws that has it.
fn differences(
    cells: &[(f64, &Cell)],
    wanted: &[Statistic],
    draws: impl Iterator<Item = Vec<Sides>>,
) -> Vec<Vec<f64>> {
    let mut found = vec![Vec::new(); wanted.len()];
    for draw in draws {
        for (found, statistic) in found.iter_mut().zip(wanted) {
            let each = cells.iter().zip(&draw);
            let sum: Option<f64> = each
                .map(|((weight, cell), [first, second])| {
                    let of = |side| cell.blocks.statistic(side, *statistic);
                    Some(weight * (of(first)? - of(second)?))
                })
                .sum();
            found.extend(sum);
        }
    }
    found
}

fn contrast(
    cells: &[(f64, &Cell)],
    statistic: Statistic,
    observed: f64,
    resampled: &[f64],
    p_value: Option<f64>,
) -> Contrast {
    let mut resampled = resampled.to_vec();
    resampled.sort_by(f64::total_cmp);
    let mut magnitudes: Vec<f64> = resampled.iter().map(|d| d.abs()).collect();
    magnitudes.sort_by(f64::total_cmp);
    // Of one less another, the smaller says how much there is.
    let is_interaction = cells.iter().any(|(weight, _)| *weight < 0.0);
    let number = |of: fn(&Cell) -> usize| {
        let each = cells.iter().map(|(_, cell)| of(cell));
        match is_interaction {
            true => each.min().unwrap_or(0),
            false => each.sum(),
        }
    };
    Contrast {
        statistic,
        unit: statistic.difference_unit(),
        interval_90: [0.05, 0.95].map(|q| quantile(&resampled, q)),
        magnitude_95: quantile(&magnitudes, 0.95),
        detectable: DETECTABLE * deviation(&resampled),
        difference: interval(observed, resampled),
        p_value,
        rounds: number(Cell::rounds),
        starts: number(Cell::start_count),
    }
}

/// Standard deviation; 0 without values.
fn deviation(values: &[f64]) -> f64 {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt()
}

/// In which rounds the labels are exchanged; none where there are too few rounds to test. The p-value is the share
/// of these whose difference is at least as far from zero as the observed one, which is the first of them.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::ERROR_RATE;

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

    /// Rounds of a start each.
    fn of_pair(
        a: &[SeriesHistogram],
        b: &[SeriesHistogram],
        wanted: &[Statistic],
        seed: u64,
    ) -> Vec<Contrast> {
        let starts = (0..a.len() as u32).collect();
        contrasts(&Cell::new(&refs(a), &refs(b), starts, None), wanted, seed)
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
            for (i, c) in of_pair(&a, &b, &WANTED, seed).iter().enumerate() {
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
            let c = of_pair(&a, &b, &WANTED[..1], seed)[0];
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
        assert_eq!(of_pair(&a, &b, &WANTED, 1)[0].p_value, None);
    }

    #[test]
    fn identical_blocks_differ_by_nothing() {
        let (a, _) = noisy_pair(1, 8, 0);
        let c = of_pair(&a, &a, &WANTED, 1)[1];
        assert_eq!(
            (c.difference.value_ns, c.magnitude_95, c.p_value),
            (0.0, 0.0, Some(1.0))
        );
    }

    #[test]
    fn sampled_permutations_agree_with_the_exact_ones() {
        let (a, b) = noisy_pair(3, 12, 200_000);
        let c = of_pair(&a, &b, &WANTED[..1], 3)[0];
        assert!(c.p_value.unwrap() < 0.01);
    }

    #[test]
    fn no_samples_give_no_contrast() {
        let empty = [SeriesHistogram::default()];
        assert!(of_pair(&empty, &empty, &WANTED, 1).is_empty());
        let rounds = Rounds::new(&refs(&empty), None);
        assert_eq!(rounds.estimate(&Bootstrap::new(1, 1), WANTED[0]), None);
        assert!(of_pair(&[], &[], &WANTED, 1).is_empty());
    }
}
