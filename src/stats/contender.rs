//! One contender at one level in numbers.

use std::collections::BTreeMap;

use super::analysis::statistics;
use super::client_rate::concerns_clients;
use super::contrast::{Estimate, estimates};
use super::cpu_cost::CpuSum;
use super::guard::{Guard, Severity};
use super::guards::{findings, quoted_series};
use super::rounds::Statistic;
use crate::arm::Arm;
use crate::record::samples_above;
use crate::record::{Block, Role, RoleTally, Run, SeriesHistogram, SeriesKey};

/// One contender at one level.
#[derive(Debug, Clone)]
pub struct ContenderSummary {
    /// The arm.
    pub arm: Arm,
    /// Whether it is the A/A twin.
    pub twin: bool,
    /// Which series the percentiles are of.
    pub quoted: SeriesKey,
    /// Number of blocks.
    pub blocks: usize,
    /// Reader samples in the quoted series.
    pub samples: u64,
    /// Mean and percentiles of the quoted series.
    pub reader: Vec<(Statistic, Option<Estimate>)>,
    /// All series merged over the blocks.
    pub merged: BTreeMap<SeriesKey, SeriesHistogram>,
    /// Counts by role.
    pub tallies: BTreeMap<Role, RoleTally>,
    /// Client transactions per second that ended well.
    pub client_per_second: f64,
    /// CPU by process group over the time that load was offered, in cores.
    pub cpu_cores: BTreeMap<String, f64>,
    /// CPU by finer groups, context switches and waits for a core.
    pub cpu: CpuSum,
    /// Findings, struck ones first.
    pub guards: Vec<Guard>,
}

impl ContenderSummary {
    /// Label for tables and figures.
    pub fn label(&self) -> String {
        crate::record::arm_label(self.arm, self.twin)
    }

    /// The first striking finding.
    pub fn struck(&self) -> Option<&Guard> {
        self.guards
            .iter()
            .find(|g| g.severity() == Severity::Strike)
    }

    /// Whether a striking finding is about the clients' own numbers.
    pub fn is_struck_for_clients(&self) -> bool {
        self.guards
            .iter()
            .any(|g| g.severity() == Severity::Strike && concerns_clients(g))
    }

    /// The estimate of one statistic of the quoted series.
    pub fn estimate(&self, statistic: Statistic) -> Option<Estimate> {
        self.reader
            .iter()
            .find(|r| r.0 == statistic)
            .and_then(|r| r.1)
    }
}

pub(super) fn summarize_contender(
    run: &Run,
    arm: Arm,
    twin: bool,
    blocks: &[&Block],
) -> ContenderSummary {
    let quoted = quoted_series(blocks);
    let series: Vec<&SeriesHistogram> = blocks
        .iter()
        .filter_map(|b| b.series.get(&quoted))
        .collect();
    let samples = series.iter().map(|h| h.len()).sum();
    let wanted = statistics(run);
    let reader = wanted
        .iter()
        .copied()
        .zip(estimates(&series, &wanted, run.config.seed))
        .map(|(statistic, estimate)| match statistic {
            Statistic::Percentile(p) if samples_above(p, samples) < 10 => (statistic, None),
            _ => (statistic, estimate),
        })
        .collect();
    let mut merged: BTreeMap<SeriesKey, SeriesHistogram> = BTreeMap::new();
    let mut tallies: BTreeMap<Role, RoleTally> = BTreeMap::new();
    let mut cpu: BTreeMap<String, f64> = BTreeMap::new();
    let (mut loaded, mut measured) = (0u64, 0u64);
    for block in blocks {
        for (key, histogram) in &block.series {
            merged.entry(*key).or_default().merge(histogram);
        }
        for (role, tally) in &block.tallies {
            tallies.entry(*role).or_default().merge(tally);
        }
        for (group, used) in &block.cpu.used_ns {
            *cpu.entry(group.clone()).or_default() += *used as f64;
        }
        // Only while load was offered: reading the counters before and after
        // costs time, too, and more of it the more processes there are.
        loaded += run.config.warmup_ns + block.measured_ns;
        measured += block.measured_ns;
    }
    cpu.values_mut()
        .for_each(|used| *used /= loaded.max(1) as f64);
    let done = tallies.get(&Role::Client).map_or(0, RoleTally::succeeded);
    ContenderSummary {
        arm,
        twin,
        quoted,
        blocks: blocks.len(),
        samples,
        reader,
        merged,
        client_per_second: done as f64 * 1e9 / measured.max(1) as f64,
        tallies,
        cpu_cores: cpu,
        cpu: CpuSum::of(blocks),
        guards: findings(run, blocks),
    }
}
