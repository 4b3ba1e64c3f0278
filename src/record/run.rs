//! The run: one execution of one experiment in one mode. Immutable once merged.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};

use super::{BlockCpu, Provenance, Role, RoleTally, SeriesHistogram, SeriesKey};
use crate::arm::{Arm, Mode};
use crate::clock::ClockQuality;
use crate::config::Config;
use crate::factor::{Factor, Factors, varying};

/// Version of the run file's layout. A file of another version is refused.
pub const SCHEMA_VERSION: u32 = 1;

/// Whether the run did everything it had planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum RunStatus {
    /// Every planned block is there.
    Complete,
    /// Something is missing.
    Partial {
        /// What happened, in one line.
        reason: String,
    },
}

/// One timed stretch of one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// Position in the plan.
    pub index: u32,
    /// The arm.
    pub arm: Arm,
    /// Whether this is the baseline's A/A twin.
    #[serde(default)]
    pub twin: bool,
    /// Round at this level.
    pub round: u32,
    /// Server start (or fresh array) it belongs to.
    pub start: u32,
    /// The settings.
    pub factors: Factors,
    /// Start of the measured window, ns after the run's start.
    pub start_ns: u64,
    /// Length of the measured window, in ns.
    pub measured_ns: u64,
    /// How long the settle rule waited before it, in ns.
    pub settle_ns: u64,
    /// Whether the settle rule was met (the server's child count back to base).
    pub settled: bool,
    /// Counts by role.
    pub tallies: BTreeMap<Role, RoleTally>,
    /// CPU.
    pub cpu: BlockCpu,
    /// Mode-specific counters, such as lock acquisitions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counters: BTreeMap<String, u64>,
    /// Histograms by series, in ns.
    pub series: BTreeMap<SeriesKey, SeriesHistogram>,
}

impl Block {
    /// Label of the contender: the arm's name, or `kept-open (A/A)`.
    pub fn label(&self) -> String {
        arm_label(self.arm, self.twin)
    }
}

/// The label of an arm or of its A/A twin.
pub fn arm_label(arm: Arm, twin: bool) -> String {
    if twin {
        format!("{arm} (A/A)")
    } else {
        arm.to_string()
    }
}

/// The counter of a block that is 1 where the slot order was seen to be what was asked for.
pub const SLOTS_VERIFIED: &str = "slots.verified";

/// An arm that was asked for and did not run (to the end), and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbsentArm {
    /// The arm.
    pub arm: Arm,
    /// Why, and what to do about it.
    pub reason: String,
    /// Whether it was lost during the run (then the run is partial).
    #[serde(default)]
    pub lost: bool,
}

/// A level that was asked for and was not available.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbsentLevel {
    /// The level.
    pub factors: Factors,
    /// Why, and what to do about it.
    pub reason: String,
    /// Whether the run is partial without it.
    #[serde(default)]
    pub wanted: bool,
}

/// How the clients' rate was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Standing connections while calibrating (the largest of the run).
    pub standing: u32,
    /// Closed-loop transactions per second, by arm; the least over all levels
    /// that have so many standing connections.
    pub sustained_per_second: BTreeMap<Arm, f64>,
    /// The arm that sustains least.
    pub weakest: Arm,
    /// The rate that was taken, per second: half of the weakest arm's.
    pub client_rate_per_second: f64,
}

/// Everything in a run file but its blocks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunHead {
    /// Layout version, [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Short random id.
    pub run_id: String,
    /// The experiment's name, or `model` / `server` for a free run.
    pub experiment: String,
    /// The mode.
    pub mode: Mode,
    /// Whether anything is missing.
    pub status: RunStatus,
    /// When it began, UTC, RFC 3339.
    pub started_at: String,
    /// How long it took, in ns.
    pub elapsed_ns: u64,
    /// What was asked for.
    pub config: Config,
    /// The clients' rate that was used (given, or calibrated), per second;
    /// `None` in a closed loop.
    pub client_rate_per_second: Option<f64>,
    /// How the rate was found, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Threshold of the slow share, in ns; fixed before the measured blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_over_ns: Option<u64>,
    /// The clock's cost and step.
    pub clock: ClockQuality,
    /// Machine, tool and server.
    pub provenance: Provenance,
    /// Arms that did not run.
    #[serde(default)]
    pub absent_arms: Vec<AbsentArm>,
    /// Levels that were not available.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent_levels: Vec<AbsentLevel>,
    /// Remarks for the reader, one line each.
    #[serde(default)]
    pub remarks: Vec<String>,
}

/// One execution in one mode: what is said of it, and its blocks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Everything but the blocks.
    #[serde(flatten)]
    pub head: RunHead,
    /// The measured blocks, in the order they were run.
    pub blocks: Vec<Block>,
}

impl Deref for Run {
    type Target = RunHead;

    fn deref(&self) -> &RunHead {
        &self.head
    }
}

impl DerefMut for Run {
    fn deref_mut(&mut self) -> &mut RunHead {
        &mut self.head
    }
}

impl Run {
    /// The levels that have blocks: by standing connections, then in the order
    /// in which they were asked for.
    pub fn levels(&self) -> Vec<Factors> {
        let distinct: std::collections::BTreeSet<&Factors> =
            self.blocks.iter().map(|b| &b.factors).collect();
        let asked_for = self.config.levels();
        let mut levels: Vec<Factors> = distinct.into_iter().cloned().collect();
        levels.sort_by_key(|level| {
            let place = asked_for.iter().position(|l| l.agrees_with(level));
            (level.standing, place.unwrap_or(usize::MAX))
        });
        levels
    }

    /// Blocks of one contender at one level, by round.
    pub fn blocks_of(&self, arm: Arm, twin: bool, level: &Factors) -> Vec<&Block> {
        let mut blocks: Vec<&Block> = self
            .blocks
            .iter()
            .filter(|b| b.arm == arm && b.twin == twin && b.factors == *level)
            .collect();
        blocks.sort_by_key(|b| b.round);
        blocks
    }

    /// Contenders that have blocks, in order of presentation, twins last.
    pub fn contenders(&self) -> Vec<(Arm, bool)> {
        let all: std::collections::BTreeSet<(bool, Arm)> =
            self.blocks.iter().map(|b| (b.twin, b.arm)).collect();
        all.into_iter().map(|(twin, arm)| (arm, twin)).collect()
    }
}

impl RunHead {
    /// Why the run is partial, if it is.
    pub fn partial_reason(&self) -> Option<&str> {
        match &self.status {
            RunStatus::Complete => None,
            RunStatus::Partial { reason } => Some(reason),
        }
    }
}

/// The levels (of each run its own) at which several runs are laid side by side, and the factors that
/// name them beside standing connections: those that vary within at least one
/// run. A run without such a factor (a server has no choice of lock) stands
/// beside every value of it; see [`Factors::agrees_with`].
pub fn levels_side_by_side(runs: &[Vec<Factors>]) -> (Vec<Factors>, Vec<Factor>) {
    let within: BTreeSet<Factor> = runs.iter().flat_map(varying).collect();
    let within: Vec<Factor> = within.into_iter().collect();
    let mut keys: Vec<Factors> = Vec::new();
    for level in runs.iter().flatten() {
        let key = level.only(&within);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    // One that names fewer factors stands beside those that name more.
    let all = keys.clone();
    keys.retain(|k| {
        !all.iter()
            .any(|other| other.named() > k.named() && other.agrees_with(k))
    });
    keys.sort_by_key(|k| k.standing);
    (keys, within)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{sample_run, with_lock};

    /// A run whose blocks are under every one of `locks`.
    fn run_under(locks: &[&str]) -> Run {
        let mut run = sample_run(2);
        let blocks = std::mem::take(&mut run.blocks);
        for lock in locks {
            for block in &blocks {
                let mut block = block.clone();
                block.factors.lock = Some(lock.parse().unwrap());
                run.blocks.push(block);
            }
        }
        run
    }

    #[test]
    fn runs_that_differ_in_a_constant_factor_meet_at_standing_connections() {
        let (a, b) = (run_under(&["std"]), run_under(&["sharded"]));
        let (levels, named) = levels_side_by_side(&[a.levels(), b.levels()]);
        assert_eq!(levels, [Factors::standing(0), Factors::standing(10)]);
        assert_eq!(named, []);
    }

    #[test]
    fn a_run_without_the_factor_stands_beside_every_value_of_it() {
        let (model, server) = (run_under(&["std", "sharded"]), sample_run(2));
        let (levels, named) = levels_side_by_side(&[server.levels(), model.levels()]);
        assert_eq!(named, [Factor::Lock]);
        assert_eq!(levels.len(), 4);
        assert!(levels.contains(&with_lock(10, "std")));
        assert!(server.levels()[0].agrees_with(&with_lock(0, "std")));
        assert!(!with_lock(0, "std").agrees_with(&with_lock(0, "sharded")));
    }
}
