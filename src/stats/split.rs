//! Where traced statements spent their time: means that add up.

use super::contender::ContenderSummary;
use crate::record::StatementPart;

/// The statements slower than a threshold, and what they were made of.
#[derive(Debug, Clone, PartialEq)]
pub struct StatementSplit {
    /// Service times above this, in us; 0 for all.
    pub over_us: u64,
    /// How many.
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

/// The splits of a contender's traced statements by threshold; empty if none was traced.
pub fn splits(contender: &ContenderSummary) -> Vec<StatementSplit> {
    let thresholds = StatementPart::THRESHOLDS_US.iter();
    let of = |&over_us: &u64| {
        let statements = contender.counter(&StatementPart::statements(over_us))?;
        let mean = |part: &StatementPart| {
            let sum = contender.counter(&part.counter(over_us)).unwrap_or(0);
            (*part, sum as f64 / statements as f64)
        };
        Some(StatementSplit {
            over_us,
            statements,
            parts: StatementPart::ALL.iter().map(mean).collect(),
        })
    };
    thresholds.filter_map(of).collect()
}
