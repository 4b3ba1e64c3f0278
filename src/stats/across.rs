//! Contrasts across levels: interactions (differences in differences), and means over the cells in which page
//! faults under ProcArrayLock are expected, and over those in which they are not.

use std::collections::BTreeSet;

use serde::Serialize;

use super::contrast::{Cell, Contrast, over_cells};
use super::level::{LevelSummary, cell, primary_level};
use super::statistic::Statistic;
use super::verdict::{Rule, Verdict};
use crate::arm::Arm;
use crate::factor::{DEFAULT_PG_MAJOR, Factor, Factors, PgSource};
use crate::procarray::{PageSize, SlotOrder};
use crate::record::Run;
use crate::seed::derive_seed;

/// The declared pairs: what a connection does under the lock, at equal work and against a bare fork.
const PAIRS: [(Arm, Arm); 2] = [
    (Arm::Unpooled, Arm::Premapped),
    (Arm::Unpooled, Arm::ForkOnly),
];
/// The statistics that they are made of: those that claims rest on.
const STATISTICS: [Statistic; 2] = [Statistic::SlowShare, Statistic::CappedMean];

/// A pair's difference at the primary level, less the same at a level that differs from it in one factor.
#[derive(Debug, Clone, Serialize)]
pub struct Interaction {
    /// First contender.
    pub first: Arm,
    /// Second contender.
    pub second: Arm,
    /// The factor.
    pub factor: Factor,
    /// The other level.
    pub other: Factors,
    /// Contrasts with their verdicts, one a statistic.
    pub contrasts: Vec<(Contrast, Verdict)>,
}

/// Which cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cells {
    /// ProcArrayAdd pays page faults: 14 and later, slots in front of standing connections, 4 kB pages.
    WithFaults,
    /// One of these is missing.
    Placebo,
}

impl Cells {
    /// Which a level is; `None` where it is not known.
    pub fn of(level: &Factors) -> Option<Self> {
        Some(match &lack(level)?[..] {
            [] => Cells::WithFaults,
            _ => Cells::Placebo,
        })
    }
}

/// What a level lacks for page faults in ProcArrayAdd, which writes each entry's pgxactoff (procarray.c, from 14 on);
/// `None` where it is not known.
fn lack(level: &Factors) -> Option<Vec<String>> {
    let pg = level.pg.as_ref();
    let major = pg.map_or(Some(DEFAULT_PG_MAJOR), PgSource::major)?;
    let (slots, pages) = (level.slot_order?, level.page_size?);
    let lacks = [
        (level.standing == 0, "none standing".to_owned()),
        (slots != SlotOrder::Front, format!("slots {slots}")),
        (pages != PageSize::Small, "2 MB pages".to_owned()),
        (major < 14, format!("PostgreSQL {major}")),
    ];
    let there = lacks.into_iter().filter(|(is_lacking, _)| *is_lacking);
    Some(there.map(|(_, what)| what).collect())
}

/// What each of these lacks, each said once.
fn lacks(levels: &[&LevelSummary]) -> Vec<String> {
    let all = levels.iter().filter_map(|level| lack(&level.factors));
    let mut said: Vec<String> = all.map(|lack| lack.join(" with ")).collect();
    let mut seen = BTreeSet::new();
    said.retain(|lack| !lack.is_empty() && seen.insert(lack.clone()));
    said
}

/// The mean of a pair's differences over several levels.
#[derive(Debug, Clone, Serialize)]
pub struct Pooled {
    /// Over which.
    pub cells: Cells,
    /// First contender.
    pub first: Arm,
    /// Second contender.
    pub second: Arm,
    /// How many levels.
    pub levels: usize,
    /// What is missing there for page faults under the lock: `none standing`, `slots behind`; empty for cells with them.
    pub lack: Vec<String>,
    /// Contrasts with their verdicts, one a statistic.
    pub contrasts: Vec<(Contrast, Verdict)>,
}

/// Every interaction with the primary level; none without a threshold.
pub(super) fn interactions(run: &Run, levels: &[LevelSummary], rule: Rule) -> Vec<Interaction> {
    let Some(primary) = primary_level(&run.config, levels) else {
        return Vec::new();
    };
    let differing = |level: &LevelSummary| {
        let unlike = |f: &Factor| level.factors.get(*f) != primary.factors.get(*f);
        let mut factors = Factor::all().filter(unlike);
        factors.next().filter(|_| factors.next().is_none())
    };
    let mut all = Vec::new();
    for (pair, level) in PAIRS
        .iter()
        .flat_map(|pair| levels.iter().map(move |level| (pair, level)))
    {
        let Some(factor) = differing(level) else {
            continue;
        };
        let cells = [(1.0, primary), (-1.0, level)];
        let contrasts = judged(run, &cells, *pair, rule, 0x494E_5445);
        if !contrasts.is_empty() {
            all.push(Interaction {
                first: pair.0,
                second: pair.1,
                factor,
                other: level.factors.clone(),
                contrasts,
            });
        }
    }
    all
}

/// Each pair over the cells of each kind, where there are at least two; none without a threshold.
pub(super) fn pooled(run: &Run, levels: &[LevelSummary], rule: Rule) -> Vec<Pooled> {
    let mut all = Vec::new();
    for kind in [Cells::WithFaults, Cells::Placebo] {
        for (first, second) in PAIRS {
            let sound = |level: &&LevelSummary| {
                let arms = [first, second];
                Cells::of(&level.factors) == Some(kind)
                    && arms
                        .iter()
                        .all(|arm| level.contender(*arm, false).is_some())
                    && !arms.iter().any(|arm| level.is_struck(*arm))
            };
            let of_kind: Vec<&LevelSummary> = levels.iter().filter(sound).collect();
            let weight = 1.0 / of_kind.len() as f64;
            let cells: Vec<(f64, &LevelSummary)> =
                of_kind.iter().map(|level| (weight, *level)).collect();
            let contrasts = judged(run, &cells, (first, second), rule, 0x504F_4F4C);
            if cells.len() > 1 && !contrasts.is_empty() {
                all.push(Pooled {
                    cells: kind,
                    first,
                    second,
                    levels: cells.len(),
                    lack: lacks(&of_kind),
                    contrasts,
                });
            }
        }
    }
    all
}

fn judged(
    run: &Run,
    levels: &[(f64, &LevelSummary)],
    (first, second): (Arm, Arm),
    rule: Rule,
    salt: u64,
) -> Vec<(Contrast, Verdict)> {
    if run.slow_over_ns.is_none() {
        return Vec::new();
    }
    let sides = ((first, false, None), (second, false, None));
    let of_level = |(weight, level): &(f64, &LevelSummary)| {
        let cell = cell(run, &level.factors, sides.0, sides.1);
        (*weight, cell)
    };
    let cells: Vec<(f64, Cell)> = levels.iter().map(of_level).collect();
    let cells: Vec<(f64, &Cell)> = cells.iter().map(|(weight, cell)| (*weight, cell)).collect();
    let is_struck = |level: &LevelSummary| level.is_struck(first) || level.is_struck(second);
    let struck = levels.iter().any(|(_, level)| is_struck(level));
    let rule = levels
        .iter()
        .fold(rule, |rule, (_, level)| level.rule(rule));
    let seed = derive_seed(run.config.seed, &[salt]);
    let contrasts = over_cells(&cells, &STATISTICS, seed).into_iter();
    contrasts.map(|c| (c, rule.judge(&c, struck))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Answer, analyse};
    use crate::testing::lock_run;

    fn share(contrasts: &[(Contrast, Verdict)]) -> (f64, Verdict) {
        let mut all = contrasts.iter();
        let found = all.find(|c| c.0.statistic == Statistic::SlowShare).unwrap();
        (found.0.difference.value_ns, found.1)
    }

    #[test]
    fn the_lock_shows_where_faults_are_and_the_placebos_stay_below_the_bound() {
        let analysis = analyse(&lock_run(12, 40, 0), Answer::Contrast, Some(0.01));
        let of = |cells| {
            let mut all = analysis.pooled.iter();
            let pair = |p: &&Pooled| (p.cells, p.second) == (cells, Arm::Premapped);
            let pooled = all.find(pair).unwrap();
            (pooled.levels, share(&pooled.contrasts))
        };
        let (levels, (effect, verdict)) = of(Cells::WithFaults);
        assert_eq!((levels, verdict), (2, Verdict::Higher));
        assert!((effect - 0.04).abs() < 1e-9, "{effect}");
        assert_eq!(of(Cells::Placebo), (4, (0.0, Verdict::SmallerThan(0.01))));
        let lack: Vec<_> = analysis.pooled.iter().map(|p| p.lack.join(", ")).collect();
        assert_eq!(lack, ["", "2 MB pages, slots behind"]);
    }

    #[test]
    fn an_interaction_is_one_difference_less_another_at_levels_that_differ_in_one_factor() {
        let analysis = analyse(&lock_run(12, 40, 10), Answer::Contrast, None);
        let found: Vec<_> = analysis
            .interactions
            .iter()
            .map(|i| (i.factor, i.second, share(&i.contrasts)))
            .collect();
        // 15, front, 4k is primary: beside it lie 15/front/2m, 15/behind/4k and 18/front/4k.
        let factors: Vec<Factor> = found.iter().map(|f| f.0).collect();
        assert_eq!(factors.len(), 3, "{found:?}");
        for (factor, second, (effect, verdict)) in found {
            assert_eq!(second, Arm::Premapped);
            let (expected, shown) = match factor {
                Factor::Pg => (0.0, Verdict::CannotTell),
                _ => (0.03, Verdict::Higher),
            };
            assert!((effect - expected).abs() < 1e-9, "{factor:?}: {effect}");
            assert_eq!(verdict, shown, "{factor:?}");
        }
    }

    #[test]
    fn without_a_threshold_there_is_nothing_across_levels() {
        let mut run = lock_run(12, 40, 0);
        run.slow_over_ns = None;
        let analysis = analyse(&run, Answer::Contrast, None);
        assert!(analysis.pooled.is_empty() && analysis.interactions.is_empty());
    }
}
