//! From an arm's numbers to marks and rows of a figure, with what must be said of them.

use itertools::Itertools;

use super::figure::{RowGroup, Signs};
use crate::stats::ContenderSummary;

/// Why an arm must not be quoted, or is to be read with care.
pub(super) fn signs(contender: &ContenderSummary) -> Signs {
    Signs {
        struck: contender.struck().map(ToString::to_string),
        caution: contender.caution(),
    }
}

/// The groups that have rows with marks, and only these rows; `None` without any.
pub(super) fn measured(groups: impl Iterator<Item = RowGroup>) -> Option<Vec<RowGroup>> {
    let groups = groups.update(|group| group.rows.retain(|r| !r.marks.is_empty()));
    let groups = groups.filter(|g| !g.rows.is_empty()).collect_vec();
    (!groups.is_empty()).then_some(groups)
}
