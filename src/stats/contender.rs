//! One contender at one level in numbers.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};
use serde_json::json;

use super::account::{Counted, account};
use super::bootstrap::{Bootstrap, Estimate, ratio};
use super::cpu_cost::{CpuPerTransaction, CpuSum};
use super::guard::{Guard, Severity, with_words};
use super::rounds::Rounds;
use super::statistic::{Statistic, TABLE_PERCENTILES, curve_percentiles, quoted_series};
use crate::arm::Arm;
use crate::record::{Block, Role, RoleTally, Run, SeriesHistogram, SeriesKey};
use crate::seed::derive_seed;

/// One contender at one level.
#[derive(Debug, Clone, Serialize)]
pub struct ContenderSummary {
    /// The arm.
    pub arm: Arm,
    /// Whether it is the A/A twin.
    pub twin: bool,
    /// Which series the percentiles are of.
    pub quoted: SeriesKey,
    /// Number of blocks.
    pub blocks: usize,
    /// Number of server (or array) starts that they are of.
    pub starts: usize,
    /// Reader samples in the quoted series.
    pub samples: u64,
    /// Mean and percentiles of the quoted series, in ns; `None` where too few samples carry one.
    pub reader: Vec<(Statistic, Option<Estimate>)>,
    /// The quoted series' percentiles for a curve, ascending, in ns; empty for the A/A twin.
    pub curve: Vec<(f64, Estimate)>,
    /// All series merged over the blocks. `analysis.json` holds their percentiles only.
    #[serde(rename = "series", serialize_with = "series_numbers")]
    pub merged: BTreeMap<SeriesKey, SeriesHistogram>,
    /// Counts by role.
    pub tallies: BTreeMap<Role, RoleTally>,
    /// Client transactions per second that ended well.
    pub client_per_second: f64,
    /// The same with its interval over blocks, a bare number; `None` where none ended well.
    pub client_rate: Option<Estimate>,
    /// CPU by process group over the time that load was offered, in cores.
    pub cpu_cores: BTreeMap<String, f64>,
    /// CPU by finer groups, context switches and waits for a core.
    pub cpu: CpuSum,
    /// What one client transaction costs; `None` without transactions.
    pub cpu_cost: Option<CpuPerTransaction>,
    /// Time over which load was offered and counted, in ns.
    pub load_ns: u64,
    /// The blocks' counters: sums, and the largest of those that are maxima.
    pub counters: BTreeMap<String, u64>,
    /// What the locks and operations counted, in ratios.
    pub account: Vec<Counted>,
    /// Findings, struck ones first.
    #[serde(serialize_with = "with_words")]
    pub guards: Vec<Guard>,
}

/// Samples, mean and percentiles of every series, in ns.
fn series_numbers<S: Serializer>(
    merged: &BTreeMap<SeriesKey, SeriesHistogram>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(merged.iter().map(|(key, histogram)| {
        let mut numbers = BTreeMap::from([("samples".to_owned(), json!(histogram.len()))]);
        numbers.insert("mean".to_owned(), json!(histogram.mean_ns()));
        for p in TABLE_PERCENTILES.into_iter().chain([100.0]) {
            let carried = p == 100.0 || Statistic::Percentile(p).is_carried_by(histogram.len());
            let value = histogram.percentile_ns(p).filter(|_| carried);
            numbers.insert(Statistic::Percentile(p).to_string(), json!(value));
        }
        (key, numbers)
    }))
}

impl ContenderSummary {
    /// Label for tables and figures.
    pub fn label(&self) -> String {
        crate::record::arm_label(self.arm, self.twin)
    }

    fn found(&self, severity: Severity) -> impl Iterator<Item = &Guard> {
        self.guards.iter().filter(move |g| g.severity() == severity)
    }

    /// The first striking finding.
    pub fn struck(&self) -> Option<&Guard> {
        self.found(Severity::Strike).next()
    }

    /// The first striking finding about the clients' own numbers.
    pub fn struck_for_clients(&self) -> Option<&Guard> {
        self.found(Severity::Strike).find(|g| g.concerns_clients())
    }

    /// The reasons to be careful with it, if there are any.
    pub fn caution(&self) -> Option<String> {
        let cautions = self.found(Severity::Caution);
        let cautions: Vec<String> = cautions.map(ToString::to_string).collect();
        (!cautions.is_empty()).then(|| cautions.join("; "))
    }

    /// The estimate of one statistic of the quoted series.
    pub fn estimate(&self, statistic: Statistic) -> Option<Estimate> {
        self.reader.iter().find(|r| r.0 == statistic)?.1
    }

    /// One number of the account.
    pub fn counted(&self, what: &str) -> Option<&Counted> {
        self.account.iter().find(|c| c.what == what)
    }

    /// A counter; `None` if no block has it.
    pub fn counter(&self, name: &str) -> Option<u64> {
        self.counters.get(name).copied()
    }
}

pub(super) fn summarize_contender(
    run: &Run,
    arm: Arm,
    twin: bool,
    blocks: &[&Block],
) -> ContenderSummary {
    let quoted = quoted_series(blocks);
    let rounds = Rounds::of(blocks, quoted, run.slow_over_ns);
    let samples = rounds.sample_count();
    let bootstrap = Bootstrap::new(rounds.block_count(), run.config.seed);
    let estimate = |statistic| rounds.estimate(&bootstrap, statistic);
    let at = |p| Some((p, estimate(Statistic::Percentile(p))?));
    let drawn = curve_percentiles(if twin { 0 } else { samples });
    let curve: Vec<(f64, Estimate)> = drawn.into_iter().filter_map(at).collect();
    let drawn = |statistic: &Statistic| {
        let of = |point: &&(f64, Estimate)| Statistic::Percentile(point.0) == *statistic;
        curve.iter().find(of).map(|point| point.1)
    };
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
    let counters = merged_counters(blocks);
    let starts: BTreeSet<u32> = blocks.iter().map(|b| b.start).collect();
    ContenderSummary {
        arm,
        twin,
        quoted,
        blocks: blocks.len(),
        starts: starts.len(),
        samples,
        reader: run
            .statistics()
            .map(|s| (s, drawn(&s).or_else(|| estimate(s))))
            .collect(),
        curve,
        client_per_second: done as f64 * 1e9 / measured.max(1) as f64,
        client_rate: client_rate(blocks, run.config.seed),
        cpu_cores: cpu,
        cpu: CpuSum::of(blocks),
        cpu_cost: None,
        load_ns: loaded,
        account: account(run, &counters, done, loaded),
        counters,
        guards: Vec::new(),
        tallies,
        merged,
    }
}

/// Client transactions per second that ended well, with a 95 % bootstrap interval over these blocks (the
/// estimate's fields are bare numbers, not ns). `None` where none did.
fn client_rate(blocks: &[&Block], seed: u64) -> Option<Estimate> {
    let done = |b: &&Block| Some((b.tallies.get(&Role::Client)?.succeeded(), b.measured_ns));
    let counts: Vec<(u64, u64)> = blocks.iter().filter_map(done).collect();
    let bootstrap = Bootstrap::new(counts.len(), derive_seed(seed, &[0x434C_5254]));
    let rate = bootstrap.estimate(|taken| ratio(&counts, taken, 1e9));
    rate.filter(|rate| rate.value_ns > 0.0)
}

/// Counters of several blocks: sums, and for those that are maxima
/// (`...longest-...`, `....largest`) the largest.
fn merged_counters(blocks: &[&Block]) -> BTreeMap<String, u64> {
    let mut merged: BTreeMap<String, u64> = BTreeMap::new();
    for (name, value) in blocks.iter().flat_map(|b| &b.counters) {
        let so_far = merged.entry(name.clone()).or_default();
        let is_maximum = name
            .rsplit('.')
            .next()
            .is_some_and(|last| last.starts_with("longest-") || last == "largest");
        *so_far = if is_maximum {
            (*so_far).max(*value)
        } else {
            *so_far + value
        };
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sample_run;

    #[test]
    fn blocks_without_clients_have_no_rate_and_equal_ones_no_spread() {
        let run = sample_run(8);
        let level = run.levels()[0].clone();
        assert_eq!(
            client_rate(&run.blocks_of(Arm::Quiet, false, &level), 1),
            None
        );
        let rate = client_rate(&run.blocks_of(Arm::Unpooled, false, &level), 1).unwrap();
        assert!(rate.value_ns > 0.0);
        assert_eq!((rate.low_ns, rate.high_ns), (rate.value_ns, rate.value_ns));
    }

    #[test]
    fn maxima_are_merged_by_the_largest_and_everything_else_is_added() {
        let mut run = sample_run(2);
        for (block, n) in run.blocks.iter_mut().zip([3, 5]) {
            block.counters = BTreeMap::from([
                ("procarraylock.shared".to_owned(), n),
                ("procarraylock.longest-queue".to_owned(), n),
            ]);
        }
        let merged = merged_counters(&[&run.blocks[0], &run.blocks[1]]);
        assert_eq!(merged["procarraylock.shared"], 8);
        assert_eq!(merged["procarraylock.longest-queue"], 5);
    }
}
