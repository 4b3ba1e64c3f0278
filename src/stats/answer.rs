//! What a run is asked for.

use serde::{Serialize, Serializer};

use super::sweep::Sweep;

/// What kind of answer a run gives, hence what is estimated, printed and drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Answer {
    /// Arms against each other: the effect of churn on running statements.
    Contrast,
    /// Quantities along a factor; the first one's holds the primary outcome.
    Sweeps(&'static [Sweep]),
    /// Counts for each operation.
    Counts,
    /// What a client's transaction costs in each arm.
    Costs,
    /// The parts of a connection's time.
    Phases,
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Answer::Contrast => "contrast",
            Answer::Sweeps(_) => "sweeps",
            Answer::Counts => "counts",
            Answer::Costs => "costs",
            Answer::Phases => "phases",
        })
    }
}
