//! When each operation is due: open-loop arrivals, or a closed loop.

use std::fmt;
use std::str::FromStr;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};

/// How arrivals of a paced load are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// Independent arrivals with exponential gaps (the default).
    Poisson,
    /// Equal gaps, with a random phase for each worker.
    Even,
}

/// The offered rate of one role, total over its workers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OfferedRate {
    /// Closed loop: the next operation starts when the last one has ended.
    Max,
    /// Open loop at this many operations per second.
    PerSecond(f64),
}

/// Rates that can be offered, per second: one operation in a quarter of an hour to one in 100 ns.
const RATES: std::ops::RangeInclusive<f64> = 0.001..=10_000_000.0;

impl OfferedRate {
    /// The rate in operations per second; `None` for a closed loop.
    pub fn per_second(self) -> Option<f64> {
        match self {
            OfferedRate::Max => None,
            OfferedRate::PerSecond(rate) => Some(rate),
        }
    }
}

impl OfferedRate {
    /// A share (0 to 1) of this rate.
    pub fn share(self, share: f64) -> Self {
        match self {
            OfferedRate::Max => OfferedRate::Max,
            OfferedRate::PerSecond(rate) => OfferedRate::PerSecond(rate * share),
        }
    }
}

impl fmt::Display for OfferedRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OfferedRate::Max => f.write_str("max (closed loop)"),
            OfferedRate::PerSecond(rate) => write!(f, "{rate:.0}/s"),
        }
    }
}

impl FromStr for OfferedRate {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if s == "max" {
            return Ok(OfferedRate::Max);
        }
        let rate: f64 = s.trim_end_matches("/s").parse().map_err(|_| {
            format!("'{s}' is not a rate: give operations per second (200) or 'max'")
        })?;
        if !(rate.is_finite() && rate > 0.0) {
            return Err(format!("a rate must be greater than zero, not {s}"));
        }
        // Outside of this the gaps between arrivals over- or underflow.
        if !RATES.contains(&rate) {
            return Err(format!(
                "a rate must lie between {} and {} per second, not {s}: 'max' is as fast as possible",
                RATES.start(),
                RATES.end()
            ));
        }
        Ok(OfferedRate::PerSecond(rate))
    }
}

/// The due times of one worker, in ns after the block's start.
#[derive(Debug, Clone)]
pub struct Schedule {
    kind: Kind,
    next_ns: f64,
    rng: Pcg64,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Closed,
    Poisson { mean_gap_ns: f64 },
    Even { gap_ns: f64 },
}

impl Schedule {
    /// The schedule of worker `worker` out of `workers` that share `rate`.
    pub fn new(rate: OfferedRate, arrivals: Arrivals, workers: usize, seed: u64) -> Self {
        let mut rng = Pcg64::seed_from_u64(seed);
        let (kind, next_ns) = match (rate.per_second(), arrivals) {
            (None, _) => (Kind::Closed, 0.0),
            (Some(rate), arrivals) => {
                let gap_ns = 1e9 * workers.max(1) as f64 / rate;
                match arrivals {
                    Arrivals::Poisson => (
                        Kind::Poisson {
                            mean_gap_ns: gap_ns,
                        },
                        exponential(&mut rng, gap_ns),
                    ),
                    Arrivals::Even => (Kind::Even { gap_ns }, rng.random::<f64>() * gap_ns),
                }
            }
        };
        Schedule { kind, next_ns, rng }
    }

    /// Whether operations are due at given instants (an open loop).
    pub fn is_open(&self) -> bool {
        !matches!(self.kind, Kind::Closed)
    }

    /// The next due instant, in ns after the start; `None` in a closed loop.
    pub fn peek(&self) -> Option<u64> {
        self.is_open().then_some(self.next_ns as u64)
    }

    /// Moves on to the following arrival.
    pub fn advance(&mut self) {
        match self.kind {
            Kind::Closed => {}
            Kind::Poisson { mean_gap_ns } => {
                self.next_ns += exponential(&mut self.rng, mean_gap_ns);
            }
            Kind::Even { gap_ns } => self.next_ns += gap_ns,
        }
    }
}

fn exponential(rng: &mut Pcg64, mean: f64) -> f64 {
    // 1 - u lies in (0, 1], so the logarithm is finite.
    -(1.0 - rng.random::<f64>()).ln() * mean
}

/// A seed for one stream of random numbers, derived from the run's seed and a
/// path of indices (block, role, worker). SplitMix64 over the path, so that
/// neighbouring indices give unrelated streams.
pub fn derive_seed(seed: u64, path: &[u64]) -> u64 {
    path.iter().fold(seed, |state, &part| {
        let mut z = state
            .wrapping_add(part.wrapping_mul(0x9E37_79B9_7F4A_7C15))
            .wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn arrivals_before(mut schedule: Schedule, end_ns: u64) -> Vec<u64> {
        let mut due = Vec::new();
        while let Some(next) = schedule.peek().filter(|&n| n < end_ns) {
            due.push(next);
            schedule.advance();
        }
        due
    }

    #[test]
    fn poisson_arrivals_have_the_offered_rate_and_exponential_gaps() {
        let rate = OfferedRate::PerSecond(1000.0);
        let due = arrivals_before(
            Schedule::new(rate, Arrivals::Poisson, 1, 7),
            100_000_000_000,
        );
        // 100,000 expected, standard deviation 316.
        assert!((due.len() as f64 - 100_000.0).abs() < 5.0 * 316.0);
        let longer_than_mean = due.windows(2).filter(|w| w[1] - w[0] > 1_000_000).count();
        let share = longer_than_mean as f64 / (due.len() - 1) as f64;
        assert!((share - (-1.0f64).exp()).abs() < 0.01, "{share}");
    }

    #[test]
    fn even_arrivals_share_the_rate_among_the_workers() {
        let rate = OfferedRate::PerSecond(1000.0);
        let total: usize = (0..4)
            .map(|w| {
                arrivals_before(Schedule::new(rate, Arrivals::Even, 4, w), 1_000_000_000).len()
            })
            .sum();
        assert_eq!(total, 1000);
    }

    #[test]
    fn rates_are_read_as_people_write_them() {
        assert_eq!("max".parse(), Ok(OfferedRate::Max));
        assert_eq!("200".parse(), Ok(OfferedRate::PerSecond(200.0)));
        assert_eq!("200/s".parse(), Ok(OfferedRate::PerSecond(200.0)));
        for bad in ["-5", "0", "fast", "NaN", "inf", ""] {
            assert!(bad.parse::<OfferedRate>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn due_times_never_go_backwards(seed: u64, rate in 1.0f64..1e6, even: bool) {
            let arrivals = if even { Arrivals::Even } else { Arrivals::Poisson };
            let mut s = Schedule::new(OfferedRate::PerSecond(rate), arrivals, 3, seed);
            let mut last = 0;
            for _ in 0..100 {
                let next = s.peek().unwrap();
                prop_assert!(next >= last);
                last = next;
                s.advance();
            }
        }

        #[test]
        fn derived_seeds_differ(seed: u64, a in 0u64..1000, b in 0u64..1000) {
            prop_assume!(a != b);
            prop_assert_ne!(derive_seed(seed, &[a]), derive_seed(seed, &[b]));
            prop_assert_ne!(derive_seed(seed, &[a, b]), derive_seed(seed, &[b, a]));
        }
    }
}
