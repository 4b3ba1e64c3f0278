//! How levels and runs are called: standing connections always, other factors where they vary.

use super::format::count;
use crate::factor::{Factor, Factors};
use crate::names::counted;
use crate::record::RunHead;
use crate::stats::Analysis;
use itertools::Itertools;

/// `500 standing connections, lock std`.
pub(super) fn level_title(level: &Factors, varying: &[Factor]) -> String {
    [vec![standing_connections(level)], level.words(varying)]
        .concat()
        .join(", ")
}

/// The same within a run. Of levels that depart from the primary one only what differs is said.
pub(super) fn title_in(analysis: &Analysis, level: &Factors) -> String {
    let varying = &analysis.varying;
    let opens_none = analysis.levels.iter().all(|l| l.factors.standing == 0);
    if opens_none && analysis.run.config.is_of_others() {
        // Others are connected there.
        return level.words(varying).join(", ");
    }
    let departs = analysis.run.config.has_departures();
    let Some(primary) = analysis.primary_level().filter(|_| departs) else {
        return level_title(level, varying);
    };
    let differs = |f: &Factor| level.get(*f) != primary.factors.get(*f);
    let differing: Vec<Factor> = varying.iter().copied().filter(differs).collect();
    let mut words = level.words(&differing);
    if level.standing != primary.factors.standing {
        words.insert(0, standing_connections(level));
    }
    match words.is_empty() {
        true => format!("primary level: {}", level_title(level, varying)),
        false => format!("primary level with {}", words.join(", ")),
    }
}

/// `500 standing, lock std`.
pub(super) fn short_title(level: &Factors, varying: &[Factor]) -> String {
    [vec![standing(level)], level.words(varying)]
        .concat()
        .join(", ")
}

/// `PostgreSQL 15, slots front, 2,000 standing`.
pub(super) fn varying_first(level: &Factors, varying: &[Factor]) -> String {
    [level.words(varying), vec![standing(level)]]
        .concat()
        .join(", ")
}

/// `95 % bootstrap interval over 24 blocks`; of runs that differ in it, `over 24 and 12 blocks`.
pub(super) fn interval_over_blocks(runs: &[&Analysis]) -> String {
    let mut blocks: Vec<u32> = runs.iter().map(|a| a.run.config.blocks).collect();
    blocks.dedup();
    let blocks = match blocks[..] {
        [one] => counted(one, "block"),
        _ => format!("{} blocks", blocks.iter().join(" and ")),
    };
    format!("95 % bootstrap interval over {blocks}")
}

/// `2,000 standing connections`.
fn standing_connections(level: &Factors) -> String {
    let noun = match level.standing {
        1 => "connection",
        _ => "connections",
    };
    format!("{} {noun}", standing(level))
}

/// `2,000 standing`.
pub(super) fn standing(level: &Factors) -> String {
    format!("{} standing", count(u64::from(level.standing)))
}

/// A run's mode, with its id where it is not the only one in that mode.
pub(super) fn series_name(run: &RunHead, all: &[&Analysis]) -> String {
    match all.iter().filter(|a| a.run.mode == run.mode).count() {
        0 | 1 => run.mode.to_string(),
        _ => format!("{} {}", run.mode, run.run_id),
    }
}
