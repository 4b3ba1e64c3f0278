//! What is kept of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::arms::Arm;
use crate::record::SeriesHistogram;

/// A whole run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PartitionDetach {
    /// `server_version`.
    pub server_version: String,
    /// Connections that insert.
    pub writers: u32,
    /// Inserts per second of all writers together.
    pub rate_per_second: f64,
    /// Rows in the old partition.
    pub old_rows: u32,
    /// Each arm of each round, in the order in which they ran.
    pub trials: Vec<Trial>,
    /// Arms that this server cannot do, and why.
    pub absent: BTreeMap<String, String>,
    /// The whole way from the table to an archive.
    pub archive: Option<Archive>,
}

impl PartitionDetach {
    /// The trials of one arm.
    pub(super) fn of_arm(&self, arm: Arm) -> impl Iterator<Item = &Trial> {
        self.trials.iter().filter(move |t| t.arm == arm)
    }
}

/// One arm once. Instants are ns after the begin of the load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The arm.
    pub arm: Arm,
    /// Which time.
    pub round: u32,
    /// From when to when the obstacle stood; `None` without one.
    pub obstacle_ns: Option<(u64, u64)>,
    /// From when to when the removal took; without one from when it would have begun to the obstacle's end.
    pub removal_ns: (u64, u64),
    /// How often it was tried.
    pub tries: u32,
    /// What the last try ended with, if not with success.
    pub removal_error: Option<String>,
    /// How long FINALIZE took, in ns, where it was needed.
    pub finalize_ns: Option<u64>,
    /// Whether the partition was seen to be pending (`inhdetachpending`) before FINALIZE.
    pub seen_pending: bool,
    /// Whether it is pending at the end.
    pub left_pending: bool,
    /// Inserts that were acknowledged.
    pub acknowledged: u64,
    /// Inserts that failed, by class.
    pub failed: BTreeMap<String, u64>,
    /// Inserts that were due and not begun when the load was stopped.
    pub not_begun: u64,
    /// Inserts that are there at the end: in the parent, in the partition where that is detached.
    pub rows: u64,
    /// The longest time without an acknowledged insert, from the removal's begin to the first one after its end, in ns.
    pub worst_gap_ns: u64,
    /// Inserts that took more than 100 ms from due to the end, of those due during the removal.
    pub over_100_ms: u64,
    /// Response times of inserts that were due during the removal, in ns.
    pub response: SeriesHistogram,
    /// Acknowledged inserts in each [`STEP_NS`] from the begin of the load.
    pub completions: Vec<u32>,
    /// What was seen of locks while the removal was under way.
    pub samples: Vec<LockSample>,
}

/// The steps of completions, in ns.
pub const STEP_NS: u64 = 20_000_000;

/// One look at the locks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockSample {
    /// When, in ns after the begin of the load.
    pub at_ns: u64,
    /// What the removing session waits for, as `pg_stat_activity` names it; empty for nothing.
    pub wait: String,
    /// Its locks of parent and partition, such as `parent:AccessExclusiveLock`; one that it waits for has a `*`.
    pub locks: Vec<String>,
    /// Writers that wait for a relation's lock.
    pub writers_waiting: u32,
}

/// From the table to an archive: detach, dump, restore into another database, compare, drop. Times in ns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Archive {
    /// DETACH CONCURRENTLY, or DETACH before 14.
    pub detach_ns: u64,
    /// pg_dump.
    pub dump_ns: u64,
    /// pg_restore into an empty database.
    pub restore_ns: u64,
    /// DROP TABLE of the detached table.
    pub drop_ns: u64,
    /// Rows before, and their hash in the order of their numbers.
    pub source: (u64, String),
    /// Rows after, and their hash.
    pub restored: (u64, String),
    /// Inserts that were acknowledged meanwhile.
    pub acknowledged: u64,
    /// Inserts that are there.
    pub rows: u64,
    /// Inserts that failed meanwhile.
    pub failed: u64,
    /// The longest time without an acknowledged insert, in ns.
    pub worst_gap_ns: u64,
}
