//! Where traced statements spent their time: means that add up.

use super::contender::ContenderSummary;
use crate::record::{StatementClass, StatementPart};

/// A class of statements, and what they were made of.
#[derive(Debug, Clone, PartialEq)]
pub struct StatementSplit {
    /// Which statements.
    pub class: StatementClass,
    /// How many; never 0.
    pub statements: u64,
    /// Mean of each part per statement, in ns; they add up to the mean service time.
    pub parts: Vec<(StatementPart, f64)>,
}

impl StatementSplit {
    /// Mean service time, in ns.
    pub fn total_ns(&self) -> f64 {
        self.parts.iter().map(|p| p.1).sum()
    }
}

/// The splits of a contender's traced statements by class; empty if none was traced.
pub fn splits(contender: &ContenderSummary) -> Vec<StatementSplit> {
    let of = |&class: &StatementClass| {
        let statements = contender.counter(&class.counter()).filter(|n| *n > 0)?;
        let mean = |part: &StatementPart| {
            let sum = contender.counter(&part.counter(class)).unwrap_or(0);
            (*part, sum as f64 / statements as f64)
        };
        Some(StatementSplit {
            class,
            statements,
            parts: StatementPart::ALL.iter().map(mean).collect(),
        })
    };
    StatementClass::ALL.iter().filter_map(of).collect()
}
