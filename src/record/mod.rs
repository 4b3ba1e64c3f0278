//! What is recorded: histograms, counts, and the run file that keeps them.

mod block_cpu;
mod connection_cost;
mod file;
mod histogram;
mod key;
mod percentile;
mod provenance;
mod recorder;
mod run;
mod setup;
mod survey;
mod tally;

pub use block_cpu::{BlockCpu, CpuAccount, CpuGroup, Throttling};
pub use connection_cost::ConnectionCost;
pub use file::{RUN_FILE_NAME, RunFileError, find_runs, read_run, write_atomically, write_run};
pub use histogram::{MERGED_MAX_NS, SeriesHistogram, WORKER_MAX_NS, WorkerHistogram};
pub use key::{BadSeriesKey, ClockKind, Operation, Phase, Role, SeriesKey};
pub use percentile::{percentile_name, percentile_of_buckets, rank_of, samples_above};
pub use provenance::{Provenance, ServerProvenance, ServerSource};
pub use recorder::{BlockRecord, Recorder, SeriesId};
pub use run::{
    AbsentArm, AbsentLevel, Block, Calibration, Run, RunHead, RunStatus, SCHEMA_VERSION, arm_label,
    levels_side_by_side,
};
pub use setup::SetupSums;
pub use survey::{Between, Census, OthersConnections, PoolMode, Survey};
pub use tally::{ErrorClass, RoleTally};
