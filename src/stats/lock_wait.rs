//! How often a snapshot finds ProcArrayLock held exclusively, and for how long it then waits: from the holds of
//! connections and their rate alone.
//!
//! Connections come as a Poisson process, and a reader does not look at it: a statement sees the lock, when it is
//! due, as its average over time is (PASTA: Poisson arrivals see time averages). So the share of statements that are
//! due with more than `t` of a hold left is rate times E[max(0, h - t)], however holds queue among themselves.
//!
//! A session that waits, however, takes no second snapshot meanwhile: what is due then finds the lock free afterwards.
//! A hold `h` is met once at most by each session, with the chance 1 - e^-(s h), where it begins `s` statements per second.
//! What a snapshot waits for behind a *second* hold is left out: at a busy share of 5 % it adds 5 %.

use crate::record::SeriesHistogram;

/// Exclusive holds of one kind, in ns, with their shares.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Holds(Vec<(f64, f64)>);

impl Holds {
    /// Those of a series; `None` if it is empty.
    pub(super) fn of(series: &SeriesHistogram) -> Option<Self> {
        let samples = series.len();
        let share = |(ns, count): (u64, u64)| (ns as f64, count as f64 / samples as f64);
        (samples > 0).then(|| Holds(series.buckets().into_iter().map(share).collect()))
    }

    /// All of one length.
    pub(super) fn all(ns: f64) -> Self {
        Holds(vec![(ns, 1.0)])
    }

    /// The mean of a function of a hold.
    fn expected(&self, of: impl Fn(f64) -> f64) -> f64 {
        self.0.iter().map(|(ns, share)| share * of(*ns)).sum()
    }

    /// Their mean, in ns.
    pub(super) fn mean_ns(&self) -> f64 {
        self.expected(|h| h)
    }

    /// The same distribution, stretched to another mean.
    pub(super) fn stretched_to(&self, mean_ns: f64) -> Self {
        let factor = mean_ns / self.mean_ns();
        Holds(
            self.0
                .iter()
                .map(|(ns, share)| (ns * factor, *share))
                .collect(),
        )
    }
}

/// How a statement looks at the lock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Looks {
    /// Snapshots of one statement.
    pub(super) snapshots: u32,
    /// Time from one to the next, in ns. Those of one statement come so soon after each other that they mostly
    /// meet the same hold: their chances add up only for what begins between them.
    pub(super) gap_ns: f64,
    /// Statements that one session begins per second, none while it waits. 0: a statement counts from when it is due.
    pub(super) begun_per_second: f64,
}

impl Looks {
    /// One snapshot of each statement that is due.
    pub(super) const ONE: Looks = Looks {
        snapshots: 1,
        gap_ns: 0.0,
        begun_per_second: 0.0,
    };

    /// The same for sessions that begin nothing while they wait.
    #[must_use]
    pub(super) fn begun(self, begun_per_second: f64) -> Self {
        Looks {
            begun_per_second,
            ..self
        }
    }

    /// What counts of a time in which a statement would wait: as much as there are chances to begin one.
    fn met(self, ns: f64) -> f64 {
        match self.begun_per_second / 1e9 {
            0.0 => ns,
            rate => -(-rate * ns).exp_m1() / rate,
        }
    }
}

/// Connections that come at a rate and hold the lock: to join and to leave.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Traffic {
    /// Connections per second.
    pub(super) per_second: f64,
    /// Holds of `ProcArrayAdd` and `ProcArrayRemove`.
    pub(super) holds: [Holds; 2],
}

impl Traffic {
    /// Rate times the mean, summed over both holds, of a function of a hold in ns.
    fn per_time(&self, of: impl Fn(f64) -> f64) -> f64 {
        let sum: f64 = self.holds.iter().map(|h| h.expected(&of)).sum();
        self.per_second / 1e9 * sum
    }

    /// Share of the statements one of whose snapshots waits for longer than `least_ns`, 0 to 1. With 0 ns and
    /// [`Looks::ONE`]: the share that is due while the lock is held, rate times hold.
    pub(super) fn waits_over(&self, least_ns: f64, looks: Looks) -> f64 {
        let more = f64::from(looks.snapshots.saturating_sub(1));
        let hit = |h: f64| match h - least_ns {
            left if left > 0.0 => looks.met(left + more * left.min(looks.gap_ns)),
            _ => 0.0,
        };
        self.per_time(hit).min(1.0)
    }

    /// Snapshots per second that find the lock busy: of so many readers that begin so many statements per second each,
    /// and of the connections that come themselves. Those of one statement, and of one connection, come at once.
    pub(super) fn busy_per_second(&self, readers: u32, begun_per_second: f64) -> f64 {
        let of_readers = self.waits_over(0.0, Looks::ONE.begun(begun_per_second));
        let of_newcomers = self.waits_over(0.0, Looks::ONE);
        f64::from(readers) * begun_per_second * of_readers + self.per_second * of_newcomers
    }

    /// Mean wait of a reader's snapshot that finds the lock busy, in ns, 0 without holds: what is left of a hold when
    /// the first statement begins in it. With few statements the mean rest of a hold, `E[h²] / 2 E[h]`.
    pub(super) fn mean_wait_ns(&self, begun_per_second: f64) -> f64 {
        let looks = Looks::ONE.begun(begun_per_second);
        let met = self.per_time(|h| looks.met(h));
        let rate = begun_per_second / 1e9;
        let waited = match rate {
            0.0 => self.per_time(|h| h * h / 2.0),
            rate => self.per_time(|h| (h - looks.met(h)) / rate),
        };
        if met > 0.0 { waited / met } else { 0.0 }
    }

    /// By how much the share of statements slower than `slow_over_ns` grows, if their service times without
    /// these holds are `base`: a statement of service time `b` becomes slow by a wait of more than the rest.
    pub(super) fn slow_share(
        &self,
        base: &SeriesHistogram,
        slow_over_ns: u64,
        looks: Looks,
    ) -> f64 {
        let samples = base.len().max(1) as f64;
        let buckets = base.buckets().into_iter();
        let fast = buckets.filter(|(ns, _)| *ns <= slow_over_ns);
        fast.map(|(ns, count)| {
            let margin = (slow_over_ns - ns) as f64;
            count as f64 / samples * self.waits_over(margin, looks)
        })
        .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    fn series(values: &[u64]) -> SeriesHistogram {
        let mut series = SeriesHistogram::default();
        values.iter().for_each(|v| series.record(*v));
        series
    }

    fn traffic(per_second: f64, add: &[u64], remove: &[u64]) -> Traffic {
        Traffic {
            per_second,
            holds: [add, remove].map(|values| Holds::of(&series(values)).unwrap()),
        }
    }

    #[test]
    fn equal_holds_give_the_textbook_numbers() {
        // 100 connections per second, 400 us and 100 us: busy 5 %.
        let t = traffic(100.0, &[400_000], &[100_000]);
        let near = |found: f64, expected: f64| {
            assert!((found / expected - 1.0).abs() < 2e-3, "{found} {expected}");
        };
        near(t.waits_over(0.0, Looks::ONE), 0.05);
        // Rest of a hold: (400² + 100²) / (2 x 500) us.
        near(t.mean_wait_ns(0.0), 170_000.0);
        // A wait uniform over the 400 us: 3 of 4 are longer than 100 us.
        near(t.waits_over(100_000.0, Looks::ONE), 0.03);
        // Two snapshots 50 us apart: each hold is met 50 us earlier, too.
        let two = |gap_ns| Looks {
            snapshots: 2,
            gap_ns,
            ..Looks::ONE
        };
        near(t.waits_over(0.0, two(50_000.0)), 0.06);
        // Far apart they are two chances, at once they are one.
        near(t.waits_over(0.0, two(1e9)), 0.10);
        near(t.waits_over(0.0, two(0.0)), 0.05);
    }

    #[test]
    fn a_statement_is_slow_by_what_is_left_to_the_threshold() {
        let t = traffic(100.0, &[400_000], &[1]);
        // Half of the statements need 100 us more, half are slow already.
        let base = series(&[100_000, 300_000]);
        let found = t.slow_share(&base, 200_000, Looks::ONE);
        assert!((found / 0.015 - 1.0).abs() < 5e-3, "{found}");
        assert_eq!(
            t.slow_share(&SeriesHistogram::default(), 1, Looks::ONE),
            0.0
        );
    }

    #[test]
    fn nothing_is_busy_without_connections_and_never_more_than_all() {
        let idle = traffic(0.0, &[400_000], &[100_000]);
        assert_eq!(
            (idle.waits_over(0.0, Looks::ONE), idle.mean_wait_ns(0.0)),
            (0.0, 0.0)
        );
        assert_eq!(
            traffic(1e9, &[400_000], &[1]).waits_over(0.0, Looks::ONE),
            1.0
        );
    }

    /// A lock's timeline: both kinds come at random, and queue; when each hold begins and ends.
    fn timeline(t: &Traffic, length_ns: f64, rng: &mut Pcg64) -> Vec<(f64, f64)> {
        let mut requests = Vec::new();
        for kind in &t.holds {
            let mut at = 0.0;
            while at < length_ns {
                at += -(1.0 - rng.random::<f64>()).ln() / t.per_second * 1e9;
                requests.push((at, kind.0[rng.random_range(0..kind.0.len())].0));
            }
        }
        requests.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut free = 0.0f64;
        let hold = |(at, held): (f64, f64)| {
            let begins = at.max(free);
            free = begins + held;
            (begins, free)
        };
        requests.into_iter().map(hold).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Snapshots that look at a simulated lock see what the formulas say.
        #[test]
        fn a_simulated_lock_is_met_as_often_and_as_long_as_predicted(
            seed in any::<u64>(),
            add in prop::collection::vec(50_000u64..400_000, 1..4),
            remove in 5_000u64..40_000,
            per_second in 50.0f64..600.0,
            least_ns in 0.0f64..200_000.0,
            gap_ns in 0.0f64..500_000.0,
        ) {
            let mut t = traffic(per_second, &add, &[remove]);
            // Each value is as likely as the others in the simulation.
            for kind in &mut t.holds {
                let n = kind.0.len() as f64;
                kind.0.iter_mut().for_each(|h| h.1 = 1.0 / n);
            }
            let mut rng = Pcg64::seed_from_u64(seed);
            let length_ns = 4e9 / per_second * 1e4;
            let holds = timeline(&t, length_ns, &mut rng);
            let left = |at: f64| {
                let next = holds.partition_point(|h| h.1 <= at);
                holds.get(next).filter(|h| h.0 <= at).map_or(0.0, |h| h.1 - at)
            };
            let looks = Looks { snapshots: 2, gap_ns, ..Looks::ONE };
            let (mut busy, mut waited, mut over, mut either) = (0u32, 0.0, 0u32, 0u32);
            let statements = 40_000;
            for _ in 0..statements {
                let at = rng.random::<f64>() * length_ns * 0.99;
                let wait = left(at);
                busy += u32::from(wait > 0.0);
                waited += wait;
                over += u32::from(wait > least_ns);
                either += u32::from(wait > least_ns || left(at + gap_ns) > least_ns);
            }
            let share = |n: u32| f64::from(n) / f64::from(statements);
            // Six standard errors of the looks, and what 40,000 holds leave uncertain.
            let near = |found: f64, p: f64| {
                let error = 6.0 * (p * (1.0 - p) / f64::from(statements)).sqrt() + 0.06 * p;
                (found - p).abs() <= error + 1e-4
            };
            let predicted = t.waits_over(0.0, Looks::ONE);
            prop_assert!(near(share(busy), predicted), "{} {predicted}", share(busy));
            let predicted = t.waits_over(least_ns, Looks::ONE);
            prop_assert!(near(share(over), predicted), "{} {predicted}", share(over));
            // Chances are added, so that a statement that meets two holds counts twice.
            let predicted = t.waits_over(least_ns, looks);
            prop_assert!(share(either) <= predicted * 1.06 + 0.01, "{} {predicted}", share(either));
            let least = predicted * (1.0 - predicted);
            prop_assert!(share(either) >= least * 0.94 - 0.01, "{} {least}", share(either));
            let mean = waited / f64::from(busy.max(1));
            if busy > 400 {
                prop_assert!((mean / t.mean_wait_ns(0.0) - 1.0).abs() < 0.15, "{mean} {}", t.mean_wait_ns(0.0));
            }
        }

        /// A session that waits begins nothing meanwhile: it meets each hold once at most.
        #[test]
        fn a_simulated_session_meets_the_lock_as_often_and_as_long_as_predicted(
            seed in any::<u64>(),
            hold in 20_000u64..3_000_000,
            begun_per_second in 50.0f64..3_000.0,
        ) {
            let t = Traffic { per_second: 20.0, holds: [Holds::all(hold as f64), Holds::all(1.0)] };
            let mut rng = Pcg64::seed_from_u64(seed);
            let length_ns = 60_000.0 * 1e9 / begun_per_second.min(200.0);
            let holds = timeline(&t, length_ns, &mut rng);
            let (mut due, mut free, mut next) = (0.0, 0.0f64, 0);
            let (mut statements, mut busy, mut waited) = (0.0, 0.0f64, 0.0);
            while due < length_ns {
                due += -(1.0 - rng.random::<f64>()).ln() / begun_per_second * 1e9;
                let begins = free.max(due);
                while holds.get(next).is_some_and(|h| h.1 <= begins) {
                    next += 1;
                }
                free = begins + 1.0;
                statements += 1.0;
                if let Some((_, ends)) = holds.get(next).filter(|h| h.0 <= begins) {
                    (busy, waited, free) = (busy + 1.0, waited + ends - begins, *ends);
                }
            }
            // Six standard errors, and a second hold that queues behind the first.
            let near = |found: f64, expected: f64| {
                (found / expected - 1.0).abs() < 6.0 / busy.sqrt() + 0.08
            };
            let predicted = t.waits_over(0.0, Looks::ONE.begun(begun_per_second));
            prop_assert!(near(busy / statements, predicted), "{} {predicted}", busy / statements);
            let predicted = t.mean_wait_ns(begun_per_second);
            prop_assert!(near(waited / busy, predicted), "{} {predicted}", waited / busy);
            let of_readers = t.busy_per_second(3, begun_per_second) - t.busy_per_second(0, 0.0);
            let one = busy / statements * begun_per_second;
            prop_assert!(near(of_readers / 3.0, one), "{of_readers} {one}");
        }
    }
}
