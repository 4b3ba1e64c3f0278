//! The lock's part of the damage, found in two ways: by cause, from what running statements lose when the same faults
//! happen outside the lock, and by trace, from the slow statements that would not be slow without their waits for it.

use serde::Serialize;

use super::bootstrap::{Bootstrap, Estimate, ratio};
use super::level::LevelSummary;
use super::split::splits;
use super::statistic::Statistic;
use crate::arm::Arm;
use crate::config::Tracing;
use crate::factor::Factors;
use crate::record::{Block, Run, SeriesKey, StatementClass};

/// Both ways at one level. All numbers are shares of all statements, 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LockPart {
    /// The level.
    pub factors: Factors,
    /// The slow share of `unpooled` minus that of `premapped`, untraced; `None` if either did not run.
    pub by_cause: Option<Estimate>,
    /// The same difference of what is below; `None` if either was not traced.
    pub by_trace: Option<Estimate>,
    /// Arm by arm, the traced statements that are slow and would not be without their waits for ProcArrayLock.
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

/// Statements that are slow by the lock, and all; `None` if nobody sorted them.
fn counts(block: &Block) -> Option<(u64, u64)> {
    let count = |class: StatementClass| block.counters.get(&class.counter()).copied();
    Some((
        count(StatementClass::SlowByLock)?,
        count(StatementClass::All)?,
    ))
}

fn traced(run: &Run, factors: &Factors, arm: Arm) -> Option<Estimate> {
    let blocks = run.blocks_of(arm, false, factors);
    let found = blocks.iter().filter_map(|b| Some((counts(b)?, b.start)));
    let (pairs, starts): (Vec<_>, Vec<_>) = found.unzip();
    Bootstrap::nested(&starts, run.config.seed).estimate(|weights| ratio(&pairs, weights, 1.0))
}

/// The difference between two arms in the rounds that both have.
fn difference(run: &Run, factors: &Factors, first: Arm, second: Arm) -> Option<Estimate> {
    let others = run.blocks_of(second, false, factors);
    let blocks = run.blocks_of(first, false, factors).into_iter();
    let pairs = blocks.filter_map(|block| {
        let other = others.iter().find(|b| b.round == block.round)?;
        Some(((counts(block)?, counts(other)?), block.start))
    });
    let (pairs, starts): (Vec<_>, Vec<_>) = pairs.unzip();
    let (ours, others): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    Bootstrap::nested(&starts, run.config.seed)
        .estimate(|weights| Some(ratio(&ours, weights, 1.0)? - ratio(&others, weights, 1.0)?))
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
        let factors = &level.factors;
        let arms = run.config.arms.iter();
        let traced: Vec<(Arm, Estimate)> = arms
            .filter_map(|&arm| Some((arm, traced(run, factors, arm)?)))
            .collect();
        let cause = level.found(Arm::Unpooled, Arm::Premapped, Statistic::SlowShare);
        (!traced.is_empty()).then(|| LockPart {
            factors: factors.clone(),
            by_cause: cause.map(|(contrast, _)| contrast.difference),
            by_trace: difference(run, factors, Arm::Unpooled, Arm::Premapped),
            traced,
            slowed: slowed(run, level),
        })
    };
    levels.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
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
            let counts = [
                (StatementClass::All, 1_000),
                (StatementClass::SlowByLock, slow),
            ];
            let named = counts.map(|(class, n)| (class.counter(), n));
            block.counters.extend(named);
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
            assert!((e.value_ns - value).abs() < 1e-9, "{e:?} {value}");
            e
        };
        near(part.by_cause, 0.025);
        let trace = near(part.by_trace, 0.025);
        assert!(trace.low_ns < 0.025 && 0.025 < trace.high_ns && trace.low_ns >= 0.024);
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
