//! The lock's part of the damage, found in two ways: by cause, from what running statements lose when the same faults
//! happen outside the lock, and by trace, from how long readers were seen to wait for it.
//!
//! Probes make every statement longer, so that traced statements are not held against the threshold. Each traced wait
//! is added to the untraced statements of an arm without these holds: the share of them that only the wait lifts over
//! the threshold is what the wait does. A statement that waits twice counts for both, if rarely.

use serde::Serialize;

use super::bootstrap::{Bootstrap, Estimate, ratio};
use super::busy_prediction::WITHOUT_LOCK;
use super::level::LevelSummary;
use super::split::splits;
use super::statistic::Statistic;
use crate::arm::Arm;
use crate::config::Tracing;
use crate::factor::Factors;
use crate::record::{Block, Operation, Phase, Role, Run, SeriesKey, StatementClass};

/// How long a reader's snapshot waits for the lock.
const WAITS: SeriesKey = SeriesKey::service(Role::Reader, Operation::Snapshot, Phase::Wait);

/// Both ways at one level. All numbers are shares of all statements, 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LockPart {
    /// The level.
    pub factors: Factors,
    /// The slow share of `unpooled` minus that of `premapped`, untraced; `None` if either did not run.
    pub by_cause: Option<Estimate>,
    /// The same difference of what is below; `None` if either was not traced.
    pub by_trace: Option<Estimate>,
    /// Arm by arm, the statements that the traced waits for ProcArrayLock make slow.
    pub traced: Vec<(Arm, Estimate)>,
    /// How many times as long a statement of `unpooled` took with probes, on average; `None` without twins.
    pub slowed: Option<f64>,
}

impl LockPart {
    /// The share of one arm.
    pub fn traced(&self, arm: Arm) -> Option<Estimate> {
        self.traced.iter().find(|t| t.0 == arm).map(|t| t.1)
    }

    /// Whether the intervals of both ways overlap; `None` unless both are there.
    pub fn agrees(&self) -> Option<bool> {
        let (cause, trace) = (self.by_cause?, self.by_trace?);
        Some(cause.low_ns <= trace.high_ns && trace.low_ns <= cause.high_ns)
    }
}

/// A millionth of a statement.
const SCALE: f64 = 1e-6;

/// What waits do to statements.
struct Lifting<'a> {
    run: &'a Run,
    factors: &'a Factors,
    slow_over_ns: u64,
    /// Service times without these holds.
    base: Vec<(u64, u64)>,
}

impl<'a> Lifting<'a> {
    fn of(run: &'a Run, level: &'a LevelSummary) -> Option<Self> {
        let mut calm = WITHOUT_LOCK.into_iter();
        let base = calm.find_map(|arm| {
            level
                .contender(arm, false)?
                .merged
                .get(&SeriesKey::READER_SERVICE)
        })?;
        Some(Lifting {
            run,
            factors: &level.factors,
            slow_over_ns: run.slow_over_ns?,
            base: base.buckets(),
        })
    }

    /// Share of the statements that are slow with a wait and are not without it.
    fn lifted(&self, wait_ns: u64) -> f64 {
        let count = |is_in: &dyn Fn(u64) -> bool| -> u64 {
            self.base.iter().filter(|b| is_in(b.0)).map(|b| b.1).sum()
        };
        let over = self.slow_over_ns;
        let lifted = count(&|ns| ns <= over && ns + wait_ns > over);
        lifted as f64 / count(&|_| true).max(1) as f64
    }

    /// Statements that the waits of a traced block make slow, in millionths, and all of its statements; `None` if
    /// nobody traced it.
    fn counts(&self, block: &Block) -> Option<(u64, u64)> {
        let all = block.counters.get(&StatementClass::All.counter())?;
        let waits = block.series.get(&WAITS)?.buckets();
        let slow = waits
            .into_iter()
            .filter(|(ns, _)| *ns > 0)
            .map(|(ns, n)| n as f64 * self.lifted(ns));
        Some(((slow.sum::<f64>() / SCALE) as u64, *all))
    }

    fn traced(&self, arm: Arm) -> Option<Estimate> {
        let blocks = self.run.blocks_of(arm, false, self.factors);
        let found = blocks
            .iter()
            .filter_map(|b| Some((self.counts(b)?, b.start)));
        let (pairs, starts): (Vec<_>, Vec<_>) = found.unzip();
        Bootstrap::nested(&starts, self.run.config.seed)
            .estimate(|taken| ratio(&pairs, taken, SCALE))
    }

    /// The difference between two arms in the rounds that both have.
    fn difference(&self, first: Arm, second: Arm) -> Option<Estimate> {
        let others = self.run.blocks_of(second, false, self.factors);
        let blocks = self.run.blocks_of(first, false, self.factors).into_iter();
        let pairs = blocks.filter_map(|block| {
            let other = others.iter().find(|b| b.round == block.round)?;
            Some(((self.counts(block)?, self.counts(other)?), block.start))
        });
        let (pairs, starts): (Vec<_>, Vec<_>) = pairs.unzip();
        let (ours, others): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        Bootstrap::nested(&starts, self.run.config.seed)
            .estimate(|taken| Some(ratio(&ours, taken, SCALE)? - ratio(&others, taken, SCALE)?))
    }
}

/// Traced over untraced mean service time; `None` unless the traced blocks are twins.
fn slowed(run: &Run, level: &LevelSummary) -> Option<f64> {
    run.config
        .server
        .as_ref()
        .filter(|s| s.trace == Tracing::Twins)?;
    let contender = level.contender(Arm::Unpooled, false)?;
    let untraced = contender.merged.get(&SeriesKey::READER_SERVICE)?;
    let all = splits(contender).into_iter().next()?;
    Some(all.total_ns() / untraced.mean_ns()?)
}

/// The levels at which statements were traced and sorted.
pub(super) fn lock_parts(run: &Run, levels: &[LevelSummary]) -> Vec<LockPart> {
    let of = |level: &LevelSummary| {
        let lifting = Lifting::of(run, level)?;
        let arms = run.config.arms.iter();
        let traced: Vec<(Arm, Estimate)> = arms
            .filter_map(|&arm| Some((arm, lifting.traced(arm)?)))
            .collect();
        let cause = level.found(Arm::Unpooled, Arm::Premapped, Statistic::SlowShare);
        (!traced.is_empty()).then(|| LockPart {
            factors: level.factors.clone(),
            by_cause: cause.map(|(contrast, _)| contrast.difference),
            by_trace: lifting.difference(Arm::Unpooled, Arm::Premapped),
            traced,
            slowed: slowed(run, level),
        })
    };
    levels.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::SeriesHistogram;
    use crate::stats::{Answer, analyse};
    use crate::testing::lock_run;

    /// By cause 25 of 1,000 statements in front of 4 kB pages; by trace so many under `unpooled`, 5 under
    /// `premapped`, more or less from round to round.
    fn parts(by_trace: u64) -> Vec<LockPart> {
        let mut run = lock_run(12, 25, 0);
        let one = run.blocks[0].factors.pg.clone();
        run.blocks.retain(|b| b.factors.pg == one);
        for block in &mut run.blocks {
            let slow = match block.arm {
                Arm::Unpooled => by_trace + u64::from(block.round % 3) - 1,
                Arm::Premapped => 5,
                _ => 0,
            };
            block.counters.insert(StatementClass::All.counter(), 1_000);
            let mut waits = SeriesHistogram::default();
            // Every statement's, of which only these are long.
            (0..1_000).for_each(|i| waits.record(if i < slow { 1_000_000 } else { 0 }));
            block.series.insert(WAITS, waits);
        }
        analyse(&run, Answer::Contrast, None).lock_parts
    }

    #[test]
    fn both_ways_agree_where_their_intervals_overlap() {
        let found = parts(30);
        assert_eq!(found.len(), 3);
        let faulting = |p: &&LockPart| p.by_cause.is_some_and(|c| c.value_ns > 0.02);
        let part = found.iter().find(faulting).unwrap();
        let near = |e: Option<Estimate>, value: f64| {
            let e = e.unwrap();
            // 12 of 1,000 statements are slow without any wait.
            assert!((e.value_ns / 0.988 - value).abs() < 1e-4, "{e:?} {value}");
            e
        };
        let cause = part.by_cause.unwrap();
        assert!((cause.value_ns - 0.025).abs() < 1e-9, "{cause:?}");
        let trace = near(part.by_trace, 0.025);
        assert!(trace.low_ns < trace.value_ns && trace.value_ns < trace.high_ns);
        near(part.traced(Arm::Unpooled), 0.030);
        near(part.traced(Arm::Premapped), 0.005);
        near(part.traced(Arm::KeptOpen), 0.0);
        assert_eq!(part.agrees(), Some(true));
        // Where nothing faults the trace still says 25 of 1,000.
        let elsewhere = found.iter().find(|p| !faulting(p)).unwrap();
        assert_eq!(elsewhere.agrees(), Some(false));
    }

    #[test]
    fn what_was_not_traced_or_has_no_threshold_has_no_part() {
        let analysis = analyse(&lock_run(2, 25, 0), Answer::Contrast, None);
        assert_eq!(analysis.lock_parts, []);
    }
}
