//! What is kept of a run.

use serde::{Deserialize, Serialize};

use super::arms::Fault;
use crate::chapter7::level::Level;
use crate::record::SeriesHistogram;

/// A whole run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LsnLadder {
    /// `server_version` of both.
    pub server_version: String,
    /// The file system on which the primary's cluster lies.
    pub file_system: String,
    /// What PostgreSQL's settings are by default: `synchronous_commit`, `synchronous_standby_names`.
    pub defaults: (String, String),
    /// Whether a commit at `remote_apply` is acknowledged without the standby while the list is empty.
    pub acknowledged_without_list: Option<bool>,
    /// Inserts per second while positions are looked at.
    pub rate_per_second: f64,
    /// Each block, in the order in which they ran.
    pub blocks: Vec<Block>,
    /// The standby's receiver, stopped for a while.
    pub freeze: Option<Freeze>,
}

/// One fault, for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// What was slow.
    pub fault: Fault,
    /// Looks at the positions beside paced inserts at `local`.
    pub samples: Vec<Sample>,
    /// Commits of one connection, by level, in the order in which they ran.
    pub cells: Vec<Cell>,
    /// Four connections that commit as fast as they can.
    pub closed: Vec<Closed>,
    /// Reads on the standby, each after the acknowledgement of a row.
    pub reads: Vec<Reads>,
}

/// The positions, from the furthest to the one that comes last.
pub const POSITIONS: [&str; 7] = [
    "insert",
    "write",
    "flush",
    "sent",
    "write_lsn",
    "flush_lsn",
    "replay_lsn",
];

/// One look at the positions, in bytes of WAL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// When, in ns after the begin of the load.
    pub at_ns: u64,
    /// As [`POSITIONS`] names them, on the primary: three of its own, four of `pg_stat_replication`.
    pub positions: [u64; 7],
    /// On the standby: received, replayed.
    pub own: [u64; 2],
    /// `write_lag`, `flush_lag`, `replay_lag`, in µs.
    pub lags_us: [Option<u64>; 3],
    /// How old `reply_time` is, in µs.
    pub reply_age_us: Option<u64>,
}

/// Paced commits at one level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// `synchronous_commit`.
    pub level: Level,
    /// Service times: from the statement's begin to its acknowledgement, in ns.
    pub service: SeriesHistogram,
    /// Looks at the connection meanwhile.
    pub looks: u32,
    /// Looks in which it waited for the standby (`SyncRep`).
    pub waiting: u32,
    /// Looks in which the standby was not synchronous.
    pub not_synchronous: u32,
}

/// Commits in a closed loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Closed {
    /// `synchronous_commit`.
    pub level: Level,
    /// Commits of all connections.
    pub commits: u64,
    /// In so many ns.
    pub elapsed_ns: u64,
}

/// Reads on the standby.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reads {
    /// `synchronous_commit` of the row that was read.
    pub level: Level,
    /// Rows that were read.
    pub all: u32,
    /// Those that were not there yet.
    pub stale: u32,
}

/// The standby's receiver stands still. Instants are ns after the begin of the load.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Freeze {
    /// From when to when.
    pub frozen_ns: (u64, u64),
    /// Looks at the positions before, meanwhile and afterwards.
    pub samples: Vec<Sample>,
    /// A commit at `remote_write` meanwhile: its begin and its acknowledgement.
    pub commit_ns: (u64, u64),
}
