//! Blocks of one arm, one after another, in numbers to watch: no estimate, no interval.

use std::collections::BTreeMap;

use super::statistic::quoted_series;
use crate::arm::{Arm, Connections};
use crate::record::{Block, CpuGroup, Role, RoleTally, SeriesHistogram};

/// What some blocks of one arm came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// The arm.
    pub arm: Arm,
    /// Standing connections.
    pub standing: u32,
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
}

impl Stretch {
    /// Adds up `blocks`, which are of one arm; `None` without a block. A statement above `slow_over_ns` is slow.
    pub fn of(blocks: &[&Block], slow_over_ns: Option<u64>) -> Option<Self> {
        let first = blocks.first()?;
        let series = quoted_series(blocks);
        let mut times = SeriesHistogram::default();
        let mut tallies: BTreeMap<Role, RoleTally> = BTreeMap::new();
        let mut used: BTreeMap<CpuGroup, u64> = BTreeMap::new();
        let (mut measured_ns, mut over_ns) = (0, 0);
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
        let cores = |used_ns| used_ns as f64 / (over_ns as f64).max(1.0);
        Some(Stretch {
            arm: first.arm,
            standing: first.factors.standing,
            seconds,
            statements: times.len(),
            p50_ns: times.percentile_ns(50.0),
            p99_ns: times.percentile_ns(99.0),
            slow_share: slow_over_ns.and_then(slow),
            transactions_per_second: per_second,
            connections_per_second: if connects { per_second } else { 0.0 },
            failed: tallies.values().map(|t| t.error_count() + t.cut_off).sum(),
            cores: used.into_iter().map(|(g, ns)| (g, cores(ns))).collect(),
        })
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
}
