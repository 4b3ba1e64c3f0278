//! Churn lock by lock: the readers' and the writers' tails, and whether what is concluded depends on the lock.

use serde::Serialize;

use super::bootstrap::{Bootstrap, Estimate};
use super::contrast::Contrast;
use super::level::{Found, LevelSummary, paired_contrasts, primary_level};
use super::rounds::Rounds;
use super::statistic::{Statistic, TABLE_PERCENTILES};
use super::verdict::Rule;
use crate::arm::Arm;
use crate::config::Config;
use crate::factor::{Factor, Factors};
use crate::record::{Block, Operation, Phase, Role, Run, SeriesKey};

/// One conclusion, held against every lock. It holds where the verdict is
/// [`Verdict::Higher`](super::Verdict::Higher).
#[derive(Debug, Clone, Serialize)]
pub struct Conclusion {
    /// What is claimed, as a clause.
    pub claim: String,
    /// By lock, in the order of the run.
    pub by_lock: Vec<(String, Found)>,
}

/// The conclusions of a run whose lock varies, the first its primary outcome's;
/// empty for every other run.
pub(super) fn conclusions(run: &Run, levels: &[LevelSummary], rule: Rule) -> Vec<Conclusion> {
    let levels = levels_by_lock(&run.config, levels);
    let (Some(base), false) = (Arm::baseline(&run.config.arms), levels.is_empty()) else {
        return Vec::new();
    };
    let quoted = run.quoted_statistic();
    let clock = levels
        .iter()
        .find_map(|l| l.contenders.first())
        .map_or_else(String::new, |c| c.quoted.clock.to_string());
    let each = |claim: String, find: &dyn Fn(&LevelSummary) -> Found| Conclusion {
        claim,
        by_lock: levels
            .iter()
            .map(|l| (l.factors.get(Factor::Lock).unwrap_or_default(), find(l)))
            .collect(),
    };
    let waiting = |level: &LevelSummary| queueing_contrasts(run, level);
    let carried = highest_carried(&levels.iter().map(|l| waiting(l)).collect::<Vec<_>>());
    let mut all = vec![each(
        match quoted {
            Statistic::SlowShare => {
                format!("churn raises the share of slow statements over {base}")
            }
            _ => {
                format!("churn raises the {quoted} {clock} time of running statements over {base}")
            }
        },
        &|l| l.found(Arm::Unpooled, base, quoted),
    )];
    if clock != "service" {
        all.push(each(
            format!("it raises the {quoted} of their service time, too, not only the wait before a statement begins"),
            &|l| l.service_at(quoted),
        ));
    }
    all.push(each(
        "under churn readers wait longer for the lock, on average".to_owned(),
        &|l| readers_wait(run, l, base, rule),
    ));
    all.push(each(
        format!("whoever joins waits longer for the lock than whoever reads, at {carried}"),
        &|l| {
            let contrast = waiting(l).into_iter().find(|c| c.statistic == carried)?;
            let verdict = rule.judge(&contrast, l.is_struck(Arm::Unpooled));
            Some((contrast, verdict))
        },
    ));
    all
}

/// Writers' wait minus readers' wait, in the same `unpooled` blocks.
fn queueing_contrasts(run: &Run, level: &LevelSummary) -> Vec<Contrast> {
    let unpooled = |key| (Arm::Unpooled, false, Some(key));
    let (writers, readers) = (unpooled(WRITERS_WAIT), unpooled(READERS_WAIT));
    paired_contrasts(run, &level.factors, writers, readers)
}

/// The highest of the usual percentiles that every lock carries that has any.
fn highest_carried(contrasts: &[Vec<Contrast>]) -> Statistic {
    [99.0, 90.0]
        .map(Statistic::Percentile)
        .into_iter()
        .find(|wanted| {
            contrasts
                .iter()
                .filter(|all| !all.is_empty())
                .all(|all| all.iter().any(|c| c.statistic == *wanted))
        })
        .unwrap_or(Statistic::Percentile(50.0))
}

fn readers_wait(run: &Run, level: &LevelSummary, base: Arm, rule: Rule) -> Found {
    let wait = |arm| (arm, false, Some(READERS_WAIT));
    let all = paired_contrasts(run, &level.factors, wait(Arm::Unpooled), wait(base));
    let contrast = all.into_iter().find(|c| c.statistic == Statistic::Mean)?;
    let struck = level.is_struck(Arm::Unpooled) || level.is_struck(base);
    Some((contrast, rule.judge(&contrast, struck)))
}

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
pub(super) fn levels_by_lock<'l>(
    config: &Config,
    levels: &'l [LevelSummary],
) -> Vec<&'l LevelSummary> {
    let Some(primary) = primary_level(config, levels) else {
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
    levels_by_lock(&run.config, levels)
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

pub(super) fn series_tail(run: &Run, blocks: &[&Block], key: SeriesKey) -> SeriesTail {
    let rounds = Rounds::of(blocks, key, None);
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
    use crate::stats::{Answer, Verdict, analyse};
    use crate::testing::{run_under_locks, sample_run};

    #[test]
    fn each_lock_gets_its_own_verdict() {
        let run = run_under_locks(12, &[("std", 3), ("sharded", 1)]);
        let all = analyse(&run, Answer::Contrast, None).conclusions;
        let verdicts: Vec<_> = all[0]
            .by_lock
            .iter()
            .map(|(lock, found)| (lock.as_str(), found.unwrap().1))
            .collect();
        assert_eq!(
            verdicts,
            [("std", Verdict::Higher), ("sharded", Verdict::CannotTell)]
        );
        // Service times are the same numbers here; nobody timed a lock.
        assert_eq!(all[1].by_lock[0].1.unwrap().1, Verdict::Higher);
        assert!(all[2].by_lock.iter().all(|(_, found)| found.is_none()));
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn a_run_under_one_lock_has_nothing_to_hold_against() {
        let run = sample_run(12);
        assert!(analyse(&run, Answer::Contrast, None).conclusions.is_empty());
    }

    #[test]
    fn every_lock_is_there_once_and_what_is_not_counted_is_absent() {
        let run = run_under_locks(12, &[("std", 3), ("sharded", 1)]);
        let levels = analyse(&run, Answer::Contrast, None).locks;
        let names: Vec<&str> = levels.iter().map(|l| l.lock.as_str()).collect();
        assert_eq!(names, ["std", "sharded"]);
        assert_eq!(levels[0].readers.samples, 12 * 500);
        // 4,000 samples carry p99, not p99.9; nobody timed a writer.
        assert!(levels[0].readers.at(99.0).is_some() && levels[0].readers.at(99.9).is_none());
        assert_eq!(
            (
                levels[0].writers_wait.samples,
                levels[0].writers_wait.max_ns
            ),
            (0, None)
        );
        let one = sample_run(12);
        assert!(analyse(&one, Answer::Contrast, None).locks.is_empty());
    }
}
