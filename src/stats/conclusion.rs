//! What is concluded from churn, lock by lock: does it depend on the lock?

use serde::Serialize;

use super::contrast::Contrast;
use super::level::{Found, LevelSummary, paired_contrasts};
use super::lock_level::{READERS_WAIT, WRITERS_WAIT, levels_by_lock};
use super::statistic::Statistic;
use super::verdict::judge;
use crate::arm::Arm;
use crate::factor::Factor;
use crate::record::Run;

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
pub(super) fn conclusions(run: &Run, levels: &[LevelSummary]) -> Vec<Conclusion> {
    let levels = levels_by_lock(levels);
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
        format!("churn raises the {quoted} {clock} time of running statements over {base}"),
        &|l| l.found(Arm::Unpooled, base, quoted),
    )];
    if clock != "service" {
        all.push(each(
            format!("it raises their {quoted} service time, too, not only the wait before a statement begins"),
            &|l| l.service_at(quoted),
        ));
    }
    all.push(each(
        "under churn readers wait longer for the lock, on average".to_owned(),
        &|l| readers_wait(run, l, base),
    ));
    all.push(each(
        format!("whoever joins waits longer for the lock than whoever reads, at {carried}"),
        &|l| {
            let contrast = waiting(l).into_iter().find(|c| c.statistic == carried)?;
            // Both sides are from the same blocks: no A/A pair is needed.
            let verdict = judge(&contrast, Some(0.0), l.is_struck(Arm::Unpooled));
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

fn readers_wait(run: &Run, level: &LevelSummary, base: Arm) -> Found {
    // Against the baseline or its twin.
    let mean = |arm, twin| {
        let wait = |arm, twin| (arm, twin, Some(READERS_WAIT));
        let all = paired_contrasts(run, &level.factors, wait(arm, false), wait(base, twin));
        all.into_iter().find(|c| c.statistic == Statistic::Mean)
    };
    let contrast = mean(Arm::Unpooled, false)?;
    let floor = mean(base, true)
        .filter(|_| !level.is_twin_struck(base))
        .map(|c| c.magnitude_95_ns);
    let struck = level.is_struck(Arm::Unpooled) || level.is_struck(base);
    Some((contrast, judge(&contrast, floor, struck)))
}

#[cfg(test)]
mod tests {
    use crate::stats::Verdict;
    use crate::stats::{Answer, analyse};
    use crate::testing::{run_under_locks, sample_run};

    #[test]
    fn each_lock_gets_its_own_verdict() {
        let run = run_under_locks(8, &[("std", 3), ("sharded", 1)]);
        let all = analyse(&run, Answer::Contrast).conclusions;
        let verdicts: Vec<_> = all[0]
            .by_lock
            .iter()
            .map(|(lock, found)| (lock.as_str(), found.unwrap().1))
            .collect();
        assert_eq!(
            verdicts,
            [
                ("std", Verdict::Higher),
                ("sharded", Verdict::NoDifferenceShown)
            ]
        );
        // Service times are the same numbers here; nobody timed a lock.
        assert_eq!(all[1].by_lock[0].1.unwrap().1, Verdict::Higher);
        assert!(all[2].by_lock.iter().all(|(_, found)| found.is_none()));
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn a_run_under_one_lock_has_nothing_to_hold_against() {
        let run = sample_run(8);
        assert!(analyse(&run, Answer::Contrast).conclusions.is_empty());
    }
}
