//! How levels and runs are called: standing connections always, other factors where they vary.

use super::format::count;
use crate::factor::{Factor, Factors};
use crate::record::RunHead;
use crate::stats::Analysis;

/// `500 standing connections, lock std`.
pub(super) fn level_title(level: &Factors, varying: &[Factor]) -> String {
    let standing = format!("{} connections", standing(level));
    [vec![standing], level.words(varying)].concat().join(", ")
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
