//! The run file of an experiment on a cluster.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::failover_loss::FailoverLoss;
use super::lsn_ladder::LsnLadder;
use super::partition_detach::PartitionDetach;
use crate::record::{Provenance, RunFileError, RunStatus, files_named, read_json, write_json};

/// Its name in its directory.
pub const CLUSTER_RUN_FILE_NAME: &str = "cluster-run.json";

/// What was measured, by experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "experiment", rename_all = "kebab-case")]
pub enum Measured {
    /// 7.3.
    PartitionDetach(PartitionDetach),
    /// 7.1.
    LsnLadder(LsnLadder),
    /// 7.5.
    FailoverLoss(FailoverLoss),
}

impl Measured {
    /// `server_version` of the first server; empty if there was none.
    pub fn server_version(&self) -> &str {
        match self {
            Measured::PartitionDetach(run) => &run.server_version,
            Measured::LsnLadder(run) => &run.server_version,
            Measured::FailoverLoss(run) => &run.server_version,
        }
    }

    /// Whether there is nothing to be kept.
    pub fn is_empty(&self) -> bool {
        match self {
            Measured::PartitionDetach(run) => run.trials.is_empty(),
            Measured::LsnLadder(run) => run.blocks.is_empty(),
            Measured::FailoverLoss(run) => run.trials.is_empty(),
        }
    }
}

/// One execution of one experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterRun {
    /// Version of the layout.
    pub schema_version: u32,
    /// Name of the run.
    pub run_id: String,
    /// Whether everything is there.
    pub status: RunStatus,
    /// When it began, UTC.
    pub started_at: String,
    /// How long it took, in ns.
    pub elapsed_ns: u64,
    /// Seed of orders and arrivals.
    pub seed: u64,
    /// Tool and machine.
    pub provenance: Provenance,
    /// The numbers.
    pub measured: Measured,
}

impl ClusterRun {
    /// The layout that is written and read.
    pub const SCHEMA_VERSION: u32 = 1;

    /// Why it is partial, if it is.
    pub fn partial_reason(&self) -> Option<&str> {
        match &self.status {
            RunStatus::Complete => None,
            RunStatus::Partial { reason } => Some(reason),
        }
    }

    /// Writes it into `dir`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, dir: &Path) -> Result<PathBuf, RunFileError> {
        write_json(dir, CLUSTER_RUN_FILE_NAME, serde_json::to_vec(self))
    }
}

/// Reads one.
///
/// # Errors
/// When it is missing, not such a run, or of another layout.
pub fn read_cluster_run(path: &Path) -> Result<ClusterRun, RunFileError> {
    read_json(path, ClusterRun::SCHEMA_VERSION)
}

/// Every one in or below `dir`, sorted by path.
///
/// # Errors
/// When a directory cannot be read.
pub fn find_cluster_runs(dir: &Path) -> Result<Vec<PathBuf>, RunFileError> {
    files_named(dir, CLUSTER_RUN_FILE_NAME)
}
