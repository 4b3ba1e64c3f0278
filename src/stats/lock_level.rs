//! One lock's level in numbers: the readers' and the writers' tails under churn,
//! and how busy the lock was.

use std::collections::BTreeMap;

use super::analysis::Analysis;
use super::contrast::{Estimate, estimates};
use super::level::LevelSummary;
use super::rounds::Statistic;
use crate::arm::Arm;
use crate::factor::Factor;
use crate::record::samples_above;
use crate::record::{Block, Operation, Phase, Role, Run, SeriesHistogram, SeriesKey};

/// Readers' wait for ProcArrayLock, in the snapshots that are looked into.
pub const READERS_WAIT: SeriesKey =
    SeriesKey::service(Role::Reader, Operation::Snapshot, Phase::Wait);
/// Writers' wait for ProcArrayLock: ProcArrayAdd's.
pub const WRITERS_WAIT: SeriesKey =
    SeriesKey::service(Role::Client, Operation::ProcArrayAdd, Phase::Wait);

/// Percentiles of a [`SeriesTail`], if the samples carry them.
const TAIL_PERCENTILES: [f64; 4] = [50.0, 90.0, 99.0, 99.9];

/// One series of one contender, with intervals over its blocks.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesTail {
    /// Samples.
    pub samples: u64,
    /// Percentiles with at least ten samples above them, ascending, in ns.
    pub percentiles: Vec<(f64, Estimate)>,
    /// The largest sample, in ns; `None` without any.
    pub max_ns: Option<u64>,
}

impl SeriesTail {
    /// The estimate at percentile `p`, if the samples carry it.
    pub fn at(&self, p: f64) -> Option<Estimate> {
        self.percentiles.iter().find(|e| e.0 == p).map(|e| e.1)
    }
}

/// One lock under churn (the `unpooled` blocks of its level).
#[derive(Debug, Clone)]
pub struct LockLevel<'a> {
    /// The lock's name.
    pub lock: String,
    /// All of its level.
    pub level: &'a LevelSummary,
    /// The quoted time of running statements (response time where paced).
    pub readers: SeriesTail,
    /// Their service time.
    pub readers_service: SeriesTail,
    /// [`READERS_WAIT`].
    pub readers_wait: SeriesTail,
    /// [`WRITERS_WAIT`].
    pub writers_wait: SeriesTail,
    /// The blocks' counters, put together by [`merged_counters`].
    pub counters: BTreeMap<String, u64>,
    /// Time over which load was offered and counted, in ns.
    pub load_ns: u64,
}

impl LockLevel<'_> {
    /// A counter of ProcArrayLock by its last name; `None` if no block has it.
    pub fn counter(&self, name: &str) -> Option<u64> {
        self.counters.get(&format!("procarraylock.{name}")).copied()
    }

    /// One counter over another; `None` where one is absent or there is nothing to divide by.
    pub fn share(&self, of: &str, over: &str) -> Option<f64> {
        let over = self.counter(over).filter(|n| *n > 0)?;
        Some(self.counter(of)? as f64 / over as f64)
    }

    /// Share of the load's time for which the lock was held exclusively.
    pub fn exclusive_busy(&self) -> Option<f64> {
        let held = self.counter("exclusive-held-ns")?;
        (self.load_ns > 0).then(|| held as f64 / self.load_ns as f64)
    }
}

/// Counters of several blocks: sums, and for those that are maxima
/// (`...longest-...`, `....largest`) the largest.
pub fn merged_counters(blocks: &[&Block]) -> BTreeMap<String, u64> {
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

/// The levels of a run that differ from the primary one in their lock alone, in
/// the order of the run; empty where the lock does not vary.
pub(super) fn levels_by_lock(summary: &Analysis) -> Vec<&LevelSummary> {
    let Some(primary) = summary.primary_level() else {
        return Vec::new();
    };
    let others: Vec<Factor> = Factor::ALL
        .into_iter()
        .filter(|f| *f != Factor::Lock)
        .collect();
    let levels: Vec<&LevelSummary> = summary
        .levels
        .iter()
        .filter(|l| l.factors.lock.is_some())
        .filter(|l| l.factors.only(&others) == primary.factors.only(&others))
        .collect();
    if levels.len() > 1 { levels } else { Vec::new() }
}

/// Every lock of a run at its primary level; empty where the lock does not vary
/// or no client connects.
pub fn lock_levels<'a>(run: &Run, summary: &'a Analysis) -> Vec<LockLevel<'a>> {
    levels_by_lock(summary)
        .into_iter()
        .filter_map(|level| {
            let quoted = level.contender(Arm::Unpooled, false)?.quoted;
            let blocks = run.blocks_of(Arm::Unpooled, false, &level.factors);
            let tail = |key| series_tail(run, &blocks, key);
            Some(LockLevel {
                lock: level.factors.lock.clone()?,
                level,
                readers: tail(quoted),
                readers_service: tail(SeriesKey::READER_SERVICE),
                readers_wait: tail(READERS_WAIT),
                writers_wait: tail(WRITERS_WAIT),
                counters: merged_counters(&blocks),
                load_ns: blocks
                    .iter()
                    .map(|b| run.config.warmup_ns + b.measured_ns)
                    .sum(),
            })
        })
        .collect()
}

fn series_tail(run: &Run, blocks: &[&Block], key: SeriesKey) -> SeriesTail {
    let series: Vec<&SeriesHistogram> = blocks.iter().filter_map(|b| b.series.get(&key)).collect();
    let samples = series.iter().map(|h| h.len()).sum();
    let carried: Vec<f64> = TAIL_PERCENTILES
        .into_iter()
        .filter(|&p| samples_above(p, samples) >= 10)
        .collect();
    let wanted: Vec<Statistic> = carried.iter().map(|&p| Statistic::Percentile(p)).collect();
    SeriesTail {
        samples,
        percentiles: carried
            .into_iter()
            .zip(estimates(&series, &wanted, run.config.seed))
            .filter_map(|(p, estimate)| Some((p, estimate?)))
            .collect(),
        max_ns: series.iter().filter_map(|h| h.percentile_ns(100.0)).max(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::analyse;
    use crate::testing::{run_under_locks, sample_run};

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

    #[test]
    fn every_lock_is_there_once_and_what_is_not_counted_is_absent() {
        let run = run_under_locks(8, &[("std", 3), ("sharded", 1)]);
        let summary = analyse(&run);
        let levels = lock_levels(&run, &summary);
        let names: Vec<&str> = levels.iter().map(|l| l.lock.as_str()).collect();
        assert_eq!(names, ["std", "sharded"]);
        assert_eq!(levels[0].readers.samples, 8 * 500);
        // 4,000 samples carry p99, not p99.9; nobody timed a writer.
        assert!(levels[0].readers.at(99.0).is_some() && levels[0].readers.at(99.9).is_none());
        assert_eq!(
            (
                levels[0].writers_wait.samples,
                levels[0].writers_wait.max_ns
            ),
            (0, None)
        );
        assert_eq!(levels[0].counter("shared"), None);
        assert_eq!(levels[0].exclusive_busy(), None);
        let one = sample_run(8);
        assert!(lock_levels(&one, &analyse(&one)).is_empty());
    }
}
