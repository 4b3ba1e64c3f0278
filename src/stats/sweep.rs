//! What an experiment asks of its run: the kind of answer; which quantity, of which arms, along which numeric factor.

use serde::{Serialize, Serializer};

use super::bootstrap::Unit;
use super::statistic::Statistic;
use crate::arm::Arm;
use crate::factor::{ClientRate, Factor, Factors};
use crate::record::{CpuGroup, SeriesKey};

/// What is read off the blocks of a level.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// A statistic of a series, in ns.
    Time(SeriesKey, Statistic),
    /// CPU of one process group while load was offered, as a share of one core.
    Cpu(CpuGroup),
    /// The sum of some counters over the sum of others.
    Ratio {
        /// Counted above the line.
        of: &'static [&'static str],
        /// Counted below it.
        over: &'static [&'static str],
        /// Whether it is a share of a whole, 0 to 1.
        share: bool,
    },
}

impl Quantity {
    /// Unit of its values.
    pub fn unit(self) -> Unit {
        match self {
            Quantity::Time(..) => Unit::Ns,
            Quantity::Ratio { share: true, .. } | Quantity::Cpu(_) => Unit::Share,
            Quantity::Ratio { .. } => Unit::Number,
        }
    }
}

/// The share of the shared acquisitions of ProcArrayLock that find it busy: what `busy-share` predicts.
pub const BUSY_SHARE: Quantity = Quantity::Ratio {
    of: &["procarraylock.shared-waits"],
    over: &["procarraylock.shared"],
    share: true,
};

/// The factor along which a line runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Along {
    /// Standing connections.
    Standing,
    /// Transactions with an xid that end, per second.
    CommitRate,
    /// The clients' rate, in percent of what the weakest arm sustains.
    ClientRate,
}

impl Along {
    /// Its value at a level; `None` where the level does not name it.
    pub fn at(self, level: &Factors) -> Option<f64> {
        match self {
            Along::Standing => Some(f64::from(level.standing)),
            Along::CommitRate => level.commit_rate.map(|rate| rate.0),
            Along::ClientRate => match level.client_rate? {
                ClientRate::Share(share) => Some(share * 100.0),
                ClientRate::Auto | ClientRate::Given(_) => None,
            },
        }
    }

    /// The level without it: what tells one line from another.
    pub fn rest(self, level: &Factors) -> Factors {
        let mut rest = level.clone();
        match self {
            Along::Standing => rest.standing = 0,
            Along::CommitRate => rest.commit_rate = None,
            Along::ClientRate => rest.client_rate = None,
        }
        rest
    }

    /// The axis in words.
    pub fn words(self) -> &'static str {
        match self {
            Along::Standing => "standing connections",
            Along::CommitRate => "transactions with an xid that end, per second",
            Along::ClientRate => "offered connections, % of what the weakest arm sustains",
        }
    }
}

/// One question to a run: which quantity, of which arms, along which factor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sweep {
    /// File name of its figure, without extension.
    pub stem: &'static str,
    /// Title of its figure.
    #[serde(skip)]
    pub title: &'static str,
    /// Line under the title: what to look at.
    #[serde(skip)]
    pub look_at: &'static str,
    /// The quantity in words, for instance `hold of ProcArrayLock in ProcArrayAdd, p50`.
    pub quantity_words: &'static str,
    /// Whose blocks: a line each; those of an A/A twin are counted in. The first is the one that is asked about.
    pub arms: &'static [Arm],
    /// The quantity.
    pub quantity: Quantity,
    /// The factor.
    pub along: Along,
    /// The factors that have a panel for each of their values.
    #[serde(skip)]
    pub panels: &'static [Factor],
    /// Whether the quantity's axis is logarithmic.
    #[serde(skip)]
    pub logarithmic: bool,
}

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
