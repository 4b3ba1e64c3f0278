//! From an arm's numbers to marks and rows of a figure, with what must be said of them.

use super::figure::{Row, RowGroup, Signs};
use super::level_title::level_title;
use crate::stats::{Analysis, ContenderSummary, LevelSummary};

/// Why an arm must not be quoted, or is to be read with care.
pub(super) fn signs(contender: &ContenderSummary) -> Signs {
    Signs {
        struck: contender.struck().map(ToString::to_string),
        caution: contender.caution(),
    }
}

/// A group for each level that has rows with marks.
pub(super) fn level_groups(
    analysis: &Analysis,
    rows: impl Fn(&LevelSummary) -> Vec<Row>,
    floors_ns: impl Fn(&LevelSummary) -> Vec<(String, f64)>,
) -> Vec<RowGroup> {
    let group = |level: &LevelSummary| {
        let mut rows = rows(level);
        rows.retain(|r| !r.marks.is_empty());
        RowGroup {
            title: level_title(&level.factors, &analysis.varying),
            rows,
            floors_ns: floors_ns(level),
        }
    };
    let groups = analysis.levels.iter().map(group);
    groups.filter(|g| !g.rows.is_empty()).collect()
}
