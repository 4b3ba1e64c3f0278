//! What a run on a cluster lets one say.

use serde::Serialize;

use crate::names::named_enum;
use crate::report::section::Section;

named_enum! {
    /// What becomes of a sentence of the chapter.
    pub enum ClaimVerdict: "verdict" {
        /// It holds as it stands.
        Confirmed = "confirmed",
        /// It holds under a condition that it does not name.
        InPart = "true in part",
        /// It does not hold.
        Refuted = "refuted",
        /// This run says nothing about it.
        NotMeasured = "not measured",
    }
}

/// A sentence of the chapter, held against what was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Claim {
    /// The sentence.
    pub said: &'static str,
    /// What becomes of it.
    pub verdict: ClaimVerdict,
    /// The numbers.
    pub found: String,
}

named_enum! {
    /// What a check is for.
    pub enum Must: "kind of check" {
        /// A violation is a bug, of PostgreSQL or of this program: the run fails.
        Hold = "must always hold",
        /// Without it the instrument has not worked: what depends on it is void.
        Show = "must show",
    }
}

/// Something that must be so in every run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// What it is for.
    pub must: Must,
    /// What must be so.
    pub rule: &'static str,
    /// Where it was looked at.
    pub looked_at: usize,
    /// Where it was not so; empty if it was everywhere.
    pub violations: Vec<String>,
}

impl Check {
    /// Looks at each of `cases` (its name, and whether it is so).
    pub fn of(
        must: Must,
        rule: &'static str,
        cases: impl IntoIterator<Item = (String, bool)>,
    ) -> Self {
        let mut check = Check {
            must,
            rule,
            looked_at: 0,
            violations: Vec::new(),
        };
        for (name, is_so) in cases {
            check.looked_at += 1;
            check.violations.extend((!is_so).then_some(name));
        }
        check
    }
}

/// What a run lets one say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Assessment {
    /// At most three sentences.
    pub answer: Vec<String>,
    /// The chapter's sentences.
    pub claims: Vec<Claim>,
    /// What must be so.
    pub checks: Vec<Check>,
    /// The table that goes with the answer, then the others.
    #[serde(skip)]
    pub tables: Vec<Section>,
}

impl Assessment {
    /// The first rule that must always hold and did not, in words.
    pub fn violation(&self) -> Option<String> {
        let mut checks = self.checks.iter().filter(|c| c.must == Must::Hold);
        let broken = checks.find(|c| !c.violations.is_empty())?;
        Some(format!(
            "{}: not so in {}",
            broken.rule,
            broken.violations.join("; ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_does_not_hold_is_a_violation_and_one_that_does_not_show_is_none() {
        let check = |must, is_so| Check::of(must, "a rule", [("here".to_owned(), is_so)]);
        let of = |checks| Assessment {
            answer: Vec::new(),
            claims: Vec::new(),
            checks,
            tables: Vec::new(),
        };
        let fine = of(vec![check(Must::Hold, true), check(Must::Show, false)]);
        assert_eq!(fine.violation(), None);
        let broken = of(vec![check(Must::Hold, true), check(Must::Hold, false)]);
        assert_eq!(broken.violation().unwrap(), "a rule: not so in here");
    }
}
