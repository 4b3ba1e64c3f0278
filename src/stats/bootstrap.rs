//! Quantities with units and intervals: blocks are the unit of chance, and are resampled with replacement.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde::Serialize;

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

/// A number without an interval.
impl From<f64> for Estimate {
    fn from(value: f64) -> Self {
        Estimate::exactly(value)
    }
}

impl Estimate {
    /// A number without an interval.
    pub fn exactly(value: f64) -> Self {
        Estimate {
            value_ns: value,
            low_ns: value,
            high_ns: value,
        }
    }

    /// A slope as one that is at least level: what lies above it does not merely fall less.
    #[must_use]
    pub fn or_level(self) -> Self {
        Estimate {
            high_ns: self.high_ns.max(0.0),
            ..self
        }
    }

    /// The same times a factor above zero.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        self.map(|value| value * factor)
    }

    /// With a change to value and ends that keeps their order.
    #[must_use]
    pub fn map(self, change: impl Fn(f64) -> f64) -> Self {
        Estimate {
            value_ns: change(self.value_ns),
            low_ns: change(self.low_ns),
            high_ns: change(self.high_ns),
        }
    }
}

/// A block of a resample, and how often it is taken.
pub(super) type Taken = (usize, u32);

/// The blocks that are taken at all.
pub(super) fn taken(weights: &[u32]) -> Vec<Taken> {
    let all = weights.iter().copied().enumerate();
    let mut taken = Vec::with_capacity(weights.len());
    taken.extend(all.filter(|(_, times)| *times > 0));
    taken
}

/// How often each block is in each resample. Equal numbers of blocks and equal seeds give the same resamples:
/// what is estimated from them can be compared.
pub(super) struct Bootstrap {
    once: Vec<Taken>,
    resamples: Vec<Vec<Taken>>,
}

impl Bootstrap {
    /// Number of resamples.
    pub(super) const RESAMPLES: usize = 1000;

    /// Resamples of so many blocks.
    pub(super) fn new(blocks: usize, seed: u64) -> Self {
        let mut rng = Pcg64::seed_from_u64(seed);
        let resample = |_| {
            let mut weights = vec![0; blocks];
            for _ in 0..blocks {
                weights[rng.random_range(0..blocks)] += 1;
            }
            weights
        };
        Self::of(blocks, resample)
    }

    fn of(blocks: usize, resample: impl FnMut(usize) -> Vec<u32>) -> Self {
        let resamples = (0..Self::RESAMPLES).map(resample);
        Bootstrap {
            once: taken(&vec![1; blocks]),
            resamples: resamples.map(|weights| taken(&weights)).collect(),
        }
    }

    /// Resamples of starts, and of the rounds within each start that was drawn; `starts` says which start
    /// each round is of. What a start does to all of its rounds is then part of the interval.
    pub(super) fn nested(starts: &[u32], seed: u64) -> Self {
        let mut rounds_of: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (round, start) in starts.iter().enumerate() {
            rounds_of.entry(*start).or_default().push(round);
        }
        let rounds_of: Vec<Vec<usize>> = rounds_of.into_values().collect();
        let mut rng = Pcg64::seed_from_u64(seed);
        let resample = |_| {
            let mut weights = vec![0; starts.len()];
            for _ in 0..rounds_of.len() {
                let rounds = &rounds_of[rng.random_range(0..rounds_of.len())];
                for _ in 0..rounds.len() {
                    weights[rounds[rng.random_range(0..rounds.len())]] += 1;
                }
            }
            weights
        };
        Self::of(starts.len(), resample)
    }

    /// The blocks of each resample.
    pub(super) fn resamples(&self) -> &[Vec<Taken>] {
        &self.resamples
    }

    /// A quantity, and what it is in every resample that has it.
    pub(super) fn values(&self, of: impl Fn(&[Taken]) -> Option<f64>) -> Option<(f64, Vec<f64>)> {
        let resampled = self.resamples.iter().filter_map(|taken| of(taken));
        Some((of(&self.once)?, resampled.collect()))
    }

    /// A quantity with its interval; `None` where it is not there.
    pub(super) fn estimate(&self, of: impl Fn(&[Taken]) -> Option<f64>) -> Option<Estimate> {
        let (value, resampled) = self.values(of)?;
        Some(interval(value, resampled))
    }
}

/// The sum of the firsts of pairs over that of the seconds, times `scale`.
pub(super) fn ratio(pairs: &[(u64, u64)], taken: &[Taken], scale: f64) -> Option<f64> {
    let (of, over) = taken.iter().fold((0.0, 0.0), |(a, b), &(i, times)| {
        let (first, second) = pairs[i];
        let times = f64::from(times);
        (a + times * first as f64, b + times * second as f64)
    });
    (over > 0.0).then(|| of * scale / over)
}

/// A value with the interval that 95 % of its resampled values lie in.
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

/// The value at a share of sorted values; 0 without any.
pub(super) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = sorted.len().saturating_sub(1) as f64 * q;
    sorted.get(at.round() as usize).copied().unwrap_or(0.0)
}

/// Unit of a value that is stored without a type of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// A duration, in ns.
    Ns,
    /// A difference of durations, in ns, with its sign.
    NsDifference,
    /// A slope: ns for each further standing connection.
    NsPerConnection,
    /// A share of a whole, 0 to 1.
    Share,
    /// A difference of shares, with its sign: 0.01 is one percentage point.
    ShareDifference,
    /// Events.
    Count,
    /// Events per second.
    PerSecond,
    /// A mean number of something.
    Number,
}
