//! When each operation is due: open-loop arrivals, or a closed loop.

use crate::config::Arrivals;
use crate::factor::OfferedRate;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// The due times of one worker, in ns after the block's start.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Between two arrivals, on average; `None` in a closed loop.
    gap_ns: Option<f64>,
    arrivals: Arrivals,
    next_ns: f64,
    rng: Pcg64,
}

impl Schedule {
    /// The schedule of worker `worker` out of `workers` that share `rate`.
    pub fn new(rate: OfferedRate, arrivals: Arrivals, workers: usize, seed: u64) -> Self {
        let mut rng = Pcg64::seed_from_u64(seed);
        let gap_ns = rate
            .per_second()
            .map(|rate| 1e9 * workers.max(1) as f64 / rate);
        let next_ns = gap_ns.map_or(0.0, |gap_ns| match arrivals {
            Arrivals::Poisson => exponential(&mut rng, gap_ns),
            Arrivals::Even => rng.random::<f64>() * gap_ns,
        });
        Schedule {
            gap_ns,
            arrivals,
            next_ns,
            rng,
        }
    }

    /// Whether operations are due at given instants (an open loop).
    pub fn is_open(&self) -> bool {
        self.gap_ns.is_some()
    }

    /// The next due instant, in ns after the start; `None` in a closed loop.
    pub fn peek(&self) -> Option<u64> {
        self.is_open().then_some(self.next_ns as u64)
    }

    /// Moves on to the following arrival.
    pub fn advance(&mut self) {
        if let Some(gap_ns) = self.gap_ns {
            self.next_ns += match self.arrivals {
                Arrivals::Poisson => exponential(&mut self.rng, gap_ns),
                Arrivals::Even => gap_ns,
            };
        }
    }
}

fn exponential(rng: &mut Pcg64, mean: f64) -> f64 {
    // 1 - u lies in (0, 1], so the logarithm is finite.
    -(1.0 - rng.random::<f64>()).ln() * mean
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
    }
}
