//! Blocks of one arm, one after another, in numbers to watch: no estimate, no interval.

use std::collections::BTreeMap;

use super::guards::{MOST_BUSY, MOST_OTHERS};
use super::statistic::quoted_series;
use crate::arm::{Arm, Connections};
use crate::factor::Isolate;
use crate::record::{Block, CpuGroup, Role, RoleTally, SeriesHistogram};

/// What some blocks of one arm came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// The arm.
    pub arm: Arm,
    /// Standing connections.
    pub standing: u32,
    /// Whether readers have cores of their own; `None` where nobody asked.
    pub isolate: Option<Isolate>,
    /// How long it was measured, in seconds.
    pub seconds: f64,
    /// Statements of the readers that were timed.
    pub statements: u64,
    /// Their median, in ns.
    pub p50_ns: Option<u64>,
    /// Their 99th percentile, in ns.
    pub p99_ns: Option<u64>,
    /// Share of them above the threshold, 0 to 1.
    pub slow_share: Option<f64>,
    /// Client transactions per second that succeeded.
    pub transactions_per_second: f64,
    /// Connections to the server per second that the clients made.
    pub connections_per_second: f64,
    /// Operations of readers and clients that failed or were cut off.
    pub failed: u64,
    /// Cores used, by group.
    pub cores: BTreeMap<CpuGroup, f64>,
    /// Cores used by all of load and server; `None` where the server's part is not known.
    pub own_cores: Option<f64>,
    /// Busy share of the machine's CPU, 0 to 1.
    pub machine_busy: Option<f64>,
}

impl Stretch {
    /// Adds up `blocks`, which are of one arm; `None` without a block. A statement above `slow_over_ns` is slow.
    pub fn of(blocks: &[&Block], slow_over_ns: Option<u64>) -> Option<Self> {
        let first = blocks.first()?;
        let series = quoted_series(blocks);
        let mut times = SeriesHistogram::default();
        let mut tallies: BTreeMap<Role, RoleTally> = BTreeMap::new();
        let mut used: BTreeMap<CpuGroup, u64> = BTreeMap::new();
        let (mut measured_ns, mut over_ns, mut own_ns) = (0, 0, 0);
        for block in blocks {
            if let Some(found) = block.series.get(&series) {
                times.merge(found);
            }
            for (role, tally) in &block.tallies {
                tallies.entry(*role).or_default().merge(tally);
            }
            for (group, account) in &block.cpu.groups {
                *used.entry(*group).or_default() += account.used_ns;
            }
            measured_ns += block.measured_ns;
            over_ns += block.cpu.over_ns;
            own_ns += block.cpu.used_ns.values().sum::<u64>();
        }
        let seconds = measured_ns as f64 * 1e-9;
        let clients = tallies.get(&Role::Client).map_or(0, RoleTally::succeeded);
        let per_second = clients as f64 / seconds.max(1e-9);
        let connects = first.arm.descriptor().connections == Connections::PerTransaction;
        let slow = |threshold: u64| {
            let buckets = times.buckets();
            let slow: u64 = buckets
                .iter()
                .filter(|b| b.0 > threshold)
                .map(|b| b.1)
                .sum();
            (!times.is_empty()).then(|| slow as f64 / times.len() as f64)
        };
        let knows_server = blocks.iter().all(|b| b.cpu.used_ns.contains_key("server"));
        let busy: Option<f64> = blocks.iter().map(|b| b.cpu.machine_busy).sum();
        let cores = |used_ns| used_ns as f64 / (over_ns as f64).max(1.0);
        Some(Stretch {
            arm: first.arm,
            standing: first.factors.standing,
            isolate: first.factors.isolate,
            seconds,
            statements: times.len(),
            p50_ns: times.percentile_ns(50.0),
            p99_ns: times.percentile_ns(99.0),
            slow_share: slow_over_ns.and_then(slow),
            transactions_per_second: per_second,
            connections_per_second: if connects { per_second } else { 0.0 },
            failed: tallies.values().map(|t| t.error_count() + t.cut_off).sum(),
            cores: used.into_iter().map(|(g, ns)| (g, cores(ns))).collect(),
            own_cores: knows_server.then(|| cores(own_ns)),
            machine_busy: busy.map(|sum| sum / blocks.len() as f64),
        })
    }

    /// Share of a machine of so many cores that other programs used, if it is enough to disturb.
    pub fn others(&self, cores: usize) -> Option<f64> {
        let others = self.machine_busy? - self.own_cores? / cores.max(1) as f64;
        Some(others).filter(|share| *share > MOST_OTHERS)
    }

    /// Busy share of the machine's CPU, if statements had to queue for it.
    pub fn saturated(&self) -> Option<f64> {
        self.machine_busy.filter(|share| *share > MOST_BUSY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sample_run;

    #[test]
    fn blocks_add_up_and_rates_stay() {
        let run = sample_run(2);
        let level = run.levels()[0].clone();
        let blocks = run.blocks_of(Arm::Unpooled, false, &level);
        // Its readers take 3 µs and 3 ns more for each: half of them are above 3.75 µs.
        let one = Stretch::of(&blocks[..1], Some(3_747)).unwrap();
        let two = Stretch::of(&blocks, Some(3_747)).unwrap();
        assert_eq!(two.statements, 2 * one.statements);
        assert_eq!(one.transactions_per_second, two.transactions_per_second);
        assert_eq!(one.connections_per_second, 100.0);
        assert!((two.slow_share.unwrap() - 0.5).abs() < 0.01, "{two:?}");
        assert_eq!((two.seconds, two.failed), (1.0, 0));
        let kept = run.blocks_of(Arm::KeptOpen, false, &level);
        let kept = Stretch::of(&kept, None).unwrap();
        assert_eq!((kept.connections_per_second, kept.slow_share), (0.0, None));
        assert_eq!(kept.transactions_per_second, 100.0);
        assert_eq!(Stretch::of(&[], None), None);
    }

    #[test]
    fn a_disturbed_machine_is_seen_as_the_guards_see_it() {
        let run = sample_run(2);
        let mut block = run.blocks[0].clone();
        block.cpu.over_ns = 1_000;
        block.cpu.used_ns =
            BTreeMap::from([("reader".to_owned(), 300), ("server".to_owned(), 500)]);
        let mut with = |busy| {
            block.cpu.machine_busy = busy;
            let stretch = Stretch::of(&[&block], None).unwrap();
            let per_cent = |share: f64| (100.0 * share).round();
            (
                stretch.others(2).map(per_cent),
                stretch.saturated().is_some(),
            )
        };
        assert_eq!(with(Some(0.44)), (None, false));
        assert_eq!(with(Some(0.85)), (Some(45.0), false));
        assert_eq!(with(Some(0.96)), (Some(56.0), true));
        assert_eq!(with(None), (None, false));
        block.cpu.used_ns.remove("server");
        block.cpu.machine_busy = Some(0.9);
        assert_eq!(Stretch::of(&[&block], None).unwrap().others(2), None);
    }
}
