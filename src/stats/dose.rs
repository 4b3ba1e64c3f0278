//! Dose and response: the lock's part of slow statements at each level, observed and predicted.
//!
//! Observed is `unpooled` minus `premapped` in the share of slow statements. Predicted is what connections at the
//! rate that was seen add to the statements of `premapped` if each holds the lock for as long as the trace of this
//! run says, or else the tool's stored lines ([`mod@super::busy_share`]). A statement sees the lock as it is when the
//! statement is due: one that waits behind an earlier statement waits for the same hold.

use serde::Serialize;

use super::across::Cells;
use super::busy_prediction::{Compared, WITHOUT_LOCK, holds_of, series};
use super::busy_seen::snapshots;
use super::busy_share::{HoldRange, holds_of_each};
use super::level::LevelSummary;
use super::lock_wait::{Holds, Looks, Traffic};
use super::statistic::Statistic;
use super::verdict::Verdict;
use crate::arm::{Arm, Mode};
use crate::factor::{DEFAULT_PG_MAJOR, Factors, PgSource};
use crate::procarray::{PageSize, SlotOrder};
use crate::record::Run;

/// The lock's part at one level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dose {
    /// The level.
    pub factors: Factors,
    /// Whether page faults under the lock are expected there.
    pub cells: Cells,
    /// Connections per second that came.
    pub per_second: f64,
    /// Whether this run's own trace has the holds; else they are the tool's stored lines.
    pub holds_of_run: bool,
    /// By how much the lock raises the share of slow statements, 0 to 1. Both ends are snapshots of one statement at
    /// once, and as far apart as the statement is long.
    pub lock_part: Compared,
    /// What the observed one lets one say.
    pub verdict: Option<Verdict>,
    /// Number of paired rounds behind it.
    pub rounds: usize,
}

/// A dose for each level whose cell is known; none without a threshold, or where neither the standing connections
/// nor the clients' rate vary.
pub(super) fn doses(run: &Run, levels: &[LevelSummary]) -> Vec<Dose> {
    let all: Vec<Dose> = levels.iter().filter_map(|l| dose(run, l)).collect();
    let differ = |d: &Dose| {
        let first = &all[0].factors;
        d.factors.standing != first.standing || d.factors.client_rate != first.client_rate
    };
    match all.iter().any(differ) && all.iter().any(|d| d.verdict.is_some()) {
        true => all,
        false => Vec::new(),
    }
}

fn dose(run: &Run, level: &LevelSummary) -> Option<Dose> {
    let threshold = run.slow_over_ns?;
    let cells = Cells::of(&level.factors)?;
    let unpooled = level.contender(Arm::Unpooled, false)?;
    let mut calm = WITHOUT_LOCK.into_iter();
    let base = calm.find_map(|arm| series(level, arm, unpooled.quoted))?;
    let traced = holds_of(level);
    let holds_of_run = traced.is_some();
    let [low, high] = match traced {
        Some(holds) => [holds.clone(), holds],
        None if run.mode == Mode::Server => stored(&level.factors)?,
        None => return None,
    };
    let share = |holds, gap_ns| {
        let traffic = Traffic {
            per_second: unpooled.client_per_second,
            holds,
        };
        let looks = Looks {
            snapshots: snapshots(run),
            gap_ns,
            // The quoted time begins when a statement is due.
            begun_per_second: 0.0,
        };
        traffic.slow_share(base, threshold, looks)
    };
    let found = level.found(Arm::Unpooled, Arm::Premapped, Statistic::SlowShare);
    Some(Dose {
        factors: level.factors.clone(),
        cells,
        per_second: unpooled.client_per_second,
        holds_of_run,
        lock_part: Compared {
            predicted: HoldRange {
                low: share(low, 0.0),
                high: share(high, base.percentile_ns(50.0)? as f64),
            },
            observed: found.map(|(contrast, _)| contrast.difference),
        },
        verdict: found.map(|(_, verdict)| verdict),
        rounds: found.map_or(0, |(contrast, _)| contrast.rounds),
    })
}

/// The stored holds of a connection, at both ends of how many standing connections lie behind its slot.
fn stored(level: &Factors) -> Option<[[Holds; 2]; 2]> {
    let major = level.pg.as_ref();
    let major = major.map_or(Some(DEFAULT_PG_MAJOR), PgSource::major)?;
    let huge = level.page_size? != PageSize::Small;
    let standing = u64::from(level.standing);
    let ends = match level.slot_order? {
        SlotOrder::Front => [standing, standing],
        SlotOrder::Behind => [0, 0],
        SlotOrder::Spread => [0, standing],
    };
    Some(ends.map(|n| holds_of_each(major, n, huge).map(Holds::all)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::SeriesHistogram;
    use crate::stats::busy_seen::HOLDS;
    use crate::stats::{Answer, analyse};
    use crate::testing::lock_run;

    /// Cells of 15 and 18 at 10 standing connections, and those in front of 4 kB pages at 4,000, too, where a
    /// statement is slow over 400 us.
    fn run() -> Run {
        let mut run = lock_run(12, 40, 0);
        run.slow_over_ns = Some(400_000);
        let mut more = run.blocks.clone();
        more.retain(|b| Cells::of(&b.factors) == Some(Cells::WithFaults));
        more.iter_mut().for_each(|b| b.factors.standing = 4_000);
        run.blocks.extend(more);
        run
    }

    fn found(run: &Run) -> Vec<Dose> {
        analyse(run, Answer::Contrast, None).doses
    }

    #[test]
    fn stored_holds_predict_what_is_longer_than_the_rest_to_the_threshold() {
        let all = found(&run());
        assert_eq!(all.len(), 8);
        let at = |standing, cells| {
            let mut all = all.iter();
            all.find(|d| d.factors.standing == standing && d.cells == cells)
                .unwrap()
        };
        let many = at(4_000, Cells::WithFaults);
        // 10.9 us + 4,000 x 0.22 us; statements of 50 us, 1 % of them of 300 us, are slow over 400 us.
        let hold = 10.9e-6 + 4_000.0 * 0.22e-6;
        let over = |rest: f64| many.per_second * (hold - rest);
        let expected = 0.988 * over(349.5e-6) + 0.012 * over(100e-6);
        let HoldRange { low, high } = many.lock_part.predicted;
        assert!((low / expected - 1.0).abs() < 5e-3, "{low} {expected}");
        // A second snapshot 50 us after the first meets what begins between them.
        let more = many.per_second * 50.5e-6;
        assert!(((high - low) / more - 1.0).abs() < 1e-2, "{high} {more}");
        assert!(!many.holds_of_run && many.verdict.is_some() && many.rounds == 12);
        for (standing, cells) in [(10, Cells::WithFaults), (10, Cells::Placebo)] {
            assert!(at(standing, cells).lock_part.predicted.high < 1e-5);
        }
    }

    #[test]
    fn holds_of_the_run_go_before_the_stored_ones() {
        let mut run = run();
        for block in run.blocks.iter_mut().filter(|b| b.arm == Arm::Unpooled) {
            for key in HOLDS {
                let mut hold = SeriesHistogram::default();
                hold.record(900_000);
                block.series.insert(key, hold);
            }
        }
        let all = found(&run);
        let first = &all[0];
        assert!(first.holds_of_run && first.factors.standing == 10);
        assert!(first.lock_part.predicted.low > 0.5 * first.per_second * 2.0 * 550e-6);
    }

    #[test]
    fn nothing_is_predicted_without_a_dose_a_threshold_or_a_known_cell() {
        assert_eq!(found(&lock_run(12, 40, 0)), []);
        let mut without = run();
        without.slow_over_ns = None;
        assert_eq!(found(&without), []);
        let mut unknown = run();
        unknown
            .blocks
            .iter_mut()
            .for_each(|b| b.factors.page_size = None);
        assert_eq!(found(&unknown), []);
    }
}
