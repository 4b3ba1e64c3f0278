//! One lock's level in numbers: the readers' and the writers' tails under churn,
//! and how busy the lock was.

use serde::Serialize;

use super::bootstrap::{Bootstrap, Estimate};
use super::level::{LevelSummary, primary_level};
use super::rounds::Rounds;
use super::statistic::{Statistic, TABLE_PERCENTILES};
use crate::arm::Arm;
use crate::factor::{Factor, Factors};
use crate::record::{Block, Operation, Phase, Role, Run, SeriesKey};

/// Readers' wait for ProcArrayLock, in the snapshots that are looked into.
pub const READERS_WAIT: SeriesKey =
    SeriesKey::service(Role::Reader, Operation::Snapshot, Phase::Wait);
/// Writers' wait for ProcArrayLock: ProcArrayAdd's.
pub const WRITERS_WAIT: SeriesKey =
    SeriesKey::service(Role::Client, Operation::ProcArrayAdd, Phase::Wait);

/// One series of one contender, with intervals over its blocks.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
#[derive(Debug, Clone, Serialize)]
pub struct LockLevel {
    /// The lock's name.
    pub lock: String,
    /// Its level.
    pub factors: Factors,
    /// The quoted time of running statements (response time where paced).
    pub readers: SeriesTail,
    /// Their service time.
    pub readers_service: SeriesTail,
    /// [`READERS_WAIT`].
    pub readers_wait: SeriesTail,
    /// [`WRITERS_WAIT`].
    pub writers_wait: SeriesTail,
}

/// The levels of a run that differ from the primary one in their lock alone, in
/// the order of the run; empty where the lock does not vary.
pub(super) fn levels_by_lock(levels: &[LevelSummary]) -> Vec<&LevelSummary> {
    let Some(primary) = primary_level(levels) else {
        return Vec::new();
    };
    let others: Vec<Factor> = Factor::all().filter(|f| *f != Factor::Lock).collect();
    let levels: Vec<&LevelSummary> = levels
        .iter()
        .filter(|l| l.factors.lock.is_some())
        .filter(|l| l.factors.only(&others) == primary.factors.only(&others))
        .collect();
    if levels.len() > 1 { levels } else { Vec::new() }
}

/// Every lock of a run at its primary level; empty where the lock does not vary
/// or no client connects.
pub(super) fn lock_levels(run: &Run, levels: &[LevelSummary]) -> Vec<LockLevel> {
    levels_by_lock(levels)
        .into_iter()
        .filter_map(|level| {
            let quoted = level.contender(Arm::Unpooled, false)?.quoted;
            let blocks = run.blocks_of(Arm::Unpooled, false, &level.factors);
            let tail = |key| series_tail(run, &blocks, key);
            Some(LockLevel {
                lock: level.factors.get(Factor::Lock)?,
                factors: level.factors.clone(),
                readers: tail(quoted),
                readers_service: tail(SeriesKey::READER_SERVICE),
                readers_wait: tail(READERS_WAIT),
                writers_wait: tail(WRITERS_WAIT),
            })
        })
        .collect()
}

fn series_tail(run: &Run, blocks: &[&Block], key: SeriesKey) -> SeriesTail {
    let rounds = Rounds::of(blocks, key);
    let bootstrap = Bootstrap::new(rounds.block_count(), run.config.seed);
    let at = |p| Some((p, rounds.estimate(&bootstrap, Statistic::Percentile(p))?));
    SeriesTail {
        samples: rounds.sample_count(),
        percentiles: TABLE_PERCENTILES.into_iter().filter_map(at).collect(),
        max_ns: rounds.max_ns(),
    }
}

#[cfg(test)]
mod tests {
    use crate::stats::{Answer, analyse};
    use crate::testing::{run_under_locks, sample_run};

    #[test]
    fn every_lock_is_there_once_and_what_is_not_counted_is_absent() {
        let run = run_under_locks(8, &[("std", 3), ("sharded", 1)]);
        let levels = analyse(&run, Answer::Contrast).locks;
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
        let one = sample_run(8);
        assert!(analyse(&one, Answer::Contrast).locks.is_empty());
    }
}
