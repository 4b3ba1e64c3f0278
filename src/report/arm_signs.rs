//! What must be said of an arm's numbers in a figure.

use super::figure::Signs;
use crate::stats::ContenderSummary;

/// Why an arm must not be quoted, or is to be read with care.
pub(super) fn signs(contender: &ContenderSummary) -> Signs {
    Signs {
        struck: contender.struck().map(ToString::to_string),
        caution: contender.caution(),
    }
}
